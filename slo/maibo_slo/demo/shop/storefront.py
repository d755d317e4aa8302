"""Storefront: what customers see. A checkout is three requests of theirs, and each may meet another process behind it.

Which requests are which step is not said here: the middleware reads it from the Journey documents. What only this code knows, why a
checkout failed and that a customer changed their mind, is said with ``maibo.current()``.
"""

from __future__ import annotations

from uuid import uuid4

import httpx2
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.types import Scope

import maibo
from maibo_slo.demo.shop import TIER_HEADER
from maibo_slo.demo.shop.notes import on_behalf
from maibo_slo.demo.shop.payment import Charge
from maibo_slo.demo.shop.work import Work


def add_routes(app: FastAPI, work: Work, client: httpx2.AsyncClient, *, cart: str) -> None:
    """What customers may ask for."""

    @app.get("/products")
    async def products() -> list[str]:
        await work.takes(12)
        return ["tea", "teapot", "cup"]

    @app.post("/checkout", status_code=201)
    async def checkout(request: Request) -> dict[str, str]:
        await work.takes(10)
        reserved = await client.post(f"{cart}/reserve", headers=maibo.inject(on_behalf(request)))
        reserved.raise_for_status()
        return {"order": uuid4().hex}

    @app.post("/checkout/{id}/address", status_code=204)
    async def address(id: str) -> None:  # noqa: A002, ARG001 -- the route's own word
        await work.takes(8)

    @app.post("/checkout/{id}/pay")
    async def pay(id: str, asked: Charge, request: Request) -> Response:  # noqa: A002, ARG001 -- the route's own word
        await work.takes(6)
        headers = maibo.inject(on_behalf(request))
        settled = await client.post(f"{cart}/settle", json=asked.model_dump(), headers=headers)
        if settled.status_code == 402:
            maibo.current().fail("card_declined")
        elif settled.status_code != 200:
            maibo.current().fail("payment_unavailable")
        return JSONResponse(settled.json(), settled.status_code)

    @app.delete("/checkout/{id}", status_code=204)
    async def cancel(id: str) -> None:  # noqa: A002, ARG001 -- the route's own word
        await work.takes(3)
        maibo.current().abandon()


def customer(scope: Scope) -> dict[str, str | None]:
    """Who begins a journey: where a real shop would look at the session, this one believes a header."""
    return {"tier": Headers(scope=scope).get(TIER_HEADER)}
