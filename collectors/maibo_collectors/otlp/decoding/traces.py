"""From an ExportTraceServiceRequest in protobuf to its `Tally`, in pure Python.

Two things make it quick. The body is parsed with a pruned schema in which resources and attributes stay bytes, so that attributes
nobody asks for never become objects; and whatever repeats (a resource, ``journey.name=checkout``, a shape) is worked out once and
remembered by its bytes. The pruned parse checks framing only; `validate` parses with OTLP's own schema.

What is odd on the wire and allowed by protobuf (a field twice, a key after its value, lengths longer than they need be) counts as
protobuf reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from maibo import semconv
from maibo_collectors.otlp.body import parsed, refusal
from maibo_collectors.otlp.decoding.attributes import clean, text
from maibo_collectors.otlp.decoding.builder import Builder
from maibo_collectors.otlp.decoding.classify import Classifier, Judgement, Shape
from maibo_collectors.otlp.decoding.memo import Memo
from maibo_collectors.otlp.decoding.sampling import threshold

if TYPE_CHECKING:
    from maibo_collectors.otlp.decoding.tally import Tally

_STATUS_ERROR: Final = 2
_IGNORED: Final = -1
_START_TIME: Final = -2
"""Slots of attributes that nobody asks for, and of ``journey.start_time``."""
_SKIP: Final = (_IGNORED, "")
_BEGIN: Final = (_START_TIME, "")
_SHORT: Final = 18
"""Bytes of a value that nobody asks for and that may well come again (``GET``, 200); ids are longer."""
_START_TIME_KEY: Final = semconv.JOURNEY_START_TIME.encode()


def validate(body: bytes) -> None:
    """Raises BodyMalformed unless the body is an ExportTraceServiceRequest down to its last string; BodyTooLarge if it
    unfolds to more than this process may hold.
    """
    parsed(ExportTraceServiceRequest(), body)


_Values = tuple["str | None", ...]


class PythonTraces:
    """Decodes bodies and remembers what repeats; one a thread."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._generation = 0
        self._with_name = classifier.with_name
        self._slots = {key.encode(): slot for slot, key in enumerate(classifier.span_keys)}
        self._slots[_START_TIME_KEY] = _START_TIME
        self._nothing: list[str | None] = [None] * len(classifier.span_keys)
        self._resources = Memo[bytes, _Values]()
        self._attributes = Memo[bytes, tuple[int, str]]()
        self._judgements = Memo[tuple[object, ...], Judgement]()

    def tally(self, body: bytes, *, received_ns: int) -> Tally:
        """What a body that `validate` accepts comes to; `received_ns` is when it arrived (unix). Raises BodyMalformed."""
        generation = self._classifier.generation(received_ns)
        if generation != self._generation:
            self._generation = generation
            self._judgements.clear()
        request: Any = _PrunedRequest()
        try:
            request.ParseFromString(body)
            builder = Builder(received_ns=received_ns)
            for resource_spans in request.resource_spans:
                resource = self._resource(b"".join(resource_spans.resource))
                for scope_spans in resource_spans.scope_spans:
                    self._count(scope_spans.spans, resource, builder)
            return builder.tally()
        except (DecodeError, UnicodeDecodeError) as error:
            raise refusal(error, ExportTraceServiceRequest.DESCRIPTOR.name) from error

    def _count(self, spans: Any, resource: _Values, builder: Builder) -> None:
        judgement_of, attribute_of, count = self._judgements.get, self._attributes.get, builder.count
        for span in spans:
            values = self._nothing.copy()
            begin: bytes | None = None
            for raw in span.attributes:
                known = attribute_of(raw)
                if known is None:
                    known = self._attribute(raw)
                slot, value = known
                if slot >= 0:
                    values[slot] = value
                elif slot == _START_TIME:
                    begin = raw
            trace_state = span.trace_state
            key = (
                resource,
                *values,
                span.status.code,
                span.kind,
                span.name if self._with_name else b"",
                threshold(trace_state.decode()) if trace_state else "",
            )
            judgement = judgement_of(key)
            if judgement is None:
                judgement = self._judge(key)
            begin_us = None if begin is None or not judgement.timed else _start_time(begin)
            count(judgement, span.start_time_unix_nano, span.end_time_unix_nano, begin_us, span)

    def _judge(self, key: tuple[Any, ...]) -> Judgement:
        resource, *values, code, kind, name, digits = key
        shape = Shape(resource, tuple(values), code == _STATUS_ERROR, kind, clean(name.decode()), digits)
        size = sum(len(each) for each in (*resource, *values, name) if each)
        return self._judgements.remember(key, self._classifier.classify(shape), size=size)

    def _attribute(self, raw: bytes) -> tuple[int, str]:
        """The slot of an attribute, and its text if anybody asks for it."""
        try:
            end = 2 + raw[1]
            size = raw[end + 1]
            # Key, value, nothing more, both short: as every encoder writes it. Anything else is parsed like any message.
            if raw[0] == 0x0A and end < 130 and raw[end] == 0x12 and size < 128 and end + 2 + size == len(raw):
                slot = self._slots.get(raw[2:end], _IGNORED)
                if slot == _IGNORED:
                    return self._attributes.remember(raw, _SKIP, size=len(raw)) if size < _SHORT else _SKIP
                if slot == _START_TIME:
                    return _BEGIN
        except IndexError:
            pass
        pair = KeyValue()
        pair.ParseFromString(raw)
        slot = self._slots.get(pair.key.encode(), _IGNORED)
        if slot < 0:
            return _BEGIN if slot == _START_TIME else _SKIP
        return self._attributes.remember(raw, (slot, text(pair.value)), size=len(raw))

    def _resource(self, raw: bytes) -> _Values:
        known = self._resources.get(raw)
        if known is None:
            resource = Resource()
            resource.ParseFromString(raw)
            asked = self._classifier.resource_keys
            texts = {each.key: text(each.value) for each in resource.attributes if each.key in asked}
            known = self._resources.remember(raw, tuple(map(texts.get, asked)), size=len(raw))
        return known


def _start_time(raw: bytes) -> int:
    """The value of ``journey.start_time``, in us; 0 unless it is a positive integer."""
    pair = KeyValue()
    pair.ParseFromString(raw)
    return max(pair.value.int_value, 0)


def _pruned_request() -> Any:
    """OTLP's request with only what is read here; resources and attributes stay bytes.

    Field numbers are those of opentelemetry/proto/trace/v1/trace.proto and .../collector/trace/v1/trace_service.proto. A resource
    is `repeated` so that none of its pieces is lost, if it comes in several: they are one when they are joined.
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
        ("trace_id", 1, kinds.TYPE_BYTES, False, ""),
        ("span_id", 2, kinds.TYPE_BYTES, False, ""),
        ("trace_state", 3, kinds.TYPE_BYTES, False, ""),
        ("name", 5, kinds.TYPE_BYTES, False, ""),
        ("kind", 6, kinds.TYPE_INT32, False, ""),
        ("start_time_unix_nano", 7, kinds.TYPE_FIXED64, False, ""),
        ("end_time_unix_nano", 8, kinds.TYPE_FIXED64, False, ""),
        ("attributes", 9, kinds.TYPE_BYTES, True, ""),
        ("status", 15, kinds.TYPE_MESSAGE, False, ".maibo.otlp.Status"),
    )
    message("ScopeSpans", ("spans", 2, kinds.TYPE_MESSAGE, True, ".maibo.otlp.Span"))
    message(
        "ResourceSpans",
        ("resource", 1, kinds.TYPE_BYTES, True, ""),
        ("scope_spans", 2, kinds.TYPE_MESSAGE, True, ".maibo.otlp.ScopeSpans"),
    )
    message("Request", ("resource_spans", 1, kinds.TYPE_MESSAGE, True, ".maibo.otlp.ResourceSpans"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("maibo.otlp.Request"))


_PrunedRequest = _pruned_request()
