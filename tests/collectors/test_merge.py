"""What is merged is what a plain loop over the tallies adds up to."""

import secrets
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_collectors.otlp.decoding.tally import (
    CELL,
    EXEMPLAR,
    FAILED,
    FLOW,
    OVER_THRESHOLD,
    SAMPLED,
    SKEWED,
    SLOWEST,
    Exemplar,
    Reason,
    Series,
    Tally,
    series_bytes,
)
from maibo_collectors.otlp.draining.merge import Merge, SeriesMemo, minutes

T = 1_800_000_000
MINUTE_NS = 60 * 10**9
SERIES = [
    Series("checkout", step, "", "shop", "", "", "", "", "", outcome)
    for step in ("", "pay", "cart")
    for outcome in ("success", "failure")
]
times = st.integers(0, 12).map(lambda n: T + 10 * n)
ends = st.tuples(times, st.integers(0, 10**10 - 1)).map(lambda parts: parts[0] * 10**9 + parts[1])
numbers = st.integers(1, 2**40)
whys = st.sampled_from([FAILED, OVER_THRESHOLD, SLOWEST])
durations = st.sampled_from([0, 999, 1_000, 5_000, 2**63 - 1])
trace_ids = st.builds(secrets.token_bytes, st.just(16)) | st.just(bytes(16))
span_ids = st.builds(secrets.token_bytes, st.just(8)) | st.just(bytes(8))


@st.composite
def tallies(draw) -> Tally:
    series = draw(st.lists(st.sampled_from(SERIES), min_size=1, max_size=4, unique=True))
    place = st.integers(0, len(series) - 1)

    def rows(packer, *columns):
        return b"".join(packer.pack(*row) for row in draw(st.lists(st.tuples(*columns), max_size=6)))

    reasons = st.tuples(times, place, st.sampled_from("ab"), numbers)
    return Tally(
        series=[series_bytes(each) for each in series],
        cells=rows(CELL, times, place, st.integers(0, 3) | st.just(1921), numbers),
        flow=rows(FLOW, times, place, numbers, numbers),
        sampled=rows(SAMPLED, times, place, numbers, numbers),
        skewed_rows=rows(SKEWED, times, place, numbers),
        reasons=[Reason(*each) for each in draw(st.lists(reasons, max_size=4))],
        exemplars=rows(EXEMPLAR, ends, place, st.sampled_from([0, 1, 1921]), whys, durations, trace_ids, span_ids),
    )


def merged(bodies, memo=None):
    merge = Merge(SeriesMemo() if memo is None else memo)
    for each in bodies:
        merge.add(each)
    return merge.counts()


def added_up(bodies, field, packer, keys):
    """Key with the series itself -> sums."""
    sums: dict[tuple, list[int]] = {}
    for tally in bodies:
        for row in packer.iter_unpack(getattr(tally, field)):
            key = (row[0], tally.series[row[1]], *row[2:keys])
            total = sums.setdefault(key, [0] * (len(row) - keys))
            for index, n in enumerate(row[keys:]):
                total[index] += n
    return {key: tuple(total) for key, total in sums.items()}


@given(st.lists(tallies(), max_size=5))
@settings(max_examples=60, deadline=None)
def test_rows_of_one_key_are_summed_and_no_others(bodies):
    counts = merged(bodies)
    names = [series_bytes(Series(*each)) for each in counts.series]
    assert len(set(names)) == len(names)
    for rows, field, packer, keys in (
        (counts.cells, "cells", CELL, 3),
        (counts.flow, "flow", FLOW, 2),
        (counts.sampled, "sampled", SAMPLED, 2),
        (counts.skewed, "skewed_rows", SKEWED, 2),
    ):
        found = {(row[0], names[row[1]], *row[2:keys]): tuple(row[keys:]) for row in rows.tolist()}
        assert len(found) == len(rows)
        assert found == added_up(bodies, field, packer, keys)
    expected: Counter[tuple[int, bytes, str]] = Counter()
    for tally in bodies:
        for t, series, reason, n in tally.reasons:
            expected[t // 60 * 60, tally.series[series], reason] += n
    assert {(each.t, names[each.series], each.reason): each.n for each in counts.reasons} == expected
    assert minutes(counts) == tuple(sorted({row[0] // 60 * 60 for row in counts.cells.tolist()}))


@given(st.lists(tallies(), max_size=5))
@settings(max_examples=60, deadline=None)
def test_there_is_one_exemplar_for_a_bin_the_first_that_failed_or_was_slow_else_the_slowest_of_all(bodies):
    counts = merged(bodies)
    names = [series_bytes(Series(*each)) for each in counts.series]
    noted: dict[tuple[int, bytes, int], Exemplar] = {}
    slowest: dict[tuple[int, bytes], Exemplar] = {}
    for tally in bodies:
        for each in map(Exemplar._make, EXEMPLAR.iter_unpack(tally.exemplars)):
            minute, name = each.end_ns // MINUTE_NS, tally.series[each.series]
            if each.why != SLOWEST:
                noted.setdefault((minute, name, each.bin), each)
            elif (minute, name) not in slowest or slowest[minute, name].duration_ns < each.duration_ns:
                slowest[minute, name] = each
    for (minute, name), each in slowest.items():
        noted.setdefault((minute, name, each.bin), each)
    rows = [Exemplar(*each) for each in counts.exemplars.tolist()]
    found = {(each.end_ns // MINUTE_NS, names[each.series], each.bin): each._replace(series=0) for each in rows}
    assert len(found) == len(rows)
    assert found == {key: each._replace(series=0) for key, each in noted.items()}


def test_nothing_merged_is_nothing():
    counts = merged([])
    assert [len(rows) for rows in (counts.series, counts.cells, counts.flow, counts.reasons, counts.exemplars)] == [
        0
    ] * 5
    assert minutes(counts) == ()


ONE = [series_bytes(SERIES[0])]


@pytest.mark.parametrize(
    "tally",
    [
        Tally(series=ONE, cells=CELL.pack(T, 1, 0, 1)),
        Tally(series=ONE, cells=CELL.pack(T, 0, 1922, 1)),
        Tally(series=ONE, cells=CELL.pack(T, 0, 0, 1)[:-1]),
        Tally(series=ONE, flow=FLOW.pack(T, 1, 0, 1)),
        Tally(series=ONE, sampled=SAMPLED.pack(T, 7, 0, 1)),
        Tally(series=ONE, skewed_rows=SKEWED.pack(T, 2**32 - 1, 1)),
        Tally(series=ONE, reasons=[Reason(T, 1, "why", 1)]),
        Tally(series=ONE, exemplars=EXEMPLAR.pack(T * 10**9, 1, 0, 0, 1, bytes(16), bytes(8))),
        Tally(series=ONE, exemplars=EXEMPLAR.pack(T * 10**9, 0, 1922, 0, 1, bytes(16), bytes(8))),
        Tally(series=ONE, exemplars=EXEMPLAR.pack(T * 10**9, 0, 0, 0, 1, bytes(16), bytes(8))[1:]),
        Tally(series=[b"no series"]),
    ],
)
def test_a_tally_that_is_not_sound_is_refused_as_a_whole(tally):
    merge = Merge(SeriesMemo())
    merge.add(Tally(series=ONE, cells=CELL.pack(T, 0, 0, 5)))
    with pytest.raises(ValueError):
        merge.add(tally)
    counts = merge.counts()
    assert counts.cells.tolist() == [(T, 0, 0, 5)]
    assert not len(counts.exemplars)
    assert not counts.reasons


def test_sums_reach_as_far_as_the_store_does():
    counts = merged([Tally(series=ONE, cells=CELL.pack(T, 0, 0, 2**63 - 1))] * 2)
    assert counts.cells["n"].tolist() == [2**64 - 2]
    assert counts.cells["n"].dtype == np.uint64


def test_series_are_remembered_but_not_without_end(monkeypatch):
    monkeypatch.setattr("maibo_collectors.otlp.draining.merge._REMEMBERED", 10)
    memo = SeriesMemo()
    for number in range(100):
        series = Series(f"j{number}", *[""] * 9)
        counts = merged([Tally(series=[series_bytes(series)], cells=CELL.pack(T, 0, 0, 1))], memo)
        assert [tuple(each) for each in counts.series] == [tuple(series)]
        assert len(memo) <= 10
