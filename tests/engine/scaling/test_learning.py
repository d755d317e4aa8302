"""What is learned of a target from a real store: capacity, how its SLOs burn, its lead time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maibo_slo.documents import Catalogue, CellSelector, Correction, Objective, Origin, Sli, Slo
from maibo_slo.documents.scaling_kinds import CapacitySpec, ForecastSpec
from maibo_slo.engine.scaling.inputs import Lead
from maibo_slo.engine.scaling.learning import (
    ASSUMED_LEAD_SECONDS,
    BURN_OLD_SECONDS,
    CAPACITY_EVERY,
    LEAD_EVERY,
    MOST_SCALEUPS,
    Learner,
    name_of,
    refill,
)
from maibo_slo.engine.scaling.minutes import Pods, pods_of
from maibo_slo.errors import StoreError
from maibo_slo.store import demand, replicas, scaleups
from maibo_slo.store.client import dictionary
from maibo_slo.store.histogram import bin_of
from maibo_slo.store.replicas import Sample
from maibo_slo.store.scaleups import Moment, PodState, PodTimes, ScaleUp, ScaleUpState, Stage
from maibo_slo.store.tables import DIMENSIONS
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.store import Store

    MakeTarget = Callable[..., ScalingTarget]

NOW = 1_800_003_600
API = Workload("shop", "Deployment", "checkout-api")
NAME = ("shop", "checkout-api")
FAST = CellSelector("checkout", step="pay", outcomes=frozenset({"success"}), max_duration_us=200_000)
SLO = Slo(
    "checkout",
    "",
    "",
    "shop",
    Sli("fast", CellSelector("checkout", step="pay"), good=FAST),
    (Objective("0.99", 0.99),),
    28 * 86_400,
    {},
    Origin("test.yaml", 1),
)


def insert(store: Store, minutes: Sequence[tuple[int, str, int, int]]) -> None:
    """(Minute, version, calls that are fast, calls that are slow)."""
    rows = [(t, version, 10, good) for t, version, good, _ in minutes]
    rows += [(t, version, 900, bad) for t, version, _, bad in minutes if bad]
    same = dict.fromkeys(DIMENSIONS, "") | {"journey": "checkout", "step": "pay", "service": "checkout-api"}
    columns = {name: dictionary([text] * len(rows)) for name, text in (same | {"outcome": "success"}).items()}
    columns["version"] = dictionary([version for _, version, _, _ in rows])
    counts = {
        "t": np.array([t for t, _, _, _ in rows], np.uint32),
        "bin": np.array([bin_of(ms * 1_000_000) for _, _, ms, _ in rows], np.uint16),
        "n": np.array([n for _, _, _, n in rows], np.uint64),
    }
    for table in ("cells_1m", "cells_1h"):
        store.insert(table, columns | counts, settings={"insert_deduplicate": 0})


def ran(store: Store, minutes: Sequence[int], *, ready: int = 10, templates: int = 1) -> None:
    replicas.insert(
        store,
        [
            Sample(API, t + 10 * part, ready, ready, ready, ready * 10_000, 10_000, templates, t + 10.0 * part)
            for t in minutes
            for part in range(6)
        ],
    )


def learner(store: Store, target: ScalingTarget, corrections: Sequence[Correction] = ()) -> Learner:
    catalogue = Catalogue(slos={"checkout": SLO}, scaling_targets={target.name: target})
    return Learner(store, lambda: catalogue, lambda: corrections)


@pytest.fixture
def target(make_target: MakeTarget) -> ScalingTarget:
    return make_target(capacity=CapacitySpec())


def test_capacity_is_learned_from_minutes_that_can_teach_it(store: Store, target: ScalingTarget) -> None:
    """10 pods hold up to 20 calls a second each, from there on 5 % are slow; an incident at low load, and a rollout."""
    minutes = [NOW - 60 * back for back in range(200, 0, -1)]
    told: list[tuple[int, str, int, int]] = []
    for place, t in enumerate(minutes):
        calls = 600 * (5 + place % 21)
        slow = calls // 20 if place % 21 > 15 or 100 <= place < 120 else 0
        told.append((t, "v1", calls - slow, slow))
    insert(store, told)
    ran(store, [t for place, t in enumerate(minutes) if not 50 <= place < 60])
    ran(store, minutes[50:60], templates=2)
    start = datetime.fromtimestamp(minutes[100], UTC).replace(tzinfo=None)
    incident = Correction("database", "incident", "annotate", start, 20 * 60, "UTC")
    found = learner(store, target, [incident])
    found.refresh(NOW)
    capacity = found.capacity(target)
    assert capacity is not None
    assert capacity.learned
    assert capacity.estimate == pytest.approx(20, rel=0.06)
    assert "20 with correction" in capacity.why
    assert "10 with rollout" in capacity.why
    [split] = found.of(NAME).splits_of(NOW)
    assert split.slo == "checkout"
    assert found.of(NAME).splits_of(NOW + BURN_OLD_SECONDS + 1) == ()


@pytest.mark.parametrize(
    ("lately", "load", "expected"),
    [
        ([("v1", 5_400, 0), ("v2", 540, 60)], 10, "by_version"),
        ([("v1", 9_720, 1_080), ("v2", 1_080, 120)], 20, "by_capacity"),
        ([("v1", 5_400, 600)], 10, "unexplained"),
    ],
    ids=["bad canary", "overload", "dependency"],
)
def test_what_burns_is_split(
    store: Store, target: ScalingTarget, lately: list[tuple[str, int, int]], load: int, expected: str
) -> None:
    minutes = [NOW - 60 * back for back in range(60, 0, -1)]
    before = [(t, "v1", 600 * (5 + place % 6), 0) for place, t in enumerate(minutes[:-5])]
    insert(store, [*before, *((t, *each) for t in minutes[-5:] for each in lately)])
    ran(store, minutes)
    found = learner(store, target)
    found.refresh(NOW)
    [split] = found.of(NAME).splits_of(NOW)
    assert sum(good + bad for _, good, bad in lately) / 600 == load
    assert split.burn > 0.9
    parts = {"by_version": split.by_version, "by_capacity": split.by_capacity, "unexplained": split.unexplained}
    assert parts[expected] == pytest.approx(split.burn, rel=0.05)
    assert sum(parts.values()) == pytest.approx(split.burn)


def test_a_floor_that_was_a_mistake_is_not_learned(store: Store, make_target: MakeTarget) -> None:
    minutes = [NOW - 60 * back for back in range(60, 0, -1)]
    insert(store, [(t, "v1", 600 * (5 + place % 6), 0) for place, t in enumerate(minutes)])
    ran(store, minutes)
    mistaken, mended = (make_target(capacity=CapacitySpec(floor=floor)) for floor in (200.0, 2.0))
    targets = {mistaken.name: mistaken}
    found = Learner(store, lambda: Catalogue(slos={"checkout": SLO}, scaling_targets=targets), tuple)
    found.refresh(NOW)
    capacity = found.capacity(mistaken)
    assert capacity is not None
    assert capacity.per_replica == 200
    targets[mended.name] = mended
    found.refresh(NOW + CAPACITY_EVERY)
    capacity = found.capacity(mended)
    assert capacity is not None
    assert capacity.per_replica == pytest.approx(10.5)


def test_an_incident_that_is_told_later_and_an_slo_that_is_mended_are_heard(
    store: Store, target: ScalingTarget
) -> None:
    minutes = [NOW - 60 * back for back in range(120, 0, -1)]
    told = [(t, "v1", 600 * (5 + place % 6), 0) for place, t in enumerate(minutes)]
    told[40:80] = [(t, "v1", 3_000, 3_000) for t, *_ in told[40:80]]
    insert(store, told)
    ran(store, minutes)
    slos, corrections = {"checkout": SLO}, list[Correction]()
    catalogue = Catalogue(slos=slos, scaling_targets={target.name: target})
    found = Learner(store, lambda: catalogue, lambda: corrections)

    def why(now: float) -> str:
        found.refresh(now)
        capacity = found.capacity(target)
        assert capacity is not None
        return capacity.why

    assert "left out" not in why(NOW)
    start = datetime.fromtimestamp(minutes[40], UTC).replace(tzinfo=None)
    corrections.append(Correction("database", "incident", "annotate", start, 40 * 60, "UTC"))
    assert "40 with correction" in why(NOW + CAPACITY_EVERY)
    slos["checkout"] = replace(SLO, objectives=(Objective("0.4", 0.4),))
    corrections.clear()
    assert "held" not in why(NOW + 2 * CAPACITY_EVERY), "half of them are enough now"


def test_before_it_is_known_which_cells_are_calls_nothing_is_counted(
    store: Store, target: ScalingTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    minutes = [NOW - 60 * back for back in range(60, 0, -1)]
    insert(store, [(t, "v1", 6_000, 0) for t in minutes])
    ran(store, minutes)
    found = learner(store, target)

    def failing(*_: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(demand, "stepping", failing)
        found.refresh(NOW)
    assert found.of(NAME).capacity is None
    found.refresh(NOW + 5)
    assert found.of(NAME).capacity is not None


def test_without_a_recorder_capacity_is_not_learned(
    store: Store, make_target: MakeTarget, target: ScalingTarget
) -> None:
    insert(store, [(NOW - 60 * back, "v1", 6_000, 0) for back in range(1, 60)])
    found = learner(store, target)
    found.refresh(NOW)
    assert found.capacity(target) is None
    floored = make_target(capacity=CapacitySpec(floor=4))
    found = learner(store, floored)
    found.refresh(NOW)
    capacity = found.capacity(floored)
    assert capacity is not None
    assert capacity.per_replica == 4
    assert "59 with pods not known" in capacity.why


def test_a_document_that_changes_its_mind_is_heard_at_once(
    store: Store, make_target: MakeTarget, target: ScalingTarget
) -> None:
    found = learner(store, target)
    capacity = found.capacity(make_target(capacity=CapacitySpec(fixed=7)))
    assert capacity is not None
    assert capacity.per_replica == 7


def test_lead_time_is_said_measured_or_assumed(store: Store, make_target: MakeTarget, target: ScalingTarget) -> None:
    found = learner(store, target)
    assert found.lead(target) == Lead(ASSUMED_LEAD_SECONDS, "assumed")
    assert found.lead(make_target(forecast=ForecastSpec(lead_seconds=20))) == Lead(20.0, "said")
    done = [scaled(NOW - 600 * place, took=10 + place) for place in range(1, 11)]
    scaleups.append(store, done)
    found.refresh(NOW)
    assert found.lead(target) == Lead(19.0, "P90 of 10 scale-ups")
    stuck = [replace(scaled(NOW - 50 * place, took=300), state=ScaleUpState.CENSORED) for place in range(1, 6)]
    scaleups.append(store, [replace(each, moments={Stage.DECIDED: each.moments[Stage.DECIDED]}) for each in stuck])
    found.refresh(NOW + 301)
    assert found.lead(target) == Lead(300.0, "at least: too many of 15 scale-ups never ended"), "what is known is told"


def test_room_comes_back_in_what_scale_ups_took_that_waited_for_a_node(
    store: Store, make_target: MakeTarget, target: ScalingTarget
) -> None:
    """A pool that works must not shrink for it."""
    found = learner(store, target)
    assert found.refill(target) == Lead(ASSUMED_LEAD_SECONDS, "assumed")
    warm = [scaled(NOW - 600 * place, took=3) for place in range(1, 31)]
    cold = [scaled(NOW - 610 * place, took=100 + place, cold=True) for place in range(1, 11)]
    scaleups.append(store, warm + cold)
    found.refresh(NOW)
    assert found.lead(target) == Lead(106.0, "P90 of 40 scale-ups")
    assert found.refill(target) == Lead(109.0, "P90 of 10 scale-ups that waited for a node")
    assert found.refill(make_target(forecast=ForecastSpec(lead_seconds=20))) == Lead(20.0, "said")
    scaleups.append(store, [scaled(NOW - place, took=3) for place in range(1, MOST_SCALEUPS + 1)])
    found.refresh(NOW + LEAD_EVERY)
    assert found.lead(target) == Lead(3.0, f"P90 of {MOST_SCALEUPS} scale-ups")
    assert found.refill(target) == Lead(109.0, "P90 of 10 scale-ups that waited for a node"), (
        "kept, though none waits now"
    )


def test_room_is_never_taken_to_come_back_sooner_than_is_assumed_of_a_node() -> None:
    """What waits for a node that a pool asked for before, waits a part of its time."""
    cold = [scaled(NOW - 610 * place, took=30, cold=True) for place in range(10)]
    assert refill(cold[:4]) is refill([]) is None
    assert refill(cold) == Lead(ASSUMED_LEAD_SECONDS, "assumed; P90 of 10 scale-ups that waited for a node: 30 s")
    stuck = [replace(scaled(NOW, took=400, cold=True), state=ScaleUpState.CENSORED, ended=NOW + 400) for _ in range(10)]
    stuck = [replace(each, moments={Stage.DECIDED: each.moments[Stage.DECIDED]}) for each in stuck]
    assert refill([*cold, *stuck]) == Lead(
        400.0, "at least: too many of 20 scale-ups that waited for a node never ended"
    )


def scaled(at: float, took: float, *, cold: bool = False) -> ScaleUp:
    moments = {Stage.DECIDED: Moment(at, at), Stage.READY: Moment(at + took, at + took)}
    pods = [PodTimes("a", "n", PodState.SERVING, {}, node_provisioned=cold)]
    return ScaleUp(f"{API}@{at}/{cold}", API, 1, 2, "hpa", "", moments, pods, ScaleUpState.COMPLETE, ended=at + took)


def test_a_store_that_fails_is_asked_again_later(
    store: Store, target: ScalingTarget, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = learner(store, target)

    def failing(*_: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(type(store), "rows", failing)
        found.refresh(NOW)
    assert "the disk is full" in caplog.text
    assert found.lead(target).why == "assumed"
    assert name_of(target) == NAME


def test_pods_that_just_became_ready_are_cold() -> None:
    samples = [
        Sample(API, 600 + 10 * part, 3, 3, 2 if part < 7 else 3, 20_000 if part < 7 else 30_000, 10_000, 1, 0.0)
        for part in range(30)
    ]
    assert pods_of(samples) == {
        600: Pods(2.0, rollout=False, cold=False),
        660: Pods(170_000 / 60_000, rollout=False, cold=True),
        720: Pods(3.0, rollout=False, cold=True),
        780: Pods(3.0, rollout=False, cold=True),
        840: Pods(3.0, rollout=False, cold=False),
    }
