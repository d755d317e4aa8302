import gzip
import hashlib
import re
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import RemoteDisconnected

import grpc
import pytest
import requests
from google.rpc.status_pb2 import Status
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import maibo
from maibo import carriers, configuration
from maibo.carriers import Identity
from maibo.otlp import Otlp

SUCCESS, FAILURE = 0, 2  # OTLP status codes: unset, error


def test_spans_have_the_agreed_shape(receiver):
    maibo.configure(
        service="storefront",
        version="1.2.3",
        environment="production",
        region="eu-west-1",
        endpoint=receiver.url,
        resource_attributes={"team": "shop"},
        user_hash_key="secret",
    )
    with maibo.journey("checkout", tier="vip", variant="b", user="ann", session="s1") as journey:
        with maibo.step("basket"):
            pass
        with pytest.raises(KeyError), maibo.step("payment"):
            raise KeyError
    assert maibo.flush()
    basket, payment, whole = receiver.spans
    common = {
        "journey.name": "checkout",
        "journey.id": journey.id,
        "journey.start_time": journey.start_ns // 1000,
        "journey.tier": "vip",
        "journey.variant": "b",
        "session.id": "s1",
        "enduser.pseudo.id": whole.attributes["enduser.pseudo.id"],
    }
    assert basket.attributes == common | {"journey.step": "basket", "journey.outcome": "success"}
    assert payment.attributes == common | {
        "journey.step": "payment",
        "journey.outcome": "failure",
        "journey.failure_reason": "KeyError",
    }
    assert whole.attributes == common | {"journey.outcome": "success", "journey.started": True}
    assert [basket.name, payment.name, whole.name] == ["step basket", "step payment", "journey checkout"]
    assert [span.status for span in receiver.spans] == [SUCCESS, FAILURE, SUCCESS]
    assert {span.trace_id for span in receiver.spans} == {journey.id}
    assert basket.parent_id == payment.parent_id == whole.span_id
    assert whole.parent_id == ""
    assert whole.start_ns == journey.start_ns
    assert whole.start_ns <= basket.start_ns <= basket.end_ns <= payment.start_ns <= payment.end_ns <= whole.end_ns
    assert (
        whole.resource.items()
        >= {
            "service.name": "storefront",
            "service.version": "1.2.3",
            "deployment.environment.name": "production",
            "cloud.region": "eu-west-1",
            "team": "shop",
            "telemetry.sdk.language": "python",
            "telemetry.distro.name": "maibo",
        }.items()
    )
    assert len(whole.attributes["enduser.pseudo.id"]) == 32
    assert whole.scope == "maibo"
    headers = receiver.headers[0]
    assert (headers[":path"], headers["content-type"], headers["content-encoding"]) == (
        "/v1/traces",
        "application/x-protobuf",
        "gzip",
    )


def test_the_callback_knows_exact_durations(receiver):
    told = []
    maibo.configure(endpoint=receiver.url, on_journey_end=told.append)
    for _ in range(5):
        with maibo.journey("search"):
            pass
    with maibo.resume(maibo.begin("checkout").carrier(), ends=True):
        pass
    assert maibo.flush()
    assert [(each.id, each.start_ns, each.duration_ns) for each in told] == [
        (span.attributes["journey.id"], span.start_ns, span.end_ns - span.start_ns) for span in receiver.journeys
    ]
    assert (
        told[-1].duration_ns == receiver.spans[-1].end_ns - receiver.spans[-1].attributes["journey.start_time"] * 1000
    )


def test_with_tracing_of_the_hosts_the_trace_is_shared_and_not_disturbed(receiver):
    maibo.configure(endpoint=receiver.url)
    tracer = TracerProvider().get_tracer("host")
    with (
        tracer.start_as_current_span("request") as request,
        maibo.journey("checkout"),
        tracer.start_as_current_span("inner") as inner,
        maibo.step("payment"),
    ):
        assert trace.get_current_span() is inner
    assert maibo.flush()
    payment, whole = receiver.spans
    trace_id = trace.format_trace_id(request.get_span_context().trace_id)
    assert {payment.trace_id, whole.trace_id} == {trace_id}
    assert payment.parent_id == trace.format_span_id(inner.get_span_context().span_id)
    assert whole.parent_id == trace.format_span_id(request.get_span_context().span_id)


def test_all_services_of_a_journey_share_a_trace_without_any_tracing(receiver):
    maibo.configure(endpoint=receiver.url)
    carrier = maibo.begin("checkout").carrier()
    for step in ("basket", "payment"):
        with maibo.resume(carrier), maibo.step(step):
            pass
    with maibo.resume(carrier, ends=True) as journey:
        pass
    assert maibo.flush()
    assert {span.trace_id for span in receiver.spans} == {journey.id}
    assert {span.parent_id for span in receiver.steps} == {receiver.journeys[0].span_id}


def test_a_retry_is_the_same_bytes(receiver):
    receiver.answers = [(503, {"Retry-After": "0"}, b""), (429, {}, b""), (502, {}, b""), (504, {}, b"")]
    maibo.configure(endpoint=receiver.url)
    with maibo.journey("checkout"):
        pass
    assert maibo.flush(5)
    assert len(receiver.bodies) == 5
    assert len({hashlib.sha256(body).digest() for body in receiver.bodies}) == 1
    assert gzip.decompress(receiver.bodies[0])
    assert receiver.bodies[0][4:8] == bytes(4), "no time of day in the gzip header"
    assert len(receiver.spans) == 1
    assert (maibo.stats().exported, maibo.stats().lost) == (1, 0)


@pytest.mark.parametrize("status", [400, 401, 404, 413, 302, 500])
def test_a_refusal_for_good_is_not_tried_again(receiver, status, caplog):
    receiver.answers = [(status, {"Location": "/"}, b"")]
    maibo.configure(endpoint=receiver.url)
    with maibo.journey("checkout"):
        pass
    assert maibo.flush(5)
    assert len(receiver.bodies) == 1
    assert (maibo.stats().exported, maibo.stats().lost) == (0, 1)
    assert [record.name for record in caplog.records] == ["maibo"]


def test_a_refusal_is_told_with_the_collectors_own_sentence_and_where_a_token_goes(receiver, caplog):
    status = Status(code=16, message="no token; make one with `maibo token add`\n").SerializeToString()
    receiver.answers = [(401, {"Content-Type": "application/x-protobuf"}, status)]
    maibo.configure(endpoint=receiver.url)
    with maibo.journey("checkout"):
        pass
    assert maibo.flush(5)
    (told,) = caplog.messages
    assert told.startswith(
        f"maibo: spans are lost: the collector at {receiver.url}/v1/traces answered HTTP 401 Unauthorized: no token; make one with "
        "`maibo token add`; a token goes into MAIBO_HEADERS=authorization=Bearer TOKEN"
    )


@pytest.mark.parametrize(
    ("content_type", "body"), [("text/html", b"<h1>a proxy's page</h1>"), ("application/x-protobuf", b"\xff\xff")]
)
def test_of_an_answer_that_is_no_collectors_the_status_is_told(receiver, caplog, content_type, body):
    receiver.answers = [(404, {"Content-Type": content_type}, body)]
    maibo.configure(endpoint=receiver.url)
    with maibo.journey("checkout"):
        pass
    assert maibo.flush(5)
    assert f"the collector at {receiver.url}/v1/traces answered HTTP 404 Not Found (further" in caplog.text


def test_on_a_port_of_grpc_the_port_to_use_is_told():
    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        otlp = Otlp(f"http://127.0.0.1:{port}/v1/traces", {}, inherit_headers=False)
        answer = otlp.send([], timeout=5)
        otlp.close()
        server.stop(None).wait()
    assert answer.retry
    assert "maibo sends OTLP over HTTP, to port 4318" in answer.why


def test_a_collector_that_hangs_up_is_not_taken_for_one_without_http(monkeypatch):
    def hung_up(*_, **__):
        raise requests.ConnectionError from RemoteDisconnected("it hung up")

    otlp = Otlp("http://127.0.0.1:9/v1/traces", {}, inherit_headers=False)
    monkeypatch.setattr(requests.Session, "request", hung_up)
    answer = otlp.send([], timeout=1)
    assert answer.retry
    assert answer.why == "ConnectionError: it hung up"


def test_an_endpoint_without_a_scheme_is_read_as_http_and_told(receiver, monkeypatch, caplog):
    monkeypatch.setenv("MAIBO_ENDPOINT", receiver.url.removeprefix("http://"))
    maibo.configure()
    with maibo.journey("checkout"):
        pass
    assert maibo.flush()
    assert len(receiver.spans) == 1
    (told,) = caplog.messages
    assert f"{receiver.url.removeprefix('http://')}/v1/traces' has no scheme and is read as http://" in told


@pytest.mark.parametrize("endpoint", ["grpc://127.0.0.1:4317", "https://:4318"])
def test_with_an_endpoint_that_no_http_can_be_sent_to_maibo_is_off_and_says_so(endpoint, caplog):
    maibo.configure(endpoint=endpoint)
    assert not configuration.configured()
    (told,) = caplog.messages
    assert told.startswith("maibo: off, for the endpoint")


def test_a_partial_success_is_read(receiver, rejecting):
    receiver.answers = [(200, {"Content-Type": "application/x-protobuf"}, rejecting(1))]
    maibo.configure(endpoint=receiver.url)
    with maibo.journey("checkout"), maibo.step("payment"):
        pass
    assert maibo.flush()
    assert (maibo.stats().exported, maibo.stats().rejected) == (1, 1)


def test_nothing_is_lost_while_the_collector_restarts(receiver, eventually, caplog):
    maibo.configure(endpoint=receiver.url)
    with maibo.journey("before"):
        pass
    assert maibo.flush()
    receiver.stop()
    for _ in range(20):
        with maibo.journey("during"):
            pass
    assert not maibo.flush(0.5)
    receiver.start()
    eventually(lambda: len(receiver.spans) == 21)
    eventually(lambda: maibo.stats().exported == 21)
    assert (maibo.stats().lost, maibo.stats().queued) == (0, 0)
    away, back = caplog.messages  # each told once, and not by the exporter again
    assert re.fullmatch(
        rf"maibo: the collector at {receiver.url}/v1/traces does not take spans \(ConnectionError: .*[a-z]\): keeping them",
        away,
    )
    assert "refused" in away
    assert back == f"maibo: the collector at {receiver.url}/v1/traces takes spans again"


def test_what_an_error_says_is_cut_between_words(monkeypatch):
    def broken(*_, **__):
        raise requests.RequestException("the way is long " * 50)

    otlp = Otlp("http://127.0.0.1:9/v1/traces", {}, inherit_headers=False)
    monkeypatch.setattr(requests.Session, "request", broken)
    why = otlp.send([], timeout=1).why
    assert len(why) <= 200
    assert re.fullmatch(r"RequestException: (the way is long )*(the )?(way )?(is )?(long )?…", why)


def test_a_journey_that_ends_before_it_began_is_exported_as_it_is(receiver):
    maibo.configure(endpoint=receiver.url)
    ahead_us = time.time_ns() // 1000 + 5_000_000
    with maibo.resume(carriers.to_cookie(Identity("checkout", "a" * 32, ahead_us, "", "")), ends=True):
        pass
    assert maibo.flush()
    (whole,) = receiver.journeys
    assert whole.end_ns < whole.start_ns == ahead_us * 1000


@pytest.mark.parametrize(
    ("environment", "argument", "path", "header"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "{url}/"}, None, "/v1/traces", "vendor"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "{url}/custom"}, None, "/custom", "vendor"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "MAIBO_ENDPOINT": "{url}"}, None, "/v1/traces", None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, "{url}/v1/traces", "/v1/traces", None),
    ],
)
def test_a_vendors_secrets_go_to_the_vendors_endpoint_only(receiver, monkeypatch, environment, argument, path, header):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=vendor")
    monkeypatch.setenv("MAIBO_HEADERS", "authorization=Bearer%20t")
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(url=receiver.url))
    maibo.configure(endpoint=argument and argument.format(url=receiver.url))
    with maibo.journey("checkout"):
        pass
    assert maibo.flush()
    assert receiver.headers[0][":path"] == path
    assert receiver.headers[0].get("x-api-key") == header
    assert receiver.headers[0]["authorization"] == "Bearer t"


def test_who_we_are_comes_from_arguments_then_maibo_then_opentelemetry(receiver, monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "from-otel")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.version=7,deployment.environment.name=staging,team=a%20b")
    monkeypatch.setenv("MAIBO_ENVIRONMENT", "production")
    maibo.configure(version="8", endpoint=receiver.url)
    with maibo.journey("checkout"):
        pass
    assert maibo.flush()
    assert (
        receiver.spans[0].resource.items()
        >= {
            "service.name": "from-otel",
            "service.version": "8",
            "deployment.environment.name": "production",
            "team": "a b",
        }.items()
    )


def test_configured_again_the_new_settings_hold_and_nothing_is_lost(receiver):
    maibo.configure(service="a", endpoint=receiver.url)
    with maibo.journey("checkout"):
        pass
    maibo.configure(service="b", endpoint=receiver.url)
    with maibo.journey("checkout"):
        pass
    assert maibo.shutdown()
    with maibo.journey("checkout"):
        pass
    assert [span.resource["service.name"] for span in receiver.spans] == ["a", "b"]


def test_exports_are_not_traced_by_the_hosts_own_instrumentation(receiver):
    from opentelemetry import context as otel

    seen = []
    maibo.configure(endpoint=receiver.url)
    import requests

    original = requests.Session.request

    def request(self, *args, **kwargs):
        seen.append(otel.get_value(otel._SUPPRESS_INSTRUMENTATION_KEY))
        return original(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.Session, "request", request)
        with maibo.journey("checkout"):
            pass
        assert maibo.flush()
    assert seen == [True]
