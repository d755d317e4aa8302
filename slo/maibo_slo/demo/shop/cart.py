"""Cart: reserves what is in the basket, and settles it with whichever payment is released now."""

from __future__ import annotations

import httpx2
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

import maibo
from maibo_slo.demo.shop.notes import on_behalf
from maibo_slo.demo.shop.payment import Charge
from maibo_slo.demo.shop.work import Work


class Route(BaseModel):
    """Where payment is."""

    url: str


def add_routes(app: FastAPI, work: Work, client: httpx2.AsyncClient, *, payment: str) -> None:
    """What cart does, and the switch that a rollout turns."""
    released = Route(url=payment)

    @app.post("/reserve", status_code=204)
    async def reserve() -> None:
        await work.takes(8)

    @app.post("/settle")
    async def settle(asked: Charge, request: Request) -> Response:
        await work.takes(4)
        headers = maibo.inject(on_behalf(request))
        charged = await client.post(f"{released.url}/charge", json=asked.model_dump(), headers=headers)
        return Response(charged.content, charged.status_code, media_type="application/json")

    @app.put("/-/payment", status_code=204, include_in_schema=False)
    async def release(route: Route) -> None:
        released.url = route.url
