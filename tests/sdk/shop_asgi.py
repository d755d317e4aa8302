"""Apps that the server tests run: what a user would write, as small as it gets."""

import json
import os

import maibo
from maibo.asgi import JourneyMiddleware, Route

maibo.configure(service="shop")


async def bare(scope, receive, send):
    """An app without a lifespan of its own."""
    assert scope["type"] == "http"
    with maibo.step("inside"):
        body = json.dumps({"pid": os.getpid(), "journey": maibo.current().name}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


app = JourneyMiddleware(bare, routes={"GET /search": Route(journey="search", step="find", begins=True, ends=True)})


async def tagged(scope, receive, send):
    """Tagged by hand, without the middleware."""
    assert scope["type"] == "http"
    with maibo.journey("search"), maibo.step("inside"):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


def fast():
    from fastapi import FastAPI

    made = FastAPI()

    @made.get("/search")
    def search():
        with maibo.step("inside"):
            return {"pid": os.getpid()}

    made.add_middleware(
        JourneyMiddleware, routes={"GET /search": Route(journey="search", step="find", begins=True, ends=True)}
    )
    return made
