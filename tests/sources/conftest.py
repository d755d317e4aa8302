"""SLOs over a Prometheus, a real Prometheus with a history of one's own, and a server that answers whatever it is told to."""

from __future__ import annotations

import http.server
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest

from maibo_slo.documents import Objective, Origin, PromQuery, PromSlo
from maibo_slo.documents.kinds import DataSource

ORIGIN = Origin("slos.yaml", 1)


class MakeSlo:
    """``make_slo(url)``: an SLO over the counter ``requests_total``."""

    def __call__(
        self,
        url: str = "http://127.0.0.1:9",
        *,
        name: str = "orders",
        total: str = "requests_total",
        good: str | None = None,
        bad: str | None = None,
        objectives: Iterable[str] = ("0.99",),
        days: int = 28,
        **details: str,
    ) -> PromSlo:
        bad = 'requests_total{code="500"}' if good is None and bad is None else bad
        return PromSlo(
            name=name,
            display_name=name,
            description="",
            service="shop",
            total=PromQuery(total),
            good=None if good is None else PromQuery(good),
            bad=None if bad is None else PromQuery(bad),
            objectives=tuple(Objective(each, float(each)) for each in objectives),
            window_seconds=days * 86_400,
            labels={},
            origin=ORIGIN,
            data_source=DataSource("metrics", "", "", "Prometheus", {"url": url, **details}, {}, ORIGIN),
        )


@pytest.fixture(scope="session")
def make_slo() -> MakeSlo:
    return MakeSlo()


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@dataclass(slots=True)
class RealPrometheus:
    """Started and stopped at will; its data stays."""

    folder: Path
    config: str = ""
    port: int = field(default_factory=unused_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def backfill(self, openmetrics: str) -> None:
        """Blocks of a history: ``name{labels} value seconds`` and so on."""
        source = self.folder / "history.om"
        source.write_text(openmetrics)
        command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(source), str(self.folder / "data")]
        made = subprocess.run(command, check=False, capture_output=True, text=True)
        assert made.returncode == 0, made.stderr

    def start(self) -> None:
        config = self.folder / "prometheus.yml"
        config.write_text(self.config or "{}")
        command = [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            "--storage.tsdb.retention.time=10y",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.enable-remote-write-receiver",
            "--enable-feature=native-histograms",
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until = time.monotonic() + 30
        while not self._is_ready():
            assert time.monotonic() < until, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def has(self, query: str, value: float) -> bool:
        """Whether an instant query has this as its one sample."""
        said = httpx2.get(f"{self.url}/api/v1/query", params={"query": query}).json()
        return [float(one["value"][1]) for one in said["data"]["result"]] == [value]

    def _is_ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/-/ready").status_code == 200
        except httpx2.TransportError:
            return False


@pytest.fixture(scope="session")
def make_prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RealPrometheus]]:
    """``make_prometheus(history)``: a running one with this history."""
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        pytest.skip("prometheus is not installed (Debian: prometheus)")
    made: list[RealPrometheus] = []

    def make(history: str = "", *, config: str = "") -> RealPrometheus:
        one = RealPrometheus(tmp_path_factory.mktemp("prometheus"), config)
        made.append(one)
        if history:
            one.backfill(history)
        one.start()
        return one

    yield make
    for one in made:
        one.stop()


def openmetrics(*series: tuple[str, Iterable[tuple[float, float]]], kind: str = "counter") -> str:
    """``("requests_total{code="200"}", [(seconds, value), ...])``, of one metric."""
    family = series[0][0].partition("{")[0].removesuffix("_total").removesuffix("_bucket")
    lines = [f"# TYPE {family} {kind}"]
    lines += [f"{name} {value:g} {at:.3f}" for name, samples in series for at, value in samples]
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture(scope="session")
def history() -> Callable[..., str]:
    return openmetrics


@dataclass(slots=True)
class Told:
    """A server that answers as it is told to, and what it was asked."""

    url: str
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    pause_seconds: float = 0.0
    """Between any two bytes."""
    asked: list[tuple[str, Mapping[str, str], str]] = field(default_factory=list)
    """Path, headers, body."""

    def says(self, body: bytes | str, *, status: int = 200, **headers: str) -> None:
        self.body = body.encode() if isinstance(body, str) else body
        self.status, self.headers = status, {name.replace("_", "-"): text for name, text in headers.items()}


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Told]:
    told = Told("")
    ended = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            told.asked.append((self.path, dict(self.headers), body))
            self.send_response(told.status)
            for name, text in told.headers.items():
                self.send_header(name, text)
            self.end_headers()
            if not told.pause_seconds:
                self.wfile.write(told.body)
                return
            for _ in count():
                self.wfile.write(b" ")
                if ended.wait(told.pause_seconds):
                    return

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Who hangs up is what is tested."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        told.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield told
        ended.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def told() -> Iterator[Told]:
    with serving() as one:
        yield one


@pytest.fixture(scope="session")
def told_over() -> Callable[[ssl.SSLContext], AbstractContextManager[Told]]:
    """The same over TLS."""
    return serving


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    return unused_port
