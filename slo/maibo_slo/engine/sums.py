"""Good and bad of each objective in each of its windows, kept in memory as the ledger has them.

A tick asks for every window of every SLO, and little has changed since the last one. So the history is not read again: what the
engine writes into the ledger it tells here too, and a window is the hours that lie in it whole and the minutes at its two ends.

Held for each objective, or each group of one:

* the minutes of the last three days, since every burn window's far end moves by the minute;
* sums of the hours that its SLO's window may touch, and the minutes of the one hour where that window begins now.

A window of the calendar is like a rolling one whose far end rests until the period turns: nothing is read anew then.

A count has as many bytes as the greatest of its kind needs: with less than 65,536 good and 256 bad in every minute, an objective of 30 days has
20 kB (`benchmarks/slo_eval.py` measures it). Nothing here grows with the number of events.

The ledger is read when an objective or group is new, when an hour begins (what its new minutes hold already, from clocks ahead of ours, and
the next hour at the far end), and where minutes older than three days were written: sums of those hours. After the clock was set back, or stood for
three days, everything is read anew. The answer is always that of `ledger.window_sums`: a replaced minute counts as it was last written, minutes
that are yet to come count when they have come.

WARNING: exact as long as nobody else writes these objectives, and as the ledger answers with what was written before.

Not thread-safe. After an exception, the ledger is read anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import numpy as np

from maibo_slo.engine.burn import BURN_WINDOWS, HOUR, Counts
from maibo_slo.store import ledger

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from maibo_slo.store import Store
    from maibo_slo.store.ledger import Hours, Interval, Minutes

    Numbers = NDArray[np.unsignedinteger[Any]]
    Places = NDArray[np.int64]
    Rows = Places | slice

_History = TypeVar("_History", "Minutes", "Hours")

MINUTE: Final = 60
MINUTES_KEPT_SECONDS: Final = max(BURN_WINDOWS.values())
GROUPS_NAMED: Final = 200
"""In a query; of more, all groups of the SLOs are read, as a query has its bounds too."""

_LENGTHS: Final = sorted(BURN_WINDOWS.values())
_ALL: Final = slice(None)
_UNREAD: Final = -1


class Name(NamedTuple):
    """Of an objective, or of one group of it."""

    slo: str
    objective: str
    group: str = ""
    """As the ledger has it: '' where there is one budget for all."""


class Reach(NamedTuple):
    """How far back an SLO's own window looks."""

    seconds: int
    """What it rolls over; of a calendar, the longest that a period can be. A multiple of 60."""
    begin: int | None = None
    """Of the calendar's present period: unix s, a whole minute, at most `seconds` ago. None where the window rolls."""


@dataclass(frozen=True, slots=True)
class Found:
    """The counts of an objective or group, at one moment."""

    counts: Mapping[int, Counts]
    """By length in seconds, of every burn window: those of a calendar's SLO look back beyond its begin."""
    own: Counts
    """In the SLO's window: what it rolls over, or what has passed of the period."""
    last_t: int | None
    """Begin of the newest minute with data in the longest of them, unix s."""


class Sums:
    """The windows' sums of all objectives that are asked about. `raw`: of raw rows, under their names, and no others."""

    def __init__(self, store: Store, *, raw: bool = False) -> None:
        self._store = store
        self._raw = raw
        self._by_reach: dict[int, _Alike] = {}

    @property
    def bytes(self) -> int:
        """Of memory that all counts have."""
        return sum(alike.bytes for alike in self._by_reach.values())

    def put(self, rows: Sequence[Interval]) -> None:
        """Take in what was just written into the ledger; a minute's later row replaces the earlier."""
        for alike in self._by_reach.values():
            alike.put(rows)

    def at(self, now: int, asked: Mapping[Name, Reach]) -> dict[Name, Found]:
        """Every objective and group of `asked`, at `now` (unix s). Who is not asked about any more is forgotten.

        ValueError for a period that begins after `now`, within a minute, or longer ago than `Reach.seconds`.
        """
        begins: dict[int, dict[Name, int | None]] = {}
        for name, (seconds, begin) in asked.items():
            begins.setdefault(seconds, {})[name] = begin
        kept = {
            seconds: self._by_reach.get(seconds) or _Alike(self._store, seconds, raw=self._raw) for seconds in begins
        }
        # Not kept until all have been read: whoever fails on the way reads anew.
        self._by_reach = {}
        end = now // MINUTE * MINUTE + MINUTE
        found: dict[Name, Found] = {}
        for seconds, alike in kept.items():
            alike.follow(begins[seconds], end=end)
            found.update(alike.found(end))
        self._by_reach = kept
        return found


class _Alike:
    """Objectives whose SLOs look back equally far, side by side: row by row the same hours.

    Hours are numbered since the epoch. Number h is in column ``h % columns``, so that time goes on without moving anything.
    """

    def __init__(self, store: Store, reach_seconds: int, *, raw: bool) -> None:
        self._store = store
        self._raw = raw
        self._reach_seconds = reach_seconds
        self._names: list[Name] = []
        self._rows: dict[Name, int] = {}
        self._top: int | None = None
        """The newest hour held; None before the first reading."""
        self._written: list[tuple[Places, Places, Numbers, Numbers]] = []
        self._minutes = _columns(MINUTES_KEPT_SECONDS)
        """So many hours have their minutes here, and so many their sums."""
        self._hours = _columns(max(MINUTES_KEPT_SECONDS, reach_seconds))
        self._good, self._bad = _Table(self._minutes, 60), _Table(self._minutes, 60)
        self._good_hours, self._bad_hours = _Table(self._hours), _Table(self._hours)
        self._observed, self._last = _Table(self._hours), _Table(self._hours)
        """As in `ledger.Hours`."""
        self._begins = np.zeros(0, np.int64)
        """Of each row's own window, unix s."""
        self._edges = np.zeros(0, np.int64)
        """Of each row, the hour whose minutes are held because its own window begins there, before those of the last days; or `_UNREAD`."""
        self._edge_good, self._edge_bad = _Table(60), _Table(60)
        self._tables = (
            self._good, self._bad, self._good_hours, self._bad_hours, self._observed, self._last, self._edge_good, self._edge_bad,
        )  # fmt: skip

    @property
    def bytes(self) -> int:
        return sum(table.counts.nbytes for table in self._tables)

    def put(self, rows: Sequence[Interval]) -> None:
        """Noted, until time has gone on to them: see `follow`."""
        mine = [
            (row, each)
            for each in rows
            if (row := self._rows.get(Name(each.slo, each.objective, each.group))) is not None
        ]
        if mine:
            self._written.append(
                (
                    np.array([row for row, _ in mine], np.int64),
                    np.array([each.t for _, each in mine], np.int64),
                    np.array([each.good for _, each in mine], np.uint64),
                    np.array([each.bad for _, each in mine], np.uint64),
                )
            )

    def follow(self, begins: Mapping[Name, int | None], *, end: int) -> None:
        """Be about these names, whose own windows began then (or roll), and about windows that end at `end`."""
        top = (end - 1) // HOUR
        if self._top is None or not 0 <= top - self._top < self._minutes:
            self._keep([])
            self._top = top
        self._go_on(self._top, top)
        self._top = top
        self._take_in(top)
        if begins.keys() != self._rows.keys():
            self._keep([row for row, name in enumerate(self._names) if name in begins])
            self._add([name for name in begins if name not in self._rows], top)
        self._begin(begins, end)
        self._read_edges(top)

    def found(self, end: int) -> Iterator[tuple[Name, Found]]:
        """Each name's windows."""
        top = (end - 1) // HOUR
        burns = [sums.tolist() for sums in self._burns(end, top)]
        own = self._own(end, top).tolist()
        newest = self._newest(end, top).tolist()
        for row, name in enumerate(self._names):
            counts = {length: Counts(*sums[row]) for length, sums in zip(_LENGTHS, burns, strict=True)}
            yield name, Found(counts, Counts(*own[row]), newest[row] or None)

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
        self._edges[rows[hours == self._edges[rows]]] = _UNREAD

    def _keep(self, rows: Sequence[int]) -> None:
        """These and no others."""
        self._names = [self._names[row] for row in rows]
        self._rows = {name: row for row, name in enumerate(self._names)}
        self._edges = self._edges[rows]
        for table in self._tables:
            table.counts = table.counts[rows]
        if not rows:
            self._written.clear()

    def _add(self, names: Sequence[Name], top: int) -> None:
        """With their history."""
        self._names += names
        self._rows = {name: row for row, name in enumerate(self._names)}
        self._edges = np.concatenate([self._edges, np.full(len(names), _UNREAD)])
        for table in self._tables:
            table.grow(len(self._names))
        oldest = top - self._minutes + 1
        self._read_minutes(names, oldest, top)
        self._read_hours(names, range(top - self._hours + 1, oldest))

    def _begin(self, begins: Mapping[Name, int | None], end: int) -> None:
        """Where each row's own window begins now."""
        rolling = end - self._reach_seconds
        found = [rolling if (begin := begins[name]) is None else begin for name in self._names]
        self._begins = np.array(found, np.int64)
        wrong = np.flatnonzero((self._begins < rolling) | (self._begins >= end) | (self._begins % MINUTE != 0))
        if len(wrong):
            name, begin = self._names[wrong[0]], found[wrong[0]]
            raise ValueError(
                f"a window begins with a minute, from {rolling} to before {end}: that of {name} at {begin}"
            )

    def _read_minutes(self, names: Sequence[Name], first: int, last: int) -> None:
        slos, groups = _asked(names)
        told = ledger.minutes(self._store, slos, first * HOUR, (last + 1) * HOUR, groups=groups, raw=self._raw)
        for row, each in self._mine(told):
            self._set_minutes(np.full(len(each.t), row), each.t, each.good, each.bad)

    def _read_hours(self, names: Sequence[Name], hours: Collection[int]) -> None:
        slos, groups = _asked(names)
        told = ledger.hours(self._store, slos, [hour * HOUR for hour in hours], groups=groups, raw=self._raw)
        for row, each in self._mine(told):
            self._set_hours(np.full(len(each.t), row), each)

    def _read_edges(self, top: int) -> None:
        """Once an hour, or once a period: the minutes of the hours where own windows begin."""
        wanted = self._begins // HOUR
        missing = (wanted != self._edges) & (wanted <= top - self._minutes)
        for hour in np.unique(wanted[missing]).tolist():
            rows = np.flatnonzero(missing & (wanted == hour))
            self._edge_good.counts[rows] = self._edge_bad.counts[rows] = 0
            slos, groups = _asked([self._names[row] for row in rows])
            told = ledger.minutes(self._store, slos, hour * HOUR, (hour + 1) * HOUR, groups=groups, raw=self._raw)
            for row, each in self._mine(told):
                # Another group of the same SLO may have its begin elsewhere, or just have been read.
                if missing[row] and wanted[row] == hour:
                    minute = each.t % HOUR // MINUTE
                    self._edge_good.put((row, minute), each.good)
                    self._edge_bad.put((row, minute), each.bad)
            self._edges[rows] = hour

    def _mine(self, told: Iterable[_History]) -> Iterator[tuple[int, _History]]:
        """What is asked about here of what the ledger tells, by row."""
        for each in told:
            row = self._rows.get(Name(each.slo, each.objective, each.group))
            if row is not None:
                yield row, each

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
                "", "", "", changed * HOUR, good.sum(axis=1, dtype=np.uint64), bad.sum(axis=1, dtype=np.uint64),
                some.sum(axis=1, dtype=np.uint8), _newest_of(some).astype(np.uint8),
            ),
        )  # fmt: skip

    def _set_hours(self, rows: Places, sums: Hours) -> None:
        place = (rows, sums.t // HOUR % self._hours)
        self._good_hours.put(place, sums.good)
        self._bad_hours.put(place, sums.bad)
        self._observed.put(place, sums.observed)
        self._last.put(place, sums.last)

    def _burns(self, end: int, top: int) -> Iterator[NDArray[np.uint64]]:
        """Good, bad and observed minutes by row, shape (rows, 3), of each burn window. They end together, so each hour is summed once."""
        whole = np.zeros((len(self._names), 3), np.uint64)
        below = top
        for length in _LENGTHS:
            begin = end - length
            first = begin // HOUR
            if first == top:
                yield self._part(top, begin, end)
                continue
            whole = whole + self._whole(first + 1, below)
            below = first + 1
            yield whole + self._part(first, begin, (first + 1) * HOUR) + self._part(top, top * HOUR, end)

    def _own(self, end: int, top: int) -> NDArray[np.uint64]:
        """The same of each row's own window."""
        sums = np.zeros((len(self._names), 3), np.uint64)
        for begin, rows in self._by_begin():
            first = begin // HOUR
            if first == top:
                sums[rows] = self._part(top, begin, end, rows)
            else:
                edges = self._part(first, begin, (first + 1) * HOUR, rows) + self._part(top, top * HOUR, end, rows)
                sums[rows] = edges + self._whole(first + 1, top, rows)
        return sums

    def _by_begin(self) -> Iterator[tuple[int, Rows]]:
        """Rows whose own windows begin together: nearly always all of them."""
        begins = np.unique(self._begins).tolist()
        for begin in begins:
            yield begin, _ALL if len(begins) == 1 else np.flatnonzero(self._begins == begin)

    def _whole(self, first: int, end: int, rows: Rows = _ALL) -> NDArray[np.uint64]:
        """Over the hours from `first` up to `end`, which is not among them."""
        tables = (self._good_hours, self._bad_hours, self._observed)
        sums = np.zeros((len(self._begins[rows]), 3), np.uint64)
        while first < end:
            column = first % self._hours
            stop = min(column + end - first, self._hours)
            for place, table in enumerate(tables):
                sums[:, place] += table.counts[rows, column:stop].sum(axis=1, dtype=np.uint64)
            first += stop - column
        return sums

    def _part(self, hour: int, begin: int, end: int, rows: Rows = _ALL) -> NDArray[np.uint64]:
        """Over the minutes of [begin, end), all of one hour."""
        good, bad = self._minutes_of(hour, begin, end, rows)
        sums = [each.sum(axis=1, dtype=np.uint64) for each in (good, bad, (good | bad) != 0)]
        return np.stack(sums, axis=1)

    def _minutes_of(self, hour: int, begin: int, end: int, rows: Rows) -> tuple[Numbers, Numbers]:
        """Of an hour of the last days, or of the one where these rows' own windows begin."""
        within = slice((begin - hour * HOUR) // MINUTE, (end - hour * HOUR) // MINUTE)
        if hour <= (self._top or 0) - self._minutes:
            return self._edge_good.counts[rows, within], self._edge_bad.counts[rows, within]
        column = hour % self._minutes
        return self._good.counts[rows, column, within], self._bad.counts[rows, column, within]

    def _newest(self, end: int, top: int) -> Places:
        """Begin of the newest minute with data in each row's longest window; 0 when there is none."""
        newest = self._newest_minute(top, top * HOUR, end, _ALL)
        idle = newest == 0
        if idle.any():
            begins = np.minimum(self._begins, end - _LENGTHS[-1])
            for begin in np.unique(begins[idle]).tolist():
                rows = np.flatnonzero(idle & (begins == begin))
                newest[rows] = self._newest_before(top, begin, rows)
        return newest

    def _newest_before(self, top: int, begin: int, rows: Places) -> Places:
        """The same of windows that begin together, before hour `top`."""
        first = begin // HOUR
        hours = np.arange(top - 1, first, -1)
        last = self._last.counts[np.ix_(rows, hours % self._hours)]
        latest = (last != 0).argmax(axis=1)
        minute = last[np.arange(len(rows)), latest].astype(np.int64)
        edge = self._newest_minute(first, begin, (first + 1) * HOUR, rows)
        return np.where(minute, hours[latest] * HOUR + (minute - 1) * MINUTE, edge)

    def _newest_minute(self, hour: int, begin: int, end: int, rows: Rows) -> Places:
        good, bad = self._minutes_of(hour, begin, end, rows)
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


def _asked(names: Sequence[Name]) -> tuple[list[str], set[str] | None]:
    """Whom the ledger is asked about: an SLO for each of its names, and groups."""
    groups = {name.group for name in names}
    return [name.slo for name in names], groups if len(groups) <= GROUPS_NAMED else None


def _columns(seconds: int) -> int:
    """How many hours a window of this length may touch."""
    return -(-seconds // HOUR) + 1


def _newest_of(some: NDArray[np.bool_]) -> Places:
    """The last place, from 1, of each row that is true; 0 without."""
    width = some.shape[1]
    return np.where(some.any(axis=1), width - some[:, ::-1].argmax(axis=1), 0)
