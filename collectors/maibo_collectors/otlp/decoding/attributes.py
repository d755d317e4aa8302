"""Attributes' values as texts: what dimensions hold, and what rules are matched with."""

from __future__ import annotations

import re
from typing import Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

VALUE_LIMIT: Final = 200
"""Characters of a text; longer ones are cut."""

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """Short and printable: neither a store nor a page nor a terminal can be hurt by it."""
    if len(text) <= VALUE_LIMIT and text.isprintable():  # nothing to replace, told in a fifth of the time
        return text.strip()
    text = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text[: VALUE_LIMIT + 1]).strip()
    return text if len(text) <= VALUE_LIMIT else text[: VALUE_LIMIT - 1] + "…"


def text(value: AnyValue) -> str:
    """A value as a text; '' for what has none (arrays, maps, bytes, nothing)."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return clean(value.string_value)
    if kind == "bool_value":
        return text_of_bool(value.bool_value)
    if kind == "int_value":
        return str(value.int_value)
    if kind == "double_value":
        return repr(value.double_value)
    return ""


def text_of_bool(value: bool) -> str:
    return "true" if value else "false"


def text_of_bytes(raw: bytes) -> str:
    """The text of a serialized AnyValue; of one that came in several pieces, of all of them in order (they merge)."""
    value = AnyValue()
    value.ParseFromString(raw)
    return text(value)
