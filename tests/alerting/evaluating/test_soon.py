"""What is about to fire: what the evaluator lists, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from maibo_alerting.evaluating.evaluator import Evaluator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from maibo_slo.engine.snapshot import Snapshot


@pytest.mark.parametrize(
    ("minutes", "why"),
    [([*[(1000, 0)] * 400, (900, 100)], "below"), ([(800, 200)] * 5, "too_soon"), ([(980, 20)] * 8, "not_whole")],
)
def test_each_says_by_which_pair_it_burns_and_what_the_long_window_lacks(
    snapshot: Callable[..., Snapshot], tmp_path: Path, minutes: list[tuple[int, int]], why: str
) -> None:
    shot = snapshot(minutes)
    evaluator = Evaluator(tmp_path / "alerts.state")
    states = evaluator.evaluate(shot, now=shot.evaluated_at or 0).states
    pending = {state.key for state in states.values() if state.phase == "pending"}
    assert {(each.name, each.slo, each.objective, each.group, each.severity) for each in evaluator.soon} == pending
    first = evaluator.soon[0]
    assert (first.severity, first.long, first.short, first.held_back_by) == ("page", "1h", "5m", why)
    assert first.burn is not None
    assert first.slower is not None
    assert (first.slower > first.threshold) == (why != "below")
    assert first.since == shot.evaluated_at


def test_what_was_remembered_is_there_before_the_first_step(snapshot: Callable[..., Snapshot], tmp_path: Path) -> None:
    shot = snapshot([(800, 200)] * 5)
    before = Evaluator(tmp_path / "alerts.state")
    before.evaluate(shot, now=shot.evaluated_at or 0)
    again = Evaluator(tmp_path / "alerts.state").soon
    assert [(each.slo, each.severity, each.since) for each in again] == [
        (each.slo, each.severity, each.since) for each in before.soon
    ]
