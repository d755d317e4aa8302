"""States on disk, and an evaluator that is started again."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_alerting.evaluating.evaluator import Evaluator
from maibo_alerting.evaluating.memory import recall, remember
from maibo_alerting.evaluating.state import Key, State
from maibo_slo.engine.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
STATES = st.builds(
    State,
    st.builds(Key, TEXT, TEXT, TEXT, TEXT, st.sampled_from(["page", "ticket"])),
    st.sampled_from(["pending", "firing", "resolved"]),
    st.floats(0, 1e10),
    st.none() | st.floats(0, 1e10),
    st.lists(st.integers(60, 10**6), max_size=3).map(tuple),
    st.sampled_from(["", "over", "no_data", "withdrawn"]),
    labels=st.dictionaries(TEXT, TEXT, max_size=3),
    annotations=st.dictionaries(TEXT, TEXT, max_size=3),
    link=TEXT,
)
STATE = State(Key("MaiboBudgetBurn", "checkout", "99.9", "", "page"), "firing", 5.0, 5.0, (3600,))


@settings(max_examples=30, deadline=None)
@given(states=st.lists(STATES, max_size=4, unique_by=lambda state: state.key))
def test_what_was_remembered_is_recalled(tmp_path_factory: pytest.TempPathFactory, states: list[State]) -> None:
    path = tmp_path_factory.mktemp("alerts") / "alerts.state"
    remember(path, states)
    assert recall(path) == {state.key: state for state in states}


def test_there_is_nothing_before_the_first_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert recall(tmp_path / "alerts.state") == {}
    assert caplog.records == []


@pytest.mark.parametrize("at", [0, 10, 25, 40, -1])
def test_a_damaged_file_is_empty_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture, at: int) -> None:
    path = tmp_path / "alerts.state"
    remember(path, [STATE])
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        assert recall(path) == {}
    assert "damaged" in caplog.text


def test_a_cut_file_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "alerts.state"
    remember(path, [STATE])
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        assert recall(path) == {}


HEALTHY = [(1000, 0)] * 400
OUTAGE = [(0, 1000)] * 5


def test_a_restart_neither_pages_again_nor_forgets_to_resolve(
    tmp_path: Path, snapshot: Callable[..., Snapshot]
) -> None:
    path = tmp_path / "alerts.state"
    burning = snapshot(HEALTHY + OUTAGE)
    assert burning.evaluated_at is not None
    first = Evaluator(path).evaluate(burning, now=burning.evaluated_at)
    assert [change.after for change in first.changes] == ["firing", "firing"]

    later = snapshot([*HEALTHY, *OUTAGE, (0, 1000)])
    assert later.evaluated_at is not None
    second = Evaluator(path).evaluate(later, now=later.evaluated_at)
    assert second.changes == ()
    assert [alert.starts_at for alert in second.alerts] == [alert.starts_at for alert in first.alerts]

    clean = snapshot([*HEALTHY, *OUTAGE, *[(1000, 0)] * 40])
    assert clean.evaluated_at is not None
    third = Evaluator(path).evaluate(clean, now=clean.evaluated_at)
    assert [(change.key.severity, change.after) for change in third.changes] == [("page", "resolved")]
    told = Evaluator(path).evaluate(clean, now=clean.evaluated_at)
    assert [alert.status for alert in told.alerts if alert.severity == "page"] == ["resolved"]


def test_an_engine_that_has_not_ticked_or_stands_still_changes_nothing(
    tmp_path: Path, snapshot: Callable[..., Snapshot]
) -> None:
    evaluator = Evaluator(tmp_path / "alerts.state")
    assert evaluator.evaluate(Snapshot(), now=1e9).alerts == ()
    burning = snapshot(HEALTHY + OUTAGE)
    assert burning.evaluated_at is not None
    fired = evaluator.evaluate(burning, now=burning.evaluated_at + 1)
    assert fired.changes
    again = evaluator.evaluate(burning, now=burning.evaluated_at + 11)
    assert again is fired
    clean = snapshot([*HEALTHY, *OUTAGE, *[(1000, 0)] * 40])
    assert clean.evaluated_at is not None
    assert evaluator.evaluate(clean, now=clean.evaluated_at + 61).alerts == fired.alerts


def test_states_that_cannot_be_written_are_tried_again(tmp_path: Path, snapshot: Callable[..., Snapshot]) -> None:
    folder = tmp_path / "later"
    evaluator = Evaluator(folder / "alerts.state")
    burning = snapshot(HEALTHY + OUTAGE)
    assert burning.evaluated_at is not None
    with pytest.raises(FileNotFoundError):
        evaluator.evaluate(burning, now=burning.evaluated_at)
    assert evaluator.outcome.alerts == ()
    folder.mkdir()
    assert len(evaluator.evaluate(burning, now=burning.evaluated_at).alerts) == 2
