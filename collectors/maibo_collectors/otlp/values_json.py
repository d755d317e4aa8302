"""OTLP's JSON values as protobuf's messages, arrays and maps too: for signals whose bodies are few or whose values are nested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from maibo_collectors.otlp.json_values import JsonMessage, WrongValue, integer

if TYPE_CHECKING:
    from collections.abc import Iterable

INT64: Final = (-(2**63), 2**63 - 1)


class JsonAny(JsonMessage):
    """An AnyValue with all that it may hold."""

    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    array_value: JsonArray | None = None
    kvlist_value: JsonMap | None = None
    bytes_value: str | None = None


class JsonArray(JsonMessage):
    """An ArrayValue."""

    values: list[JsonAny | None] | None = None


class JsonAttribute(JsonMessage):
    """A KeyValue."""

    key: str | None = None
    value: JsonAny | None = None


class JsonMap(JsonMessage):
    """A KeyValueList; a Resource, too, as far as it is read."""

    values: list[JsonAttribute] | None = None


class JsonOrigin(JsonMessage):
    """A Resource, or an InstrumentationScope."""

    name: str | None = None
    version: str | None = None
    attributes: list[JsonAttribute] | None = None


def any_value(value: JsonAny | None) -> AnyValue:  # noqa: PLR0911 -- one for each kind of value that there is
    """Raises WrongValue."""
    if value is None:
        return AnyValue()
    if value.string_value is not None:
        return AnyValue(string_value=encodable(value.string_value))
    if value.bool_value is not None:
        return AnyValue(bool_value=value.bool_value)
    if value.int_value is not None:
        return AnyValue(int_value=integer(value.int_value, "intValue", lowest=INT64[0], highest=INT64[1]))
    if value.double_value is not None:
        return AnyValue(double_value=number(value.double_value, "doubleValue"))
    if value.kvlist_value is not None:
        return AnyValue(kvlist_value=KeyValueList(values=attributes(value.kvlist_value.values)))
    if value.array_value is not None:
        return AnyValue(array_value=ArrayValue(values=[any_value(each) for each in value.array_value.values or ()]))
    if value.bytes_value is not None:
        return AnyValue(bytes_value=value.bytes_value.encode("utf-8", "replace"))  # base64 as it is: nobody reads it
    return AnyValue()


def attributes(found: Iterable[JsonAttribute] | None) -> list[KeyValue]:
    """Raises WrongValue."""
    return [KeyValue(key=encodable(each.key or ""), value=any_value(each.value)) for each in found or ()]


def number(value: float | str | None, name: str) -> float:
    """A double, which JSON may have as a string: ``"NaN"``, ``"Infinity"``, ``"0.5"``. Raises WrongValue."""
    try:
        return float(value or 0)
    except ValueError:
        raise WrongValue(f"{name} is {encodable(str(value))[:40]!r}, and no number") from None


def encodable(text: str) -> str:
    """Without the lone surrogates that JSON can spell and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()
