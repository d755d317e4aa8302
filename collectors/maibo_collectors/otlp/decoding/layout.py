"""What in a span's bytes decides how it counts: so that a span like an earlier one is judged without being parsed.

Spans that one line of code makes differ in ids, times and values that nobody asks for, and seldom in anything else. A `Layout` cuts
these out; what is left are a span's *fixed* bytes, all tags and lengths among them. So if the fixed bytes of two spans of one layout
are equal, protobuf reads both alike but for what was cut out, and the judgement of the one is that of the other. Nothing is
guessed: a span that has no layout, or whose fixed bytes are new under it, is parsed.

The price: a text of another length nearby is another layout. What hardly ever repeats is therefore better parsed at once; who
decodes keeps an eye on that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import TYPE_CHECKING, Final

from maibo import semconv

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from maibo_collectors.otlp.decoding.classify import Judgement

_START_TIME: Final = semconv.JOURNEY_START_TIME.encode()

# Fields of a span and wire types that are told apart here, as opentelemetry/proto/trace/v1/trace.proto and protobuf number them.
_TRACE_ID, _SPAN_ID, _TRACE_STATE, _NAME, _START, _END, _ATTRIBUTE, _STATUS = 1, 2, 3, 5, 7, 8, 9, 15
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_IDS: Final = slice(2, 18), slice(20, 28)
"""Where a span has its ids, if it has a layout: they come first."""
_TIMES: Final = Struct("<QcQ")
"""Its times: start, tag, end."""
_TO_END: Final = 9
"""From its start to its end."""

times_at: Final = _TIMES.unpack_from
"""``start, _, end = times_at(span, layout.times)``, in unix ns."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Of spans of one length."""

    cut_out: tuple[slice, ...]
    """Where there are: both ids, both times, ``journey.start_time``, and what nobody asks for."""
    times: int
    start_time: slice | None
    """Of the last ``journey.start_time``: its value, an AnyValue."""
    fixed: Callable[[bytes], tuple[bytes, ...]] = field(compare=False)
    """Of a span of this length."""
    judgements: dict[tuple[bytes, ...], Judgement] = field(default_factory=dict, compare=False)
    """Of spans of one resource, by their fixed bytes."""


class Ids:
    """The ids of a span that has a layout."""

    __slots__ = ("span",)
    span: bytes

    @property
    def trace_id(self) -> bytes:
        return self.span[_IDS[0]]

    @property
    def span_id(self) -> bytes:
        return self.span[_IDS[1]]


def layout_of(  # noqa: C901 -- one branch for each kind of field
    span: bytes, *, asked: Container[bytes]
) -> Layout | None:
    """The layout of a span that protobuf accepts. `asked`: the keys of attributes that matter.

    None if it is written as hardly any encoder does: its ids not first and whole, its times not side by side, either of them twice,
    with groups, or with attributes that are not a key and then a value.
    """
    if span[:2] != b"\x0a\x10" or span[18:20] != b"\x12\x08":
        return None
    cut_out, times, start_time = [*_IDS], [], None
    for number, wire, content in _fields(span, begin=_IDS[-1].stop):
        if wire == _FIXED64 and number in {_START, _END}:
            times.append((number, content.start))
            cut_out.append(content)
        elif wire == _BYTES and number == _ATTRIBUTE:
            key, value = _attribute(span, content)
            if value is None:
                return None
            if key not in asked or key == _START_TIME:
                cut_out.append(value)
            if key == _START_TIME:
                start_time = value
        elif wire == _BYTES and number not in {_TRACE_ID, _SPAN_ID}:
            if number not in {_TRACE_STATE, _NAME, _STATUS}:
                cut_out.append(content)
        elif wire not in {_VARINT, _FIXED64, _FIXED32}:
            return None
    start = times[0][1] if times else 0
    if times != [(_START, start), (_END, start + _TO_END)]:
        return None
    return Layout(tuple(cut_out), start, start_time, _cutter(len(span), cut_out))


def _fields(span: bytes, *, begin: int) -> Iterator[tuple[int, int, slice]]:
    """Number, wire type and content of each field, up to the first group; of bytes without their length."""
    at = begin
    while at < len(span):
        tag, begin = _varint(span, at)
        if tag & 7 == _VARINT:
            _, at = _varint(span, begin)
        elif tag & 7 == _BYTES:
            size, begin = _varint(span, begin)
            at = begin + size
        elif tag & 7 in {_FIXED64, _FIXED32}:
            at = begin + (8 if tag & 7 == _FIXED64 else 4)
        else:
            at = len(span)
        yield tag >> 3, tag & 7, slice(begin, at)


def _attribute(span: bytes, content: slice) -> tuple[bytes, slice | None]:
    """The key and the value of an attribute that is a short key, then a value, and nothing more."""
    begin = content.start
    try:
        key = slice(begin + 2, begin + 2 + span[begin + 1])
        size, value = _varint(span, key.stop + 1)
        if span[begin] == 0x0A and span[begin + 1] < 128 and span[key.stop] == 0x12 and value + size == content.stop:
            return span[key], slice(value, content.stop)
    except IndexError:
        pass
    return b"", None


def _cutter(size: int, cut_out: list[slice]) -> Callable[[bytes], tuple[bytes, ...]]:
    pieces, at = [], 0
    for each in cut_out:
        pieces.append(f"{each.start - at}s{each.stop - each.start}x")
        at = each.stop
    return Struct(f"<{''.join(pieces)}{size - at}s").unpack


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """A varint, and where it ends."""
    value = shift = 0
    while raw[at] > 127:
        value |= (raw[at] & 127) << shift
        at, shift = at + 1, shift + 7
    return value | raw[at] << shift, at + 1
