"""YAML and JSON text into values that remember where they were written.

PyYAML makes events of the text (with libyaml, which its wheels bring: ten times faster than its own parser, and so bounded in
time); the values are ours, because PyYAML's are YAML 1.1: there ``on`` is true, ``12:30:00`` is 45000, ``2022-01-01`` is a date, ``010``
is 8 and ``1e-3`` is text. Here the YAML 1.2 core schema holds, and a number keeps its decimal digits.

Guarantees for whatever bytes come in: bounded time and memory (size, depth and number of values, aliases counted as if written
out), no recursion, and nothing is raised: what is wrong goes to the report, and the other documents of the same file are still read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Protocol

import yaml

from maibo_slo.documents.problems import Position, Report

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_BYTES: Final = 5_000_000
MAX_DEPTH: Final = 50
MAX_VALUES: Final = 100_000


_DOCUMENT_START: Final = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_NOT_PRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATE_PAIR: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)

_NULL: Final = re.compile(r"~|null|Null|NULL|")
_BOOL: Final = re.compile(r"(true|True|TRUE)|false|False|FALSE")
_BASE_8_OR_16: Final = re.compile(r"0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}")
_DECIMAL: Final = re.compile(
    r"[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,4})?"
)  # no more is a number
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

_STANDARD_TAG: Final = "tag:yaml.org,2002:"
_MENDS: Final = {
    "mapping values are not allowed": "quote text that contains ': ', and indent fields of one mapping alike",
    "did not find expected key": "indent fields of one mapping alike",
    "did not find expected '-' indicator": "indent the items of one list alike",
    "found unexpected end of stream": "close the quote or bracket",
    "cannot start any token": "quote text that begins with @, ` or %",
}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value: text, number, true or false, or nothing."""

    at: Position
    text: str
    """As written, without quotes."""
    value: str | Decimal | bool | None


@dataclass(frozen=True, slots=True)
class List:
    """Values in order."""

    at: Position
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Map:
    """Values by key; `keys` tells where each key stands."""

    at: Position
    values: Mapping[str, Node]
    keys: Mapping[str, Position]


Node = Scalar | List | Map


def parse(data: bytes, *, file: str, report: Report) -> list[Node]:
    """Every document of the file that can be read, in order; what cannot goes to the report."""
    text = _decoded(data, file, report)
    if text is None:
        return []
    nodes: list[Node] = []
    room = _Room(MAX_VALUES)
    for chunk, line in _chunks(text):
        try:
            room.take(1, Position(file, line + 1, 1))
            nodes += _Composer(file, line, room, report).documents(chunk)
        except _Refused as refused:
            report.error(refused.at, "", refused.message, refused.mend)
            if room.left < 0:
                break
    return nodes


def scalar(text: str, *, plain: bool) -> str | Decimal | bool | None:
    """The value of a scalar in the YAML 1.2 core schema; only plain (not quoted) ones are other than text."""
    if not plain:
        return text
    if _NULL.fullmatch(text):
        return None
    if found := _BOOL.fullmatch(text):
        return found[1] is not None
    if _BASE_8_OR_16.fullmatch(text):
        return Decimal(int(text, 0))
    if _DECIMAL.fullmatch(text) or _NOT_FINITE.fullmatch(text):
        return Decimal(re.sub(r"\.(?=inf|nan)", "", text.lower()))
    return text


def _decoded(data: bytes, file: str, report: Report) -> str | None:
    start = Position(file, 1, 1)
    if len(data) > MAX_BYTES:
        report.error(start, "", f"the file is larger than {MAX_BYTES:,} bytes", "split it into several files")
        return None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        report.error(start, "", "the file is UTF-16", "save it as UTF-8")
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        report.error(
            Position(file, line, 1), "", f"the file is not UTF-8 (byte 0x{data[error.start]:02x})", "save it as UTF-8"
        )
        return None
    if found := _NOT_PRINTABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - text.rfind("\n", 0, found.start())
        report.error(
            Position(file, line, column), "", f"character U+{ord(found[0]):04X} is not allowed in YAML", "remove it"
        )
        return None
    if text.lstrip().startswith(("{", "[")):  # JSON writes characters beyond U+FFFF as two escapes, YAML as one
        return _SURROGATE_PAIR.sub(_one_escape, text)
    return text


def _one_escape(pair: re.Match[str]) -> str:
    high, low = int(pair[2], 16), int(pair[3], 16)
    return f"{pair[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


def _chunks(text: str) -> Iterator[tuple[str, int]]:
    """The text cut at each ``---`` line, and the lines before it: a syntax error in one document leaves the others readable.

    A ``---`` in the first column is a document's start wherever it stands, even in the middle of a quoted text.
    """
    starts = [found.start() for found in _DOCUMENT_START.finditer(text)]
    if not starts or not _only_directives(text[: starts[0]]):
        starts.insert(0, 0)
    else:
        starts[0] = 0
    line = 0
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        chunk = text[start:end]
        yield chunk, line
        line += chunk.count("\n")


def _only_directives(text: str) -> bool:
    return all(not line.strip() or line.startswith(("%", "#")) for line in text.splitlines())


@dataclass
class _Room:
    """How many more values this file may hold."""

    left: int

    def take(self, values: int, at: Position) -> None:
        self.left -= values
        if self.left < 0:
            message = f"more than {MAX_VALUES:,} values in one file (an alias counts as what it stands for)"
            raise _Refused(at, message, "split it into several files")


class _Refused(Exception):  # noqa: N818 -- never leaves this module
    def __init__(self, at: Position, message: str, mend: str = "") -> None:
        self.at, self.message, self.mend = at, message, mend
        super().__init__(message)


@dataclass
class _Open:
    """A list or mapping whose end has not been seen."""

    at: Position
    anchor: str | None
    is_map: bool
    size: int = 1
    items: list[Node] = field(default_factory=list)
    values: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Position] = field(default_factory=dict)
    key: tuple[str, Position] | None = None

    def closed(self) -> Node:
        return Map(self.at, self.values, self.keys) if self.is_map else List(self.at, tuple(self.items))


class _Mark(Protocol):
    """A place as PyYAML tells it, counted from 0; libyaml's marks are of another class than PyYAML's own."""

    line: int
    column: int


class _Composer:
    """Events of one document into nodes, with a stack of its own: depth costs no recursion."""

    def __init__(self, file: str, line_offset: int, room: _Room, report: Report) -> None:
        self._file, self._line_offset, self._room, self._report = file, line_offset, room, report
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._roots: list[Node] = []

    def documents(self, text: str) -> list[Node]:
        try:
            for event in yaml.parse(text, Loader=yaml.CSafeLoader):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            self._refuse_syntax(error, text)
        except (yaml.YAMLError, ValueError) as error:  # ValueError: an escape that is no character
            raise _Refused(Position(self._file, self._line_offset + 1, 1), f"not valid YAML: {error}") from error
        return self._roots

    def _at(self, mark: _Mark | None) -> Position:
        if mark is None:
            return Position(self._file, self._line_offset + 1, 1)
        return Position(self._file, self._line_offset + mark.line + 1, mark.column + 1)

    def _refuse_syntax(self, error: yaml.MarkedYAMLError, text: str) -> None:
        mark = error.problem_mark or error.context_mark
        lines = text.split("\n")
        line = lines[mark.line] if mark and mark.line < len(lines) else ""
        if mark and "cannot start any token" in (error.problem or "") and line[mark.column : mark.column + 1] == "\t":
            raise _Refused(self._at(mark), "a tab cannot indent YAML", "indent with spaces") from error
        problem = error.problem or "not understood"
        mend = next((mend for sign, mend in _MENDS.items() if sign in problem), "")
        raise _Refused(self._at(mark), f"not valid YAML: {problem}", mend) from error

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            closed = self._stack.pop()
            self._place(closed.closed(), closed.size, closed.anchor)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._anchors.clear()

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        at = self._at(event.start_mark)
        self._check_tag(event.tag, at, allowed=("str",))
        plain = not event.style and event.tag is None
        self._room.take(1, at)
        self._place(Scalar(at, event.value, scalar(event.value, plain=plain)), 1, event.anchor, plain=plain)

    def _alias(self, event: yaml.AliasEvent) -> None:
        at = self._at(event.start_mark)
        if event.anchor not in self._anchors:
            raise _Refused(
                at,
                f"alias *{event.anchor} has no anchor before it",
                f"write &{event.anchor} where the value stands first",
            )
        node, size = self._anchors[event.anchor]
        self._room.take(size, at)
        self._place(node, size, None)

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        at = self._at(event.start_mark)
        if len(self._stack) >= MAX_DEPTH:
            raise _Refused(at, f"nested deeper than {MAX_DEPTH} levels")
        self._check_tag(event.tag, at, allowed=("map", "seq"))
        self._room.take(1, at)
        self._stack.append(_Open(at, event.anchor, is_map=isinstance(event, yaml.MappingStartEvent)))

    def _check_tag(self, tag: str | None, at: Position, *, allowed: tuple[str, ...]) -> None:
        if tag not in (None, "!", *(_STANDARD_TAG + name for name in allowed)):
            self._report.error(at, "", f"tag {tag!r} is not allowed", "remove it; quote what is meant as text")

    def _place(self, node: Node, size: int, anchor: str | None, *, plain: bool = False) -> None:
        if anchor is not None:
            self._anchors[anchor] = (node, size)
        if not self._stack:
            self._roots.append(node)
            return
        parent = self._stack[-1]
        parent.size += size
        if not parent.is_map:
            parent.items.append(node)
        elif parent.key is None:
            parent.key = self._key(node, plain=plain)
        else:
            self._put(parent, *parent.key, node)
            parent.key = None

    def _key(self, node: Node, *, plain: bool) -> tuple[str, Position]:
        if not isinstance(node, Scalar):
            raise _Refused(node.at, "a key must be text, not a list or mapping")
        if plain and node.text == "<<":
            raise _Refused(node.at, "merge keys (<<) are not part of YAML 1.2", "write the fields out")
        return node.text, node.at

    def _put(self, parent: _Open, key: str, at: Position, node: Node) -> None:
        if key in parent.keys:
            message = f"key {key!r} is written twice in this mapping, first at line {parent.keys[key].line}"
            self._report.error(at, "", message, "keep one of them")
            return
        parent.keys[key] = at
        parent.values[key] = node
