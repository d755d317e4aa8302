"""The cap: ever new values lose their dimensions, and never their count."""

import tracemalloc
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo.semconv import OVERFLOW
from maibo_collectors.otlp.decoding import admission
from maibo_collectors.otlp.decoding.admission import Admission
from maibo_collectors.otlp.decoding.rules import Rules
from maibo_collectors.otlp.decoding.tally import Series

DAY_NS = 86_400 * 10**9


def series(journey="checkout", step="", tier="", outcome="success"):
    return Series(journey, step, "prod", "shop", "1", "", "", tier, "", outcome)


def lost(journey="checkout", step="", outcome="success"):
    return Series(journey, step, *[OVERFLOW] * 7, outcome)


def test_what_is_in_stays_in_and_what_is_over_loses_its_dimensions():
    cap = Admission(Rules(series_limit=2))
    assert cap.series(series(tier="a")) == (series(tier="a"), False)
    assert cap.series(series(step="pay")) == (series(step="pay"), False)
    assert cap.series(series(tier="b")) == (lost(), True)
    assert cap.series(series(tier="b", outcome="failure")) == (lost(outcome="failure"), True)
    assert cap.series(series(step="pay", tier="b")) == (lost(step="pay"), True)
    assert cap.series(series(step="other")) == (lost(step=OVERFLOW), True)
    assert cap.series(series(tier="a")) == (series(tier="a"), False)
    assert cap.series(series("search", tier="z")) == (series("search", tier="z"), False)


def test_over_the_limit_of_journeys_the_name_is_lost_too():
    cap = Admission(Rules(journey_limit=1))
    cap.series(series("checkout"))
    assert cap.series(series("search")) == (lost(OVERFLOW), True)
    assert cap.series(series("search", step="x", outcome="failure")) == (lost(OVERFLOW, OVERFLOW, "failure"), True)


@pytest.mark.parametrize("first", ["success", "failure", "abandoned", ""])
def test_all_outcomes_of_the_same_dimensions_have_one_place(first):
    """Or the first failure of an environment would be counted outside of it, and who asks for it would see only successes."""
    cap = Admission(Rules(series_limit=1))
    cap.series(series(outcome=first))
    for outcome in ("success", "failure", "abandoned", ""):
        assert cap.series(series(outcome=outcome)) == (series(outcome=outcome), False)
        assert cap.series(series(tier="other", outcome=outcome)) == (lost(outcome=outcome), True)


def test_a_declared_journey_keeps_its_name_whatever_came_first(monkeypatch):
    monkeypatch.setattr(admission, "SERIES_IN_ALL", 2)
    cap = Admission(Rules(journeys=("checkout",), journey_limit=2, series_limit=2))
    for junk in ("a", "b"):
        assert not cap.series(series(junk))[1]
    assert cap.series(series("c")) == (lost(OVERFLOW), True)
    assert [cap.series(series(tier=tier))[1] for tier in "xyz"] == [False, False, True], "within its own limit"
    assert cap.series(series(tier="z")) == (lost(), True)


def test_declared_journeys_take_no_place_from_others():
    cap = Admission(Rules(journeys=("checkout",), journey_limit=1))
    cap.series(series())
    assert not cap.series(series("a"))[1]
    assert cap.series(series("b")) == (lost(OVERFLOW), True)
    cap.replace_limits(Rules(journeys=("checkout", "a"), journey_limit=1))
    assert not cap.series(series("b"))[1], "a is declared now"
    cap.generation(DAY_NS)
    assert not cap.series(series("c"))[1]
    assert cap.series(series("b"))[1]


def test_reasons_over_the_limit_are_one():
    cap = Admission(Rules(reason_limit=1, journey_limit=1))
    cap.series(series("a"))
    assert [cap.reason("a", reason) for reason in "xyx"] == ["x", OVERFLOW, "x"]
    assert [cap.reason(OVERFLOW, reason) for reason in "xyx"] == ["x", OVERFLOW, "x"]


def test_a_journey_has_so_many_streams_for_each_series_that_it_may_have():
    cap = Admission(Rules(series_limit=2, journey_limit=1))
    cap.series(series("a"))
    for journey in ("a", OVERFLOW):
        streams = [f"{journey}{number}".encode() for number in range(41)]
        assert [cap.stream(journey, each) for each in streams] == [True] * 40 + [False]
        assert [cap.stream(journey, each) for each in streams] == [True] * 40 + [False], "what is in stays in"
    cap.replace_limits(Rules(series_limit=3))
    assert cap.stream("a", b"a40")


def test_streams_of_many_journeys_are_bounded_together(monkeypatch):
    monkeypatch.setattr(admission, "STREAMS_IN_ALL", 3)
    cap = Admission(Rules())
    for journey in "ab":
        cap.series(series(journey))
    assert [cap.stream(journey, stream) for journey in "ab" for stream in (b"1", b"2")] == [True, True, True, False]
    cap.generation(DAY_NS)
    assert cap.stream("b", b"2")


def test_declared_journeys_have_streams_whatever_others_send(monkeypatch):
    monkeypatch.setattr(admission, "STREAMS_IN_ALL", 2)
    cap = Admission(Rules(journeys=("checkout",), series_limit=1))
    for journey in ("a", "checkout"):
        cap.series(series(journey))
    assert [cap.stream("a", stream) for stream in (b"1", b"2", b"3")] == [True, True, False]
    streams = [f"{number}".encode() for number in range(21)]
    assert [cap.stream("checkout", each) for each in streams] == [True] * 20 + [False], "within its own limit"
    cap.replace_limits(Rules(journeys=("a",), series_limit=1))
    assert cap.stream("a", b"3"), "a is declared now"
    assert not cap.stream(OVERFLOW, b"4"), "checkout is no longer: its streams fill the room"


def test_outcomes_that_are_none_are_told_by_name_up_to_a_limit():
    cap = Admission(Rules())
    cap.generation(0)
    names = [f"{number}" for number in range(admission.OUTCOMES_NAMED + 1)]
    assert [cap.names_outcome(each) for each in names * 2] == ([True] * admission.OUTCOMES_NAMED + [False]) * 2
    cap.generation(DAY_NS)
    assert cap.names_outcome(names[-1])


def test_a_new_day_begins_anew():
    cap = Admission(Rules(series_limit=1, reason_limit=1))
    first = cap.generation(DAY_NS)
    cap.series(series(tier="a"))
    cap.reason("checkout", "x")
    assert cap.generation(2 * DAY_NS - 1) == first
    assert cap.series(series(tier="b"))[1]
    assert cap.generation(2 * DAY_NS) != first
    assert cap.series(series(tier="b")) == (series(tier="b"), False)
    assert cap.reason("checkout", "y") == "y"


@given(
    st.lists(
        st.builds(
            series,
            st.sampled_from("abc"),
            st.sampled_from(["", "x", "y"]),
            st.sampled_from("1234"),
            st.sampled_from(["success", "failure"]),
        )
    ),
    st.integers(0, 5),
    st.integers(1, 3),
)
def test_whatever_the_limits_the_count_of_a_journey_as_a_whole_and_of_all_is_exact(wanted, limit, journeys):
    cap = Admission(Rules(series_limit=limit, journey_limit=journeys))
    given_ = [cap.series(each)[0] for each in wanted]
    assert [each.outcome for each in given_] == [each.outcome for each in wanted]
    assert [bool(each.step) for each in given_] == [bool(each.step) for each in wanted]
    named = {each.journey for each in given_}
    whole, found = ([(each.journey, each.outcome) for each in some if not each.step] for some in (wanted, given_))
    assert Counter(each for each in whole if each[0] in named) == Counter(each for each in found if each[0] != OVERFLOW)
    kept = Counter(
        each.journey for each in {one._replace(outcome="") for one in given_} if each.environment != OVERFLOW
    )
    assert len(kept) <= journeys
    assert max(kept.values(), default=0) <= limit


def test_hostile_senders_of_journeys_with_many_series_each_are_bounded_together(monkeypatch):
    monkeypatch.setattr(admission, "SERIES_IN_ALL", 3)
    cap = Admission(Rules(series_limit=2))
    found = [cap.series(series(journey, tier=tier))[1] for journey in "ab" for tier in "12"]
    assert found == [False, False, False, True]


@pytest.mark.parametrize("kind", ["series", "journeys", "reasons", "streams"])
def test_ever_new_values_take_little_memory(kind):
    cap = Admission(Rules())
    tracemalloc.start()
    try:
        for number in range(100_000):
            long = f"{number}" + "x" * 190
            if kind == "series":
                cap.series(series(str(number % 300), step=long))
            elif kind == "journeys":
                cap.series(series(long))
            elif kind == "streams":
                cap.series(series(str(number % 300)))
                cap.stream(str(number % 300), long.encode())
            else:
                cap.series(series(str(number % 300)))
                cap.reason(str(number % 300), long)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 24 * 2**20
