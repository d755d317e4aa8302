"""Credible intervals of many at once are those of one after the other."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_slo.engine.certainty import FEW, MANY, credible_interval
from maibo_slo.engine.intervals import credible_intervals

EVENTS = st.one_of(st.integers(1, 200), st.sampled_from([MANY - 1, MANY, MANY + 1, 10**6, 10**12]))
SEEN = st.one_of(
    st.tuples(st.integers(0, 2 * FEW), EVENTS).map(lambda seen: (min(seen), seen[1])),
    EVENTS.map(lambda events: (events - 1, events)),
    st.tuples(st.floats(0, 1), st.floats(1, 50)),  # of slices, which may be bad in part
)


@settings(max_examples=60, deadline=None)
@given(seen=st.lists(SEEN, max_size=8))
def test_many_are_as_one(seen: list[tuple[float, float]]) -> None:
    found = credible_intervals(seen)
    assert found.keys() == set(seen)
    for one, interval in found.items():
        alone = credible_interval(*one)
        assert alone is not None
        assert (interval.lower, interval.upper) == pytest.approx((alone.lower, alone.upper), rel=1e-7, abs=1e-15)


def test_without_events_there_is_none() -> None:
    assert credible_intervals([]) == credible_intervals([(0, 0)]) == {}
