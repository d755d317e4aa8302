"""Targets and inputs for the tests of scaling."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from maibo_slo.documents.scaling_kinds import CapacitySpec, ForecastSpec, ScalingTarget
from maibo_slo.engine.scaling.decide import Memory, decide
from maibo_slo.engine.scaling.inputs import Capacity, Demand, Inputs
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_slo.engine.scaling.inputs import Decision

TARGET = ScalingTarget(
    name="checkout-api",
    display_name="Checkout",
    description="",
    workload=Workload("shop", "Deployment", "checkout-api"),
    services=("checkout-api",),
    journeys=(),
    slos=("checkout",),
    environments=(),
    capacity=CapacitySpec(fixed=10.0, utilisation=1.0),
    least=1,
    most=100,
    dead_band=0.1,
    scale_down_seconds=300,
    forecast=ForecastSpec(quantile=0.9),
)


@pytest.fixture
def make_target() -> Callable[..., ScalingTarget]:
    """``make_target(most=5)``: 10 calls a second of a replica, 1 to 100 of them; a wide band and a long memory, whatever the defaults are."""

    def make(**changed: Any) -> ScalingTarget:
        return replace(TARGET, **changed)

    return make


@pytest.fixture
def make_inputs() -> Callable[..., Inputs]:
    """``make_inputs(0.0, 50)``: at that moment, so many calls a second."""

    def make(now: float, rate: float | None, *, surge: bool = False, **changed: Any) -> Inputs:
        demand = None if rate is None else Demand(rate, now, round(rate * 30), 30.0, surge=surge)
        given = {"demand": demand, "capacity": Capacity(10.0, 10.0, 10.0, learned=False, why="fixed"), **changed}
        return Inputs(now, **given)

    return make


class Deciding:
    """Decides again and again, and remembers."""

    def __init__(self, target: ScalingTarget) -> None:
        self.target = target
        self.memory = Memory()

    def __call__(self, inputs: Inputs) -> Decision:
        decision, self.memory = decide(self.target, inputs, self.memory)
        return decision


@pytest.fixture
def deciding() -> type[Deciding]:
    """``deciding(target)(inputs).desired``."""
    return Deciding
