"""Other tools' SLOs as OpenSLO documents: sloth, pyrra and slo-generator.

A module for each tool reads its documents into `ImportedSlo`; `writing` makes OpenSLO of those. Two promises: numbers keep their
digits (99.9 stays 99.9), and what a file says is either in the documents or told, with its place.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_slo.documents.problems import DocumentsError, Position, TooManyProblems
from maibo_slo.importing import pyrra, slo_generator, sloth
from maibo_slo.importing.findings import Findings
from maibo_slo.importing.slos import named
from maibo_slo.importing.sources import documents
from maibo_slo.importing.writing import by_service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from maibo_slo.documents.fields import Fields
    from maibo_slo.documents.problems import Problem
    from maibo_slo.importing.slos import ImportedSlo, NamedSlo

__all__ = ["TOOLS", "Imported", "read"]

TOOLS: Final[Mapping[str, Callable[[Sequence[Fields], Findings, str], list[ImportedSlo]]]] = {
    "sloth": sloth.slos,
    "pyrra": pyrra.slos,
    "slo-generator": slo_generator.slos,
}


@dataclass(frozen=True, slots=True)
class Imported:
    """What came out of one import."""

    files: Mapping[str, str]
    """service -> its documents, as text"""
    slos: int
    """SLOs in force; those that are a comment do not count"""
    told: tuple[Problem, ...]
    """What has no equivalent and what was changed, in the order of file and line"""
    lost: int
    """How many of `told` have no equivalent"""


def read(tool: str, sources: Sequence[str], *, window: str = "") -> Imported:
    """Files of a tool of `TOOLS` (``-`` is standard input). Raises DocumentsError with every problem where something cannot be read."""
    findings = Findings()
    slos: list[NamedSlo] = []
    with suppress(TooManyProblems):  # the report says so itself
        found = TOOLS[tool](documents(sources, findings.unread), findings, window)
        if not found and not findings.unread.errors:
            findings.unread.error(Position(sources[0], 1, 1), "", f"no SLO of {tool} in what was given")
        if not findings.unread.errors:
            slos = named(found, findings)
    if findings.unread.errors:
        raise DocumentsError(findings.problems())
    return Imported(
        files=by_service(slos),
        slos=sum(one.slo.judged for one in slos),
        told=findings.problems(),
        lost=len(set(findings.lost)),
    )
