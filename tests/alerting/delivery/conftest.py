"""Alerts, a destination that remembers, and a server that misbehaves as told."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from maibo_alerting.alerts import Alert
from maibo_alerting.delivery.destination import DeliveryError
from maibo_alerting.delivery.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


def _fired(slo: str = "checkout", *, severity: Any = "page", starts_at: float = 1000.0, **other: Any) -> Alert:
    return Alert("MaiboBudgetBurn", slo, "99.9", severity, starts_at, **other)


@pytest.fixture
def fired() -> Callable[..., Alert]:
    """``fired("checkout")``: it burns since t = 1000."""
    return _fired


@dataclass
class Remembering:
    """A destination in memory; `errors` are raised first, one a call."""

    name: str = "on-call"
    calls: list[tuple[float, list[Alert]]] = field(default_factory=list)
    errors: deque[DeliveryError | None] = field(default_factory=deque)

    def send(self, alerts: Sequence[Alert], *, now: float) -> None:
        self.calls.append((now, list(alerts)))
        if self.errors and (error := self.errors.popleft()) is not None:
            raise error

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(alert.slo, alert.status) for _, alerts in self.calls for alert in alerts]


@pytest.fixture
def remembering() -> type[Remembering]:
    return Remembering


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.sqlite") as opened:
        yield opened


@dataclass
class Said:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """On loopback. `answers` are given in turn, then 200: ``(status, headers, body)``, ``"cut"`` or ``"drip"``."""

    port: int
    said: list[Said] = field(default_factory=list)
    answers: deque[Any] = field(default_factory=deque)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            there.said.append(Said(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            answer = there.answers.popleft() if there.answers else (200, {}, b"")
            if answer == "cut":
                self.connection.shutdown(socket.SHUT_RDWR)
            elif answer == "drip":
                self._drip()
            else:
                status, headers, text = answer
                self.send_response(status)
                for name, value in {"Content-Length": str(len(text)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

        def _drip(self) -> None:
            """A byte of a header now and then: no single read ever times out."""
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            try:
                while not there.released.wait(0.02):
                    self.wfile.write(b"x")
                    self.wfile.flush()
            except OSError:
                return  # the client gave up, as it should

        def log_message(self, *_: object) -> None:
            """Nothing."""

    class Quiet(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A cut connection is meant."""

    with Quiet(("127.0.0.1", 0), Handler) as listening:
        there = Server(listening.server_address[1])
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield there
        there.released.set()
        listening.shutdown()
        thread.join()
