"""A whole service over a real store and real HTTP; only the time is ours."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import httpx2
import pytest

from maibo_slo.documents import Catalogue, CellSelector, Journey, Objective, Origin, Service, Sli, Slo, Step
from maibo_slo.documents.scaling_kinds import CapacitySpec, ScalingTarget
from maibo_slo.plugins import Plugin
from maibo_slo.service.meanwhile import Meanwhile
from maibo_slo.service.runtime import Runtime, Settings
from maibo_slo.store import Store, cells, open_store, segments
from maibo_slo.store.cells import CellKey
from maibo_slo.store.histogram import bin_of
from maibo_slo.store.segments import SegmentRecord
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    capacity=CapacitySpec(fixed=40.0, utilisation=0.8),
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
        """Until all is counted: on a busy machine one tick's time is not enough for it."""
        until = time.monotonic() + 60
        while self.runtime.engine.tick(now=self.now).pending_minutes:
            assert time.monotonic() < until, "the engine does not get to the end of it"


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


@pytest.fixture
def no_thread_free() -> Iterator[Callable[[], None]]:
    """No question is asked meanwhile until this is called; it returns when every one that waited has had its turn."""
    free, over = threading.Event(), threading.Event()
    taken = [Meanwhile(free.wait) for _ in range(2)]

    def let_go() -> None:
        free.set()
        last = Meanwhile(over.set)
        assert over.wait(60)
        assert last.answer() is None

    yield let_go
    free.set()
    assert all(each.answer() for each in taken)


def greeting() -> Plugin:
    """A stranger's plugin."""
    from fastapi import APIRouter

    def routes(context: object) -> APIRouter:
        made = APIRouter()
        made.add_api_route("/greeting", lambda: {"hello": "world"})
        made.add_api_route("/v1/greeting", lambda: {"hello": "world"}, methods=["POST"])
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


class Reading(HTMLParser):
    """What a page is made of: labels of its drawings, links, and whether something would run or came from outside as markup."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.labels: list[str] = []
        self.links: list[str] = []
        self.forbidden: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if said.get("role") == "img":
            self.labels.append(said.get("aria-label") or "")
        if tag == "a":
            self.links.append(said.get("href") or "")
        if "style" in said or any(name.startswith("on") for name in said) or tag in ("style", "iframe", "noon"):
            self.forbidden.append(tag)


@pytest.fixture(scope="session")
def reading() -> type[Reading]:
    """``reading(html)``."""
    return Reading


TERMS = frozenset(
    {"API", "HPA", "HTTP", "JSON", "Journey", "KEDA", "Kubernetes", "OTLP", "OpenTelemetry", "Pod", "Prometheus", "RatioTimeslices"}
    | {"SDK", "SLI", "SLO", "SLOs", "ScalingTarget", "UTC", "gRPC", "maibo", "min", "ms", "span"}
)  # fmt: skip
"""What Chinese writes as English does, and units."""
COMMANDS = (
    "maibo serve --alert-destinations FILE", "maibo version", "maibo-alerting", "OTLP over HTTP", "service.version", "metrics-api", "/metrics", "--kubernetes",
)  # fmt: skip


class Words(HTMLParser):
    """Every text of a page that somebody reads or hears, but for names (<bdi>), code, and what is in another language."""

    SILENT = frozenset({"bdi", "code", "pre", "script", "style"})
    HEARD = (
        "title", "aria-label", "placeholder",
        "data-ago", "data-ago-paused", "data-pause", "data-resume", "data-then", "data-silent", "data-answers",
    )  # fmt: skip

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._silent: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        foreign = tag != "html" and "lang" in said
        if self._silent or tag in self.SILENT or foreign:
            self._silent += [tag] if tag not in {"rect", "path", "line", "circle", "input", "meta", "link"} else []
            return
        self.texts += [said[name] or "" for name in self.HEARD if name in said]

    def handle_endtag(self, tag: str) -> None:
        if self._silent and self._silent[-1] == tag:
            self._silent.pop()

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.texts.append(data.strip())


@pytest.fixture(scope="session")
def english_left() -> Callable[..., list[str]]:
    """``english_left(html, "a name", ...)``: texts of a Chinese page with an English word that is in none of these names."""

    def left(html: str, *names: str) -> list[str]:
        assert '<html lang="zh-Hans">' in html
        found = []
        for text in Words(html).texts:
            bare = text
            for name in sorted((*COMMANDS, *names), key=len, reverse=True):
                bare = bare.replace(name, "")
            if not set(re.findall(r"(?<![A-Za-z0-9])[A-Za-z]{2,}(?![A-Za-z0-9])", bare)) <= TERMS:
                found.append(text)
        return list(dict.fromkeys(found))

    return left
