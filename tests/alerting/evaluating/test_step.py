"""Steps over snapshots: states, alerts and what they say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from maibo_alerting.evaluating.reading import Reading, readings
from maibo_alerting.evaluating.state import States
from maibo_alerting.evaluating.step import HOLD_SECONDS, RESOLVED_KEPT_SECONDS, Outcome, step
from maibo_slo.engine.burn import Counts

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


def test_an_outage_makes_a_page_that_says_what_burns_and_where_to_look(after: Callable[..., Outcome]) -> None:
    alert = page(after(HEALTHY + OUTAGE))
    assert (alert.slo, alert.objective, alert.group) == ("checkout", "99.9", "")
    assert alert.labels == {"service": "shop", "journey": "checkout", "team": "pay,web"}
    assert alert.link == "http://maibo/slos/checkout"
    assert "83.3 over 1h and 1e+03 over 5m (above 14.4)" in alert.annotations["description"]
    assert alert.ends_at is None


def test_it_ends_when_the_short_window_is_clean_and_is_told_for_a_while(after: Callable[..., Outcome]) -> None:
    fired = after(HEALTHY + OUTAGE)
    clean = HEALTHY + OUTAGE + [(1000, 0)] * 30
    ended = after(clean, fired)
    alert = page(ended)
    assert (alert.starts_at, alert.status) == (page(fired).starts_at, "resolved")
    assert alert.ends_at == alert.starts_at + 1800
    assert alert.annotations["ended"] == "The trouble is over."
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
    assert page(outcome).annotations["ended"] == (
        "There has been no data for too long: nobody knows whether the trouble is over."
    )


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
    assert {alert.annotations["ended"] for alert in left.alerts} == {"The objective is no longer among the documents."}
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
