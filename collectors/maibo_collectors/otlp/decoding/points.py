"""From an ExportMetricsServiceRequest to the histogram points that count: services that emit durations need no spans at all.

Two kinds of metrics count: those named ``journey.duration``, whose points say themselves what they are (``journey.name``,
``journey.step``, ``journey.outcome``, ... as spans do), and those that a document's rule matches (``http.server.request.duration``).
Of both, histograms and exponential histograms, delta and cumulative; sums, gauges and summaries are ignored.

A cumulative point counts as the difference to the one before, which only the store knows. So what an acceptor logs is points, checked
and judged (`Points`), with buckets as they were sent; `streams.settle` turns them into counts. Identity is OpenTelemetry's: a stream
is a resource, a scope, a metric's name and unit, and a point's attributes; their order does not matter.
"""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from itertools import pairwise
from math import inf, isfinite, isnan
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, DataPointFlags, HistogramDataPoint

from maibo import semconv
from maibo_collectors.otlp.body import parsed
from maibo_collectors.otlp.decoding.attributes import clean, text
from maibo_collectors.otlp.decoding.buckets import BUCKET_LIMIT, SCALES, Buckets, Explicit, Exponential
from maibo_collectors.otlp.decoding.builder import SKEW_LIMIT_NS
from maibo_collectors.otlp.decoding.classify import EMPTY_NAME, Judgement, Shape, first_of_each, judgement
from maibo_collectors.otlp.decoding.points_json import request_of_json
from maibo_collectors.otlp.decoding.tally import series_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, Metric

    from maibo_collectors.otlp.decoding.classify import Classifier
    from maibo_collectors.otlp.segment import Kind

DURATION: Final = "journey.duration"
"""The metric whose points say themselves which journey they are of."""
UNITS_NS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}

UNKNOWN_UNIT: Final = "unknown unit"
CLOCK_SKEW: Final = "time more than a day from now"
NO_TEMPORALITY: Final = "no temporality"
BACKWARDS: Final = "starts after its time"
NO_BUCKETS: Final = "no buckets"
TOO_MANY_BUCKETS: Final = f"more than {BUCKET_LIMIT} buckets"
UNEVEN: Final = "as many buckets as bounds"
DISORDERED: Final = "bounds that do not ascend"
NEGATIVE: Final = "negative durations"
SCALE: Final = f"scale not within {SCALES[0]} and {SCALES[-1]}"
MISCOUNTED: Final = "buckets do not add up to its count"
TOO_LARGE: Final = "count too large"
TOO_MANY_STREAMS: Final = "too many streams"
POINTS_LIMIT: Final = 50_000
"""Points that a request may count. Each takes a KiB until it is logged, and again until it is counted."""
TOO_MANY_POINTS: Final = f"over the {POINTS_LIMIT} that one request may have"
BUCKETS_LIMIT: Final = 1_000_000
"""Buckets with events, of all points that a request may count. Each costs the core some 5 µs."""
TOO_MANY_FILLED: Final = f"over the {BUCKETS_LIMIT} buckets with events that one request may have"
"""Why a point of a journey cannot be counted."""

_COUNT_LIMIT: Final = 10**12
"""Events in a point. More are no customers', and sums of them all still fit where they are counted."""
_CUMULATIVE: Final = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
_DELTA: Final = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
_NO_VALUE: Final = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
_SERVER_ERROR: Final = 500


class Counting(NamedTuple):
    """One thing that a point's events are: journeys as a whole or a step of them."""

    series: int
    """Place in `Points.series`."""
    whole: bool
    reason: str
    """Of the failure, or ''."""


class Point(msgspec.Struct, frozen=True, array_like=True):
    """A histogram point that counts, as it was sent."""

    stream: bytes
    """16 bytes that name its stream."""
    instrument: bytes
    """16 bytes that name its resource, scope, metric, temporality and rules: streams of one instrument are sent together."""
    countings: tuple[Counting, ...]
    delta: bool
    start_ns: int
    """0: not told."""
    time_ns: int
    unit_ns: int
    buckets: Buckets
    shortest: float | None
    """Of its events, in its unit."""
    longest: float | None


class Points(msgspec.Struct, array_like=True):
    """What a request of metrics holds, in data points: ``total = counted + ignored + rejected``; what overflowed was counted."""

    series: list[bytes] = msgspec.field(default_factory=list)
    """As `Tally.series`."""
    points: list[Point] = msgspec.field(default_factory=list)
    total: int = 0
    counted: int = 0
    ignored: int = 0
    rejected: dict[str, int] = msgspec.field(default_factory=dict)
    overflowed: dict[str, int] = msgspec.field(default_factory=dict)

    @property
    def skewed(self) -> int:
        """None: a histogram has no event that ends before it starts."""
        return 0

    def stream_ids(self) -> list[bytes]:
        """Whose states `streams.settle` needs."""
        names = (name for point in self.points for name in (point.stream, point.instrument))
        deltas = {point.instrument for point in self.points if point.delta}
        return [name for name in dict.fromkeys(names) if name not in deltas]


_encoder = msgspec.msgpack.Encoder()
_points = msgspec.msgpack.Decoder(Points)


def encode(points: Points) -> bytes:
    """Points as the log has them."""
    return _encoder.encode(points)


def decode_points(raw: bytes) -> Points:
    """Raises ValueError (msgspec.ValidationError) when it is none."""
    return _points.decode(raw)


def decode(kind: Kind, body: bytes, classifier: Classifier, *, received_ns: int) -> Points:
    """The points of a body (unpacked) that arrived at `received_ns` (unix). Raises BodyMalformed, BodyTooLarge."""
    classifier.generation(received_ns)
    request = request_of_json(body) if kind.is_json else parsed(ExportMetricsServiceRequest(), body)
    found = _Found(classifier, received_ns)
    for resource_metrics in request.resource_metrics:
        attributes = resource_metrics.resource.attributes
        resource = {each.key: text(each.value) for each in attributes}
        resource_name = _named(attributes)
        for scope_metrics in resource_metrics.scope_metrics:
            scope = scope_metrics.scope
            scope_name = _hash(resource_name, scope.name.encode(), scope.version.encode(), _named(scope.attributes))
            for metric in scope_metrics.metrics:
                found.add(metric, resource, scope_name)
    return found.points()


class _Found:
    """The points of one request."""

    def __init__(self, classifier: Classifier, received_ns: int) -> None:
        self._classifier = classifier
        self._received_ns = received_ns
        self._series: dict[bytes, int] = {}
        self._points: list[Point] = []
        self._filled = 0
        self._total = self._ignored = 0
        self._rejected: Counter[str] = Counter()
        self._overflowed: Counter[str] = Counter()

    def add(self, metric: Metric, resource: dict[str, str], scope: bytes) -> None:
        told = metric.WhichOneof("data")
        if told is None:
            return
        points = getattr(metric, told).data_points
        self._total += len(points)
        if told == "histogram":
            self._histograms(
                metric, metric.histogram.data_points, metric.histogram.aggregation_temporality, resource, scope
            )
        elif told == "exponential_histogram":
            histogram = metric.exponential_histogram
            self._histograms(metric, histogram.data_points, histogram.aggregation_temporality, resource, scope)
        else:
            self._ignored += len(points)

    def points(self) -> Points:
        rejected = dict(self._rejected)
        return Points(
            series=list(self._series),
            points=self._points,
            total=self._total,
            counted=self._total - self._ignored - sum(rejected.values()),
            ignored=self._ignored,
            rejected=rejected,
            overflowed=dict(self._overflowed),
        )

    def _histograms(
        self,
        metric: Metric,
        points: Iterable[HistogramDataPoint | ExponentialHistogramDataPoint],
        temporality: int,
        resource: dict[str, str],
        scope: bytes,
    ) -> None:
        metric_name = _hash(scope, metric.name.encode(), metric.unit.encode())
        for point in points:
            if point.flags & _NO_VALUE:
                self._ignored += 1
                continue
            values = {each.key: text(each.value) for each in point.attributes}
            if metric.name == DURATION:
                found, rules = self._own(resource, values), b""
            else:
                found, rules = self._mapped(metric, resource, values)
            stream = _hash(metric_name, _named(point.attributes)) if found.fates else b""
            rejected = found.rejected or (self._wrong(metric, point, temporality, found, stream) if found.fates else "")
            if rejected:
                self._rejected[rejected] += 1
            elif not found.fates:
                self._ignored += 1
            else:
                self._overflowed.update(found.overflowed)
                instrument = _hash(metric_name, b"delta" if temporality == _DELTA else b"cumulative", rules)
                self._points.append(self._point(metric, point, temporality, found, stream, instrument))

    def _own(self, resource: dict[str, str], values: dict[str, str]) -> Judgement:
        """A point of ``journey.duration``: judged as a span with these attributes is."""
        if not values.get(semconv.JOURNEY_NAME):
            return Judgement(rejected=EMPTY_NAME)
        asked = (None if key == semconv.JOURNEY_STARTED else values.get(key) for key in self._classifier.span_keys)
        shape = Shape(
            resource=tuple(resource.get(key) for key in self._classifier.resource_keys),
            attributes=tuple(asked),
            error=bool(values.get("error.type")),
            kind=0,
            name="",
            threshold="",
        )
        return self._classifier.classify(shape)

    def _mapped(self, metric: Metric, resource: dict[str, str], values: dict[str, str]) -> tuple[Judgement, bytes]:
        """A point of somebody else's metric; and the rules that it matches, as bytes."""
        matched = first_of_each(self._classifier.metrics, resource, values, name=clean(metric.name))
        if not matched:
            return Judgement(), b""
        status = values.get("http.response.status_code", "")
        failed = bool(values.get("error.type")) or (status.isdecimal() and int(status) >= _SERVER_ERROR)
        found = self._classifier.judge_matched(matched, resource, values, failed=failed)
        return judgement(found), _encoder.encode([each.rule for each in matched])

    def _wrong(  # noqa: PLR0911 -- one for each thing that may be wrong
        self,
        metric: Metric,
        point: HistogramDataPoint | ExponentialHistogramDataPoint,
        temporality: int,
        found: Judgement,
        stream: bytes,
    ) -> str:
        """Why it cannot be counted; '' when it can."""
        if len(self._points) >= POINTS_LIMIT:
            return TOO_MANY_POINTS
        if metric.unit not in UNITS_NS:
            return UNKNOWN_UNIT
        if temporality not in {_CUMULATIVE, _DELTA}:
            return NO_TEMPORALITY
        if abs(point.time_unix_nano - self._received_ns) > SKEW_LIMIT_NS:
            return CLOCK_SKEW
        if point.start_time_unix_nano > point.time_unix_nano:
            return BACKWARDS
        if point.count > _COUNT_LIMIT:
            return TOO_LARGE
        wrong = _wrong_explicit(point) if isinstance(point, HistogramDataPoint) else _wrong_exponential(point)
        if wrong:
            return wrong
        filled = _filled(point)
        if self._filled + filled > BUCKETS_LIMIT:
            return TOO_MANY_FILLED
        self._filled += filled
        journey = series_of(found.fates[0].series).journey  # one of several, if it counts in several: it has one state
        return "" if self._classifier.admission.stream(journey, stream) else TOO_MANY_STREAMS

    def _point(
        self,
        metric: Metric,
        point: HistogramDataPoint | ExponentialHistogramDataPoint,
        temporality: int,
        found: Judgement,
        stream: bytes,
        instrument: bytes,
    ) -> Point:
        places = self._series
        return Point(
            stream=stream,
            instrument=instrument,
            countings=tuple(
                Counting(places.setdefault(fate.series, len(places)), fate.whole, fate.reason) for fate in found.fates
            ),
            delta=temporality == _DELTA,
            start_ns=point.start_time_unix_nano,
            time_ns=point.time_unix_nano,
            unit_ns=UNITS_NS[metric.unit],
            buckets=_buckets(point),
            shortest=point.min if point.HasField("min") and isfinite(point.min) else None,
            longest=point.max if point.HasField("max") and isfinite(point.max) else None,
        )


def _wrong_explicit(point: HistogramDataPoint) -> str:
    bounds, counts = point.explicit_bounds, point.bucket_counts
    if not bounds:
        return NO_BUCKETS
    if len(counts) > BUCKET_LIMIT:
        return TOO_MANY_BUCKETS
    if len(counts) != len(bounds) + 1:
        return UNEVEN
    if isnan(bounds[0]) or not all(lower < upper for lower, upper in pairwise(bounds)):  # false of NaN, too
        return DISORDERED
    if any(n and bound < 0 for bound, n in zip(bounds, counts, strict=False)):
        return NEGATIVE
    return "" if sum(counts) == point.count else MISCOUNTED


def _wrong_exponential(point: ExponentialHistogramDataPoint) -> str:
    counts = point.positive.bucket_counts
    if point.scale not in SCALES:
        return SCALE
    if len(counts) > BUCKET_LIMIT or len(point.negative.bucket_counts) > BUCKET_LIMIT:
        return TOO_MANY_BUCKETS
    if any(point.negative.bucket_counts):
        return NEGATIVE
    if not 0 <= point.zero_threshold < inf:
        return DISORDERED
    return "" if sum(counts) + point.zero_count == point.count else MISCOUNTED


def _filled(point: HistogramDataPoint | ExponentialHistogramDataPoint) -> int:
    counts = point.bucket_counts if isinstance(point, HistogramDataPoint) else point.positive.bucket_counts
    return sum(map(bool, counts))


def _buckets(point: HistogramDataPoint | ExponentialHistogramDataPoint) -> Buckets:
    if isinstance(point, HistogramDataPoint):
        return Explicit(tuple(point.explicit_bounds), tuple(point.bucket_counts))
    counts = tuple(point.positive.bucket_counts)
    return Exponential(point.scale, point.zero_count, point.zero_threshold, point.positive.offset, counts)


def _named(attributes: Iterable[KeyValue]) -> bytes:
    """The same for the same attributes in any order."""
    return _hash(*sorted(each.SerializeToString(deterministic=True) for each in attributes))


def _hash(*parts: bytes) -> bytes:
    """16 bytes; where one part ends and the next begins matters."""
    digest = sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()[:16]
