"""Corrections: when they hold, for whom, and what they make of counts."""

# ruff: noqa: DTZ001 -- the start of a correction has its zone beside it
from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_slo.documents import COMPOSITE, CellSelector, Correction, Objective, Sli, Slo
from maibo_slo.documents.recurrence import RecurrenceError
from maibo_slo.engine.budget import budget
from maibo_slo.engine.corrections import (
    EFFECTS,
    Window,
    concerns,
    corrected,
    differing,
    effect_at,
    ranks_at,
    windows,
    windows_of,
)
from maibo_slo.engine.counts import GoodBad

HOUR = 3_600
DAY = 86_400
BERLIN = "Europe/Berlin"
ONCE = Correction("once", "maintenance", "exclude", datetime(2026, 11, 23, 2), 2 * HOUR, "UTC", slos=("checkout",))


def unix(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def begins(correction: Correction, begin: str, end: str) -> list[str]:
    """Of its windows, as the zone's clocks show them."""
    found = windows_of(correction, begin=unix(begin), end=unix(end))
    zone = ZoneInfo(correction.zone)
    return [f"{datetime.fromtimestamp(each.begin, zone):%Y-%m-%d %H:%M}" for each in found]


def sundays(at: datetime, zone: str = BERLIN, rule: str = "FREQ=WEEKLY;BYDAY=SU") -> Correction:
    return replace(ONCE, start=at, zone=zone, rrule=rule, duration_seconds=HOUR)


def test_a_window_is_widened_to_whole_minutes() -> None:
    odd = replace(ONCE, start=datetime(2026, 11, 23, 2, 0, 59), duration_seconds=62)
    (found,) = windows_of(odd, begin=unix("2026-11-23"), end=unix("2026-11-24"))
    assert (found.begin, found.end) == (unix("2026-11-23T02:00"), unix("2026-11-23T02:03"))


def test_a_window_that_begins_before_or_ends_after_is_whole() -> None:
    whole = Window(unix("2026-11-23T02:00"), unix("2026-11-23T04:00"), ONCE)
    assert windows_of(ONCE, begin=whole.end - 60, end=whole.end + DAY) == (whole,)
    assert windows_of(ONCE, begin=whole.begin - DAY, end=whole.begin + 60) == (whole,)
    assert windows_of(ONCE, begin=whole.end, end=whole.end + DAY) == ()
    assert windows_of(ONCE, begin=whole.begin - DAY, end=whole.begin) == ()


def test_every_sunday_at_half_past_two_is_so_in_summer_and_in_winter_and_moves_where_clocks_skip_it() -> None:
    at = sundays(datetime(2026, 1, 4, 2, 30))
    assert begins(at, "2026-03-20", "2026-04-10") == ["2026-03-22 02:30", "2026-03-29 03:30", "2026-04-05 02:30"]
    (autumn,) = windows_of(at, begin=unix("2026-10-25"), end=unix("2026-10-26"))
    assert autumn[:2] == (unix("2026-10-25T00:30"), unix("2026-10-25T01:30"))  # the first 02:30 of two, one hour long


def test_a_zone_of_half_hours_and_one_whose_summer_is_half_an_hour() -> None:
    india = sundays(datetime(2026, 1, 4, 2, 30), "Asia/Kolkata")
    assert windows_of(india, begin=unix("2026-01-03"), end=unix("2026-01-05"))[0].begin == unix("2026-01-03T21:00")
    island = sundays(datetime(2026, 1, 4, 2, 15), "Australia/Lord_Howe")
    assert begins(island, "2026-10-01", "2026-10-12") == ["2026-10-04 02:45", "2026-10-11 02:15"]


def test_days_that_some_months_and_years_do_not_have_are_left_out() -> None:
    last = sundays(datetime(2026, 1, 31, 1), "UTC", "FREQ=MONTHLY")
    assert begins(last, "2026-01-01", "2026-06-01") == ["2026-01-31 01:00", "2026-03-31 01:00", "2026-05-31 01:00"]
    leap = sundays(datetime(2024, 2, 29, 1), "UTC", "FREQ=YEARLY")
    assert begins(leap, "2025-01-01", "2026-01-01") == []
    assert begins(leap, "2027-12-01", "2028-12-01") == ["2028-02-29 01:00"]


def test_a_rule_ends_with_its_count_and_its_until() -> None:
    start = datetime(2026, 1, 4, 2)
    thrice = sundays(start, rule="FREQ=WEEKLY;COUNT=3")
    assert begins(thrice, "2026-01-01", "2026-12-01") == ["2026-01-04 02:00", "2026-01-11 02:00", "2026-01-18 02:00"]
    until = sundays(start, rule="FREQ=WEEKLY;UNTIL=20260118T020000")
    assert begins(until, "2026-01-01", "2026-12-01") == begins(thrice, "2026-01-01", "2026-12-01")


@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2026, 6, 1)),
    st.sampled_from([BERLIN, "Asia/Kolkata", "Australia/Lord_Howe", "America/New_York", "Pacific/Apia"]),
    st.integers(1, 3),
    st.integers(60, 3 * DAY),
    st.integers(unix("2026-02-01"), unix("2026-12-01")),
    st.integers(60, 40 * DAY),
)
def test_windows_are_those_of_counting_days(
    start: datetime, zone: str, every: int, long: int, begin: int, length: int
) -> None:
    start = start.replace(microsecond=0)
    rule = replace(ONCE, start=start, zone=zone, duration_seconds=long, rrule=f"FREQ=DAILY;INTERVAL={every}")
    expected = []
    for number in range(0, 800, every):
        at = int((start + timedelta(days=number)).replace(tzinfo=ZoneInfo(zone)).timestamp())
        window = (at // 60 * 60, -(-(at + long) // 60) * 60)
        if window[0] < begin + length and window[1] > begin:
            expected.append(window)
    assert [found[:2] for found in windows_of(rule, begin=begin, end=begin + length)] == expected


def test_of_too_many_windows_the_newest_count(make_slo) -> None:
    hourly = replace(ONCE, rrule=f"FREQ=DAILY;BYHOUR={','.join(map(str, range(24)))}", duration_seconds=60)
    both = [hourly, replace(hourly, name="half", start=hourly.start.replace(minute=30))]
    found = windows(both, make_slo("checkout"), unix("2026-11-23"), unix("2027-11-23"))
    assert len(found) == 10_000
    assert found[-1].begin == unix("2027-11-22T23:30")


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=MONTHLY;BYDAY=SU;BYSETPOS=9",
        "FREQ=DAILY;INTERVAL=7;BYDAY=TU",
        "FREQ=DAILY;BYHOUR=1,2,3,4;BYMINUTE=1,2,3,4,5,6,7,8,9",
        "FREQ=DAILY;BYHOUR=1,2;BYSECOND=" + ",".join(map(str, range(60))),
    ],
)
def test_a_rule_that_never_comes_or_comes_too_often_is_found_out_soon(rule: str) -> None:
    begun = time.process_time()
    with pytest.raises(RecurrenceError, match=r"never comes|comes more than 10,000 times in 400 days"):
        windows_of(replace(ONCE, rrule=rule), begin=unix("2026-11-23"), end=unix("2026-11-24"))
    assert time.process_time() - begun < 3


# --- for whom


@pytest.fixture
def slo(make_slo) -> Slo:
    return make_slo("checkout", journey="buying")


@pytest.mark.parametrize(
    ("named", "concerned"),
    [
        ({"slos": ("checkout",)}, True),
        ({"slos": ("other",)}, False),
        ({"services": ("shop",)}, True),
        ({"services": ("stock",), "journeys": ("buying",)}, True),
        ({"journeys": ("browsing",)}, False),
        ({}, True),
    ],
)
def test_an_slo_is_concerned_by_its_name_its_service_its_journey_or_when_nothing_is_named(
    slo: Slo, named: dict[str, tuple[str, ...]], concerned: bool
) -> None:
    assert concerns(replace(ONCE, **{"slos": (), **named}), slo) is concerned


def test_a_composite_is_concerned_by_the_journey_of_any_of_its_parts(slo: Slo) -> None:
    parts = tuple(
        Objective(journey, 0.99, indicator=Sli(journey, CellSelector(journey), good=CellSelector(journey)))
        for journey in ("buying", "paying")
    )
    composite = replace(slo, objectives=(*parts, Objective(COMPOSITE, 0.99)))
    assert concerns(replace(ONCE, slos=(), journeys=("paying",)), composite)
    assert not concerns(replace(ONCE, slos=(), journeys=("paying",)), slo)


def test_windows_of_an_slo_are_those_of_what_concerns_it_in_order(slo: Slo) -> None:
    early = replace(ONCE, name="early", start=ONCE.start - timedelta(hours=1))
    other = replace(early, name="other", slos=("elsewhere",))
    found = windows([ONCE, other, early], slo, unix("2026-11-23"), unix("2026-11-24"))
    assert [each.correction.name for each in found] == ["early", "once"]


# --- what they do

MINUTES = range(0, 60 * 60, 60)
effects = st.sampled_from([effect for effect in EFFECTS if effect is not None])
spans = st.tuples(st.integers(-5, 65), st.integers(1, 30), effects)


def made(drawn: list[tuple[int, int, str]]) -> tuple[Window, ...]:
    return tuple(
        Window(begin * 60, (begin + long) * 60, replace(ONCE, effect=effect))  # type: ignore[arg-type]
        for begin, long, effect in drawn
    )


def brute_force(drawn: list[tuple[int, int, str]], minute: int) -> str | None:
    there = {effect for begin, long, effect in drawn if begin <= minute // 60 < begin + long}
    return next((effect for effect in ("exclude", "count_as_good", "annotate") if effect in there), None)


@given(st.lists(spans, max_size=6))
def test_where_windows_overlap_excluding_wins_over_counting_as_good_over_annotating(drawn) -> None:
    expected = [brute_force(drawn, minute) for minute in MINUTES]
    assert [effect_at(made(drawn), minute + 59) for minute in MINUTES] == expected
    assert [EFFECTS[rank] for rank in ranks_at(made(drawn), MINUTES)] == expected


@given(
    st.lists(spans, max_size=6),
    st.dictionaries(st.sampled_from(MINUTES), st.tuples(st.integers(0, 9), st.integers(0, 9))),
)
def test_excluded_minutes_have_no_data_and_nothing_else_loses_an_event(drawn, said) -> None:
    counts = {t: GoodBad(*each) for t, each in said.items()}
    found = corrected(made(drawn), counts)
    assert found.keys() == counts.keys()
    for t, (good, bad) in counts.items():
        match brute_force(drawn, t):
            case "exclude":
                assert found[t] == (0, 0)
            case "count_as_good":
                assert found[t] == (good + bad, 0)
            case _:
                assert found[t] == (good, bad)


@given(st.lists(spans, max_size=5), st.lists(spans, max_size=5))
def test_what_differs_between_two_sets_of_windows_is_what_must_be_counted_again(before, after) -> None:
    def counting(drawn, minute: int) -> str | None:
        effect = brute_force(drawn, minute)
        return None if effect == "annotate" else effect

    found = differing(made(before), made(after))
    wide = range(-10 * 60, 100 * 60, 60)
    differ = {minute for minute in wide if counting(before, minute) != counting(after, minute)}
    assert {minute for minute in wide for begin, end in found if begin <= minute < end} == differ
    assert all(end < begin for (_, end), (begin, _) in pairwise(found))


def test_without_corrections_counts_are_what_they_were() -> None:
    counts = {0: GoodBad(1, 2)}
    assert corrected((), counts) is counts
    assert differing((), ()) == ()
    assert ranks_at((), np.arange(3)).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("effect", "events", "bad", "attained", "spent"),
    [
        ("annotate", 10_080, 760, 0.92460, 7.540),
        ("exclude", 8_640, 60, 0.99306, 0.694),
        ("count_as_good", 10_080, 60, 0.99405, 0.595),
    ],
)
def test_the_table_of_the_documentation_is_true(effect, events: int, bad: int, attained: float, spent: float) -> None:
    week, day = range(0, 7 * DAY, 60), range(2 * DAY, 3 * DAY, 60)
    others = [minute for minute in week if minute not in day]
    failed = {*others[:60], *day[:700]}
    counts = {minute: GoodBad(int(minute not in failed), int(minute in failed)) for minute in week}
    found = corrected([Window(day.start, day.stop, replace(ONCE, effect=effect))], counts)
    good, wrong = (sum(each) for each in zip(*found.values(), strict=True))
    assert (good + wrong, wrong) == (events, bad)
    told = budget(good, wrong, target=0.99, elapsed=1)
    assert told.attainment == pytest.approx(attained, abs=5e-6)
    assert told.remaining == pytest.approx(1 - spent, abs=5e-4)
