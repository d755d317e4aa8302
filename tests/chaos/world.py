"""A collector that things happen to: its processes, its clock, its store, and the senders that load it.

Loaded by path (`conftest.py`); ``python -m pytest`` imports nothing from here by name.
"""

import contextlib
import http.client
import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

HERE = Path(__file__).parent
CORE = HERE.parent / "collectors" / "core_process.py"
ENDPOINT = HERE.parent / "store" / "clickhouse_http.py"
HOUR_NS = 3_600 * 10**9


def body_of(journey: str, count: int, *, end_ns: int, every_ns: int = 0) -> bytes:
    """A request of so many spans of a journey; they end so far apart from each other."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number in range(count):
        end = end_ns - number * every_ns
        span = spans.add(
            trace_id=secrets.token_bytes(16),
            span_id=secrets.token_bytes(8),
            start_time_unix_nano=end - 50_000_000,
            end_time_unix_nano=end,
        )
        span.attributes.add(key="journey.name").value.string_value = journey
    return request.SerializeToString()


class Sender(threading.Thread):
    """Sends bodies, each until it is acknowledged, as an exporter does; some again at once, some again much later and in another order."""

    def __init__(self, address: tuple[str, int], journeys: list[str], seed: str, *, large: bool = False) -> None:
        """`large`: bodies of thousands of spans in as many cells, to fill a log with."""
        super().__init__(daemon=True)
        self.large = large
        self.address, self.journeys, self.random = address, journeys, random.Random(seed)
        self.stopping = threading.Event()
        self.acknowledged: Counter[str] = Counter()
        self.attempts = self.repeats = self.refused = 0

    def run(self) -> None:
        later: list[bytes] = []
        while not self.stopping.is_set():
            journey, count = self.random.choice(self.journeys), 3_000 if self.large else self.random.randint(1, 40)
            hours = self.random.choice((0, 0, 0, -5, -1, 5))
            every_ns = 11 * 10**9 if self.large else 0
            body = body_of(journey, count, end_ns=time.time_ns() + hours * HOUR_NS, every_ns=every_ns)
            self.deliver(body)
            self.acknowledged[journey] += count
            fate = self.random.random()
            if fate < 0.15:
                self.repeats += self.once(body)
            elif fate < 0.3:
                later.append(body)
        self.random.shuffle(later)
        for body in later:
            self.deliver(body)
            self.repeats += 1

    def deliver(self, body: bytes) -> None:
        while not self.once(body):
            time.sleep(0.03)

    def once(self, body: bytes) -> bool:
        self.attempts += 1
        connection = http.client.HTTPConnection(*self.address, timeout=20)
        try:
            connection.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        assert answer.status in {200, 503}, answer.status
        self.refused += answer.status == 503
        return answer.status == 200


class World:
    """A collector with an embedded store, or with a store over HTTP that may go away."""

    def __init__(self, folder: Path, *, embedded: bool, **options: str) -> None:
        self.folder, self.embedded = folder, embedded
        self.clock = folder / "clock"
        self.port = _free_port()
        self.store_port = _free_port()
        self.options = {"otlp-http": f"127.0.0.1:{self.port}", "otlp-grpc": "off", "acceptors": "2"} | options
        self.core: subprocess.Popen[str] | None = None
        self.endpoint: subprocess.Popen[str] | None = None
        folder.mkdir(exist_ok=True)
        self.move_clock(0)

    @property
    def log(self) -> Path:
        return self.folder / "otlp" / "log"

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

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

    def stop(self) -> None:
        """In order, and the store after it."""
        if self.core is not None:
            self.core.terminate()
            assert self.core.wait(60) == 0, self.errors()
            self._forget_core()
        if self.endpoint is not None:
            self.endpoint.kill()
            self.endpoint.wait(10)
            self.endpoint = None

    def counted(self) -> Counter[str]:
        rows = self._ask(rows="SELECT journey, sum(n) FROM cells_10s WHERE step = '' GROUP BY journey")
        return Counter({journey: int(n) for journey, n in rows})

    def in_every_table(self) -> list[Counter[str]]:
        """Of each tier, and of the journeys that began (each span here is a whole journey)."""
        tables = {"cells_10s": "n", "cells_1m": "n", "cells_1h": "n", "flow_1m": "started"}
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
