"""Senders that load a collector: traces over HTTP (protobuf and JSON) and gRPC, access logs, and cumulative histograms; as exporters do.

What they count as acknowledged is the equation's left side. Of spans and log records it is every one in a body that was
acknowledged. A point of a cumulative histogram holds all that those before it held, so of each stream since each of its starts it is
what the *newest* acknowledged point holds, in whichever order points came; an older one that comes later adds nothing.

Loaded by path (`conftest.py`).
"""

import base64
import http.client
import json
import random
import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

LOGGED = "access"
"""The journey that log records are of; all senders' in all rounds."""
DOCUMENT = f"""
apiVersion: maibo.dev/v1
kind: Journey
metadata: {{name: {LOGGED}}}
spec:
  logs:
    - fields: {{page: checkout}}
      duration: {{field: seconds, unit: s}}
      failure: {{status: "5*"}}
"""
PROTOBUF, JSON = "application/x-protobuf", "application/json"
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_COME_AGAIN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
"""CANCELLED is what a call ends with whose collector is killed while it is under way."""
HOUR_NS = 3_600 * 10**9
_BOUNDS = (0.1, 0.25, 0.5, 1.0)


class Way(Enum):
    """What is sent, and how: in protobuf over HTTP unless the name says otherwise."""

    TRACES = "/v1/traces"
    TRACES_IN_JSON = "/v1/traces in JSON"
    TRACES_BY_GRPC = EXPORT
    LOGS = "/v1/logs"
    METRICS = "/v1/metrics"


@dataclass(frozen=True)
class Delivery:
    """A body, and what it holds: so many events of a journey or, of a stream since a start, so many in all."""

    way: Way
    body: bytes
    journey: str
    count: int
    stream: str = ""


@dataclass
class Stream:
    """A cumulative histogram of one journey, as one process exports it."""

    journey: str
    instance: str
    exponential: bool
    start_ns: int = 0
    time_ns: int = 0
    buckets: list[int] = field(default_factory=list)

    def restart(self) -> None:
        """As its process does: counts begin at 0."""
        self.start_ns = self.time_ns = max(time.time_ns(), self.time_ns + 1)
        self.buckets = [0] * (len(_BOUNDS) + 1)

    def export(self, choose: random.Random) -> Delivery:
        """After some more events."""
        for _ in range(choose.randint(0, 30)):
            self.buckets[choose.randrange(len(self.buckets))] += 1
        self.time_ns = max(time.time_ns(), self.time_ns + 1)
        request = ExportMetricsServiceRequest()
        of_resource = request.resource_metrics.add()
        of_resource.resource.attributes.add(key="service.instance.id").value.string_value = self.instance
        metric = of_resource.scope_metrics.add().metrics.add(name="journey.duration", unit="s")
        histogram = metric.exponential_histogram if self.exponential else metric.histogram
        histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
        point: Any = histogram.data_points.add(
            start_time_unix_nano=self.start_ns, time_unix_nano=self.time_ns, count=sum(self.buckets)
        )
        point.attributes.add(key="journey.name").value.string_value = self.journey
        if self.exponential:
            point.scale = 2
            point.positive.offset = -12
            point.positive.bucket_counts.extend(self.buckets)
        else:
            point.explicit_bounds.extend(_BOUNDS)
            point.bucket_counts.extend(self.buckets)
        stream = f"{self.instance}/{self.start_ns}"
        return Delivery(Way.METRICS, request.SerializeToString(), self.journey, sum(self.buckets), stream)


def traces(way: Way, journey: str, count: int, *, end_ns: int, every_ns: int = 0) -> Delivery:
    """So many spans of a journey; they end so far apart from each other."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number in range(count):
        end = end_ns - number * every_ns
        span = spans.add(
            trace_id=secrets.token_bytes(16),
            span_id=secrets.token_bytes(8),
            start_time_unix_nano=end - 50_000_000,
            end_time_unix_nano=end,
        )
        span.attributes.add(key="journey.name").value.string_value = journey
    body = _json(request) if way is Way.TRACES_IN_JSON else request.SerializeToString()
    return Delivery(way, body, journey, count)


def _json(request: ExportTraceServiceRequest) -> bytes:
    """OTLP's own: ids are in hex."""
    told = MessageToDict(request, use_integers_for_enums=True)
    for span in told["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        span |= {name: base64.b64decode(span[name]).hex() for name in ("traceId", "spanId")}
    return json.dumps(told).encode()


def logs(count: int, *, end_ns: int) -> Delivery:
    """So many requests of an access log, and as many that are no journey's."""
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for number in range(2 * count):
        record = records.add(time_unix_nano=end_ns - number)
        fields = {
            "page": "checkout" if number % 2 else "health",
            "seconds": "0.2",
            "status": "200",
            "id": secrets.token_hex(8),
        }
        for key, value in fields.items():
            record.attributes.add(key=key).value.string_value = value
    return Delivery(Way.LOGS, request.SerializeToString(), LOGGED, count)


class Sender(threading.Thread):
    """Sends bodies, each until it is acknowledged, as an exporter does; some again at once, some again much later and in another order."""

    def __init__(
        self, http: tuple[str, int], grpc: str, journeys: list[str], seed: str, *, large: bool = False
    ) -> None:
        """`large`: bodies of thousands of spans in as many cells, to fill a log with; over HTTP only."""
        super().__init__(daemon=True)
        self.http, self.grpc, self.journeys, self.random = http, grpc, journeys, random.Random(seed)
        self.large = large
        self.stopping = threading.Event()
        self.attempts = self.repeats = self.refused = 0
        self.by_way: Counter[Way] = Counter()
        self._events: Counter[str] = Counter()
        self._newest: dict[tuple[str, str], int] = {}
        """Of each journey and stream, the events of the newest point that was acknowledged."""
        instance = secrets.token_hex(4)
        self._streams = [Stream(journey, instance, bool(self.random.getrandbits(1))) for journey in journeys]
        for stream in self._streams:
            stream.restart()

    @property
    def acknowledged(self) -> Counter[str]:
        """Events, by journey."""
        acknowledged = self._events.copy()
        for (journey, _), count in list(self._newest.items()):
            acknowledged[journey] += count
        return acknowledged

    def run(self) -> None:
        later: list[Delivery] = []
        while not self.stopping.is_set():
            delivery = self.next()
            fate = self.random.random()
            if delivery.way is Way.METRICS and fate < 0.2:
                later.append(delivery)  # for the first time after newer ones
                continue
            self.deliver(delivery)
            self._acknowledge(delivery)
            if fate < 0.35:
                self.repeats += self.once(delivery)
            elif fate < 0.5:
                later.append(delivery)
                self.repeats += 1
        self.random.shuffle(later)
        for delivery in later:
            self.deliver(delivery)
            if delivery.stream:  # what is of none has been acknowledged before
                self._acknowledge(delivery)

    def next(self) -> Delivery:
        journey, end_ns = self.random.choice(self.journeys), time.time_ns()
        if self.large:
            return traces(Way.TRACES, journey, 3_000, end_ns=end_ns, every_ns=11 * 10**9)
        way, count = self.random.choice(list(Way)), self.random.randint(1, 40)
        end_ns += self.random.choice((0, 0, 0, -5, -1, 5)) * HOUR_NS
        match way:
            case Way.METRICS:
                stream = self.random.choice(self._streams)
                if self.random.random() < 0.1:
                    stream.restart()
                return stream.export(self.random)
            case Way.LOGS:
                return logs(count, end_ns=end_ns)
            case _:
                return traces(way, journey, count, end_ns=end_ns)

    def deliver(self, delivery: Delivery) -> None:
        while not self.once(delivery):
            time.sleep(0.03)

    def _acknowledge(self, delivery: Delivery) -> None:
        self.by_way[delivery.way] += 1
        if delivery.stream:
            key = (delivery.journey, delivery.stream)
            self._newest[key] = max(delivery.count, self._newest.get(key, 0))
        else:
            self._events[delivery.journey] += delivery.count

    def once(self, delivery: Delivery) -> bool:
        """Whether it was acknowledged, with nothing rejected."""
        self.attempts += 1
        way = delivery.way
        if way is Way.TRACES_BY_GRPC:
            return self._by_grpc(delivery.body)
        path, _, in_json = way.value.partition(" ")
        return self._by_http(path, JSON if in_json else PROTOBUF, delivery.body)

    def _by_http(self, path: str, kind: str, body: bytes) -> bool:
        connection = http.client.HTTPConnection(*self.http, timeout=20)
        try:
            connection.request("POST", path, body, {"content-type": kind})
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        assert answer.status in {200, 503}, answer.status
        self.refused += answer.status == 503
        assert answer.status == 503 or said in {b"", b"{}"}, said
        return answer.status == 200

    def _by_grpc(self, body: bytes) -> bool:
        options = [("grpc.use_local_subchannel_pool", 1)]  # a connection that failed is not remembered
        with grpc.insecure_channel(self.grpc, options) as channel:
            try:
                said = channel.unary_unary(EXPORT)(body, timeout=20)
            except grpc.RpcError as error:
                if error.code() not in _COME_AGAIN:
                    raise
                return False
        assert said == b"", said
        return True
