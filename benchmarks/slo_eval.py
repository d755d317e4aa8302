"""What judging costs: every window of 1,000 SLOs over 500 series with 30 days behind them, and a tick of 10,000 SLOs.

    python benchmarks/slo_eval.py            # a table
    python benchmarks/slo_eval.py --json     # one object

The ledger is full: each SLO has events in each of the 43,200 minutes, and 7 burn windows and its own of 30 days are asked for. The baseline, in the same
run, is one query that sums the whole ledger (`ledger.window_sums`), whose answer has to be equal. P99 are those of each SLO's series over the 7 burn windows, from cells;
their baseline asks for one window after the other, and each bin has to be equal.

Best of several rounds; `*_s` are seconds by the clock, `*_cpu_s` those of all this process's threads. It takes about two minutes and 2 GB, and never fails on time:
a busy machine says nothing about the code.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from maibo_slo.documents import Catalogue, CellSelector, Objective, Origin, Sli, Slo
from maibo_slo.engine.burn import BURN_WINDOWS
from maibo_slo.engine.evaluate import Engine
from maibo_slo.engine.memory import Counted, Memory, remember
from maibo_slo.engine.sums import Name, Reach, Sums
from maibo_slo.engine.tracks import source_of
from maibo_slo.store import Store, cells, ledger, open_store, segments
from maibo_slo.store.cells import CellFilter, CellKey, Distribution, Window, distributions
from maibo_slo.store.histogram import Histogram, bin_of
from maibo_slo.store.segments import SegmentRecord
from maibo_slo.store.tables import TIERS
from maibo_slo.store.windows import histograms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from maibo_slo.engine.sums import Found

    Histograms = Mapping[tuple[str, ...], tuple[Histogram, ...]]

HOUR, DAY = 3_600, 86_400
JOURNEYS, SERIES_OF_EACH, DAYS = 50, 10, 30
WINDOW = DAYS * DAY
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description="What judging SLOs costs.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--slos", type=int, default=1_000, help="in the full ledger (%(default)s)")
    parser.add_argument("--many", type=int, default=10_000, help="in the tick of many (%(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, open_store(f"chdb://{folder}/store") as store:
        store.warm_up()
        # Within an hour, so that no window begins or ends with one.
        now = int(time.time()) // HOUR * HOUR - 23 * 60
        result = windows(store, arguments.slos, now)
        result |= ticks(store, arguments.many, now, Path(folder))
    if arguments.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:<40}{value:>16,.4f}")


def windows(store: Store, slos: int, now: int) -> dict[str, float]:
    """Of a ledger and of cells that are full."""
    asked = {Name(f"slo-{n}", "fast"): Reach(WINDOW) for n in range(slos)}
    sums = Sums(store)
    sums.at(now, asked)
    empty_s, _ = best(lambda: tick_of(sums, asked, now))
    fill_ledger(store, slos, now)
    ledger.append(store, written(asked, now), version=2)
    lengths = {name.slo: (*BURN_WINDOWS.values(), WINDOW) for name in asked}
    query_s, query_cpu_s = best(lambda: ledger.window_sums(store, now=now, windows=lengths), rounds=2)
    sums = Sums(store)
    load_s, _ = best(lambda: sums.at(now, asked), rounds=1)
    counts_s, counts_cpu_s = best(lambda: tick_of(sums, asked, now))
    hour_s, _ = best(lambda: sums.at(now + HOUR, asked), rounds=1)
    found = sums.at(now + HOUR, asked)
    queried = {
        (Name(each.slo, each.objective), each.window_seconds): (each.good, each.bad, each.observed_minutes)
        for each in ledger.window_sums(store, now=now + HOUR, windows=lengths)
    }
    for (name, seconds), expected in queried.items():
        counts = found[name].own if seconds == WINDOW else found[name].counts[seconds]
        assert (counts.good, counts.bad, counts.observed_minutes) == expected, f"{name} over {seconds} s"
    fill_cells(store, now)
    assert burn_histograms(store, now) == one_by_one(store, now), "P99 are of other events"
    p99_s, p99_cpu_s = best(lambda: p99(burn_histograms(store, now)), rounds=3)
    _, one_by_one_cpu_s = best(lambda: p99(one_by_one(store, now)), rounds=2)
    return {
        "slos": slos,
        "windows": len(asked) * (len(BURN_WINDOWS) + 1),
        "counts_s": counts_s,
        "counts_cpu_s": counts_cpu_s,
        "counts_empty_s": empty_s,
        "query_s": query_s,
        "query_cpu_s": query_cpu_s,
        "query_x": query_s / counts_s,
        "p99_s": p99_s,
        "p99_cpu_s": p99_cpu_s,
        "p99_x": one_by_one_cpu_s / p99_cpu_s,
        "with_p99_s": counts_s + p99_s,
        "load_s": load_s,
        "hour_s": hour_s,
        "kb_per_slo": sums.bytes / slos / 1_000,
    }


def tick_of(sums: Sums, asked: Mapping[Name, Reach], now: int) -> dict[Name, Found]:
    """As each tick does it: the running minute and the one before were written again, then every window is asked for."""
    sums.put(written(asked, now))
    return sums.at(now, asked)


def written(asked: Mapping[Name, Reach], now: int) -> list[ledger.Interval]:
    minutes = (now // 60 * 60 - 60, now // 60 * 60)
    return [ledger.Interval(*name, t, 900, 3, 903, "benchmark") for t in minutes for name in asked]


def p99(of_windows: Histograms) -> list[list[float | None]]:
    """Of each series over each burn window."""
    return [[histogram.quantile(0.99) for histogram in each] for each in of_windows.values()]


def burn_histograms(store: Store, now: int) -> Histograms:
    """Of each series over each burn window, to the minute."""
    end = now // 60 * 60 + 60
    return histograms(store, end, list(BURN_WINDOWS.values()), CellFilter(step=""), by=("journey", "tier"))


def one_by_one(store: Store, now: int) -> Histograms:
    """The same from a query for each part of each window. Windows end together, so each is the next shorter one and a ring around it; the whole
    hours of a ring are read as hours.
    """
    end = now // 60 * 60 + 60
    parts: dict[tuple[str, ...], list[Distribution]] = {}
    found: dict[tuple[str, ...], tuple[Histogram, ...]] = {}
    newer = end
    for length in BURN_WINDOWS.values():
        for ring in rings(end - length, newer):
            for each in distributions(store, ring, CellFilter(step=""), by=("journey", "tier")):
                parts.setdefault(each.group, []).append(each)
        newer = end - length
        for group, some in parts.items():
            together = Distribution.of(some)
            found[group] = (*found.get(group, ()), together.histogram())
            parts[group] = [together]
    return found


def rings(begin: int, end: int) -> list[Window]:
    """The whole hours of [begin, end) from hours' cells, what is before and after them from minutes'."""
    first, last = -(-begin // HOUR) * HOUR, end // HOUR * HOUR
    if last <= first:
        return [Window(begin, end, TIERS[1])]
    edges = [Window(*edge, TIERS[1]) for edge in ((begin, first), (last, end)) if edge[0] < edge[1]]
    return [Window(first, last, TIERS[2]), *edges]


def ticks(store: Store, slos: int, now: int, folder: Path) -> dict[str, float]:
    """Whole ticks of the engine: cells of 500 series that changed, to an objective's state."""
    catalogue = Catalogue(slos={slo.name: slo for slo in map(slo_of, range(slos))})
    memory = folder / "engine.json"
    counted = {
        f"{slo.name}/{slo.objectives[0].name}": Counted(source_of(slo, slo.objectives[0]), WINDOW)
        for slo in catalogue.slos.values()
    }
    _, mark = segments.changed_minutes(store, 0)
    remember(memory, Memory(mark=mark, counted=counted), store=str(store))
    engine = Engine(store, lambda: catalogue, memory_path=memory)
    before = resident_mb()
    first_s, _ = best(lambda: engine.tick(now=now), rounds=1)
    grown = resident_mb() - before
    idle_s, idle_cpu_s = best(lambda: engine.tick(now=now), rounds=3)
    spent = []
    for beat in range(1, 4):
        feed(store, now + 10 * beat, beat)
        spent.append(best(partial(engine.tick, now=now + 10 * beat), rounds=1))
    tick_s, tick_cpu_s = min(spent)
    assert all(one.counts[300].good for one in engine.snapshot().observed), "a tick counted nothing"
    return {
        "many_slos": slos,
        "many_first_tick_s": first_s,
        "many_idle_tick_s": idle_s,
        "many_idle_tick_cpu_s": idle_cpu_s,
        "many_tick_s": tick_s,
        "many_tick_cpu_s": tick_cpu_s,
        "many_resident_kb_per_slo": grown * 1_000 / slos,
    }


def slo_of(number: int) -> Slo:
    """Of one journey and tier, with a threshold that few others have."""
    journey, tier = f"journey-{number % JOURNEYS}", f"tier-{number // JOURNEYS % SERIES_OF_EACH}"
    where = {"tier": (tier,)}
    good = CellSelector(
        journey, outcomes=frozenset({"success"}), max_duration_us=(10 + number % 90) * 10_000, where=where
    )
    indicator = Sli(f"many-{number}", CellSelector(journey, where=where), good=good)
    objective = Objective("fast", 0.999)
    return Slo(f"many-{number}", "", "", "shop", indicator, (objective,), WINDOW, {}, Origin("benchmark.yaml", 1))


def feed(store: Store, t: int, beat: int) -> None:
    """What comes in 10 s: 12 cells of each series."""
    counts: Counter[CellKey] = Counter()
    for journey in range(JOURNEYS):
        for tier in range(SERIES_OF_EACH):
            for place in range(12):
                outcome = "failure" if place == 11 else "success"
                duration_ns = (place + 1) * (40 + journey) * 1_000_000
                key = CellKey(
                    t // 10 * 10, f"journey-{journey}", "", "", "", "", "", "", f"tier-{tier}", "", outcome, bin_of(duration_ns)
                )  # fmt: skip
                counts[key] += 4
    cells.insert_cells(store, counts, token=f"beat-{beat}")
    record = SegmentRecord(f"beat-{beat}", int(time.time() * 1_000), 1, 0, 24_000, 24_000, 0, 0, (t // 60 * 60,))
    segments.record(store, record)


def fill_ledger(store: Store, slos: int, now: int) -> None:
    """By the store itself: how these rows come in is not measured."""
    minutes = WINDOW // 60
    store.execute(
        f"INSERT INTO sli SELECT 'slo-' || toString(intDiv(number, {minutes})), 'fast', '', "
        f"toDateTime({now // 60 * 60} - 60 * (number % {minutes})), rand() % 2000, rand(1) % 20, 2000, 'benchmark', 1 "
        f"FROM numbers({slos * minutes})"
    )


def fill_cells(store: Store, now: int) -> None:
    """Three days of minutes, 8 cells in each of each series, and their hours."""
    rows = 3 * DAY // 60 * JOURNEYS * SERIES_OF_EACH * 8
    store.execute(
        "INSERT INTO cells_1m (t, journey, tier, outcome, bin, n) "
        f"SELECT toDateTime({now // 60 * 60} - 60 * intDiv(number, {JOURNEYS * SERIES_OF_EACH * 8})), "
        f"'journey-' || toString(intDiv(number, 80) % {JOURNEYS}), 'tier-' || toString(intDiv(number, 8) % {SERIES_OF_EACH}), "
        f"number % 8 = 0 ? 'failure' : 'success', toUInt16(800 + 60 * randNormal(0, 1)), 4 FROM numbers({rows})"
    )
    store.execute(
        "INSERT INTO cells_1h (t, journey, tier, outcome, bin, n) "
        "SELECT toStartOfHour(t) AS hour, journey, tier, outcome, bin, sum(n) FROM cells_1m GROUP BY hour, journey, tier, outcome, bin"
    )


def best(what: Callable[[], object], *, rounds: int = ROUNDS) -> tuple[float, float]:
    """Seconds and CPU-seconds of the quickest round."""
    spent = []
    for _ in range(rounds):
        begun, begun_cpu = time.perf_counter(), time.process_time()
        what()
        spent.append((time.perf_counter() - begun, time.process_time() - begun_cpu))
    return min(spent)


def resident_mb() -> float:
    """What this process has in memory now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
