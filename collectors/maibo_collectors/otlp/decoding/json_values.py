"""What OTLP's JSON bodies of every signal share: values, attributes, ids and 64-bit integers.

Values are read in two ways. Of spans, which are many, only texts (`text`, `texts`); of data points and log records, whose values may be
nested and are named by what they are, protobuf's own messages (`any_value`, `attributes`).

OTLP's JSON is protobuf's with differences: ids are hex and not base64, enums are integers only, names lowerCamelCase only. 64-bit
integers come as strings or as numbers; what is not known is ignored, and null is what was left out. Source: opentelemetry-proto,
docs/specification.md, "JSON Protobuf Encoding".
"""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from maibo_collectors.otlp.body import UNFOLDS, BodyMalformed, BodyTooLarge
from maibo_collectors.otlp.decoding.attributes import clean, text_of_bool

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MESSAGE = TypeVar("_MESSAGE")
_INTEGER: Final = re.compile(r"-?[0-9]{1,20}")


class WrongValue(ValueError):  # noqa: N818 -- the name says what is so
    """A value that JSON's own types do not rule out, and OTLP does."""


class JsonMessage(msgspec.Struct, rename="camel", gc=False):
    """A message; None is what is left out, or null."""


class JsonValue(JsonMessage):
    """An AnyValue that is wanted as a text. Arrays, maps and bytes have none, and are skipped."""

    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None


class JsonKeyValue(JsonMessage):
    """A KeyValue whose value is wanted as a text."""

    key: str | None = None
    value: JsonValue | None = None


class JsonResource(JsonMessage):
    """A Resource whose attributes are wanted as texts."""

    attributes: list[JsonKeyValue] | None = None


class JsonAny(JsonValue):
    """An AnyValue with all that it may hold."""

    array_value: JsonArray | None = None
    kvlist_value: JsonMap | None = None
    bytes_value: str | None = None


class JsonArray(JsonMessage):
    """An ArrayValue."""

    values: list[JsonAny | None] | None = None


class JsonAttribute(JsonMessage):
    """A KeyValue with all that its value may hold."""

    key: str | None = None
    value: JsonAny | None = None


class JsonMap(JsonMessage):
    """A KeyValueList."""

    values: list[JsonAttribute] | None = None


class JsonOrigin(JsonMessage):
    """A Resource, or an InstrumentationScope, with all that their attributes may hold."""

    name: str | None = None
    version: str | None = None
    attributes: list[JsonAttribute] | None = None


def parse(decoder: msgspec.json.Decoder[_MESSAGE], body: bytes, name: str) -> _MESSAGE:
    """Raises BodyMalformed, which tells the path of what is wrong; BodyTooLarge. `name` is the message's, as its reader knows it."""
    try:
        return decoder.decode(body)
    except MemoryError as error:
        raise BodyTooLarge(UNFOLDS) from error
    except RecursionError as error:
        raise BodyMalformed(f"not {name}: nested too deeply") from error
    except ValueError as error:
        raise BodyMalformed(f"not {name}: {error}") from error


def text(value: JsonValue | None) -> str:
    """As `attributes.text` of the same value in protobuf. Raises WrongValue."""
    if value is None:
        return ""
    if value.string_value is not None:
        return clean(value.string_value)
    if value.bool_value is not None:
        return text_of_bool(value.bool_value)
    if value.int_value is not None:
        return str(int_value(value.int_value))
    if value.double_value is not None:
        return repr(number(value.double_value, "doubleValue"))
    return ""


def texts(attributes: Iterable[JsonKeyValue] | None, slots: Mapping[str, int]) -> tuple[str | None, ...]:
    """The text for each slot, None where there is no such attribute; of a key given twice the last one counts. Raises WrongValue."""
    values: list[str | None] = [None] * len(slots)
    for each in attributes or ():
        slot = slots.get(each.key or "")
        if slot is not None:
            values[slot] = text(each.value)
        elif each.value is not None and each.value.string_value is None:
            text(each.value)  # nobody asks for it, and it may be wrong all the same
    return tuple(values)


def any_value(value: JsonAny | None) -> AnyValue:  # noqa: PLR0911 -- one for each kind of value that there is
    """Raises WrongValue."""
    if value is None:
        return AnyValue()
    if value.string_value is not None:
        return AnyValue(string_value=encodable(value.string_value))
    if value.bool_value is not None:
        return AnyValue(bool_value=value.bool_value)
    if value.int_value is not None:
        return AnyValue(int_value=int_value(value.int_value))
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


def integer(value: int | str | None, name: str, *, lowest: int = 0, highest: int = 2**64 - 1) -> int:
    """A 64-bit integer; what is left out is 0. Raises WrongValue."""
    if isinstance(value, str):
        if not _INTEGER.fullmatch(value):
            raise WrongValue(f"{name} is {clean(value)!r}, and no integer")
        value = int(value)
    value = value or 0
    if not lowest <= value <= highest:
        raise WrongValue(f"{name} is {clean(str(value)[:40])}, and not within {lowest} and {highest}")
    return value


def int_value(value: int | str) -> int:
    """An AnyValue's. Raises WrongValue."""
    return integer(value, "intValue", lowest=-(2**63), highest=2**63 - 1)


def number(value: float | str | None, name: str) -> float:
    """A double, which JSON may have as a string: ``"NaN"``, ``"Infinity"``, ``"0.5"``; what is left out is 0. Raises WrongValue."""
    try:
        return 0.0 if value is None else float(value)
    except ValueError:
        raise WrongValue(f"{name} is {clean(str(value))!r}, and no number") from None


def identity(value: str | None, name: str) -> bytes:
    """The bytes of an id in hex, of any length. Raises WrongValue."""
    try:
        return binascii.unhexlify(value or "")
    except ValueError:
        raise WrongValue(f"{name} is {clean(value or '')!r}, and not hex") from None


def encodable(text: str) -> str:
    """Without the lone surrogates that JSON can spell and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()
