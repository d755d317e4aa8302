"""KEDA's messages (externalscaler.proto), built at run time: nothing is generated, and nothing that generates is needed.

They live in a pool of their own: another library of this process may bring the same file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE: Final = "externalscaler"
SERVICE: Final = f"{PACKAGE}.ExternalScaler"
MESSAGES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "ScaledObjectRef": (("name", "string"), ("namespace", "string"), ("scalerMetadata", "map<string, string>")),
    "IsActiveResponse": (("result", "bool"),),
    "MetricSpec": (("metricName", "string"), ("targetSize", "int64"), ("targetSizeFloat", "double")),
    "GetMetricSpecResponse": (("metricSpecs", "repeated MetricSpec"),),
    "GetMetricsRequest": (("scaledObjectRef", "ScaledObjectRef"), ("metricName", "string")),
    "MetricValue": (("metricName", "string"), ("metricValue", "int64"), ("metricValueFloat", "double")),
    "GetMetricsResponse": (("metricValues", "repeated MetricValue"),),
}
"""Message -> (field, type), numbered from 1."""
_SCALARS: Final = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
}
_MAP: Final = "map<string, string>"


class NotAsked(ValueError):  # noqa: N818 -- the name says what is so
    """The bytes are no such message."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which target somebody asks about."""

    namespace: str
    target: str


def asked(data: bytes) -> Asked:
    """Of a ScaledObjectRef. Raises NotAsked."""
    return _asked(_parsed("ScaledObjectRef", data))


def asked_metrics(data: bytes) -> Asked:
    """Of a GetMetricsRequest, whose metric needs no look: there is one. Raises NotAsked."""
    return _asked(_parsed("GetMetricsRequest", data).scaledObjectRef)


def is_active(active: bool, /) -> bytes:
    """IsActiveResponse."""
    return _bytes(message("IsActiveResponse")(result=active))


def metric_spec(name: str) -> bytes:
    """GetMetricSpecResponse: one metric, of which each replica should have 1. KEDA before 2.17 reads the integer."""
    made = message("GetMetricSpecResponse")()
    made.metricSpecs.add(metricName=name, targetSize=1, targetSizeFloat=1.0)
    return _bytes(made)


def metrics(name: str, replicas: int) -> bytes:
    """GetMetricsResponse. KEDA takes the float where it is over 0, else the integer."""
    made = message("GetMetricsResponse")()
    made.metricValues.add(metricName=name, metricValue=replicas, metricValueFloat=float(replicas))
    return _bytes(made)


def message(name: str) -> Any:
    """The class of a message, which publishes no types."""
    return _CLASSES[name]


def _parsed(name: str, data: bytes) -> Any:
    try:
        return message(name).FromString(data)
    except DecodeError as error:
        raise NotAsked(f"what was sent is no {PACKAGE}.{name}") from error


def _asked(ref: Any) -> Asked:
    metadata = ref.scalerMetadata
    return Asked(
        namespace=metadata["namespace"] if metadata.get("namespace") else ref.namespace,
        target=metadata["target"] if metadata.get("target") else ref.name,
    )


def _bytes(made: Any) -> bytes:
    written: bytes = made.SerializeToString()
    return written


def _file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="externalscaler.proto", package=PACKAGE, syntax="proto3")
    for name, fields in MESSAGES.items():
        described = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields, start=1):
            one = described.field.add(name=field, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
            if kind in _SCALARS:
                one.type = _SCALARS[kind]
                continue
            one.type = FieldDescriptorProto.TYPE_MESSAGE
            if kind == _MAP:  # is a list of entries of a type of its own
                entry = described.nested_type.add(name=f"{field[0].upper()}{field[1:]}Entry")
                entry.options.map_entry = True
                for part, part_name in enumerate(("key", "value"), start=1):
                    entry.field.add(
                        name=part_name,
                        number=part,
                        label=FieldDescriptorProto.LABEL_OPTIONAL,
                        type=FieldDescriptorProto.TYPE_STRING,
                    )
                kind = f"repeated {name}.{entry.name}"  # noqa: PLW2901 -- from here on it is told like any other
            repeated, _, of = kind.rpartition(" ")
            if repeated:
                one.label = FieldDescriptorProto.LABEL_REPEATED
            one.type_name = f".{PACKAGE}.{of}"
    return file


def _classes() -> dict[str, Any]:
    pool = DescriptorPool()
    pool.Add(_file())
    return {name: GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in MESSAGES}


_CLASSES: Final = _classes()
