"""Both ways from trouble to a person, with the real Alertmanager before a webhook.

A bad release: OTLP into `maibo serve`, which alerts itself. And errors that an exporter counts: a real Prometheus scrapes them and evaluates
the rules that maibo made. ``-s`` prints how long each took.
"""

from __future__ import annotations

import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

program = shutil.which("prometheus-alertmanager")
prometheus = shutil.which("prometheus")
STANDARD = Path(__file__).parents[2] / "examples" / "standard"
DOCUMENTS = """
apiVersion: maibo.dev/v1
kind: Journey
metadata: {name: checkout}
spec: {steps: [{name: pay}]}
---
apiVersion: openslo/v1
kind: Service
metadata: {name: shop}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: checkout-succeeds}
spec:
  service: shop
  budgetingMethod: Occurrences
  timeWindow: [{duration: 28d, isRolling: true}]
  objectives: [{target: 0.99}]
  indicator:
    metadata: {name: checkout-succeeds}
    spec:
      ratioMetric:
        total: {metricSource: {type: journey, spec: {journey: checkout}}}
        good: {metricSource: {type: journey, spec: {journey: checkout}}}
"""
ALERTMANAGER = """
route: {receiver: hook, group_by: [slo, severity], group_wait: 1s, group_interval: 1s, repeat_interval: 1h}
inhibit_rules:
- {source_matchers: [severity="page"], target_matchers: [severity="ticket"], equal: [slo]}
receivers:
- name: hook
  webhook_configs: [{url: "%s", send_resolved: true}]
"""

WINDOWS = """
kind: AlertWindows
spec:
  sloPeriod: 28d
  page:
    quick: {errorBudgetPercent: 0.0667, shortWindow: 1m, longWindow: 2m}
    slow: {errorBudgetPercent: 5, shortWindow: 30m, longWindow: 6h}
  ticket:
    quick: {errorBudgetPercent: 0.0139, shortWindow: 1m, longWindow: 2m}
    slow: {errorBudgetPercent: 11, shortWindow: 6h, longWindow: 3d}
"""
"""The usual factors of quick pages and tickets, 13.44 and 2.8, over windows that a test can wait for."""
PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs: [{{job_name: doors, static_configs: [{{targets: ["{exporter}"]}}]}}]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["{manager}"]}}]}}]}}
"""
GUARD = 'count(maibo:slo_events:increase5m{slo="tickets-read"} offset 12s)'
"""Whether a tenth of the long window has been observed."""


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


def within(seconds: float, what: Callable[[], Any]) -> Any:
    until = time.monotonic() + seconds
    while not (said := what()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.1)
    return said


def answers(url: str) -> bool:
    try:
        return httpx2.get(url).status_code == 200
    except httpx2.TransportError:
        return False


@pytest.fixture
def told() -> Iterator[tuple[str, list[Any]]]:
    """Address of a webhook, and the alerts that it got."""
    got: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", got
        server.shutdown()
        thread.join()


class Doors:
    """A service's counters, which go on as time does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = {"ok": 0.0, "error": 0.0}
        self._rates = {"ok": 20.0, "error": 0.0}
        self._at = time.monotonic()

    def go_on(self, *, ok: float, error: float) -> None:
        """Events a second from now on."""
        with self._lock:
            self._count()
            self._rates = {"ok": ok, "error": error}

    def metrics(self) -> str:
        with self._lock:
            self._count()
            lines = [f'door_reads_total{{result="{result}"}} {int(count)}' for result, count in self._counts.items()]
        return "\n".join(["# TYPE door_reads_total counter", *lines, ""])

    def _count(self) -> None:
        now = time.monotonic()
        for result, rate in self._rates.items():
            self._counts[result] += rate * (now - self._at)
        self._at = now


@pytest.fixture
def doors() -> Iterator[tuple[str, Doors]]:
    """An exporter's address, and what it counts."""
    counted = Doors()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(counted.metrics().encode())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}", counted
        server.shutdown()
        thread.join()


@pytest.fixture
def alertmanager(tmp_path: Path, told: tuple[str, list[Any]], started: Callable[..., None]) -> str:
    """Address of a real one, which tells the webhook."""
    if program is None:
        pytest.fail("prometheus-alertmanager is missing: install Debian's package of that name")
    address = free_address()
    (tmp_path / "am.yml").write_text(ALERTMANAGER % told[0])
    started(
        *(program, f"--config.file={tmp_path / 'am.yml'}", f"--storage.path={tmp_path / 'am'}"),
        *(f"--web.listen-address={address}", "--cluster.listen-address="),
    )
    within(60, lambda: answers(f"http://{address}/-/ready"))
    return address


def inhibited(manager: str) -> list[Any]:
    """Tickets that Alertmanager keeps to itself."""
    return [
        one
        for one in httpx2.get(f"http://{manager}/api/v2/alerts").json()
        if one["labels"]["severity"] == "ticket" and one["status"]["inhibitedBy"]
    ]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Starts programs, and stops them in the end."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> None:
        with (tmp_path / f"log-{len(running)}").open("wb") as log:
            environment = {name: text for name, text in os.environ.items() if not name.startswith("MAIBO_")}
            running.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))

    yield start
    for process in reversed(running):
        process.terminate()
        process.wait(40)


def spans(minutes: int, *, until: float, failing: int) -> bytes:
    """Twenty journeys in each of the last `minutes`, of which those of the last `failing` minutes failed."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for minute in range(minutes):
        for number in range(20):
            end = int((until - 60 * minute - number) * 1e9)
            span = scope.spans.add(
                trace_id=os.urandom(16), span_id=os.urandom(8), start_time_unix_nano=end - 10**8, end_time_unix_nano=end
            )
            outcome = "failure" if minute < failing else "success"
            for name, text in (("journey.name", "checkout"), ("journey.outcome", outcome)):
                span.attributes.add(key=name).value.string_value = text
    return request.SerializeToString()


def test_a_bad_release_pages_through_alertmanager_once_and_its_ticket_is_inhibited(
    tmp_path: Path, told: tuple[str, list[Any]], alertmanager: str, started: Callable[..., None]
):
    _, got = told
    api, otlp = (free_address() for _ in range(2))
    (tmp_path / "documents.yaml").write_text(DOCUMENTS)
    (tmp_path / "destinations.yaml").write_text(
        f"destinations:\n- {{name: manager, type: alertmanager, url: 'http://{alertmanager}'}}\n"
    )
    started(
        *(sys.executable, "-m", "maibo_slo.cli", "serve", str(tmp_path / "documents.yaml"), "--listen", api),
        *("--data-dir", str(tmp_path / "data"), "--tick", "1", "--otlp-http", otlp, "--otlp-grpc", "off"),
        *("--alert-destinations", str(tmp_path / "destinations.yaml")),
    )
    within(60, lambda: answers(f"http://{api}/readyz"))
    began = time.monotonic()
    body = spans(200, until=time.time() - 1, failing=60)
    assert (
        httpx2.post(
            f"http://{otlp}/v1/traces", content=body, headers={"content-type": "application/x-protobuf"}
        ).status_code
        == 200
    )

    pages = within(30, lambda: [each for each in got if each["labels"]["severity"] == "page"])
    print(f"maibo -> Alertmanager -> webhook: {time.monotonic() - began:.1f} s from the spans to the page")
    assert [(page["status"], page["labels"]["slo"]) for page in pages] == [("firing", "checkout-succeeds")]
    assert "burn" in pages[0]["annotations"]["summary"]
    said = httpx2.get(f"http://{api}/v1/alerts").json()
    assert {(one["severity"], one["state"]) for one in said["alerts"]} == {("page", "firing"), ("ticket", "firing")}
    assert said["destinations"][0]["trouble"] is None
    assert len(within(10, lambda: inhibited(alertmanager))) == 1
    command = (sys.executable, "-m", "maibo_slo.cli", "alert", "list", "--url", f"http://{api}")
    listed = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "firing" in listed.stdout
    assert "checkout-succeeds" in listed.stdout


def test_errors_that_prometheus_counts_page_and_resolve_by_the_rules_that_were_made(
    tmp_path: Path,
    told: tuple[str, list[Any]],
    doors: tuple[str, Doors],
    alertmanager: str,
    started: Callable[..., None],
):
    if prometheus is None:
        pytest.fail("prometheus is missing: install Debian's package of that name")
    (_, got), (exporter, counted) = told, doors
    (tmp_path / "windows.yaml").write_text(WINDOWS)
    command = ("generate", "rules", str(STANDARD), "--windows", str(tmp_path / "windows.yaml"), "--out", str(tmp_path))
    subprocess.run((sys.executable, "-m", "maibo_slo.cli", *command), check=True, capture_output=True)
    rules = tmp_path / "prometheus" / "slos" / "tickets-read.rules.yaml"
    (tmp_path / "prometheus.yml").write_text(PROMETHEUS.format(rules=rules, exporter=exporter, manager=alertmanager))
    api = free_address()
    started(
        *(prometheus, f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'tsdb'}"),
        f"--web.listen-address={api}",
    )
    within(30, lambda: answers(f"http://{api}/-/ready"))

    def is_guard_open() -> bool:
        said = httpx2.get(f"http://{api}/api/v1/query", params={"query": GUARD}).json()
        return bool(said["data"]["result"])

    def pages(status: str) -> list[Any]:
        return [each for each in got if (each["labels"]["severity"], each["status"]) == ("page", status)]

    within(40, is_guard_open)
    assert got == [], "nothing is wrong yet"

    counted.go_on(
        ok=0, error=1_000_000
    )  # so many at once that no scrape sees the ticket's factor reached and not the page's
    began = time.monotonic()
    (page,) = within(30, lambda: pages("firing"))
    paged = time.monotonic() - began
    named = {key: page["labels"][key] for key in ("alertname", "slo", "objective", "service", "team")}
    assert named == {
        "alertname": "MaiboBudgetBurn",
        "slo": "tickets-read",
        "objective": "0.99",
        "service": "cinema",
        "team": "cinema",
    }
    assert len(within(10, lambda: inhibited(alertmanager))) == 1
    time.sleep(2)  # twice Alertmanager's interval
    assert {each["labels"]["severity"] for each in got} == {"page"}, "the ticket is not told while the page fires"

    counted.go_on(ok=1_000_000_000_000, error=0)  # as many, so that both windows are under either factor at once
    began = time.monotonic()
    within(30, lambda: pages("resolved"))
    print(
        f"Prometheus -> Alertmanager -> webhook: page after {paged:.1f} s, resolved after {time.monotonic() - began:.1f} s"
    )
