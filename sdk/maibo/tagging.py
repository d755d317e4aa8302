"""What users call: `journey`, `step`, `begin`, `resume`, `current`, `inject` (what they start is in `maibo.journeys`)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from maibo import carriers, journeys, problems, runtime
from maibo.blocks import OPEN
from maibo.decorators import decorated
from maibo.journeys import Journey, M
from maibo.steps import Step

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
    journey = journeys.started(name, {"tier": tier, "variant": variant, "user": user, "session": session}, ends=None)
    journeys.goes_on(journey)
    return journey


def resume(carrier: Carrier, *, ends: bool | None = None) -> Journey:
    """Go on with a journey that came with a request: from its headers, its cookies, its session or a cookie's value::

        with maibo.resume(request.session) as journey:
            with maibo.step("payment"): ...
            journey.succeed()          # this was the last step

    By default it ends at the block's end if an outcome was said for it inside; ``ends=True``: always, and an exception is a failure;
    ``ends=False``: never, whatever is said. Without a journey in the carrier the handle is false, and does nothing.

    Each handle ends the journey once; two at the same time, of a request sent twice, both do, and the journey counts twice.
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
    """What `maibo.journey` returns: a journey that begins and ends with a ``with`` block, or with the function that it decorates.

    Each ``with`` and each call is a journey of its own, also where one block object is entered by several tasks at once.
    """

    __slots__ = ("_entered", "_options", "name")

    def __init__(self, name: str, options: dict[str, str | None]) -> None:
        self.name = name
        self._options = options
        self._entered: list[Journey] = []

    def __enter__(self) -> Journey:
        journey = journeys.started(self.name, self._options, ends=True)
        if journey.active:
            self._entered.append(journey)
            journeys.enter(journey, sys._getframe(1))  # noqa: SLF001 -- see maibo.blocks.suspended
        return journey

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._entered:
            try:
                journeys.leave(self._left(), kind)
            except Exception as mishap:  # noqa: BLE001 -- the host goes on
                problems.caught("journey", mishap)

    def __call__(self, function: F) -> F:
        return decorated(function, lambda: JourneyBlock(self.name, self._options), "journey")

    def _left(self) -> Journey:
        """Of those that were entered, the one whose block ends here: the one that is current, else (in a generator) the last."""
        innermost, last = OPEN.get(), self._entered[-1]
        if innermost is not None and journeys.attached(last):
            last = next((journey for journey in self._entered if journey is innermost.journey), last)
        self._entered.remove(last)
        return last
