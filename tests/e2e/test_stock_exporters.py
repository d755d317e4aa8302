"""OpenTelemetry's own exporters (those of `opentelemetry-exporter-otlp`) into `maibo serve` behind TLS and tokens: every event comes out, once.

Traces, histograms of both kinds in both temporalities, and logs, over HTTP and gRPC, all with gzip. What is refused, and what is sent
in the plain, is `tests/collectors/test_tls.py`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import grpc
import httpx2
import pytest
import trustme
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, ExponentialBucketHistogramAggregation
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode

from maibo import semconv
from maibo_slo import tokens
from maibo_slo.tokens import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PROTOCOLS: Final = ("http", "grpc")
KINDS: Final = {
    "explicit": ExplicitBucketHistogramAggregation([0.1, 0.25, 0.5, 1]),
    "exponential": ExponentialBucketHistogramAggregation(),
}
TEMPORALITIES: Final = {"cumulative": AggregationTemporality.CUMULATIVE, "delta": AggregationTemporality.DELTA}
RESOURCE: Final = Resource({semconv.SERVICE_NAME: "shop", semconv.SERVICE_VERSION: "3.2"})
DOCUMENT: Final = """
apiVersion: maibo.dev/v1
kind: Journey
metadata: {name: %(name)s}
spec:
  threshold: 250ms
  steps: [{name: pay}]
"""
LOGGED: Final = """  logs:
    - fields: {page: %(name)s}
      duration: {field: seconds, unit: s}
      failure: {status: "5*"}
"""


@dataclass(slots=True)
class Serving:
    """A running `maibo serve`, and what a sender needs."""

    api: httpx2.Client
    http: str
    grpc: str
    authority: Path
    token: str
    seen: dict[str, dict[str, int]] = field(default_factory=dict)
    """Outcomes of journeys, as they were counted."""

    def exporter(self, protocol: str, signal: str, **options: Any) -> Any:
        """As it is set up in code; ``OTEL_EXPORTER_OTLP_*`` say the same."""
        headers = {"authorization": f"Bearer {self.token}"}
        if protocol == "http":
            make: Any = {"traces": HttpSpans, "metrics": HttpMetrics, "logs": HttpLogs}[signal]
            endpoint, authority = f"{self.http}/v1/{signal}", str(self.authority)
            return make(endpoint, authority, headers=headers, compression=Compression.Gzip, **options)
        make = {"traces": GrpcSpans, "metrics": GrpcMetrics, "logs": GrpcLogs}[signal]
        credentials = grpc.ssl_channel_credentials(self.authority.read_bytes())
        return make(self.grpc, credentials=credentials, headers=headers, compression=grpc.Compression.Gzip, **options)

    def counted(self, journey: str, outcomes: dict[str, int]) -> dict[str, Any]:
        """The journey, once so many are counted and have ended."""

        def is_all(said: dict[str, Any]) -> bool:
            flow = said["flow"] or {}
            ended = {"success": flow.get("succeeded"), "failure": flow.get("failed")}
            return bool(said["outcomes"] == ended == outcomes)

        said = within(lambda: self.ask(f"/v1/journeys/{journey}", window="1h"), is_all)
        self.seen[journey] = outcomes
        return said

    def ask(self, path: str, **parameters: str) -> dict[str, Any]:
        said: dict[str, Any] = self.api.get(path, params=parameters).json()
        return said


def within(ask: Callable[[], dict[str, Any]], wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    until = time.monotonic() + 60
    while not wanted(said := ask()):
        assert time.monotonic() < until, said
        time.sleep(0.1)
    return said


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("serving")
    authority = trustme.CA()
    server = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    server.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems))
    token = tokens.add(folder / "tokens.json", "shop", Scope.INGEST, now=datetime.now(UTC))
    journeys = [
        (DOCUMENT + (LOGGED if kind == "logs" else "")) % {"name": f"{kind}-{protocol}"}
        for protocol in PROTOCOLS
        for kind in ("spans", "logs", *(f"{kind}-{temporality}" for kind in KINDS for temporality in TEMPORALITIES))
    ]
    (folder / "journeys.yaml").write_text("---".join(journeys))
    with (folder / "stderr.txt").open("w") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "maibo_slo.cli", "serve", folder / "journeys.yaml"),
                *("--data-dir", folder / "data", "--listen", "127.0.0.1:0", "--tick", "1", "--acceptors", "2"),
                *("--otlp-http", "0.0.0.0:0", "--otlp-grpc", "0.0.0.0:0", "--otlp-tokens", folder / "tokens.json"),
                *("--otlp-tls-cert", folder / "cert.pem", "--otlp-tls-key", folder / "key.pem"),
            ],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    assert process.stdout is not None
    try:
        told = ""
        while not all(name in told for name in ("otlp-http", "otlp-grpc")):
            line = process.stdout.readline()
            assert line, (told, (folder / "stderr.txt").read_text())
            told += line
        api = re.search(r"http://\S+:\d+", told)
        ports = dict(re.findall(r"otlp-(http|grpc): \S+:(\d+)", told))
        assert api
        with httpx2.Client(base_url=api[0], trust_env=False, timeout=20) as client:
            http, grpc_ = (f"https://localhost:{ports[protocol]}" for protocol in PROTOCOLS)
            yield Serving(client, http, grpc_, folder / "ca.pem", token)
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


@pytest.fixture(autouse=True)
def _trust_what_the_exporter_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # either would replace an exporter's own certificates
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_span_is_counted_once(serving: Serving, protocol: str) -> None:
    provider = TracerProvider(resource=RESOURCE)
    # Batches smaller than what is sent: several requests, one upon the other on one connection.
    exporter = serving.exporter(protocol, "traces")
    provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=100))
    tracer = provider.get_tracer("shop")
    for number in range(730):
        end = time.time_ns()
        span = tracer.start_span("checkout", start_time=end - (100 if number % 10 else 300) * 10**6)
        span.set_attributes({semconv.JOURNEY_NAME: f"spans-{protocol}", semconv.JOURNEY_TIER: f"tier-{number % 2}"})
        if number < 30:
            span.set_status(Status(StatusCode.ERROR))
        with_child = tracer.start_span("SELECT", start_time=end)
        with_child.end(end)
        span.end(end)
    provider.shutdown()
    said = serving.counted(f"spans-{protocol}", {"failure": 30, "success": 700})
    assert said["within_threshold"] == 730 - 73
    assert {part["value"]: part["count"] for part in said["by"]["tier"]} == {"tier-0": 365, "tier-1": 365}
    assert [part["value"] for part in said["by"]["version"]] == ["3.2"]


@pytest.mark.parametrize("temporality", TEMPORALITIES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_event_of_a_histogram_is_counted_once(
    serving: Serving, protocol: str, kind: str, temporality: str
) -> None:
    exporter = serving.exporter(
        protocol,
        "metrics",
        preferred_temporality={Histogram: TEMPORALITIES[temporality]},
        preferred_aggregation={Histogram: KINDS[kind]},
    )
    provider = MeterProvider([PeriodicExportingMetricReader(exporter, export_interval_millis=60_000)], RESOURCE)
    durations = provider.get_meter("shop").create_histogram("journey.duration", unit="s")
    of_journey = {semconv.JOURNEY_NAME: f"{kind}-{temporality}-{protocol}"}
    succeeded = 0
    for export in range(4):
        for number in range(50 * (export + 1)):
            durations.record(0.2 if number % 5 else 0.9, {**of_journey, semconv.JOURNEY_OUTCOME: semconv.SUCCESS})
        succeeded += 50 * (export + 1)
        if export >= 2:  # a stream that begins when others have been exported before
            for _ in range(7):
                durations.record(0.05, {**of_journey, semconv.JOURNEY_OUTCOME: semconv.FAILURE})
        assert provider.force_flush()
    provider.shutdown()  # exports once more what has not changed
    said = serving.counted(of_journey[semconv.JOURNEY_NAME], {"failure": 14, "success": succeeded})
    if kind == "explicit":  # the threshold is one of the bounds
        assert said["within_threshold"] == 14 + succeeded * 4 // 5


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_log_record_is_counted_once(serving: Serving, protocol: str) -> None:
    provider = LoggerProvider(resource=RESOURCE)
    provider.add_log_record_processor(
        BatchLogRecordProcessor(serving.exporter(protocol, "logs"), max_export_batch_size=50)
    )
    logger = provider.get_logger("access")
    for number in range(240):
        fields = {"seconds": 0.1 if number % 4 else 0.4, "status": 503 if number < 20 else 200}
        page = {"page": f"logs-{protocol}"}
        if number % 2:
            logger.emit(timestamp=time.time_ns(), body={**page, **fields})
        else:
            logger.emit(timestamp=time.time_ns(), body="GET /", attributes={**page, **fields})
    logger.emit(timestamp=time.time_ns(), body="started")
    provider.shutdown()
    said = serving.counted(f"logs-{protocol}", {"failure": 20, "success": 220})
    assert said["within_threshold"] == 180


def test_nothing_was_rejected_and_nothing_is_counted_later(serving: Serving) -> None:
    """Of whatever the tests above sent."""
    said = within(lambda: serving.ask("/v1/ingest"), lambda told: told["undrained_segments"] == 0)
    assert (said["rejected"], said["skewed"], said["overflowed"]) == (0, 0, 0)
    assert said["spans"] == said["counted"] + said["ignored"]
    journeys = serving.ask("/v1/journeys", window="1h")["journeys"]
    assert {one["name"]: one["outcomes"] for one in journeys if one["count"]} == serving.seen
