"""What is usual, by the ledger in a real store."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_alerting.evaluating.evaluator import Evaluator
from maibo_alerting.evaluating.habits import DAY, HOUR, MINUTE, Habits, Hour, Silence, is_usual, outlived
from maibo_alerting.evaluating.reading import readings
from maibo_slo.store import ledger
from maibo_slo.store.ledger import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from maibo_slo.engine.snapshot import Snapshot
    from maibo_slo.store import Store

MONDAY = (int(time.time()) // (7 * DAY) - 3) * 7 * DAY + 4 * DAY
"""00:00 UTC, two weeks and some days ago: the ledger is not kept for ever. The epoch was a Thursday."""
TODAY = MONDAY + 14 * DAY


def hours(minutes: Iterable[int]) -> dict[int, Hour]:
    """As the ledger has them, of minutes with events."""
    found: dict[int, list[int]] = {}
    for minute in minutes:
        found.setdefault(minute // HOUR * HOUR, []).append(minute % HOUR // MINUTE)
    return {hour: Hour(len(offsets), max(offsets) + 1) for hour, offsets in found.items()}


def opened(opens: int, closes: int, days: Iterable[int]) -> list[int]:
    """Minutes with events: from `opens` to `closes` o'clock of these days."""
    return [MONDAY + day * DAY + minute * MINUTE for day in days for minute in range(opens * 60, closes * 60)]


def silence(begin: int, first_t: int = MONDAY) -> Silence:
    return Silence("checkout", "99.9", "", begin, first_t)


SHOP = hours(opened(8, 22, range(14)))
CLOSED_AT = TODAY - 2 * HOUR
"""22 o'clock on the 14th day."""


@pytest.mark.parametrize(
    ("after_hours", "usual"),
    [(0.6, True), (3.0, True), (9.9, True), (10.0, True), (10.1, False), (12.0, False)],
)
def test_a_shop_that_is_closed_at_night_is_missed_soon_after_it_should_have_opened(
    after_hours: float, usual: bool
) -> None:
    assert is_usual(SHOP, silence(CLOSED_AT), until=CLOSED_AT + int(after_hours * HOUR)) is usual


def test_a_service_that_never_rests_is_missed_at_once() -> None:
    always = hours(opened(0, 24, range(14)))
    assert not is_usual(always, silence(TODAY), until=TODAY + 30 * MINUTE)


def test_an_outage_just_before_closing_time_is_news_all_night() -> None:
    begin = CLOSED_AT - 40 * MINUTE
    assert not is_usual(SHOP, silence(begin), until=CLOSED_AT)
    assert not is_usual(SHOP, silence(begin), until=CLOSED_AT + 6 * HOUR)


def test_a_weekend_is_usual_by_the_one_before() -> None:
    office = hours(opened(8, 18, [day for day in range(14) if day % 7 < 5]))
    friday_evening = MONDAY + 11 * DAY + 18 * HOUR
    monday = MONDAY + 14 * DAY
    assert is_usual(office, silence(friday_evening), until=monday + 7 * HOUR)
    assert not is_usual(office, silence(friday_evening), until=monday + 8 * HOUR + 10 * MINUTE)


def test_the_first_day_closed_is_news() -> None:
    """Every day of the week before was open: a holiday gets its one ticket, when the shop should have opened."""
    assert not is_usual(SHOP, silence(CLOSED_AT), until=CLOSED_AT + 12 * HOUR)


def test_what_is_younger_than_a_day_has_no_habits() -> None:
    young = hours(opened(0, 24, [13]))
    assert not is_usual(young, silence(TODAY, first_t=TODAY - 5 * HOUR), until=TODAY + HOUR)
    assert is_usual(
        hours(opened(8, 22, [12, 13])), silence(CLOSED_AT, first_t=TODAY - 2 * DAY + 8 * HOUR), until=CLOSED_AT + HOUR
    )


@given(minutes=st.sets(st.integers(0, 3 * 60 - 1)), begin=st.integers(0, 178), length=st.integers(1, 120))
def test_hours_claim_no_event_that_was_not_there_and_miss_none_in_whole_hours(
    minutes: set[int], begin: int, length: int
) -> None:
    end = min(180, begin + length)
    past = hours(TODAY - day * DAY + minute * MINUTE for minute in minutes for day in range(1, 8))
    asked = Silence("a", "b", "", TODAY + begin * MINUTE, TODAY - 8 * DAY)
    claimed = not is_usual(past, asked, until=TODAY + end * MINUTE)
    assert not claimed or any(begin <= minute < end for minute in minutes)
    assert claimed or not any(begin <= hour * 60 and hour * 60 + 60 <= end for hour in {m // 60 for m in minutes})


@pytest.fixture
def known(store: Store) -> Callable[[list[Silence], float], frozenset[tuple[str, str, str]]]:
    """What is usual, once it has been read."""
    habits = Habits(store)

    def ask(silences: list[Silence], now: float) -> frozenset[tuple[str, str, str]]:
        until = time.monotonic() + 20
        habits.usual(silences, now=now)
        while habits.is_busy and time.monotonic() < until:
            time.sleep(0.01)
        return habits.usual(silences, now=now)

    return ask


def test_they_are_read_from_the_ledger_by_objective_and_group(
    store: Store, known: Callable[[list[Silence], float], frozenset[tuple[str, str, str]]]
) -> None:
    shop = opened(8, 22, range(14))
    always = opened(0, 24, range(14))
    rows = [Interval("checkout", "99.9", "tier=gold", t, 5, 0, 5, "x") for t in shop]
    rows += [Interval("checkout", "99.9", "tier=free", t, 5, 0, 5, "x") for t in always]
    ledger.append(store, rows, version=1)
    asked = [Silence("checkout", "99.9", group, CLOSED_AT, MONDAY) for group in ("tier=gold", "tier=free")]
    assert known(asked, CLOSED_AT + HOUR) == {("checkout", "99.9", "tier=gold")}
    assert known(asked, CLOSED_AT + 11 * HOUR) == frozenset()


def test_a_silence_of_a_week_is_news_whatever_came_before(
    known: Callable[[list[Silence], float], frozenset[tuple[str, str, str]]],
) -> None:
    asked = [silence(TODAY)]
    assert known(asked, TODAY + 6 * DAY) == {("checkout", "99.9", "")}
    assert known(asked, TODAY + 7 * DAY) == frozenset()


def test_a_version_that_was_replaced_is_no_news_but_a_tier_without_any_is(snapshot: Callable[..., Snapshot]) -> None:
    busy, idle = snapshot([(100, 0)] * 400), snapshot([(100, 0)] * 300 + [(0, 0)] * 100)
    now = busy.evaluated_at or 0
    (lively,), (silent,) = readings(busy), readings(idle)

    def found(**groups: bool) -> set[str]:
        read = [replace(lively if has_data else silent, group=name) for name, has_data in groups.items()]
        return {group for _, _, group in outlived(read, now=now)}

    assert found(**{"version=1": False, "version=2": True}) == {"version=1"}
    assert found(**{"version=1": False, "version=2": False}) == set()
    assert found(**{"tier=gold": False, "tier=free": True}) == set()
    assert found(
        **{
            "tier=gold,version=1": False,
            "tier=gold,version=2": False,
            "tier=free,version=1": False,
            "tier=free,version=2": True,
        }
    ) == {"tier=free,version=1"}


def test_a_replaced_version_has_no_ticket(snapshot: Callable[..., Snapshot], tmp_path: Path) -> None:
    one = Evaluator(tmp_path / "alerts.state")
    for silent in (31, 37):
        busy, idle = snapshot([(100, 0)] * (300 + silent)), snapshot([(100, 0)] * 300 + [(0, 0)] * silent)
        both = [replace(idle.observed[0], group="version=1"), replace(busy.observed[0], group="version=2")]
        outcome = one.evaluate(replace(busy, observed=tuple(both)), now=busy.evaluated_at or 0)
        assert outcome.alerts == ()
