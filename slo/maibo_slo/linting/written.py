"""A document as it was written: the catalogue's values say what it means, this says where each of its fields stands.

The catalogue keeps a document's file and line alone, so the file is parsed once more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from maibo_slo.documents.problems import Position, Report
from maibo_slo.documents.yaml import List, Map, Node, Scalar, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maibo_slo.documents import Origin

IGNORE: Final = "maibo.dev/lint-ignore"


@dataclass(frozen=True, slots=True)
class Written:
    """One document's nodes."""

    document: Map

    def node(self, *path: str | int) -> Node | None:
        """The value at a path such as ``("spec", "objectives", 0, "target")``; None where there is none."""
        found, left = self._descend(path)
        return None if left else found

    def position(self, *path: str | int) -> Position:
        """Where that value stands; where there is none, the deepest of its parents."""
        return self._descend(path)[0].at

    def text(self, *path: str | int) -> str:
        """The value as written, without quotes; empty where there is none."""
        node = self.node(*path)
        return node.text if isinstance(node, Scalar) else ""

    def annotation(self, key: str) -> str:
        return self.text("metadata", "annotations", key)

    @property
    def name(self) -> str:
        return self.text("metadata", "name")

    @property
    def ignored(self) -> frozenset[str]:
        """Ids of rules that the document's annotation silences."""
        return ids(self.annotation(IGNORE))

    def _descend(self, path: tuple[str | int, ...]) -> tuple[Node, tuple[str | int, ...]]:
        """The deepest node on the path, and the rest of the path."""
        node: Node = self.document
        for depth, step in enumerate(path):
            if isinstance(node, Map) and isinstance(step, str) and step in node.values:
                node = node.values[step]
            elif isinstance(node, List) and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
            else:
                return node, path[depth:]
        return node, ()


@dataclass(slots=True)
class Library:
    """Documents by file and line; each file is parsed when the first of its documents is asked for."""

    _files: dict[str, Mapping[int, tuple[Written, ...]]] = field(default_factory=dict)

    def written(self, origin: Origin, name: str) -> Written:
        """The document of that name which begins there; one without fields when the file has changed meanwhile."""
        there = self._file(origin.file).get(origin.line, ())
        nothing = Written(Map(Position(origin.file, origin.line, 1), {}, {}))
        return next((one for one in there if one.name == name), nothing)

    def around(self, at: Position) -> Written | None:
        """The last document that begins at or above a position."""
        above = [documents for line, documents in self._file(at.file).items() if line <= at.line]
        return above[-1][-1] if above else None

    def _file(self, file: str) -> Mapping[int, tuple[Written, ...]]:
        if file not in self._files:
            found: dict[int, tuple[Written, ...]] = {}
            for document in _documents(file):
                line = document.at.line
                found[line] = (*found.get(line, ()), Written(document))
            self._files[file] = found
        return self._files[file]


def ids(text: str) -> frozenset[str]:
    """``SLO007, slo009`` as ids.

    >>> sorted(ids("SLO007, slo009"))
    ['SLO007', 'SLO009']
    """
    return frozenset(word.strip().upper() for word in text.split(",") if word.strip())


def _documents(file: str) -> Iterator[Map]:
    try:
        data = Path(file).read_bytes()
    except OSError:  # it was read a moment ago; what is not there any more has no places
        return
    for node in parse(data, file=file, report=Report()):
        yield from (item for item in (node.items if isinstance(node, List) else (node,)) if isinstance(item, Map))
