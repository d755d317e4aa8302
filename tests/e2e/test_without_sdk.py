"""Services without the SDK: stock OpenTelemetry exporters and Fluent Bit's requests go into `maibo serve`, journeys come out, to the event.

The bookshop's documents (`examples/mapped`) are in force. Nothing here knows maibo but the address it sends to.
"""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue, KeyValueList
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCUMENTS = Path(__file__).parents[2] / "examples" / "mapped"
WINDOW = {"window": "10m"}


@dataclass(slots=True)
class Serving:
    """A running `maibo serve`."""

    api: httpx2.Client
    otlp: str

    def journey(self, name: str, **parameters: str) -> dict[str, Any]:
        said: dict[str, Any] = self.api.get(f"/v1/journeys/{name}", params={**WINDOW, **parameters}).json()
        return said

    def counted(self, name: str, outcomes: dict[str, int], **parameters: str) -> dict[str, Any]:
        """The journey, once its outcomes are these; fails when they are not within 20 s."""
        return within(60, lambda: self.journey(name, **parameters), lambda said: said["outcomes"] == outcomes)


def within(
    seconds: float, ask: Callable[[], dict[str, Any]], wanted: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while not wanted(said := ask()):
        assert time.monotonic() < until, said
        time.sleep(0.1)
    return said


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("serving")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "maibo_slo.cli", "serve", DOCUMENTS),
                *("--data-dir", folder / "data", "--listen", "127.0.0.1:0", "--tick", "1"),
                *("--otlp-http", "127.0.0.1:0", "--otlp-grpc", "off", "--acceptors", "2"),
            ],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    assert process.stdout is not None
    try:
        api = re.search(r"http://\S+:\d+", process.stdout.readline())
        otlp = re.search(r"otlp-http: (http://\S+:\d+)", process.stdout.readline())
        assert api, (folder / "log").read_text()
        assert otlp
        with httpx2.Client(base_url=api[0], trust_env=False, timeout=20) as client:
            yield Serving(client, otlp[1])
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


class Service:
    """A service with OpenTelemetry's own SDK, in whatever language."""

    def __init__(self, name: str, otlp: str) -> None:
        self._provider = TracerProvider(resource=Resource({"service.name": name, "service.version": "7.1"}))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{otlp}/v1/traces")))
        self._tracer = self._provider.get_tracer("instrumentation")

    def span(self, name: str, kind: SpanKind, *, ms: float = 20, error: bool = False, **attributes: Any) -> None:
        end = time.time_ns()
        span = self._tracer.start_span(name, kind=kind, start_time=end - int(ms * 1e6))
        span.set_attributes({key.replace("__", "."): value for key, value in attributes.items()})
        if error:
            span.set_status(Status(StatusCode.ERROR))
        span.end(end)

    def flush(self) -> None:
        self._provider.shutdown()


def test_ordinary_spans_are_journeys_and_steps(serving: Serving) -> None:
    orders, payments, warehouse = (Service(name, serving.otlp) for name in ("orders", "payments", "warehouse-eu"))
    route = {"http__request__method": "POST", "http__route": "/orders"}
    for number in range(60):
        status = 503 if number < 5 else 422 if number < 8 else 201
        tier = "vip" if number % 3 == 0 else "standard"
        orders.span(
            "POST /orders",
            SpanKind.SERVER,
            ms=400,
            http__response__status_code=status,
            app__customer__tier=tier,
            **route,
        )
        orders.span("GET /orders/{id}", SpanKind.SERVER, http__request__method="GET", http__route="/orders/{id}")
        call = {"rpc__system": "grpc", "rpc__service": "bookshop.Payments", "rpc__method": "Charge"}
        declined = {"app__decline_reason": "no_funds"} if number < 4 else {}
        orders.span("bookshop.Payments/Charge", SpanKind.CLIENT, **call)
        payments.span("bookshop.Payments/Charge", SpanKind.SERVER, error=number < 4, **call, **declined)
        orders.span("send orders", SpanKind.PRODUCER, messaging__destination__name="orders")
        if number % 2:
            warehouse.span("process orders", SpanKind.CONSUMER, messaging__destination__name="orders")
    for each in (orders, payments, warehouse):
        each.flush()
    whole = serving.counted("buy-book", {"failure": 5, "success": 55})
    assert whole["p99_us"] == pytest.approx(400_000, rel=0.0125)
    assert {part["value"]: part["count"] for part in whole["by"]["tier"]} == {"vip": 20, "standard": 40}
    assert [part["value"] for part in whole["by"]["version"]] == ["7.1"]
    serving.counted("buy-book", {"failure": 4, "success": 56}, step="charge")
    serving.counted("buy-book", {"success": 30}, step="pack")
    assert {row["name"]: row["count"] for row in serving.api.get("/v1/journeys", params=WINDOW).json()["journeys"]}[
        "buy-book"
    ] == 60


def test_access_logs_as_fluent_bit_sends_them_are_journeys(serving: Serving) -> None:
    request = ExportLogsServiceRequest()
    within_resource = request.resource_logs.add()
    within_resource.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value="catalogue")))
    records = within_resource.scope_logs.add().log_records
    for number in range(40):
        fields = {
            "request_method": AnyValue(string_value="GET" if number < 35 else "POST"),
            "uri": AnyValue(string_value=f"/books/{number}"),
            "status": AnyValue(int_value=502 if number < 2 else 200),
            "request_time": AnyValue(double_value=0.05),
        }
        body = KeyValueList(values=[KeyValue(key=key, value=value) for key, value in fields.items()])
        records.add(time_unix_nano=time.time_ns(), body=AnyValue(kvlist_value=body))
    assert post(f"{serving.otlp}/v1/logs", request.SerializeToString()) == 200
    found = serving.counted("find-book", {"failure": 2, "success": 33})
    assert found["p99_us"] == pytest.approx(50_000, rel=0.0125)
    assert (
        post(f"{serving.otlp}/v1/logs", request.SerializeToString()) == 200
    )  # Fluent Bit comes again with what it got no answer to
    within(60, lambda: serving.api.get("/v1/ingest").json(), lambda told: told["duplicate_bodies"] == 1)
    assert serving.journey("find-book")["count"] == 35


def post(url: str, body: bytes) -> int:
    headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
    request = urllib.request.Request(url, gzip.compress(body, mtime=0), headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
        return int(answer.status)


def test_the_metric_of_an_http_server_is_a_journey(serving: Serving) -> None:
    exporter = OTLPMetricExporter(endpoint=f"{serving.otlp}/v1/metrics")
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=60_000)
    provider = MeterProvider([reader], resource=Resource({"service.name": "accounts"}))
    histogram = provider.get_meter("server").create_histogram(
        "http.server.request.duration",
        unit="s",
        explicit_bucket_boundaries_advisory=[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
    )
    sign_in = {"http.request.method": "POST", "http.route": "/sign-in"}
    for round_of in range(2):  # cumulative: the second point holds what the first one did
        for number in range(30):
            histogram.record(0.09, {**sign_in, "http.response.status_code": 503 if number < 3 else 200})
            histogram.record(
                0.01, {"http.request.method": "GET", "http.route": "/sign-in", "http.response.status_code": 200}
            )
        provider.force_flush()
        serving.counted("sign-in", {"failure": 3 * (round_of + 1), "success": 27 * (round_of + 1)})
    provider.shutdown()
    assert 75_000 <= serving.journey("sign-in")["p99_us"] <= 100_000  # the bucket's bounds


def test_what_came_in_is_told(serving: Serving) -> None:
    """Of whatever the tests above sent."""
    said = within(60, lambda: serving.api.get("/v1/ingest").json(), lambda told: told["undrained_segments"] == 0)
    assert said["rejected"] == 0
    assert said["counted"] + said["ignored"] == said["spans"]
    assert "Buy a book" in serving.api.get("/").text
    for name in ("buy-book", "find-book", "sign-in"):
        assert serving.api.get(f"/journeys/{name}").status_code == 200
