"""Cells of hours that are over, read once and kept: whoever asks again about a long window reads what is new in it, and no more.

What is kept is what the store would say now. Cells may come late; but every log segment is recorded, once its cells are in, with the minutes that it
changed. So before anything that is kept is told, it is asked what changed since, and what lies over such a minute is read again. After
`KEPT_SECONDS` it is read again in any case.

WARNING: Where several collectors write, a record may become visible after a newer one. If it was 10 s or more behind (`segments.SHARED_OVERLAP_MS`), it
is not heard of, and what it changed is told `KEPT_SECONDS` later at most.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from maibo_slo.service.kept import Kept
from maibo_slo.store import Store, cells, segments
from maibo_slo.store.cells import CellFilter, Distribution, Slice, Window
from maibo_slo.store.tables import TIERS
from maibo_slo.store.versions import HOUR, OVER_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

A = TypeVar("A")
Both = tuple[list[Distribution], list[Distribution]]
"""Counts of a journey or of one of its steps, and those of all its steps."""
LastEvents = dict[tuple[str, ...], int]
"""By group, unix s."""
KEPT: Final = 16
"""Answers of each kind: one of a journey over one window."""
KEPT_SECONDS: Final = 300.0
MOST: Final = 64
"""Groups of an answer that is kept: each has 15 kB for each of its outcomes."""
LEAST_SECONDS: Final = 2 * HOUR
"""Fewer are as quickly read."""
_MINUTES, _HOURS = TIERS[1:]


class Asked(NamedTuple):
    """Of [begin, end), by these dimensions; in slices of so many seconds, or 0: in one."""

    begin: int
    end: int
    which: tuple[str | None, str | None, tuple[tuple[str, tuple[str, ...]], ...]]
    by: tuple[str, ...]
    slice_seconds: int = 0
    steps: bool = False
    """With all steps."""


class Hours:
    """Of one store. Threads may share it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.counts: Kept[Asked, Both] = Kept(KEPT)
        self.slices: Kept[Asked, list[Slice]] = Kept(KEPT)
        self.last_events: Kept[Asked, LastEvents] = Kept(KEPT)
        """Of hours."""
        self._mark: int | None = None
        """Of the newest segment that was heard of."""
        self._lock = threading.Lock()

    def reading(self, window: Window, *, now: float) -> Reading:
        """The cells of a window, as they are now. StoreError."""
        over = _over(window, now=int(now))
        return Reading(self, window, now, over, 0 if over is None else self._hear())

    def forget(self) -> None:
        """All that is kept."""
        for each in (self.counts, self.slices, self.last_events):
            each.forget()

    def kept(
        self,
        kept: Kept[Asked, A],
        asked: Asked,
        read: Callable[[], A],
        *,
        fits: Callable[[A], bool],
        mark: int,
        now: float,
    ) -> A:
        """As it was answered, or is read now."""
        found = kept.get(asked, now=now, seconds=KEPT_SECONDS)
        if found is None:
            found = read()
            with self._lock:
                # Where another has heard of a segment since, this may have been read before that was in.
                if mark == self._mark and fits(found):
                    kept.put(asked, found, now=now)
        return found

    def _hear(self) -> int:
        """Forget what lies over a minute that has changed. Returns the mark of the newest segment."""
        minutes, mark = segments.changed_minutes(self.store, self._first_mark() if self._mark is None else self._mark)
        with self._lock:
            for each in (self.counts, self.slices, self.last_events):
                each.forget(lambda asked: any(asked.begin <= minute < asked.end for minute in minutes))
            self._mark = max(mark, self._mark or 0)
        return mark

    def _first_mark(self) -> int:
        """The store's newest, before anything is kept: marks are of the clocks that write, and this one may be far from them."""
        newest = segments.newest_mark(self.store)
        with self._lock:
            if self._mark is None:
                self._mark = newest
            return self._mark


@dataclass(frozen=True, slots=True)
class Reading:
    """One window at one moment."""

    hours: Hours
    window: Window
    now: float
    over: Window | None
    """Its whole hours that have been over for one; None: it is short, or read by the hour itself."""
    mark: int

    def distributions(self, which: CellFilter, *, by: Sequence[str]) -> list[Distribution]:
        """As `cells.distributions`; who had no event lately is told with the end of the newest hour."""
        return self.with_steps(which, by=by, steps=False)[0]

    def with_steps(self, which: CellFilter, *, by: Sequence[str], steps: bool = True) -> Both:
        """As `cells.with_steps`, likewise."""
        if self.over is None:
            return self._read(self.window, which, by, steps=steps)
        over = self.over
        before = self.hours.kept(
            self.hours.counts,
            Asked(over.begin, over.end, _key(which), tuple(by), steps=steps),
            lambda: self._read(over, which, by, steps=steps, to_10s=False),
            fits=lambda both: sum(map(len, both)) <= MOST,
            mark=self.mark,
            now=self.now,
        )
        lately = self._read(self.window, which, by, steps=steps, without=over)
        silent = not any((one.last_event or 0) > over.end for one in lately[0])
        own = self._to_minutes(before[0], which, by) if silent and before[0] else before[0]
        return _together(own, lately[0]), _together(before[1], lately[1])

    def series(self, which: CellFilter, *, by: Sequence[str], slice_seconds: int) -> list[Slice]:
        """As `cells.series`."""
        store, now = self.hours.store, int(self.now)
        unit = max(HOUR, slice_seconds)
        begin = self.window.begin // slice_seconds * slice_seconds
        end = begin if self.over is None else self.over.end // unit * unit
        if end <= begin:
            return cells.series(store, self.window, which, slice_seconds=slice_seconds, by=by, now=now)
        span = Window(begin, end, _MINUTES if slice_seconds % HOUR else _HOURS)
        before = self.hours.kept(
            self.hours.slices,
            Asked(begin, end, _key(which), tuple(by), slice_seconds),
            lambda: cells.series(store, span, which, slice_seconds=slice_seconds, by=by, now=now),
            fits=lambda _: True,
            mark=self.mark,
            now=self.now,
        )
        lately = replace(self.window, begin=end)
        return [*before, *cells.series(store, lately, which, slice_seconds=slice_seconds, by=by, now=now)]

    def _to_minutes(self, found: Sequence[Distribution], which: CellFilter, by: Sequence[str]) -> list[Distribution]:
        """Groups whose last event was in the newest hour of all are told its minute."""
        newest = max(one.last_event or 0 for one in found)
        hour = Window(newest - HOUR, newest, _MINUTES)
        minutes = self.hours.kept(
            self.hours.last_events,
            Asked(hour.begin, hour.end, _key(which), tuple(by)),
            lambda: cells.last_events(self.hours.store, hour, which, by=by),
            fits=lambda minutes: len(minutes) <= MOST,
            mark=self.mark,
            now=self.now,
        )
        return [replace(one, last_event=minutes.get(one.group, one.last_event)) for one in found]

    def _read(
        self,
        window: Window,
        which: CellFilter,
        by: Sequence[str],
        *,
        steps: bool,
        to_10s: bool = True,
        without: Window | None = None,
    ) -> Both:
        store, now = self.hours.store, int(self.now)
        if steps:
            return cells.with_steps(store, window, which, by=by, now=now, to_10s=to_10s, without=without)
        return cells.distributions(store, window, which, by=by, now=now, to_10s=to_10s, without=without), []


def _together(before: Sequence[Distribution], lately: Sequence[Distribution]) -> list[Distribution]:
    found = {one.group: one for one in before}
    for one in lately:
        old = found.get(one.group)
        found[one.group] = one if old is None else replace(Distribution.of((old, one)), group=one.group)
    return [found[group] for group in sorted(found)]


def _over(window: Window, *, now: int) -> Window | None:
    if cells.tier_of(window, now=now) is not _MINUTES:
        return None
    begin, end = -(-window.begin // HOUR) * HOUR, (min(window.end, now) - OVER_SECONDS) // HOUR * HOUR
    return Window(begin, end, _HOURS) if end - begin >= LEAST_SECONDS else None


def _key(which: CellFilter) -> tuple[str | None, str | None, tuple[tuple[str, tuple[str, ...]], ...]]:
    return which.journey, which.step, tuple(sorted((name, tuple(values)) for name, values in which.where.items()))
