"""What the embedded store costs: opening, inserting cells, asking for distributions and window sums, bytes an event.

    python benchmarks/store.py            # a table
    python benchmarks/store.py --json     # one object, times in seconds

500 series (50 journeys in 10 tiers) over one hour, every 10 s bucket of each with 8 cells of lognormal durations, 4 events each on
average; a ledger of 100 objectives over 30 days. Medians of 5; takes about a minute. Nothing here is a limit: figures are for
comparing a change with what was before it, on the same machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maibo_slo.store import Store, open_store
from maibo_slo.store.cells import CellFilter, CellKey, Window, cells_of_minutes, distributions, insert_cells, series
from maibo_slo.store.histogram import bin_of
from maibo_slo.store.ledger import window_sums
from maibo_slo.store.schema import info
from maibo_slo.store.segments import claim

if TYPE_CHECKING:
    from collections.abc import Callable

JOURNEYS, TIERS, CELLS = 50, 10, 8
WINDOWS = (300, 1_800, 3_600, 7_200, 21_600, 86_400, 259_200, 2_592_000)


def main() -> None:
    parser = argparse.ArgumentParser(description="What the embedded store costs.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder) / "store")
    if arguments.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:<44}{value:>14,.4f}")


def measure(folder: Path) -> dict[str, float]:
    result: dict[str, float] = {}
    now = int(time.time()) // 60 * 60
    begun = time.perf_counter()
    store = open_store(f"chdb://{folder}")
    result["open_s"] = time.perf_counter() - begun
    with store:
        result["warm_up_s"] = seconds(store.warm_up, times=1)
        random = np.random.default_rng(1)
        events = 0
        for minute in range(now - 3_600, now, 60):
            cells = {key: n for bucket in range(minute, minute + 60, 10) for key, n in _cells(random, bucket).items()}
            events += sum(cells.values())
            insert_cells(store, cells, token=f"minute-{minute}")
        batches = iter([dict(list(_cells(random, now - 3_600).items())[:2_000]) for _ in range(5)])
        result["insert_2000_cells_s"] = seconds(lambda: insert_cells(store, next(batches), token=os.urandom(8).hex()))
        hour = Window(now - 3_600, now)
        by = ("journey", "tier")
        result["distributions_500_series_1h_s"] = seconds(lambda: distributions(store, hour, CellFilter(), by=by))
        one = CellFilter(journey="journey-7")
        result["distributions_one_journey_1h_s"] = seconds(lambda: distributions(store, hour, one, by=("tier",)))
        result["series_one_journey_1h_s"] = seconds(lambda: series(store, hour, one, slice_seconds=60))
        result["cells_of_two_minutes_s"] = seconds(
            lambda: cells_of_minutes(store, [now - 120, now - 60], {f"journey-{i}" for i in range(JOURNEYS)})
        )
        result["claim_500_bodies_s"] = seconds(lambda: claim(store, "s", [os.urandom(16) for _ in range(500)]))
        _fill_ledger(store, now)
        windows = {f"slo-{i}": WINDOWS for i in range(100)}
        result["window_sums_100_slos_30d_s"] = seconds(lambda: window_sums(store, now=now, windows=windows))
        for tier in ("10s", "1m", "1h"):
            store.execute(f"OPTIMIZE TABLE cells_{tier} FINAL")
        for table in info(store).tables:
            if table.table.startswith("cells"):
                result[f"{table.table}_bytes_per_event"] = table.bytes_on_disk / events
    return result


def seconds(what: Callable[[], object], *, times: int = 5) -> float:
    spent = []
    for _ in range(times):
        begun = time.perf_counter()
        what()
        spent.append(time.perf_counter() - begun)
    return statistics.median(spent)


def _cells(random: np.random.Generator, bucket: int) -> dict[CellKey, int]:
    durations_ns = random.lognormal(18.5, 0.7, (JOURNEYS, TIERS, CELLS)).astype(np.int64)
    bins, counts = bin_of(durations_ns), random.integers(1, 8, durations_ns.shape)
    cells = {}
    for (journey, tier, cell), found in np.ndenumerate(bins):
        key = CellKey(
            bucket, f"journey-{journey}", "", "prod", f"service-{journey % 7}", "1.0", "c1", "eu", f"tier-{tier}", "",
            "failure" if cell == 0 else "success", int(found),
        )  # fmt: skip
        cells[key] = int(counts[journey, tier, cell])
    return cells


def _fill_ledger(store: Store, now: int) -> None:
    """By the engine itself: how these rows came in is not measured."""
    store.execute(
        f"INSERT INTO sli SELECT 'slo-' || toString(number % 100), 'fast', '', toDateTime({now} - 60 * intDiv(number, 100)), "
        "rand() % 100, rand() % 3, 100, 'benchmark', 1 FROM numbers(100 * 43200)"
    )


if __name__ == "__main__":
    main()
