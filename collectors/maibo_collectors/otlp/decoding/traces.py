"""From an ExportTraceServiceRequest in protobuf to its `Tally`, in pure Python.

What makes it quick is that whatever repeats (a resource, ``journey.name=checkout``, a shape) is worked out once and remembered by
its bytes, and most of all spans themselves: one like an earlier one is not parsed (see `layout`). Others are parsed with a pruned
schema in which attributes stay bytes, so that those nobody asks for never become objects. All this looks at framing only, where it
looks; `validate` parses with OTLP's own schema.

What is odd on the wire and allowed by protobuf (a field twice, a key after its value, lengths longer than they need be) counts as
protobuf reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from maibo import semconv
from maibo_collectors.otlp.body import parsed, refusal
from maibo_collectors.otlp.decoding.attributes import clean, text
from maibo_collectors.otlp.decoding.builder import Builder
from maibo_collectors.otlp.decoding.classify import Classifier, Judgement, Shape
from maibo_collectors.otlp.decoding.layout import Ids, Layout, layout_of, times_at
from maibo_collectors.otlp.decoding.memo import KEY_BYTES, Memo
from maibo_collectors.otlp.decoding.pods import POD_KEYS, Pod, pod_of
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
_LAYOUTS: Final = 4
"""Layouts to try with spans of one length."""
_LEARN_EVERY: Final = 4
"""One of so many unknown spans is learned from: that costs four times what parsing it does."""
_PATIENCE: Final = 500
"""How far `_Sender.gain` may fall."""
_FIRST_REST: Final = 500
"""Of a sender's first spans none are learned: many senders have no more."""
_LONGEST_REST: Final = 64_000
"""Then a sender whose spans never repeat costs a hundredth more."""
_OVERHEAD: Final = 1000
"""Bytes that what is remembered takes beside its key, about."""
_PIECE: Final = 64
"""Bytes that a piece of a span's fixed bytes takes beside itself, about."""
_CUT: Final = 256
"""Bytes that a layout takes for each piece."""
_START_TIME_KEY: Final = semconv.JOURNEY_START_TIME.encode()


def validate(body: bytes) -> None:
    """Raises BodyMalformed unless the body is an ExportTraceServiceRequest down to its last string; BodyTooLarge if it
    unfolds to more than this process may hold.
    """
    parsed(ExportTraceServiceRequest(), body)


_Values = tuple["str | None", ...]


@dataclass(slots=True)
class _Sender:
    """What is known of spans whose resources have these values, which decide with a span's fixed bytes how it counts."""

    resource: _Values
    resting: int
    """Spans to parse before layouts are tried again."""
    rest: int = _FIRST_REST
    """Spans to parse when that has not paid: each time twice as many."""
    layouts: dict[int, list[Layout]] = field(default_factory=dict)
    """By the length of spans; first in each list those that were met first: most likely the frequent ones."""
    unknown: int = 0
    """Spans that were tried and parsed after all."""
    gain: int = 0
    """Lately: spans that were known, less twice those that were not."""


class PythonTraces:
    """Decodes bodies and remembers what repeats; one a thread."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._generation = 0
        self._with_name = classifier.with_name
        self._slots = {key.encode(): slot for slot, key in enumerate(classifier.span_keys)}
        self._slots[_START_TIME_KEY] = _START_TIME
        self._nothing: list[str | None] = [None] * len(classifier.span_keys)
        self._resources = Memo[bytes, tuple[_Values, Pod | None]]()
        self._attributes = Memo[bytes, tuple[int, str]]()
        self._judgements = Memo[tuple[object, ...], Judgement]()
        self._senders = Memo[_Values, _Sender]()

    def tally(self, body: bytes, *, received_ns: int) -> Tally:
        """What a body that `validate` accepts comes to; `received_ns` is when it arrived (unix). Raises BodyMalformed."""
        generation = self._classifier.generation(received_ns)
        if generation != self._generation:
            self._generation = generation
            self._judgements.clear()
            self._senders.clear()
        request: Any = _PrunedRequest()
        try:
            request.ParseFromString(body)
            builder = Builder(received_ns=received_ns)
            for resource_spans in request.resource_spans:
                values, pod = self._resource(b"".join(resource_spans.resource))
                sender = self._sender(values)
                if any(scope_spans.spans for scope_spans in resource_spans.scope_spans):
                    builder.begin_resource(pod)
                for scope_spans in resource_spans.scope_spans:
                    self._count(scope_spans.spans, sender, builder)
            return builder.tally()
        except (DecodeError, UnicodeDecodeError) as error:
            raise refusal(error, ExportTraceServiceRequest.DESCRIPTOR.name) from error

    def _count(self, spans: Any, sender: _Sender, builder: Builder) -> None:
        if sender.resting > 0:
            sender.resting -= len(spans)
            for span in spans:
                self._count_parsed(span, sender.resource, builder)
            return
        layouts_of, ids, count, unknown = sender.layouts.get, Ids(), builder.count, sender.unknown
        for span in spans:
            for layout in layouts_of(len(span), ()):
                judgement = layout.judgements.get(layout.fixed(span))
                if judgement is not None:
                    ids.span = span
                    start, _, end = times_at(span, layout.times)
                    begin = layout.start_time
                    begin_us = _start_time(span[begin]) if begin is not None and judgement.timed else None
                    count(judgement, start, end, begin_us, ids)
                    break
            else:
                judgement = self._count_parsed(span, sender.resource, builder)
                if sender.unknown % _LEARN_EVERY == 0:
                    self._learn(span, sender, judgement)
                sender.unknown += 1
        sender.gain = min(sender.gain + len(spans) - 3 * (sender.unknown - unknown), _PATIENCE)
        if sender.gain < -_PATIENCE:
            sender.rest = min(2 * sender.rest, _LONGEST_REST)
            sender.gain, sender.resting = 0, sender.rest
        elif sender.gain > 0:
            sender.rest = _FIRST_REST

    def _count_parsed(self, raw: bytes, resource: _Values, builder: Builder) -> Judgement:
        span: Any = _PrunedSpan()
        span.ParseFromString(raw)
        values = self._nothing.copy()
        begin: bytes | None = None
        attribute_of = self._attributes.get
        for attribute in span.attributes:
            known = attribute_of(attribute)
            if known is None:
                known = self._attribute(attribute)
            slot, value = known
            if slot >= 0:
                values[slot] = value
            elif slot == _START_TIME:
                begin = attribute
        trace_state = span.trace_state
        key = (
            resource,
            *values,
            span.status.code,
            span.kind,
            span.name if self._with_name else b"",
            threshold(trace_state.decode()) if trace_state else "",
        )
        judgement = self._judgements.get(key)
        if judgement is None:
            judgement = self._judge(key)
        begin_us = None if begin is None or not judgement.timed else _start_time_of(begin)
        builder.count(judgement, span.start_time_unix_nano, span.end_time_unix_nano, begin_us, span)
        return judgement

    def _learn(self, span: bytes, sender: _Sender, judgement: Judgement) -> None:
        """Remembers how spans of this sender with the same fixed bytes are judged."""
        layout = layout_of(span, asked=self._slots)
        if layout is None:
            return
        fixed = layout.fixed(span)
        size = sum(map(len, fixed)) + _PIECE * len(fixed)
        if size > KEY_BYTES:
            return
        layouts = sender.layouts.setdefault(len(span), [])
        if layout in layouts:
            layout = layouts[layouts.index(layout)]
        else:
            layouts[_LAYOUTS - 1 :] = [layout]
            size += _CUT * len(fixed)
        layout.judgements[fixed] = judgement
        self._senders.grow(size + _OVERHEAD)

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

    def _sender(self, resource: _Values) -> _Sender:
        known = self._senders.get(resource)
        if known is None:
            size = sum(len(each) for each in resource if each) + _OVERHEAD
            known = self._senders.remember(resource, _Sender(resource, _FIRST_REST), size=size)
        return known

    def _resource(self, raw: bytes) -> tuple[_Values, Pod | None]:
        """What decides how its spans count, and the pod that it names."""
        known = self._resources.get(raw)
        if known is None:
            resource = Resource()
            resource.ParseFromString(raw)
            asked = self._classifier.resource_keys
            keys = {*asked, *POD_KEYS}
            texts = {each.key: text(each.value) for each in resource.attributes if each.key in keys}
            value = tuple(map(texts.get, asked)), pod_of(*map(texts.get, POD_KEYS))
            known = self._resources.remember(raw, value, size=len(raw))
        return known


def _start_time_of(attribute: bytes) -> int:
    """The value of ``journey.start_time``, in us; 0 unless it is a positive integer."""
    pair = KeyValue()
    pair.ParseFromString(attribute)
    return max(pair.value.int_value, 0)


def _start_time(raw: bytes) -> int:
    """The same of a serialized value."""
    value = AnyValue()
    value.ParseFromString(raw)
    return max(value.int_value, 0)


def _pruned() -> tuple[Any, Any]:
    """OTLP's request, and its span, with only what is read here; resources, spans and attributes stay bytes.

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
    message("ScopeSpans", ("spans", 2, kinds.TYPE_BYTES, True, ""))
    message(
        "ResourceSpans",
        ("resource", 1, kinds.TYPE_BYTES, True, ""),
        ("scope_spans", 2, kinds.TYPE_MESSAGE, True, ".maibo.otlp.ScopeSpans"),
    )
    message("Request", ("resource_spans", 1, kinds.TYPE_MESSAGE, True, ".maibo.otlp.ResourceSpans"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    request, span = (pool.FindMessageTypeByName(f"maibo.otlp.{name}") for name in ("Request", "Span"))
    return message_factory.GetMessageClass(request), message_factory.GetMessageClass(span)


_PrunedRequest, _PrunedSpan = _pruned()
