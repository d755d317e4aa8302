"""From an ExportTraceServiceRequest to the journeys in it.

Acceptors decode to tell a sender exactly which spans are rejected, the drain decodes to count the others: the same function with the
same time of receipt, so that both always agree.

Two things make it quick in Python. The body is parsed with a pruned schema in which resources and attributes stay bytes, so
that attributes nobody asks for never become objects; and whatever repeats (a resource, ``journey.name=checkout``, a whole series) is
decoded once and remembered by its bytes. The pruned parse checks framing only; `validate` parses with OTLP's own schema.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from maibo import semconv
from maibo_collectors.otlp.body import BodyMalformed, BodyTooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_K = TypeVar("_K")
_V = TypeVar("_V")

BUCKET_NS = 10 * 10**9
SKEW_LIMIT_NS = 86_400 * 10**9
VALUE_LIMIT = 200
"""Characters of a dimension's value; longer ones are cut."""

UNKNOWN_OUTCOME = "unknown outcome"
NEGATIVE_DURATION = "ends before it starts"
CLOCK_SKEW = "ends more than a day from now"
EMPTY_NAME = "empty journey name"
REASONS = (UNKNOWN_OUTCOME, NEGATIVE_DURATION, CLOCK_SKEW, EMPTY_NAME)

_REMEMBERED = 20_000
"""Entries of each memo; a sender with ever new values must not fill the memory."""
_REMEMBERED_BYTES = 8 * 2**20
"""Of each memo's keys."""
_REMEMBERED_KEY_BYTES = 8 * 2**10
"""What is longer is decoded each time."""
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_STATUS_ERROR = 2

_RESOURCE_KEYS = (
    semconv.ENVIRONMENT,
    semconv.SERVICE_NAME,
    semconv.SERVICE_VERSION,
    semconv.CLUSTER,
    semconv.REGION,
)
_SPAN_KEYS = (
    semconv.JOURNEY_NAME,
    semconv.JOURNEY_STEP,
    semconv.JOURNEY_TIER,
    semconv.JOURNEY_VARIANT,
    semconv.JOURNEY_OUTCOME,
)
_SLOTS = {key.encode(): slot for slot, key in enumerate(_SPAN_KEYS)}


class Series(NamedTuple):
    """What a cell is counted under, but for its time and bin.

    `maibo_slo.store.cells.CellKey` names the same fields again, in the same order: acceptors use this module, and must not load the
    store. A test sees to it that both agree.
    """

    journey: str
    step: str
    environment: str
    service: str
    version: str
    cluster: str
    region: str
    tier: str
    variant: str
    outcome: str


class _Origin(NamedTuple):
    """What a resource tells, in the order of `_RESOURCE_KEYS`."""

    environment: str
    service: str
    version: str
    cluster: str
    region: str


class JourneySpan(NamedTuple):
    """One span that counts."""

    t: int
    """The 10 s bucket of its end, unix seconds."""
    series: Series
    duration_ns: int


@dataclass(slots=True)
class Decoded:
    """What a body holds: `total` = counted + ignored + rejected."""

    total: int = 0
    ignored: int = 0
    """Spans that are no part of a journey."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Spans of journeys that cannot be counted, by reason (one of `REASONS`)."""
    counted: list[JourneySpan] = field(default_factory=list)


def validate(body: bytes) -> None:
    """Raises BodyMalformed unless the body is an ExportTraceServiceRequest down to its last string; BodyTooLarge if it
    unfolds to more than this process may hold.
    """
    try:
        ExportTraceServiceRequest().ParseFromString(body)
    except DecodeError as error:
        if "alloc failed" in str(error):
            raise BodyTooLarge("the body unfolds to too many messages; send smaller batches") from error
        raise BodyMalformed(f"not an ExportTraceServiceRequest: {_reason(error)}") from error


class _Memo(dict[_K, _V]):
    """What was decoded already; begun anew when it is full."""

    held = 0
    """Bytes of keys."""

    def remember(self, key: _K, value: _V, *, size: int) -> _V:
        """Returns the value. `size` is that of the key, in bytes."""
        if size <= _REMEMBERED_KEY_BYTES:
            if len(self) >= _REMEMBERED or self.held + size > _REMEMBERED_BYTES:
                self.clear()
                self.held = 0
            self[key] = value
            self.held += size
        return value


class Decoder:
    """Decodes bodies and remembers what repeats; one a thread."""

    def __init__(self) -> None:
        self._resources = _Memo[bytes, _Origin]()
        self._values = _Memo[bytes, str]()
        self._series = _Memo[tuple[_Origin, str, str, str, str, str], Series]()

    def decode(self, body: bytes, *, received_ns: int) -> Decoded:
        """The journeys of a body that arrived at `received_ns` (unix). Raises BodyMalformed."""
        request: Any = _PrunedRequest()
        try:
            request.ParseFromString(body)
            return self._decode(request, received_ns)
        except (DecodeError, UnicodeDecodeError) as error:
            raise BodyMalformed(f"not an ExportTraceServiceRequest: {_reason(error)}") from error

    def _decode(self, request: Any, received_ns: int) -> Decoded:
        decoded = Decoded()
        counted, rejected = decoded.counted, decoded.rejected
        earliest, latest = received_ns - SKEW_LIMIT_NS, received_ns + SKEW_LIMIT_NS
        for resource_spans in request.resource_spans:
            resource = self._resource(resource_spans.resource)
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    decoded.total += 1
                    values = self._journey_values(span.attributes)
                    if values is None:
                        decoded.ignored += 1
                        continue
                    name, step, tier, variant, outcome = values
                    end = span.end_time_unix_nano
                    duration = end - span.start_time_unix_nano
                    if outcome is None:
                        outcome = semconv.FAILURE if span.status.code == _STATUS_ERROR else semconv.SUCCESS
                    if not name:
                        rejected[EMPTY_NAME] += 1
                    elif outcome not in semconv.OUTCOMES:
                        rejected[UNKNOWN_OUTCOME] += 1
                    elif not earliest <= end <= latest:
                        rejected[CLOCK_SKEW] += 1
                    elif duration < 0:
                        rejected[NEGATIVE_DURATION] += 1
                    else:
                        series = self._series_of(resource, name, step or "", tier or "", variant or "", outcome)
                        counted.append(JourneySpan(end // BUCKET_NS * 10, series, duration))
        return decoded

    def _journey_values(self, attributes: Iterable[bytes]) -> list[str | None] | None:
        """Name, step, tier, variant, outcome; None: the span has no journey.name."""
        values: list[str | None] | None = None
        for raw in attributes:
            # Field 1 (the key) first, as every encoder writes it; the rare other order is parsed like any message.
            slot = _SLOTS.get(raw[2 : 2 + raw[1]]) if raw[:1] == b"\x0a" and len(raw) > 2 else _parsed_slot(raw)
            if slot is None:
                continue
            value = self._values.get(raw)
            if value is None:
                value = self._values.remember(raw, _text(_key_value(raw).value), size=len(raw))
            if values is None:
                values = [None, None, None, None, None]
            values[slot] = value
        return values if values is not None and values[0] is not None else None

    def _resource(self, raw: bytes) -> _Origin:
        known = self._resources.get(raw)
        if known is None:
            resource = Resource()
            resource.ParseFromString(raw)
            texts = {each.key: _text(each.value) for each in resource.attributes if each.key in _RESOURCE_KEYS}
            origin = _Origin(*(texts.get(key, "") for key in _RESOURCE_KEYS))
            known = self._resources.remember(raw, origin, size=len(raw))
        return known

    def _series_of(self, resource: _Origin, name: str, step: str, tier: str, variant: str, outcome: str) -> Series:
        key = (resource, name, step, tier, variant, outcome)
        known = self._series.get(key)
        if known is None:
            series = Series(name, step, *resource, tier, variant, outcome)
            known = self._series.remember(key, series, size=sum(map(len, series)))
        return known


def rejections(rejected: Mapping[str, int]) -> str:
    """``3 spans rejected: 2 unknown outcome, 1 ends before it starts``"""
    total = sum(rejected.values())
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(rejected.items()))
    return f"{total} {'span' if total == 1 else 'spans'} rejected: {reasons}"


def _key_value(raw: bytes) -> KeyValue:
    message = KeyValue()
    message.ParseFromString(raw)
    return message


def _parsed_slot(raw: bytes) -> int | None:
    return _SLOTS.get(_key_value(raw).key.encode())


def _text(value: AnyValue) -> str:
    """A value as a dimension's text: short, printable, '' for what has no text (arrays, maps, bytes)."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        text = value.string_value[: VALUE_LIMIT + 1]
    elif kind == "bool_value":
        text = "true" if value.bool_value else "false"
    elif kind == "int_value":
        text = str(value.int_value)
    elif kind == "double_value":
        text = repr(value.double_value)
    else:
        return ""
    text = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text).strip()
    return text if len(text) <= VALUE_LIMIT else text[: VALUE_LIMIT - 1] + "…"


def _reason(error: Exception) -> str:
    """What upb says after the message's type name: ``String field had bad UTF-8``, ``Error parsing message``."""
    return str(error).rsplit("': ", 1)[-1].removesuffix(".")


def _pruned_request() -> Any:
    """OTLP's request with only what is read here; resources and attributes stay bytes.

    Field numbers are those of opentelemetry/proto/trace/v1/trace.proto and .../collector/trace/v1/trace_service.proto.
    """
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="maibo/otlp/pruned.proto", package="maibo.otlp", syntax="proto3")

    def message(
        name: str, *fields: tuple[str, int, descriptor_pb2.FieldDescriptorProto.Type.ValueType, bool, str]
    ) -> None:
        described = file.message_type.add(name=name)
        for field_name, number, kind, repeated, type_name in fields:
            label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            described.field.add(
                name=field_name,
                number=number,
                type=kind,
                label=label,
                type_name=type_name or None,
            )

    message("Status", ("code", 3, kinds.TYPE_INT32, False, ""))
    message(
        "Span",
        ("start_time_unix_nano", 7, kinds.TYPE_FIXED64, False, ""),
        ("end_time_unix_nano", 8, kinds.TYPE_FIXED64, False, ""),
        ("attributes", 9, kinds.TYPE_BYTES, True, ""),
        ("status", 15, kinds.TYPE_MESSAGE, False, ".maibo.otlp.Status"),
    )
    message("ScopeSpans", ("spans", 2, kinds.TYPE_MESSAGE, True, ".maibo.otlp.Span"))
    message(
        "ResourceSpans",
        ("resource", 1, kinds.TYPE_BYTES, False, ""),
        ("scope_spans", 2, kinds.TYPE_MESSAGE, True, ".maibo.otlp.ScopeSpans"),
    )
    message("Request", ("resource_spans", 1, kinds.TYPE_MESSAGE, True, ".maibo.otlp.ResourceSpans"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("maibo.otlp.Request"))


_PrunedRequest = _pruned_request()
