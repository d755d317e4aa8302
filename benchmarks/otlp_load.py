"""OTLP bodies made from a seed, and a process that sends them: what `benchmarks/ingest.py` and the chaos tests load a collector with.

    python benchmarks/otlp_load.py --url http://127.0.0.1:4318 --seconds 10 --connections 8

A body is a request of one service: 500 spans of about 480 bytes with 11 attributes each, 100 customers with 5 spans of one trace each; 5
journeys of 4 steps in 3 tiers, log-normal durations, 2 % failures. It is built once as a message; each further body is that one with new ids and times written over the old
ones (they have fixed widths), which costs some 50 us and makes every body a new one. Bodies end "now".
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import zlib
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

try:
    from isal import igzip_lib
except ImportError:
    igzip_lib = None

JOURNEYS = ("checkout", "browse", "search", "sign-in", "refund")
STEPS = ("", "basket", "address", "payment", "confirm")
TIERS = ("standard", "gold", "vip")
FAILURES = ("card_declined", "out_of_stock", "timeout")
SHARED = 5
"""Spans of one customer, with their ids."""
START_TIME_MARK = 0x0004_0000_0000_0001
"""Stands for a start time (us) until one is written over it: like those of this century, 8 bytes as a varint."""


class Bodies:
    """Ever new bodies of one service."""

    def __init__(self, *, seed: int, service: str = "storefront", version: str = "1.4.2", spans: int = 500) -> None:
        self._random = np.random.default_rng(seed)
        self.spans = spans
        body = _template(np.random.default_rng(seed + 1), service, version, spans).SerializeToString()
        self._body = np.frombuffer(body, dtype=np.uint8).copy()
        self._medians_ns = np.resize([0.3e9, 0.02e9, 0.04e9, 0.15e9, 0.06e9], spans)  # as `STEPS` are told
        self._trace_ids, self._span_ids, self._starts, self._ends, self._start_times = _places(body, spans)

    def next(self, *, end_ns: int) -> bytes:
        """A body whose spans end within the second before `end_ns`, ids and durations new."""
        body, random, n = self._body, self._random, self.spans
        customers = random.integers(0, 256, (-(-n // SHARED), 16), dtype=np.uint8)
        body[self._trace_ids] = np.repeat(customers, SHARED, axis=0)[:n]
        body[self._span_ids] = random.integers(0, 256, (n, 8), dtype=np.uint8)
        ends = end_ns - random.integers(0, 10**9, n)
        starts = ends - (np.exp(random.normal(0, 0.5, n)) * self._medians_ns).astype(np.int64)
        body[self._starts] = starts.astype("<u8").view(np.uint8).reshape(n, 8)
        body[self._ends] = ends.astype("<u8").view(np.uint8).reshape(n, 8)
        us = (starts // 1000)[:, None] >> (7 * np.arange(8))
        body[self._start_times] = ((us & 0x7F) | np.array([0x80] * 7 + [0])).astype(np.uint8)
        return body.tobytes()


def _template(random: np.random.Generator, service: str, version: str, spans: int) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    for key, value in {
        "service.name": service,
        "service.version": version,
        "deployment.environment.name": "production",
        "k8s.cluster.name": "west-1",
        "cloud.region": "eu-west-1",
        "k8s.pod.name": f"{service}-7d9f8b6c5-x2x4z",
        "telemetry.sdk.name": "opentelemetry",
    }.items():
        resource.resource.attributes.add(key=key).value.string_value = value
    scope = resource.scope_spans.add()
    scope.scope.name = "maibo"
    for i in range(spans):
        if i % SHARED == 0:
            name, tier = JOURNEYS[random.integers(len(JOURNEYS))], TIERS[random.integers(len(TIERS))]
            ids = [random.bytes(16).hex() for _ in range(3)]
        step = STEPS[i % SHARED]
        failed = random.random() < 0.02
        span = scope.spans.add(
            trace_id=i.to_bytes(4, "big") * 4,
            span_id=i.to_bytes(4, "big") * 2,
            parent_span_id=b"parentid",
            name=f"step {step}" if step else f"journey {name}",
            kind=1,
            start_time_unix_nano=1,
            end_time_unix_nano=2,
        )
        texts = {
            "journey.name": name,
            "journey.id": ids[0],
            "journey.outcome": "failure" if failed else "success",
            "journey.tier": tier,
            "session.id": ids[1],
            "enduser.pseudo.id": ids[2],
            "http.request.method": "POST",
            "http.route": f"/shop/{name}/{{order}}/{step or 'all'}",
        }
        if step:
            texts["journey.step"] = step
        if failed:
            texts["journey.failure_reason"] = FAILURES[random.integers(len(FAILURES))]
            span.status.code = span.status.STATUS_CODE_ERROR
        else:
            texts["user_agent.name"] = "Firefox"
        for key, text in texts.items():
            span.attributes.add(key=key).value.string_value = text
        span.attributes.add(key="journey.start_time").value.int_value = START_TIME_MARK
        if not step:
            span.attributes.add(key="journey.started").value.bool_value = True
    return request


def _places(body: bytes, spans: int) -> tuple[np.ndarray, ...]:
    """Where ids and times are: byte positions, shape (spans, width), of trace ids, span ids, starts, ends and start times."""
    trace_ids, span_ids, starts, ends, start_times = [], [], [], [], []
    mark = b"journey.start_time\x12\x09\x18" + _varint(START_TIME_MARK)
    at = 0
    for i in range(spans):
        at = body.index(b"\x0a\x10" + i.to_bytes(4, "big") * 4, at) + 2
        trace_ids.append(at)
        span_ids.append(body.index(b"\x12\x08" + i.to_bytes(4, "big") * 2, at) + 2)
        starts.append(body.index(b"\x39" + (1).to_bytes(8, "little"), at) + 1)
        ends.append(body.index(b"\x41" + (2).to_bytes(8, "little"), at) + 1)
        start_times.append(body.index(mark, at) + len(mark) - 8)
    widths = (16, 8, 8, 8, 8)
    return tuple(
        np.array(begins)[:, None] + np.arange(width)
        for begins, width in zip((trace_ids, span_ids, starts, ends, start_times), widths, strict=True)
    )


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


def probe(number: int, *, end_ns: int) -> bytes:
    """One span of the journey ``probe``, by which a load finds out when it is visible."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(
        trace_id=number.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"), start_time_unix_nano=end_ns - 10**6,
        end_time_unix_nano=end_ns,
    )  # fmt: skip
    span.attributes.add(key="journey.name").value.string_value = "probe"
    return request.SerializeToString()


def zipped(body: bytes) -> bytes:
    """Gzip at the quickest level there is: the sender is not what is measured."""
    if igzip_lib is not None:
        return igzip_lib.compress(body, 1, igzip_lib.COMP_GZIP)
    packer = zlib.compressobj(1, wbits=31)
    return packer.compress(body) + packer.flush()


@dataclass
class Sent:
    """What a load came to."""

    acknowledged: int = 0
    """Spans with a 200."""
    refused: int = 0
    """Answers that say to come again."""
    failed: int = 0
    """Any other answer, and broken connections."""
    seconds: float = 0.0
    ack_ms: list[float] = field(default_factory=list)
    probes_at: list[float] = field(default_factory=list)
    """Unix seconds at which each probe was acknowledged, in order."""
    bytes: int = 0
    """Bodies as sent."""
    unpacked: int = 0


async def load(
    url: str, *, seconds: float, connections: int, rate: float, seed: int, spans: int, probes: bool = False
) -> Sent:
    """Sends for so long; `rate` spans a second in all, 0: as fast as answers come. A body that is refused is sent again."""
    sent = Sent()
    begin = time.monotonic()
    interval = connections * spans / rate if rate else 0.0
    jobs = [
        _sender(url, Bodies(seed=seed + 1000 * each, version=f"1.4.{each % 4}", spans=spans), sent,
                until=begin + seconds, interval=interval, offset=interval * each / connections)
        for each in range(connections)
    ]  # fmt: skip
    if probes:
        jobs.append(_prober(url, sent, until=begin + seconds))
    await asyncio.gather(*jobs)
    sent.seconds = time.monotonic() - begin
    return sent


async def _sender(url: str, bodies: Bodies, sent: Sent, *, until: float, interval: float, offset: float) -> None:
    connection = Connection(url)
    due = time.monotonic() + offset
    while (now := time.monotonic()) < until:
        if interval:
            await asyncio.sleep(max(0.0, due - now))
            due += interval
        body = bodies.next(end_ns=time.time_ns())
        data = zipped(body)
        begin = time.monotonic()
        if await connection.deliver(data, sent):
            sent.ack_ms.append(1000 * (time.monotonic() - begin))
            sent.acknowledged += bodies.spans
            sent.bytes += len(data)
            sent.unpacked += len(body)
    connection.close()


async def _prober(url: str, sent: Sent, *, until: float) -> None:
    connection = Connection(url)
    number = 0
    while time.monotonic() < until:
        number += 1
        if await connection.deliver(zipped(probe(number, end_ns=time.time_ns())), sent):
            sent.probes_at.append(time.time())
        await asyncio.sleep(0.1)
    connection.close()


class Connection:
    """HTTP/1.1 with keep-alive, no more than a load needs."""

    def __init__(self, url: str, path: str = "/v1/traces") -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 4318
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nContent-Type: application/x-protobuf\r\n"
            "Content-Encoding: gzip\r\nContent-Length: "
        ).encode()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def deliver(self, data: bytes, sent: Sent) -> bool:
        """Sends until it is acknowledged, as exporters do; whether it was."""
        while True:
            try:
                code = await self.post(data)
            except (OSError, asyncio.IncompleteReadError):
                self.close()
                sent.failed += 1
                await asyncio.sleep(0.05)
                continue
            if code == 200:
                return True
            if code not in {429, 503}:
                sent.failed += 1
                return False
            sent.refused += 1
            await asyncio.sleep(0.1)

    async def post(self, data: bytes) -> int:
        """One request, one answer's status."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(b"%s%d\r\n\r\n%s" % (self._head, len(data), data))
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        at = lower.find(b"content-length:")
        if at >= 0:
            await reader.readexactly(int(lower[at + 15 : lower.index(b"\r\n", at)]))
        return int(head[9:12])

    def close(self) -> None:
        """The next request makes a new connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def main() -> None:
    parser = argparse.ArgumentParser(description="Send OTLP traces, and print what came of it as JSON.")
    parser.add_argument("--url", default="http://127.0.0.1:4318")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rate", type=float, default=0, help="spans a second; 0: as fast as answers come")
    parser.add_argument("--spans", type=int, default=500, help="spans a body")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--probes", action="store_true", help="ten times a second, one span of the journey 'probe' too")
    arguments = parser.parse_args()
    sent = asyncio.run(load(**vars(arguments)))
    json.dump(vars(sent), sys.stdout)


if __name__ == "__main__":
    main()
