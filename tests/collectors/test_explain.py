"""`maibo journey explain`: what a captured request counts as is what an acceptor makes of it, and the rest is told why not."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue, KeyValueList

from maibo_collectors.errors import CollectorError
from maibo_collectors.otlp.decoding.decoders import Decoders
from maibo_collectors.otlp.decoding.tally import CELL, series_of
from maibo_collectors.otlp.documents import rules_of
from maibo_collectors.otlp.explaining import captured
from maibo_collectors.otlp.explaining.explain import explain
from maibo_collectors.otlp.segment import Kind
from maibo_slo.cli import cli
from maibo_slo.documents import Catalogue, load

if TYPE_CHECKING:
    from google.protobuf.message import Message

MAPPED = Path(__file__).parents[2] / "examples" / "mapped"
JOURNEYS = MAPPED / "journeys.yaml"
NOW_NS = 1_800_000_000 * 10**9
"""Long ago or long ahead: times of a captured request are judged among themselves."""
SERVER, CLIENT, INTERNAL = 2, 3, 1


def any_value(value: object) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, dict):
        return AnyValue(kvlist_value=KeyValueList(values=pairs(value)))
    return AnyValue(string_value=str(value))


def pairs(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


class Request:
    """Makes requests of spans; what it makes is written as any exporter writes it."""

    def __init__(self) -> None:
        self.message = ExportTraceServiceRequest()

    def span(self, service: str, name: str, *, kind: int = SERVER, ms: float = 100, **more: Any) -> Request:
        within = self.message.resource_spans.add()
        within.resource.attributes.extend(pairs({"service.name": service}))
        end = NOW_NS + more.pop("late_ns", 0)
        span = within.scope_spans.add().spans.add(
            trace_id=b"t" * 16,
            span_id=b"s" * 8,
            name=name,
            kind=kind,
            start_time_unix_nano=end - int(ms * 10**6),
            end_time_unix_nano=end,
            trace_state=more.pop("trace_state", ""),
        )
        span.attributes.extend(pairs({key.replace("_", "."): value for key, value in more.items()}))
        return self

    def protobuf(self) -> bytes:
        return self.message.SerializeToString()

    def json(self) -> bytes:
        return json.dumps(otlp_json(self.message)).encode()


def otlp_json(message: Message) -> Any:
    """OTLP's JSON: protobuf's, with hex for ids."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: base64.b64decode(each).hex() if key in {"traceId", "spanId"} else walk(each)
                for key, each in value.items()
            }
        return [walk(each) for each in value] if isinstance(value, list) else value

    return walk(MessageToDict(message, use_integers_for_enums=True))


def shop() -> Request:
    """One of everything."""
    status = "http_response_status.code"
    return (
        Request()
        .span("orders", "POST /orders", http_request_method="POST", http_route="/orders", app_customer_tier="vip")
        .span("orders", "POST /orders", ms=900, **{"http_method": "POST", "http_route": "/orders", status: 1})
        .span("orders", "GET /cart", http_request_method="POST", http_route="/cart")
        .span("payments", "Charge", rpc_service="bookshop.Payments", rpc_method="Charge")
        .span("payments", "Charge", rpc_service="bookshop.Payments", rpc_method="Charge", ms=-3)
        .span("payments", "SELECT", kind=CLIENT)
        .span("mail", "send confirmation", kind=INTERNAL)
        .span("sdk", "pay", journey_name="buy-book", journey_step="pay", journey_tier="vip")
        .span("sdk", "pay", journey_name="buy-book", journey_outcome="odd")
        .span("sdk", "begin", journey_name="buy-book", journey_started=True)
    )


def told(data: bytes, catalogue: Catalogue | None = None) -> list[tuple[str, str, str]]:
    """(result, what it counts as, why) of each."""
    found = explain(captured.read(data), load([MAPPED]) if catalogue is None else catalogue)
    return [
        (
            one.result,
            ", ".join(f"{count.series.journey}/{count.series.step}/{count.series.outcome}" for count in one.counts),
            one.why.replace(f"{MAPPED}/", ""),
        )
        for one in found
    ]


def line_of(text: str) -> int:
    """Where a rule of the example begins."""
    return next(number for number, line in enumerate(JOURNEYS.read_text().splitlines(), 1) if text in line)


def test_each_span_is_told_what_it_counts_as_or_why_it_does_not() -> None:
    whole, charge = line_of("- service: orders"), line_of("- service: payments")
    assert told(shop().protobuf()) == [
        ("counted", "buy-book//success", ""),
        ("counted", "buy-book//success", ""),
        (
            "ignored",
            "",
            f"no journey.name; nearest rule journeys.yaml:{whole} (buy-book) wants http.route=/orders; it is /cart",
        ),
        ("counted", "buy-book/charge/success", ""),
        ("skewed", "buy-book/charge/success", "ends before it starts: clocks disagree"),
        (
            "ignored",
            "",
            f"no journey.name; nearest rule journeys.yaml:{charge} (buy-book/charge) wants kind=server; it is client",
        ),
        ("counted", "buy-book/thank/success", ""),
        ("counted", "buy-book/pay/success", ""),
        ("rejected", "", "unknown outcome 'odd'"),
        ("started", "buy-book//", ""),
    ]


def test_the_rule_that_counts_it_is_named_and_the_sdks_own_spans_need_none() -> None:
    found = list(explain(captured.read(shop().protobuf()), load([MAPPED])))
    origins = [count.rule for one in found for count in one.counts]
    lines = [origin.line if origin else None for origin in origins]
    orders, charge, thank = (line_of(text) for text in ("- service: orders", "- service: payments", "{service: mail"))
    assert lines == [orders, orders, charge, charge, thank, None, None]


def test_what_is_told_is_what_an_acceptor_counts() -> None:
    """The whole request at once through the acceptors' decoder, against the sum of what is told of each span."""
    data = shop().protobuf()
    tally = Decoders(rules_of(load([MAPPED]))).tally(Kind.TRACES_PROTOBUF, data, received_ns=NOW_NS)
    counted = sorted(
        (t, series_of(tally.series[index]), place, n) for t, index, place, n in CELL.iter_unpack(tally.cells)
    )
    said = sorted(
        (count.t, count.series, count.bin, count.n)
        for one in explain(captured.read(data), load([MAPPED]))
        for count in one.counts
        if one.result == "counted"
    )
    assert said == counted
    assert (tally.total, tally.counted, tally.ignored, tally.skewed) == (10, 6, 2, 1)


def test_protobuf_json_gzip_lists_and_lines_are_told_alike() -> None:
    expected = told(shop().protobuf())
    assert told(shop().json()) == expected
    assert told(gzip.compress(shop().json())) == expected
    assert told(gzip.compress(shop().protobuf())) == expected
    assert told(b"[" + shop().json() + b"," + shop().json() + b"]") == expected * 2
    assert told(shop().json() + b"\n\n" + shop().json() + b"\n") == expected * 2


def test_without_documents_it_says_so() -> None:
    (found,) = told(Request().span("orders", "x").protobuf(), Catalogue())
    assert found == ("ignored", "", "no journey.name; no document has rules for spans")


def test_times_are_judged_among_themselves() -> None:
    request = Request().span("a", "x", journey_name="j").span("a", "x", journey_name="j").span(
        "a", "x", journey_name="j", late_ns=2 * 86_400 * 10**9
    )  # fmt: skip
    assert [result for result, _, _ in told(request.protobuf())] == ["counted", "counted", "rejected"]


def test_a_sampled_span_stands_for_more_than_itself() -> None:
    request = Request().span("a", "x", journey_name="j", trace_state="ot=th:c")
    (one,) = explain(captured.read(request.protobuf()), Catalogue())
    assert (one.counts[0].n, one.why) == (4, "sampled: it stands for more than itself")


def logs() -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    within = request.resource_logs.add()
    within.resource.attributes.extend(pairs({"service.name": "catalogue"}))
    page = {"request_method": "GET", "uri": "/books/7", "status": 200, "request_time": 0.034}
    for body in (page, {**page, "status": 502}, {**page, "uri": "/help"}, {**page, "request_time": "-"}, "text"):
        within.scope_logs.add().log_records.add(time_unix_nano=NOW_NS, body=any_value(body))
    return request


def test_log_records_are_told_alike() -> None:
    line = line_of("- service: catalogue")
    expected = [
        ("counted", "find-book//success", ""),
        ("counted", "find-book//failure", ""),
        ("ignored", "", f"nearest rule journeys.yaml:{line} (find-book) wants uri=/books or /books/*; it is /help"),
        ("rejected", "", "no duration"),
        ("ignored", "", f"nearest rule journeys.yaml:{line} (find-book) wants request_method=GET; there is none"),
    ]
    assert told(logs().SerializeToString()) == expected
    assert told(json.dumps(otlp_json(logs())).encode()) == expected


def test_a_field_that_stands_in_for_what_the_resource_lacks_meets_a_rule_that_is_named() -> None:
    request = ExportLogsServiceRequest()  # as Fluent Bit sends it
    page = {"request_method": "GET", "uri": "/books/7", "status": 200, "request_time": 0.034}
    for service in ("catalogue", "orders"):
        body = any_value({**page, "service": {"name": service}})
        request.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=NOW_NS, body=body)
    counted, ignored = explain(captured.read(request.SerializeToString()), load([MAPPED]))
    (count,) = counted.counts
    line = line_of("- service: catalogue")
    assert (count.series.service, count.rule and count.rule.line) == ("catalogue", line)
    assert ignored.why.endswith(f"journeys.yaml:{line} (find-book) wants service.name=catalogue; it is orders")


def metrics() -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    within = request.resource_metrics.add()
    within.resource.attributes.extend(pairs({"service.name": "accounts"}))
    scope = within.scope_metrics.add()
    histogram = scope.metrics.add(name="http.server.request.duration", unit="s").histogram
    histogram.aggregation_temporality = 1
    for route, status in (("/sign-in", 200), ("/sign-in", 503), ("/sign-out", 200)):
        histogram.data_points.add(
            time_unix_nano=NOW_NS,
            start_time_unix_nano=NOW_NS - 10**10,
            count=6,
            explicit_bounds=[0.1, 0.5],
            bucket_counts=[1, 2, 3],
            attributes=pairs({"http.route": route, "http.request.method": "POST", "http.response.status_code": status}),
        )
    return request


def test_data_points_are_told_alike() -> None:
    line = line_of("- service: accounts")
    expected = [
        ("counted", "sign-in//success", ""),
        ("counted", "sign-in//failure", ""),
        ("ignored", "", f"nearest rule journeys.yaml:{line} (sign-in) wants http.route=/sign-in; it is /sign-out"),
    ]
    assert told(metrics().SerializeToString()) == expected
    assert told(json.dumps(otlp_json(metrics())).encode()) == expected


def test_a_metric_that_says_itself_what_it_is_needs_no_rule() -> None:
    request = metrics()
    metric = request.resource_metrics[0].scope_metrics[0].metrics[0]
    metric.name = "journey.duration"
    metric.histogram.aggregation_temporality = 2
    for point in metric.histogram.data_points:
        point.attributes.extend(pairs({"journey.name": "sign-in"}))
    found = list(explain(captured.read(request.SerializeToString()), load([MAPPED])))
    assert [(one.result, one.counts[0].n, one.counts[0].rule) for one in found] == [("counted", 6, None)] * 3
    assert {one.why for one in found} == {"cumulative: all of it came since its start"}


def cumulative(*points: tuple[int, int, list[int]]) -> bytes:
    """(seconds from NOW_NS, seconds since the start, counts) of each, one request each, as a Collector writes them."""
    requests = []
    for seconds, age, counts in points:
        request = ExportMetricsServiceRequest()
        metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="journey.duration", unit="ms")
        metric.histogram.aggregation_temporality = 2
        time_ns = NOW_NS + seconds * 10**9
        metric.histogram.data_points.add(
            time_unix_nano=time_ns,
            start_time_unix_nano=time_ns - age * 10**9,
            count=sum(counts),
            explicit_bounds=[100, 500],
            bucket_counts=counts,
            attributes=pairs({"journey.name": "sign-in"}),
        )
        requests.append(json.dumps(otlp_json(request)))
    return "\n".join(requests).encode()


def test_the_first_point_of_a_cumulative_stream_is_the_baseline_and_counts_nothing() -> None:
    hour = 3600
    data = cumulative(
        (0, hour, [7, 0, 0]), (10, hour + 10, [7, 4, 0]), (10, hour + 10, [7, 4, 0]), (20, hour + 20, [7, 4, 0])
    )
    found = list(explain(captured.read(data), Catalogue()))
    assert [(one.result, sum(count.n for count in one.counts), one.why) for one in found] == [
        ("baseline", 0, "first point of a cumulative stream: the baseline, counts from the next one"),
        ("counted", 4, "cumulative: what came since the point before"),
        ("ignored", 0, "the same point of its stream came before"),
        ("counted", 0, "cumulative: what came since the point before"),
    ]


def test_of_a_histogram_the_range_and_quantiles_are_told_by_the_stores_own_bins() -> None:
    data = cumulative((-20, 30, [2, 0, 0]), (0, 50, [2, 198, 0]))
    said = maibo("-", stdin=data).stdout
    assert "2 in all: 2 counted" in said
    assert "198 × sign-in (success) in 100–500 ms (P50 " in said  # noqa: RUF001 -- as people read it
    assert ", P99 492 ms) at 07:59:40–07:59:50" in said  # noqa: RUF001 -- as people read it
    cells = json.loads(maibo("-", "-o", "json", stdin=data).stdout)["cells"]
    assert [(cell["n"], sum(cell["bins"].values())) for cell in cells] == [(2, 2), (198, 198)]
    assert 100_000 < cells[1]["p50_us"] < cells[1]["p99_us"] <= 500_000


def test_what_has_no_latencies_is_told(tmp_path: Path) -> None:
    (tmp_path / "journey.yaml").write_text(
        "{apiVersion: maibo.dev/v1, kind: Journey, metadata: {name: x}, spec: {metrics: [{name: queue.length}]}}"
    )
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="queue.length")
    metric.gauge.data_points.add(time_unix_nano=NOW_NS, as_int=3)
    expected = [("ignored", "", "no histogram: only those have latencies")]
    assert told(request.SerializeToString(), load([tmp_path])) == expected


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "holds no span, log record or data point with a time"),
        (b"hello", "holds no span, log record or data point with a time"),
        (b'{"spans": []}', "one of resourceSpans, resourceMetrics, resourceLogs"),
        (b"[5]", "one of resourceSpans, resourceMetrics, resourceLogs"),
        (b'{"resourceSpans": []}\n{', "line 2 is no JSON"),
        (b'{"resourceSpans": 5}', "request 1: an acceptor refuses it: not an ExportTraceServiceRequest"),
        (b'{"resourceLogs": [null]}', "request 1: an acceptor refuses it: not an ExportLogsServiceRequest"),
        (gzip.compress(b"x", mtime=0)[:-3], "gzip"),
    ],
)
def test_what_is_no_request_is_one_clear_error(data: bytes, message: str) -> None:
    with pytest.raises(CollectorError, match=message):
        told(data)


def maibo(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["journey", "explain", *arguments], input=stdin, catch_exceptions=False)


def test_the_command_prints_a_table_and_what_it_comes_to(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    path.write_bytes(shop().json())
    said = maibo(str(path), str(MAPPED)).stdout
    place = f"{JOURNEYS}:{line_of('- service: orders')}"
    assert f"buy-book (success, vip) in 99–100 ms at 08:00:00, by {place}" in said  # noqa: RUF001 -- a dash is typography
    assert "10 in all: 5 counted, 2 ignored, 1 skewed, 1 rejected, 1 started" in said
    limited = maibo(str(path), str(MAPPED), "--limit", "3").stdout
    assert "and 7 more: see --limit" in limited


def test_the_command_speaks_json_and_reads_standard_input() -> None:
    said = json.loads(maibo("-", str(MAPPED), "--output", "json", stdin=shop().protobuf()).stdout)
    assert said["results"] == {"counted": 5, "ignored": 2, "rejected": 1, "skewed": 1, "started": 1}
    first = said["items"][0]
    assert (first["service"], first["trace_id"]) == ("orders", (b"t" * 16).hex())
    assert first["counts"][0]["rule"] == {"file": str(JOURNEYS), "line": line_of("- service: orders")}
    assert first["counts"][0]["tier"] == "vip"
    assert sum(cell["n"] for cell in said["cells"]) == 6  # five spans, and the start


def test_names_from_outside_are_text_and_no_commands_of_a_terminal() -> None:
    request = Request().span("[red]\x1b[2J", "[/x]\x1b[2J", journey_name="[b]\x1b[2J")
    said = maibo("-", stdin=request.protobuf()).stdout
    assert "\x1b" not in said
    assert "[red]\ufffd[2J" in said
    assert "[b]\ufffd[2J" in said


def test_what_cannot_be_used_ends_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: nothing\n")
    for arguments in (["/nowhere"], ["-"], ["-", str(tmp_path)]):
        result = maibo(*arguments, stdin=b"")
        assert result.exit_code == 1
        assert "Traceback" not in result.stderr
        assert result.stderr.startswith("Error: ")
