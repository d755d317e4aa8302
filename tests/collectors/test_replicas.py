"""Two `maibo collect` processes on one ClickHouse server, each with a log of its own: what one of them counted, the other does not.

The server is `tests/store/clickhouse_http.py`. Senders come through a load balancer: a body whose answer they do not get goes to either.
"""

import contextlib
import http.client
import itertools
import os
import random
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from maibo_slo.store import open_store

ENDPOINT = Path(__file__).parents[1] / "store" / "clickhouse_http.py"
TIERS = {"cells_10s": "n", "cells_1m": "n", "cells_1h": "n", "flow_1m": "started", "starts_10s": "started"}
SENDERS = 2
SPANS = 3
MOST_BODIES = 300
"""Of each sender: each body is a journey of its own, and an acceptor counts a thousand that no document declares by name."""
PAIRS = 80
SAME_MOMENT_US = 1_000_000
"""Claims of a body that are further apart than this cannot both hold."""


@dataclass
class Replica:
    """A `maibo collect`, on the same folder and port each time."""

    folder: Path
    dsn: str
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Replica":
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "told").open("ab") as told:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "maibo_slo.cli", "collect", "--store", self.dsn),
                    *("--data-dir", self.folder, "--acceptors", "1"),
                    *("--otlp-http", f"127.0.0.1:{self.port}", "--otlp-grpc", "off"),
                ],
                stdout=told,
                stderr=told,
            )
        return self

    def wait_ready(self, starts: int) -> None:
        """Since it was made it has said so many times where it listens."""
        deadline = time.monotonic() + 90
        while len(re.findall("otlp-http: http", self.told())) < starts:
            assert time.monotonic() < deadline, self.told()
            assert self.process is not None
            assert self.process.poll() is None, self.told()
            time.sleep(0.02)

    def told(self) -> str:
        return (self.folder / "told").read_text()

    def send(self, body: bytes) -> bool:
        """Whether it was acknowledged."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        assert answer.status in {200, 503}, answer.status
        return answer.status == 200

    def send_and_hang_up(self, body: bytes) -> None:
        """As much as a sender does whose connection breaks: nobody knows how far it came."""
        head = f"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\nContent-Length: {len(body)}\r\n\r\n"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 20) as connection:
            connection.sendall(head.encode() + body)

    def kill(self) -> None:
        """With kill -9, its acceptor too."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.process.kill()
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        """In order: what it has acknowledged is counted."""
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(60) == 0, self.told()
        log = self.folder / "otlp" / "log"
        assert [path.name for path in log.iterdir()] == [], self.told()


@dataclass
class Replicas:
    """Two of them, and what is in their store."""

    dsn: str
    both: tuple[Replica, Replica]

    def stop(self) -> None:
        for each in self.both:
            each.stop()

    def counted(self) -> list[Counter[str]]:
        """By journey, in each of the tiers and by the minute of the begin."""
        with open_store(self.dsn) as store:
            return [
                Counter({str(row[0]): int(row[1]) for row in store.rows(_by_journey(table, what))})
                for table, what in TIERS.items()
            ]

    def claimed_at_once(self) -> set[bytes]:
        """Hashes of the bodies that both have claimed in one moment."""
        with open_store(self.dsn) as store:
            rows = store.rows(
                "SELECT hex(hash) FROM bodies GROUP BY hash "
                f"HAVING uniqExact(segment) > 1 AND max(claimed_us) - min(claimed_us) < {SAME_MOMENT_US}"
            )
        return {bytes.fromhex(name) for (name,) in rows}

    def require_each_once(self, sent: dict[str, bytes], spans: int) -> None:
        """Each journey has a body of so many spans."""
        assert self.counted() == [dict.fromkeys(sent, spans)] * len(TIERS)


def _by_journey(table: str, what: str) -> str:
    return f"SELECT journey, sum({what}) FROM {table} GROUP BY journey"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server's HTTP interface."""
    folder = tmp_path_factory.mktemp("server")
    command = [sys.executable, str(ENDPOINT), "--path", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"127.0.0.1:{int(process.stdout.readline().removeprefix('listening on '))}"
        process.kill()


@pytest.fixture
def replicas(tmp_path: Path, server: str) -> Iterator[Replicas]:
    dsn = f"clickhouse://{server}/of_{secrets.token_hex(4)}"
    made = Replicas(dsn, (Replica(tmp_path / "a", dsn, _free_port()), Replica(tmp_path / "b", dsn, _free_port())))
    for each in made.both:
        each.start()
    try:
        for each in made.both:
            each.wait_ready(1)
        yield made
    finally:
        for each in made.both:
            if each.process is not None and each.process.poll() is None:
                each.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Sender(threading.Thread):
    """Sends bodies, each until one replica acknowledges; many go to the other as well, at once or later, since the answer was lost."""

    def __init__(self, replicas: Replicas, name: str, make_body: Callable[[str, int], bytes]) -> None:
        super().__init__(daemon=True)
        self.replicas, self.label, self.make_body = replicas, name, make_body
        self.random = random.Random(name)
        self.stopping = threading.Event()
        self.sent: dict[str, bytes] = {}
        self.repeats = 0

    def run(self) -> None:
        later: list[tuple[bytes, Replica, Replica]] = []
        while len(self.sent) < MOST_BODIES and not self.stopping.wait(self.random.uniform(0.01, 0.08)):
            name = f"{self.label}-{len(self.sent)}"
            body = self.sent[name] = self.make_body(name, SPANS)
            one, other = self.random.sample(self.replicas.both, 2)
            match self.random.choice(["answered", "no answer", "answer lost", "comes again"]):
                case "answered":
                    self.deliver(body, one, other)
                case "no answer":
                    one.send_and_hang_up(body)
                    self.deliver(body, other, one)
                case "answer lost":
                    self.deliver(body, one, other)
                    self.repeats += other.send(body)
                case "comes again":
                    self.deliver(body, one, other)
                    later.append((body, other, one))
        for each in later:
            self.deliver(*each)
            self.repeats += 1

    def deliver(self, body: bytes, *order: Replica) -> None:
        for each in itertools.cycle(order):
            if each.send(body):
                return
            time.sleep(0.02)


def test_a_body_that_either_collector_may_get_again_is_counted_once_though_both_are_killed(
    replicas: Replicas, otlp_body: Callable[[str, int], bytes]
) -> None:
    senders = [Sender(replicas, f"sender-{number}", otlp_body) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    for number, each in enumerate(replicas.both, 1):
        _wait_for_bodies(senders, 40 * number)
        each.kill()
        each.start()
        each.wait_ready(2)
    _wait_for_bodies(senders, 120)
    for sender in senders:
        sender.stopping.set()
    for sender in senders:
        sender.join(60)
        assert not sender.is_alive()
    replicas.stop()
    sent = {name: body for sender in senders for name, body in sender.sent.items()}
    replicas.require_each_once(sent, SPANS)
    repeats = sum(sender.repeats for sender in senders)
    assert repeats > len(sent) // 4
    print(f"\n{len(sent)} bodies, {repeats} acknowledged by both")  # for `pytest -s`


def _wait_for_bodies(senders: Sequence[Sender], count: int) -> None:
    deadline = time.monotonic() + 60
    while sum(len(sender.sent) for sender in senders) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_body_that_both_collectors_get_at_the_same_moment_is_counted_once(
    replicas: Replicas, otlp_body: Callable[[str, int], bytes]
) -> None:
    """Both acknowledge it, and some are claimed by both before either reads back who else did."""
    sent = {f"pair-{number}": otlp_body(f"pair-{number}", SPANS) for number in range(PAIRS)}
    together = threading.Barrier(2, timeout=60)
    refused: list[Replica] = []

    def send(replica: Replica) -> None:
        chance = random.Random(7)  # the same for both
        for body in sent.values():
            together.wait()
            if not replica.send(body):
                refused.append(replica)
            time.sleep(chance.uniform(0, 0.3))  # so that many batches have one pair or two

    threads = [threading.Thread(target=send, args=(replica,)) for replica in replicas.both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == []
    replicas.stop()
    replicas.require_each_once(sent, SPANS)
    print(f"\n{PAIRS} pairs, {len(replicas.claimed_at_once())} claimed by both")
