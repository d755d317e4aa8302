"""From cells to words: a real engine ticks over a real store, and an alert tells what customers feel."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from maibo_alerting.evaluating.evaluator import Evaluator
from maibo_slo.documents import Catalogue, CellSelector, Objective, Origin, Sli, Slo
from maibo_slo.engine.evaluate import Engine
from maibo_slo.store import segments
from maibo_slo.store.cells import CellKey, insert_cells
from maibo_slo.store.histogram import bin_of
from maibo_slo.store.segments import SegmentRecord

if TYPE_CHECKING:
    from pathlib import Path

    from maibo_slo.store import Store

SLO = Slo(
    name="checkout-fast",
    display_name="",
    description="",
    service="shop",
    indicator=Sli(
        "fast",
        CellSelector("checkout"),
        good=CellSelector("checkout", outcomes=frozenset({"success"}), max_duration_us=500_000),
    ),
    objectives=(Objective("0.999", 0.999),),
    window_seconds=28 * 86_400,
    labels={},
    origin=Origin("slos.yaml", 1),
    group_by=("tier",),
)


def cell(t: int, tier: str, version: str, outcome: str, milliseconds: int) -> CellKey:
    found = bin_of(milliseconds * 1_000_000)
    return CellKey(t // 10 * 10, "checkout", "", "", "api", version, "", "", tier, "", outcome, found)


def test_a_bad_release_for_some_is_told_with_their_share_p99_and_the_version(store: Store, tmp_path: Path) -> None:
    now = int(time.time()) // 60 * 60
    cells: Counter[CellKey] = Counter()
    for minute in range(240, 0, -1):
        for tier in ("gold", "free"):
            hurt = tier == "gold" and minute <= 6
            cells[cell(now - minute * 60, tier, "2" if hurt else "1", "success", 1840 if hurt else 100)] += 300
            cells[cell(now - minute * 60, tier, "2" if hurt else "1", "failure", 100)] += 100 if hurt else 0
    insert_cells(store, +cells, token="shop")
    minutes = tuple(sorted({key.t // 60 * 60 for key in cells}))
    segments.record(store, SegmentRecord("shop", 1, 1, 0, cells.total(), cells.total(), 0, 0, minutes))
    engine = Engine(store, lambda: Catalogue(slos={SLO.name: SLO}), memory_path=tmp_path / "engine.json")
    snapshot = engine.tick(now=now)
    while snapshot.pending_minutes:
        snapshot = engine.tick(now=now)
    evaluator = Evaluator(tmp_path / "alerts.state", store=store)
    alerts = evaluator.evaluate(snapshot, now=now).alerts
    evaluator.stop()
    assert {alert.group for alert in alerts} == {"tier=gold"}
    page = next(alert for alert in alerts if alert.severity == "page")
    assert page.annotations["summary"] == (
        "checkout (gold): the error budget burns 1,000 times as fast as the SLO allows"
    )
    lines = page.annotations["description"].split("\n")
    assert "failed or were too slow (100 %) in the last 5 min" in lines[0]
    assert lines[1] == "99 % took at most 1.83 s (P99); 500 ms is the threshold"
    assert lines[-2] == "Changed around that time:"
    assert lines[-1].endswith("(UTC): version of api: 1 → 2")
    assert page.labels["tier"] == "gold"
