"""Flow, all the way: bodies, the acceptors' decoders, their log, the drain, the store, the API; against asking every journey by itself.

The same over the store alone, and finer, is `tests/store/test_flow.py`.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import math
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from fastapi.testclient import TestClient
from google.protobuf.json_format import MessageToDict
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import CollectorRegistry

from maibo import semconv
from maibo.semconv import ABANDONED, FAILURE, SUCCESS
from maibo_collectors.otlp.body import Encoding
from maibo_collectors.otlp.decoding.rules import Rules
from maibo_collectors.otlp.draining import batch
from maibo_collectors.otlp.draining.drain import Drain
from maibo_collectors.otlp.metrics import CoreMetrics
from maibo_collectors.otlp.receiving.reading import CountingReader
from maibo_collectors.otlp.segment import SEALED, Kind, Record, body_hash, header
from maibo_slo.documents import Catalogue, Journey, Origin
from maibo_slo.errors import StoreError
from maibo_slo.service.runtime import Runtime, Settings
from maibo_slo.store import Store, counts, open_store
from maibo_slo.store import segments as segments_

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

EXAMPLES = 12
HORIZON = 600
"""Seconds in which journeys begin."""
NAMES = itertools.count()
NAMED = 10 * EXAMPLES
"""Journeys that documents name: hypothesis asks for more examples than it counts."""
STEPS = {"claim": segments_, "insert_cells": counts, "insert_minutes": counts, "record_all": segments_, "remove": batch}
"""Of a drain, where the store may fail it."""
TIERS = ("standard", "vip")
"""A tier is known at the begin and travels with the journey."""
S = 10**9


class Customer(NamedTuple):
    """One journey."""

    begin: int
    """Seconds after the window's begin."""
    tier: str
    outcome: str
    """'': it never ends."""
    told: str
    """How: ``at once`` (begin and end in one span), ``mapped`` (a span that tells of no begin), or ``apart``."""
    lasts: int
    """Seconds from the begin to the end; less than none where two clocks disagree."""


class Event(NamedTuple):
    """A span: of which customer, and what it tells."""

    customer: int
    started: bool
    ended: bool


@dataclass(frozen=True)
class Body:
    events: tuple[Event, ...]
    json: bool


@dataclass
class Reference:
    """What is known of each journey."""

    customers: list[Customer]
    started: set[int] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)

    def hear(self, bodies: list[Body]) -> None:
        for event in itertools.chain.from_iterable(body.events for body in bodies):
            if event.started:
                self.started.add(event.customer)
            if event.ended:
                self.ended.add(event.customer)

    def flow(self, now: int, timeout: int, tier: str) -> dict[str, int | None] | None:
        """As the API tells it; `now` in seconds after the window's begin."""
        of_tier = {at for at, each in enumerate(self.customers) if tier in ("", each.tier)}
        started, ended = self.started & of_tier, self.ended & of_tier
        if not started | ended:
            return None
        outcomes = Counter(self.customers[at].outcome for at in ended)
        silent: dict[int, int] = Counter(self._minute(at) for at in started - ended)
        for at in (
            ended - started
        ):  # the begin has not come yet: its minute cannot be told from one in which another is silent
            silent[self._minute(at)] -= 1
        due = {minute: count for minute, count in silent.items() if minute + 60 + timeout <= now}
        under_way = {minute: count for minute, count in silent.items() if minute not in due}
        gone = None if min(due.values(), default=0) < 0 else sum(due.values())
        return {
            "started": len(started),
            "succeeded": outcomes[SUCCESS],
            "failed": outcomes[FAILURE],
            "abandoned": None if gone is None else gone + outcomes[ABANDONED],
            "silent": gone,
            "in_progress": None if min(under_way.values(), default=0) < 0 else sum(under_way.values()),
        }

    def _minute(self, at: int) -> int:
        return self.customers[at].begin // 60 * 60


@dataclass
class Collector:
    """Two acceptors' readers, a log, a drain, and the API of the store; the clock is the test's."""

    store: Store
    folder: Path
    api: TestClient
    clock: list[float]
    timeouts: dict[str, int]
    readers: tuple[CountingReader, CountingReader] = field(init=False)
    drain: Drain = field(init=False)
    segments: int = 0

    def __post_init__(self) -> None:
        rules = Rules(journeys=tuple(self.timeouts))
        self.readers = CountingReader(rules), CountingReader(rules)
        for name in ("log", "kept", "corrupt", "metrics"):
            (self.folder / name).mkdir()
        self.restart()

    def restart(self) -> None:
        """Another process takes over the folders."""
        log, kept, corrupt = (self.folder / name for name in ("log", "kept", "corrupt"))
        registry = CollectorRegistry()
        metrics = CoreMetrics(registry, self.folder / "metrics", lag_seconds=lambda: 0, segments_waiting=lambda: 0)
        self.drain = Drain(self.store, log, kept, corrupt, metrics)

    def take(self, bodies: list[tuple[Kind, bytes]], acceptor: int) -> None:
        """A segment of the log, as this acceptor writes it."""
        received_ns = time.time_ns()
        records = []
        for kind, body in bodies:
            reading = self.readers[acceptor].read(
                kind, body, sent=body, encoding=Encoding.IDENTITY, received_ns=received_ns
            )
            assert not reading.rejected, reading.message
            assert reading.record is not None
            records.append(
                Record(body_hash(body), received_ns, reading.items, reading.encoding, reading.record, reading.kind)
            )
        self.segments += 1
        whole = self.folder / "log" / f"{self.segments:020d}-{acceptor}-ab.new"
        whole.write_bytes(b"".join(header(record) + record.body for record in records))
        whole.rename(whole.with_suffix(SEALED))

    def flow(self, journey: str, window: tuple[int, int], now: int, tier: str) -> dict[str, int | None] | None:
        """As the API tells it."""
        self.clock[:] = [now]
        asked: dict[str, Any] = {"begin": window[0], "end": window[1], "series": False} | (
            {"tier": tier} if tier else {}
        )
        answer = self.api.get(f"/v1/journeys/{journey}", params=asked)
        assert answer.status_code == 200, answer.text
        told = answer.json()["flow"]
        if told is None:
            return None
        assert told["timeout_seconds"] == self.timeouts[journey]
        return {name: told[name] for name in ("started", "succeeded", "failed", "abandoned", "silent", "in_progress")}


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """One for all examples, which have journeys of their own."""
    folder = tmp_path_factory.mktemp("flow")
    timeouts = {f"example-{number}": 1 + 97 * number % HORIZON for number in range(NAMED)}
    origin = Origin("journeys.yaml", 1)
    journeys = {
        name: Journey(name, name, "", "shop", (), timeout, 500_000, {}, origin) for name, timeout in timeouts.items()
    }
    clock = [time.time()]
    with open_store(f"chdb://{folder / 'store'}") as store:
        runtime = Runtime(
            store,
            Settings(store=str(store), data_dir=folder),
            catalogue=Catalogue(journeys=journeys),
            installed=[],
            now=lambda: clock[0],
        )
        with TestClient(runtime.app(), base_url="http://127.0.0.1") as api:
            yield Collector(store, folder, api, clock, timeouts)


@st.composite
def _deliveries(draw: st.DrawFn) -> tuple[list[Customer], list[list[Body]], list[list[int]]]:
    """Customers; segments of bodies, each body in one or several of them; and which segments are sealed when the drain looks."""
    customers = draw(
        st.lists(
            st.builds(
                Customer,
                st.integers(0, HORIZON - 1),
                st.sampled_from(TIERS),
                st.sampled_from([SUCCESS, SUCCESS, FAILURE, ABANDONED, ""]),
                st.sampled_from(["apart", "apart", "at once", "mapped"]),
                st.sampled_from([0, 5, 90, 1_000, 3_000, -4]),
            ),
            min_size=1,
            max_size=25,
        )
    )
    events = []
    for at, customer in enumerate(customers):
        if customer.told == "apart" or not customer.outcome:
            events.append(Event(at, started=True, ended=False))
            if customer.outcome:
                events.append(Event(at, started=False, ended=True))
        else:
            events.append(Event(at, started=True, ended=True))
    pieces = _cut(draw, draw(st.permutations(events)), 8)
    bodies = [Body(tuple(piece), json=draw(st.booleans())) for piece in pieces]
    sent = list(bodies)
    for body in draw(
        st.lists(st.sampled_from(bodies), max_size=4)
    ):  # retries: later, and maybe before the first is drained
        sent.insert(draw(st.integers(sent.index(body) + 1, len(sent))), body)
    segments = _cut(draw, sent, 5)
    return customers, segments, _cut(draw, list(range(len(segments))), 3)


def _cut(draw: st.DrawFn, things: list[Any], most: int) -> list[list[Any]]:
    cuts = sorted(draw(st.sets(st.integers(1, len(things)), max_size=most)) | {0, len(things)})
    return [things[first:last] for first, last in itertools.pairwise(cuts)]


def _encoded(name: str, begin: int, customers: list[Customer], body: Body) -> tuple[Kind, bytes]:
    """As services send it: begins from one, ends from another, with steps between that tell nothing of the flow."""
    request = ExportTraceServiceRequest()
    for service in ("front", "back"):
        resource = request.resource_spans.add()
        resource.resource.attributes.add(key=semconv.SERVICE_NAME).value.string_value = service
        resource.scope_spans.add()
    front, back = (each.scope_spans[0].spans for each in request.resource_spans)
    for event in body.events:
        customer = customers[event.customer]
        began = begin + customer.begin
        attributes: dict[str, str | int | bool] = {
            semconv.JOURNEY_NAME: name,
            semconv.JOURNEY_TIER: customer.tier,
            semconv.JOURNEY_ID: secrets.token_hex(8),
        }
        if customer.told != "mapped" or not event.ended:
            attributes[semconv.JOURNEY_START_TIME] = began * 10**6
            if event.started:
                attributes[semconv.JOURNEY_STARTED] = True
        if event.ended:
            attributes[semconv.JOURNEY_OUTCOME] = customer.outcome
        end = began + (customer.lasts if event.ended else 0)
        spans = front if event.started else back
        _span(spans, attributes, began, end)
        _span(back, attributes | {semconv.JOURNEY_STEP: "pay"}, began, began + 1)
    if not body.json:
        return Kind.TRACES_PROTOBUF, request.SerializeToString()
    return Kind.TRACES_JSON, _json(request)


def _span(spans: Any, attributes: dict[str, str | int | bool], begin: int, end: int) -> None:
    span = spans.add(
        trace_id=secrets.token_bytes(16),
        span_id=secrets.token_bytes(8),
        name="a span",
        start_time_unix_nano=begin * S,
        end_time_unix_nano=end * S,
    )
    for key, value in attributes.items():
        of = span.attributes.add(key=key).value
        if isinstance(value, bool):
            of.bool_value = value
        elif isinstance(value, int):
            of.int_value = value
        else:
            of.string_value = value


def _json(request: ExportTraceServiceRequest) -> bytes:
    """OTLP's own: ids are in hex."""
    told = MessageToDict(request, use_integers_for_enums=True)
    for resource in told["resourceSpans"]:
        for span in itertools.chain.from_iterable(scope.get("spans", ()) for scope in resource["scopeSpans"]):
            span |= {name: base64.b64decode(span[name]).hex() for name in ("traceId", "spanId")}
    return json.dumps(told).encode()


@given(deliveries=_deliveries(), data=st.data())
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # the smallest example that fails would take minutes to find
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],  # undoes its patches by itself
)
def test_whatever_way_bodies_take_the_api_tells_the_flow_that_asking_each_journey_gives(
    collector: Collector,
    fails_at: Callable[..., None],
    deliveries: tuple[list[Customer], list[list[Body]], list[list[int]]],
    data: st.DataObject,
) -> None:
    customers, segments, passes = deliveries
    name = f"example-{next(NAMES)}"
    begin = int(time.time()) // 60 * 60 - 7_200
    window = (begin, begin + HORIZON)
    reference = Reference(customers)
    encoded = {id(body): _encoded(name, begin, customers, body) for body in itertools.chain(*segments)}
    for sealed in passes:
        for number in sealed:
            collector.take([encoded[id(body)] for body in segments[number]], data.draw(st.integers(0, 1), "acceptor"))
            reference.hear(segments[number])
        step = data.draw(st.sampled_from([None, *STEPS]), "fails")
        if step is not None:
            with pytest.MonkeyPatch.context() as patch, contextlib.suppress(StoreError):
                fails_at(patch, STEPS[step], step, done_already=data.draw(st.booleans(), "done already"))
                collector.drain.once(now=math.inf)
            if data.draw(st.booleans(), "dies"):
                collector.restart()
        collector.drain.once(now=math.inf)
        now = data.draw(st.integers(0, 2 * HORIZON + 120), "now")
        tier = data.draw(st.sampled_from(["", *TIERS]), "tier")
        told = collector.flow(name, window, begin + now, tier)
        assert told == reference.flow(now, collector.timeouts[name], tier)
    late = 2 * HORIZON + 120
    for tier in ("", *TIERS):
        told = collector.flow(name, window, begin + late, tier)
        assert told == reference.flow(late, collector.timeouts[name], tier)
        assert told is None or told["abandoned"] is not None
