"""What a page costs, of 500 series and 1,000 SLOs on the embedded store: each page that is kept open, and each anew.

    python benchmarks/pages.py            # a table
    python benchmarks/pages.py --json     # one object

`pages_data.py` says what there is: a day of 50 journeys of 10 series each, 20 SLOs over each journey, all of them judged by the real engine, 20 scaling
targets, and a busy day's alerts, scale-ups and changes. The whole application is asked in this process, for a page as a browser gets it: questions, the
store, the template. Before every round the engine ticks, as it does every 10 s beside a service's readers; a round asks each page twice: `_cold` when
nothing of it is remembered, as the first reader meets it after a while, and then as whoever keeps it open does, who finds no budget and no newest version of the tick before.
Milliseconds by the clock; P95 of 25 rounds; `cpu` is the median of what this process's threads took, which bears company better. Fails when P95 of a page
that is kept open is over 150 ms; a cold one that is over is told so, and fails nothing. `past` is the overview at an earlier moment, which sums the ledger
anew, and `everything` the one with all 1,000 SLOs as rows: both are told and have no limit. It takes two or three minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import numpy as np
from pages_data import LONG, catalogue, fill
from prometheus_client import CollectorRegistry

from maibo_slo.engine.evaluate import Engine
from maibo_slo.engine.scaling.scaler import Scaler
from maibo_slo.service import garbage
from maibo_slo.service.app import create_app
from maibo_slo.service.questions import Questions
from maibo_slo.service.scaling import Scaling
from maibo_slo.store import Store, open_store, versions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_MS = 150.0
PAGES = {
    "overview": "/",
    "overview_zh": "/?lang=zh",
    "journey": f"/journeys/{LONG}?window=1h",
    "journey_1d": f"/journeys/{LONG}?window=1d",
    "journey_7d": f"/journeys/{LONG}?window=7d",
    "slo": f"/slos/{LONG}-slo-3",
    "slo_7d": f"/slos/{LONG}-slo-3?window=7d",
    "alerts": "/alerts",
    "alert": "/alerts/alert@390",
    "changes": "/changes",
    "changes_7d": "/changes?window=7d",
    "scaleups": "/scaleups",
    "scaling": "/scaling",
    "target": f"/scaling/shop/{LONG}-api",
}
ROUNDS = 25
WARM_UP = 2


def main() -> None:
    parser = argparse.ArgumentParser(description="What a page costs.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="(%(default)s)")
    parser.add_argument("--only", nargs="*", choices=PAGES, help="these pages alone")
    arguments = parser.parse_args()
    pages = {name: PAGES[name] for name in arguments.only or PAGES}
    with tempfile.TemporaryDirectory() as folder, open_store(f"chdb://{folder}/store") as store:
        store.warm_up()
        result = measured(store, Path(folder), arguments.rounds, pages, unbounded=not arguments.only)
    over = [name for page in pages for name in (page, f"{page}_cold") if result[f"{name}_p95_ms"] > MOST_MS]
    if arguments.json:
        print(json.dumps({**result, "limit_ms": MOST_MS, "over": over}))
    else:
        told(result, over)
    sys.exit(1 if pages.keys() & over else 0)


def told(result: Mapping[str, float], over: list[str]) -> None:
    print(f"{'':<20}{'P50 ms':>10}{'P95 ms':>10}{'CPU ms':>10}{'kB':>10}")
    for name in [key.removesuffix("_p95_ms") for key in result if key.endswith("_p95_ms")]:
        numbers = "".join(f"{result[f'{name}_{each}']:>10,.1f}" for each in ("p50_ms", "p95_ms", "cpu_ms", "kb"))
        print(f"{name:<20}{numbers}{f'   over {MOST_MS:.0f}' if name in over else ''}")


def measured(store: Store, folder: Path, rounds: int, pages: Mapping[str, str], *, unbounded: bool) -> dict[str, float]:
    now = int(time.time()) // 60 * 60 + 30
    fill(store, now)
    known = catalogue()
    engine = Engine(store, lambda: known, memory_path=folder / "memory.json")
    for _ in range(20):
        if not engine.tick(now=now).pending_minutes:
            break
    scaler = Scaler(store, lambda: known, now=lambda: now)
    scaler.tick(now)
    questions = Questions(store, lambda: known, engine, scaling=Scaling(store, lambda: known, signals=scaler.signals))
    clock = itertools.count(now, 0.001)  # within the minute that was judged, and never back
    app = create_app(questions, registry=CollectorRegistry(), now=lambda: next(clock))
    garbage.settle()  # as the service does when it has started
    before = f"{datetime.fromtimestamp(now - 1800, UTC):%Y-%m-%dT%H:%M:%SZ}"
    rest = {"past": f"/?window=5m&at={before}", "everything": "/?all=1"} if unbounded else {}
    result: dict[str, float] = {}
    for asked, often, forgetting in ((pages, rounds, True), (rest, rounds // 4, False)):
        result |= asyncio.run(
            figures(
                app,
                asked,
                often,
                after=lambda: tick(engine, questions, now),
                forget=(lambda everything: forget(questions, everything=everything)) if forgetting else None,
            )
        )
    return result


def tick(engine: Engine, questions: Questions, now: int) -> None:
    """What the service's loop does every 10 s, in its own thread."""
    engine.tick(now=now)
    questions.prepare(now)


def forget(questions: Questions, *, everything: bool) -> None:
    """What is kept for those who ask the same again; else what is old after a tick."""
    over = time.time() - versions.OVER_SECONDS
    questions._spent.forget()
    questions._changes._versions.kept.forget(lambda asked: everything or asked[0].end > over)
    if everything:
        questions._burnt.forget()
        questions._hours.forget()
        questions._scaleups.seen.kept.forget()
        questions._changes._events.kept.forget()


async def figures(
    app: object,
    pages: Mapping[str, str],
    rounds: int,
    *,
    after: Callable[[], None],
    forget: Callable[[bool], None] | None,
) -> dict[str, float]:
    """By page: milliseconds of its rounds by the clock and of this process's threads, and kB."""
    took: dict[str, list[tuple[float, float]]] = {}
    result: dict[str, float] = {}
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1", timeout=60, cookies=None
    ) as http:
        for number in range(WARM_UP + rounds):
            after()
            for name, path in pages.items():
                for how in ("_cold", "") if forget else ("",):
                    if forget:
                        forget(bool(how))
                    began, ran = time.perf_counter(), time.process_time()
                    answer = await http.get(path)
                    spent = (time.perf_counter() - began) * 1000, (time.process_time() - ran) * 1000
                    http.cookies.clear()
                    assert answer.status_code == 200, (path, answer.text[:500])
                    result[f"{name}{how}_kb"] = len(answer.content) / 1000
                    if number >= WARM_UP:
                        took.setdefault(f"{name}{how}", []).append(spent)
    for name, rows in took.items():
        clock, cpu = np.array(rows).T
        p50, p95 = np.percentile(clock, [50, 95])
        result |= {f"{name}_p50_ms": float(p50), f"{name}_p95_ms": float(p95), f"{name}_cpu_ms": float(np.median(cpu))}
    return result


if __name__ == "__main__":
    main()
