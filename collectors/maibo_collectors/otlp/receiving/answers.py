"""What senders are told, as the OTLP specification asks: the same over HTTP and gRPC, in protobuf and in JSON.

A sender may retry HTTP's 429, 502, 503 and 504, and gRPC's UNAVAILABLE (RESOURCE_EXHAUSTED only with a RetryInfo), and drops what it sent
for anything else. So whatever may pass by itself (disk, memory, a slow line, our own errors) is 503 or UNAVAILABLE, and never 500.
Every refusal carries a google.rpc.Status in the format of the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from google.protobuf.duration_pb2 import Duration
from google.rpc.code_pb2 import Code  # type: ignore[import-untyped]  # it publishes no types
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsPartialSuccess, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from maibo_collectors.otlp.segment import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LOGS", "METRICS", "SIGNALS", "TRACES", "Code", "Refused", "Signal"]

PROTOBUF: Final = b"application/x-protobuf"
JSON: Final = b"application/json"


class _Message(Protocol):
    def SerializeToString(self) -> bytes: ...  # noqa: N802 -- protobuf's name


@dataclass(frozen=True, slots=True)
class Signal:
    """One of OTLP's services: where it is asked, and what it answers."""

    name: str
    path: str
    """Over HTTP."""
    service: str
    """Over gRPC; its one method is Export."""
    protobuf: Kind
    json: Kind
    rejected: str
    """What partial success calls the number of rejected items, in JSON."""
    make: Callable[[int, str], _Message]
    """The response in protobuf, from that number and a message."""

    def kind(self, content_type: bytes) -> Kind:
        """Of a body of this type."""
        return self.json if content_type == JSON else self.protobuf

    def response(self, rejected: int, message: str, *, content_type: bytes = PROTOBUF) -> bytes:
        """The answer to what was taken. Without rejections and message it is a full success, which has no partial success in it."""
        partial = bool(rejected or message)
        if content_type == JSON:
            # 64-bit integers are strings in protobuf's JSON.
            told = {"partialSuccess": {self.rejected: str(rejected), "errorMessage": message}} if partial else {}
            return msgspec.json.encode(told)
        return self.make(rejected, message).SerializeToString() if partial else b""


def _traces(rejected: int, message: str) -> _Message:
    return ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
    )


def _metrics(rejected: int, message: str) -> _Message:
    told = ExportMetricsPartialSuccess(rejected_data_points=rejected, error_message=message)
    return ExportMetricsServiceResponse(partial_success=told)


def _logs(rejected: int, message: str) -> _Message:
    told = ExportLogsPartialSuccess(rejected_log_records=rejected, error_message=message)
    return ExportLogsServiceResponse(partial_success=told)


TRACES: Final = Signal(
    "traces",
    "/v1/traces",
    "opentelemetry.proto.collector.trace.v1.TraceService",
    Kind.TRACES_PROTOBUF,
    Kind.TRACES_JSON,
    "rejectedSpans",
    _traces,
)
METRICS: Final = Signal(
    "metrics",
    "/v1/metrics",
    "opentelemetry.proto.collector.metrics.v1.MetricsService",
    Kind.METRICS_PROTOBUF,
    Kind.METRICS_JSON,
    "rejectedDataPoints",
    _metrics,
)
LOGS: Final = Signal(
    "logs",
    "/v1/logs",
    "opentelemetry.proto.collector.logs.v1.LogsService",
    Kind.LOGS_PROTOBUF,
    Kind.LOGS_JSON,
    "rejectedLogRecords",
    _logs,
)
SIGNALS: Final = (TRACES, METRICS, LOGS)


class Refused(Exception):  # noqa: N818 -- an answer on its way out, not an error of ours
    """A request that is not taken: what its sender is told, over whichever protocol."""

    def __init__(
        self, http: int, code: int, message: str, *headers: tuple[bytes, bytes], retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.http = http
        self.code = code
        """google.rpc.Code, which gRPC's status codes are."""
        self.message = message
        self.headers = headers
        self.retry_after = retry_after
        """Seconds after which to come again; None: it must not come again."""

    def status(self) -> bytes:
        """google.rpc.Status in protobuf, with RetryInfo when it may be tried again."""
        status = Status(code=self.code, message=self.message)
        if self.retry_after is not None:
            status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=self.retry_after)))
        return _serialized(status)

    def body(self, content_type: bytes) -> bytes:
        """The Status for an HTTP answer of this type; there, Retry-After says when to come again."""
        if content_type == JSON:
            return msgspec.json.encode({"code": self.code, "message": self.message})
        return _serialized(Status(code=self.code, message=self.message))


def _serialized(status: _Message) -> bytes:
    return status.SerializeToString()


def malformed(message: str) -> Refused:
    """Not what it says it is: sending it again helps nobody."""
    return Refused(400, Code.INVALID_ARGUMENT, message)


def too_large(message: str) -> Refused:
    """Smaller batches are needed."""
    return Refused(413, Code.RESOURCE_EXHAUSTED, message)


def unavailable(message: str, *, retry_after: int = 5) -> Refused:
    """It will pass."""
    return Refused(503, Code.UNAVAILABLE, message, retry_after=retry_after)


def throttled(message: str, *, retry_after: int) -> Refused:
    """Too much from one sender; the others may go on."""
    return Refused(429, Code.RESOURCE_EXHAUSTED, message, retry_after=retry_after)


def unauthenticated(message: str) -> Refused:
    """No token, or a wrong one: which of the two is all that is told."""
    return Refused(401, Code.UNAUTHENTICATED, message, (b"www-authenticate", b"Bearer"))
