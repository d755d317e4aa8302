"""Steps over snapshots: states, alerts and what they say."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from maibo_alerting.evaluating.reading import Reading, readings
from maibo_alerting.evaluating.state import States
from maibo_alerting.evaluating.step import HOLD_SECONDS, RESOLVED_KEPT_SECONDS, Outcome, patience, step
from maibo_slo.documents import Correction
from maibo_slo.engine.burn import Counts
from maibo_slo.engine.corrections import Window
from maibo_slo.engine.excluded import Excluded, excluded_by

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from maibo_alerting.alerts import Alert
    from maibo_slo.engine.snapshot import Snapshot

HEALTHY = [(1000, 0)] * 400
OUTAGE = [(0, 1000)] * 5


@pytest.fixture
def after(snapshot: Callable[..., Snapshot]) -> Callable[..., Outcome]:
    """A step at the end of these minutes, from the states of another."""

    def run(minutes: Sequence[tuple[int, int]], before: Outcome | None = None, *, pending: int = 0) -> Outcome:
        shot = snapshot(minutes, pending=pending)
        assert shot.evaluated_at is not None
        states: States = {} if before is None else before.states
        return step(states, readings(shot, url="http://maibo/"), now=shot.evaluated_at)

    return run


def told(outcome: Outcome) -> list[tuple[str, str, str]]:
    return sorted((alert.name, alert.severity, alert.status) for alert in outcome.alerts)


def page(outcome: Outcome) -> Alert:
    (found,) = [alert for alert in outcome.alerts if alert.severity == "page"]
    return found


def test_an_outage_makes_a_page_that_says_what_it_is_about_and_where_to_look(after: Callable[..., Outcome]) -> None:
    alert = page(after(HEALTHY + OUTAGE))
    assert (alert.slo, alert.objective, alert.group) == ("checkout", "99.9", "")
    assert alert.labels == {"service": "shop", "journey": "checkout", "team": "pay,web"}
    assert alert.link == "http://maibo/slos/checkout"
    assert alert.ends_at is None


def test_it_ends_when_the_short_window_is_clean_and_is_told_for_a_while(after: Callable[..., Outcome]) -> None:
    fired = after(HEALTHY + OUTAGE)
    clean = HEALTHY + OUTAGE + [(1000, 0)] * 30
    ended = after(clean, fired)
    alert = page(ended)
    assert (alert.starts_at, alert.status) == (page(fired).starts_at, "resolved")
    assert alert.ends_at == alert.starts_at + 1800
    assert {state.reason for state in ended.states.values() if state.phase == "resolved"} == {"over"}
    still = after([*clean, *[(1000, 0)] * 10], ended)
    assert page(still) == alert
    gone = after([*clean, *[(1000, 0)] * (RESOLVED_KEPT_SECONDS // 60)], still)
    assert [alert for alert in gone.alerts if alert.severity == "page"] == []


def test_failures_that_come_late_open_it_again_as_the_same_alert(after: Callable[..., Outcome]) -> None:
    fired = after(HEALTHY + OUTAGE)
    quiet = HEALTHY + OUTAGE + [(1000, 0)] * 30
    ended = after(quiet, fired)
    late = [*quiet[:-3], *[(500, 500)] * 3]
    again = after([*late, (1000, 0)], ended)
    assert (page(again).status, page(again).starts_at) == ("firing", page(fired).starts_at)


def test_silence_holds_a_page_then_has_a_ticket_of_its_own_then_ends_the_page_unhealed(
    after: Callable[..., Outcome],
) -> None:
    minutes = HEALTHY + OUTAGE
    outcome = after(minutes)
    said = {}
    for silent in range(1, 140):
        minutes = [*minutes, (0, 0)]
        outcome = after(minutes, outcome)
        said[silent] = told(outcome)
    burns = [("MaiboBudgetBurn", "page", "firing"), ("MaiboBudgetBurn", "ticket", "firing")]
    assert said[30] == said[35] == burns
    # Seen after 30 minutes, waited for 5.
    assert said[36] == [*burns, ("MaiboNoData", "ticket", "firing")]
    held = 36 + HOLD_SECONDS // 60
    assert said[held - 1] == [*burns, ("MaiboNoData", "ticket", "firing")]
    assert ("MaiboBudgetBurn", "page", "resolved") in said[held]
    assert ("MaiboNoData", "ticket", "firing") in said[139]


def test_an_end_for_lack_of_data_does_not_say_that_the_trouble_is_over(after: Callable[..., Outcome]) -> None:
    outcome = after(HEALTHY + OUTAGE)
    for silent in (31, 36, 97):
        outcome = after(HEALTHY + OUTAGE + [(0, 0)] * silent, outcome)
    assert page(outcome).status == "resolved"
    assert {state.reason for state in outcome.states.values() if state.phase == "resolved"} == {"no_data"}


def test_a_quiet_service_is_not_called_silent_before_twenty_events_are_missed(after: Callable[..., Outcome]) -> None:
    hour = ([(1, 0)] + [(0, 0)] * 5) * 10
    outcome = after(hour * 10)
    for silent in (60, 66, 100):
        outcome = after([*hour * 10, *[(0, 0)] * silent], outcome)
        assert outcome.alerts == ()
    for silent in (150, 156):
        outcome = after([*hour * 10, *[(0, 0)] * silent], outcome)
    assert told(outcome) == [("MaiboNoData", "ticket", "firing")]


def test_an_objective_that_never_had_data_is_told_after_half_an_hour(after: Callable[..., Outcome]) -> None:
    outcome = after([(0, 0)])
    assert outcome.alerts == ()
    outcome = after([(0, 0)] * 30, outcome)
    assert outcome.alerts == ()
    assert told(after([(0, 0)] * 31, outcome)) == [("MaiboNoData", "ticket", "firing")]


def test_while_older_minutes_are_being_counted_nothing_is_let_go(after: Callable[..., Outcome]) -> None:
    fired = after(HEALTHY + OUTAGE)
    assert page(after([(1000, 0)] * 60, fired, pending=500)).status == "firing"
    assert page(after([(1000, 0)] * 60, fired)).status == "resolved"


def test_an_objective_that_left_the_documents_ends_its_alerts(after: Callable[..., Outcome]) -> None:
    fired = after(HEALTHY + OUTAGE)
    left = step(fired.states, [], now=2e9)
    assert {(state.phase, state.reason) for state in left.states.values()} == {("resolved", "withdrawn")}
    assert step(left.states, [], now=2e9 + RESOLVED_KEPT_SECONDS).states == {}


def test_groups_have_alerts_of_their_own(snapshot: Callable[..., Snapshot]) -> None:
    (gold,) = readings(snapshot(HEALTHY + OUTAGE))
    (free,) = readings(snapshot(HEALTHY))
    outcome = step({}, [replace(gold, group="gold"), replace(free, group="free")], now=1_700_000_040 + 405 * 60)
    assert {alert.group for alert in outcome.alerts} == {"gold"}


def test_labels_stay_as_they_were_while_it_fires(snapshot: Callable[..., Snapshot]) -> None:
    shot = snapshot(HEALTHY + OUTAGE)
    assert shot.evaluated_at is not None
    (reading,) = readings(shot)
    fired = step({}, [reading], now=shot.evaluated_at)
    moved = step(fired.states, [replace(reading, labels={"team": "other"})], now=shot.evaluated_at + 10)
    assert [alert.all_labels for alert in moved.alerts] == [alert.all_labels for alert in fired.alerts]


def test_an_alert_of_an_outage_comes_52_seconds_after_it_begins(snapshot: Callable[..., Snapshot]) -> None:
    """The engine ticks within the minute: 864 failures of an hour's 60,000 are at the factor, 865 above."""
    shot = snapshot(HEALTHY)
    (healthy,) = readings(shot)
    assert shot.evaluated_at is not None

    def fires(seconds: int) -> bool:
        bad = seconds * 1000 // 60
        counts = {
            window: Counts(max(0, one.good - bad), bad, one.observed_minutes) for window, one in healthy.counts.items()
        }
        now = shot.evaluated_at or 0
        reading: Reading = replace(healthy, counts=counts)
        return any(alert.severity == "page" for alert in step({}, [reading], now=now).alerts)

    assert [fires(51), fires(52)] == [False, True]


def usually_silent(snapshot: Callable[..., Snapshot], silent: int, before: Outcome | None = None) -> Outcome:
    shot = snapshot(HEALTHY + OUTAGE + [(0, 0)] * silent)
    assert shot.evaluated_at is not None
    read = [replace(reading, is_usual=True) for reading in readings(shot)]
    return step({} if before is None else before.states, read, now=shot.evaluated_at)


def test_a_silence_that_is_usual_is_no_news_and_what_burned_before_it_ends_unhealed(
    after: Callable[..., Outcome], snapshot: Callable[..., Snapshot]
) -> None:
    outcome = after(HEALTHY + OUTAGE)
    for silent in (31, 36, 94):
        outcome = usually_silent(snapshot, silent, outcome)
        assert {(name, status) for name, _, status in told(outcome)} == {("MaiboBudgetBurn", "firing")}
    outcome = usually_silent(snapshot, 96, outcome)  # 30 minutes, 5 of waiting and an hour
    assert {(state.key.name, state.phase, state.reason) for state in outcome.states.values()} == {
        ("MaiboBudgetBurn", "resolved", "no_data")
    }


def test_a_silence_that_was_news_stays_one_though_it_is_usual_by_now(
    after: Callable[..., Outcome], snapshot: Callable[..., Snapshot]
) -> None:
    outcome = None
    for silent in (31, 36):
        outcome = after(HEALTHY + [(0, 0)] * silent, outcome)
    assert outcome is not None
    assert told(outcome) == [("MaiboNoData", "ticket", "firing")]
    shot = snapshot(HEALTHY + [(0, 0)] * 40)
    assert shot.evaluated_at is not None
    still = step(outcome.states, [replace(each, is_usual=True) for each in readings(shot)], now=shot.evaluated_at)
    assert told(still) == [("MaiboNoData", "ticket", "firing")]


def excluding(*spans: tuple[int, int]) -> Excluded:
    upgrade = Correction("upgrade", "maintenance", "exclude", datetime(2026, 1, 1), 60, "UTC")  # noqa: DTZ001 -- the zone stands beside it
    return excluded_by([Window(begin, end, upgrade) for begin, end in spans])


def test_excluded_maintenance_is_no_silence(snapshot: Callable[..., Snapshot]) -> None:
    shot = snapshot(HEALTHY + [(0, 0)] * 90)
    (reading,) = readings(shot)
    now = shot.evaluated_at or 0.0
    assert reading.silent_seconds(now=now) == 90 * 60
    during = replace(
        reading, excluded=excluding((int(now) - 80 * 60, int(now) - 20 * 60), (int(now) - 40 * 60, int(now)))
    )
    assert during.silent_seconds(now=now) == 10 * 60
    ahead = replace(reading, excluded=excluding((int(now) + 60, int(now) + 600)))
    assert ahead.silent_seconds(now=now) == 90 * 60


def test_what_is_usual_is_told_by_three_days_where_the_window_is_shorter(snapshot: Callable[..., Snapshot]) -> None:
    """A month that began ten minutes ago, in an outage: nothing of it says that sixty events an hour are usual."""
    minutes = [(100, 0)] * 3000 + [(1, 0)] * 10
    shot = snapshot(minutes)
    now = shot.evaluated_at or 0.0
    (reading,) = readings(shot)
    young = replace(reading, own=Counts(10, 0, 10), begin=int(now) - 600)
    assert young.usual_events(3600, now=now) == pytest.approx(sum(good for good, _ in minutes) / 3010 * 60)
    assert reading.usual_events(3600, now=now) == young.usual_events(3600, now=now)


def test_a_slice_is_waited_for_before_its_objective_is_silent(snapshot: Callable[..., Snapshot]) -> None:
    shot = snapshot(HEALTHY)
    (reading,) = readings(shot)
    now = shot.evaluated_at or 0.0
    assert patience(replace(reading, grain_seconds=3600), now=now) == patience(reading, now=now) + 3600


def test_groups_are_told_apart_by_the_labels_of_their_dimensions(snapshot: Callable[..., Snapshot]) -> None:
    shot = snapshot(HEALTHY)
    (one,) = shot.observed
    (reading,) = readings(replace(shot, observed=(replace(one, group="tier=gold,service=x"),)))
    assert reading.group == "tier=gold,service=x"
    assert reading.labels == {"tier": "gold", "service": "shop", "journey": "checkout", "team": "pay,web"}


def test_a_composite_by_occurrences_alerts_by_its_components_alone(snapshot: Callable[..., Snapshot]) -> None:
    shot = snapshot(HEALTHY + OUTAGE)
    (one,) = shot.observed
    assert len(list(readings(replace(shot, observed=(replace(one, parts=(one,)), one))))) == 1


def test_millionths_of_slices_are_judged_as_slices(snapshot: Callable[..., Snapshot]) -> None:
    shot = snapshot(HEALTHY)
    (one,) = shot.observed
    slo = replace(one.slo, method="RatioTimeslices")
    counts = {seconds: Counts(9_500_000, 500_000, 10) for seconds in one.counts}
    (reading,) = readings(replace(shot, observed=(replace(one, slo=slo, counts=counts),)))
    assert reading.of(3600) == Counts(9.5, 0.5, 10)


def test_a_group_that_is_about_to_be_found_again_keeps_what_fires(snapshot: Callable[..., Snapshot]) -> None:
    """A changed document forgets the groups until their minutes are counted anew."""
    shot = snapshot(HEALTHY + OUTAGE)
    now = shot.evaluated_at or 0
    (reading,) = readings(shot)
    gold, free = replace(reading, group="tier=gold"), replace(reading, group="tier=free")
    fired = step({}, [gold, free], now=now)
    counting = step(fired.states, [replace(free, settled=False)], now=now + 10)
    assert counting.changes == ()
    done = step(counting.states, [free], now=now + 20)
    assert {(change.key.group, change.reason) for change in done.changes} == {("tier=gold", "withdrawn")}


def test_a_silence_that_is_excluded_afterwards_is_not_called_data_again(
    after: Callable[..., Outcome], snapshot: Callable[..., Snapshot]
) -> None:
    outcome = None
    for silent in (31, 36):
        outcome = after(HEALTHY + [(0, 0)] * silent, outcome)
    assert outcome is not None
    shot = snapshot(HEALTHY + [(0, 0)] * 40)
    now = int(shot.evaluated_at or 0)
    (reading,) = readings(shot)
    excluded = step(outcome.states, [replace(reading, excluded=excluding((now - 2400, now)))], now=now)
    assert [(change.after, change.reason) for change in excluded.changes] == [("resolved", "withdrawn")]
    again = after(HEALTHY + [(0, 0)] * 40 + [(1000, 0)], outcome)
    assert [(change.after, change.reason) for change in again.changes] == [("resolved", "over")]


@pytest.mark.parametrize(("observed", "hours"), [(720, 2.9), (713, 4.3), (72, 24)])
def test_slices_that_always_had_data_are_missed_after_a_few(
    snapshot: Callable[..., Snapshot], observed: int, hours: int
) -> None:
    """Of an hour each, over 30 days; beside the hour until a slice is counted."""
    (reading,) = readings(snapshot(HEALTHY))
    own = Counts(observed, 0, observed)
    sliced = replace(reading, in_slices=True, grain_seconds=3600, own=own, first_t=1_700_000_000 - 30 * 86_400)
    assert round(patience(sliced, now=1_700_000_000) / 3600 - 1, 1) == hours


def test_a_groups_own_tier_is_its_label_whatever_the_slos_is(snapshot: Callable[..., Snapshot]) -> None:
    shot = snapshot(HEALTHY)
    (one,) = shot.observed
    slo = replace(one.slo, labels={"tier": ("gold", "free"), "team": ("pay",)})
    (reading,) = readings(replace(shot, observed=(replace(one, slo=slo, group="tier=gold"),)))
    assert (reading.labels["tier"], reading.labels["team"]) == ("gold", "pay")
