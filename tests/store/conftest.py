from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import pytest

from maibo_slo.store.cells import CellKey
from maibo_slo.store.histogram import bin_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_slo.store import Store


class MakeKey(Protocol):
    def __call__(self, t: int, *, duration_ms: float = 100, outcome: str = "success", **dimensions: str) -> CellKey: ...


@pytest.fixture
def key() -> MakeKey:
    """A cell's key; what is not said is ordinary."""

    def make(t: int, *, duration_ms: float = 100, outcome: str = "success", **dimensions: str) -> CellKey:
        ordinary = {
            "journey": "checkout",
            "step": "",
            "environment": "prod",
            "service": "shop",
            "version": "1",
            "cluster": "c1",
            "region": "eu",
            "tier": "standard",
            "variant": "",
        }
        return CellKey(t=t, outcome=outcome, bin=bin_of(int(duration_ms * 1_000_000)), **(ordinary | dimensions))

    return make


@pytest.fixture
def present() -> int:
    """A round moment near now: rows much older would be dropped by the tables' retention."""
    return int(time.time()) // 3_600 * 3_600 - 3_600


@pytest.fixture
def counted(store: Store) -> Callable[[], tuple[int, int, int]]:
    """Events in cells_10s, cells_1m and cells_1h."""

    def count() -> tuple[int, int, int]:
        ten, minute, hour = (int(store.rows(f"SELECT sum(n) FROM cells_{tier}")[0][0]) for tier in ("10s", "1m", "1h"))
        return ten, minute, hour

    return count
