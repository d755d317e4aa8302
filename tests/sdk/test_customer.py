"""Who a journey belongs to, where a middleware begins it: asked once, at the begin, and carried on from there."""

import asyncio

import httpx2
import pytest
from fastapi import FastAPI
from opentelemetry import baggage

import maibo
import maibo.asgi
import maibo.wsgi
from maibo.asgi import Route
from maibo.testing import Captured, capture

ROUTES = {
    "POST /begin": Route(journey="checkout", step="basket", begins=True),
    "POST /end": Route(journey="checkout", step="payment", ends=True),
}


@pytest.fixture
def captured():
    with capture() as found:
        yield found


def play(customer) -> list[dict[str, str]]:
    """Begin and end a checkout; the baggage that the handlers saw."""
    app = FastAPI()

    @app.post("/begin")
    @app.post("/end")
    async def seen() -> dict[str, str]:
        return {name: str(value) for name, value in baggage.get_all().items()}

    app.add_middleware(maibo.asgi.JourneyMiddleware, routes=ROUTES, customer=customer)

    async def come() -> list[dict[str, str]]:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://shop") as client:
            return [(await client.post(path, headers={"x-tier": "vip"})).json() for path in ("/begin", "/end")]

    return asyncio.run(come())


def told(captured: Captured) -> list[tuple[str, str, str]]:
    (journey,) = captured.journeys
    return [(each.name, each.tier, each.variant) for each in (*captured.steps, journey)]


def test_the_tier_is_on_every_step_on_the_journey_and_in_the_baggage(captured: Captured):
    asked = []

    def customer(scope):
        asked.append(scope["path"])
        return {"tier": dict(scope["headers"])[b"x-tier"].decode(), "variant": "b"}

    seen = play(customer)
    assert told(captured) == [("basket", "vip", "b"), ("payment", "vip", "b"), ("checkout", "vip", "b")]
    assert [(each["journey.tier"], each["journey.variant"]) for each in seen] == [("vip", "b"), ("vip", "b")]
    assert asked == ["/begin"]


@pytest.mark.parametrize("customer", [lambda scope: {}, lambda scope: {"tier": None}, lambda scope: {"name": "Ada"}])
def test_what_is_not_told_is_empty_and_what_is_not_known_is_ignored(captured: Captured, customer):
    play(customer)
    assert told(captured) == [("basket", "", ""), ("payment", "", ""), ("checkout", "", "")]


@pytest.mark.parametrize("customer", [lambda scope: scope["user"], lambda scope: None])
def test_an_error_of_the_host_costs_the_tier_alone(captured: Captured, customer):
    before = maibo.stats().internal_errors
    play(customer)
    assert told(captured) == [("basket", "", ""), ("payment", "", ""), ("checkout", "", "")]
    assert maibo.stats().internal_errors == before + 1


def test_wsgi_asks_with_the_environ(captured: Captured):
    def app(environ, start_response):
        start_response("200 OK", [])
        return [b""]

    wrapped = maibo.wsgi.JourneyMiddleware(
        app,
        routes={"POST /buy": Route(journey="checkout", step="buy", begins=True, ends=True)},
        customer=lambda environ: {"tier": environ["HTTP_X_TIER"]},
    )
    body = wrapped(
        {"REQUEST_METHOD": "POST", "PATH_INFO": "/buy", "HTTP_X_TIER": "vip"}, lambda status, headers: lambda data: None
    )
    assert list(body) == [b""]
    body.close()
    assert told(captured) == [("buy", "vip", ""), ("checkout", "vip", "")]
