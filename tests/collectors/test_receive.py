"""Bounds on what comes in slowly, at once, or large; with the protocols' own code, in this process."""

import asyncio
import contextlib
import gzip
import threading
import time
from typing import ClassVar

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from maibo_collectors.otlp.body import Encoding
from maibo_collectors.otlp.decoding.decoders import COMPILED, decoder_in_use
from maibo_collectors.otlp.decoding.rules import Rules
from maibo_collectors.otlp.log import Log
from maibo_collectors.otlp.metrics import AcceptorMetrics
from maibo_collectors.otlp.receiving import grpc as over_grpc
from maibo_collectors.otlp.receiving import receive
from maibo_collectors.otlp.receiving.access import OPEN, Door
from maibo_collectors.otlp.receiving.answers import LOGS, METRICS, TRACES, Refused
from maibo_collectors.otlp.receiving.http import App
from maibo_collectors.otlp.receiving.reading import CountingReader, ForwardingReader
from maibo_collectors.otlp.receiving.receive import Receiver
from maibo_collectors.otlp.segment import Kind, parse

pytestmark = pytest.mark.anyio

EXPORT = f"/{TRACES.service}/Export"
TOO_LARGE = grpc.StatusCode.RESOURCE_EXHAUSTED
HEADERS = [(b"host", b"localhost"), (b"content-type", b"application/x-protobuf")]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "log").mkdir()
    return tmp_path / "log"


@pytest.fixture
def receiver(folder):
    """Makes receivers with bounds of their own; their log is closed at the end."""
    with contextlib.ExitStack() as stack:

        def make(reader=CountingReader, **bounds) -> Receiver:
            log = Log(folder, acceptor=0)
            stack.callback(log.close)
            return Receiver(log, AcceptorMetrics(), Door(OPEN, now=0), reader, Rules(), **bounds)

        yield make


async def posted(app, *messages, wait=0.0):
    """What an ASGI server would be told for a request that comes in these messages, and then no more."""
    coming = [{"type": "http.request", "more_body": True} | message for message in messages]

    async def take():
        if coming:
            return coming.pop(0)
        if wait >= 0:
            await asyncio.sleep(wait or 3600)
        return {"type": "http.disconnect"}

    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": "/v1/traces", "method": "POST", "headers": HEADERS}
    await app(scope, take, send)
    return sent


async def test_a_slow_upload_over_http_is_503_and_lets_go_of_its_bytes(receiver):
    slow = receiver(upload_seconds=0.2, in_flight_limit=1000)
    for _ in range(3):  # would not all fit at once
        start, _ = await posted(App(slow), {"body": bytes(600)})
        assert start["status"] == 503
        assert (b"retry-after", b"1") in start["headers"]


async def test_what_is_too_much_in_flight_is_503(receiver):
    full = receiver(upload_seconds=5, in_flight_limit=1000)
    first = asyncio.create_task(posted(App(full), {"body": bytes(900)}, wait=1))
    await asyncio.sleep(0.1)
    start, _ = await posted(App(full), {"body": bytes(200)})
    assert start["status"] == 503
    assert await first == []  # it went away, and is told nothing
    assert full.metrics.requests.labels("disconnected")._value.get() == 1


async def test_a_request_that_a_stop_does_not_wait_for_is_503_and_not_an_error_of_ours(receiver):
    request = asyncio.create_task(posted(App(receiver()), {"body": b"a part"}))
    await asyncio.sleep(0.05)
    request.cancel()
    start, _ = await request
    assert start["status"] == 503
    assert (b"retry-after", b"1") in start["headers"]


@contextlib.asynccontextmanager
async def serving(receiver):
    """Gives the port."""
    server = over_grpc.server(receiver, "127.0.0.1:0", OPEN)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


def channel_to(port, **options):
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=list(options.items()))


@contextlib.asynccontextmanager
async def served(receiver):
    async with serving(receiver) as port, channel_to(port) as channel:
        yield channel


async def refused(call) -> tuple[grpc.StatusCode, RetryInfo | None]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    metadata = dict(caught.value.trailing_metadata())
    status = Status.FromString(metadata["grpc-status-details-bin"])
    assert status.code == caught.value.code().value[0]
    if not status.details:
        return caught.value.code(), None
    retry = RetryInfo()
    assert status.details[0].Unpack(retry)
    return caught.value.code(), retry


async def never():
    await asyncio.sleep(3600)
    yield b""


async def test_a_slow_upload_over_grpc_is_unavailable(receiver):
    async with served(receiver(upload_seconds=0.2)) as channel:
        code, retry = await refused(channel.stream_unary(EXPORT)(never(), timeout=20))
    assert (code, retry.retry_delay.seconds) == (grpc.StatusCode.UNAVAILABLE, 1)


async def test_slow_uploads_over_grpc_hold_up_others_for_a_bounded_time(receiver, monkeypatch, otlp_body):
    monkeypatch.setattr(over_grpc, "UPLOADS", 2)
    monkeypatch.setattr(over_grpc, "_UPLOAD_WAIT_SECONDS", 0.2)
    async with served(receiver(upload_seconds=1)) as channel:
        slow = [channel.stream_unary(EXPORT)(never(), timeout=20) for _ in range(2)]
        await asyncio.sleep(0.2)
        code, retry = await refused(channel.unary_unary(EXPORT)(otlp_body("checkout"), timeout=20))
        assert (code, retry.retry_delay.seconds) == (grpc.StatusCode.UNAVAILABLE, 1)
        for call in slow:
            await refused(call)
        assert await channel.unary_unary(EXPORT)(otlp_body("checkout"), timeout=20) == b""


async def test_what_is_too_much_in_flight_is_unavailable(receiver, otlp_body):
    async with served(receiver(in_flight_limit=100)) as channel:
        code, retry = await refused(channel.unary_unary(EXPORT)(otlp_body("checkout", 10), timeout=20))
        assert (code, retry.retry_delay.seconds) == (grpc.StatusCode.UNAVAILABLE, 1)


async def test_what_is_too_large_is_resource_exhausted_before_and_after_unpacking(receiver):
    async with served(receiver(body_limit=1000)) as channel:
        assert await refused(channel.unary_unary(EXPORT)(gzip.compress(bytes(1001)), timeout=20)) == (TOO_LARGE, None)
        with pytest.raises(grpc.aio.AioRpcError) as caught:  # gRPC's own answer, which has no details
            await channel.unary_unary(EXPORT)(bytes(1001), timeout=20)
        assert caught.value.code() is TOO_LARGE


async def test_an_error_of_ours_is_unavailable_over_both_and_never_internal(receiver, monkeypatch, caplog, otlp_body):
    broken = receiver()
    monkeypatch.setattr(broken, "_read", None)
    start, _ = await posted(App(broken), {"body": otlp_body("checkout"), "more_body": False})
    assert start["status"] == 503
    async with served(broken) as channel:
        code, retry = await refused(channel.unary_unary(EXPORT)(otlp_body("checkout"), timeout=20))
        assert (code, retry.retry_delay.seconds) == (grpc.StatusCode.UNAVAILABLE, 5)
    assert caplog.text.count("a request failed") == 2


async def test_a_large_body_does_not_hold_up_the_others(receiver, otlp_body, otlp_request):
    both = receiver()
    filler = "x" * 1000
    large = otlp_request(*({"journey.name": "checkout", "filler": filler} for _ in range(40_000))).SerializeToString()
    assert len(large) > 40 * receive.LARGE
    keeping = asyncio.create_task(both.keep(TRACES, Kind.TRACES_PROTOBUF, large, Encoding.IDENTITY, sender=""))
    longest = 0.0
    while not keeping.done():
        begin = time.monotonic()
        await both.keep(TRACES, Kind.TRACES_PROTOBUF, otlp_body("checkout"), Encoding.IDENTITY, sender="")
        longest = max(longest, time.monotonic() - begin)
    assert (await keeping).items == 40_000
    assert longest < 1


async def test_rules_that_change_are_those_of_large_bodies_too(receiver, otlp_request):
    both = receiver()
    spans = [{"journey.name": f"journey-{number}", "filler": "x" * 20} for number in range(50)]

    async def overflowed(filler: int) -> str:
        body = otlp_request(*spans, {"filler": "x" * filler}).SerializeToString()
        return (await both.keep(TRACES, Kind.TRACES_PROTOBUF, body, Encoding.IDENTITY, sender="")).message

    for size in (1, 2 * receive.LARGE):
        assert await overflowed(size) == ""
    both.replace_rules(Rules(journey_limit=10))
    spans = [{"journey.name": f"another-{number}"} for number in range(50)]
    for size in (3, 2 * receive.LARGE + 1):
        assert "counted without dimensions" in await overflowed(size)


async def records(made, folder):
    await asyncio.to_thread(made._log.close)
    return [record for path in sorted(folder.iterdir()) for record in parse(path.read_bytes())]


async def test_an_edge_logs_bodies_as_they_came(receiver, folder, otlp_body):
    edge = receiver(lambda _: ForwardingReader())
    plain, zipped, json = (
        otlp_body("checkout", 3),
        gzip.compress(otlp_body("checkout", 2)),
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{},{}]}]}]}',
    )
    await edge.keep(TRACES, Kind.TRACES_PROTOBUF, plain, Encoding.IDENTITY, sender="")
    await edge.keep(TRACES, Kind.TRACES_PROTOBUF, zipped, Encoding.GZIP, sender="")
    await edge.keep(LOGS, Kind.LOGS_JSON, json, Encoding.IDENTITY, sender="")
    for signal, kind, nothing in ((METRICS, Kind.METRICS_PROTOBUF, b""), (METRICS, Kind.METRICS_JSON, b"{}")):
        await edge.keep(signal, kind, nothing, Encoding.IDENTITY, sender="")
    for signal in (TRACES, METRICS, LOGS):
        for kind in (signal.protobuf, signal.json):
            with pytest.raises(Refused):
                await edge.keep(signal, kind, b"\xff\xff", Encoding.IDENTITY, sender="")
    told = [(record.kind, record.encoding, record.spans, record.body) for record in await records(edge, folder)]
    assert told == [
        (Kind.TRACES_PROTOBUF, Encoding.IDENTITY, 3, plain),
        (Kind.TRACES_PROTOBUF, Encoding.GZIP, 2, zipped),
        (Kind.LOGS_JSON, Encoding.IDENTITY, 2, json),
    ]


METRICS_JSON = b"""{"resourceMetrics": [{"scopeMetrics": [{"metrics": [
    {"name": "a", "gauge": {"dataPoints": [{}, {}]}},
    {"name": "b", "exponentialHistogram": {"dataPoints": [{}]}},
    {"name": "c"}, {"name": "d", "gauge": null, "sum": {"dataPoints": null}, "unit": null}]}], "resource": null}]}"""


async def test_an_edge_counts_what_is_in_bodies_it_does_not_read(receiver):
    edge = receiver(lambda _: ForwardingReader())
    reading = await edge.keep(METRICS, Kind.METRICS_JSON, METRICS_JSON, Encoding.IDENTITY, sender="")
    assert reading.items == 3
    assert (await receiver().keep(METRICS, Kind.METRICS_JSON, METRICS_JSON, Encoding.IDENTITY, sender="")).items == 3


async def test_metrics_and_logs_that_are_no_journeys_are_not_logged(receiver, folder):
    both = receiver()
    logs = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"hello"}}]}]}]}'
    await both.keep(METRICS, Kind.METRICS_JSON, b'{"resourceMetrics":[]}', Encoding.IDENTITY, sender="")
    assert (await both.keep(LOGS, Kind.LOGS_JSON, logs, Encoding.IDENTITY, sender="")).items == 1
    assert await records(both, folder) == []


async def test_log_records_that_no_rule_asks_about_are_ignored_unseen_and_yet_must_be_sound(receiver, monkeypatch):
    both = receiver()
    monkeypatch.setattr("maibo_collectors.otlp.decoding.logs.Logs._count", None)
    records = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{},{"timeUnixNano":"%b"}]},{}]},{}]}'
    reading = await both.keep(LOGS, Kind.LOGS_JSON, records % b"1", Encoding.IDENTITY, sender="")
    assert (reading.items, reading.results["ignored"], reading.record) == (2, 2, None)
    with pytest.raises(Refused, match="timeUnixNano"):
        await both.keep(LOGS, Kind.LOGS_JSON, records % b"soon", Encoding.IDENTITY, sender="")


async def test_a_body_that_comes_to_more_than_a_record_holds_is_refused(receiver, folder, monkeypatch, otlp_body):
    monkeypatch.setattr(receive, "RECORD_LIMIT", 1000)
    both = receiver()
    with pytest.raises(Refused, match="more counts than one record holds; send smaller batches") as refused:
        body = b"".join(otlp_body(f"journey-{number}") for number in range(50))
        await both.keep(TRACES, Kind.TRACES_PROTOBUF, body, Encoding.IDENTITY, sender="")
    assert refused.value.http == 413
    await both.keep(TRACES, Kind.TRACES_PROTOBUF, otlp_body("checkout"), Encoding.IDENTITY, sender="")
    assert [record.spans for record in await records(both, folder)] == [1]


async def test_what_comes_to_nothing_is_charged_as_it_was_sent(receiver, monkeypatch):
    both = receiver()
    charged = []
    monkeypatch.setattr(both.door, "took", lambda sender, size, **_: charged.append((sender, size)))
    for members in (100, 20_000):
        with contextlib.suppress(Refused):
            data = gzip.compress(b"") * members
            await both.keep(TRACES, Kind.TRACES_PROTOBUF, data, Encoding.GZIP, sender="shop")
    assert charged == [("shop", 2_000), ("shop", 400_000)]


class Slow(CountingReader):
    """Waits for leave to read what is read in the other thread."""

    leave = threading.Event()
    read_large: ClassVar[list[int]] = []

    def read(self, kind, body, **more):
        if threading.current_thread() is not threading.main_thread():
            self.read_large.append(len(body))
            assert self.leave.wait(20)
        return super().read(kind, body, **more)


@pytest.fixture
def slow(receiver):
    Slow.leave.clear()
    Slow.read_large.clear()
    yield receiver(Slow)
    Slow.leave.set()


@pytest.mark.parametrize(
    ("signal", "kind", "body", "size"),
    [
        (TRACES, Kind.TRACES_JSON, b"{}", 2**17),
        (METRICS, Kind.METRICS_JSON, b"{}", 2**17),
        (LOGS, Kind.LOGS_JSON, b"{}", 2**17),
        (METRICS, Kind.METRICS_PROTOBUF, b"", 2**17),
        (LOGS, Kind.LOGS_PROTOBUF, b"", 2**17),
        (TRACES, Kind.TRACES_PROTOBUF, b"", 2**20 if decoder_in_use() == COMPILED else 2**18),
    ],
)
async def test_what_takes_long_is_read_beside_the_others_by_size(slow, signal, kind, body, size):
    Slow.leave.set()
    for large, length in ((False, size - 200), (True, size + 200)):
        made = body.ljust(length) if body else _unknown(length)
        await slow.keep(signal, kind, made, Encoding.IDENTITY, sender="")
        assert Slow.read_large == [len(made)] * large


def _unknown(length: int) -> bytes:
    """A request in protobuf of about that length with nothing in it but fields that nobody knows."""
    return (b"\x7a\x7d" + bytes(125)) * (length // 127)


async def test_few_large_bodies_may_wait_and_the_others_are_503(slow, otlp_body):
    large = otlp_body("checkout") + _unknown(2 * receive.LARGE)

    def keep():
        return asyncio.create_task(slow.keep(TRACES, Kind.TRACES_PROTOBUF, large, Encoding.IDENTITY, sender=""))

    waiting = [keep() for _ in range(1 + receive.LARGE_WAITING)]
    await asyncio.sleep(0.1)
    with pytest.raises(Refused, match="too many large bodies") as refused:
        await keep()
    assert (refused.value.http, refused.value.retry_after) == (503, 1)
    Slow.leave.set()
    assert [reading.items for reading in await asyncio.gather(*waiting)] == [1] * len(waiting)
    assert (await keep()).items == 1


async def test_a_large_body_whose_sender_has_gone_is_not_read(slow):
    large = _unknown(2 * receive.LARGE)
    first = asyncio.create_task(posted(App(slow), {"body": large, "more_body": False}))
    await asyncio.sleep(0.1)
    gone = asyncio.create_task(posted(App(slow), {"body": large + large, "more_body": False}, wait=-1))
    cancelled = asyncio.create_task(
        slow.keep(TRACES, Kind.TRACES_PROTOBUF, large + large, Encoding.IDENTITY, sender="")
    )
    await asyncio.sleep(0.1)
    cancelled.cancel()
    Slow.leave.set()
    start, _ = await first
    assert start["status"] == 200
    assert await gone == []
    assert slow.metrics.requests.labels("disconnected")._value.get() == 1
    assert Slow.read_large == [len(large)]


async def test_a_large_body_that_is_being_read_holds_its_place_to_the_end_though_its_sender_has_gone(slow):
    large = _unknown(2 * receive.LARGE)
    first = asyncio.create_task(slow.keep(TRACES, Kind.TRACES_PROTOBUF, large, Encoding.IDENTITY, sender=""))
    await asyncio.sleep(0.1)
    first.cancel()
    second = asyncio.create_task(slow.keep(TRACES, Kind.TRACES_PROTOBUF, large, Encoding.IDENTITY, sender=""))
    await asyncio.sleep(0.1)
    assert not first.done()
    Slow.leave.set()
    with pytest.raises(asyncio.CancelledError):
        await first
    await second


async def test_uploads_without_end_of_one_connection_do_not_hold_up_the_others(receiver, monkeypatch, otlp_body):
    monkeypatch.setattr(over_grpc, "_UPLOAD_WAIT_SECONDS", 0.2)
    own = {"grpc.use_local_subchannel_pool": 1}
    async with (
        serving(receiver(upload_seconds=2)) as port,
        channel_to(port) as channel,
        channel_to(port, **own) as other,
    ):
        slow = [channel.stream_unary(EXPORT)(never(), timeout=20) for _ in range(over_grpc.UPLOADS_OF_ONE)]
        await asyncio.sleep(0.2)
        code, _ = await refused(channel.unary_unary(EXPORT)(otlp_body("checkout"), timeout=20))
        assert code is grpc.StatusCode.UNAVAILABLE
        assert await other.unary_unary(EXPORT)(otlp_body("checkout"), timeout=20) == b""
        for call in slow:
            await refused(call)
        assert await channel.unary_unary(EXPORT)(otlp_body("checkout"), timeout=20) == b""


async def test_uploads_are_shared_between_tokens_and_not_between_their_connections():
    uploads = over_grpc._Uploads()
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(over_grpc.UPLOADS_OF_ONE):
            await stack.enter_async_context(uploads.of("shop"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), uploads.of("shop"):
                pass
        async with asyncio.timeout(5), uploads.of("bank"):
            pass
    async with asyncio.timeout(5), uploads.of("shop"):
        pass


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"


@pytest.mark.parametrize(("sent", "what"), [(b"", "HANDSHAKE_SECONDS"), (PREFACE, "IDLE_SECONDS")])
async def test_connections_over_grpc_that_ask_for_nothing_are_ended(receiver, monkeypatch, sent, what):
    monkeypatch.setattr(over_grpc, what, 0.3)
    async with serving(receiver()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        async with asyncio.timeout(20):
            while await reader.read(1000):
                pass
        writer.close()
