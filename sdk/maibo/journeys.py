"""Journeys and steps while they run: blocks, decorators, handles.

Guarantees:

* The host never sees an error of ours: every entry catches, counts and logs it once, and the host's block runs on.
* What is current lives in a context variable, set and reset by the same ``with`` block. Inside a generator's own body a block is
  timed but not made current: a generator is suspended at each ``yield``, and its context would leak into whoever consumes it.
  (A generator that ``contextlib.contextmanager`` drives is a block itself, and is treated as one.)
* Durations come from the monotonic clock; the wall clock only says when. A journey that began in another process lasts from its
  start time to now, by the wall clock.
* A journey ends once. An outcome said inside a block takes effect at the block's end; said outside any block, at once.
* maibo's spans are never the current span. Baggage is in OpenTelemetry's context from a journey's block on, so every
  instrumented client carries it.
"""

from __future__ import annotations

import inspect
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Final, TypeVar

from opentelemetry import baggage
from opentelemetry import context as otel
from opentelemetry.trace import INVALID_SPAN, SpanContext, get_current_span

from maibo import carriers, problems, runtime
from maibo.carriers import Identity
from maibo.decorators import decorated
from maibo.names import clean
from maibo.runtime import Finished, Runtime
from maibo.semconv import ABANDONED, BAGGAGE_KEYS, FAILURE, SUCCESS

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from types import FrameType, TracebackType
    from typing import Self

F = TypeVar("F", bound=Callable[..., Any])

_OPEN: ContextVar[Journey | Step | None] = ContextVar("maibo", default=None)
_JOURNEY_KEY: Final = otel.create_key("maibo-journey")
_GENERATORS: Final = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_ids = random.Random()  # noqa: S311 -- not a secret; its own, so that a host's random.seed() cannot make ids repeat
_ending = threading.RLock()  # re-entrant: a signal handler of the host may end a journey too
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ids.seed)


class Journey:
    """A journey under way, as this process knows it. ``with`` makes it current; see `begin` and `resume` for what ends it."""

    __slots__ = (
        "_blocks",
        "_clock",
        "_ended",
        "_ends",
        "_outcome",
        "_reason",
        "_travels_as",
        "active",
        "id",
        "name",
        "parent",
        "session",
        "start_ns",
        "tier",
        "user_hash",
        "variant",
    )

    def __init__(self, identity: Identity | None, *, ends: bool | None = None) -> None:
        self.active = identity is not None
        """False: there is no journey here; every method does nothing."""
        self._travels_as = identity
        self.name, self.id, start_us, self.tier, self.variant = (
            (identity.name, identity.id, identity.start_us, identity.tier, identity.variant)
            if identity is not None
            else ("", "", 0, "", "")
        )
        self.start_ns = start_us * 1000
        self.parent: SpanContext | None = None
        self.user_hash = ""
        self.session = ""
        self._clock: int | None = None
        self._ends = ends
        self._ended = False
        self._outcome = ""
        self._reason = ""
        self._blocks: list[Attachment] = []

    def __bool__(self) -> bool:
        return self.active

    def __repr__(self) -> str:
        return f"<Journey {self.name} {self.id}>" if self.active else "<no Journey>"

    @property
    def ended(self) -> bool:
        """Whether this process ended it."""
        return self._ended

    @property
    def said(self) -> str:
        """The outcome that was said, '' when none was."""
        return self._outcome

    def succeed(self) -> None:
        """The customer got what they came for."""
        self._say(SUCCESS, "")

    def fail(self, reason: str) -> None:
        """It went wrong; `reason` is a short constant word (``card_declined``), never a text with ids in it."""
        self._say(FAILURE, reason)

    def abandon(self) -> None:
        """The customer gave up."""
        self._say(ABANDONED, "")

    def step(self, name: str) -> Step:
        """A step of this journey, whichever is current."""
        return Step(name, self)

    def carrier(self) -> dict[str, str]:
        """Headers that carry the journey to another service."""
        return add_to({}, self)

    def cookie(self) -> str:
        """The journey as a cookie's value, or to keep in a session under ``maibo-journey``; '' when there is none."""
        return "" if self._travels_as is None else carriers.to_cookie(self._travels_as)

    @property
    def identity(self) -> Identity | None:
        """What makes it the same journey elsewhere; None when there is no journey."""
        return self._travels_as

    def __enter__(self) -> Self:
        if self.active:
            enter(self, sys._getframe(1))  # noqa: SLF001 -- see _drives_a_block
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._blocks:
            leave(self, kind)

    def end(self, outcome: str, reason: str = "", *, end_ns: int | None = None) -> bool:
        """End it now, unless it has ended; whether this call did. An outcome said before counts instead of the one given."""
        live = runtime.active
        if live is None or not self.active:
            return False
        with _ending:
            if self._ended:
                return False
            self._ended = True
        if end_ns is None:
            end_ns = time.time_ns() if self._clock is None else self.start_ns + time.monotonic_ns() - self._clock
        if self._outcome:
            outcome, reason = self._outcome, self._reason
        live.journey_ended(
            Finished(
                self,
                "",
                outcome,
                _reason(live, outcome, reason),
                self.start_ns,
                max(end_ns, self.start_ns),
                self.parent,
            )
        )
        return True

    def _say(self, outcome: str, reason: str) -> None:
        try:
            if not self.active:
                return
            self._outcome, self._reason = outcome, reason
            innermost = _OPEN.get()
            if type(innermost) is Step and innermost.journey is self:
                innermost._say(outcome, reason)  # noqa: SLF001 -- the same module
            if not self._blocks and self._ends is not False:
                self.end(outcome, reason)
        except Exception as error:  # noqa: BLE001 -- the host goes on
            problems.caught("outcome", error)


class Step:
    """A step, timed by its ``with`` block or by the function it decorates."""

    __slots__ = ("_bound", "_clock", "_outcome", "_reason", "_token", "journey", "name", "parent", "start_ns")

    def __init__(self, name: str, journey: Journey | None = None) -> None:
        self.name = name
        self.journey: Journey | None = None
        self.parent: SpanContext | None = None
        self.start_ns = 0
        self._bound = journey
        self._clock = 0
        self._outcome = ""
        self._reason = ""
        self._token: Token[Journey | Step | None] | None = None

    @property
    def said(self) -> str:
        """The outcome that was said, '' when none was."""
        return self._outcome

    @property
    def reason(self) -> str:
        """Of the failure that was said."""
        return self._reason

    def succeed(self) -> None:
        """It worked, whatever leaves its block."""
        self._say(SUCCESS, "")

    def fail(self, reason: str) -> None:
        """It failed; the journey goes on (say it on the journey, `current`, when the journey failed with it)."""
        self._say(FAILURE, reason)

    def abandon(self) -> None:
        """The customer gave up during this step."""
        self._say(ABANDONED, "")

    def __enter__(self) -> Self:
        if runtime.active is not None:
            try:
                frame = sys._getframe(1)  # noqa: SLF001 -- see _drives_a_block
                self.start(attach=not frame.f_code.co_flags & _GENERATORS or _drives_a_block(frame))
            except Exception as error:  # noqa: BLE001 -- the host goes on
                problems.caught("step", error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.start_ns:
            try:
                if kind is None:
                    self.finish(SUCCESS)
                else:
                    self.finish(*_outcome_of(kind))
            except Exception as mishap:  # noqa: BLE001 -- the host goes on
                problems.caught("step", mishap)

    def __call__(self, function: F) -> F:
        return decorated(function, lambda: Step(self.name, self._bound), "step")

    def start(self, *, attach: bool = True) -> None:
        """Start the clock; make the step current in this context. Without a journey nothing starts."""
        journey = self._bound or find()
        if journey is None or not journey.active:
            problems.noticed(
                problems.STEPS_OUTSIDE,
                "maibo: step %r is outside of any journey: dropped (further ones are counted)",
                self.name,
            )
            return
        self.journey = journey
        self.parent = host_span()
        if attach:
            self._token = _OPEN.set(self)
        self.start_ns = time.time_ns()
        self._clock = time.monotonic_ns()

    def finish(self, outcome: str, reason: str = "", *, end_ns: int | None = None) -> None:
        """Stop the clock. An outcome said before counts instead of the one given."""
        if end_ns is None:
            end_ns = self.now()
        start_ns, self.start_ns = self.start_ns, 0
        self.detach()
        live = runtime.active
        if live is None or self.journey is None or not start_ns:
            return
        if self._outcome:
            outcome, reason = self._outcome, self._reason
        if outcome != SUCCESS:
            reason = _reason(live, outcome, reason)
        name = live.catalogue.step(self.journey.name, self.name)
        live.sink.put(Finished(self.journey, name, outcome, reason, start_ns, end_ns, self.parent))

    def detach(self) -> None:
        """Stop being current."""
        if (token := self._token) is not None:
            self._token = None
            _OPEN.reset(token)

    def now(self) -> int:
        """Unix ns by this step's own clock."""
        return self.start_ns + time.monotonic_ns() - self._clock

    def _say(self, outcome: str, reason: str) -> None:
        self._outcome, self._reason = outcome, reason


class Attachment:
    """Makes a journey current in one context, with its baggage in OpenTelemetry's; ``attach=False`` only counts the block."""

    __slots__ = ("_attach", "_journey", "_open", "_otel")

    def __init__(self, journey: Journey, *, attach: bool = True) -> None:
        self._journey = journey
        self._attach = attach
        self._open: Token[Journey | Step | None] | None = None
        self._otel: Token[otel.Context] | None = None

    def __enter__(self) -> Self:
        self._journey._blocks.append(self)  # noqa: SLF001 -- the same module
        if self._attach:
            self._otel = otel.attach(_with_baggage(self._journey))
            self._open = _OPEN.set(self._journey)
        return self

    def __exit__(self, *_: object) -> None:
        if self in self._journey._blocks:  # noqa: SLF001 -- the same module
            self._journey._blocks.remove(self)  # noqa: SLF001 -- the same module
        if self._otel is not None and self._open is not None:
            otel.detach(self._otel)
            _OPEN.reset(self._open)


M = TypeVar("M", bound="MutableMapping[str, str]")


def add_to(carrier: M, journey: Journey) -> M:
    """Add a journey to outgoing headers, and return them."""
    try:
        if journey.identity is not None:
            carriers.add_to_headers(journey.identity, carrier)
    except Exception as error:  # noqa: BLE001 -- the host goes on
        problems.caught("inject", error)
    return carrier


def resumed(live: Runtime, identity: Identity, *, ends: bool | None = None) -> Journey:
    """The journey of an identity that came in. It goes on under the names it came with; here it is counted under those admitted."""
    journey = Journey(identity, ends=ends)
    names = live.catalogue.journeys if live.catalogue.declares else live.foreign
    journey.name = names.admit(identity.name)
    journey.tier, journey.variant = _value(live.tiers, identity.tier), _value(live.variants, identity.variant)
    journey.parent = host_span()
    return journey


@contextmanager
def being(step: Step) -> Iterator[None]:
    """`step`, already started, is current in here."""
    token = _OPEN.set(step)
    try:
        yield
    finally:
        _OPEN.reset(token)


def host_span() -> SpanContext | None:
    """The host's own current span, if it has one."""
    span = get_current_span()
    if span is INVALID_SPAN:
        return None
    context = span.get_span_context()
    return context if context.is_valid else None


def started(name: str, options: dict[str, str | None], *, ends: bool | None) -> Journey:
    live = runtime.active
    if live is None:
        return Journey(None)
    try:
        clock, now_ns = time.monotonic_ns(), time.time_ns()
        start_us, beyond = divmod(now_ns, 1000)
        identity = Identity(
            live.catalogue.journeys.admit(name),
            f"{_ids.getrandbits(64) or 1:016x}{_ids.getrandbits(64) or 1:016x}",
            start_us,
            _value(live.tiers, options["tier"]),
            _value(live.variants, options["variant"]),
        )
        journey = Journey(identity, ends=ends)
        journey._clock = clock - beyond  # noqa: SLF001 -- the same module; baggage knows microseconds only
        journey.parent = host_span()
        if options["user"] is not None:
            from maibo import users

            if live.user_key_is_random:
                users.note_random_key()
            journey.user_hash = users.pseudonym(str(options["user"]), live.user_key)
        if options["session"] is not None:
            journey.session = clean(options["session"])
    except Exception as error:  # noqa: BLE001 -- the host goes on
        problems.caught("journey", error)
        return Journey(None)
    return journey


def enter(journey: Journey, frame: FrameType) -> None:
    try:
        suspended = frame.f_code.co_flags & _GENERATORS and not _drives_a_block(frame)
        Attachment(journey, attach=not suspended).__enter__()
    except Exception as error:  # noqa: BLE001 -- the host goes on
        problems.caught("journey", error)


def leave(journey: Journey, kind: type[BaseException] | None) -> None:
    try:
        if journey._blocks:  # noqa: SLF001 -- the same module
            journey._blocks[-1].__exit__()  # noqa: SLF001 -- the same module
    except Exception as error:  # noqa: BLE001 -- the host goes on
        problems.caught("journey", error)
    try:
        outcome, reason = (SUCCESS, "") if kind is None else _outcome_of(kind)
        failed_here = kind is not None and journey._clock is not None  # noqa: SLF001 -- begun in this process
        if journey._ends or (journey._ends is None and (journey.said or failed_here)):  # noqa: SLF001 -- the same module
            journey.end(outcome, reason)
    except Exception as error:  # noqa: BLE001 -- the host goes on
        problems.caught("journey", error)


def find() -> Journey | None:
    innermost = _OPEN.get()
    if innermost is None:
        return _from_otel()
    return innermost if type(innermost) is Journey else innermost.journey  # type: ignore[union-attr]


def _from_otel() -> Journey | None:
    """A journey in OpenTelemetry's context: carried into a thread by an instrumentation, or extracted from headers by a framework."""
    context = otel.get_current()
    if not context or (live := runtime.active) is None:
        return None
    if isinstance(carried := context.get(_JOURNEY_KEY), Journey):
        return carried
    entries = baggage.get_all(context)
    if BAGGAGE_KEYS[0] not in entries:
        return None
    identity = carriers.from_entries(entries, now_us=time.time_ns() // 1000)
    return None if identity is None else resumed(live, identity, ends=False)


def _with_baggage(journey: Journey) -> otel.Context:
    entries = {} if journey.identity is None else carriers.to_baggage(journey.identity)
    context = otel.set_value(_JOURNEY_KEY, journey)
    for key in BAGGAGE_KEYS:
        if key in entries:
            context = baggage.set_baggage(key, entries[key], context)
        elif baggage.get_baggage(key, context) is not None:
            context = baggage.remove_baggage(key, context)
    return context


def _drives_a_block(frame: FrameType) -> bool:
    driver = frame.f_back
    return driver is not None and driver.f_globals.get("__name__") == "contextlib"


def _outcome_of(kind: type[BaseException]) -> tuple[str, str]:
    if issubclass(kind, GeneratorExit):  # the consumer of a stream went away
        return ABANDONED, ""
    return FAILURE, kind.__name__


def _reason(live: Runtime, outcome: str, reason: str) -> str:
    return live.reasons.admit(str(reason)) if outcome == FAILURE else ""


def _value(names: Any, raw: str | None) -> str:
    text = "" if raw is None else clean(raw, carriers.LONGEST_VALUE)
    return names.admit(text) if text else ""
