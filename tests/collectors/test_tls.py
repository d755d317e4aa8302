"""TLS, client certificates and tokens, over both protocols, with stock exporters."""

import http.client
import ssl
import time
from datetime import UTC, datetime

import grpc
import pytest
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from maibo_slo import tokens
from maibo_slo.tokens import Scope

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture(autouse=True)
def _trust_what_the_exporter_is_told(monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # either would replace an exporter's own certificates
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def tokens_file(tmp_path_factory):
    return tmp_path_factory.mktemp("tokens") / "tokens.json"


@pytest.fixture(scope="module")
def token(tokens_file):
    return tokens.add(tokens_file, "shop", Scope.INGEST, now=datetime.now(UTC))


@pytest.fixture(scope="module")
def guarded(core_in, tmp_path_factory, certificates, tokens_file, token):
    """Behind TLS, with tokens, on all addresses, under a quota."""
    core = core_in(
        tmp_path_factory.mktemp("guarded"),
        acceptors="1",
        otlp_http="0.0.0.0:0",
        otlp_grpc="0.0.0.0:0",
        otlp_tokens=str(tokens_file),
        otlp_tls_cert=str(certificates["cert"]),
        otlp_tls_key=str(certificates["key"]),
        otlp_token_mib_per_second="1",
    ).start()
    core.address = ("localhost", core.address[1])
    core.grpc = f"localhost:{core.grpc.rpartition(':')[2]}"
    core.tls = ssl.create_default_context(cafile=certificates["ca"])
    yield core
    core.stop()


def export(core, body, certificates, *, authorization=None, client=False):
    credentials = grpc.ssl_channel_credentials(
        certificates["ca"].read_bytes(),
        *((certificates["client_key"].read_bytes(), certificates["client_cert"].read_bytes()) if client else ()),
    )
    metadata = [("authorization", authorization)] if authorization else None
    with grpc.secure_channel(core.grpc, credentials) as channel:
        return channel.unary_unary(TRACES)(body, metadata=metadata, timeout=20)


def status_of(error) -> Status:
    return Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_stock_exporter_sends_spans_with_its_token(guarded, journey, certificates, token, protocol, compressed):
    headers = {"authorization": f"Bearer {token}"}
    if protocol == "http":
        compression = Compression.Gzip if compressed else Compression.NoCompression
        endpoint = f"https://localhost:{guarded.address[1]}/v1/traces"
        exporter = HttpSpans(endpoint, str(certificates["ca"]), headers=headers, compression=compression)
    else:
        credentials = grpc.ssl_channel_credentials(certificates["ca"].read_bytes())
        compression = grpc.Compression.Gzip if compressed else grpc.Compression.NoCompression
        exporter = GrpcSpans(
            f"https://{guarded.grpc}", credentials=credentials, headers=tuple(headers.items()), compression=compression
        )
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    for _ in range(30):
        with tracer.start_as_current_span("server", attributes={"journey.name": journey}):
            pass
    provider.shutdown()
    guarded.wait_counted(journey, 30)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_stock_exporter_sends_metrics_with_its_token(guarded, journey, certificates, token, protocol):
    headers = {"authorization": f"Bearer {token}"}
    if protocol == "http":
        endpoint = f"https://localhost:{guarded.address[1]}/v1/metrics"
        exporter = HttpMetrics(endpoint, str(certificates["ca"]), headers=headers)
    else:
        credentials = grpc.ssl_channel_credentials(certificates["ca"].read_bytes())
        exporter = GrpcMetrics(f"https://{guarded.grpc}", credentials=credentials, headers=tuple(headers.items()))
    provider = MeterProvider([PeriodicExportingMetricReader(exporter, export_interval_millis=60_000)])
    durations = provider.get_meter("test").create_histogram("journey.duration", "s")
    for number in range(40):
        durations.record(0.01 * number, {"journey.name": journey})
    provider.shutdown()
    guarded.wait_counted(journey, 40)


def test_no_token_and_a_wrong_one_are_401(guarded, journey, otlp_body, token):
    for headers in ({}, {"authorization": "Bearer maibo_ingest_guessed"}, {"authorization": f"Basic {token}"}):
        reply = guarded.send(otlp_body(journey), **headers)
        assert (reply.code, reply.status.code) == (401, Code.UNAUTHENTICATED)
        assert reply.headers["www-authenticate"] == "Bearer"
        json = guarded.send(b"{}", content_type="application/json", **headers)
        assert (json.code, json.json["code"]) == (401, Code.UNAUTHENTICATED)


def test_no_token_and_a_wrong_one_are_unauthenticated(guarded, journey, otlp_body, certificates):
    for said in (None, "Bearer maibo_ingest_guessed"):
        with pytest.raises(grpc.RpcError) as error:
            export(guarded, otlp_body(journey), certificates, authorization=said)
        assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert status_of(error.value).code == Code.UNAUTHENTICATED


def test_with_a_token_the_host_may_have_any_name(guarded, journey, otlp_body, token):
    reply = guarded.send(otlp_body(journey), host="collector.example", authorization=f"Bearer {token}")
    assert reply.code == 200


def test_tokens_are_rotated_while_it_runs(guarded, journey, otlp_body, tokens_file, certificates):
    second = tokens.add(tokens_file, "shop-2", Scope.INGEST, now=datetime.now(UTC))
    reader = tokens.add(tokens_file, "reader", Scope.READ, now=datetime.now(UTC))
    time.sleep(1.1)  # it is looked at once a second
    assert guarded.send(otlp_body(journey), authorization=f"Bearer {second}").code == 200
    assert export(guarded, otlp_body(journey), certificates, authorization=f"Bearer {second}") == b""
    assert guarded.send(otlp_body(journey), authorization=f"Bearer {reader}").code == 401
    tokens.revoke(tokens_file, "shop-2")
    time.sleep(1.1)
    assert guarded.send(otlp_body(journey), authorization=f"Bearer {second}").code == 401
    with pytest.raises(grpc.RpcError, match="UNAUTHENTICATED"):
        export(guarded, otlp_body(journey), certificates, authorization=f"Bearer {second}")


def test_whoever_sends_more_than_its_quota_is_told_when_to_come_again(
    guarded, journey, otlp_request, otlp_body, tokens_file, zipped, certificates
):
    greedy = tokens.add(tokens_file, "greedy", Scope.INGEST, now=datetime.now(UTC))
    time.sleep(1.1)
    large = zipped(otlp_request({"journey.name": journey, "filler": "x" * 5 * 2**20}).SerializeToString())
    assert len(large) < 2**16  # what counts is the size unpacked
    said = f"Bearer {greedy}"
    assert guarded.send(large, content_encoding="gzip", authorization=said).code == 200
    reply = guarded.send(otlp_body(journey), authorization=said)
    assert (reply.code, reply.status.code) == (429, Code.RESOURCE_EXHAUSTED)
    assert "greedy sends more than 1 MiB a second" in reply.status.message
    assert 1 <= int(reply.headers["retry-after"]) <= 5
    with pytest.raises(grpc.RpcError) as error:
        export(guarded, otlp_body(journey), certificates, authorization=said)
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    retry = RetryInfo()
    assert status_of(error.value).details[0].Unpack(retry)
    assert 1 <= retry.retry_delay.seconds <= 5


def test_who_speaks_plain_to_it_is_not_heard_and_tokens_are_in_no_log(guarded, journey, otlp_body, token):
    connection = http.client.HTTPConnection(*guarded.address, timeout=10)
    with pytest.raises((OSError, http.client.HTTPException)):
        connection.request("POST", "/v1/traces", otlp_body(journey))
        connection.getresponse()
    connection.close()
    with grpc.insecure_channel(guarded.grpc) as channel, pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
        channel.unary_unary(TRACES)(otlp_body(journey), timeout=10)
    assert token not in guarded.stderr()
    assert "maibo_ingest_" not in guarded.stderr()


def test_who_is_refused_in_the_handshake_or_for_its_token_is_in_the_log_and_on_the_metrics_page(
    guarded, journey, otlp_body, certificates
):
    refused_before = guarded.metric("maibo_otlp_refused_handshakes_total")
    unauthenticated_before = guarded.metric('maibo_otlp_requests_total{code="401"}')
    guarded.tls, trusting = ssl.create_default_context(), guarded.tls
    with pytest.raises(ssl.SSLCertVerificationError):
        guarded.send(otlp_body(journey))
    guarded.tls = trusting
    assert guarded.send(otlp_body(journey), authorization="Bearer maibo_ingest_guessed").code == 401
    with pytest.raises(grpc.RpcError, match="UNAUTHENTICATED"):
        export(guarded, otlp_body(journey), certificates, authorization="Bearer maibo_ingest_guessed")
    until = time.monotonic() + 10
    while guarded.metric("maibo_otlp_refused_handshakes_total") == refused_before and time.monotonic() < until:
        time.sleep(0.02)
    assert guarded.metric("maibo_otlp_refused_handshakes_total") > refused_before
    assert guarded.metric('maibo_otlp_requests_total{code="401"}') == unauthenticated_before + 2
    log = guarded.stderr()
    assert "refused 127.0.0.1: its token is unknown or revoked" in log
    assert "refused 127.0.0.1: the TLS handshake failed (tlsv1 alert unknown ca)" in log
    assert "maibo_ingest_" not in log
    assert "Traceback" not in log


def test_a_sender_with_a_certificate_needs_no_token_and_one_without_is_not_heard(
    core_at, tmp_path, certificates, otlp_body
):
    core = core_at(
        tmp_path,
        acceptors="1",
        otlp_tls_cert=str(certificates["cert"]),
        otlp_tls_key=str(certificates["key"]),
        otlp_tls_client_ca=str(certificates["client_ca"]),
    ).start()
    assert export(core, otlp_body("checkout", 2), certificates, client=True) == b""
    with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
        export(core, otlp_body("checkout", 4), certificates)
    core.tls = ssl.create_default_context(cafile=certificates["ca"])
    with pytest.raises(OSError):
        core.send(otlp_body("checkout", 8))
    core.tls.load_cert_chain(certificates["client_cert"], certificates["client_key"])
    assert core.send(otlp_body("checkout", 16), host="collector.example").code == 200
    core.wait_counted("checkout", 18)
    core.stop()
