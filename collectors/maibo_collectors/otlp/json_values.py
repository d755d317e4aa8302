"""What OTLP's JSON bodies of every signal share: values, attributes, ids and 64-bit integers.

OTLP's JSON is protobuf's with differences: ids are hex and not base64, enums are integers only, names lowerCamelCase only. 64-bit
integers come as strings or as numbers; what is not known is ignored, and null is what was left out. Source: opentelemetry-proto,
docs/specification.md, "JSON Protobuf Encoding".
"""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from maibo_collectors.otlp.attributes import clean, text_of_bool
from maibo_collectors.otlp.body import BodyMalformed, BodyTooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MESSAGE = TypeVar("_MESSAGE")
_INTEGER: Final = re.compile(r"-?[0-9]{1,20}")
_INFINITE: Final = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}
"""How protobuf's JSON writes what JSON has no numbers for, and how Python does."""


class WrongValue(ValueError):  # noqa: N818 -- the name says what is so
    """A value that JSON's own types do not rule out, and OTLP does."""


class JsonMessage(msgspec.Struct, rename="camel", gc=False):
    """A message; None is what is left out, or null."""


class JsonValue(JsonMessage):
    """An AnyValue. Arrays, maps and bytes have no text, and are skipped."""

    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None


class JsonKeyValue(JsonMessage):
    """One attribute."""

    key: str | None = None
    value: JsonValue | None = None


class JsonResource(JsonMessage):
    """What sent it."""

    attributes: list[JsonKeyValue] | None = None


def parse(decoder: msgspec.json.Decoder[_MESSAGE], body: bytes, name: str) -> _MESSAGE:
    """Raises BodyMalformed, which tells the path of what is wrong; BodyTooLarge. `name` is the message's, as its reader knows it."""
    try:
        return decoder.decode(body)
    except MemoryError as error:
        raise BodyTooLarge("the body unfolds to too many messages; send smaller batches") from error
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
        return str(integer(value.int_value, "intValue", lowest=-(2**63), highest=2**63 - 1))
    if value.double_value is not None:
        return repr(_double(value.double_value))
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


def integer(value: int | str | None, name: str, *, lowest: int = 0, highest: int = 2**64 - 1) -> int:
    """A 64-bit integer; what is left out is 0. Raises WrongValue."""
    if isinstance(value, str):
        if not _INTEGER.fullmatch(value):
            raise WrongValue(f"{name} is {clean(value)!r}, and no integer")
        value = int(value)
    number = value or 0
    if not lowest <= number <= highest:
        raise WrongValue(f"{name} is {clean(str(number)[:40])}, and not within {lowest} and {highest}")
    return number


def identity(value: str | None, name: str) -> bytes:
    """The bytes of an id in hex, of any length. Raises WrongValue."""
    try:
        return binascii.unhexlify(value or "")
    except ValueError:
        raise WrongValue(f"{name} is {clean(value or '')!r}, and not hex") from None


def _double(value: float | str) -> float:
    if isinstance(value, str):
        try:
            return float(_INFINITE.get(value, value))
        except ValueError:
            raise WrongValue(f"doubleValue is {clean(value)!r}, and no number") from None
    return value
