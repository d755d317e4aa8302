"""What is current: the innermost block that this code runs in, and the baggage that goes with it.

A context variable knows the innermost block, set and reset by the same ``with``; OpenTelemetry's context holds the journey too, and its
baggage, so that every instrumented client carries it and every instrumented thread pool takes it along. Inside a generator's own body
nothing is made current: a generator is suspended at each ``yield``, and its context would leak into whoever consumes it. (A generator
that ``contextlib.contextmanager`` drives is a block itself, and is treated as one.)

A block may be left in another context than the one it was entered in: FastAPI runs both ends of a sync ``yield`` dependency in threads,
each in a copy of the request's context. What it timed counts all the same; the other context is not ours to change.
"""

# ruff: noqa: SLF001 -- blocks, journeys and steps see each other's insides, so that users need not

from __future__ import annotations

import inspect
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Final

from opentelemetry import baggage
from opentelemetry import context as otel
from opentelemetry.trace import INVALID_SPAN, SpanContext, get_current_span

from maibo import carriers, problems
from maibo.semconv import ABANDONED, BAGGAGE_KEYS, FAILURE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import Self

    from maibo.journeys import Journey
    from maibo.steps import Step

OPEN: ContextVar[Attachment | Step | None] = ContextVar("maibo", default=None)
JOURNEY_KEY: Final = otel.create_key("maibo-journey")
_GENERATORS: Final = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


class Attachment:
    """Makes a journey current in one context, with its baggage in OpenTelemetry's; ``attach=False`` only counts the block."""

    __slots__ = ("_open", "_otel", "attached", "journey")

    def __init__(self, journey: Journey, *, attach: bool = True) -> None:
        self.journey = journey
        self.attached = attach
        self._open: Token[Attachment | Step | None] | None = None
        self._otel: Token[otel.Context] | None = None

    def __enter__(self) -> Self:
        self.journey._blocks.append(self)
        if self.attached:
            self._otel = otel.attach(_with_baggage(self.journey))
            self._open = OPEN.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self in self.journey._blocks:
            self.journey._blocks.remove(self)
        if self._otel is not None and self._open is not None and reset(self._open):
            otel.detach(self._otel)  # in another context it would log an error


@contextmanager
def being(step: Step) -> Iterator[None]:
    """`step`, already started, is current in here."""
    token = OPEN.set(step)
    try:
        yield
    finally:
        reset(token)


def reset(token: Token[Attachment | Step | None]) -> bool:
    """Make current what was before `token`; False: this is another context than the one it was made in, and stays as it is."""
    try:
        OPEN.reset(token)
    except ValueError:
        return False
    return True


@contextmanager
def without_baggage() -> Iterator[bool]:
    """OpenTelemetry's context in here holds no journey of a stranger's, where an instrumentation has put one; whether it had."""
    token = None
    try:
        context = otel.get_current()
        # Where a block of ours is open, the baggage is its own.
        if JOURNEY_KEY not in context and not baggage.get_all(context).keys().isdisjoint(BAGGAGE_KEYS):
            for key in BAGGAGE_KEYS:
                context = baggage.remove_baggage(key, context)
            token = otel.attach(context)
    except Exception as error:  # noqa: BLE001 -- the host goes on
        problems.caught("baggage", error)
    try:
        yield token is not None
    finally:
        if token is not None:
            otel.detach(token)


def suspended(frame: FrameType) -> bool:
    """Whether `frame` is the body of a generator, which must leave nothing current at its ``yield``."""
    return bool(frame.f_code.co_flags & _GENERATORS) and not _drives_a_block(frame)


def host_span() -> SpanContext | None:
    """The host's own current span, if it has one."""
    span = get_current_span()
    if span is INVALID_SPAN:
        return None
    context = span.get_span_context()
    return context if context.is_valid else None


def outcome_of(kind: type[BaseException]) -> tuple[str, str]:
    """Outcome and reason of a block that an exception leaves."""
    if issubclass(kind, GeneratorExit):  # the consumer of a stream went away
        return ABANDONED, ""
    return FAILURE, kind.__name__


def _drives_a_block(frame: FrameType) -> bool:
    driver = frame.f_back
    return driver is not None and driver.f_globals.get("__name__") == "contextlib"


def _with_baggage(journey: Journey) -> otel.Context:
    entries = {} if journey._identity is None else carriers.to_baggage(journey._identity)
    context = otel.set_value(JOURNEY_KEY, journey)
    for key in BAGGAGE_KEYS:
        if key in entries:
            context = baggage.set_baggage(key, entries[key], context)
        elif baggage.get_baggage(key, context) is not None:
            context = baggage.remove_baggage(key, context)
    return context
