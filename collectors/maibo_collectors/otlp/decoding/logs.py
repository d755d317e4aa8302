"""From an ExportLogsServiceRequest to its `Tally`: access logs of services without tracing count, too.

A log record that a document's rule matches is an event: it ended at the record's time (``time_unix_nano``, else the observed one), and
lasted what the field named by the rule says. Fields are those of a body that is a map, then the record's attributes, as Fluent Bit's
``opentelemetry`` output sends them: a record without a ``message`` or ``log`` key is the body as a whole, numbers stay numbers, maps
stay maps, and the resource is empty. ``a.b`` is the field of that name, or ``b`` in the map ``a``. Where the resource has no
``service.name`` or other dimension, a field of that name stands in for it.

Rules may ask for different durations (a proxy's own, the upstream's): a record then counts once for each, in its totals as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Final, NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from maibo_collectors.otlp.body import parsed
from maibo_collectors.otlp.decoding.attributes import text
from maibo_collectors.otlp.decoding.builder import Builder
from maibo_collectors.otlp.decoding.classify import ORIGIN_KEYS, Judgement, first_of_each, judgement, unique
from maibo_collectors.otlp.decoding.logs_json import request_of_json
from maibo_collectors.otlp.decoding.memo import Memo
from maibo_collectors.otlp.decoding.tally import Tally
from maibo_collectors.otlp.segment import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

    from maibo_collectors.otlp.decoding.classify import Classifier
    from maibo_collectors.otlp.decoding.rules import CompiledRule

NO_DURATION: Final = "no duration"
"""Why a record that a rule matches cannot be counted: the field is not there, or is no number."""

Values = Mapping[str, "str | None"]
"""By key; None: absent."""
_IGNORED: Final = Judgement()


class Lasting(NamedTuple):
    """What a record is to all rules that ask for the same duration."""

    judgement: Judgement
    duration: str
    """Field."""
    unit_ns: int


class Logs:
    """Decodes bodies and remembers what repeats; one a thread."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._generation = 0
        self.resource_keys: Final = unique(ORIGIN_KEYS, *(rule.resource_keys for rule in classifier.logs))
        self.field_keys: Final = unique(*(rule.attribute_keys for rule in classifier.logs))
        """What matters, but for durations."""
        self._remembered = Memo[tuple["str | None", ...], tuple[Lasting, ...]]()

    def tally(self, kind: Kind, body: bytes, *, received_ns: int) -> Tally:
        """What a body (unpacked) that arrived at `received_ns` (unix) comes to. Raises BodyMalformed, BodyTooLarge."""
        generation = self._classifier.generation(received_ns)
        if generation != self._generation:
            self._generation = generation
            self._remembered.clear()
        request = request_of(kind, body)
        if not self._classifier.logs:  # nobody asks about any of them
            records = sum(len(scope.log_records) for resource in request.resource_logs for scope in resource.scope_logs)
            return Tally(total=records, ignored=records)
        builder = Builder(received_ns=received_ns)
        for resource_logs in request.resource_logs:
            resource = {each.key: text(each.value) for each in resource_logs.resource.attributes}
            for scope_logs in resource_logs.scope_logs:
                for record in scope_logs.log_records:
                    self._count(record, resource, builder)
        return builder.tally()

    def values(self, fields: Fields, resource: Mapping[str, str]) -> tuple[Values, Values]:
        """What rules are asked with: resource attributes (or the fields that stand in for them), and fields."""
        asked = {key: fields.of_resource(key, resource) for key in self.resource_keys}
        return asked, {key: fields.text(key) for key in self.field_keys}

    def judge(self, resource: Values, fields: Values) -> tuple[Lasting, ...]:
        """What a record with these `values` is; nothing: ignored."""
        matched = first_of_each(self._classifier.logs, resource, fields)
        by_duration: dict[tuple[str, int], list[CompiledRule]] = {}
        for each in matched:
            by_duration.setdefault((each.rule.duration, each.rule.duration_unit_ns), []).append(each)
        return tuple(
            Lasting(judgement(self._classifier.judge_matched(rules, resource, fields, failed=False)), duration, unit_ns)
            for (duration, unit_ns), rules in by_duration.items()
        )

    def _count(self, record: LogRecord, resource: Mapping[str, str], builder: Builder) -> None:
        fields = Fields(record)
        asked, values = self.values(fields, resource)
        key = (*asked.values(), *values.values())
        found = self._remembered.get(key)
        if found is None:
            size = sum(len(value) for value in key if value)
            found = self._remembered.remember(key, self.judge(asked, values), size=size)
        if not found:
            builder.count(_IGNORED, 0, 0, None, record)
        end = record.time_unix_nano or record.observed_time_unix_nano
        for one in found:
            duration = fields.duration_ns(one.duration, one.unit_ns)
            if duration is None:
                builder.reject(NO_DURATION)
            else:
                builder.count(one.judgement, end - duration, end, None, record)


def request_of(kind: Kind, body: bytes) -> ExportLogsServiceRequest:
    """Raises BodyMalformed, BodyTooLarge."""
    return request_of_json(body) if kind.is_json else parsed(ExportLogsServiceRequest(), body)


class Fields:
    """A record's fields: its body's, if that is a map, then its attributes."""

    def __init__(self, record: LogRecord) -> None:
        self._groups = (_by_key(record.body.kvlist_value.values), _by_key(record.attributes))

    def get(self, key: str) -> AnyValue | None:
        """By its name, or by its path through maps."""
        for group in self._groups:
            found = _get(group, key)
            if found is not None:
                return found
        return None

    def text(self, key: str) -> str | None:
        """As rules are matched with; None: there is no such field."""
        found = self.get(key)
        return None if found is None else text(found)

    def of_resource(self, key: str, resource: Mapping[str, str]) -> str | None:
        """The resource's attribute of that name; where it has none, the field stands in for it."""
        return resource[key] if key in resource else self.text(key)

    def duration_ns(self, key: str, unit_ns: int) -> int | None:
        """A number, or the text of one, in this unit; None: there is none."""
        found = self.get(key)
        if found is None:
            return None
        if found.HasField("int_value"):
            return found.int_value * unit_ns
        if found.HasField("double_value"):
            number = found.double_value
        else:
            try:
                number = float(text(found))
            except ValueError:
                return None
        in_ns = number * unit_ns
        return round(in_ns) if isfinite(in_ns) else None


def _get(fields: Mapping[str, AnyValue], key: str) -> AnyValue | None:
    found = fields.get(key)
    if found is not None:
        return found
    at = key.find(".")
    while at >= 0:
        inner = fields.get(key[:at])
        if inner is not None and inner.HasField("kvlist_value"):
            found = _get(_by_key(inner.kvlist_value.values), key[at + 1 :])
            if found is not None:
                return found
        at = key.find(".", at + 1)
    return None


def _by_key(fields: Iterable[KeyValue]) -> dict[str, AnyValue]:
    return {each.key: each.value for each in fields}
