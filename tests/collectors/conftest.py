"""Real cores with real acceptors, and OTLP bodies to send them."""

import asyncio
import contextlib
import gzip
import http.client
import json
import os
import secrets
import signal
import ssl
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from prometheus_client import CollectorRegistry

from maibo_collectors.otlp.body import Encoding
from maibo_collectors.otlp.plugin import plugin
from maibo_collectors.otlp.segment import Record, body_hash, header
from maibo_slo.documents import Catalogue
from maibo_slo.errors import StoreError
from maibo_slo.plugins import Context
from maibo_slo.service.listen import listen
from maibo_slo.store import Store

SCRIPT = Path(__file__).with_name("core_process.py")
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
ANYWHERE = {"otlp-http": "127.0.0.1:0", "otlp-grpc": "127.0.0.1:0"}


@dataclass
class Reply:
    code: int
    headers: dict[str, str]
    body: bytes

    @property
    def status(self) -> Status:
        """Only a refusal has one."""
        assert self.headers["content-type"] == PROTOBUF
        return Status.FromString(self.body)

    @property
    def json(self):
        assert self.headers["content-type"] == JSON
        return json.loads(self.body)

    @property
    def response(self) -> ExportTraceServiceResponse:
        assert self.code == 200, self.status
        assert self.headers["content-type"] == PROTOBUF
        return ExportTraceServiceResponse.FromString(self.body)


@dataclass
class Core:
    """A running core process, and its address."""

    data_dir: Path
    options: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    address: tuple[str, int] = ("127.0.0.1", 0)
    grpc: str = ""
    """Target of a channel."""
    tls: ssl.SSLContext | None = None
    """What `send` trusts and shows."""

    def start(self) -> "Core":
        with (self.data_dir / "stderr.txt").open("a") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, SCRIPT, self.data_dir, *(f"{name}={value}" for name, value in self.options.items())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        told = self._read()
        assert "ready" in told, (told, self.stderr())
        host, _, port = told["url"].partition("://")[2].rpartition(":")
        self.grpc = told["grpc"].partition("://")[2]
        self.address = host, int(port)
        return self

    def ask(self, **question):
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return self._read()

    def rows(self, sql: str):
        return self.ask(rows=sql)

    def metric(self, sample: str) -> float:
        """One sample of /metrics, such as ``maibo_otlp_requests_total{code="200"}``."""
        for line in self.ask(metrics=0).splitlines():
            if line.startswith(sample + " "):
                return float(line.rpartition(" ")[2])
        raise KeyError(sample)

    def counted(self, journey: str) -> int:
        return int(self.rows(f"SELECT sum(n) FROM cells_10s WHERE journey = '{journey}'")[0][0])

    def wait_counted(self, journey: str, count: int, *, seconds: float = 60) -> None:
        """Waits until that many are counted, and sees that there are no more."""
        deadline = time.monotonic() + seconds
        while (now := self.counted(journey)) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        assert now == count

    def acceptors(self) -> list[int]:
        """Process ids of the acceptors that live."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [pid for pid in map(int, children) if "otlp.acceptor" in Path(f"/proc/{pid}/cmdline").read_text()]

    def stop(self) -> None:
        """In order."""
        if self.process is None:
            return
        self.process.terminate()
        assert self.process.wait(40) == 0, self.stderr()
        self._close()

    def kill(self, *, acceptors: bool = True) -> None:
        """With kill -9, the core first, its acceptors with it or left behind."""
        assert self.process is not None
        pids = self.acceptors() if acceptors else []
        self.process.kill()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)
        self._close()

    def send(self, body: bytes = b"", *, method: str = "POST", path: str = "/v1/traces", **headers: str) -> Reply:
        """One request on a connection of its own. Headers as keywords: content_type=…"""
        if self.tls is None:
            connection = http.client.HTTPConnection(*self.address, timeout=30)
        else:
            connection = http.client.HTTPSConnection(*self.address, timeout=30, context=self.tls)
        try:
            named = {"content-type": PROTOBUF} | {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def stderr(self) -> str:
        return (self.data_dir / "stderr.txt").read_text()

    def _read(self):
        assert self.process is not None
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.stderr()
        return json.loads(line)

    def _close(self) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        self.process = None


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def core_at() -> Iterator[Callable[..., Core]]:
    """Makes cores (not started yet); those that still run at the end are killed."""
    yield from _cores()


@pytest.fixture(scope="module")
def core_in() -> Iterator[Callable[..., Core]]:
    """As `core_at`, for a whole module."""
    yield from _cores()


def _cores() -> Iterator[Callable[..., Core]]:
    made: list[Core] = []

    def make(data_dir: Path, **options: str) -> Core:
        data_dir.mkdir(exist_ok=True)
        core = Core(data_dir, ANYWHERE | {name.replace("_", "-"): value for name, value in options.items()})
        made.append(core)
        return core

    yield make
    for core in made:
        if core.process is not None:
            core.kill()


@pytest.fixture
def context_at() -> Callable[..., Context]:
    """What a service lends to the collector; with what it was told in `told`."""

    def make(
        data_dir: Path, store: Store | None, *, told: list[tuple[str, str | None]] | None = None, **options: str
    ) -> Context:
        said = [] if told is None else told
        named = {name.replace("_", "-"): value for name, value in options.items()}
        return Context(
            store=store,  # type: ignore[arg-type]  # None where it does not come to the store
            data_dir=data_dir,
            catalogue=Catalogue,
            options={option.name: option.default for option in plugin().options} | ANYWHERE | named,
            registry=CollectorRegistry(),
            report=lambda *what: said.append(what),
            stopping=asyncio.Event(),
            listen=listen,
            announce=lambda *_: None,
        )

    return make


@pytest.fixture(scope="session")
def fails_at() -> Callable[..., None]:
    """Lets a step of a drain fail, as the store does: before it is done, or when it is."""

    def fails(patch: pytest.MonkeyPatch, owner, step: str, *, done_already: bool) -> None:
        real = getattr(owner, step)

        def fail(*arguments, **named):
            if done_already:
                real(*arguments, **named)
            raise StoreError("killed here")

        patch.setattr(owner, step, fail)

    return fails


@pytest.fixture(scope="session")
def write_segment() -> Callable[..., Path]:
    """Writes a log segment with these bodies, as an acceptor does; `number` is its time."""

    def write(
        folder: Path,
        number: int,
        *bodies: bytes,
        now_ns: int = 0,
        suffix: str = ".log",
        tail: bytes = b"",
        kind: int = 1,
    ) -> Path:
        path = folder / f"{number:020d}-0-ab{suffix}"
        received = now_ns or time.time_ns()
        records = [Record(body_hash(body), received, 1, Encoding.IDENTITY, body, kind) for body in bodies]
        whole = path.with_suffix(".tmp")
        whole.write_bytes(b"".join(header(record) + record.body for record in records) + tail)
        return whole.rename(path)

    return write


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """One core for a whole module; tests tell themselves apart by their journey's name."""
    running = Core(tmp_path_factory.mktemp("core"), ANYWHERE | {"acceptors": "1"}).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """PEM files: ``cert`` and ``key`` of a server on localhost, of authority ``ca``; ``client_cert`` and ``client_key`` of ``client_ca``."""
    folder = tmp_path_factory.mktemp("certificates")
    authority, of_clients = trustme.CA(), trustme.CA()
    server, client = authority.issue_cert("localhost", "127.0.0.1"), of_clients.issue_cert("shop.example")
    files = {name: folder / f"{name}.pem" for name in ("ca", "client_ca", "cert", "key", "client_cert", "client_key")}
    authority.cert_pem.write_to_path(files["ca"])
    of_clients.cert_pem.write_to_path(files["client_ca"])
    for name, leaf in (("", server), ("client_", client)):
        files[f"{name}cert"].write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(files[f"{name}key"])
    return files


@pytest.fixture(scope="session")
def bomb() -> bytes:
    """10 GiB of zeros as gzip, in 10 MB: one block again and again."""
    layer = zlib.compressobj(9, zlib.DEFLATED, 31)
    begin = layer.compress(bytes(2**20)) + layer.flush(zlib.Z_FULL_FLUSH)
    block = layer.compress(bytes(2**20)) + layer.flush(zlib.Z_FULL_FLUSH)
    return begin + block * (10 * 2**10 - 1)


@pytest.fixture
def journey(request: pytest.FixtureRequest) -> str:
    """A journey name that no other test has."""
    return f"{request.node.originalname}-{secrets.token_hex(3)}"


def _set(owner, attributes) -> None:
    for key, value in attributes.items():
        each = owner.attributes.add(key=key)
        if isinstance(value, bool):
            each.value.bool_value = value
        elif isinstance(value, int):
            each.value.int_value = value
        elif isinstance(value, bytes):
            each.value.bytes_value = value
        else:
            each.value.string_value = value


def _request(*spans: dict, resource: dict | None = None, now_ns: int | None = None) -> ExportTraceServiceRequest:
    """Spans from attribute dicts; ``end`` and ``duration`` (ns) and ``error`` beside the attributes say the rest."""
    now_ns = time.time_ns() if now_ns is None else now_ns
    request = ExportTraceServiceRequest()
    of_resource = request.resource_spans.add()
    _set(of_resource.resource, {"service.name": "shop"} if resource is None else resource)
    of_scope = of_resource.scope_spans.add()
    for attributes in spans:
        rest = dict(attributes)
        end = rest.pop("end", now_ns)
        duration = rest.pop("duration", 50_000_000)
        span = of_scope.spans.add(
            trace_id=secrets.token_bytes(16),
            span_id=secrets.token_bytes(8),
            name="a span",
            start_time_unix_nano=end - duration,
            end_time_unix_nano=end,
        )
        if rest.pop("error", False):
            span.status.code = span.status.STATUS_CODE_ERROR
        _set(span, rest)
    return request


@pytest.fixture(scope="session")
def otlp_request() -> Callable[..., ExportTraceServiceRequest]:
    return _request


@pytest.fixture(scope="session")
def otlp_body() -> Callable[..., bytes]:
    """``otlp_body("checkout", 3)``: a body of three plain spans of that journey."""

    def body(journey: str, count: int = 1) -> bytes:
        return _request(*({"journey.name": journey} for _ in range(count))).SerializeToString()

    return body


@pytest.fixture(scope="session")
def zipped() -> Callable[[bytes], bytes]:
    return lambda body: gzip.compress(body, 1)
