"""Slices against a plain reading of what they are."""

from datetime import datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from maibo_slo.documents import Calendar, Objective
from maibo_slo.engine.slices import SHARES, Slices, Slicing, bounds, judged, sliced, together

HOUR, DAY = 3_600, 86_400
BERLIN = ZoneInfo("Europe/Berlin")
DAYS = Calendar(1, "d", datetime(2026, 1, 1), "Europe/Berlin")  # noqa: DTZ001 -- a start is local: the zone stands beside it

MINUTES = st.dictionaries(
    st.integers(0, 200).map(lambda n: n * 60), st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=40
)


def arrays(minutes: dict[int, tuple[int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    t = sorted(minutes)
    return (
        np.array(t, np.int64),
        np.array([minutes[each][0] for each in t], np.int64),
        np.array([minutes[each][1] for each in t], np.int64),
    )


def listed(slices: Slices) -> list[tuple[int, int, int, int]]:
    columns = (slices.begins, slices.ends, slices.good, slices.bad)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def local(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=BERLIN).timestamp())


@given(minutes=MINUTES, length=st.sampled_from([60, 300, 420, 3_600]))
def test_a_slice_has_the_events_of_its_minutes(minutes, length):
    expected: dict[int, list[int]] = {}
    for t, (good, bad) in minutes.items():
        sums = expected.setdefault(t // length * length, [0, 0])
        sums[0], sums[1] = sums[0] + good, sums[1] + bad
    assert listed(sliced(Slicing(length), *arrays(minutes))) == [
        (begin, begin + length, *expected[begin]) for begin in sorted(expected)
    ]


@given(minutes=MINUTES, target=st.sampled_from([0.5, 0.9, 0.95, 0.999, 1.0]))
def test_a_slice_is_good_when_its_target_is_reached_exactly(minutes, target):
    objective = Objective("a", 0.99, slice_seconds=300, slice_target=target)
    events = sliced(Slicing(300), *arrays(minutes))
    for (_, _, good, bad), (*_, is_good, is_bad) in zip(
        listed(events), listed(judged("Timeslices", objective, events)), strict=True
    ):
        if good + bad == 0:
            assert (is_good, is_bad) == (0, 0)  # no data is neither
        else:
            reached = Fraction(good, good + bad) >= Fraction(str(target))
            assert (is_good, is_bad) == (int(reached), int(not reached))


def test_nineteen_of_twenty_are_95_percent_whatever_floats_make_of_it():
    objective = Objective("a", 0.99, slice_seconds=60, slice_target=0.95)
    events = sliced(Slicing(60), *arrays({0: (19, 1), 60: (18, 1), 120: (1_900_000_000, 100_000_001)}))
    assert judged("Timeslices", objective, events).good.tolist() == [1, 0, 0]


@given(minutes=MINUTES)
def test_a_slice_by_ratio_has_its_share_of_a_million(minutes):
    objective = Objective("a", 0.99, slice_seconds=300)
    events = sliced(Slicing(300), *arrays(minutes))
    for (_, _, good, bad), (*_, good_share, bad_share) in zip(
        listed(events), listed(judged("RatioTimeslices", objective, events)), strict=True
    ):
        if good + bad == 0:
            assert (good_share, bad_share) == (0, 0)
        else:
            assert good_share + bad_share == SHARES
            assert abs(bad_share - SHARES * Fraction(bad, good + bad)) <= Fraction(1, 2)


def test_a_day_of_25_hours_has_25_slices_and_one_of_23_has_23():
    for day, hours in ((local(2026, 10, 25), 25), (local(2026, 3, 29), 23), (local(2026, 7, 1), 24)):
        t = np.arange(day, day + hours * HOUR, 60)
        begins, ends = bounds(Slicing(HOUR, DAYS), t)
        assert sorted(set(begins.tolist())) == [day + n * HOUR for n in range(hours)]
        assert ends.max() == day + hours * HOUR


def test_the_last_slice_of_a_period_is_cut_short():
    day = local(2026, 10, 25)  # 25 h: three of 8, and one of one
    begins, ends = bounds(Slicing(8 * HOUR, DAYS), np.array([day, day + 24 * HOUR, day + 25 * HOUR]))
    assert begins.tolist() == [day, day + 24 * HOUR, day + 25 * HOUR]
    assert ends.tolist() == [day + 8 * HOUR, day + 25 * HOUR, day + 33 * HOUR]


def test_slices_of_a_month_begin_with_it_however_long_the_one_before_was():
    months = Calendar(1, "M", datetime(2026, 1, 31, 6), "Europe/Berlin")  # noqa: DTZ001 -- as above
    february = local(2026, 2, 28, 6)  # there is no 31st
    begins, ends = bounds(Slicing(10 * DAY, months), np.array([february - 60, february]))
    assert begins.tolist() == [local(2026, 1, 31, 6) + 20 * DAY, february]
    assert ends.tolist() == [february, february + 10 * DAY]


CHECKOUT = Objective("checkout", 0.99, slice_seconds=60, slice_target=0.9, weight=2.0)
SEARCH = Objective("search", 0.95, slice_seconds=60, slice_target=0.5)


def parts(checkout: dict[int, tuple[int, int]], search: dict[int, tuple[int, int]]):
    return [
        (objective, sliced(Slicing(60), *arrays(minutes)))
        for objective, minutes in ((CHECKOUT, checkout), (SEARCH, search))
    ]


def test_any_bad_part_makes_a_slice_bad_and_only_silence_of_all_is_no_data():
    found = together(
        "Timeslices",
        parts(
            {0: (9, 1), 60: (8, 2), 120: (0, 0), 240: (10, 0)},
            {0: (5, 5), 60: (9, 1), 120: (0, 0), 180: (4, 6)},
        ),
    )
    assert [(begin, good, bad) for begin, _, good, bad in listed(found)] == [
        (0, 1, 0),
        (60, 0, 1),  # checkout
        (120, 0, 0),
        (180, 0, 1),  # search; checkout has no data
        (240, 1, 0),  # search has no data
    ]


def test_what_parts_lack_adds_up_each_by_its_weight_and_no_more_than_a_whole_slice():
    found = together(
        "RatioTimeslices",
        parts({0: (95, 5), 60: (4, 6), 120: (0, 0)}, {0: (95, 5), 60: (9, 1), 120: (0, 0), 180: (3, 1)}),
    )
    assert [(begin, good, bad) for begin, _, good, bad in listed(found)] == [
        (0, 850_000, 150_000),  # 2 x 5 % + 5 %
        (60, 0, SHARES),  # 2 x 60 % + 10 % is more than there is
        (120, 0, 0),
        (180, 750_000, 250_000),
    ]
