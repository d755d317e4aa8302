"""Files of another tool, as the fields of their documents."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from maibo_slo.documents.fields import Fields
from maibo_slo.documents.problems import Position
from maibo_slo.documents.yaml import MAX_BYTES, List, Map, Scalar, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.documents.problems import Report
    from maibo_slo.documents.yaml import Node

STDIN: Final = "-"


def documents(sources: Sequence[str], report: Report) -> list[Fields]:
    """Every document of every file (``-`` is standard input), and every item of a list, as ``kubectl get -o yaml`` gives them."""
    return [
        fields
        for source in sources
        for node in parse(_content(source, report), file=_name(source), report=report)
        for fields in _unfolded(node, report)
    ]


def _unfolded(node: Node, report: Report) -> list[Fields]:
    if isinstance(node, Scalar) and node.value is None:
        return []
    if not isinstance(node, Map):
        report.error(node.at, "", "a document must be a mapping")
        return []
    kind, items = node.values.get("kind"), node.values.get("items")
    if isinstance(kind, Scalar) and kind.text.endswith("List") and isinstance(items, List):
        return [] if not items.items else Fields(node, "", report).mappings("items")
    return [Fields(node, "", report)]


def _name(source: str) -> str:
    return "<stdin>" if source == STDIN else source


def _content(source: str, report: Report) -> bytes:
    if source == STDIN:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        with Path(source).open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        report.error(Position(source, 1, 1), "", f"cannot be read: {reason}")
        return b""
