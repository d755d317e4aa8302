"""`maibo serve` as a process of its own: OTLP in by the stock exporter, numbers out, reload, stop."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode

from maibo import semconv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLES = Path(__file__).parents[2] / "examples" / "shop"


@dataclass(slots=True)
class Serving:
    """A running `maibo serve`."""

    process: subprocess.Popen[str]
    http: httpx2.Client
    otlp: str
    documents: Path
    log: Path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def within(seconds: float, what: Callable[[], object]) -> object:
    """What it comes to, once that is true; an assertion error after so many seconds."""
    until = time.monotonic() + seconds
    while True:
        said = what()
        if said or time.monotonic() > until:
            assert said
            return said
        time.sleep(0.1)


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    documents = tmp_path / "documents"
    shutil.copytree(EXAMPLES, documents)
    otlp, log = free_port(), tmp_path / "log"
    with log.open("w") as told:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "maibo_slo.cli", "serve", documents),
                *("--data-dir", tmp_path / "data", "--listen", "127.0.0.1:0", "--tick", "1"),
                *("--otlp-http", f"127.0.0.1:{otlp}", "--otlp-grpc", "off"),
            ],
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    assert process.stdout is not None
    try:
        ready = process.stdout.readline()
        found = re.match(r"maibo is ready: (http://127\.0\.0\.1:\d+)/", ready)
        assert found, ready + log.read_text()
        assert f"otlp-http: http://127.0.0.1:{otlp}" in process.stdout.readline()
        with httpx2.Client(base_url=found[1], trust_env=False, timeout=20) as http:
            yield Serving(process, http, f"http://127.0.0.1:{otlp}/v1/traces", documents, log)
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def send_checkouts(endpoint: str, *, good: int, failed: int, ms: int) -> None:
    """Journey spans as any OpenTelemetry SDK sends them."""
    provider = TracerProvider(resource=Resource({semconv.SERVICE_NAME: "payment", semconv.SERVICE_VERSION: "v7"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    tracer = provider.get_tracer("test")
    for number in range(good + failed):
        end = time.time_ns()
        begin = end - ms * 1_000_000
        span = tracer.start_span("checkout", start_time=begin)
        span.set_attributes(
            {
                semconv.JOURNEY_NAME: "checkout",
                semconv.JOURNEY_ID: f"{number:032x}",
                semconv.JOURNEY_START_TIME: begin // 1000,
                semconv.JOURNEY_OUTCOME: semconv.SUCCESS if number < good else semconv.FAILURE,
                semconv.JOURNEY_TIER: "vip",
            }
        )
        if number >= good:
            span.set_status(Status(StatusCode.ERROR))
        span.end(end)
    provider.shutdown()


def test_from_a_tagged_span_to_a_budget_and_out(serving: Serving) -> None:
    send_checkouts(serving.otlp, good=40, failed=10, ms=120)

    def checkout() -> dict:
        return serving.http.get("/v1/journeys/checkout", params={"window": "10m"}).json()

    within(60, lambda: checkout()["count"] == 50)
    said = checkout()
    assert said["outcomes"] == {"failure": 10, "success": 40}
    assert said["p99_us"] == pytest.approx(120_000, rel=0.0125)
    assert [part["value"] for part in said["by"]["tier"]] == ["vip"]
    assert [part["value"] for part in said["by"]["version"]] == ["v7"]

    def burning() -> list[dict]:
        """It burns, and is held back: the service is seconds old."""
        slos = serving.http.get("/v1/slos").json()["slos"]
        objectives = [one for slo in slos if slo["journey"] == "checkout" for one in slo["objectives"]]
        return [one for one in objectives if one["bad"] == 10 and any(rule["held_back"] for rule in one["rules"])]

    within(60, burning)
    ingest = serving.http.get("/v1/ingest").json()
    assert (ingest["spans"], ingest["counted"], ingest["rejected"], ingest["duplicate_bodies"]) == (50, 50, 0, 0)
    assert ingest["undrained_segments"] is not None
    assert 'maibo_ingest_spans_total{result="counted"} 50.0' in serving.http.get("/metrics").text
    assert "Checkout" in serving.http.get("/").text

    table = maibo(serving, "journey", "list", "--window", "10m")
    assert table.returncode == 0, table.stderr
    assert re.search(r"checkout .* 50 .* 80\.00 %", table.stdout)
    assert "P99" in maibo(serving, "journey", "show", "checkout").stdout
    assert "healthy" in maibo(serving, "slo", "list").stdout, "the state of the policy"
    unknown = maibo(serving, "slo", "show", "nope")
    assert (unknown.returncode, "nope" in unknown.stderr) == (1, True)

    owner = maibo(serving, "store", "info", "--data-dir", str(serving.log.parent / "data"))
    assert owner.returncode == 1
    assert "in use" in owner.stderr

    reload_documents(serving)
    stop_and_start_again(serving)


def reload_documents(serving: Serving) -> None:
    """Good documents are taken; bad ones are told, and those in force stay."""
    extra = serving.documents / "extra.yaml"
    extra.write_text("apiVersion: openslo/v1\nkind: Service\nmetadata: {name: extra}\nspec: {description: new}\n")
    serving.process.send_signal(signal.SIGHUP)

    def services() -> set[str]:
        return {row["service"] for row in serving.http.get("/v1/scorecard").json()["rows"]}

    within(60, lambda: "extra" in services())
    extra.write_text("apiVersion: openslo/v1\nkind: Slow\nmetadata: {name: extra}\n")
    serving.process.send_signal(signal.SIGHUP)

    def documents() -> str:
        parts = serving.http.get("/readyz").json()["parts"]
        return next((part["detail"] for part in parts if part["part"] == "documents" and not part["ok"]), "")

    assert "extra.yaml" in str(within(60, documents))
    assert "extra" in services()


def stop_and_start_again(serving: Serving) -> None:
    """What was acknowledged before SIGTERM is counted at the stop."""
    send_checkouts(serving.otlp, good=5, failed=0, ms=120)
    begun = time.monotonic()
    serving.process.send_signal(signal.SIGTERM)
    assert serving.process.wait(60) == 0, serving.log.read_text()
    assert time.monotonic() - begun < 25  # it takes one second; a loaded machine is slower
    assert "Traceback" not in serving.log.read_text()
    code = (
        "import sys\nfrom maibo_slo.store import open_store, segments\n"
        "with open_store(sys.argv[1]) as store: print(segments.totals(store).counted)"
    )
    folder = serving.log.parent / "data" / "store"
    done = subprocess.run(
        [sys.executable, "-c", code, f"chdb://{folder}"], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "55", done.stderr


def maibo(serving: Serving, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "maibo_slo.cli", *arguments],
        env={**os.environ, "MAIBO_URL": str(serving.http.base_url)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
