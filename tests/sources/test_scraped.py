"""A real Prometheus that scrapes what the stock client exposes, over a restart of who exposes it; and native histograms."""

from __future__ import annotations

import struct
import time
from contextlib import contextmanager
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server

from maibo_slo.engine.counts import GoodBad
from maibo_slo.sources.prometheus import Prometheus, _series
from maibo_slo.sources.promql import counting
from maibo_slo.sources.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BEGIN = 1_700_006_400
SCRAPES = """
global: {scrape_interval: 250ms, scrape_timeout: 200ms}
scrape_configs:
- job_name: shop
  static_configs: [{targets: ["127.0.0.1:%d"]}]
"""


class Shop:
    """What a service exposes; a restart begins at 0."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("requests", "Answered", ["code"], registry=self.registry)
        self.seconds = Histogram("seconds", "Took", buckets=(0.5, 1, 2), registry=self.registry)
        for code in ("200", "500"):
            self.requests.labels(code)  # born at 0, so that the first failure is seen

    def answer(self, code: str, seconds: float) -> None:
        self.requests.labels(code).inc()
        self.seconds.observe(seconds)


@contextmanager
def exposed(shop: Shop, port: int) -> Iterator[None]:
    server, thread = start_http_server(port, "127.0.0.1", shop.registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_what_the_stock_client_exposes_is_counted_over_its_restart(
    make_prometheus: Callable[..., Any], make_slo: Callable[..., Any], free_port: Callable[[], int]
) -> None:
    port = free_port()
    running = make_prometheus(config=SCRAPES % port)
    begun = time.time()
    for _ in range(2):
        shop = Shop()
        with exposed(shop, port):
            scraped(running, 'requests_total{code="500"}', 0)
            for number in range(40):
                shop.answer("500" if number % 8 == 0 else "200", 1.5 if number % 4 == 0 else 0.9)
            scraped(running, 'requests_total{code="500"}', 5)
            time.sleep(0.6)  # two scrapes that see no more: nothing to extrapolate
    seconds = int(time.time() - begun) + 2
    where = Server(running.url)
    for slo, bad in ((make_slo(), 10), (make_slo(total="seconds_count", good='seconds_bucket{le="1"}'), 20)):
        query = counting(slo, seconds)
        parts = _series(where.ask("/api/v1/query", {"query": query, "time": str(time.time())}), where)
        counted = {part: next(iter(samples.values())) for part, samples in parts.items()}
        assert counted["total"] == pytest.approx(80, rel=0.2), "80 journeys, and what Prometheus extrapolates"
        share = counted["bad"] / counted["total"] if "bad" in counted else 1 - counted["good"] / counted["total"]
        assert share == pytest.approx(bad / 80), "which is the same for each part"


def scraped(running: Any, query: str, value: float) -> None:
    until = time.monotonic() + 20
    while not running.has(query, value):
        assert time.monotonic() < until, "Prometheus did not scrape"
        time.sleep(0.05)


def test_native_histograms_are_counted_by_queries_of_ones_own(
    make_prometheus: Callable[..., Any], make_slo: Callable[..., Any]
) -> None:
    fast = [3 + number % 5 for number in range(40)]
    slow = [number % 3 for number in range(40)]
    running = make_prometheus()
    points = zip(accumulate(fast, initial=0), accumulate(slow, initial=0), strict=True)
    answer = httpx2.post(
        f"{running.url}/api/v1/write",
        content=snappy(write_request([(BEGIN + 15 * index, *point) for index, point in enumerate(points)])),
        headers={"Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"},
    )
    assert answer.status_code == 204, answer.text
    events = "sum(increase(seconds[{{.window}}]))"
    slo = make_slo(
        running.url,
        total=f"histogram_count({events})",
        good=f"histogram_fraction(0, 0.5, {events}) * histogram_count({events})",
    )
    counts = Prometheus(now=lambda: BEGIN + 3600.0).counts(slo, BEGIN, BEGIN + 600)
    assert counts == {
        BEGIN + 60 * minute: GoodBad(sum(fast[4 * minute :][:4]), sum(slow[4 * minute :][:4])) for minute in range(10)
    }


def write_request(points: list[tuple[int, int, int]]) -> bytes:
    """Prometheus' remote write, version 1: one series of native histograms, with a fast bucket (1/8, 1/4] and a slow one (1, 2]."""
    histograms = b"".join(field(4, histogram(*point)) for point in points)
    return field(1, field(1, field(1, b"__name__") + field(2, b"seconds")) + histograms)


def histogram(at: int, fast: int, slow: int) -> bytes:
    spans = [signed(1, -2) + varint(2 << 3) + varint(1), signed(1, 2) + varint(2 << 3) + varint(1)]
    deltas = varint(zigzag(fast)) + varint(zigzag(slow - fast))
    return b"".join(
        (
            varint(1 << 3) + varint(fast + slow),
            varint(3 << 3 | 1) + struct.pack("<d", fast / 5 + slow),
            varint(4 << 3) + varint(zigzag(0)),
            varint(6 << 3) + varint(0),
            *(field(11, span) for span in spans),
            field(12, deltas),
            varint(15 << 3) + varint(at * 1000),
        )
    )


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def signed(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(zigzag(value))


def zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def varint(value: int) -> bytes:
    low = bytes([value & 0x7F | (0x80 if value > 0x7F else 0)])
    return low + varint(value >> 7) if value > 0x7F else low


def snappy(content: bytes) -> bytes:
    """Snappy's block format with literals alone: nothing is compressed."""
    pieces = (content[begin : begin + 65_536] for begin in range(0, len(content), 65_536))
    return varint(len(content)) + b"".join(b"\xf4" + struct.pack("<H", len(piece) - 1) + piece for piece in pieces)
