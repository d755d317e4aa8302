"""The minutes at which it fires, against counting by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_alerting.simulating.replay import SHOWN_WINDOWS, Timeline, replay
from maibo_alerting.simulating.scenario import Phase, Scenario

DAY = 86_400
BUDGET = Fraction(1, 1000)
TABLE = (("page", 60, 5, 2), ("page", 360, 30, 5), ("ticket", 1440, 120, 10), ("ticket", 4320, 360, 10))
"""The SRE Workbook's: severity, long and short window in minutes, percent of the budget."""


def timeline(rows: list[tuple[int, int, int]], *, days: int = 30, is_new: bool = False) -> Timeline:
    """Of (minutes, events, bad) each minute."""
    phases = tuple(Phase(minutes=m, per_minute=n, failures=bad / n if n else 0.0) for m, n, bad in rows)
    return replay(Scenario("x", "", phases, is_new), target=0.999, window_seconds=days * DAY)


def firing(told: Timeline, what: str) -> list[int]:
    return [moment.minute for moment in told.moments if what in moment.firing]


def by_hand(rows: list[tuple[int, int, int]], *, days: int) -> dict[str, list[int]]:
    """Every minute's sums over every window, added up anew; exact."""
    past = 3 * 1440
    events = [rows[0][1]] * past + [n for m, n, _ in rows for _ in range(m)]
    bads = [0] * past + [bad for m, _, bad in rows for _ in range(m)]
    found: dict[str, list[int]] = {"page": [], "ticket": []}
    for end in range(past + 1, len(events) + 1):
        for severity, long, short, percent in TABLE:
            factor = max(Fraction(1), Fraction(percent * days * 1440, 100 * long))
            burns = [Fraction(sum(bads[end - w : end]), sum(events[end - w : end])) / BUDGET for w in (long, short)]
            if min(burns) > factor and end - past not in found[severity]:
                found[severity].append(end - past)
    return found


def test_a_total_outage_pages_in_its_first_minute_and_clears_thirty_minutes_after_its_end() -> None:
    pages = firing(timeline([(10, 1000, 1000), (120, 1000, 0)]), "page")
    assert pages == list(range(1, 40))


def test_15_percent_for_10_minutes_page_at_6() -> None:
    pages = firing(timeline([(10, 1000, 150), (120, 1000, 0)]), "page")
    assert pages[0] == 6
    assert pages[-1] < 10 + 30


def test_2_percent_for_3_hours_page_at_44() -> None:
    pages = firing(timeline([(180, 1000, 20), (120, 1000, 0)]), "page")
    assert pages[0] == 44
    assert pages[-1] < 180 + 30


def test_half_a_percent_for_2_days_is_a_ticket_and_no_page() -> None:
    told = timeline([(2 * 1440, 1000, 5)])
    assert firing(told, "page") == []
    # 10 % of the budget of 3 days and of a day's share: 864 minutes reach the factors, 865 are above
    assert firing(told, "ticket")[0] == 865


def test_a_third_of_a_percent_for_15_minutes_is_silent() -> None:
    told = timeline([(15, 1000, 3), (120, 1000, 0)])
    assert firing(told, "page") == firing(told, "ticket") == []


def test_a_burn_that_the_budget_lasts_for_is_silent_for_ever() -> None:
    told = timeline([(4 * 1440, 1000, 1)])
    assert firing(told, "page") == firing(told, "ticket") == []


@settings(max_examples=15, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(1, 40), st.sampled_from([500, 1000, 4000]), st.sampled_from([0, 0, 1, 3, 10, 60, 500])),
        min_size=1,
        max_size=6,
    ),
    days=st.sampled_from([7, 28, 30]),
)
def test_any_pattern_of_faults_fires_in_the_minutes_that_were_counted_by_hand(
    rows: list[tuple[int, int, int]], days: int
) -> None:
    told, expected = timeline(rows, days=days), by_hand(rows, days=days)
    assert {name: firing(told, name) for name in ("page", "ticket")} == expected


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(1, 90), st.sampled_from([0, 0, 1, 2, 30, 1000]), st.sampled_from([0, 0.01, 0.3, 1])),
        min_size=1,
        max_size=8,
    ),
    is_new=st.booleans(),
)
def test_whatever_comes_guards_only_take_pages_away_and_silence_heals_nothing(
    rows: list[tuple[int, int, float]], is_new: bool
) -> None:
    told = timeline([(m, n, round(n * share)) for m, n, share in rows], is_new=is_new)
    events = [moment.events for moment in told.moments]
    bads = [moment.bad for moment in told.moments]
    for index, moment in enumerate(told.moments):
        for change in moment.changes:
            if (change.key.severity, change.key.name) != ("page", "MaiboBudgetBurn"):
                continue
            if change.after == "firing":
                burns = dict(zip(SHOWN_WINDOWS.values(), moment.burns, strict=True))
                assert change.held_by
                assert all((burns[long] or 0) > {3600: 14.4, 21_600: 6}[long] for long in change.held_by)
                assert sum(bads[max(0, index - 359) : index + 1]) >= 3
            if change.after == "resolved" and change.reason == "over":
                assert sum(events[max(0, index - 29) : index + 1]) > 0


@pytest.mark.parametrize("bad", [20, 100])
def test_a_cold_start_does_not_page_by_itself(bad: int) -> None:
    """Of a new service's first 5 minutes, 2 % or 10 % fail: a few times the factor of what was seen, little of an hour's budget."""
    told = timeline([(5, 1000, bad), (120, 1000, 0)], is_new=True)
    assert firing(told, "page") == []


def test_a_new_service_that_fails_altogether_pages_after_a_tenth_of_the_hour() -> None:
    assert firing(timeline([(30, 1000, 1000)], is_new=True), "page")[0] == 6


def test_a_steady_burn_of_a_new_service_is_never_more_than_it_is() -> None:
    """E6: 0.2 % from birth is a burn of 2: no page ever, a ticket when a tenth of the budget is gone."""
    told = timeline([(3 * 1440, 1000, 2)], is_new=True)
    assert firing(told, "page") == []
    assert firing(told, "ticket")[0] == 2161  # 2 x 36 h = 1 x 72 h


def test_the_hour_after_a_gap_counts_as_a_whole_hour() -> None:
    """After 4 hours without telemetry, 5 % of the first minute fail: 50 of an hour's 60,000."""
    told = timeline([(10, 1000, 0), (240, 0, 0), (1, 1000, 50), (30, 1000, 0)])
    assert firing(told, "page") == []


def test_one_failure_of_a_quiet_service_pages_nobody_and_three_of_ten_do() -> None:
    quiet = [(1, 1, 0), (5, 0, 0)] * 10  # ten an hour
    one = timeline([(60, 1, 0), *quiet, (1, 1, 1), (5, 0, 0), *quiet])
    assert firing(one, "page") == []
    three = timeline([*quiet * 3, *([(1, 1, 1), (5, 0, 0)] * 3), *quiet])
    assert firing(three, "page")[0] == 180 + 13


def test_a_few_failures_more_than_usual_need_to_be_sure() -> None:
    """180 events an hour, a burn of 16.7 by 3 failures: that may be chance. By 9 it is not."""
    told = timeline([(400, 3, 0), *([(1, 3, 1), (9, 3, 0)] * 3), (60, 3, 0)])
    at = list(SHOWN_WINDOWS).index("1h")
    assert max(moment.burns[at] or 0 for moment in told.moments) > 14.4
    assert firing(told, "page") == []
    assert firing(timeline([(400, 3, 0), *([(1, 3, 1), (2, 3, 0)] * 9), (60, 3, 0)]), "page") != []


def test_a_burst_that_comes_again_soon_is_the_same_page() -> None:
    told = timeline([(10, 1000, 150), (10, 1000, 0), (10, 1000, 150), (60, 1000, 0)])
    changes = [
        (moment.minute, change.before, change.after)
        for moment in told.moments
        for change in moment.changes
        if change.key.severity == "page"
    ]
    # The first burst is 15 times the budget's rate at minute 6, and gone from the 5 minutes before minute 15; the second is seen at once.
    assert changes[:4] == [
        (1, "inactive", "pending"),
        (6, "pending", "firing"),
        (15, "firing", "resolved"),
        (21, "resolved", "firing"),
    ]
