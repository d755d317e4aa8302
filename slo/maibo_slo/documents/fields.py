"""A mapping while it is read: fields are taken by name, each problem is reported where it stands, and reading goes on.

A field that is wrong is reported and gives its default; whoever reads a document throws the result away if anything was reported.
So readers are straight lines without ``None`` in between, and all problems of a document are told at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from itertools import islice
from typing import Final

from maibo_slo.documents.problems import Position, Report
from maibo_slo.documents.yaml import List, Map, Node, Scalar

_WORD: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
_DNS_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")

Rule = Callable[[str], tuple[str, str] | None]
"""A rule for text: what is wrong and the mend, or None."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text, where it stands and its path."""

    value: str
    at: Position
    path: str


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one mapping at `path`."""

    node: Map
    path: str
    report: Report
    _taken: dict[str, None] = field(default_factory=dict)

    @property
    def at(self) -> Position:
        return self.node.at

    def has(self, name: str) -> bool:
        """Whether the field is there and not null; asking makes the field a known one."""
        return self._take(name) is not None

    def given(self, *names: str) -> list[str]:
        """Those of the fields that are there; asking makes all of them known ones."""
        return [name for name in names if self.has(name)]

    def text(self, name: str, *, default: str | None = None, rule: Rule | None = None, mend: str = "") -> str:
        """A text; required when there is no default. The mend is for an absent field and for one that is no text."""
        node = self._take(name)
        if node is None:
            return self._absent(name, default, mend)
        return text_of(node, self.path_of(name), self.report, rule=rule, mend=mend) or ""

    def node_of(self, name: str) -> Node | None:
        """The field's value as it is; None when absent or null."""
        return self._take(name)

    def texts(self, name: str) -> list[Text]:
        """One text or a list of texts; empty when absent."""
        node = self._take(name)
        if node is None:
            return []
        items = self._numbered(name, node) if isinstance(node, List) else [(self.path_of(name), node)]
        if not items:
            self.report.error(
                node.at, self.path_of(name), "must not be an empty list", "name at least one value, or remove the field"
            )
        texts = [(text_of(item, path, self.report), item, path) for path, item in items]
        return [Text(text, item.at, path) for text, item, path in texts if text is not None]

    def choice(self, name: str, allowed: Collection[str], *, mend: str = "") -> str:
        """One of the allowed texts; required."""

        def rule(text: str) -> tuple[str, str] | None:
            return None if text in allowed else (f"{text!r} is not one of {', '.join(allowed)}", meant(text, allowed))

        return self.text(name, rule=rule, mend=mend)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean, in any of YAML 1.2's spellings."""
        node = self._take(name)
        if node is None:
            return default
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        mend = "YAML 1.2 has no yes, no, on and off; write true or false without quotes"
        self.report.error(node.at, self.path_of(name), f"must be true or false, not {_what(node)}", mend)
        return default

    def number(self, name: str) -> Decimal | None:
        """A finite number, with the digits as written; None when absent or wrong."""
        node = self._take(name)
        if node is None:
            return None
        if isinstance(node, Scalar) and isinstance(node.value, Decimal) and node.value.is_finite():
            return node.value
        self.report.error(node.at, self.path_of(name), f"must be a finite number, not {_what(node)}")
        return None

    def mapping(self, name: str, *, required: bool = True, mend: str = "") -> Fields:
        """The mapping in this field; an empty one when it is absent or wrong."""
        node = self._take(name)
        if node is None:
            if required:
                self._absent(name, None, mend)
        elif isinstance(node, Map):
            return Fields(node, self.path_of(name), self.report)
        else:
            self.report.error(node.at, self.path_of(name), f"must be a mapping, not {_what(node)}")
        return Fields(
            Map(self.at, {}, {}), self.path_of(name), Report()
        )  # its own "is required" would say the same again

    def mappings(self, name: str, *, mend: str = "") -> list[Fields]:
        """A list of at least one mapping."""
        node = self._take(name)
        if node is None:
            self._absent(name, None, mend)
            return []
        if not isinstance(node, List):
            self.report.error(
                node.at, self.path_of(name), f"must be a list, not {_what(node)}", "begin the item with '- '"
            )
            return []
        if not node.items:
            self.report.error(node.at, self.path_of(name), "must have at least one item", mend)
        found = []
        for path, item in self._numbered(name, node):
            if isinstance(item, Map):
                found.append(Fields(item, path, self.report))
            else:
                self.report.error(item.at, path, f"must be a mapping, not {_what(item)}")
        return found

    def pairs(self, name: str) -> list[tuple[str, Position, str, Node]]:
        """Free keys: (key, where the key stands, path, value); empty when absent."""
        inner = self.mapping(name, required=False)
        return [(key, inner.node.keys[key], inner.path_of(key), node) for key, node in inner.node.values.items()]

    def error(self, name: str, message: str, mend: str = "") -> None:
        """Report this field; where it is absent, its mapping."""
        self.report.error(self.position(name), self.path_of(name), message, mend)

    def warning(self, name: str, message: str, mend: str = "") -> None:
        self.report.warning(self.position(name), self.path_of(name), message, mend)

    def deviation(self, name: str, message: str, mend: str = "") -> None:
        self.report.deviation(self.position(name), self.path_of(name), message, mend)

    def unjudged(self, name: str, what: str, mend: str = "") -> None:
        self.report.unjudged(self.position(name), self.path_of(name), what, mend)

    def close(self) -> None:
        """Report every field that nobody asked for."""
        for name in self.node.values:
            if name not in self._taken:
                mend = meant(name, self._taken) or f"known here: {', '.join(self._taken)}"
                self.report.error(self.node.keys[name], self.path_of(name), "unknown field", mend)

    def position(self, name: str) -> Position:
        """Where the field's value stands; its mapping's place when absent."""
        node = self.node.values.get(name)
        return self.at if node is None else node.at

    def path_of(self, name: str) -> str:
        """``spec.service``; a key that is no word stands in brackets: ``metadata.labels['a.b']``."""
        if not _WORD.fullmatch(name):
            return f"{self.path}[{name[:80]!r}]"
        return f"{self.path}.{name}" if self.path else name

    def _take(self, name: str) -> Node | None:
        self._taken[name] = None
        node = self.node.values.get(name)
        return None if isinstance(node, Scalar) and node.value is None else node

    def _absent(self, name: str, default: str | None, mend: str = "") -> str:
        if default is None:
            self.report.error(self.at, self.path_of(name), "is required", mend)
        return default or ""

    def _numbered(self, name: str, node: List) -> list[tuple[str, Node]]:
        return [(f"{self.path_of(name)}[{index}]", item) for index, item in enumerate(node.items)]


def text_of(node: Node, path: str, report: Report, *, rule: Rule | None = None, mend: str = "") -> str | None:
    """The text of a node; None when it is none, which is reported. A number is no text: ``1.10`` would lose its zero elsewhere."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        if not mend and isinstance(node, Scalar) and node.text:
            mend = f'write "{node.text}" in quotes'
        report.error(node.at, path, f"must be text, not {_what(node)}", mend)
        return None
    if rule is not None and (wrong := rule(node.value)):
        report.error(node.at, path, *wrong)
    return node.value


def at_most(length: int) -> Rule:
    """At most so many characters."""

    def rule(text: str) -> tuple[str, str] | None:
        return (
            (f"has {len(text)} characters, at most {length} are allowed", "shorten it") if len(text) > length else None
        )

    return rule


def dns_label(text: str) -> tuple[str, str] | None:
    """An RFC 1123 label, as Kubernetes and OpenSLO ask of names."""
    if len(text) <= 63 and _DNS_LABEL.fullmatch(text):
        return None
    shown = text if len(text) <= 63 else f"{text[:20]}…"
    mend = "use at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
    return f"{shown!r} is not a name", mend


def meant(word: str, known: Collection[str]) -> str:
    """``did you mean 'timeWindow'?``, or nothing when no known word is near."""
    folded = {name.lower(): name for name in islice(known, 1000)}  # comparing costs microseconds a word
    near = get_close_matches(word[:80].lower(), folded, n=1)
    return f"did you mean {folded[near[0]]!r}?" if near else ""


def _what(node: Node) -> str:
    if isinstance(node, List):
        return "a list"
    if isinstance(node, Map):
        return "a mapping"
    if node.value is None:
        return "nothing"
    if isinstance(node.value, bool):
        return "true or false"
    if isinstance(node.value, str):
        return "text"
    return "a number" if node.value.is_finite() else "infinity or NaN"
