"""The cap: how many series, journeys, failure reasons and metric streams a day may have, so that ever new values never take memory or
the store.

What is over loses its dimensions and keeps its count: it goes into the journey's overflow series, so the count of a journey as a
whole stays exact, by outcome, whatever comes. Only over the limit of journeys is the journey's name lost too, and never that of one
that a document declares. Streams cannot be merged like that, since each needs a state of its own in the store: those over the limit
are not taken.

All outcomes of the same dimensions have one place, or successes, which come first, would keep failures out: who asks for these
dimensions would then see only what went well.

What was admitted is remembered by its hash. Two series with one hash would take one place: no harm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from maibo.semconv import OVERFLOW
from maibo_collectors.otlp.decoding.tally import Series

if TYPE_CHECKING:
    from maibo_collectors.otlp.decoding.rules import Rules

SERIES_IN_ALL: Final = 50_000
"""Series of all journeys that no document declares together, in one decoder in a day: 13 MB of hashes, at the worst."""
STREAMS_PER_SERIES: Final = 20
"""Streams that a journey may have for each of the series that it may have: as many instances, or attributes that are no dimensions."""
STREAMS_IN_ALL: Final = 100_000
"""Streams of all journeys that no document declares together."""
OUTCOMES_NAMED: Final = 20
"""Outcomes that are none, and that senders are told by name in a day."""
_DAY_NS: Final = 86_400 * 10**9


@dataclass(slots=True)
class _Admitted:
    """Of one journey; hashes."""

    series: set[int] = field(default_factory=set)
    steps: set[int] = field(default_factory=set)
    reasons: set[int] = field(default_factory=set)
    streams: set[int] = field(default_factory=set)


class Admission:
    """What was admitted today (UTC, by the time of receipt)."""

    def __init__(self, rules: Rules) -> None:
        self._day = -1
        self._generation = 0
        self._journeys: dict[str, _Admitted] = {}
        self._lost = _Admitted()
        """The reasons and streams of what has lost its journey's name."""
        self._outcomes: set[str] = set()
        self.replace_limits(rules)

    def replace_limits(self, rules: Rules) -> None:
        """What is in stays in."""
        self._limits = rules
        self._declared = frozenset(rules.journeys)
        others = [admitted for journey, admitted in self._journeys.items() if journey not in self._declared]
        self._others = len(others)
        """Journeys that no document declares, and their series (held) and streams."""
        self._held = sum(len(admitted.series) for admitted in others)
        self._streams = sum(len(admitted.streams) for admitted in (*others, self._lost))

    def generation(self, received_ns: int) -> int:
        """A number that is another once the day is another: then everything is admitted anew."""
        day = received_ns // _DAY_NS
        if day != self._day:
            self._day = day
            self._generation += 1
            self._others = self._held = self._streams = 0
            self._journeys = {}
            self._lost = _Admitted()
            self._outcomes = set()
        return self._generation

    def series(self, wanted: Series) -> tuple[Series, bool]:
        """The series that it counts in, and whether that is an overflow series."""
        declared = wanted.journey in self._declared
        admitted = self._journeys.get(wanted.journey)
        if admitted is None:
            if not declared and self._others >= self._limits.journey_limit:
                return _overflow(OVERFLOW, OVERFLOW if wanted.step else "", wanted.outcome), True
            admitted = self._journeys[wanted.journey] = _Admitted()
            self._others += not declared
        key = hash(wanted._replace(outcome=""))
        if key in admitted.series:
            return wanted, False
        if len(admitted.series) < self._limits.series_limit and (declared or self._held < SERIES_IN_ALL):
            admitted.series.add(key)
            admitted.steps.add(hash(wanted.step))
            self._held += not declared
            return wanted, False
        known = not wanted.step or hash(wanted.step) in admitted.steps
        return _overflow(wanted.journey, wanted.step if known else OVERFLOW, wanted.outcome), True

    def reason(self, journey: str, reason: str) -> str:
        """The reason that it counts under; the journey is that of the admitted series."""
        reasons = self._journeys.get(journey, self._lost).reasons
        key = hash(reason)
        if key in reasons:
            return reason
        if len(reasons) >= self._limits.reason_limit:
            return OVERFLOW
        reasons.add(key)
        return reason

    def stream(self, journey: str, stream: bytes) -> bool:
        """Whether a stream of points may be counted; the journey is that of the admitted series."""
        declared = journey in self._declared
        streams = self._journeys.get(journey, self._lost).streams
        key = hash(stream)
        if key in streams:
            return True
        if len(streams) >= STREAMS_PER_SERIES * self._limits.series_limit:
            return False
        if not declared and self._streams >= STREAMS_IN_ALL:
            return False
        streams.add(key)
        self._streams += not declared
        return True

    def names_outcome(self, outcome: str) -> bool:
        """Whether an outcome that is none may be told by name: what is told is remembered, and senders may bring any number."""
        if len(self._outcomes) < OUTCOMES_NAMED:
            self._outcomes.add(outcome)
        return outcome in self._outcomes


def _overflow(journey: str, step: str, outcome: str) -> Series:
    return Series._make((journey, step, *[OVERFLOW] * 7, outcome))
