"""Good and bad events of each objective in each of its windows, kept in memory as the ledger has them.

A tick asks for every window of every SLO, and little has changed since the last one. So the history is not read again: what the
engine writes into the ledger it tells here too, and a window is the hours that lie in it whole and the minutes at its two ends.

Held for each objective:

* the minutes of the last three days, since every burn window's far end moves by the minute;
* sums of the hours of its SLO's window, and the minutes of the one hour where that window begins now.

A count has as many bytes as the greatest of its kind needs: with less than 65,536 good and 256 bad events in every minute, an objective of 30 days has
20 kB (`benchmarks/slo_eval.py` measures it). Nothing here grows with the number of events.

The ledger is read when an objective is new, when an hour begins (what its new minutes hold already, from clocks ahead of ours, and
the next hour at the far end), and where minutes older than three days were written: sums of those hours. After the clock was set back, or stood for
three days, everything is read anew. The answer is always that of `ledger.window_sums`: a replaced minute counts as it was last written, minutes
that are yet to come count when they have come.

WARNING: exact as long as nobody else writes these objectives, and as the ledger answers with what was written before.

Not thread-safe. After an exception, the ledger is read anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from maibo_slo.engine.burn import BURN_WINDOWS, HOUR, Counts
from maibo_slo.store import ledger

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from maibo_slo.store import Store
    from maibo_slo.store.ledger import Hours, Interval

    Numbers = NDArray[np.unsignedinteger[Any]]
    Places = NDArray[np.int64]

MINUTE: Final = 60
MINUTES_KEPT_SECONDS: Final = max(BURN_WINDOWS.values())


class Name(NamedTuple):
    """Of an objective."""

    slo: str
    objective: str


@dataclass(frozen=True, slots=True)
class Found:
    """An objective's counts, at one moment."""

    counts: Mapping[int, Counts]
    """By window length in seconds: every burn window and the SLO's own."""
    last_t: int | None
    """Begin of the newest minute with data in the longest of them, unix s."""


class Sums:
    """The windows' sums of all objectives that are asked about."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_window: dict[int, _Alike] = {}

    @property
    def bytes(self) -> int:
        """Of memory that all counts have."""
        return sum(alike.bytes for alike in self._by_window.values())

    def put(self, rows: Sequence[Interval]) -> None:
        """Take in what was just written into the ledger; a minute's later row replaces the earlier."""
        for alike in self._by_window.values():
            alike.put(rows)

    def at(self, now: int, windows: Mapping[Name, int]) -> dict[Name, Found]:
        """Every objective of `windows` (to its SLO's window in seconds), at `now` (unix s). Who is not asked about any more is forgotten."""
        names: dict[int, list[Name]] = {}
        for name, seconds in windows.items():
            names.setdefault(seconds, []).append(name)
        kept = {seconds: self._by_window.get(seconds) or _Alike(self._store, seconds) for seconds in names}
        # Not kept until all have been read: whoever fails on the way reads anew.
        self._by_window = {}
        end = now // MINUTE * MINUTE + MINUTE
        found: dict[Name, Found] = {}
        for seconds, alike in kept.items():
            alike.follow(names[seconds], end=end)
            found.update(alike.found(end))
        self._by_window = kept
        return found


class _Alike:
    """Objectives whose SLOs look back equally far, side by side: row by row the same hours.

    Hours are numbered since the epoch. Number h is in column ``h % columns``, so that time goes on without moving anything.
    """

    def __init__(self, store: Store, window_seconds: int) -> None:
        self._store = store
        self._lengths = sorted({*BURN_WINDOWS.values(), window_seconds})
        self._names: list[Name] = []
        self._rows: dict[Name, int] = {}
        self._top: int | None = None
        """The newest hour held; None before the first reading."""
        self._written: list[tuple[Places, Places, Numbers, Numbers]] = []
        self._minutes = _columns(MINUTES_KEPT_SECONDS)
        """So many hours have their minutes here, and so many their sums."""
        self._hours = _columns(self._lengths[-1])
        self._good, self._bad = _Table(self._minutes, 60), _Table(self._minutes, 60)
        self._good_hours, self._bad_hours = _Table(self._hours), _Table(self._hours)
        self._observed, self._last = _Table(self._hours), _Table(self._hours)
        """As in `ledger.Hours`."""
        self._edge: int | None = None
        """The hour where the longest window begins, if it is older than the minutes held; None when it is to be read."""
        self._edge_good, self._edge_bad = _Table(60), _Table(60)
        self._tables = (
            self._good, self._bad, self._good_hours, self._bad_hours, self._observed, self._last, self._edge_good, self._edge_bad,
        )  # fmt: skip

    @property
    def bytes(self) -> int:
        return sum(table.counts.nbytes for table in self._tables)

    def put(self, rows: Sequence[Interval]) -> None:
        """Noted, until time has gone on to them: see `follow`."""
        mine = [(row, each) for each in rows if (row := self._rows.get(Name(each.slo, each.objective))) is not None]
        if mine:
            self._written.append(
                (
                    np.array([row for row, _ in mine], np.int64),
                    np.array([each.t for _, each in mine], np.int64),
                    np.array([each.good for _, each in mine], np.uint64),
                    np.array([each.bad for _, each in mine], np.uint64),
                )
            )

    def follow(self, names: Sequence[Name], *, end: int) -> None:
        """Be about these objectives, and about windows that end at `end`."""
        top = (end - 1) // HOUR
        if self._top is None or not 0 <= top - self._top < self._minutes:
            self._keep([])
            self._top = top
        self._go_on(self._top, top)
        self._top = top
        self._take_in(top)
        if names != self._names:
            wanted = set(names)
            self._keep([row for row, name in enumerate(self._names) if name in wanted])
            self._add([name for name in names if name not in self._rows], top)
        self._read_edge((end - self._lengths[-1]) // HOUR, top)

    def found(self, end: int) -> Iterator[tuple[Name, Found]]:
        """Each objective's windows."""
        by_length = [sums.tolist() for sums in self._sums(end, (end - 1) // HOUR)]
        newest = self._newest(end, (end - 1) // HOUR).tolist()
        for row, name in enumerate(self._names):
            counts = {length: Counts(*sums[row]) for length, sums in zip(self._lengths, by_length, strict=True)}
            yield name, Found(counts, newest[row] or None)

    def _go_on(self, before: int, top: int) -> None:
        """Hours that have begun since: some of their minutes may be written already, from clocks ahead of ours."""
        if top == before:
            return
        begun = np.arange(before + 1, top + 1)
        for table in (self._good, self._bad):
            table.counts[:, begun % self._minutes] = 0
        for table in (self._good_hours, self._bad_hours, self._observed, self._last):
            table.counts[:, begun % self._hours] = 0
        self._read_minutes(self._names, before + 1, top)

    def _take_in(self, top: int) -> None:
        """What was put since the last time, and the hours anew whose minutes are not held."""
        if not self._written:
            return
        rows, t, good, bad = (np.concatenate(parts) for parts in zip(*self._written, strict=True))
        self._written.clear()
        hours = t // HOUR
        held = (hours > top - self._minutes) & (hours <= top)
        self._set_minutes(rows[held], t[held], good[held], bad[held])
        summed = (hours > top - self._hours) & (hours <= top - self._minutes)
        again = {int(hour) for hour in np.unique(hours[summed])}
        self._read_hours([self._names[row] for row in np.unique(rows[summed])], again)
        if self._edge in again:
            self._edge = None

    def _keep(self, rows: Sequence[int]) -> None:
        """These and no others."""
        self._names = [self._names[row] for row in rows]
        self._rows = {name: row for row, name in enumerate(self._names)}
        for table in self._tables:
            table.counts = table.counts[rows]
        if not rows:
            self._written.clear()
            self._edge = None

    def _add(self, names: Sequence[Name], top: int) -> None:
        """With their history."""
        self._names += names
        self._rows = {name: row for row, name in enumerate(self._names)}
        for table in self._tables:
            table.grow(len(self._names))
        oldest = top - self._minutes + 1
        self._read_minutes(names, oldest, top)
        self._read_hours(names, range(top - self._hours + 1, oldest))
        self._edge = None if names else self._edge

    def _read_minutes(self, names: Sequence[Name], first: int, last: int) -> None:
        for each in ledger.minutes(self._store, {name.slo for name in names}, first * HOUR, (last + 1) * HOUR):
            row = self._rows.get(Name(each.slo, each.objective))
            if row is not None:
                self._set_minutes(np.full(len(each.t), row), each.t, each.good, each.bad)

    def _read_hours(self, names: Sequence[Name], hours: Collection[int]) -> None:
        for each in ledger.hours(self._store, {name.slo for name in names}, [hour * HOUR for hour in hours]):
            row = self._rows.get(Name(each.slo, each.objective))
            if row is not None:
                self._set_hours(np.full(len(each.t), row), each)

    def _read_edge(self, hour: int, top: int) -> None:
        """Once an hour: the minutes of the hour where the longest window begins."""
        if hour == self._edge or hour > top - self._minutes:
            return
        for table in (self._edge_good, self._edge_bad):
            table.counts[:] = 0
        for each in ledger.minutes(self._store, {name.slo for name in self._names}, hour * HOUR, (hour + 1) * HOUR):
            row = self._rows.get(Name(each.slo, each.objective))
            if row is not None:
                minute = each.t % HOUR // MINUTE
                self._edge_good.put((row, minute), each.good)
                self._edge_bad.put((row, minute), each.bad)
        self._edge = hour

    def _set_minutes(self, rows: Places, t: Places, good: Numbers, bad: Numbers) -> None:
        """Of several counts of one minute, the last is put; the hours' sums follow from their minutes."""
        hours = t // HOUR
        place = (rows, hours % self._minutes, t % HOUR // MINUTE)
        self._good.put(place, good)
        self._bad.put(place, bad)
        changed_rows, changed = np.unique(np.stack([rows, hours]), axis=1)
        good, bad = (table.counts[changed_rows, changed % self._minutes] for table in (self._good, self._bad))
        some = (good | bad) != 0
        self._set_hours(
            changed_rows,
            ledger.Hours(
                "", "", changed * HOUR, good.sum(axis=1, dtype=np.uint64), bad.sum(axis=1, dtype=np.uint64),
                some.sum(axis=1, dtype=np.uint8), _newest_of(some).astype(np.uint8),
            ),
        )  # fmt: skip

    def _set_hours(self, rows: Places, sums: Hours) -> None:
        place = (rows, sums.t // HOUR % self._hours)
        self._good_hours.put(place, sums.good)
        self._bad_hours.put(place, sums.bad)
        self._observed.put(place, sums.observed)
        self._last.put(place, sums.last)

    def _sums(self, end: int, top: int) -> Iterator[NDArray[np.uint64]]:
        """Good, bad and observed minutes by row, shape (rows, 3), for each length. Windows end together, so each hour is summed once."""
        whole = np.zeros((len(self._names), 3), np.uint64)
        below = top
        for length in self._lengths:
            begin = end - length
            first = begin // HOUR
            if first == top:
                yield self._part(top, begin, end)
                continue
            whole = whole + self._whole(first + 1, below)
            below = first + 1
            yield whole + self._part(first, begin, (first + 1) * HOUR) + self._part(top, top * HOUR, end)

    def _whole(self, first: int, end: int) -> NDArray[np.uint64]:
        """Over the hours from `first` up to `end`, which is not among them."""
        tables = (self._good_hours, self._bad_hours, self._observed)
        sums = np.zeros((len(self._names), 3), np.uint64)
        while first < end:
            column = first % self._hours
            stop = min(column + end - first, self._hours)
            for place, table in enumerate(tables):
                sums[:, place] += table.counts[:, column:stop].sum(axis=1, dtype=np.uint64)
            first += stop - column
        return sums

    def _part(self, hour: int, begin: int, end: int) -> NDArray[np.uint64]:
        """Over the minutes of [begin, end), all of one hour."""
        good, bad = self._minutes_of(hour, begin, end)
        sums = [each.sum(axis=1, dtype=np.uint64) for each in (good, bad, (good | bad) != 0)]
        return np.stack(sums, axis=1)

    def _minutes_of(self, hour: int, begin: int, end: int) -> tuple[Numbers, Numbers]:
        within = slice((begin - hour * HOUR) // MINUTE, (end - hour * HOUR) // MINUTE)
        if hour == self._edge:
            return self._edge_good.counts[:, within], self._edge_bad.counts[:, within]
        column = hour % self._minutes
        return self._good.counts[:, column, within], self._bad.counts[:, column, within]

    def _newest(self, end: int, top: int) -> Places:
        """Begin of the newest minute with data in the longest window, by row; 0 when there is none."""
        newest = self._newest_minute(top, top * HOUR, end)
        idle = np.flatnonzero(newest == 0)
        if len(idle):
            begin = end - self._lengths[-1]
            first = begin // HOUR
            hours = np.arange(top - 1, first, -1)
            last = self._last.counts[np.ix_(idle, hours % self._hours)]
            latest = (last != 0).argmax(axis=1)
            minute = last[np.arange(len(idle)), latest].astype(np.int64)
            edge = self._newest_minute(first, begin, (first + 1) * HOUR)[idle]
            newest[idle] = np.where(minute, hours[latest] * HOUR + (minute - 1) * MINUTE, edge)
        return newest

    def _newest_minute(self, hour: int, begin: int, end: int) -> Places:
        good, bad = self._minutes_of(hour, begin, end)
        place = _newest_of((good | bad) != 0)
        return np.where(place, begin + (place - 1) * MINUTE, 0)


class _Table:
    """Counts, a row for each objective, in the narrowest type that holds them all."""

    def __init__(self, *shape: int) -> None:
        self.counts: Numbers = np.zeros((0, *shape), np.uint8)

    def put(self, place: tuple[Places | int, ...], counts: Numbers) -> None:
        """Of several counts for one place, the last."""
        if len(counts):
            needed = np.min_scalar_type(counts.max())
            if needed.itemsize > self.counts.itemsize:
                self.counts = self.counts.astype(needed)
        self.counts[place] = counts

    def grow(self, rows: int) -> None:
        """To so many, the new ones without counts."""
        more = rows - len(self.counts)
        if more:
            self.counts = np.concatenate([self.counts, np.zeros((more, *self.counts.shape[1:]), self.counts.dtype)])


def _columns(seconds: int) -> int:
    """How many hours a window of this length may touch."""
    return -(-seconds // HOUR) + 1


def _newest_of(some: NDArray[np.bool_]) -> Places:
    """The last place, from 1, of each row that is true; 0 without."""
    width = some.shape[1]
    return np.where(some.any(axis=1), width - some[:, ::-1].argmax(axis=1), 0)
