"""Cumulative histograms of a stock SDK through a real core: differences are exact over a core that is killed, and over retries."""

import time

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource


@pytest.fixture
def shop():
    """``record(duration)`` and ``export()`` of a service that has one cumulative histogram."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], resource=Resource({"service.name": "shop"}))
    histogram = provider.get_meter("shop").create_histogram("journey.duration", unit="s")

    def record(count):
        for _ in range(count):
            histogram.record(0.2, {"journey.name": "buy"})

    def export():
        return encode_metrics(reader.get_metrics_data()).SerializeToString()

    yield record, export
    provider.shutdown()


def send(core, body):
    reply = core.send(body, path="/v1/metrics")
    assert reply.code == 200, reply.body
    assert not reply.body


def ended(core):
    rows = core.rows("SELECT sum(started), sum(succeeded) FROM flow_1m WHERE journey = 'buy'")
    return tuple(map(int, rows[0]))


def test_what_a_cumulative_histogram_grew_by_is_counted_once(core_at, tmp_path, shop, otlp_body):
    record, export = shop
    core = core_at(tmp_path / "core", acceptors="1").start()
    record(5)
    first = export()
    send(core, first)
    core.wait_counted("buy", 5)
    send(core, first)  # a retry
    record(7)
    send(core, export())
    core.wait_counted("buy", 12)
    core.kill()
    core.start()
    record(1)
    last = export()
    send(core, last)
    send(core, last)
    send(core, export())
    core.send(otlp_body("after"))
    core.wait_counted("after", 1)  # so whatever came before it is counted too
    assert core.counted("buy") == 13
    deadline = time.monotonic() + 60  # cells are seen a moment before the flow of the same batch
    while (flow := ended(core)) != (13, 13) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert flow == (13, 13)
    core.stop()
