"""Whole counts stay as near to the fractions as whole counts can."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_slo.documents import PromQuery
from maibo_slo.sources.promql import events
from maibo_slo.sources.whole import HOUR, whole

MINUTES = st.dictionaries(st.integers(0, 200).map(lambda minute: 60 * minute), st.floats(0, 1e6), max_size=100)


@given(MINUTES)
def test_an_hour_is_off_by_half_an_event_at_most(counts):
    told = whole(counts)
    assert told.keys() == counts.keys()
    assert all(each >= 0 for each in told.values())
    hours: defaultdict[int, list[float]] = defaultdict(list)
    for t, count in counts.items():
        hours[t // HOUR].append(told[t] - count)
    assert all(abs(sum(off)) <= 0.5 + 1e-6 for off in hours.values())


@given(MINUTES, st.integers(0, 200))
def test_what_comes_later_changes_nothing_before(counts, until):
    told = whole(counts)
    assert whole({t: count for t, count in counts.items() if t < 60 * until}) == {
        t: count for t, count in told.items() if t < 60 * until
    }


def test_whole_counts_stay_what_they_are():
    assert whole({60: 5.0, 120: 7.0000001, 180: 0.0}) == {60: 5, 120: 7, 180: 0}


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ('h_bucket{le="1"}', 'h_bucket{le=~"1(\\\\.0)?"}'),
        ('h_bucket{job="a", le = "10.0"}', 'h_bucket{job="a", le=~"10(\\\\.0)?"}'),
        ("h_bucket{le='2'}", 'h_bucket{le=~"2(\\\\.0)?"}'),
        ('h_bucket{le="0.5"}', 'h_bucket{le="0.5"}'),
        ('h_bucket{le=~"1|2"}', 'h_bucket{le=~"1|2"}'),
        ('h_bucket{le!="1"}', 'h_bucket{le!="1"}'),
        ('x{handle="1",file_le="1"}', 'x{handle="1",file_le="1"}'),
        ("x{text='le=\"1\"'}", "x{text='le=\"1\"'}"),
    ],
)
def test_a_bucket_of_a_whole_number_is_asked_for_in_both_spellings_and_nothing_else_is_touched(written, asked):
    assert asked in events(PromQuery(written), 60)
