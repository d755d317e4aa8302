"""From an ExportTraceServiceRequest in OTLP's JSON to its `Tally`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from maibo import semconv
from maibo_collectors.otlp.body import BodyMalformed
from maibo_collectors.otlp.decoding.attributes import clean
from maibo_collectors.otlp.decoding.builder import Builder
from maibo_collectors.otlp.decoding.classify import Judgement, Shape
from maibo_collectors.otlp.decoding.json_values import (
    JsonKeyValue,
    JsonMessage,
    JsonResource,
    WrongValue,
    identity,
    int_value,
    integer,
    parse,
    texts,
)
from maibo_collectors.otlp.decoding.memo import Memo
from maibo_collectors.otlp.decoding.pods import POD_KEYS, pod_of
from maibo_collectors.otlp.decoding.sampling import threshold

if TYPE_CHECKING:
    from maibo_collectors.otlp.decoding.classify import Classifier
    from maibo_collectors.otlp.decoding.tally import Tally

NAME: Final = "an ExportTraceServiceRequest"
_STATUS_ERROR: Final = 2


class _Status(JsonMessage):
    code: int | None = None


class _Span(JsonMessage):
    trace_id: str | None = None
    span_id: str | None = None
    trace_state: str | None = None
    name: str | None = None
    kind: int | None = None
    start_time_unix_nano: int | str | None = None
    end_time_unix_nano: int | str | None = None
    attributes: list[JsonKeyValue] | None = None
    status: _Status | None = None


class _ScopeSpans(JsonMessage):
    spans: list[_Span] | None = None


class _ResourceSpans(JsonMessage):
    resource: JsonResource | None = None
    scope_spans: list[_ScopeSpans] | None = None


class _Request(JsonMessage):
    resource_spans: list[_ResourceSpans] | None = None


class _Ids(NamedTuple):
    trace_id: bytes
    span_id: bytes


_decoder = msgspec.json.Decoder(_Request)


class JsonTraces:
    """Decodes bodies and remembers what repeats; one a thread."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._generation = 0
        self._resource_slots = _slots(classifier.resource_keys)
        self._span_slots = _slots((*classifier.span_keys, semconv.JOURNEY_START_TIME))
        self._judgements = Memo[Shape, Judgement]()

    def tally(self, body: bytes, *, received_ns: int) -> Tally:
        """What a body comes to; `received_ns` is when it arrived (unix). Raises BodyMalformed, BodyTooLarge."""
        generation = self._classifier.generation(received_ns)
        if generation != self._generation:
            self._generation = generation
            self._judgements.clear()
        builder = Builder(received_ns=received_ns)
        place = "$"
        try:
            for i, resource_spans in enumerate(parse(_decoder, body, NAME).resource_spans or ()):
                place = f"$.resourceSpans[{i}]"
                attributes = resource_spans.resource.attributes if resource_spans.resource else None
                resource = texts(attributes, self._resource_slots)
                if any(scope_spans.spans for scope_spans in resource_spans.scope_spans or ()):
                    builder.begin_resource(pod_of(*texts(attributes, _POD_SLOTS)))
                for j, scope_spans in enumerate(resource_spans.scope_spans or ()):
                    for k, span in enumerate(scope_spans.spans or ()):
                        place = f"$.resourceSpans[{i}].scopeSpans[{j}].spans[{k}]"
                        self._count(span, resource, builder)
        except WrongValue as error:
            raise BodyMalformed(f"not {NAME}: {error} - at `{place}`") from None
        return builder.tally()

    def _count(self, span: _Span, resource: tuple[str | None, ...], builder: Builder) -> None:
        *values, start_time = texts(span.attributes, self._span_slots)
        shape = Shape(
            resource=resource,
            attributes=tuple(values),
            error=span.status is not None and span.status.code == _STATUS_ERROR,
            kind=span.kind or 0,
            name=clean(span.name or "") if self._classifier.with_name else "",
            threshold=threshold(span.trace_state) if span.trace_state else "",
        )
        judgement = self._judgements.get(shape)
        if judgement is None:
            size = sum(len(each) for each in (*resource, *values, shape.name) if each)
            judgement = self._judgements.remember(shape, self._classifier.classify(shape), size=size)
        builder.count(
            judgement,
            integer(span.start_time_unix_nano, "startTimeUnixNano"),
            integer(span.end_time_unix_nano, "endTimeUnixNano"),
            None if start_time is None or not judgement.timed else _start_time(span),
            _Ids(identity(span.trace_id, "traceId"), identity(span.span_id, "spanId")),
        )


def _start_time(span: _Span) -> int:
    """The value of ``journey.start_time``, in us; 0 unless it is a positive integer."""
    *_, value = (each.value for each in span.attributes or () if each.key == semconv.JOURNEY_START_TIME)
    if value is None or value.string_value is not None or value.bool_value is not None:
        return 0
    return 0 if value.int_value is None else max(int_value(value.int_value), 0)


def _slots(keys: tuple[str, ...]) -> dict[str, int]:
    return {key: slot for slot, key in enumerate(keys)}


_POD_SLOTS: Final = _slots(POD_KEYS)
