"""An edge forwards every body until the upstream has answered it: what it acknowledged is counted upstream, exactly."""

import asyncio
import contextlib
import gzip
import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from prometheus_client import CollectorRegistry, Counter

from maibo_collectors.errors import CollectorError
from maibo_collectors.otlp.body import Encoding
from maibo_collectors.otlp.collect import collect
from maibo_collectors.otlp.edge import forward as forward_module
from maibo_collectors.otlp.edge import upstream as upstream_module
from maibo_collectors.otlp.edge.forward import Forwarder
from maibo_collectors.otlp.edge.upstream import Answer, Result, Upstream
from maibo_collectors.otlp.segment import Kind, Record, body_hash, header

pytestmark = pytest.mark.anyio


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Scripted:
    """A collector that answers as `answer` says: (status, headers, body), or None to drop the connection."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    underway: int = 0
    most_underway: int = 0

    def answer(self, _: Request) -> tuple[int, dict[str, str], bytes] | None:
        return 200, {}, b""

    @property
    def bodies(self) -> list[bytes]:
        return [request.body for request in self.requests]


@pytest.fixture
def scripted():
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            request = Request(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            script.requests.append(request)
            script.underway += 1
            script.most_underway = max(script.most_underway, script.underway)
            said = script.answer(request)
            script.underway -= 1
            if said is None:
                self.close_connection = True
                return
            code, headers, content = said
            self.send_response(code)
            usual = {"content-length": str(len(content)), "content-type": "application/x-protobuf"}
            for name, value in (usual | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    script.url = f"http://127.0.0.1:{server.server_port}"
    serving = threading.Thread(target=server.serve_forever, args=(0.02,))
    serving.start()
    yield script
    server.shutdown()
    server.server_close()
    serving.join()


@dataclass
class Edge:
    """A forwarder, with what it told."""

    forwarder: Forwarder
    told: list[str | None]

    @property
    def log(self) -> Path:
        return self.forwarder.log

    def seal(self, number: int, *records: Record) -> Path:
        path = self.log / f"{number:020d}-0-ab.log"
        path.write_bytes(b"".join(header(record) + record.body for record in records))
        return path

    def waiting(self) -> list[str]:
        return sorted(path.name for path in self.log.iterdir())

    def aside(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.forwarder.corrupt.iterdir()}


def record(text: str, *, kind: Kind = Kind.TRACES_PROTOBUF, encoding: Encoding = Encoding.IDENTITY) -> Record:
    body = text.encode()
    return Record(body_hash(body), time.time_ns(), 1, encoding, gzip.compress(body) if encoding else body, kind)


@pytest.fixture
async def edge(scripted, tmp_path, monkeypatch):
    monkeypatch.setattr(forward_module, "_FIRST_PAUSE_SECONDS", 0.02)
    for name in ("log", "corrupt"):
        (tmp_path / name).mkdir()
    told: list[str | None] = []
    async with Upstream(scripted.url) as upstream:
        counter = Counter("forwarded", "", ["result"], registry=CollectorRegistry())
        yield Edge(Forwarder(tmp_path / "log", tmp_path / "corrupt", upstream, told.append, counter), told)


@contextlib.asynccontextmanager
async def running(edge):
    task = asyncio.create_task(edge.forwarder.run())
    try:
        yield task
    finally:
        edge.forwarder.stopping.set()
        await asyncio.wait_for(task, 60)


async def until(condition, *, seconds=60):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def finish(edge):
    edge.forwarder.finishing.set()
    await asyncio.wait_for(edge.forwarder.run(), 60)


async def test_bodies_go_byte_for_byte_to_the_path_of_their_kind(edge, scripted):
    sent = [
        record("t", encoding=Encoding.GZIP),
        record("tj", kind=Kind.TRACES_JSON),
        record("m", kind=Kind.METRICS_PROTOBUF),
        record("mj", kind=Kind.METRICS_JSON, encoding=Encoding.GZIP),
        record("l", kind=Kind.LOGS_PROTOBUF),
        record("lj", kind=Kind.LOGS_JSON),
    ]
    edge.seal(1, *sent)
    await finish(edge)
    got = {request.body: request for request in scripted.requests}
    assert set(got) == {each.body for each in sent}
    for each, path in zip(sent, ["traces"] * 2 + ["metrics"] * 2 + ["logs"] * 2, strict=True):
        request = got[each.body]
        assert request.path == f"/v1/{path}"
        assert request.headers["content-type"] == f"application/{'json' if each.kind % 2 == 0 else 'x-protobuf'}"
        assert request.headers.get("content-encoding", "") == ("gzip" if each.encoding else "")
        assert "authorization" not in request.headers
    assert edge.waiting() == []
    assert edge.told == []


async def test_metrics_go_one_after_the_other_and_nothing_overtakes_them(edge, scripted):
    scripted.answer = lambda _: time.sleep(0.02) or (200, {}, b"")
    edge.seal(2, *(record(f"2{n}", kind=Kind.METRICS_PROTOBUF) for n in range(5)))
    edge.seal(1, *(record(f"1{n}", kind=Kind.METRICS_PROTOBUF) for n in range(5)))
    await finish(edge)
    assert [body.decode() for body in scripted.bodies] == [f"1{n}" for n in range(5)] + [f"2{n}" for n in range(5)]
    assert scripted.most_underway == 1


async def test_traces_go_several_at_once_but_older_segments_first(edge, scripted):
    scripted.answer = lambda _: time.sleep(0.02) or (200, {}, b"")
    edge.seal(2, *(record(f"2{n:02}") for n in range(20)))
    edge.seal(1, *(record(f"1{n:02}") for n in range(20)))
    await finish(edge)
    assert sorted(scripted.bodies[:20]) == [f"1{n:02}".encode() for n in range(20)]
    assert 1 < scripted.most_underway <= forward_module.WINDOW


@pytest.mark.parametrize("code", [400, 413, 415])
async def test_what_the_upstream_refuses_for_good_is_set_aside_with_its_words_and_the_rest_goes_on(
    edge, scripted, code, caplog
):
    refusal = Status(code=3, message="span 7 is nonsense").SerializeToString()
    scripted.answer = lambda request: (
        (code, {"content-type": "application/x-protobuf"}, refusal) if request.body == b"bad" else (200, {}, b"")
    )
    bad = record("bad")
    edge.seal(1, record("good"), bad, record("fine"))
    edge.seal(2, record("later"))
    await finish(edge)
    assert sorted(scripted.bodies) == [b"bad", b"fine", b"good", b"later"]
    assert edge.waiting() == []
    name = f"{1:020d}-0-ab-{bad.body_hash.hex()}"
    aside = edge.aside()
    assert aside.keys() == {name, f"{name}.reason"}
    assert aside[name] == b"bad"
    assert aside[f"{name}.reason"].decode() == f"{scripted.url}/v1/traces answered {code}: span 7 is nonsense\n"
    assert "span 7 is nonsense" in caplog.text


@pytest.mark.parametrize("code", [301, 401, 403, 404, 408, 429, 500, 502, 503, 504])
async def test_whatever_else_it_answers_is_told_and_the_body_is_sent_until_it_is_taken(edge, scripted, code):
    scripted.answer = lambda _: (code, {}, b"not now") if len(scripted.requests) < 4 else (200, {}, b"")
    edge.seal(1, record("one", kind=Kind.METRICS_PROTOBUF), record("two", kind=Kind.METRICS_PROTOBUF))
    async with running(edge):
        await until(lambda: not edge.waiting())
    assert scripted.bodies == [b"one"] * 4 + [b"two"]
    assert edge.told == [f"{scripted.url}/v1/metrics answered {code}: not now", None]
    assert edge.aside() == {}


class Impossible:
    """Answers `code` to the body `bad`, and to all others while `everything`."""

    def __init__(self, scripted, code, *, everything=lambda: False):
        self.code = code
        self.everything = everything
        scripted.answer = self

    def __call__(self, request):
        failing = request.body == b"bad" or self.everything()
        return (self.code, {}, b"oh no") if failing else (200, {}, b"")


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(forward_module, "_PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(forward_module, "_PATIENCE_TRIES", 4)
    monkeypatch.setattr(forward_module, "_LONGEST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(forward_module, "_LONGEST_AILING_PAUSE_SECONDS", 0.05)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("code", [422, 500, 501, 505])
@pytest.mark.parametrize("kind", [Kind.METRICS_PROTOBUF, Kind.TRACES_JSON])
async def test_a_body_that_the_upstream_fails_at_for_ever_is_set_aside_and_stops_nothing(
    edge, scripted, code, kind, caplog
):
    Impossible(scripted, code)
    bad = record("bad", kind=kind)
    edge.seal(1, record("good", kind=kind), bad, record("fine", kind=kind))
    edge.seal(2, record("later", kind=kind))
    async with running(edge):
        await until(lambda: not edge.waiting())
    assert scripted.bodies.count(b"bad") >= 4
    assert {b"good", b"fine", b"later"} < set(scripted.bodies)
    name = f"{1:020d}-0-ab-{bad.body_hash.hex()}"
    aside = edge.aside()
    assert aside.keys() == {name, f"{name}.reason"}
    assert aside[name] == b"bad"
    assert f"answered {code}: oh no ({scripted.bodies.count(b'bad')} times on end" in aside[f"{name}.reason"].decode()
    assert "a body of 3 bytes is not forwarded" in caplog.text
    assert edge.told[-1:] in ([], [None])  # where others were taken at the same time, nothing was ever held up


@pytest.mark.parametrize("kind", [Kind.METRICS_PROTOBUF, Kind.TRACES_PROTOBUF])
async def test_bodies_that_the_upstream_fails_at_are_overtaken_and_taken_when_it_has_recovered(edge, scripted, kind):
    ill = threading.Event()
    ill.set()
    scripted.answer = lambda request: (500 if ill.is_set() and request.body.startswith(b"bad") else 200, {}, b"")
    edge.seal(1, *(record(f"bad{number}", kind=kind) for number in range(9)), record("good", kind=kind))
    edge.seal(2, record("later", kind=kind))
    async with running(edge):
        await until(lambda: edge.waiting() == [f"{1:020d}-0-ab.log"], seconds=20)
        assert {b"good", b"later"} < set(scripted.bodies)
        ill.clear()
        await until(lambda: not edge.waiting())
    assert edge.aside() == {}


async def test_bodies_at_which_the_upstream_hangs_later_are_not_tried_one_after_the_other(edge, scripted):
    """Each of them would hold up the others for a minute."""
    hangs = threading.Event()

    def answer(request):
        if not request.body.startswith(b"bad"):
            return 200, {}, b""
        return None if hangs.is_set() else (500, {}, b"")  # None stands for an answer that is waited for in vain

    scripted.answer = answer
    ailing = edge.seal(1, *(record(f"bad{number}") for number in range(7)), record("good"))
    async with running(edge):
        await until(lambda: len(scripted.requests) >= 8)
        hangs.set()
        before = len(scripted.requests)
        await until(lambda: len(scripted.requests) > before)
        await asyncio.sleep(0.4)
        assert len(scripted.requests) - before <= 2
        hung = scripted.requests[before].body
        scripted.answer = lambda request: None if request.body == hung else (200, {}, b"")
        before = len(scripted.requests)
        await until(lambda: len({*scripted.bodies[before:]} - {hung}) == 6, seconds=20)
        scripted.answer = lambda _: (200, {}, b"")
        await until(lambda: ailing.name not in edge.waiting())
    assert edge.aside() == {}


async def test_a_segment_that_somebody_deletes_while_a_body_of_it_is_sent_again_stops_nothing(edge, scripted):
    ill = threading.Event()
    ill.set()
    scripted.answer = lambda request: (500 if ill.is_set() and request.body == b"bad" else 200, {}, b"")
    first = edge.seal(1, record("bad"), record("good"))
    edge.seal(2, record("later"))
    async with running(edge):
        await until(lambda: edge.waiting() == [first.name])
        first.unlink()
        ill.clear()
        await until(lambda: scripted.bodies.count(b"bad") > 1)
        edge.seal(3, record("last"))
        await until(lambda: not edge.waiting())
    assert scripted.bodies[-1] == b"last"
    assert not any(edge.told)


async def test_an_upstream_that_fails_at_many_bodies_is_ill_itself_and_all_wait_in_order(edge, scripted, monkeypatch):
    monkeypatch.setattr(forward_module, "_AILING", 3)
    monkeypatch.setattr(forward_module, "_LONGEST_PAUSE_SECONDS", 0.01)
    scripted.answer = lambda request: (500 if request.body else 200, {}, b"")
    edge.seal(1, *(record(str(number), kind=Kind.METRICS_PROTOBUF) for number in range(9)))
    async with running(edge):
        await until(lambda: scripted.bodies.count(b"3") > 10)
    assert b"4" not in scripted.bodies
    assert len(edge.waiting()) == 1
    assert edge.aside() == {}


@pytest.mark.usefixtures("impatient")
async def test_an_upstream_that_fails_at_everything_is_waited_for(edge, scripted):
    broken = threading.Event()
    broken.set()
    Impossible(scripted, 500, everything=broken.is_set)
    edge.seal(1, *(record(str(number)) for number in range(3)))
    async with running(edge):
        await until(lambda: len(scripted.requests) > 60)
        assert edge.aside() == {}
        broken.clear()
        await until(lambda: not edge.waiting())
    assert edge.aside() == {}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("code", [401, 403, 404, 429, 502, 503, 504])
async def test_what_is_not_a_bodys_fault_is_never_held_against_it(edge, scripted, code):
    Impossible(scripted, code)
    edge.seal(1, record("bad"), record("good"))
    async with running(edge):
        await until(lambda: scripted.bodies.count(b"bad") > 12)
    assert edge.aside() == {}
    assert edge.waiting() != []


@pytest.mark.usefixtures("impatient")
async def test_an_answer_of_another_kind_in_between_begins_the_patience_anew(edge, scripted):
    def answer(request):
        return (503 if scripted.bodies.count(b"bad") % 3 == 0 else 500), {}, b""

    scripted.answer = lambda request: answer(request) if request.body == b"bad" else (200, {}, b"")
    edge.seal(1, record("bad"))
    async with running(edge):
        await until(lambda: len(scripted.requests) > 20)
    assert edge.aside() == {}


async def test_one_that_fails_for_a_while_is_not_given_up(edge, scripted, monkeypatch):
    for name in ("_LONGEST_PAUSE_SECONDS", "_LONGEST_AILING_PAUSE_SECONDS"):
        monkeypatch.setattr(forward_module, name, 0.01)
    Impossible(scripted, 500)
    edge.seal(1, record("bad"))
    async with running(edge):
        await until(lambda: len(scripted.requests) > forward_module._PATIENCE_TRIES + 10)
    assert edge.aside() == {}


async def test_a_body_whose_answer_was_lost_is_sent_again_and_those_that_were_answered_are_not(edge, scripted):
    def answer(request):
        lost = request.body == b"3" and scripted.bodies.count(b"3") < 3
        return None if lost else (200, {}, b"")

    scripted.answer = answer
    edge.seal(1, *(record(str(number)) for number in range(5)))
    async with running(edge):
        await until(lambda: not edge.waiting())
    assert sorted(scripted.bodies) == [b"0", b"1", b"2", b"3", b"3", b"3", b"4"]
    problem, again = edge.told
    assert "cannot be reached" in problem
    assert again is None


async def test_retry_after_is_waited_for(edge, scripted):
    times = []

    def answer(_):
        times.append(time.monotonic())
        return (429, {"retry-after": "1"}, b"") if len(times) == 1 else (200, {}, b"")

    scripted.answer = answer
    edge.seal(1, record("one"))
    async with running(edge):
        await until(lambda: not edge.waiting())
    assert times[1] - times[0] >= 1


async def test_an_upstream_that_is_away_is_told_once_and_pauses_grow(edge, scripted, monkeypatch):
    attempts = []
    real = edge.forwarder.upstream.send

    async def send(sent):
        attempts.append(time.monotonic())
        return await real(sent)

    monkeypatch.setattr(edge.forwarder.upstream, "send", send)
    monkeypatch.setattr(edge.forwarder.upstream, "url", "http://127.0.0.1:9")
    edge.seal(1, record("one"))
    async with running(edge):
        await until(lambda: len(attempts) > 4)
        pauses = [later - earlier for earlier, later in pairwise(attempts)]
        assert all(pause > least for pause, least in zip(pauses, (0.019, 0.039, 0.079, 0.159), strict=False))
        assert len(edge.told) == 1
        assert "1 segments" in str(edge.forwarder.backlog())
    assert edge.waiting() != []


async def test_a_segment_stays_until_all_of_it_is_answered_and_is_sent_again_by_the_next_process(edge, scripted):
    scripted.answer = lambda request: (503, {}, b"") if request.body == b"two" else (200, {}, b"")
    edge.seal(1, record("one"), record("two"))
    async with running(edge):
        await until(lambda: scripted.bodies.count(b"two") > 1)
    assert edge.waiting() != []
    scripted.answer = lambda _: (200, {}, b"")
    scripted.requests.clear()
    edge.forwarder.stopping.clear()
    await finish(edge)
    assert sorted(scripted.bodies) == [b"one", b"two"]
    assert edge.waiting() == []


async def test_what_is_rejected_of_a_body_is_told_and_the_body_is_done(edge, scripted, caplog):
    partial = ExportTraceServiceResponse()
    partial.partial_success.rejected_spans = 3
    partial.partial_success.error_message = "3 spans: unknown outcome"
    answers = {
        b"p": ({"content-type": "application/x-protobuf"}, partial.SerializeToString()),
        b"j": ({"content-type": "application/json"}, b'{"partialSuccess":{"rejectedSpans":"2","errorMessage":"two"}}'),
    }
    scripted.answer = lambda request: (200, *answers[request.body])
    edge.seal(1, record("p"), record("j", kind=Kind.TRACES_JSON))
    await finish(edge)
    assert "but for 3: 3 spans: unknown outcome" in caplog.text
    assert "but for 2: two" in caplog.text
    assert edge.waiting() == []


@pytest.mark.parametrize(
    ("kind", "content"),
    [("text/html", b"<html>log in"), ("application/json", b"<html>"), ("application/x-protobuf", b"<html>"), ("", b"")],
)
async def test_a_200_that_is_not_a_collectors_takes_nothing(scripted, kind, content):
    """A portal's page, or a load balancer's, must not empty the log."""
    scripted.answer = lambda _: (200, {"content-type": kind}, content)
    async with Upstream(scripted.url) as upstream:
        answer = await upstream.send(record("one"))
    assert answer.result.value == "later"
    assert "is it the right address?" in answer.message


NASTY = "\x1b[2J\x1b]0;owned\x07 no\r\nwarning: \u202eall\u2028is \x9bwell"


@pytest.mark.parametrize("form", ["text", "json", "protobuf"])
@pytest.mark.parametrize("code", [200, 400, 500])
async def test_an_upstreams_words_do_nothing_to_a_terminal(scripted, form, code):
    partial = ExportTraceServiceResponse()
    partial.partial_success.error_message = NASTY
    said = {
        "text": ("text/plain", NASTY.encode()),
        "json": (
            "application/json",
            json.dumps({"message": NASTY, "partialSuccess": {"errorMessage": NASTY}}).encode(),
        ),
        "protobuf": (
            "application/x-protobuf",
            (partial if code == 200 else Status(message=NASTY)).SerializeToString(),
        ),
    }
    kind, content = said[form]
    scripted.answer = lambda _: (code, {"content-type": kind}, content)
    async with Upstream(scripted.url) as upstream:
        answer = await upstream.send(record("one"))
    assert answer.message.isprintable()
    if (form, code) != ("text", 200):  # those are nobody's of ours
        assert answer.message.endswith("[2J ]0;owned no warning: all is well")


@pytest.mark.parametrize("code", [200, 500])
async def test_of_an_endless_answer_the_beginning_is_read(scripted, monkeypatch, code):
    read = 0
    real = upstream_module.httpx2.Response.aiter_raw

    async def counted(response):
        nonlocal read
        async with contextlib.aclosing(real(response)) as pieces:
            async for piece in pieces:
                read += len(piece)
                yield piece

    monkeypatch.setattr(upstream_module.httpx2.Response, "aiter_raw", counted)
    scripted.answer = lambda _: (code, {"content-type": "text/plain"}, b"a" * 50_000_000)
    async with Upstream(scripted.url) as upstream:
        for _ in range(3):
            answer = await upstream.send(record("one"))
            assert answer.result.value == ("later" if code == 200 else "failed")
            assert len(answer.message) < 400
    assert read < 3 * 1_000_000


async def test_an_answer_that_is_packed_although_it_was_asked_not_to_be_is_not_unpacked(scripted):
    scripted.answer = lambda _: (400, {"content-encoding": "gzip"}, gzip.compress(b"0" * 10_000_000))
    async with Upstream(scripted.url) as upstream:
        answer = await upstream.send(record("one"))
    assert scripted.requests[0].headers["accept-encoding"] == "identity"
    assert answer.message == f"{scripted.url}/v1/traces answered 400"


async def test_what_waits_is_forwarded_in_order_whatever_its_size_in_little_memory(edge, monkeypatch):
    sent: list[bytes] = []

    async def send(record):
        sent.append(record.body[:4])
        return Answer(Result.TAKEN)

    monkeypatch.setattr(edge.forwarder.upstream, "send", send)
    for number in reversed(range(2000)):
        edge.seal(number, record(f"{number:04}" + "x" * 20_000, kind=Kind.METRICS_PROTOBUF))
    tracemalloc.start()
    try:
        await finish(edge)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sent == [f"{number:04}".encode() for number in range(2000)]
    assert edge.waiting() == []
    assert peak < 4 * 2**20


async def test_counts_and_damage_are_not_forwarded(edge, scripted, caplog):
    edge.seal(1, record("a tally", kind=Kind.TALLY))
    content = bytearray(edge.seal(2, record("damaged"), record("good")).read_bytes())
    content[content.index(b"damaged")] ^= 1
    (edge.log / f"{2:020d}-0-ab.log").write_bytes(content)
    await finish(edge)
    assert scripted.bodies == [b"good"]
    assert edge.waiting() == [f"{1:020d}-0-ab.log"]
    assert any(b"damaged"[1:] in data for data in edge.aside().values())
    assert "holds counts" in caplog.text


async def test_a_disk_that_refuses_what_is_to_be_set_aside_is_told_and_the_upstream_is_not_flooded(edge, scripted):
    scripted.answer = lambda _: (400, {}, b"nonsense")
    edge.forwarder.corrupt.rmdir()
    edge.seal(1, record("bad"))
    async with running(edge):
        await asyncio.sleep(0.5)
    assert len(scripted.requests) == 1
    assert edge.waiting() != []
    (problem,) = edge.told
    assert "the disk refuses" in problem


async def test_a_segment_whose_first_record_is_damaged_is_forwarded_but_for_that(edge, scripted):
    path = edge.seal(1, record("first"), record("second"))
    path.write_bytes(b"x" + path.read_bytes()[1:])
    await finish(edge)
    assert scripted.bodies == [b"second"]
    assert edge.waiting() == []


async def test_the_token_is_shown_and_a_new_one_from_the_next_request_on(scripted, tmp_path):
    token = tmp_path / "token"
    token.write_text("first\n")
    async with Upstream(scripted.url + "/", token_file=token) as upstream:
        await upstream.send(record("one"))
        token.write_text("second")
        await upstream.send(record("two"))
        token.unlink()
        answer = await upstream.send(record("three"))
    assert [each.headers["authorization"] for each in scripted.requests] == ["Bearer first", "Bearer second"]
    assert [each.path for each in scripted.requests] == ["/v1/traces"] * 2
    assert answer.result.value == "later"
    assert "--token-file" in answer.message


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("collector:4318", "should be like https://"),
        ("ftp://collector", "should be like https://"),
        ("https://", "should be like https://"),
        ("https://user:secret@collector", "names a user"),
        ("https://collector/v1/traces", "before /v1/"),
        ("http://collector.example:4318", "would send the token readable"),
        ("https://collector:99999", "should be like https://"),
        ("https://collector:port", "is no URL"),
    ],
)
def test_an_address_that_cannot_work_is_refused_with_its_mend(tmp_path, url, told):
    (tmp_path / "token").write_text("secret")
    with pytest.raises(CollectorError, match=told):
        Upstream(url, token_file=tmp_path / "token")


def test_a_password_in_an_address_is_not_repeated():
    with pytest.raises(CollectorError) as refused:
        Upstream("https://user:secret@collector")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "either --store DSN or --forward URL"),
        (["--store", "chdb:///x", "--forward", "https://x"], "either --store DSN or --forward URL"),
        (["--forward", "https://x", "journeys/"], "nothing is counted here"),
        (["--store", "chdb:///x", "--cert", __file__], "are for --forward"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(arguments, told):
    result = CliRunner().invoke(collect, arguments, env={"MAIBO_STORE": "", "MAIBO_FORWARD": ""})
    assert result.exit_code == 2
    assert told in result.output


class Collect:
    """A running `maibo collect`."""

    def __init__(self, data_dir: Path, *arguments: str, port: int = 0) -> None:
        self.output: list[str] = []
        self.on_stdout: list[str] = []
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "maibo_slo.cli", "collect", "--data-dir", data_dir, "--acceptors", "1"),
                *("--otlp-http", f"127.0.0.1:{port}", "--otlp-grpc", "off", *arguments),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self._reading = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.on_stdout)),
            threading.Thread(target=self._read, args=(self.process.stderr, [])),
        ]
        for each in self._reading:
            each.start()
        self.port = int(self.wait_for("otlp-http: http").rpartition(":")[2])

    def _read(self, stream, lines) -> None:
        for line in stream:
            lines.append(line.rstrip())
            self.output.append(line.rstrip())

    def wait_for(self, text: str, *, seconds: float = 90) -> str:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in list(self.output):
                if text in line:
                    return line
            assert any(each.is_alive() for each in self._reading), self.output
            time.sleep(0.02)
        raise AssertionError((text, self.output))

    def send(self, body: bytes) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                connection.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
                return connection.getresponse().status == 200
            finally:
                connection.close()
        return False

    def kill(self) -> None:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.process.kill()
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        self._end()

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(30) == 0, self.output
        self._end()

    def _end(self) -> None:
        self.process.wait(30)
        for each, stream in zip(self._reading, (self.process.stdout, self.process.stderr), strict=True):
            each.join(30)
            assert stream is not None
            stream.close()


@pytest.fixture
def collect_at():
    made: list[Collect] = []

    def make(*arguments, **named) -> Collect:
        made.append(Collect(*arguments, **named))
        return made[-1]

    yield make
    for each in made:
        if each.process.returncode is None:
            each.kill()


def test_acknowledged_by_the_edge_is_counted_upstream_exactly(core_at, collect_at, scripted, tmp_path, otlp_body):
    """The upstream is away, comes, loses answers, dies and comes back; the edge is killed in the middle of it."""
    chance = random.Random(5)
    core = core_at(tmp_path / "core", acceptors="1").start()
    core.options["otlp-http"] = f"127.0.0.1:{core.address[1]}"
    away = threading.Event()
    away.set()

    def answer(request):
        """Of the wire in between: requests reach the core, answers get lost."""
        if away.is_set():
            return None
        try:
            reply = core.send(request.body)
        except (OSError, http.client.HTTPException):
            return None
        return None if chance.random() < 0.3 else (reply.code, {}, reply.body)

    scripted.answer = answer
    edge = collect_at(tmp_path / "edge", "--forward", scripted.url)
    acknowledged = 0

    def send_some(count):
        nonlocal acknowledged
        for _ in range(count):
            spans = chance.randint(1, 9)
            body = otlp_body("checkout", spans)
            while not edge.send(body):
                time.sleep(0.02)
            acknowledged += spans

    send_some(15)
    edge.wait_for("not forwarding")
    away.clear()
    edge.wait_for("forwarding again")
    send_some(10)
    edge.kill()
    edge = collect_at(tmp_path / "edge", "--forward", scripted.url, port=edge.port)
    core.kill()
    send_some(10)
    core.start()
    send_some(5)
    deadline = time.monotonic() + 60
    while list((tmp_path / "edge" / "otlp" / "log").glob("*.log")) and time.monotonic() < deadline:
        time.sleep(0.05)
    edge.stop()
    core.wait_counted("checkout", acknowledged)
    assert len(scripted.requests) > 40
    core.stop()


async def test_an_empty_body_of_every_kind_is_taken_by_a_collector_that_works(core_at, tmp_path):
    core = core_at(tmp_path / "core", acceptors="1").start()
    async with Upstream(f"http://127.0.0.1:{core.address[1]}") as upstream:
        taken = [kind for kind in upstream_module.FORWARDED if await upstream.takes(kind)]
    assert len(taken) == 6
    core.stop()
    async with Upstream(f"http://127.0.0.1:{core.address[1]}") as upstream:
        assert not await upstream.takes(Kind.TRACES_JSON)


def test_the_edge_shows_its_certificate_and_trusts_the_authority_it_was_given(
    core_at, collect_at, tmp_path, otlp_body, certificates
):
    files = {name: str(path) for name, path in certificates.items()}
    core = core_at(
        tmp_path / "core",
        acceptors="1",
        otlp_tls_cert=files["cert"],
        otlp_tls_key=files["key"],
        otlp_tls_client_ca=files["client_ca"],
    ).start()
    url = f"https://localhost:{core.address[1]}"
    stranger = collect_at(tmp_path / "stranger", "--forward", url, "--ca", files["ca"])
    assert stranger.send(otlp_body("stranger", 1))
    assert "cannot be reached" in stranger.wait_for("not forwarding")
    stranger.stop()
    last = stranger.output[-1]
    assert re.match(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} WARNING maibo_collectors\.\S+: stopped; forwarded at the next start",
        last,
    )
    assert [line.partition(":")[0] for line in stranger.on_stdout] == ["maibo collect is ready", "otlp-http"]
    mutual = ("--ca", files["ca"], "--cert", files["client_cert"], "--key", files["client_key"])
    edge = collect_at(tmp_path / "edge", "--forward", url, *mutual)
    assert edge.send(otlp_body("checkout", 3))
    core.wait_counted("checkout", 3)
    edge.stop()
    assert core.counted("stranger") == 0
    core.stop()


def test_with_a_store_it_counts_and_shows_its_metrics(collect_at, tmp_path, otlp_body, store_dsn):
    counting = collect_at(tmp_path / "data", "--store", store_dsn, "--metrics", "127.0.0.1:0")
    assert counting.send(otlp_body("checkout", 3))
    host, _, port = counting.wait_for("metrics: ").partition("//")[2].removesuffix("/metrics").rpartition(":")
    deadline = time.monotonic() + 60
    shown = ""
    while 'maibo_otlp_drained_total{result="counted"} 3.0' not in shown and time.monotonic() < deadline:
        time.sleep(0.05)
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        connection.request("GET", "/metrics")
        shown = connection.getresponse().read().decode()
        connection.close()
    assert 'maibo_otlp_drained_total{result="counted"} 3.0' in shown
    counting.stop()
    from maibo_slo.store import open_store

    with open_store(store_dsn) as store:
        assert store.rows("SELECT sum(n) FROM cells_10s")[0][0] == 3
