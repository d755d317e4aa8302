"""OTLP over gRPC from a real acceptor process: the same answers as over HTTP, in gRPC's words."""

import gzip
import os
import re
import resource
import signal
import socket
import struct
import time
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

MIB = 2**20
PACKAGE = "opentelemetry.proto.collector"
TRACES = f"/{PACKAGE}.trace.v1.TraceService/Export"
METRICS = f"/{PACKAGE}.metrics.v1.MetricsService/Export"
LOGS = f"/{PACKAGE}.logs.v1.LogsService/Export"
ANY_SIZE = [("grpc.max_send_message_length", -1)]


def send(core, body: bytes, *, method: str = TRACES, compression=None, **more) -> bytes:
    """One request on a channel of its own."""
    with grpc.insecure_channel(core.grpc, options=ANY_SIZE) as channel:
        export = channel.unary_unary(method)
        return export(body, compression=compression, timeout=30, **more)


def refused(core, body: bytes, **more) -> tuple[grpc.StatusCode, str, Status | None, RetryInfo | None]:
    with pytest.raises(grpc.RpcError) as caught:
        send(core, body, **more)
    error = caught.value
    metadata = dict(error.trailing_metadata() or ())
    status = Status.FromString(metadata["grpc-status-details-bin"]) if "grpc-status-details-bin" in metadata else None
    retry = None
    if status is not None and status.details:
        retry = RetryInfo()
        assert status.details[0].Unpack(retry)
    return error.code(), error.details(), status, retry


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_full_success_is_an_empty_response(core, journey, otlp_body, compression):
    assert send(core, otlp_body(journey, 30), compression=compression) == b""
    core.wait_counted(journey, 30)


def test_partial_success_tells_how_many_spans_were_rejected_and_why(core, journey, otlp_request):
    body = otlp_request({"journey.name": journey}, {"journey.name": ""}).SerializeToString()
    partial = ExportTraceServiceResponse.FromString(send(core, body)).partial_success
    assert (partial.rejected_spans, partial.error_message) == (1, "1 span rejected: 1 empty journey name")


def test_a_body_sent_over_both_protocols_counts_once(core, journey, otlp_body, zipped):
    body = otlp_body(journey, 5)
    send(core, body, compression=grpc.Compression.Gzip)
    assert core.send(body).code == 200
    assert core.send(zipped(body), content_encoding="gzip").code == 200
    send(core, body)
    core.wait_counted(journey, 5)
    time.sleep(0.5)
    core.wait_counted(journey, 5)


@pytest.mark.parametrize(
    ("method", "request_type", "response_type"),
    [
        (METRICS, ExportMetricsServiceRequest, ExportMetricsServiceResponse),
        (LOGS, ExportLogsServiceRequest, ExportLogsServiceResponse),
    ],
)
def test_metrics_and_logs_have_their_services_too(core, method, request_type, response_type):
    request = request_type()
    if method == METRICS:
        point = (
            request.resource_metrics.add().scope_metrics.add().metrics.add(name="queue.size").gauge.data_points.add()
        )
        point.as_int = 7
    else:
        request.resource_logs.add().scope_logs.add().log_records.add().body.string_value = "hello"
    assert response_type.FromString(send(core, request.SerializeToString(), method=method)) == response_type()
    code, message, _, _ = refused(core, b"\xff" * 50, method=method)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert request_type.DESCRIPTOR.name in message


@pytest.mark.parametrize(
    ("body", "compression", "message"),
    [
        (b"\xff" * 50, None, "not an ExportTraceServiceRequest"),
        (b"\x0a\x05abc", None, "not an ExportTraceServiceRequest"),
        (b"\x1f\x8b" + b"no gzip at all" * 3, None, "gzip"),
        (gzip.compress(b"x" * 100, mtime=0)[:-9], None, "ends too early"),
    ],
)
def test_what_is_malformed_is_invalid_and_must_not_come_again(core, body, compression, message):
    code, told, status, retry = refused(core, body, compression=compression)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert message in told
    assert (status.code, status.message) == (code.value[0], told)
    assert retry is None


def test_more_than_64_mib_are_too_large_and_must_not_come_again(core):
    code, told, _, retry = refused(core, bytes(64 * MIB + 1))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger" in told
    assert retry is None


def memory_mib(pid: int, what: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{what}:\s+(\d+) kB", status)[1]) / 1024


def test_a_bomb_is_too_large_costs_no_memory_and_the_acceptor_lives_on(core, journey, otlp_body, bomb):
    (pid,) = core.acceptors()
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak of its memory is measured from now on
    before = memory_mib(pid, "VmHWM")
    for _ in range(3):
        code, told, status, retry = refused(core, bomb)
        assert (code, status.code, retry) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 8, None)
        assert "67108864 bytes after decompression" in told
    assert memory_mib(pid, "VmHWM") - before < 150  # the limit, and what is sent
    assert send(core, otlp_body(journey)) == b""
    assert core.acceptors() == [pid]


def test_compression_that_is_not_gzip_is_unimplemented(core, otlp_body, journey):
    code, _, _, _ = refused(core, otlp_body(journey, 100), compression=grpc.Compression.Deflate)
    assert code is grpc.StatusCode.UNIMPLEMENTED


def test_another_method_is_unimplemented(core):
    code, *_ = refused(core, b"", method=f"/{PACKAGE}.trace.v1.TraceService/Import")
    assert code is grpc.StatusCode.UNIMPLEMENTED


def test_a_full_disk_is_unavailable_with_retry_info_and_passes(core, journey, otlp_body):
    body = otlp_body(journey)
    (pid,) = core.acceptors()
    allowed = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    try:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (10, allowed[1]))  # the next write fails as on a full disk
        code, told, status, retry = refused(core, body)
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, allowed)
    assert (code, status.code) == (grpc.StatusCode.UNAVAILABLE, 14)
    assert "the log cannot be written" in told
    assert retry.retry_delay.seconds >= 1
    assert send(core, body) == b""
    core.wait_counted(journey, 1)


def test_a_sender_that_goes_away_in_the_middle_is_forgotten(core, journey, otlp_body):
    with grpc.insecure_channel(core.grpc) as channel:
        export = channel.stream_unary(TRACES)

        def never():
            time.sleep(0.3)
            yield from ()

        call = export.future(never())
        time.sleep(0.1)
        call.cancel()
    assert send(core, otlp_body(journey)) == b""
    core.wait_counted(journey, 1)


def test_one_channel_takes_many_requests(core, journey, otlp_body):
    with grpc.insecure_channel(core.grpc) as channel:
        export = channel.unary_unary(TRACES)
        for future in [export.future(otlp_body(journey, 3), timeout=30) for _ in range(200)]:
            assert future.result() == b""
    core.wait_counted(journey, 600)


def test_requests_are_on_the_metrics_page(core, journey, otlp_body):
    names = [
        'maibo_otlp_requests_total{code="200"}',
        'maibo_otlp_requests_total{code="400"}',
        'maibo_otlp_bodies_total{protocol="grpc",signal="traces"}',
        'maibo_otlp_spans_total{result="counted"}',
    ]
    send(core, otlp_body(journey))
    before = [core.metric(name) for name in names]
    send(core, otlp_body(journey, 4))
    refused(core, b"\xff")
    assert [core.metric(name) - old for name, old in zip(names, before, strict=True)] == [1, 1, 1, 4]


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_a_stock_exporter_sends_through(core, journey, compression):
    provider = TracerProvider(resource=Resource({"service.name": "stock", "service.version": "9"}))
    exporter = OTLPSpanExporter(endpoint=f"http://{core.grpc}", insecure=True, compression=compression)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    for _ in range(50):
        with tracer.start_as_current_span("server", attributes={"journey.name": journey}):
            pass
    provider.shutdown()
    core.wait_counted(journey, 50)
    services = core.rows(f"SELECT DISTINCT service, version FROM cells_10s WHERE journey = '{journey}'")
    assert services == [["stock", "9"]]


def test_several_acceptors_share_the_port_one_that_dies_is_replaced_and_a_stop_lets_go_of_it(
    core_at, tmp_path, otlp_body
):
    core = core_at(tmp_path, acceptors="2").start()
    sent = 0
    for _ in range(20):  # each on a connection of its own, which the kernel gives to either
        send(core, otlp_body("checkout"))
        sent += 1
    os.kill(core.acceptors()[0], signal.SIGKILL)
    for _ in range(10):
        with grpc.insecure_channel(core.grpc) as channel:
            channel.unary_unary(TRACES)(otlp_body("checkout"), timeout=30, wait_for_ready=True)
        sent += 1
    core.wait_counted("checkout", sent)
    host, _, port = core.grpc.rpartition(":")
    with grpc.insecure_channel(core.grpc) as channel:
        channel.unary_unary(TRACES)(otlp_body("checkout", 2), timeout=30, wait_for_ready=True)
        core.stop()  # although a channel is open
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind((host, int(port)))
        free.listen()


def test_a_sender_that_speaks_something_else_does_no_harm(core, journey, otlp_body):
    host, _, port = core.grpc.rpartition(":")
    for said in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 100,
        struct.pack("<Q", 2**63),
    ):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(said)
    assert send(core, otlp_body(journey)) == b""
