"""STUB (owner: documents helper)."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from maibo_slo.documents.kinds import Journey, Service, Slo
from maibo_slo.documents.problems import Problem


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All documents in force, by name, with references resolved."""

    services: Mapping[str, Service] = field(default_factory=dict)
    journeys: Mapping[str, Journey] = field(default_factory=dict)
    slos: Mapping[str, Slo] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()


def load(sources: Sequence[str | Path]) -> Catalogue:
    """Files, folders (every .yaml/.yml/.json below, sorted) or '-' for stdin. Raises DocumentsError with every problem."""
    raise NotImplementedError
