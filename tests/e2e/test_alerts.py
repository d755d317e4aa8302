"""A bad release, from spans to a person: OTLP into `maibo serve`, whose alert the real Alertmanager hands to a webhook."""

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
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

program = shutil.which("prometheus-alertmanager")
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
    tmp_path: Path, told: tuple[str, list[Any]], started: Callable[..., None]
):
    if program is None:
        pytest.fail("prometheus-alertmanager is missing: install Debian's package of that name")
    hook, got = told
    manager, api, otlp = (free_address() for _ in range(3))
    (tmp_path / "am.yml").write_text(ALERTMANAGER % hook)
    (tmp_path / "documents.yaml").write_text(DOCUMENTS)
    (tmp_path / "destinations.yaml").write_text(
        f"destinations:\n- {{name: manager, type: alertmanager, url: 'http://{manager}'}}\n"
    )
    started(
        *(program, f"--config.file={tmp_path / 'am.yml'}", f"--storage.path={tmp_path / 'am'}"),
        *(f"--web.listen-address={manager}", "--cluster.listen-address="),
    )
    started(
        *(sys.executable, "-m", "maibo_slo.cli", "serve", str(tmp_path / "documents.yaml"), "--listen", api),
        *("--data-dir", str(tmp_path / "data"), "--tick", "1", "--otlp-http", otlp, "--otlp-grpc", "off"),
        *("--alert-destinations", str(tmp_path / "destinations.yaml")),
    )
    within(60, lambda: answers(f"http://{manager}/-/ready") and answers(f"http://{api}/readyz"))
    began = time.monotonic()
    body = spans(200, until=time.time() - 1, failing=60)
    assert (
        httpx2.post(
            f"http://{otlp}/v1/traces", content=body, headers={"content-type": "application/x-protobuf"}
        ).status_code
        == 200
    )

    pages = within(30, lambda: [each for each in got if each["labels"]["severity"] == "page"])
    print(f"from the spans to the page: {time.monotonic() - began:.1f} s")
    assert [(page["status"], page["labels"]["slo"]) for page in pages] == [("firing", "checkout-succeeds")]
    assert "burn" in pages[0]["annotations"]["summary"]
    said = httpx2.get(f"http://{api}/v1/alerts").json()
    assert {(one["severity"], one["state"]) for one in said["alerts"]} == {("page", "firing"), ("ticket", "firing")}
    assert said["destinations"][0]["trouble"] is None
    suppressed = within(
        10,
        lambda: [
            one
            for one in httpx2.get(f"http://{manager}/api/v2/alerts").json()
            if one["labels"]["severity"] == "ticket" and one["status"]["inhibitedBy"]
        ],
    )
    assert len(suppressed) == 1
    command = (sys.executable, "-m", "maibo_slo.cli", "alert", "list", "--url", f"http://{api}")
    listed = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "firing" in listed.stdout
    assert "checkout-succeeds" in listed.stdout
