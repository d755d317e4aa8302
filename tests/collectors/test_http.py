"""Every answer, byte for byte what OTLP asks, from a real acceptor process."""

import http.client
import json
import resource
import socket
import time

import pytest
from google.rpc.code_pb2 import Code
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from maibo_collectors.otlp.decoding.decoders import COMPILED, decoder_in_use

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
MIB = 2**20


@pytest.mark.parametrize("encoding", ["", "identity", "gzip", "GZIP"])
def test_full_success_is_an_empty_response(core, journey, otlp_body, zipped, encoding):
    body = otlp_body(journey, 3)
    zipping = encoding.lower() == "gzip"
    reply = core.send(zipped(body) if zipping else body, **({"content_encoding": encoding} if encoding else {}))
    assert (reply.code, reply.body) == (200, b"")
    assert not reply.response.HasField("partial_success")
    core.wait_counted(journey, 3)


def test_partial_success_tells_how_many_spans_were_rejected_and_why(core, journey, otlp_request):
    spans = [{"journey.name": journey}, {"journey.name": journey, "journey.outcome": "great"}, {"other": "span"}]
    reply = core.send(otlp_request(*spans).SerializeToString())
    partial = reply.response.partial_success
    assert (partial.rejected_spans, partial.error_message) == (1, "1 span rejected: 1 unknown outcome 'great'")
    core.wait_counted(journey, 1)


def test_a_request_without_spans_succeeds_and_writes_nothing(core):
    before = core.metric('maibo_otlp_requests_total{code="200"}')
    assert core.send(b"").body == b""
    assert core.metric('maibo_otlp_requests_total{code="200"}') == before + 1


def test_the_content_type_may_have_parameters_and_any_case(core, journey, otlp_body):
    assert core.send(otlp_body(journey), content_type="Application/X-Protobuf; charset=utf-8").code == 200


GARBAGE = b"\xff" * 50
REFUSALS = {
    "no protobuf": (GARBAGE, {}, 400, Code.INVALID_ARGUMENT, "not an ExportTraceServiceRequest"),
    "no gzip": (b"plainly no gzip", {"content_encoding": "gzip"}, 400, Code.INVALID_ARGUMENT, "not valid gzip"),
    "nothing, but gzip": (b"", {"content_encoding": "gzip"}, 400, Code.INVALID_ARGUMENT, "ends too early"),
    "text": (b"", {"content_type": "text/plain"}, 415, Code.INVALID_ARGUMENT, "text/plain is not understood"),
    "no type": (b"", {"content_type": ""}, 415, Code.INVALID_ARGUMENT, "no Content-Type"),
    "zstd": (b"", {"content_encoding": "zstd"}, 415, Code.INVALID_ARGUMENT, "zstd is not understood"),
    "twice gzip": (b"", {"content_encoding": "gzip, gzip"}, 415, Code.INVALID_ARGUMENT, "gzip, gzip is not understood"),
    "GET": (b"", {"method": "GET"}, 405, Code.UNIMPLEMENTED, "GET is not understood here; POST is"),
    "PUT": (b"x", {"method": "PUT"}, 405, Code.UNIMPLEMENTED, "PUT is not"),
    "no metrics": (GARBAGE, {"path": "/v1/metrics"}, 400, Code.INVALID_ARGUMENT, "not an ExportMetricsServiceRequest"),
    "no logs": (GARBAGE, {"path": "/v1/logs"}, 400, Code.INVALID_ARGUMENT, "not an ExportLogsServiceRequest"),
    "profiles": (b"", {"path": "/v1development/profiles"}, 404, Code.NOT_FOUND, "no /v1development/profiles"),
    "elsewhere": (b"", {"path": "/v1/traces/"}, 404, Code.NOT_FOUND, "no /v1/traces/"),
}


@pytest.mark.parametrize(("body", "how", "code", "status", "message"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_has_its_code_and_a_status_that_says_why(core, body, how, code, status, message):
    reply = core.send(body, **how)
    assert reply.code == code
    assert reply.status.code == status
    assert message in reply.status.message


JSON_REFUSALS = {
    "no json": (b"{", {}, 400, Code.INVALID_ARGUMENT),
    "another shape": (b'{"resourceSpans": 1}', {}, 400, Code.INVALID_ARGUMENT),
    "no gzip": (b"{}", {"content_encoding": "gzip"}, 400, Code.INVALID_ARGUMENT),
    "zstd": (b"{}", {"content_encoding": "zstd"}, 415, Code.INVALID_ARGUMENT),
    "GET": (b"", {"method": "GET"}, 405, Code.UNIMPLEMENTED),
    "elsewhere": (b"{}", {"path": "/v2"}, 404, Code.NOT_FOUND),
    "another host": (b"{}", {"host": "evil.example"}, 421, Code.PERMISSION_DENIED),
}


@pytest.mark.parametrize(("body", "how", "code", "status"), JSON_REFUSALS.values(), ids=JSON_REFUSALS)
def test_whoever_sends_json_is_refused_in_json(core, body, how, code, status):
    reply = core.send(body, content_type=JSON, **how)
    assert (reply.code, reply.json["code"]) == (code, status)
    assert reply.json["message"]


def json_body(*spans: dict) -> bytes:
    now = time.time_ns()
    said = [
        {
            "traceId": "5B8EFFF798038103D269B633813FC60C",
            "spanId": "eee19b7ec3c1b174",
            "name": "a span",
            "kind": 2,
            "startTimeUnixNano": str(now - 50_000_000),
            "endTimeUnixNano": str(now),
            "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in span.items()],
            "somethingNew": [1],
        }
        for span in spans
    ]
    return json.dumps({"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": said}]}]}).encode()


@pytest.mark.parametrize("zipping", [False, True])
def test_json_is_taken_and_answered_in_json(core, journey, zipped, zipping):
    body = json_body({"journey.name": journey}, {"journey.name": journey, "journey.step": "pay"})
    encoding = {"content_encoding": "gzip"} if zipping else {}
    reply = core.send(zipped(body) if zipping else body, content_type=JSON, **encoding)
    assert (reply.code, reply.json) == (200, {})
    core.wait_counted(journey, 2)


def test_partial_success_in_json(core, journey):
    reply = core.send(json_body({"journey.name": journey, "journey.outcome": "great"}), content_type=JSON)
    told = {"rejectedSpans": "1", "errorMessage": "1 span rejected: 1 unknown outcome 'great'"}
    assert (reply.code, reply.json) == (200, {"partialSuccess": told})


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/metrics", "/v1/logs"])
@pytest.mark.parametrize(("content_type", "body", "answer"), [(PROTOBUF, b"", b""), (JSON, b"{}", b"{}")])
def test_an_empty_request_of_any_signal_succeeds(core, path, content_type, body, answer):
    reply = core.send(body, path=path, content_type=content_type)
    assert (reply.code, reply.body, reply.headers["content-type"]) == (200, answer, content_type)


def test_what_is_not_understood_is_told_with_what_would_be(core):
    assert core.send(method="DELETE").headers["allow"] == "POST"
    assert core.send(content_type="text/xml").headers["accept"] == f"{PROTOBUF}, {JSON}"
    assert core.send(content_encoding="br").headers["accept-encoding"] == "gzip"


LOCAL = ["localhost", "LocalHost:4318", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:4318"]
OTHERS = ["evil.example", "evil.example:4318", "localhost.evil.example", "127.0.0.1.evil.example:4318", "192.0.2.1", ""]


@pytest.mark.parametrize("host", LOCAL)
def test_the_host_may_be_any_name_of_this_machine(core, journey, otlp_body, host):
    assert core.send(otlp_body(journey), host=host).code == 200


@pytest.mark.parametrize("host", OTHERS)
@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/traces"), ("GET", "/")])
def test_a_host_by_another_name_is_421(core, journey, otlp_body, host, method, path):
    reply = core.send(otlp_body(journey), method=method, path=path, host=host)
    assert (reply.code, reply.status.code) == (421, Code.PERMISSION_DENIED)
    assert repr(host) in reply.status.message


def test_no_host_at_all_is_421(core, journey, otlp_body):
    body = otlp_body(journey)
    head = f"POST /v1/traces HTTP/1.0\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(core.address, timeout=10) as connection:
        connection.sendall(head + body)
        assert connection.recv(100).split()[1] == b"421"


def test_a_browser_that_asks_for_a_website_is_not_let_in(core):
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    reply = core.send(method="OPTIONS", access_control_request_headers="content-type", **asked)
    assert reply.code == 405
    assert not any(name.startswith("access-control") for name in reply.headers)


def test_whoever_has_an_answer_finds_it_on_the_metrics_page(core):
    before = core.metric('maibo_otlp_requests_total{code="200"}')
    for number in range(1, 21):
        core.send(b"")
        assert core.metric('maibo_otlp_requests_total{code="200"}') == before + number


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_truncated_body_is_400_zipped_or_not(core, journey, otlp_body, zipped, cut):
    body = otlp_body(journey)
    assert core.send(body[:-cut]).code == 400
    assert core.send(zipped(body)[:-cut], content_encoding="gzip").code == 400


def test_more_than_64_mib_are_413_at_once_when_the_length_tells(core):
    with socket.create_connection(core.address, timeout=10) as connection:
        connection.sendall(
            f"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {65 * MIB}\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_more_than_64_mib_are_413_when_the_length_is_not_told(core):
    def pieces():
        for _ in range(66):
            yield bytes(MIB)

    connection = http.client.HTTPConnection(*core.address, timeout=60)
    connection.request("POST", "/v1/traces", pieces(), {"content-type": PROTOBUF}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_bomb_is_413_and_the_acceptor_lives_on(core, journey, otlp_body, bomb):
    pids = core.acceptors()
    reply = core.send(bomb, content_encoding="gzip")
    assert (reply.code, reply.status.code) == (413, Code.RESOURCE_EXHAUSTED)
    assert "smaller batches" in reply.status.message
    assert core.send(otlp_body(journey)).code == 200
    assert core.acceptors() == pids


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/metrics", "/v1/logs"])
def test_a_body_that_unfolds_in_a_parser_is_refused_and_the_acceptor_lives_on(core, journey, otlp_body, zipped, path):
    pids = core.acceptors()
    spans = b"\x12\x00" * (16 * MIB)  # so many empty spans, metrics or records: 1.5 GB of messages
    scope = b"\x12" + _varint(len(spans)) + spans
    reply = core.send(zipped(b"\x0a" + _varint(len(scope)) + scope), content_encoding="gzip", path=path)
    if path == "/v1/traces" and decoder_in_use() == COMPILED:
        assert (reply.code, reply.body) == (200, b"")  # it makes no messages
    else:
        assert (reply.code, reply.status.code) == (413, Code.RESOURCE_EXHAUSTED)
    assert core.send(otlp_body(journey)).code == 200
    assert core.acceptors() == pids


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def test_an_upload_that_breaks_off_is_forgotten(core, journey, otlp_body):
    body = otlp_body(journey)
    head = f"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    for sent in (head, head + body[: len(body) // 2]):
        with socket.create_connection(core.address, timeout=10) as connection:
            connection.sendall(sent)
    core.send(body)
    core.wait_counted(journey, 1)


def test_an_upload_byte_by_byte_is_taken(core, journey, otlp_body):
    body = otlp_body(journey)
    head = f"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(core.address, timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head + body:
            connection.sendall(bytes([byte]))
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    core.wait_counted(journey, 1)


def test_many_requests_go_over_one_connection_refused_ones_between(core, journey, otlp_body):
    connection = http.client.HTTPConnection(*core.address, timeout=10)
    for body, code in ((otlp_body(journey), 200), (b"\xff", 400), (otlp_body(journey, 2), 200)):
        connection.request("POST", "/v1/traces", body, {"content-type": PROTOBUF})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == code
    connection.close()
    core.wait_counted(journey, 3)


def test_a_person_with_a_browser_is_told_what_this_is(core):
    reply = core.send(method="GET", path="/")
    assert reply.code == 200
    assert b"POST /v1/traces" in reply.body


def test_hostile_values_are_counted_harmlessly(core, journey, otlp_request):
    hostile = {
        "journey.tier": "x" * 10_000,
        "journey.step": "a\0'; DROP TABLE cells_10s; --",
        "journey.variant": "\u202e{}",
    }
    assert core.send(otlp_request({"journey.name": journey} | hostile).SerializeToString()).code == 200
    core.wait_counted(journey, 1)
    ((tier, step, variant),) = core.rows(f"SELECT tier, step, variant FROM cells_10s WHERE journey = '{journey}'")
    assert (tier, step, variant) == ("x" * 199 + "…", "a\ufffd'; DROP TABLE cells_10s; --", "\ufffd{}")


def test_a_full_disk_is_503_with_retry_after_and_passes(core, journey, otlp_body):
    body = otlp_body(journey)
    (pid,) = core.acceptors()
    allowed = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    try:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (10, allowed[1]))  # the next write fails as on a full disk
        reply = core.send(body)
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, allowed)
    assert (reply.code, reply.status.code) == (503, Code.UNAVAILABLE)
    assert "the log cannot be written" in reply.status.message
    assert int(reply.headers["retry-after"]) >= 1
    assert core.send(body).code == 200
    core.wait_counted(journey, 1)


def test_a_stock_exporter_sends_through(core, journey):
    provider = TracerProvider(resource=Resource({"service.name": "stock", "service.version": "9"}))
    host, port = core.address
    exporter = OTLPSpanExporter(endpoint=f"http://{host}:{port}/v1/traces", compression=None)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    for _ in range(20):
        with tracer.start_as_current_span("server", attributes={"journey.name": journey}):
            pass
    with tracer.start_as_current_span("failed", attributes={"journey.name": journey}) as span:
        span.set_status(trace.StatusCode.ERROR, "declined")
    provider.shutdown()
    core.wait_counted(journey, 21)
    counts = core.rows(
        f"SELECT outcome, service, version, sum(n) FROM cells_10s WHERE journey = '{journey}' GROUP BY ALL"
    )
    assert sorted(counts) == [["failure", "stock", "9", 1], ["success", "stock", "9", 20]]


def test_what_came_in_is_on_the_metrics_page(core, journey, otlp_request):
    names = [f'maibo_otlp_spans_total{{result="{result}"}}' for result in ("counted", "ignored", "rejected")]
    names += ['maibo_otlp_requests_total{code="200"}', "maibo_otlp_bytes_total"]
    before = [core.metric(name) for name in names]
    spans = [{"journey.name": journey}, {"journey.name": journey}, {"no": "journey"}, {"journey.name": ""}]
    body = otlp_request(*spans).SerializeToString()
    core.send(body)
    core.wait_counted(journey, 2)
    assert [core.metric(name) - old for name, old in zip(names, before, strict=True)] == [2, 1, 1, 1, len(body)]
    deadline = time.monotonic() + 10
    while core.metric("maibo_otlp_log_bytes") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert core.metric("maibo_otlp_log_bytes") == core.metric("maibo_otlp_segments_waiting") == 0
    assert core.metric("maibo_otlp_drain_lag_seconds") == 0
    assert core.metric("maibo_otlp_drain_seconds_count") >= 1
