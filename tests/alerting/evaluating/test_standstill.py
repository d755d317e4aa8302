"""The alert that nothing is evaluated, on a clock of the test's own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from maibo_alerting.evaluating.evaluator import Evaluator
from maibo_slo.engine.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from maibo_alerting.evaluating.step import Outcome

T = 1_700_000_000.0


def told(outcome: Outcome) -> list[tuple[str, str, str]]:
    return [(alert.name, alert.severity, alert.status) for alert in outcome.alerts]


FIRING = [("MaiboNotEvaluating", "page", "firing")]
RESOLVED = [("MaiboNotEvaluating", "page", "resolved")]


@pytest.fixture
def evaluator(tmp_path: Path) -> Callable[[], Evaluator]:
    """A process: each that starts has what the one before left on disk."""
    return lambda: Evaluator(tmp_path / "alerts.state", url="http://maibo", locales=("en", "zh"))


def fired(one: Evaluator, *, at: float = T) -> Outcome:
    """The engine ticked at `at`, and never again; looked at every second."""
    shot = Snapshot(evaluated_at=at)
    for second in range(130):
        one.evaluate(shot, now=at + second)
    return one.outcome


def test_an_engine_that_does_not_evaluate_for_two_minutes_pages(evaluator: Callable[[], Evaluator]) -> None:
    one, shot = evaluator(), Snapshot(evaluated_at=T)
    fires = [second for second in range(200) if told(one.evaluate(shot, now=T + second)) == FIRING]
    assert fires[0] == 121
    assert fires == list(range(121, 200))


def test_it_says_what_that_means_in_each_language_and_is_an_alert_of_no_slo(evaluator: Callable[[], Evaluator]) -> None:
    (alert,) = fired(evaluator()).alerts
    assert alert.annotations["summary"] == "maibo no longer evaluates: no other alert can fire"
    assert "No SLO has been judged for 2 min 1 s" in alert.annotations["description"]
    assert alert.translations["zh"]["summary"].startswith("maibo 已停止评估")
    assert (alert.slo, alert.objective, alert.link) == ("", "", "http://maibo/")


def test_it_ends_when_the_engine_evaluates_again(evaluator: Callable[[], Evaluator]) -> None:
    one = evaluator()
    fired(one)
    ended = one.evaluate(Snapshot(evaluated_at=T + 140), now=T + 141)
    assert told(ended) == RESOLVED
    assert ended.alerts[0].annotations["summary"] == "maibo evaluates again"
    for minute in range(1, 20):
        one.evaluate(Snapshot(evaluated_at=T + 141 + minute * 60), now=T + 142 + minute * 60)
    assert told(one.outcome) == []


def test_a_restart_neither_pages_again_nor_ends_it_before_the_engine_ticks(evaluator: Callable[[], Evaluator]) -> None:
    before = fired(evaluator())
    again = evaluator()
    still = again.evaluate(Snapshot(), now=T + 150)
    assert [(alert.key, alert.starts_at) for alert in still.alerts] == [
        (alert.key, alert.starts_at) for alert in before.alerts
    ]
    assert told(again.evaluate(Snapshot(evaluated_at=T + 170), now=T + 171)) == RESOLVED


def test_an_engine_that_never_ticks_pages_two_minutes_after_the_start(evaluator: Callable[[], Evaluator]) -> None:
    one = evaluator()
    fires = [second for second in range(200) if told(one.evaluate(Snapshot(), now=T + second)) == FIRING]
    assert fires[0] == 121


def test_a_restart_in_the_meantime_begins_to_count_anew(evaluator: Callable[[], Evaluator]) -> None:
    one = evaluator()
    for second in range(110):
        one.evaluate(Snapshot(evaluated_at=T), now=T + second)
    again = evaluator()
    assert [told(again.evaluate(Snapshot(), now=T + 3600 + second)) for second in (0, 30, 60)] == [[], [], []]


def test_a_clock_that_jumps_or_a_machine_that_slept_pages_nobody(evaluator: Callable[[], Evaluator]) -> None:
    one = evaluator()
    one.evaluate(Snapshot(evaluated_at=T), now=T + 1)
    for second in range(50):
        assert told(one.evaluate(Snapshot(evaluated_at=T), now=T + 8 * 3600 + second)) == []
    awake = T + 8 * 3600 + 51
    assert told(one.evaluate(Snapshot(evaluated_at=awake), now=awake + 1)) == []
    assert one.outcome.states == {}


def test_what_fired_before_fires_on_beside_it(
    evaluator: Callable[[], Evaluator], snapshot: Callable[..., Snapshot]
) -> None:
    one, shot = evaluator(), snapshot([(1000, 0)] * 400 + [(0, 1000)] * 5)
    at = shot.evaluated_at or 0.0
    burning = one.evaluate(shot, now=at).alerts
    for second in range(130):
        one.evaluate(shot, now=at + second)
    assert [alert for alert in one.outcome.alerts if alert in burning] == list(burning)
    assert len(one.outcome.alerts) == 3
    later = one.evaluate(replace(shot, evaluated_at=at + 140), now=at + 140)
    assert sorted(alert.status for alert in later.alerts) == ["firing", "firing", "resolved"]
