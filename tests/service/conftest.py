"""A whole service over a real store and real HTTP; only the time is ours."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import httpx2
import pytest

from maibo_slo.documents import Catalogue, CellSelector, Journey, Objective, Origin, Service, Sli, Slo, Step
from maibo_slo.documents.scaling_kinds import CapacitySpec, ScalingTarget
from maibo_slo.plugins import Plugin
from maibo_slo.service.runtime import Runtime, Settings
from maibo_slo.store import Store, cells, open_store, segments
from maibo_slo.store.cells import CellKey
from maibo_slo.store.histogram import bin_of
from maibo_slo.store.segments import SegmentRecord
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = int(time.time()) // 60 * 60 + 5
ORIGIN = Origin("shop.yaml", 1)
STEPS = (Step("cart", "Cart"), Step("payment", "Payment"), Step("gift", "Gift wrap"))
CHECKOUT = Journey("checkout", "Checkout", "Buy what is in the cart", "shop", STEPS, 1800, 500_000, {}, ORIGIN)
SILENT = replace(CHECKOUT, name="silent", display_name="Silent")
GOOD = CellSelector("checkout", outcomes=frozenset({"success"}), max_duration_us=500_000)
FAST = Slo(
    "checkout-fast",
    "Checkout is fast",
    "Within half a second",
    "shop",
    Sli("checkout-fast", CellSelector("checkout"), good=GOOD),
    (Objective("0.9", 0.9), Objective("0.99", 0.99)),
    28 * 86_400,
    {},
    ORIGIN,
)
IDLE = Slo(
    "silent-works",
    "Silent works",
    "",
    "shop",
    Sli("silent-works", CellSelector("silent"), good=CellSelector("silent", outcomes=frozenset({"success"}))),
    (Objective("0.999", 0.999),),
    7 * 86_400,
    {},
    ORIGIN,
)
TARGET = ScalingTarget(
    "checkout-api",
    "Checkout API",
    "",
    Workload("shop", "Deployment", "checkout-api"),
    services=("checkout-api",),
    journeys=("checkout",),
    slos=("checkout-fast",),
    environments=(),
    capacity=CapacitySpec(fixed=40.0),
    least=2,
    most=30,
    origin=ORIGIN,
)
CATALOGUE = Catalogue(
    services={"shop": Service("shop", "Shop", "", {}, ORIGIN)},
    journeys={"checkout": CHECKOUT, "silent": SILENT},
    slos={"checkout-fast": FAST, "silent-works": IDLE},
    scaling_targets={"checkout-api": TARGET},
)


@dataclass(slots=True)
class Running:
    """A service on a port of its own, in a thread of its own."""

    runtime: Runtime
    store: Store
    http: httpx2.Client
    now: float = NOW
    announced: list[str] = field(default_factory=list)

    def tick(self) -> None:
        self.runtime.engine.tick(now=self.now)


def traffic() -> Counter[CellKey]:
    """Ten minutes of checkouts: 90 good, 6 slow, 3 failed, 1 abandoned; by tier, version and region; with steps."""
    counted: Counter[CellKey] = Counter()

    def add(
        n: int, ago: int, ms: int, outcome: str = "success", step: str = "", tier: str = "standard", release: str = ""
    ) -> None:
        t = (NOW - ago) // 10 * 10
        version, region = ("v2", "eu") if tier == "vip" else ("v1", "us")
        counted[
            CellKey(
                t,
                "checkout",
                step,
                "",
                step or "shop",
                release or version,
                "",
                region,
                tier,
                "",
                outcome,
                bin_of(ms * 10**6),
            )
        ] += n

    add(60, 30, 100)
    add(30, 90, 200, tier="vip")
    add(6, 90, 900)
    add(3, 30, 50, "failure")
    add(1, 90, 5000, "abandoned")
    add(90, 30, 40, step="payment", release="v8")
    add(7, 30, 900, "failure", step="payment", release="v9")
    add(99, 30, 10, step="cart")
    add(5, 30, 10, step="unlisted")
    return counted


@pytest.fixture(scope="module")
def fresh_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for a module, not for the session: other tests need the engine, which serves one folder at a time."""
    with open_store(f"chdb://{tmp_path_factory.mktemp('service') / 'store'}") as opened:
        opened.warm_up()
        cells.insert_cells(opened, traffic(), token="traffic")
        minutes = tuple(sorted({cell.t // 60 * 60 for cell in traffic()}))
        segments.record(opened, SegmentRecord("traffic", 1, 3, 1, 350, 301, 40, 9, minutes))
        yield opened


def greeting() -> Plugin:
    """A stranger's plugin."""
    from fastapi import APIRouter

    def routes(context: object) -> APIRouter:
        made = APIRouter()
        made.add_api_route("/greeting", lambda: {"hello": "world"})
        made.add_api_route("/broken", lambda: 1 / 0)
        return made

    return Plugin("greeting", routes=routes)


@pytest.fixture(scope="module")
def service(fresh_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running service with traffic in it, evaluated once at NOW."""
    import uvicorn

    data_dir = tmp_path_factory.mktemp("data")
    holder: list[Running] = []
    runtime = Runtime(
        fresh_store,
        Settings(store=str(fresh_store), data_dir=data_dir),
        catalogue=CATALOGUE,
        installed=[greeting()],
        now=lambda: holder[0].now if holder else NOW,
    )
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(runtime.app(), log_config=None))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with httpx2.Client(base_url=url, trust_env=False, timeout=20) as http:
        running = Running(runtime, fresh_store, http)
        holder.append(running)
        runtime.health.report("engine", None)
        running.tick()
        yield running
        server.should_exit = True
        thread.join(10)
    listener.close()
