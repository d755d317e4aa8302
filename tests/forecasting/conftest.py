"""Demand of several kinds, and targets, for the tests of forecasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from maibo_slo.documents.scaling_kinds import CapacitySpec, ForecastSpec, ScalingTarget
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

DAY = 1440


@pytest.fixture(scope="session")
def day_curve() -> Callable[[int], NDArray[np.float64]]:
    """So many days of a shop by the minute: 40 to 160 calls/s over each day, counted as they come (Poisson)."""

    def make(days: int) -> NDArray[np.float64]:
        at = np.arange(days * DAY)
        rate = 100 + 60 * np.sin(2 * np.pi * at / DAY)
        return np.random.default_rng(7).poisson(rate * 60) / 60

    return make


@pytest.fixture(scope="session")
def random_walk() -> Callable[[int], NDArray[np.float64]]:
    """A week of what nothing can tell: each minute is the one before it and a bit, by chance."""

    def make(seed: int) -> NDArray[np.float64]:
        return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, 7 * DAY)))

    return make


@pytest.fixture(scope="session")
def target() -> Callable[..., ScalingTarget]:
    """A ScalingTarget by its name; the rest as given."""

    def make(name: str = "checkout-api", **fields: object) -> ScalingTarget:
        known: dict[str, object] = {
            "name": name,
            "display_name": "",
            "description": "",
            "workload": Workload("shop", "Deployment", name),
            "services": (name,),
            "journeys": (),
            "slos": (),
            "environments": (),
            "capacity": CapacitySpec(fixed=40.0),
            "least": 2,
            "most": 100,
            "forecast": ForecastSpec(quantile=0.9),
        }
        return ScalingTarget(**{**known, **fields})  # type: ignore[arg-type]  # fields by name, checked where they are used

    return make
