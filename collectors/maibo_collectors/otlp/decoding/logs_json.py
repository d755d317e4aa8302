"""OTLP's JSON logs as the message that protobuf would have made of them, as far as it is read."""

from __future__ import annotations

from typing import Final

import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from maibo_collectors.otlp.body import BodyMalformed
from maibo_collectors.otlp.decoding.json_values import (
    JsonAny,
    JsonAttribute,
    JsonMessage,
    JsonOrigin,
    WrongValue,
    any_value,
    attributes,
    identity,
    integer,
    parse,
)

NAME: Final = "an ExportLogsServiceRequest"


class _Record(JsonMessage):
    time_unix_nano: int | str | None = None
    observed_time_unix_nano: int | str | None = None
    body: JsonAny | None = None
    attributes: list[JsonAttribute] | None = None
    trace_id: str | None = None
    span_id: str | None = None


class _ScopeLogs(JsonMessage):
    log_records: list[_Record] | None = None


class _ResourceLogs(JsonMessage):
    resource: JsonOrigin | None = None
    scope_logs: list[_ScopeLogs] | None = None


class _Request(JsonMessage):
    resource_logs: list[_ResourceLogs] | None = None


_decoder = msgspec.json.Decoder(_Request)


def request_of_json(body: bytes) -> ExportLogsServiceRequest:
    """Raises BodyMalformed, BodyTooLarge."""
    try:
        return ExportLogsServiceRequest(
            resource_logs=[_resource_logs(each) for each in parse(_decoder, body, NAME).resource_logs or ()]
        )
    except WrongValue as error:
        raise BodyMalformed(f"not {NAME}: {error}") from None


def _resource_logs(found: _ResourceLogs) -> ResourceLogs:
    resource = found.resource or JsonOrigin()
    return ResourceLogs(
        resource=Resource(attributes=attributes(resource.attributes)),
        scope_logs=[
            ScopeLogs(log_records=[_record(each) for each in scope.log_records or ()])
            for scope in found.scope_logs or ()
        ],
    )


def _record(found: _Record) -> LogRecord:
    return LogRecord(
        time_unix_nano=integer(found.time_unix_nano, "timeUnixNano"),
        observed_time_unix_nano=integer(found.observed_time_unix_nano, "observedTimeUnixNano"),
        body=None if found.body is None else any_value(found.body),
        attributes=attributes(found.attributes),
        trace_id=identity(found.trace_id, "traceId"),
        span_id=identity(found.span_id, "spanId"),
    )
