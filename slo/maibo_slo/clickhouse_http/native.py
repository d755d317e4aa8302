"""ClickHouse's Native format for clients that say which revision of it they speak.

A server writes, for ``client_protocol_version`` > 0, what describes a block before each one, and from 54454 on, after each column's type, whether its
serialization is a special one. The embedded engine always writes revision 0, which has neither. clickhouse-go (Grafana's driver) reads nothing else,
so they are put in here. To find where a column ends, it is passed over by its type; of a type that is not known here, there is no answer.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from maibo_slo.clickhouse_http.refusal import Refusal

WITH_BLOCK_INFO: Final = 1
WITH_CUSTOM_SERIALIZATION: Final = 54454
_BLOCK_INFO: Final = b"\x01\x00\x02\xff\xff\xff\xff\x00"
"""Fields 1 (no overflow rows) and 2 (bucket -1), and the end."""
_WIDTHS: Final = {
    "Nothing": 1,
    "Bool": 1,
    "UUID": 16,
    "IPv4": 4,
    "IPv6": 16,
    "Date": 2,
    "Date32": 4,
    "DateTime": 4,
    "DateTime64": 8,
    "Time": 4,
    "Time64": 8,
    "Enum8": 1,
    "Enum16": 2,
    "BFloat16": 2,
    "Float32": 4,
    "Float64": 8,
    **{f"{sign}Int{bits}": bits // 8 for sign in ("", "U") for bits in (8, 16, 32, 64, 128, 256)},
}
_DECIMAL_DIGITS: Final = ((9, 4), (18, 8), (38, 16), (76, 32))
_ADDITIONAL_KEYS: Final = 1 << 9
_NAMED: Final = re.compile(r"(?:`(?:[^`\\]|\\.)*`|[A-Za-z_][A-Za-z0-9_]*) (.+)", re.DOTALL)
"""An element of a Tuple with its name."""


def with_revision(blocks: bytes, revision: int) -> bytes:
    """Blocks of revision 0, as those of another. Refusal for a type that is not known."""
    if revision < WITH_BLOCK_INFO:
        return blocks
    made: list[bytes | memoryview] = []
    whole = memoryview(blocks)
    at = 0
    while at < len(blocks):
        begin = at
        made.append(_BLOCK_INFO)
        columns, at = _varint(blocks, at)
        rows, at = _varint(blocks, at)
        for _ in range(columns):
            at = _text(blocks, at)
            length, type_at = _varint(blocks, at)
            at = type_at + length
            if revision >= WITH_CUSTOM_SERIALIZATION:
                made += (whole[begin:at], b"\x00")
                begin = at
            if rows:
                type_name = blocks[type_at:at].decode()
                at = _body(blocks, _prefix(blocks, at, type_name), type_name, rows)
        made.append(whole[begin:at])
    return b"".join(made)


def _prefix(blocks: bytes, at: int, type_name: str) -> int:
    """Past what stands before a column's rows: a version, for each dictionary in it."""
    name, arguments = _taken_apart(type_name)
    if name == "LowCardinality":
        return at + 8
    for argument in _elements(name, arguments):
        at = _prefix(blocks, at, argument)
    return at


def _body(blocks: bytes, at: int, type_name: str, rows: int) -> int:  # noqa: C901, PLR0911 -- a case for each kind of type
    """Past so many rows."""
    name, arguments = _taken_apart(type_name)
    width = _width(name, arguments)
    if width is not None:
        return at + width * rows
    match name:
        case "String":
            for _ in range(rows):
                at = _text(blocks, at)
            return at
        case "Nullable":
            return _body(blocks, at + rows, arguments[0], rows)
        case "Array" | "Map" | "Nested":
            if not rows:
                return at
            at += 8 * rows
            inside = int.from_bytes(blocks[at - 8 : at], "little")
            for element in _elements(name, arguments):
                at = _body(blocks, at, element, inside)
            return at
        case "Tuple" | "SimpleAggregateFunction":
            for element in _elements(name, arguments):
                at = _body(blocks, at, element, rows)
            return at
        case "LowCardinality":
            return _dictionary(blocks, at, arguments[0], rows)
        case _:
            raise Refusal(
                48,
                f"Columns of type {type_name} are not answered in Native for this driver; cast them, or ask for another format",
            )


def _dictionary(blocks: bytes, at: int, type_name: str, rows: int) -> int:
    if not rows:
        return at
    flags = int.from_bytes(blocks[at : at + 8], "little")
    at += 8
    if flags & _ADDITIONAL_KEYS:
        keys = int.from_bytes(blocks[at : at + 8], "little")
        name, arguments = _taken_apart(type_name)
        at = _body(blocks, at + 8, arguments[0] if name == "Nullable" else type_name, keys)
    indexes = int.from_bytes(blocks[at : at + 8], "little")
    return at + 8 + (indexes << (flags & 0xFF))


def _elements(name: str, arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Types whose columns a column consists of, after its own offsets or flags."""
    match name:
        case "Array" | "Nullable" | "Map":
            return arguments
        case "Tuple" | "Nested":
            return tuple(found[1] if (found := _NAMED.fullmatch(each)) else each for each in arguments)
        case "SimpleAggregateFunction":
            return arguments[1:]
        case _:
            return ()


def _width(name: str, arguments: tuple[str, ...]) -> int | None:
    if name == "FixedString":
        return int(arguments[0])
    if name == "Decimal":
        return next(width for digits, width in _DECIMAL_DIGITS if int(arguments[0]) <= digits)
    return 8 if name.startswith("Interval") else _WIDTHS.get(name)


@cache
def _taken_apart(type_name: str) -> tuple[str, tuple[str, ...]]:
    """``Map(String, Array(UInt8))``: its name and its arguments."""
    name, bracket, inside = type_name.partition("(")
    if not bracket or name.startswith("Enum"):
        return name, ()
    arguments: list[str] = []
    depth, begin = 0, 0
    quote, escaped = "", False
    for place, sign in enumerate(inside[:-1]):
        if quote:
            quote, escaped = ("" if sign == quote and not escaped else quote), sign == "\\" and not escaped
        elif sign in "`'":
            quote = sign
        elif sign == "," and not depth:
            arguments.append(inside[begin:place].strip())
            begin = place + 1
        else:
            depth += (sign == "(") - (sign == ")")
    arguments.append(inside[begin:-1].strip())
    return name, tuple(arguments)


def _text(blocks: bytes, at: int) -> int:
    """Past a length and as many bytes."""
    length = blocks[at]
    if length < 0x80:
        return at + 1 + length
    length, at = _varint(blocks, at)
    return at + length


def _varint(blocks: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = blocks[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
