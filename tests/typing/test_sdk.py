"""Checked by mypy and pyright: the SDK's types say what users get."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, assert_type

import maibo
from maibo.asgi import JourneyMiddleware, Route
from maibo.testing import Captured, capture


@maibo.journey("search", tier="vip")
def search(words: str, *, limit: int = 10) -> list[str]:
    """A decorated function keeps its signature."""
    with maibo.step("index") as index:
        assert_type(index, maibo.Step)
    return [words] * limit


@maibo.step("payment")
async def pay(amount: float) -> bool:
    """So does a coroutine function."""
    return amount > 0


def test_types() -> None:
    """What mypy and pyright see is also so."""
    found = assert_type(search("a", limit=1), list[str])
    assert found == ["a"]
    paid: Callable[[float], Coroutine[Any, Any, bool]] = pay
    assert asyncio.run(paid(1.0))
    with capture() as captured, maibo.journey("checkout") as journey:
        assert_type(captured, Captured)
        assert_type(journey, maibo.Journey)
        headers = assert_type(maibo.inject({"a": "b"}), dict[str, str])
        assert_type(maibo.resume(headers), maibo.Journey)
        assert_type(maibo.resume(journey.cookie()), maibo.Journey)
        assert_type(maibo.current(), maibo.Journey)
        assert_type(maibo.carry(search), Callable[..., Any])  # type: ignore[assert-type]  # it keeps its parameters
    assert_type(maibo.stats(), maibo.Stats)
    assert_type(maibo.flush(), bool)


def test_middleware_types() -> None:
    """Routes are typed; scopes are the server's."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        """An ASGI app."""

    JourneyMiddleware(app, routes={"GET /search": Route(journey="search", step="find", begins=True, ends=True)})
