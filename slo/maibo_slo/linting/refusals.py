"""Rules that validation enforces: what it refuses has an id and a page too.

A rule is known by the value that stands at a problem's place, not by the problem's words.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from maibo_slo.documents.durations import elapsed_us, window_seconds
from maibo_slo.documents.problems import Position
from maibo_slo.documents.yaml import Scalar
from maibo_slo.linting.findings import Finding, Rule
from maibo_slo.store import histogram
from maibo_slo.store.tables import TIERS

if TYPE_CHECKING:
    from maibo_slo.documents import Problem
    from maibo_slo.linting.written import Library

HUNDRED: Final = Rule("SLO001", "error", "An objective of 100 % has no budget")
OFF_GRID: Final = Rule("SLO002", "error", "A latency that cannot be counted exactly")
BEYOND_RETENTION: Final = Rule("SLO003", "error", "The window is longer than counts are kept")

_STEP: Final = re.compile(r"([A-Za-z0-9_-]+)|\[(\d+)\]")


def refusal(problem: Problem, library: Library) -> Finding | None:
    """The problem as a finding, when it is one of these rules'."""
    at = Position(problem.file, problem.line, problem.column)
    written = library.around(at)
    if problem.severity != "error" or written is None:
        return None
    node = written.node(*_steps(problem.path))
    rule = _rule(problem.path, node) if isinstance(node, Scalar) and node.at == at else None
    return None if rule is None else Finding(rule, at, written.name, f"{problem.path}: {problem.message}", problem.mend)


def _rule(path: str, value: Scalar) -> Rule | None:
    field = path.rpartition(".")[2]
    if field in ("target", "targetPercent") and isinstance(value.value, Decimal):
        return HUNDRED if value.value == (1 if field == "target" else 100) else None
    try:
        if field in ("maxDuration", "threshold"):
            return None if histogram.on_grid(elapsed_us(value.text)) else OFF_GRID
        if field == "duration" and "timeWindow" in path:
            kept = max(tier.retention_seconds for tier in TIERS)
            return BEYOND_RETENTION if window_seconds(value.text) > kept else None
    except ValueError:  # no duration at all: something else is wrong with it
        return None
    return None


def _steps(path: str) -> list[str | int]:
    """``spec.objectives[0].target`` as names and indices."""
    return [name or int(index) for name, index in _STEP.findall(path)]
