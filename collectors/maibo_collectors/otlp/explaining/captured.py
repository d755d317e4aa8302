"""Captured OTLP requests, taken apart into their spans, data points and log records.

Each of them comes with a request that holds nothing else: what one of them counts as is what the
decoders of the acceptors say of that request, and nobody else's opinion.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from maibo_collectors.errors import CollectorError
from maibo_collectors.otlp.body import BodyMalformed, BodyTooLarge, Encoding, unpack
from maibo_collectors.otlp.decoding import attributes, json_values, logs
from maibo_collectors.otlp.decoding.points_json import request_of_json
from maibo_collectors.otlp.segment import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

SPAN: Final = "span"
LOG: Final = "log"
METRIC: Final = "metric"
_ITEMS: Final = {"traces": SPAN, "metrics": METRIC, "logs": LOG}
_GZIP: Final = b"\x1f\x8b"
_FILE_LIMIT: Final = 2**30
"""Bytes of a file, unpacked: it may hold many requests."""
_JSON: Final = {
    "resourceSpans": Kind.TRACES_JSON,
    "resourceMetrics": Kind.METRICS_JSON,
    "resourceLogs": Kind.LOGS_JSON,
}


class Captured(NamedTuple):
    """A request as it came."""

    kind: Kind
    body: bytes
    """Unpacked."""

    @property
    def signal(self) -> str:
        """SPAN, LOG or METRIC."""
        return _ITEMS[self.kind.signal]


class Item(NamedTuple):
    """A span, a log record or a data point."""

    request: Captured
    """With this one alone."""
    resource: Mapping[str, str]
    """Texts of attributes, as rules are matched with them."""
    attributes: Mapping[str, str]
    """Of a log record: the fields of its body too."""
    name: str
    kind: int
    """Of a span, as OTLP numbers it."""
    time_ns: int
    """Of a span its end; unix."""
    trace_id: str
    span_id: str

    @property
    def signal(self) -> str:
        return self.request.signal


def read(data: bytes) -> list[Captured]:
    """One request in protobuf or JSON, a list of them, or one a line as the Collector's file exporter writes them; gzip or not.

    Raises CollectorError.
    """
    try:
        body = unpack(data, Encoding.GZIP if data.startswith(_GZIP) else Encoding.IDENTITY, limit=_FILE_LIMIT)
    except (BodyMalformed, BodyTooLarge) as error:
        raise CollectorError(f"reading a captured request: {error}") from error
    if body.lstrip()[:1] in {b"{", b"["}:
        return [_json_request(value) for value in _json_values(body)]
    return [_protobuf_request(body)]


def items(captured: Captured) -> Iterator[Item]:
    """Of a request that the decoders accept."""
    if captured.kind is Kind.TRACES_JSON:
        return _json_spans(captured)
    return {SPAN: _spans, LOG: _logs, METRIC: _points}[captured.signal](captured)


def _json_values(body: bytes) -> list[object]:
    """Of one JSON text, or of one a line."""
    with suppress(ValueError):
        value = msgspec.json.decode(body)
        return value if isinstance(value, list) else [value]
    found = []
    for number, line in enumerate(io.BytesIO(body), 1):
        try:
            found += [msgspec.json.decode(line)] if line.strip() else []
        except ValueError as error:
            raise CollectorError(f"reading captured requests: line {number} is no JSON: {error}") from error
    return found


def _json_request(value: object) -> Captured:
    if isinstance(value, dict):
        for key, kind in _JSON.items():
            if key in value:
                return Captured(kind, msgspec.json.encode(value))
    raise CollectorError(f"reading captured requests: not OTLP's JSON, which has one of {', '.join(_JSON)}")


def _protobuf_request(body: bytes) -> Captured:
    """The bytes do not say which request they are; only of one kind they have times where times belong."""
    for kind in (Kind.TRACES_PROTOBUF, Kind.LOGS_PROTOBUF, Kind.METRICS_PROTOBUF):
        captured = Captured(kind, body)
        with suppress(DecodeError, UnicodeDecodeError, BodyMalformed, BodyTooLarge):
            if any(item.time_ns for item in items(captured)):
                return captured
    raise CollectorError(
        "reading a captured request: it holds no span, log record or data point with a time; it must be the body of a request to "
        "/v1/traces, /v1/logs or /v1/metrics, in protobuf or JSON, gzip or not"
    )


def _spans(captured: Captured) -> Iterator[Item]:
    request = ExportTraceServiceRequest.FromString(captured.body)
    for of_resource in request.resource_spans:
        resource = _texts(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                alone = ExportTraceServiceRequest()
                within = alone.resource_spans.add(resource=of_resource.resource)
                within.scope_spans.add(scope=of_scope.scope).spans.append(span)
                yield Item(
                    Captured(Kind.TRACES_PROTOBUF, alone.SerializeToString()),
                    resource,
                    _texts(span.attributes),
                    attributes.clean(span.name),
                    span.kind,
                    span.end_time_unix_nano,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                )


def _logs(captured: Captured) -> Iterator[Item]:
    for of_resource in logs.request_of(captured.kind, captured.body).resource_logs:
        resource = _texts(of_resource.resource.attributes)
        for of_scope in of_resource.scope_logs:
            for record in of_scope.log_records:
                alone = ExportLogsServiceRequest()
                within = alone.resource_logs.add(resource=of_resource.resource)
                within.scope_logs.add(scope=of_scope.scope).log_records.append(record)
                fields = logs.Fields(record)
                yield Item(
                    Captured(Kind.LOGS_PROTOBUF, alone.SerializeToString()),
                    _FieldTexts(fields, resource),
                    _FieldTexts(fields),
                    attributes.text(record.body),
                    0,
                    record.time_unix_nano or record.observed_time_unix_nano,
                    record.trace_id.hex(),
                    record.span_id.hex(),
                )


class _FieldTexts(Mapping[str, str]):
    """Fields of a log record by key or path, behind those of its resource if that is asked: fields stand in for what it lacks."""

    def __init__(self, fields: logs.Fields, resource: Mapping[str, str] | None = None) -> None:
        self._fields, self._resource = fields, resource or {}

    def __getitem__(self, key: str) -> str:
        found = self._fields.of_resource(key, self._resource)
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._resource)

    def __len__(self) -> int:
        return len(self._resource)


def _points(captured: Captured) -> Iterator[Item]:
    read = request_of_json if captured.kind.is_json else ExportMetricsServiceRequest.FromString
    for of_resource in read(captured.body).resource_metrics:
        resource = _texts(of_resource.resource.attributes)
        for of_scope in of_resource.scope_metrics:
            for metric in of_scope.metrics:
                for point, single in _single_points(metric):
                    alone = ExportMetricsServiceRequest()
                    within = alone.resource_metrics.add(resource=of_resource.resource)
                    within.scope_metrics.add(scope=of_scope.scope).metrics.append(single)
                    name = attributes.clean(metric.name)
                    texts = _texts(point.attributes)
                    request = Captured(Kind.METRICS_PROTOBUF, alone.SerializeToString())
                    yield Item(request, resource, texts, name, 0, point.time_unix_nano, "", "")


def _single_points(metric: Metric) -> Iterator[tuple[Any, Metric]]:
    """Each data point, and the metric with that one alone."""
    which = metric.WhichOneof("data")
    if which is None:
        return
    for point in getattr(metric, which).data_points:
        single = type(metric)()
        single.CopyFrom(metric)
        del getattr(single, which).data_points[:]
        getattr(single, which).data_points.append(point)
        yield point, single


def _texts(pairs: Iterable[KeyValue]) -> dict[str, str]:
    return {pair.key: attributes.text(pair.value) for pair in pairs}


def _json_spans(captured: Captured) -> Iterator[Item]:
    """JSON stays JSON, which has a decoder of its own; names of fields are all that is needed, since that has looked at their types."""
    for of_resource in msgspec.json.decode(captured.body)["resourceSpans"] or ():
        resource = _json_texts((of_resource.get("resource") or {}).get("attributes"))
        for of_scope in of_resource.get("scopeSpans") or ():
            for span in of_scope.get("spans") or ():
                alone = {"resourceSpans": [{**of_resource, "scopeSpans": [{**of_scope, "spans": [span]}]}]}
                yield Item(
                    Captured(Kind.TRACES_JSON, msgspec.json.encode(alone)),
                    resource,
                    _json_texts(span.get("attributes")),
                    attributes.clean(span.get("name") or ""),
                    span.get("kind") or 0,
                    int(span.get("endTimeUnixNano") or 0),
                    (span.get("traceId") or "").lower(),
                    (span.get("spanId") or "").lower(),
                )


def _json_texts(pairs: object) -> dict[str, str]:
    found = msgspec.convert(pairs or [], list[json_values.JsonKeyValue])
    return {pair.key or "": json_values.text(pair.value) for pair in found}
