"""From points to counts, over restarts, losses, retries and two senders under one name."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_collectors.otlp.decoding.buckets import Explicit, Exponential
from maibo_collectors.otlp.decoding.points import Counting, Point, Points, decode_points, encode
from maibo_collectors.otlp.decoding.tally import CELL, FLOW, Series, series_bytes
from maibo_collectors.otlp.draining import streams
from maibo_collectors.otlp.draining.streams import (
    BASELINE,
    CHANGED,
    COARSE,
    CROWDED,
    DUPLICATE,
    LATE,
    LINES,
    OVERLAPPING,
    RESET,
    settle,
)
from maibo_slo.store.counts import CELL as CELLS
from maibo_slo.store.edges import bin_of

SECOND = 10**9
HOUR = 3_600 * SECOND
T = 1_700_000_000 * SECOND
"""A multiple of 10 s, and 20 s into a minute."""
JOURNEY = series_bytes(Series("checkout", "", "", "shop", "", "", "", "", "", "success"))
STEP = series_bytes(Series("checkout", "pay", "", "shop", "", "", "", "", "", "failure"))
WHOLE = Counting(0, True, "")


def point(time_ns, counts, *, start_ns=T, delta=False, stream=b"s" * 16, countings=(WHOLE,), bounds=(0.1,), **more):
    return Point(
        stream=stream,
        instrument=b"i" * 16,
        countings=countings,
        delta=delta,
        start_ns=start_ns,
        time_ns=time_ns,
        unit_ns=SECOND,
        buckets=Explicit(tuple(bounds), tuple(counts)),
        shortest=None,
        longest=None,
        **more,
    )


def body(*points):
    return decode_points(
        encode(Points(series=[JOURNEY, STEP], points=list(points), total=len(points), counted=len(points)))
    )


class Store:
    """What the drain does: states in, counts and states out."""

    def __init__(self):
        self.states = {}
        self.cells = Counter()
        self.flow = Counter()
        self.notes = Counter()
        self.reasons = []

    def take(self, *points):
        made = body(*points)
        known = {name: self.states[name] for name in made.stream_ids() if name in self.states}
        settled = settle(known, made)
        assert settle(known, made) == settled  # a replay makes the same
        self.states |= settled.states
        self.notes.update(settled.notes)
        for t, series, index, n in CELL.iter_unpack(settled.tally.cells):
            self.cells[t, series, index] += n
        for t, series, started, ended in FLOW.iter_unpack(settled.tally.flow):
            assert started == ended
            self.flow[t, series] += ended
        self.reasons += settled.tally.reasons
        return settled.tally

    def total(self, series=0):
        return sum(n for (_, of, _), n in self.cells.items() if of == series)

    def by_time(self):
        times = Counter()
        for (t, _, _), n in self.cells.items():
            times[t] += n
        return dict(sorted(times.items()))


@pytest.fixture
def store():
    return Store()


def test_a_delta_counts_as_it_is(store):
    store.take(point(T + 10 * SECOND, (3, 4), delta=True))
    store.take(point(T + 20 * SECOND, (1, 0), delta=True, start_ns=T + 10 * SECOND))
    assert store.total() == 8
    assert store.by_time() == {T // SECOND: 7, T // SECOND + 10: 1}
    assert not store.notes


def test_the_same_interval_again_is_a_duplicate(store):
    store.take(point(T + 10 * SECOND, (3, 4), delta=True))
    store.take(point(T + 10 * SECOND, (3, 4), delta=True))
    assert store.total() == 7
    assert store.notes == {DUPLICATE: 1}


def test_an_interval_that_overlaps_is_counted_and_noted(store):
    store.take(point(T + 10 * SECOND, (3, 4), delta=True))
    store.take(point(T + 15 * SECOND, (1, 1), delta=True, start_ns=T + 5 * SECOND))
    assert store.total() == 9
    assert store.notes == {OVERLAPPING: 1}


def test_a_cumulative_point_counts_as_its_difference(store):
    store.take(point(T + 60 * SECOND, (3, 4)))
    store.take(point(T + 120 * SECOND, (5, 4)))
    store.take(point(T + 180 * SECOND, (5, 4)))
    assert store.total() == 9
    assert not store.notes


def test_hours_that_nobody_saw_are_no_spike(store):
    store.take(point(T + 5 * HOUR, (1000, 4)))
    assert store.total() == 0
    assert store.notes == {BASELINE: 1}
    store.take(point(T + 5 * HOUR + 10 * SECOND, (1002, 5)))
    assert store.by_time() == {(T + 5 * HOUR) // SECOND: 3}


@pytest.mark.parametrize("start_ns", [0, T], ids=["not told", "equal to the time"])
def test_an_unknown_start_is_the_baseline(store, start_ns):
    store.take(point(T, (1000, 4), start_ns=start_ns))
    assert store.total() == 0
    store.take(point(T + 60 * SECOND, (1001, 4), start_ns=start_ns))
    assert store.total() == 1
    store.take(point(T + 120 * SECOND, (2, 0), start_ns=start_ns))
    store.take(point(T + 180 * SECOND, (3, 0), start_ns=start_ns))
    assert store.total() == 4 if start_ns else 2, "without a start a fall may be another sender"
    assert store.notes == ({BASELINE: 1, RESET: 1} if start_ns else {BASELINE: 2})


def test_a_restart_counts_from_zero(store):
    store.take(point(T + 60 * SECOND, (3, 4)))
    store.take(point(T + 4 * HOUR, (9, 1), start_ns=T + 61 * SECOND))
    assert store.total() == 17
    assert not store.notes


def test_a_count_that_fell_counts_from_zero(store):
    store.take(point(T + 60 * SECOND, (3, 4)))
    store.take(point(T + 120 * SECOND, (2, 5)))
    assert store.total() == 14
    assert store.notes == {RESET: 1}


def test_late_points_are_ignored(store):
    store.take(point(T + 60 * SECOND, (3, 4)))
    store.take(point(T + 180 * SECOND, (9, 4)))
    store.take(point(T + 120 * SECOND, (5, 4)))
    store.take(point(T + 180 * SECOND, (9, 4)))
    assert store.total() == 13
    assert store.notes == {LATE: 1, DUPLICATE: 1}


def test_other_bounds_are_a_new_baseline(store):
    store.take(point(T + 60 * SECOND, (3, 4)))
    store.take(point(T + 120 * SECOND, (3, 1, 4), bounds=(0.1, 0.2)))
    store.take(point(T + 180 * SECOND, (3, 2, 4), bounds=(0.1, 0.2)))
    assert store.total() == 8
    assert store.notes == {CHANGED: 1}


def test_the_first_failure_after_hours_counts(store):
    """Senders in Go or Java give every stream the start of the process."""
    store.take(point(T + 5 * HOUR, (1000, 4)))
    store.take(
        point(T + 5 * HOUR + 60 * SECOND, (1001, 4)),
        point(T + 5 * HOUR + 60 * SECOND, (2, 0), stream=b"f" * 16, countings=(Counting(1, False, "timeout"),)),
    )
    assert store.total(series=0) == 1
    assert store.total(series=1) == 2
    assert {(each.reason, each.n) for each in store.reasons} <= {("timeout", 1), ("timeout", 2)}
    assert sum(each.n for each in store.reasons) == 2


def test_an_export_in_two_bodies_is_no_sign_that_the_second_is_new(store):
    store.take(point(T + 5 * HOUR, (1000, 4)))
    store.take(point(T + 5 * HOUR, (500, 4), stream=b"f" * 16))
    assert store.total() == 0
    assert store.notes == {BASELINE: 2}


def test_another_sender_under_the_same_name_is_no_spike(store):
    """Two pods without anything that tells them apart, when maibo is new to both."""
    for minute in range(5):
        store.take(point(T + 5 * HOUR + minute * 60 * SECOND, (1000 + minute, 4)))
        other = T + 5 * HOUR + (minute * 60 + 5) * SECOND
        store.take(point(other, (7 + 2 * minute, 0), start_ns=T + 3 * HOUR))
    assert store.total() == 4 + 8
    assert store.notes == {BASELINE: 2}


@pytest.mark.parametrize("senders", [9, 64, 70])
@pytest.mark.parametrize("seconds", [10, 60])
def test_of_many_senders_under_one_name_never_more_counts_than_happened(store, senders, seconds):
    """Pods that nothing tells apart but their starts; exports come while the starts are still fresh."""
    for export in range(1, 6):
        for sender in range(senders):
            offset = sender * SECOND // 100
            store.take(point(T + export * seconds * SECOND + offset, (10 * export, 0), start_ns=T + offset))
    if senders <= LINES:
        assert store.total() == senders * 50
        assert not store.notes
    else:
        assert LINES * 10 <= store.total() <= senders * 50
        assert set(store.notes) == {CROWDED}


def test_a_restart_counts_though_there_was_no_room_for_others(store):
    for sender in range(LINES + 1):
        store.take(point(T + 60 * SECOND + sender, (1, 0), start_ns=T + sender))
    store.take(point(T + 180 * SECOND, (5, 0), start_ns=T + 120 * SECOND))
    assert store.total() == LINES + 1 + 5
    assert not store.notes


def test_two_senders_without_a_start_count_no_more_than_happened(store):
    for export in range(1, 13):
        store.take(point(T + export * 10 * SECOND, (1000 * export, 0), start_ns=0))
        store.take(point(T + export * 10 * SECOND + 1, (10 * export, 0), start_ns=0))
    assert store.total() == 11 * 1010
    assert store.notes == {BASELINE: 2}


def test_without_a_start_a_day_after_there_was_no_room_counts_again(store):
    for number in range(LINES + 1):
        store.take(point(T + number * SECOND, (LINES + 1 - number, 0), start_ns=0))
    store.take(point(T + HOUR, (100, 0), start_ns=0))
    assert store.total() == 0
    assert store.notes == {BASELINE: LINES + 1, CROWDED: 1}
    store.take(point(T + 25 * HOUR, (103, 0), start_ns=0))
    assert store.total() == 3


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30), st.integers(0, 30), st.booleans()), max_size=40))
def test_however_senders_without_a_start_take_turns_no_more_counts_than_happened(exports):
    store = Store()
    senders = [(0, 0)] * 5
    happened = 0
    for number, (sender, short, long, restarts) in enumerate(exports):
        before = (0, 0) if restarts else senders[sender]
        senders[sender] = before[0] + short, before[1] + long
        happened += short + long
        store.take(point(T + number * SECOND, senders[sender], start_ns=0))
        assert store.total() <= happened


def test_starts_without_end_are_bounded(store):
    for number in range(200):
        store.take(point(T + (number + 60) * SECOND, (1, 0), start_ns=T + number * SECOND))
    assert store.total() == 200
    assert len(max(store.states.values(), key=len)) < 60 * LINES


def test_lines_of_many_buckets_are_fewer(store):
    bounds = [number + 1 for number in range(9_999)]
    for number in range(12):
        start = T + number * 120 * SECOND
        store.take(point(start + 60 * SECOND, [1] * 10_000, start_ns=start, bounds=bounds))
    assert store.total() == 12 * 10_000
    assert len(streams._state.decode(store.states[b"s" * 16]).lines) == 8


def test_a_state_that_cannot_be_read_is_none(store):
    store.states = {b"s" * 16: b"\xc1", b"i" * 16: b"what?"}
    store.take(point(T + 60 * SECOND, (3, 4)))
    assert store.total() == 7


def test_the_events_of_a_minute_are_spread_over_it(store):
    store.take(point(T + 60 * SECOND, (500_000, 100_000)))
    times = store.by_time()
    assert list(times) == [T // SECOND + 10 * step for step in range(6)]
    bins = len({index for _, _, index in store.cells})
    assert all(abs(n - 100_000) <= bins for n in times.values())
    for index in {index for _, _, index in store.cells}:
        each = [store.cells[t, 0, index] for t in times]
        assert max(each) - min(each) <= 1


@pytest.mark.parametrize("seconds", [1, 10, 20])
def test_an_interval_that_ends_with_a_bucket_is_in_it_and_not_in_the_next(store, seconds):
    store.take(point(T + 20 * SECOND, (0, 1000), start_ns=T + (20 - seconds) * SECOND, delta=True))
    assert max(store.by_time()) == T // SECOND + 10


def test_an_interval_across_buckets_gives_each_what_it_covers(store):
    store.take(point(T + 33 * SECOND, (0, 3000), start_ns=T + 3 * SECOND))
    assert store.by_time() == {T // SECOND + offset: n for offset, n in ((0, 700), (10, 1000), (20, 1000), (30, 300))}


def test_single_events_are_not_all_told_at_the_end(store):
    for number in range(600):
        store.take(point(T + 60 * SECOND, (0, 1), stream=number.to_bytes(2, "big") * 8, delta=True))
    assert store.total() == 600
    assert all(50 <= n <= 200 for n in store.by_time().values())
    assert len(store.by_time()) == 6


def test_a_day_is_told_in_steps(store):
    store.take(point(T + 60 * SECOND, (0, 1)))
    store.take(point(T + 24 * HOUR, (0, 10_000_001)))
    assert store.total() == 10_000_001
    assert len(store.by_time()) <= streams.SLICES + 10
    assert max(store.by_time()) < (T + 24 * HOUR) // SECOND


def test_many_points_over_a_long_time_stay_within_memory():
    wide = Exponential(4, 0, 0.0, -100, (10**6,) * 160)
    points = [
        Point(bytes([number]) * 16, b"i" * 16, (WHOLE,), True, T, T + HOUR, SECOND, wide, None, None)
        for number in range(100)
    ]
    made = settle({}, body(*points))
    assert len(made.tally.cells) // CELL.size <= streams._ROWS
    assert sum(n for *_, n in CELL.iter_unpack(made.tally.cells)) == 100 * 160 * 10**6


def test_points_of_other_bodies_of_the_batch_take_their_room():
    wide = Exponential(4, 0, 0.0, -100, (10**6,) * 160)
    long = body(Point(b"p" * 16, b"i" * 16, (WHOLE,), True, T, T + 23 * HOUR, SECOND, wide, None, None))
    made = settle({}, long, of_batch=50)
    assert 0 < len(made.tally.cells) // CELL.size <= streams._ROWS // 50
    assert sum(n for *_, n in CELL.iter_unpack(made.tally.cells)) == 160 * 10**6
    assert len(settle({}, long).tally.cells) > 20 * len(made.tally.cells)


def hostile(number):
    """Some sixty bytes on the wire: a million events from a nanosecond to days."""
    at = T + number * 20 * SECOND
    wide = Exponential(-6, 0, 0.0, -1, (500_000, 500_000))
    return Point(b"p" * 16, b"i" * 16, (WHOLE,), True, at, at + SECOND, SECOND, wide, None, None)


def test_hostile_points_make_no_more_cells_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(streams, "_CELLS", 20_000)
    made = settle({}, body(*map(hostile, range(4_000))))
    cells = np.frombuffer(made.tally.cells, CELLS)
    assert len(cells) <= 20_000
    assert cells["n"].sum() == 4_000 * 10**6, "no event is lost"
    assert made.notes == {COARSE: 4_000}
    alone = settle({}, body(hostile(0)))
    assert alone.notes == {}
    assert len(alone.tally.cells) // CELL.size > 500, "one of them is told as finely as any"


def test_among_very_many_points_the_bounds_of_buckets_are_still_exact(monkeypatch):
    monkeypatch.setattr(streams, "_CELLS", 40)
    made = settle({}, body(point(T + 10 * SECOND, (100, 200, 300), delta=True, bounds=(0.1, 0.5))), of_batch=10)
    found = {each: n for *_, each, n in CELL.iter_unpack(made.tally.cells)}
    assert list(found.values()) == [100, 200, 300]
    assert list(found)[:2] == [bin_of(10**8), bin_of(5 * 10**8)]
    assert list(found)[2] > bin_of(5 * 10**8)


def test_where_there_is_no_room_for_its_buckets_a_point_has_fewer_bins_and_all_its_events(monkeypatch):
    monkeypatch.setattr(streams, "_CELLS", 7)
    bounds = tuple(number / 10 for number in range(1, 21))
    made = settle({}, body(point(T + 10 * SECOND, (5,) * 21, delta=True, bounds=bounds)), of_batch=2)
    counts = [n for *_, n in CELL.iter_unpack(made.tally.cells)]
    assert (len(counts), sum(counts)) == (3, 105)


def test_few_events_are_told_as_finely_among_many_points():
    few = body(point(T + 60 * SECOND, (0, 20), delta=True))
    assert settle({}, few, of_batch=10_000) == settle({}, few)
    assert len(settle({}, few).tally.cells) // CELL.size == 6


def test_whole_journeys_are_in_flow_and_steps_are_not(store):
    store.take(point(T + 10 * SECOND, (3, 4), delta=True, countings=(WHOLE, Counting(1, False, ""))))
    assert store.flow == {(T // SECOND, 0): 7}
    assert store.total(series=1) == 7


def test_numbers_of_points_go_along(store):
    tally = store.take(point(T + 10 * SECOND, (3, 4), delta=True))
    assert (tally.total, tally.counted) == (1, 1)


@settings(deadline=None)
@given(st.data())
def test_whatever_is_lost_or_sent_again_what_was_exported_last_is_counted(data):
    """Two senders under one name, each with restarts: what is counted is the last export of each process that arrived."""
    store = Store()
    expected = 0
    deliveries = []
    for sender in range(2):
        start = T + sender * SECOND
        for _ in range(data.draw(st.integers(1, 3))):
            counts = [0, 0]
            exports = []
            for export in range(1, data.draw(st.integers(1, 6)) + 1):
                counts = [n + data.draw(st.integers(0, 20)) for n in counts]
                exports.append(point(start + export * 60 * SECOND, counts, start_ns=start))
            arrived = [exports[0], *(each for each in exports[1:] if data.draw(st.booleans()))]
            expected += sum(arrived[-1].buckets.counts)
            deliveries += arrived
            start = exports[-1].time_ns + 10 * SECOND
    deliveries.sort(key=lambda each: each.time_ns)
    for delivery in deliveries:
        for _ in range(data.draw(st.integers(1, 2))):
            store.take(delivery)
    for delivery in data.draw(st.permutations(deliveries)):
        store.take(delivery)  # all of it again, in any order
    assert store.total() == expected


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 200), st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=20),
    st.booleans(),
)
def test_delta_and_cumulative_count_the_same(intervals, together):
    delta, cumulative = Store(), Store()
    time, counts = T, (0, 0)
    for seconds, short, long in intervals:
        begin, time = time, time + seconds * SECOND
        counts = counts[0] + short, counts[1] + long
        delta.take(point(time, (short, long), start_ns=begin, delta=True))
        if begin == T or not together:
            cumulative.take(point(time, counts, start_ns=T))
    cumulative.take(point(time, counts, start_ns=T))
    if intervals[0][0] <= 120:
        assert cumulative.total() == delta.total() == sum(counts)


counts = st.lists(st.integers(0, 10**12), min_size=2, max_size=2)
times = st.integers(T, T + 30 * 60 * SECOND) | st.integers(T - 24 * HOUR, T + 24 * HOUR)


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            lambda time, start, counts, delta, stream: point(
                time, counts, start_ns=min(start, time), delta=delta, stream=bytes([stream]) * 16
            ),
            times,
            times | st.sampled_from([0, T]) | st.integers(0, 2**63),
            counts,
            st.booleans(),
            st.integers(0, 2),
        ),
        max_size=12,
    )
)
def test_whatever_points_come_they_count_in_their_own_time_and_never_more_than_they_hold(sent):
    states = {}
    for each in sent:
        settled = settle(states, body(each))
        states |= settled.states
        cells = np.frombuffer(settled.tally.cells, CELLS)
        assert cells["n"].sum() <= sum(each.buckets.counts)
        assert (cells["n"] > 0).all()
        assert (cells["t"] <= each.time_ns // SECOND).all()
        assert (cells["t"] >= (each.time_ns - 24 * HOUR) // SECOND - 10).all()
