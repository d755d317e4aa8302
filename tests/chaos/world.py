"""A collector that things happen to: its processes, its clock, its store.

Loaded by path (`conftest.py`); ``python -m pytest`` imports nothing from here by name.
"""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
CORE = HERE.parent / "collectors" / "core_process.py"
ENDPOINT = HERE.parent / "store" / "clickhouse_http.py"


class World:
    """A collector with an embedded store, or with a store over HTTP that may go away."""

    def __init__(self, folder: Path, *, embedded: bool, document: str, **options: str) -> None:
        """`document` is in force from the first start on."""
        self.folder, self.embedded = folder, embedded
        self.clock = folder / "clock"
        self.port, self.grpc_port, self.store_port = (_free_port() for _ in range(3))
        self.options = {
            "otlp-http": f"127.0.0.1:{self.port}",
            "otlp-grpc": self.grpc,
            "acceptors": "2",
            "documents": str(folder / "journeys.yaml"),
        } | options
        self.core: subprocess.Popen[str] | None = None
        self.endpoint: subprocess.Popen[str] | None = None
        folder.mkdir(exist_ok=True)
        (folder / "journeys.yaml").write_text(document)
        self.move_clock(0)

    @property
    def log(self) -> Path:
        return self.folder / "otlp" / "log"

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    @property
    def grpc(self) -> str:
        """Target of a channel."""
        return f"127.0.0.1:{self.grpc_port}"

    def start(self) -> None:
        if not self.embedded and self.endpoint is None:
            self.start_store()
        store = [] if self.embedded else [f"store=clickhouse://127.0.0.1:{self.store_port}/maibo"]
        environment = {**os.environ, "PYTHONPATH": str(HERE / "clock"), "MAIBO_TEST_CLOCK": str(self.clock)}
        with (self.folder / "stderr.txt").open("a") as stderr:
            self.core = subprocess.Popen(
                [
                    sys.executable,
                    CORE,
                    self.folder,
                    *store,
                    *(f"{name}={value}" for name, value in self.options.items()),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=environment,
            )
        told = self._read()
        assert "ready" in told, (told, self.errors())

    def start_store(self) -> None:
        with (self.folder / "store.txt").open("a") as stderr:
            self.endpoint = subprocess.Popen(
                [sys.executable, ENDPOINT, "--path", self.folder / "server", "--port", str(self.store_port)],
                stdout=stderr,
                stderr=stderr,
                text=True,
            )
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.store_port), 1):
                return
            time.sleep(0.05)
        raise AssertionError((self.folder / "store.txt").read_text())

    def restart(self) -> None:
        """In order: all that the log holds is counted, in every table."""
        self._stop_core()
        self.start()

    def stop(self) -> None:
        """In order, and the store after it."""
        self._stop_core()
        if self.endpoint is not None:
            self.endpoint.kill()
            self.endpoint.wait(10)
            self.endpoint = None

    def _stop_core(self) -> None:
        if self.core is not None:
            self.core.terminate()
            assert self.core.wait(60) == 0, self.errors()
            self._forget_core()

    def counted(self) -> Counter[str]:
        rows = self._ask(rows="SELECT journey, sum(n) FROM cells_10s WHERE step = '' GROUP BY journey")
        return Counter({journey: int(n) for journey, n in rows})

    def in_every_table(self) -> list[Counter[str]]:
        """Of each tier, and of the journeys that began (each event here is a whole journey)."""
        tables = {"cells_10s": "n", "cells_1m": "n", "cells_1h": "n", "flow_1m": "started", "starts_10s": "started"}
        return [
            Counter(
                {
                    journey: int(n)
                    for journey, n in self._ask(rows=f"SELECT journey, sum({count}) FROM {table} GROUP BY journey")
                }
            )
            for table, count in tables.items()
        ]

    def settled(self, acknowledged: Counter[str], *, seconds: float = 60) -> Counter[str]:
        """What is counted of these journeys, once that is all, or time is over."""
        until = time.monotonic() + seconds
        while True:
            found = self.counted()
            mine = Counter({journey: found[journey] for journey in acknowledged})
            if mine == acknowledged or mine.total() > acknowledged.total() or time.monotonic() > until:
                return mine
            time.sleep(0.1)

    # -- what may happen

    def kill_acceptor(self, choose: random.Random) -> None:
        acceptors = self._acceptors()
        if acceptors:
            with contextlib.suppress(ProcessLookupError):
                os.kill(choose.choice(acceptors), signal.SIGKILL)

    def kill_core(self, *, acceptors: bool) -> None:
        """With kill -9: the process that owns the store, alone or with its acceptors; then it is started again."""
        assert self.core is not None
        pids = self._acceptors() if acceptors else []
        self.core.kill()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.core.wait(10)
        self._forget_core()
        self.start()

    def store_away(self, seconds: float, *, killed: bool) -> None:
        """The store's server dies, or hangs, for a while."""
        assert self.endpoint is not None
        if killed:
            self.endpoint.kill()
            self.endpoint.wait(10)
            time.sleep(seconds)
            self.start_store()
            return
        self.endpoint.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.endpoint.send_signal(signal.SIGCONT)

    def move_clock(self, seconds: float) -> None:
        fresh = self.clock.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.rename(self.clock)

    def errors(self) -> str:
        return (self.folder / "stderr.txt").read_text()[-4000:]

    def _acceptors(self) -> list[int]:
        assert self.core is not None
        children = Path(f"/proc/{self.core.pid}/task/{self.core.pid}/children").read_text().split()
        return [pid for pid in map(int, children) if b"otlp.acceptor" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def _ask(self, **question):
        assert self.core is not None
        assert self.core.stdin is not None
        self.core.stdin.write(json.dumps(question) + "\n")
        self.core.stdin.flush()
        return self._read()

    def _read(self):
        assert self.core is not None
        assert self.core.stdout is not None
        line = self.core.stdout.readline()
        assert line, self.errors()
        return json.loads(line)

    def _forget_core(self) -> None:
        assert self.core is not None
        assert self.core.stdin is not None
        assert self.core.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.core.stdin.close()
        self.core.stdout.close()
        self.core = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
