"""From points to counts: what came since the last point of the same stream, spread over the time in which it came.

`settle` is a pure function of the streams' states and the points, so a replay of the log makes the same counts from the same states. States
are the streams' memory between points; nobody but this module reads them.

A **delta** point counts as it is. The same interval again is a duplicate and dropped; an interval that overlaps another one counts, and
is noted (`Settled.notes`), for two senders under one name are a mistake that only they can mend.

A **cumulative** point counts as its difference to the last one with the same start. Starts are kept apart (up to `LINES` of them), so two
senders under one name, which alternate, are not taken for restarts. Of a start that is new:

* unknown (0, or equal to the point's time, which is how OpenTelemetry says it): nothing is known of when these events came. It
  is the baseline from which the next one counts.
* within two minutes of the point's time, or not before the last export that was seen of its instrument (a restart, or a sender that starts
  each stream apart): all its events are new, and counted from zero.
* older, yet the instrument was exported before with this very start, and without this stream: senders tell all streams in each export, so
  its events came since then. Without this rule the first failures of a service that has run for hours would never count.
* older, and not seen before: the baseline. Its events came before anybody counted.

* not after the last point of a start that had no room: it may be that one, whose events were counted. The baseline (`CROWDED`).

A count that fell is a reset: counted from zero. What is not newer than the last point is late, and ignored: the last one held it. When
bounds change without a restart, there is no difference to be had: the point is a new baseline.

Senders that tell no start (0) cannot be told apart, and a fall may be another sender: it is a baseline, and both are remembered. A
point then follows the line with the most events that it may follow. So never more is counted than happened, at the price that a
restart may count less. When there is no room for a line, nothing counts of this stream without a start for a day.

Events of an interval of at most 10 s are in the bucket in which it ends. Those of a longer one are spread evenly over the 10 s
buckets that it covers, for each bin so that every bucket has its share, rounded down or up, and no event is lost. The beginning of an
interval is the last point's time where that is known. One that covers more than `SLICES` buckets is told in so many steps.

Sixty bytes may say that a million events lasted from a microsecond to days, which are 1 900 cells. So in a batch with very many points, those
that would take more than their share of `_CELLS` are told with the events of each bucket in one bin, and if need be in fewer bins than
they have buckets (`COARSE`). No event is lost.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import numpy as np

from maibo_collectors.otlp.decoding.buckets import BUCKET_LIMIT, Buckets, alike, in_bins, in_few_bins, minus, total
from maibo_collectors.otlp.decoding.tally import BUCKET_NS, BUCKET_SECONDS, FLOW, Reason, Tally
from maibo_slo.store.counts import CELL as CELLS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from maibo_collectors.otlp.decoding.points import Point, Points

LINES: Final = 64
"""Starts that are remembered of a stream."""
INTERVALS: Final = 32
"""Delta intervals that are remembered of a stream."""
SLICES: Final = 360
"""Steps in which an interval is told at most: an hour of 10 s."""
FRESH_NS: Final = 120 * 10**9
"""What started so shortly before is counted from its start."""

DUPLICATE: Final = "duplicate"
OVERLAPPING: Final = "overlapping"
LATE: Final = "late"
BASELINE: Final = "baseline"
RESET: Final = "reset"
CHANGED: Final = "changed bounds"
CROWDED: Final = "too many senders under one name"
COARSE: Final = "told in fewer bins"

_LONGEST_NS: Final = 86_400 * 10**9
"""Of an interval; what is older has nowhere to go."""
_LINES_BUCKETS: Final = 8 * BUCKET_LIMIT
"""Buckets that all lines of a stream have together; there are fewer lines when they have more."""
_ROWS: Final = 200_000
"""Cells that a batch makes of intervals that are told in steps: steps become fewer before the memory is full."""
_CELLS: Final = 8_000_000
"""Cells that a batch makes of points at most (144 MB), or one of each point: some 11 000 busy histograms of 14 buckets are not concerned."""
_ONE: Final = 2**20
"""Shares of an interval are whole parts of this: times the events of a point, they still fit into 63 bits."""
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_TO_SHARE: Final = np.uint64(64 - 20)


class Settled(NamedTuple):
    """What points come to."""

    tally: Tally
    """Cells, flow and reasons; its total, counted, ignored and rejected are data points."""
    states: dict[bytes, bytes]
    """Of the streams whose state is another now."""
    notes: dict[str, int]
    """What happened to points that did not simply count (DUPLICATE to COARSE), each with how many."""


class _Line(msgspec.Struct, frozen=True, array_like=True):
    """The last cumulative point with this start."""

    start_ns: int
    time_ns: int
    buckets: Buckets


class _Exports(msgspec.Struct, frozen=True, array_like=True):
    """The last two times at which points with this start were exported; 0: none."""

    start_ns: int
    before_ns: int
    last_ns: int


class _State(msgspec.Struct, array_like=True):
    """All that is remembered of a stream (lines, intervals) or of an instrument (exports); newest last."""

    lines: list[_Line] = msgspec.field(default_factory=list)
    intervals: list[tuple[int, int]] = msgspec.field(default_factory=list)
    exports: list[_Exports] = msgspec.field(default_factory=list)
    lost_ns: int = 0
    """The last time of a line that had no room; 0: all had. A start after it is not the start of such a line."""


class _Came(NamedTuple):
    """Events, and the interval in which they came."""

    buckets: Buckets
    begin_ns: int
    """0: not known."""
    whole: bool
    """They are all the events of the point, whose shortest and longest are then theirs."""


_encoder = msgspec.msgpack.Encoder()
_state = msgspec.msgpack.Decoder(_State)


def settle(states: Mapping[bytes, bytes], points: Points, *, of_batch: int = 0) -> Settled:
    """What points come to after these states, which are those of `Points.stream_ids` as far as there are any.

    `of_batch` is how many points the whole batch has, these among them; when it is not told, there are no others. All points share the
    cells that a batch may make, so the same batch makes the same cells.
    """
    known = _Known(states)
    of_batch = max(1, of_batch, len(points.points))
    notes: Counter[str] = Counter()
    rows = _Rows(points, notes, room=_ROWS // of_batch, most=_CELLS // of_batch)
    for point in points.points:
        came = _delta(point, known, notes) if point.delta else _cumulative(point, known, notes)
        if came is not None:
            rows.add(point, came)
    return Settled(rows.tally(), known.changed(), dict(notes))


class _Known:
    """States, decoded when they are asked for. One that cannot be read is as good as none."""

    def __init__(self, states: Mapping[bytes, bytes]) -> None:
        self._raw = states
        self._states: dict[bytes, _State] = {}

    def __getitem__(self, name: bytes) -> _State:
        state = self._states.get(name)
        if state is None:
            raw = self._raw.get(name)
            try:
                state = _State() if raw is None else _state.decode(raw)
            except ValueError:
                state = _State()
            self._states[name] = state
        return state

    def changed(self) -> dict[bytes, bytes]:
        encoded = ((name, _encoder.encode(state)) for name, state in self._states.items())
        return {name: raw for name, raw in encoded if raw != self._raw.get(name)}


def _delta(point: Point, known: _Known, notes: Counter[str]) -> _Came | None:
    intervals = known[point.stream].intervals
    start, time = point.start_ns or point.time_ns, point.time_ns
    if (start, time) in intervals:
        notes[DUPLICATE] += 1
        return None
    if any(start < other_time and other_start < time for other_start, other_time in intervals):
        notes[OVERLAPPING] += 1
    intervals.append((start, time))
    del intervals[:-INTERVALS]
    return _Came(point.buckets, start, whole=True)


def _cumulative(point: Point, known: _Known, notes: Counter[str]) -> _Came | None:
    state, instrument = known[point.stream], known[point.instrument]
    same = [line for line in state.lines if line.start_ns == point.start_ns]
    newest = max((line.time_ns for line in same), default=0)
    if point.time_ns <= newest:
        notes[DUPLICATE if point.time_ns == newest else LATE] += 1
        return None
    last = next(iter(same), None) if point.start_ns else _nearest(point, same)
    crowded = state.lost_ns >= (point.start_ns or point.time_ns - _LONGEST_NS)
    came = None
    if crowded and (last is None or not point.start_ns):
        notes[CROWDED] += 1
    elif last is None:
        begin = _first_seen_since(point, instrument.exports)
        came = None if begin is None else _Came(point.buckets, begin, whole=begin == point.start_ns)
        if came is None:
            notes[BASELINE] += 1
    else:
        came = _since(point, last, notes)
    _remember(state, point, instead_of=last)
    instrument.exports = _exported(instrument.exports, point)
    return came


def _nearest(point: Point, lines: list[_Line]) -> _Line | None:
    """Of lines without a start the one with the most events that this point may follow; None: it fell below all of them."""
    alikes = (each for each in lines if alike(point.buckets, each.buckets))
    fitting = (each for each in alikes if minus(point.buckets, each.buckets) is not None)
    return max(fitting, key=lambda each: total(each.buckets), default=None)


def _remember(state: _State, point: Point, *, instead_of: _Line | None) -> None:
    if instead_of is not None:
        state.lines.remove(instead_of)
    state.lines.append(_Line(point.start_ns, point.time_ns, point.buckets))
    while len(state.lines) > LINES or sum(len(line.buckets.counts) for line in state.lines) > _LINES_BUCKETS:
        state.lost_ns = max(state.lost_ns, state.lines.pop(0).time_ns)


def _since(point: Point, last: _Line, notes: Counter[str]) -> _Came | None:
    """What came after the last point with the same start."""
    if not alike(point.buckets, last.buckets):
        notes[CHANGED] += 1
        return None
    difference = minus(point.buckets, last.buckets)
    if difference is None:
        notes[RESET] += 1
        return _Came(point.buckets, last.time_ns, whole=True)
    return _Came(difference, last.time_ns, whole=False)


def _first_seen_since(point: Point, exports: list[_Exports]) -> int | None:
    """Since when the events came of a start that was not seen before in its stream; None: nobody knows."""
    start, time = point.start_ns, point.time_ns
    if start in {0, time}:
        return None
    earlier = {each.start_ns: _export_before(each, time) for each in exports}
    latest = max(earlier.values(), default=0)
    if time - start <= FRESH_NS or 0 < latest <= start:
        return start
    return earlier.get(start) or None


def _export_before(exports: _Exports, time_ns: int) -> int:
    """The last one known before this time; 0: none."""
    return exports.last_ns if exports.last_ns < time_ns else exports.before_ns if exports.before_ns < time_ns else 0


def _exported(exports: list[_Exports], point: Point) -> list[_Exports]:
    """With the export that this point is of; the one seen last comes last."""
    start, time = point.start_ns, point.time_ns
    before = last = 0
    others = []
    for each in exports:
        if each.start_ns == start:
            before, last = each.before_ns, each.last_ns
        else:
            others.append(each)
    if time > last:
        before, last = last, time
    elif time < last:
        before = max(before, time)
    everything = [*others, _Exports(start, before, last)]
    return sorted(everything, key=lambda each: (each.last_ns, each.start_ns))[-LINES:]


class _Rows:
    """Counts of one request; a point has room for so many cells, if it needs them to be told in steps, and for so many at `most`."""

    def __init__(self, points: Points, notes: Counter[str], *, room: int, most: int) -> None:
        self._points = points
        self._notes = notes
        self._room = room
        self._most = most
        self._cells: list[NDArray[np.void]] = []
        self._flow: Counter[tuple[int, int]] = Counter()
        self._reasons: Counter[tuple[int, int, str]] = Counter()

    def add(self, point: Point, came: _Came) -> None:
        """Counts what came in each of the series that the point counts in."""
        bins = self._bins(point, came)
        if not bins:
            return
        room = self._room // max(1, len(point.countings))
        # So few events make no more cells than there is room for, in however many steps they are told.
        limit = SLICES if sum(bins.values()) <= room else max(1, min(SLICES, room // len(bins)))
        times, shares = _slices(came.begin_ns, point.time_ns, limit)
        indices = np.fromiter(bins, np.uint64, len(bins))
        events = np.fromiter(bins.values(), np.int64, len(bins))
        # Where the first event of each bin lies: elsewhere for each bin and stream, or single events would all come at the end.
        seed = np.uint64(int.from_bytes(point.stream[:8], "little"))
        phases = ((indices * _GOLDEN + seed) >> _TO_SHARE).astype(np.int64)
        until = (np.outer(events, shares) + phases[:, None]) // _ONE
        counts = np.diff(until, axis=1, prepend=0)
        of_bin, of_time = np.nonzero(counts)
        cells = np.empty(len(of_bin), CELLS)
        cells["t"], cells["bin"], cells["n"] = times[of_time], indices[of_bin], counts[of_bin, of_time]
        for series, whole, reason in point.countings:
            cells["series"] = series
            self._cells.append(cells.copy())
            for t, n in zip(times.tolist(), counts.sum(axis=0).tolist(), strict=True):
                if whole and n:
                    self._flow[t, series] += n
                if reason and n:
                    self._reasons[t, series, reason] += n

    def _bins(self, point: Point, came: _Came) -> dict[int, int]:
        """Of what came, in no more bins than there are cells for."""
        shortest, longest = (point.shortest, point.longest) if came.whole else (None, None)
        most = max(1, self._most // max(1, len(point.countings)))
        few = in_few_bins(came.buckets, most, unit_ns=point.unit_ns, shortest=shortest, longest=longest)
        if few is None:
            return in_bins(came.buckets, unit_ns=point.unit_ns, shortest=shortest, longest=longest)
        self._notes[COARSE] += 1
        at_once = -(-len(few) // most)
        bins = sorted(few)
        return {
            bins[min(begin + at_once, len(bins)) - 1]: sum(few[each] for each in bins[begin : begin + at_once])
            for begin in range(0, len(bins), at_once)
        }

    def tally(self) -> Tally:
        """A histogram does not tell when journeys began: they count as begun in the 10 s in which they ended."""
        points = self._points
        return Tally(
            series=points.series,
            cells=b"".join(cells.tobytes() for cells in self._cells),
            flow=b"".join(FLOW.pack(*key, n, n) for key, n in self._flow.items()),
            reasons=[Reason(*key, n) for key, n in self._reasons.items()],
            total=points.total,
            counted=points.counted,
            ignored=points.ignored,
            rejected=points.rejected,
            overflowed=points.overflowed,
        )


def _slices(begin_ns: int, end_ns: int, limit: int) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """10 s buckets, and what share (of _ONE) of the interval lies up to the end of each; of the last one, all of it."""
    begin_ns, last = max(begin_ns, end_ns - _LONGEST_NS), (end_ns - 1) // BUCKET_NS
    if end_ns - begin_ns <= BUCKET_NS or limit == 1:
        return np.array([last * BUCKET_SECONDS], np.uint32), np.array([_ONE], np.int64)
    first = begin_ns // BUCKET_NS
    step = -(-(last - first + 1) // limit)
    buckets = [*range(first + step - 1, last, step), last]
    whole = end_ns - begin_ns
    shares = [((bucket + 1) * BUCKET_NS - begin_ns) * _ONE // whole for bucket in buckets[:-1]]
    return np.array(buckets, np.uint32) * np.uint32(BUCKET_SECONDS), np.array([*shares, _ONE], np.int64)
