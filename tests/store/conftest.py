from __future__ import annotations

import itertools
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from maibo_slo.store import Store, open_store
from maibo_slo.store.cells import CellKey
from maibo_slo.store.histogram import bin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENDPOINT = Path(__file__).with_name("clickhouse_http.py")


@dataclass
class Server:
    """A ClickHouse HTTP endpoint in a process of its own (see clickhouse_http.py)."""

    path: Path
    port: int = 0
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, str(ENDPOINT), "--path", str(self.path), "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, "--user", "me", "--password", "geheim"], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline().removeprefix("listening on "))

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def dsn(self, database: str, *, password: str = "geheim") -> str:
        return f"clickhouse://me:{password}@127.0.0.1:{self.port}/{database}"

    def faults(self, told: str = "") -> None:
        urllib.request.urlopen(f"http://127.0.0.1:{self.port}/faults?{told}", data=b"").close()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests: its start takes seconds."""
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


DATABASES = itertools.count()
OVER_HTTP = {
    "test_cells": ("hostile", "replayed", "counting_by_hand", "signed_64_bit"),
    "test_counts": ("every_table", "random", "reasons", "exemplars", "skewed", "evidence", "streams", "flow_is_told"),
    "test_events": ("",),
    "test_flow": ("moves_back", "not_known", "64_bit"),
    "test_ledger": ("",),
    "test_segments": ("",),
}
"""Module -> parts of the names of its tests that are about what a store answers however it is reached."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    wanted = OVER_HTTP.get(metafunc.module.__name__.rpartition(".")[2], ())
    if "store" in metafunc.fixturenames and any(part in metafunc.function.__name__ for part in wanted):
        metafunc.parametrize("store", ["embedded", "server"], indirect=True)


@pytest.fixture
def store(request: pytest.FixtureRequest, store_dsn: str) -> Iterator[Store]:
    """An empty and migrated store: embedded, or (a module says so with `parametrize`) a database of a server."""
    if getattr(request, "param", "embedded") == "embedded":
        with open_store(store_dsn) as opened:
            yield opened
        return
    server: Server = request.getfixturevalue("shared_server")
    database = f"store_{next(DATABASES)}"
    with open_store(server.dsn(database)) as opened:
        yield opened
        opened.execute(f"DROP DATABASE {database}")


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
