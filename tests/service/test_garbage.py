"""How seldom Python looks for cycles in a service."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from maibo_slo.service import garbage

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("as_before")
def test_a_page_is_made_without_a_look_and_a_cycle_is_found_yet():
    class Cycle:
        gone = 0
        itself: object = None

        def __del__(self) -> None:
            Cycle.gone += 1

    garbage.settle()
    looks: list[int] = []

    def looked(phase: str, info: dict[str, int]) -> None:
        looks.append(info["generation"]) if phase == "start" else None

    gc.callbacks.append(looked)
    try:
        gc.collect(0)
        looks.clear()
        page = [[number] for number in range(10_000)]
        assert not looks
        cycle = Cycle()
        cycle.itself = cycle
        del page, cycle
        kept = [[number] for number in range(garbage.YOUNG + 1)]
        assert looks
        assert set(looks) == {0}
        assert Cycle.gone == 1
        del kept
    finally:
        gc.callbacks.remove(looked)
