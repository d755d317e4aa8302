"""Whether a silence is as on the days before: a service that is closed at night needs no ticket every night.

A silence, from the end of the newest minute with data until now, is *usual* when a week ago there was no event in the same span of time, or
when there was none on at least half of the seven days before (of those since the first event). As the silence lasts, its span grows into
hours that had events on other days, and it is usual no more: shortly after the shop should have opened, or on the whole day on which
it is closed for the first time. After a week without any event it is news whatever came before.

So is the silence of a group by version or variant while another one has events (`outlived`): every release would leave a ticket.

By hours of the ledger, which are read once an hour and only for objectives that are silent. An hour that a span covers in part counts
as one with events where some of them certainly lie in that part.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from maibo_alerting.evaluating.asking import Asking
from maibo_alerting.evaluating.step import patience
from maibo_slo.engine.groups import group_values
from maibo_slo.store import ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from maibo_alerting.evaluating.reading import Reading
    from maibo_slo.store import Store
    from maibo_slo.store.ledger import Hours

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86_400
DAYS: Final = 7
COME_AND_GO: Final = frozenset({"version", "variant"})
"""Dimensions whose values end as a matter of course."""


class Silence(NamedTuple):
    """Of one objective (of one group), from `begin` on, unix s."""

    slo: str
    objective: str
    group: str
    begin: int
    first_t: int
    """Begin of the oldest minute that was ever counted."""


class Hour(NamedTuple):
    """Minutes with events: how many, and which was the last, from 1."""

    observed: int
    last: int


@dataclass(frozen=True, slots=True)
class _Past:
    """Of a silence that began then, read at this hour."""

    begin: int
    hour: int
    hours: Mapping[int, Hour]


class Habits:
    """What is usual, by objective and group. Answers from memory; reads in a thread of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asking: Asking[int, None] = Asking("the days before a silence cannot be read", within_seconds=0.0)
        self._past: dict[tuple[str, str, str], _Past] = {}
        self._lock = threading.Lock()

    def usual(self, silences: Iterable[Silence], *, now: float) -> frozenset[tuple[str, str, str]]:
        """Those that are usual, as (SLO, objective, group); not among them is also what is not known yet."""
        hour = int(now) // HOUR * HOUR
        asked = [silence for silence in silences if now - silence.begin < DAYS * DAY]
        with self._lock:
            kept = {silence[:3] for silence in asked}
            self._past = {key: past for key, past in self._past.items() if key in kept}
            known = dict(self._past)
        missing = [
            silence
            for silence in asked
            if (past := known.get(silence[:3])) is None or (past.begin, past.hour) != (silence.begin, hour)
        ]
        if missing and not self._asking.is_busy:
            self._asking.answers({0: partial(self._read, missing, hour)})
        return frozenset(
            silence[:3]
            for silence in asked
            if (past := known.get(silence[:3])) is not None
            and past.begin == silence.begin
            and is_usual(past.hours, silence, until=int(now))
        )

    @property
    def is_busy(self) -> bool:
        """With the store."""
        return self._asking.is_busy

    def stop(self) -> None:
        self._asking.stop()

    def _read(self, silences: Iterable[Silence], hour: int) -> None:
        begins = {silence[:3]: silence.begin for silence in silences}
        first = min(begins.values()) // HOUR * HOUR - DAYS * DAY
        wanted = range(first, hour + HOUR, HOUR)
        slos = [slo for slo, _, _ in begins]
        found = {key: _Past(begin, hour, {}) for key, begin in begins.items()}
        for each in ledger.hours(self._store, slos, wanted):
            key = (each.slo, each.objective, each.group)
            if key in begins:
                found[key] = _Past(begins[key], hour, dict(_with_events(each)))
        with self._lock:
            self._past |= found


def outlived(read: Sequence[Reading], *, now: float) -> frozenset[tuple[str, str, str]]:
    """Groups by what comes and goes, without events while others of their kind have some: a release ends the one before."""
    silent: dict[tuple[str, str, str], tuple[object, ...]] = {}
    lively: set[tuple[object, ...]] = set()
    for each in read:
        values = group_values(each.group) if each.group else {}
        if not COME_AND_GO & values.keys():
            continue
        kind = (each.slo, each.objective, *(item for item in values.items() if item[0] not in COME_AND_GO))
        silence = each.silent_seconds(now=now)
        if silence is not None and silence <= patience(each, now=now):
            lively.add(kind)
        else:
            silent[each.slo, each.objective, each.group] = kind
    return frozenset(group for group, kind in silent.items() if kind in lively)


def is_usual(hours: Mapping[int, Hour], silence: Silence, *, until: int) -> bool:
    """`hours`: of the time before, by their begins; those without events may be absent."""
    had = {
        days: _had_events(hours, silence.begin - days * DAY, until - days * DAY)
        for days in range(1, DAYS + 1)
        if silence.begin - days * DAY >= silence.first_t
    }
    if not had:
        return False
    return had.get(DAYS) is False or 2 * sum(had.values()) <= len(had)


def _had_events(hours: Mapping[int, Hour], begin: int, end: int) -> bool:
    """Whether some minute in [begin, end) certainly had one."""
    return any(
        hour in hours and _has(hours[hour], max(0, begin - hour) // MINUTE, min(HOUR, end - hour) // MINUTE)
        for hour in range(begin // HOUR * HOUR, end, HOUR)
    )


def _has(hour: Hour, first: int, after: int) -> bool:
    """Among the minutes [first, after) of the hour: its last one with events, or more than there is room for in the others."""
    return first < hour.last <= after or hour.observed > HOUR // MINUTE - (after - first)


def _with_events(hours: Hours) -> Iterator[tuple[int, Hour]]:
    for t, observed, last in zip(hours.t.tolist(), hours.observed.tolist(), hours.last.tolist(), strict=True):
        if observed:
            yield t, Hour(observed, last)
