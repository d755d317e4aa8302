"""What the comparison of the two accounts found (`maibo_slo.demo.account`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from maibo_slo.demo.clocks import P99


@dataclass(frozen=True, slots=True)
class Row:
    """One journey and tier, both ways."""

    journey: str
    tier: str
    requests_seen: int
    requests_told: int
    seen: Mapping[str, int]
    told: Mapping[str, int]
    p99: P99


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step in one version of a service, both ways."""

    service: str
    version: str
    journey: str
    step: str
    written: Mapping[str, int]
    told: Mapping[str, int]
    p99: P99


@dataclass(frozen=True, slots=True)
class Spans:
    """Spans on their way: those that there should be, by the services' own notes; ended, by their SDKs; accepted and counted, by maibo."""

    expected: int
    ended: int
    accepted: int
    counted: int
    rejected: int
    lost: int = 0
    """Expected and not counted."""
    duplicated: int = 0
    """Counted and not expected."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether the two accounts agree, and where they do not."""

    rows: Sequence[Row]
    steps: Sequence[StepRow]
    requests: int
    counted: int
    spans: Spans
    disagreements: Sequence[str] = field(default_factory=tuple)

    @property
    def agree(self) -> bool:
        """Whether nothing at all was found."""
        return not self.disagreements

    @property
    def p99_error_max(self) -> float | None:
        """The largest error of the P99 of any journey and tier; None without data."""
        return max((row.p99.error for row in self.rows if row.p99.error is not None), default=None)
