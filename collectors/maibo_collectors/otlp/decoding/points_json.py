"""OTLP's JSON metrics as the message that protobuf would have made of them; of what is no histogram only the number of points."""

from __future__ import annotations

from typing import Final

import msgspec
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from maibo_collectors.otlp.body import BodyMalformed
from maibo_collectors.otlp.decoding.json_values import (
    JsonAttribute,
    JsonMessage,
    JsonOrigin,
    WrongValue,
    attributes,
    encodable,
    integer,
    number,
    parse,
)

NAME: Final = "an ExportMetricsServiceRequest"
_TEMPORALITIES: Final = frozenset(AggregationTemporality.values())


class _Point(JsonMessage):
    """What both kinds of histogram have."""

    attributes: list[JsonAttribute] | None = None
    start_time_unix_nano: int | str | None = None
    time_unix_nano: int | str | None = None
    count: int | str | None = None
    flags: int | None = None
    min: float | str | None = None
    max: float | str | None = None


class _HistogramPoint(_Point):
    bucket_counts: list[int | str] | None = None
    explicit_bounds: list[float | str] | None = None


class _Buckets(JsonMessage):
    offset: int | None = None
    bucket_counts: list[int | str] | None = None


class _ExponentialPoint(_Point):
    scale: int | None = None
    zero_count: int | str | None = None
    zero_threshold: float | str | None = None
    positive: _Buckets | None = None
    negative: _Buckets | None = None


class _Histogram(JsonMessage):
    data_points: list[_HistogramPoint] | None = None
    aggregation_temporality: int | None = None


class _Exponential(JsonMessage):
    data_points: list[_ExponentialPoint] | None = None
    aggregation_temporality: int | None = None


class _Other(JsonMessage):
    data_points: list[msgspec.Raw] | None = None


class _Metric(JsonMessage):
    name: str | None = None
    unit: str | None = None
    histogram: _Histogram | None = None
    exponential_histogram: _Exponential | None = None
    gauge: _Other | None = None
    sum: _Other | None = None
    summary: _Other | None = None


class _ScopeMetrics(JsonMessage):
    scope: JsonOrigin | None = None
    metrics: list[_Metric] | None = None


class _ResourceMetrics(JsonMessage):
    resource: JsonOrigin | None = None
    scope_metrics: list[_ScopeMetrics] | None = None


class _Request(JsonMessage):
    resource_metrics: list[_ResourceMetrics] | None = None


_decoder = msgspec.json.Decoder(_Request)


def request_of_json(body: bytes) -> ExportMetricsServiceRequest:
    """Raises BodyMalformed, BodyTooLarge."""
    try:
        return ExportMetricsServiceRequest(
            resource_metrics=[_resource_metrics(each) for each in parse(_decoder, body, NAME).resource_metrics or ()]
        )
    except WrongValue as error:
        raise BodyMalformed(f"not {NAME}: {error}") from None


def _resource_metrics(found: _ResourceMetrics) -> ResourceMetrics:
    resource = found.resource or JsonOrigin()
    return ResourceMetrics(
        resource=Resource(attributes=attributes(resource.attributes)),
        scope_metrics=[_scope_metrics(each) for each in found.scope_metrics or ()],
    )


def _scope_metrics(found: _ScopeMetrics) -> ScopeMetrics:
    scope = found.scope or JsonOrigin()
    return ScopeMetrics(
        scope=InstrumentationScope(
            name=encodable(scope.name or ""),
            version=encodable(scope.version or ""),
            attributes=attributes(scope.attributes),
        ),
        metrics=[_metric(each) for each in found.metrics or ()],
    )


def _metric(found: _Metric) -> Metric:
    metric = Metric(name=encodable(found.name or ""), unit=encodable(found.unit or ""))
    if found.histogram is not None:
        metric.histogram.CopyFrom(
            Histogram(
                data_points=[_histogram_point(each) for each in found.histogram.data_points or ()],
                aggregation_temporality=_temporality(found.histogram.aggregation_temporality),
            )
        )
    elif found.exponential_histogram is not None:
        metric.exponential_histogram.CopyFrom(
            ExponentialHistogram(
                data_points=[_exponential_point(each) for each in found.exponential_histogram.data_points or ()],
                aggregation_temporality=_temporality(found.exponential_histogram.aggregation_temporality),
            )
        )
    elif (other := found.gauge or found.sum or found.summary) is not None:
        metric.gauge.CopyFrom(Gauge(data_points=[NumberDataPoint() for _ in other.data_points or ()]))
    return metric


def _histogram_point(found: _HistogramPoint) -> HistogramDataPoint:
    return HistogramDataPoint(
        attributes=attributes(found.attributes),
        start_time_unix_nano=integer(found.start_time_unix_nano, "startTimeUnixNano"),
        time_unix_nano=integer(found.time_unix_nano, "timeUnixNano"),
        count=integer(found.count, "count"),
        flags=integer(found.flags, "flags", highest=2**32 - 1),
        min=None if found.min is None else number(found.min, "min"),
        max=None if found.max is None else number(found.max, "max"),
        bucket_counts=_counts(found.bucket_counts),
        explicit_bounds=[number(each, "explicitBounds") for each in found.explicit_bounds or ()],
    )


def _exponential_point(found: _ExponentialPoint) -> ExponentialHistogramDataPoint:
    return ExponentialHistogramDataPoint(
        attributes=attributes(found.attributes),
        start_time_unix_nano=integer(found.start_time_unix_nano, "startTimeUnixNano"),
        time_unix_nano=integer(found.time_unix_nano, "timeUnixNano"),
        count=integer(found.count, "count"),
        flags=integer(found.flags, "flags", highest=2**32 - 1),
        min=None if found.min is None else number(found.min, "min"),
        max=None if found.max is None else number(found.max, "max"),
        scale=_int32(found.scale, "scale"),
        zero_count=integer(found.zero_count, "zeroCount"),
        zero_threshold=number(found.zero_threshold, "zeroThreshold"),
        positive=_buckets(found.positive or _Buckets()),
        negative=_buckets(found.negative or _Buckets()),
    )


def _buckets(found: _Buckets) -> ExponentialHistogramDataPoint.Buckets:
    return ExponentialHistogramDataPoint.Buckets(
        offset=_int32(found.offset, "offset"), bucket_counts=_counts(found.bucket_counts)
    )


def _counts(found: list[int | str] | None) -> list[int]:
    return [integer(each, "bucketCounts") for each in found or ()]


def _int32(found: int | None, name: str) -> int:
    return integer(found, name, lowest=-(2**31), highest=2**31 - 1)


def _temporality(found: int | None) -> AggregationTemporality.ValueType:
    return (
        AggregationTemporality.ValueType(found)
        if found in _TEMPORALITIES and found
        else AggregationTemporality.ValueType(0)
    )
