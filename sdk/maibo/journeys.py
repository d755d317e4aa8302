"""Journeys while they run: what a service knows of one, begun here or come in.

Guarantees of journeys, steps and blocks:

* The host never sees an error of ours: every entry catches, counts and logs it once, and the host's block runs on.
* Durations come from the monotonic clock; the wall clock only says when. A journey that began in another process lasts from its
  start time to now, by the wall clock. Where that is behind the other's so far that the journey would end before it began, its
  duration is exported as it is, negative, for a collector to keep out of its latencies: it is counted (`Stats.skewed`), and never looks
  like one of 0 ms.
* A journey's begin is told once, so that one that never ends can be counted as abandoned: by its end, where that comes in the block
  or request it began in, else by a span of its own.
* A handle ends its journey once. Two handles, of requests that resume the same journey at the same time, know nothing of each other: each
  may end it, and then it counts twice. An outcome said inside a block takes effect at the block's end; said outside any block, at once.
* maibo's spans are never the current span. Baggage is in OpenTelemetry's context from a journey's block on, so every
  instrumented client carries it.
"""

# ruff: noqa: SLF001 -- blocks, journeys and steps see each other's insides, so that users need not

from __future__ import annotations

import os
import random
import sys
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from opentelemetry import baggage
from opentelemetry import context as otel

from maibo import carriers, problems, runtime
from maibo.blocks import JOURNEY_KEY, OPEN, Attachment, host_span, outcome_of, suspended
from maibo.carriers import Identity
from maibo.names import clean
from maibo.runtime import Finished, Runtime
from maibo.semconv import ABANDONED, BAGGAGE_KEYS, FAILURE, SUCCESS

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from types import FrameType, TracebackType
    from typing import Self

    from opentelemetry.trace import SpanContext

    from maibo.names import Names
    from maibo.steps import Step

_ids = random.Random()  # noqa: S311 -- not a secret; its own, so that a host's random.seed() cannot make ids repeat
_ending = threading.RLock()  # re-entrant: a signal handler of the host may end a journey too


def _after_fork_in_child() -> None:
    global _ending  # noqa: PLW0603 -- the parent's other threads may have held it at the fork
    _ending = threading.RLock()
    _ids.seed()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


class Journey:
    """A journey under way, as this process knows it. ``with`` makes it current; see `begin` and `resume` for what ends it."""

    __slots__ = (
        "_blocks",
        "_clock",
        "_ended",
        "_ends",
        "_identity",
        "_outcome",
        "_parent",
        "_reason",
        "_told",
        "active",
        "id",
        "name",
        "session",
        "start_ns",
        "tier",
        "user_hash",
        "variant",
    )

    def __init__(self, identity: Identity | None, *, ends: bool | None = None) -> None:
        self.active = identity is not None
        """False: there is no journey here; every method does nothing."""
        self._identity = identity
        self.name, self.id, start_us, self.tier, self.variant = (
            (identity.name, identity.id, identity.start_us, identity.tier, identity.variant)
            if identity is not None
            else ("", "", 0, "", "")
        )
        self.start_ns = start_us * 1000
        self._parent: SpanContext | None = None
        self.user_hash = ""
        self.session = ""
        self._clock: int | None = None
        self._told = True
        """Its begin is, or is another's to tell."""
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
        from maibo.steps import Step  # late: a step looks for its journey here

        return Step(name, self)

    def carrier(self) -> dict[str, str]:
        """Headers that carry the journey to another service."""
        return add_to({}, self)

    def cookie(self) -> str:
        """The journey as a cookie's value, or to keep in a session under ``maibo-journey``; '' when there is none."""
        return "" if self._identity is None else carriers.to_cookie(self._identity)

    def __enter__(self) -> Self:
        if self.active:
            enter(self, sys._getframe(1))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._blocks:
            leave(self, kind)

    def _end(self, outcome: str, reason: str = "") -> None:
        """End it now, unless it has ended. An outcome said before counts instead of the one given."""
        live = runtime.active
        if live is None or not self.active:
            return
        with _ending:
            if self._ended:
                return
            self._ended = True
        end_ns = time.time_ns() if self._clock is None else self.start_ns + time.monotonic_ns() - self._clock
        if end_ns < self.start_ns:
            problems.noticed(
                problems.SKEWED,
                "maibo: journey %r ends before it began: this host's clock is behind the other's. A collector keeps it out of its "
                "latencies (further ones are only counted)",
                self.name,
            )
        if self._outcome:
            outcome, reason = self._outcome, self._reason
        started, self._told = not self._told, True
        live.journey_ended(
            Finished(self, "", outcome, live.reason(outcome, reason), self.start_ns, end_ns, self._parent, started)
        )

    def _goes_on(self) -> None:
        """It will end elsewhere, or never: tell of its begin, if nobody has."""
        live = runtime.active
        if live is None or self._told:
            return
        self._told = True
        live.sink.put(Finished(self, "", "", "", self.start_ns, self.start_ns, self._parent, started=True))

    def _say(self, outcome: str, reason: str) -> None:
        try:
            if not self.active:
                return
            self._outcome, self._reason = outcome, reason
            innermost = OPEN.get()
            if innermost is not None and innermost.journey is self and not isinstance(innermost, Attachment):
                innermost._say(outcome, reason)
            if not self._blocks and self._ends is not False:
                self._end(outcome, reason)
        except Exception as error:  # noqa: BLE001 -- the host goes on
            problems.caught("outcome", error)


M = TypeVar("M", bound="MutableMapping[str, str]")


def add_to(carrier: M, journey: Journey) -> M:
    """Add a journey to outgoing headers, and return them."""
    try:
        if journey._identity is not None:
            carriers.add_to_headers(journey._identity, carrier)
    except Exception as error:  # noqa: BLE001 -- the host goes on
        problems.caught("inject", error)
    return carrier


def resumed(live: Runtime, identity: Identity, *, ends: bool | None = None) -> Journey:
    """The journey of an identity that came in. It goes on under the names it came with; here it is counted under those admitted."""
    journey = Journey(identity, ends=ends)
    journey.name = live.foreign.journeys.admit(identity.name)
    journey.tier = _value(live.foreign.tiers, identity.tier)
    journey.variant = _value(live.foreign.variants, identity.variant)
    journey._parent = host_span()
    return journey


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
        journey._clock = clock - beyond  # baggage knows microseconds only
        journey._told = False
        journey._parent = host_span()
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
        Attachment(journey, attach=not suspended(frame)).__enter__()
    except Exception as error:  # noqa: BLE001 -- the host goes on
        problems.caught("journey", error)


def leave(journey: Journey, kind: type[BaseException] | None) -> None:
    try:
        if journey._blocks:
            innermost, block = OPEN.get(), journey._blocks[-1]
            if block.attached:  # by whichever of several tasks: this one leaves its own
                block = next((each for each in journey._blocks if each is innermost), block)
            block.__exit__()
    except Exception as error:  # noqa: BLE001 -- the host goes on
        problems.caught("journey", error)
    try:
        outcome, reason = (SUCCESS, "") if kind is None else outcome_of(kind)
        failed_here = kind is not None and journey._clock is not None  # begun in this process
        if journey._ends or (journey._ends is None and (journey._outcome or failed_here)):
            journey._end(outcome, reason)
    except Exception as error:  # noqa: BLE001 -- the host goes on
        problems.caught("journey", error)


def goes_on(journey: Journey) -> None:
    """It may end anywhere, or never: its begin is told now."""
    try:
        journey._goes_on()
    except Exception as error:  # noqa: BLE001 -- the host goes on
        problems.caught("journey", error)


def attached(journey: Journey) -> bool:
    """Whether its innermost block made it current."""
    return bool(journey._blocks) and journey._blocks[-1].attached


def find() -> Journey | None:
    innermost = OPEN.get()
    return _from_otel() if innermost is None else innermost.journey


def _from_otel() -> Journey | None:
    """A journey in OpenTelemetry's context: carried into a thread by an instrumentation, or extracted from headers by a framework."""
    context = otel.get_current()
    if not context or (live := runtime.active) is None:
        return None
    if isinstance(carried := context.get(JOURNEY_KEY), Journey):
        return carried
    entries = baggage.get_all(context)
    if BAGGAGE_KEYS[0] not in entries:
        return None
    identity = carriers.from_entries(entries, now_us=time.time_ns() // 1000)
    return None if identity is None else resumed(live, identity, ends=False)


def _value(names: Names, raw: str | None) -> str:
    text = "" if raw is None else clean(raw, carriers.LONGEST_VALUE)
    return names.admit(text) if text else ""
