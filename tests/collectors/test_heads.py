"""HTTP heads are bounded in size and time, before anybody is asked who they are; bodies and connections at rest are not touched by that."""

import asyncio
import contextlib
import http.client
import socket
import time

import pytest
from google.rpc.status_pb2 import Status
from uvicorn.server import ServerState

from maibo_collectors.otlp import acceptor
from maibo_collectors.otlp.decoding.rules import Rules
from maibo_collectors.otlp.log import Log
from maibo_collectors.otlp.metrics import AcceptorMetrics
from maibo_collectors.otlp.receiving import heads
from maibo_collectors.otlp.receiving.access import OPEN, Door
from maibo_collectors.otlp.receiving.heads import CONNECTIONS, HEAD_BYTES
from maibo_collectors.otlp.receiving.http import App
from maibo_collectors.otlp.receiving.reading import CountingReader
from maibo_collectors.otlp.receiving.receive import Receiver

pytestmark = pytest.mark.anyio

PROTOBUF = "application/x-protobuf"
GET = b"GET / HTTP/1.1\r\nhost: localhost\r\n"
CHUNKED = (
    f"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: {PROTOBUF}\r\n"
    "transfer-encoding: chunked\r\n\r\n1\r\n\xff\r\n"
).encode("latin-1")


def cut_off_after(connection: socket.socket, piece: bytes, *, limit: int) -> int:
    """How many bytes, of this piece again and again, are taken before the connection is cut."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < limit:
            sent += connection.send(piece)
            time.sleep(0.001)  # a cut is noticed only with time
    return sent


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (GET, b"x-header: value\r\n" * 1000),
        (GET + b"x-header: ", b"x" * 16_000),
        (b"GET /", b"x" * 16_000),
        (b"", b"\r\n" * 8_000),
        (CHUNKED + b"0\r\n", b"x-trailer: value\r\n" * 1000),
        (CHUNKED + b"0\r\nx-trailer: ", b"x" * 16_000),
        (CHUNKED + b"1;", b"x" * 16_000),
    ],
    ids=["headers", "a header", "a path", "empty lines", "trailers", "a trailer", "a chunk's extension"],
)
async def test_what_is_no_body_is_cut_off_when_it_is_too_large(core, journey, otlp_body, begin, piece):
    with socket.create_connection(core.address, timeout=10) as connection:
        connection.sendall(begin)
        assert cut_off_after(connection, piece, limit=2**24) < 2**24
    assert core.send(otlp_body(journey)).code == 200


async def test_grpc_on_the_port_of_http_is_told_where_grpc_is_in_the_answer_and_once_in_the_log(core):
    for _ in range(3):
        with socket.create_connection(core.address, timeout=10) as connection:
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert (answer.status, answer.read().decode()) == (
                400,
                f"HTTP/1.1 is spoken here; gRPC is taken at {core.grpc}",
            )
    line = f"refused 127.0.0.1: HTTP/2, as gRPC has it, where HTTP/1.1 is: gRPC is taken at {core.grpc}\n"
    assert core.stderr().count(line) == 1


async def test_a_large_head_that_is_within_the_bounds_is_taken_again_and_again(core):
    with socket.create_connection(core.address, timeout=10) as connection:
        for _ in range(5):
            connection.sendall(GET)
            for _ in range(HEAD_BYTES // 10_000 - 1):
                connection.sendall(b"x-header: " + b"x" * 9_900 + b"\r\n")
            connection.sendall(b"\r\n")
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.status == 200
            assert answer.read()


async def test_a_head_and_a_large_body_in_one_piece_are_taken(core, journey, otlp_request):
    body = otlp_request({"journey.name": journey, "filler": "x" * 4 * HEAD_BYTES}).SerializeToString()
    head = f"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(core.address, timeout=10) as connection:
        connection.sendall(head.encode() + body)
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    core.wait_counted(journey, 1)


async def answering(scope, receive, send):
    """Answers at once, whatever is still to come of the body."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@contextlib.asynccontextmanager
async def connected(state=None, app=answering):
    """Where to read from, and where to write to."""
    config = acceptor._http(app, OPEN).config
    state = state or ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: config.http_protocol_class(config, state, {}), "127.0.0.1", 0
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        server.close()
        await server.wait_closed()


async def seconds_to_end(reader) -> float:
    begin = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while await asyncio.wait_for(reader.read(2**16), 10):
            pass
    return time.monotonic() - begin


ANSWERED = GET + b"\r\n"
REFUSED_EARLY = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n"


@pytest.mark.parametrize("sent", [b"", b"G", GET, b"\r\n"])
async def test_a_head_that_is_not_complete_in_time_ends_the_connection(monkeypatch, sent):
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.3)
    async with connected() as (reader, writer):
        writer.write(sent)
        assert await seconds_to_end(reader) < 2


async def test_a_head_that_comes_in_drops_ends_with_its_time_and_not_with_each_drop(monkeypatch):
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.5)
    async with connected() as (reader, writer):
        ended = asyncio.create_task(seconds_to_end(reader))
        with contextlib.suppress(ConnectionError):
            for byte in GET:
                if ended.done():
                    break
                writer.write(bytes([byte]))
                await asyncio.sleep(0.1)
        assert await ended < 2


async def test_a_second_head_has_the_same_time_and_a_rest_before_it_a_longer_one(monkeypatch):
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.3)
    async with connected() as (reader, writer):
        for _ in range(2):
            writer.write(ANSWERED)
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.6)
        writer.write(GET)
        assert await seconds_to_end(reader) < 2


@pytest.mark.parametrize(("sent", "drop"), [(ANSWERED, b"\r\n"), (REFUSED_EARLY, b"x")], ids=["empty lines", "a body"])
async def test_what_drops_in_after_an_answer_does_not_keep_a_connection_for_ever(monkeypatch, sent, drop):
    monkeypatch.setattr(heads, "LEFTOVER_SECONDS", 0.5)
    async with connected() as (reader, writer):
        writer.write(sent)
        await reader.readuntil(b"ok")
        ended = asyncio.create_task(seconds_to_end(reader))
        with contextlib.suppress(ConnectionError):
            for _ in range(20):
                if ended.done():
                    break
                writer.write(drop)
                await asyncio.sleep(0.1)
        assert ended.done()


async def test_a_request_on_a_connection_too_many_is_told_to_come_again_as_any_other_and_its_connection_ends(tmp_path):
    state = ServerState()
    state.connections.update(object() for _ in range(CONNECTIONS))
    metrics = AcceptorMetrics()
    log = Log(tmp_path, acceptor=0)
    app = App(Receiver(log, metrics, Door(OPEN, now=0), CountingReader, Rules()))
    async with connected(state, app) as (reader, writer):
        writer.write(CHUNKED + b"0\r\n\r\n")
        head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    log.close()
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in head
    assert Status.FromString(body).message == "too many connections"
    assert metrics.requests.labels("503")._value.get() == 1


async def test_connections_beyond_all_measure_are_ended_at_once():
    state = ServerState()
    state.connections.update(object() for _ in range(2 * CONNECTIONS))
    async with connected(state) as (reader, _):
        assert await seconds_to_end(reader) < 2
