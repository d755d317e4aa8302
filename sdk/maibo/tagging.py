"""What users call: `journey`, `step`, `begin`, `resume`, `current`, `inject` (what they start is in `maibo.journeys`)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from maibo import carriers, journeys, problems, runtime
from maibo.decorators import decorated
from maibo.journeys import Journey, M, Step

if TYPE_CHECKING:
    from types import TracebackType

    from maibo.carriers import Carrier

F = TypeVar("F", bound=Callable[..., Any])


def journey(
    name: str,
    *,
    tier: str | None = None,
    variant: str | None = None,
    user: str | None = None,
    session: str | None = None,
) -> JourneyBlock:
    """A journey that lasts as long as a block, or as a call of the function it decorates, sync or async::

        with maibo.journey("checkout", tier="vip"):
            ...

        @maibo.journey("search")
        async def search(): ...

    An exception that leaves it is a failure, with the exception's type as reason. `user` is hashed before anything else
    happens to it. Decorating a generator function raises TypeError.
    """
    return JourneyBlock(name, {"tier": tier, "variant": variant, "user": user, "session": session})


def step(name: str) -> Step:
    """A step of the current journey, as a block or a decorator::

        with maibo.step("payment") as payment:
            if not charge():
                payment.fail("card_declined")

    Outside of any journey it is dropped and counted.
    """
    return Step(name)


def begin(
    name: str,
    *,
    tier: str | None = None,
    variant: str | None = None,
    user: str | None = None,
    session: str | None = None,
) -> Journey:
    """Start a journey that this block of code does not end::

        with maibo.begin("checkout") as journey:
            with maibo.step("basket"): ...
            request.session["maibo-journey"] = journey.cookie()

    ``with`` makes it current. It ends where an outcome is said (`Journey.succeed`, `fail`, `abandon`), here or after `resume`, or when
    an exception leaves its block.
    """
    return journeys.started(name, {"tier": tier, "variant": variant, "user": user, "session": session}, ends=None)


def resume(carrier: Carrier, *, ends: bool | None = None) -> Journey:
    """Go on with a journey that came with a request: from its headers, its cookies, its session or a cookie's value::

        with maibo.resume(request.session) as journey:
            with maibo.step("payment"): ...
            journey.succeed()          # this was the last step

    By default it ends at the block's end if an outcome was said for it inside; ``ends=True``: always, and an exception is a failure;
    ``ends=False``: never, whatever is said. Without a journey in the carrier the handle is false, and does nothing.
    """
    live = runtime.active
    if live is None:
        return Journey(None)
    try:
        found = carriers.find(carrier, now_us=time.time_ns() // 1000)
        return Journey(None) if found is None else journeys.resumed(live, found[0], ends=ends)
    except Exception as error:  # noqa: BLE001 -- the host goes on
        problems.caught("resume", error)
        return Journey(None)


def current() -> Journey:
    """The journey that this code runs in; a handle that is false, and does nothing, when there is none."""
    try:
        return (journeys.find() if runtime.active is not None else None) or Journey(None)
    except Exception as error:  # noqa: BLE001 -- the host goes on
        problems.caught("current", error)
        return Journey(None)


def inject(carrier: M) -> M:
    """Add the current journey to outgoing headers, and return them; instrumented clients do this by themselves."""
    return journeys.add_to(carrier, current())


class JourneyBlock:
    """A journey that begins and ends with a ``with`` block, or with the function that it decorates."""

    __slots__ = ("_journey", "_options", "name")

    def __init__(self, name: str, options: dict[str, str | None]) -> None:
        self.name = name
        self._options = options
        self._journey: Journey | None = None

    def __enter__(self) -> Journey:
        journey = self._journey = journeys.started(self.name, self._options, ends=True)
        if journey.active:
            journeys.enter(journey, sys._getframe(1))  # noqa: SLF001 -- see _drives_a_block
        return journey

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._journey is not None and self._journey.active:
            journeys.leave(self._journey, kind)

    def __call__(self, function: F) -> F:
        return decorated(function, lambda: JourneyBlock(self.name, self._options), "journey")
