"""What every face must do, each held to the same: a number while the signal is fresh, else a refusal; never 0, never the old number."""

from __future__ import annotations

from dataclasses import replace

import pytest

from maibo_slo.documents import Catalogue
from maibo_slo.documents.scaling_kinds import CapacitySpec, ScalingTarget
from maibo_slo.engine.scaling.scaler import Scaler
from maibo_slo.store.workload import Workload

WORKLOAD = Workload("shop", "Deployment", "checkout-api")


def test_a_fresh_signal_is_its_number(face, board, make_signal, make_signals) -> None:
    board.signals = make_signals(make_signal(12))
    assert face.ask("shop", "checkout-api").replicas == 12


def test_a_signal_is_fresh_until_it_is_older_than_allowed(face, board, make_signal, make_signals) -> None:
    board.signals = make_signals(make_signal(12, age=60.0))
    assert face.ask("shop", "checkout-api").replicas == 12
    board.now += 0.5
    assert face.ask("shop", "checkout-api").replicas is None


def test_a_signal_grows_stale_by_itself_when_the_engine_stands_still(face, board, make_signal, make_signals) -> None:
    board.signals = make_signals(make_signal(12, age=1.0))
    assert face.ask("shop", "checkout-api").replicas == 12
    board.now += 93.0
    said = face.ask("shop", "checkout-api")
    assert said.replicas is None
    assert said.words in {"", "signal shop/checkout-api is stale: what it follows is 94 s old, over 60 s"}


def test_a_target_that_is_not_known_is_refused(face, board, make_signal, make_signals) -> None:
    board.signals = make_signals(make_signal(12))
    for namespace, target in (("shop", "nowhere"), ("elsewhere", "checkout-api")):
        said = face.ask(namespace, target)
        assert said.replicas is None
        assert not said.words or "there are: " in said.words


def test_a_refusal_is_told_as_one(face, board, make_signals) -> None:
    board.signals = make_signals(refused="never any demand seen")
    said = face.ask("shop", "checkout-api")
    assert said.replicas is None
    assert said.words in {"", "no signal shop/checkout-api: never any demand seen"}


@pytest.mark.parametrize("ticked", [False, True], ids=["no engine", "no tick yet"])
def test_before_the_first_decision_there_is_no_number(face, board, make_signals, ticked) -> None:
    board.signals = make_signals(at=None) if ticked else None
    said = face.ask("shop", "checkout-api")
    assert said.replicas is None
    assert not said.words or said.words.startswith("no signal")


def test_after_a_restart_the_number_comes_with_the_first_decision(face, board, make_signal, make_signals) -> None:
    board.signals = make_signals(at=None)
    assert face.ask("shop", "checkout-api").replicas is None
    board.signals = make_signals(make_signal(7))
    assert face.ask("shop", "checkout-api").replicas == 7


def test_what_was_stale_and_is_fresh_again_is_answered(face, board, make_signal, make_signals) -> None:
    board.signals = make_signals(make_signal(12, age=100))
    assert face.ask("shop", "checkout-api").replicas is None
    board.signals = make_signals(make_signal(12))
    assert face.ask("shop", "checkout-api").replicas == 12


def test_an_override_that_leaves_one_number_is_answered_though_demand_is_old(face, board, store, override) -> None:
    """From the engine to the face: no demand was ever seen, or is known of any more."""
    target = ScalingTarget(
        "checkout-api", "", "", WORKLOAD, ("checkout",), (), (), (), CapacitySpec(fixed=40.0), least=2, most=30
    )
    said = [replace(override, least=10, most=10)]
    scaler = Scaler(
        store,
        lambda: Catalogue(scaling_targets={"checkout-api": target}),
        overrides=lambda: said,
        now=lambda: board.now,
    )
    for _ in range(2):
        board.signals = scaler.tick(board.now)
        assert face.ask("shop", "checkout-api").replicas == 10
        board.now += 600
    said[0] = replace(override, least=10, most=None)
    board.signals = scaler.tick(board.now)
    assert face.ask("shop", "checkout-api").replicas is None


def test_an_override_is_in_the_number(face, board, make_signal, make_signals, override) -> None:
    board.signals = make_signals(replace(make_signal(20), override=override, least=20))
    assert face.ask("shop", "checkout-api").replicas == 20


def test_zero_is_said_only_when_it_was_decided(face, board, make_signal, make_signals) -> None:
    board.signals = make_signals(make_signal(0))
    said = face.ask("shop", "checkout-api")
    assert said.replicas == 0
    assert said.active in {None, False}


def test_one_targets_refusal_is_not_anothers(face, board, make_signal, make_signals) -> None:
    board.signals = make_signals(make_signal(12, target="other"), refused="never any demand seen")
    assert face.ask("shop", "other").replicas == 12
    assert face.ask("shop", "checkout-api").replicas is None
