"""A real OTLP/HTTP receiver on loopback, and a maibo that is off before and after every test."""

from __future__ import annotations

import contextlib
import gzip
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from opentelemetry import context as otel
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

import maibo
from maibo import blocks, configuration, problems, runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent


@dataclass
class Span:
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    end_ns: int
    status: int
    attributes: dict
    resource: dict
    scope: str


@dataclass
class Receiver:
    """Takes OTLP over HTTP; `answers` are given first, in turn, then 200."""

    port: int = 0
    answers: list = field(default_factory=list)
    bodies: list = field(default_factory=list)
    headers: list = field(default_factory=list)
    spans: list = field(default_factory=list)
    server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def journeys(self) -> list[Span]:
        return [
            span for span in self.spans if span.name.startswith("journey ") and "journey.outcome" in span.attributes
        ]

    @property
    def steps(self) -> list[Span]:
        return [span for span in self.spans if "journey.step" in span.attributes]

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.bodies.append(body)
                receiver.headers.append(
                    {key.lower(): value for key, value in self.headers.items()} | {":path": self.path}
                )
                status, headers, answer = receiver.answers.pop(0) if receiver.answers else (200, {}, b"")
                if status == 200:
                    receiver.spans.extend(parsed(gzip.decompress(body)))
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None: ...

        connections: list[socket.socket] = []

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def get_request(self):
                connection, address = super().get_request()
                connections.append(connection)
                return connection, address

            def server_close(self) -> None:
                super().server_close()
                for connection in connections:  # a collector that stops hangs up, too
                    with contextlib.suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)

            def handle_error(self, *_: object) -> None: ...  # a client that died is part of some tests

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


def parsed(body: bytes) -> Iterator[Span]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.status.code,
                    values(span.attributes),
                    values(resource.resource.attributes),
                    scope.scope.name,
                )


def values(attributes) -> dict:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def rejecting(number: int) -> bytes:
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = number
    return response.SerializeToString()


@pytest.fixture(name="rejecting")
def _rejecting() -> Callable[[int], bytes]:
    return rejecting


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """maibo off, nothing current, nothing counted, no setting of the developer's own."""
    for name in list(os.environ):
        if name.startswith(("OTEL_", "MAIBO_")):
            monkeypatch.delenv(name)
    problems.forget()
    monkeypatch.setattr(configuration, "_pipeline", None)
    yield
    maibo.shutdown(0)
    runtime.activate(None)
    assert blocks.OPEN.get() is None, "a test left something current"
    assert not otel.get_current(), "a test left OpenTelemetry's context changed"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def run_program(tmp_path: Path, receiver: Receiver) -> Iterator[Callable[..., subprocess.Popen]]:
    """Start a program as a process of its own, with the receiver as its collector."""
    started: list[subprocess.Popen] = []

    def run(program: str | list[str], **environment: str) -> subprocess.Popen:
        if isinstance(program, str):
            path = tmp_path / f"program{len(started)}.py"
            path.write_text(program)
            program = [sys.executable, str(path)]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "MAIBO_"))}
        process = subprocess.Popen(
            program,
            env=inherited | {"MAIBO_ENDPOINT": receiver.url, "PYTHONPATH": str(HERE)} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)


@pytest.fixture
def eventually() -> Callable[..., None]:
    def wait(condition: Callable[[], object], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.01)

    return wait
