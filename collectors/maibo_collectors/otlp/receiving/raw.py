"""Bodies that are forwarded as they came: that they are what they say, and how much is in them.

Protobuf is parsed with OTLP's own schema, down to its last string; of JSON, the frame and the syntax, since an upstream judges the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from maibo_collectors.otlp.body import BodyMalformed, parsed
from maibo_collectors.otlp.segment import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def items(kind: Kind, body: bytes) -> int:
    """Spans, data points or log records of a request (unpacked). Raises BodyMalformed, BodyTooLarge."""
    return _COUNTERS[kind](body)


def _spans(body: bytes) -> int:
    request = parsed(ExportTraceServiceRequest(), body)
    return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)


def _points(body: bytes) -> int:
    request = parsed(ExportMetricsServiceRequest(), body)
    return sum(
        len(getattr(metric, told).data_points)
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if (told := metric.WhichOneof("data")) is not None
    )


def _records(body: bytes) -> int:
    request = parsed(ExportLogsServiceRequest(), body)
    return sum(len(scope.log_records) for resource in request.resource_logs for scope in resource.scope_logs)


class _Part(msgspec.Struct, rename="camel"):
    """What holds items or parts: only the lists are looked at, whichever of them is there."""

    resource_spans: list[_Part] | None = None
    resource_metrics: list[_Part] | None = None
    resource_logs: list[_Part] | None = None
    scope_spans: list[_Part] | None = None
    scope_metrics: list[_Part] | None = None
    scope_logs: list[_Part] | None = None
    metrics: list[dict[str, msgspec.Raw]] | None = None
    spans: list[msgspec.Raw] | None = None
    log_records: list[msgspec.Raw] | None = None


class _Data(msgspec.Struct, rename="camel"):
    data_points: list[msgspec.Raw] | None = None


_part: Final = msgspec.json.Decoder(_Part)
_data: Final = msgspec.json.Decoder(_Data | None)
_NO_DATA: Final = _Data()
_DATA: Final = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")


def _json(count: Callable[[_Part], int]) -> Callable[[bytes], int]:
    def counted(body: bytes) -> int:
        try:
            return count(_part.decode(body))
        except (ValueError, RecursionError) as error:
            raise BodyMalformed(f"not an OTLP request in JSON: {error}") from error

    return counted


def _json_spans(request: _Part) -> int:
    return sum(len(scope.spans or ()) for part in request.resource_spans or () for scope in part.scope_spans or ())


def _json_points(request: _Part) -> int:
    return sum(
        len((_data.decode(metric[kind]) or _NO_DATA).data_points or ())
        for part in request.resource_metrics or ()
        for scope in part.scope_metrics or ()
        for metric in scope.metrics or ()
        for kind in _DATA
        if kind in metric
    )


def _json_records(request: _Part) -> int:
    return sum(len(scope.log_records or ()) for part in request.resource_logs or () for scope in part.scope_logs or ())


_COUNTERS: Final[Mapping[Kind, Callable[[bytes], int]]] = {
    Kind.TRACES_PROTOBUF: _spans,
    Kind.METRICS_PROTOBUF: _points,
    Kind.LOGS_PROTOBUF: _records,
    Kind.TRACES_JSON: _json(_json_spans),
    Kind.METRICS_JSON: _json(_json_points),
    Kind.LOGS_JSON: _json(_json_records),
}
