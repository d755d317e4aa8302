"""A WSGI app that the server tests run."""

import maibo
from maibo.wsgi import JourneyMiddleware, Route

maibo.configure(service="shop")


def plain(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])

    def body():
        with maibo.step("inside"):
            yield b"found"

    return body()


app = JourneyMiddleware(plain, routes={"GET /search": Route(journey="search", step="find", begins=True, ends=True)})
