"""A store with counts in it, and its ClickHouse interface, served by the plugin's own task on a free port."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import pytest
import yaml
from prometheus_client import CollectorRegistry

from maibo_slo.clickhouse_http.listener import run
from maibo_slo.clickhouse_http.plugin import ADDRESS, TOKENS
from maibo_slo.documents import Catalogue
from maibo_slo.plugins import Context
from maibo_slo.service.listen import listen
from maibo_slo.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MINUTES = 120
CANARY = "canary-of-a-file-nobody-may-read"


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> int:
        """ClickHouse's; 0 for an answer."""
        return int(self.headers.get("x-clickhouse-exception-code", "0"))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where it is served; ``endpoint.ask("SELECT 1", default_format="JSON")``."""

    store: Store
    url: str

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        connection = http.client.HTTPConnection(*self.address, timeout=20)
        try:
            connection.request(method, path, body, dict(headers or {}))
            got = connection.getresponse()
            return Reply(got.status, {name.lower(): value for name, value in got.getheaders()}, got.read())
        finally:
            connection.close()

    def ask(self, sql: str, headers: Mapping[str, str] | None = None, **url: str) -> Reply:
        return self.request("POST", f"/?{urlencode(url)}", sql.encode(), headers)


def _context(store: Store, folder: Path, options: Mapping[str, str], announced: dict[str, str]) -> Context:
    return Context(
        store=store,
        data_dir=folder,
        catalogue=Catalogue,
        options=options,
        registry=CollectorRegistry(),
        report=lambda *_: None,
        stopping=asyncio.Event(),
        listen=listen,
        announce=announced.__setitem__,
    )


@contextmanager
def _serving(store: Store, folder: Path, tokens: str = "") -> Iterator[Endpoint]:
    announced: dict[str, str] = {}
    started: dict[str, Any] = {}

    async def serve() -> None:
        context = _context(store, folder, {ADDRESS: "127.0.0.1:0", TOKENS: tokens}, announced)
        started["stop"] = context.stopping, asyncio.get_running_loop()
        await run(context)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    while ADDRESS not in announced:
        assert thread.is_alive()
        time.sleep(0.005)
    try:
        yield Endpoint(store, announced[ADDRESS])
    finally:
        stopping, loop = started["stop"]
        loop.call_soon_threadsafe(stopping.set)
        thread.join()


@pytest.fixture(scope="session")
def serving() -> Callable[..., Any]:
    """``with serving(store, folder, tokens="…") as endpoint``."""
    return _serving


@pytest.fixture(scope="session")
def make_context() -> Callable[..., Context]:
    return _context


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Two journeys in the last two hours. One store a module: the engine serves one folder a process at a time."""
    with open_store(f"chdb://{tmp_path_factory.mktemp('filled') / 'store'}") as store:
        minute = int(time.time()) // 60 * 60
        store.execute(
            f"INSERT INTO cells_1m (t, journey, service, outcome, bin, n) SELECT toDateTime({minute} - 60 * (number % {MINUTES}), 'UTC'), "
            "if(number % 2 = 0, 'place-order', 'search ☃'), 'shop', if(number % 7 = 0, 'failure', 'success'), number % 300, number + 1 "
            "FROM numbers(5000)"
        )
        store.execute(
            "INSERT INTO bodies (hash, segment) SELECT toFixedString('hash-of-a-body-1', 16), 'secret-segment'"
        )
        yield store


@pytest.fixture(scope="module")
def endpoint(filled: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with _serving(filled, tmp_path_factory.mktemp("data")) as served:
        yield served


@dataclass
class World:
    """What hostile statements are after: a file, a folder to write to, and a host that answers. Knows who came."""

    file: Path
    out: Path
    port: int
    callers: int = 0

    def said(self, sql: str) -> str:
        return sql.replace("{file}", str(self.file)).replace("{out}", str(self.out)).replace("{port}", str(self.port))

    def untouched(self) -> bool:
        return self.callers == 0 and not list(self.out.iterdir())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    file, out = folder / "passwd.csv", folder / "out"
    file.write_text(f"{CANARY}\n")
    out.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = World(file, out, listener.getsockname()[1])
        listener.settimeout(0.05)
        done = threading.Event()

        def count() -> None:
            while not done.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                made.callers += 1
                connection.close()

        thread = threading.Thread(target=count)
        thread.start()
        yield made
        done.set()
        thread.join()


@dataclass(frozen=True, slots=True)
class Hostile:
    """A line of hostile.yaml."""

    what: str
    sql: str
    code: int
    url: Mapping[str, str] = field(default_factory=dict)


def _hostile() -> list[Hostile]:
    groups = yaml.safe_load(Path(__file__).with_name("hostile.yaml").read_text())
    return [
        Hostile(group["what"], each["sql"], each.get("code", group["code"]), each.get("url", {}))
        for group in groups
        for each in group["statements"]
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "hostile" in metafunc.fixturenames:
        found = _hostile()
        metafunc.parametrize("hostile", found, ids=[f"{place}-{each.what}" for place, each in enumerate(found)])
