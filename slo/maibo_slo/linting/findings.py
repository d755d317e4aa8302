"""What a rule is, and what it found where."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from maibo_slo.documents.problems import Position

Severity = Literal["error", "warning", "info"]
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "error")
"""Mildest first."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Ids are never used again for something else."""

    id: str
    severity: Severity
    title: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where a rule does not hold."""

    rule: Rule
    at: Position
    document: str
    """Its metadata.name."""
    message: str
    """One sentence, with this document's numbers."""
    mend: str

    def __str__(self) -> str:
        file, line, column = self.at
        return f"{file}:{line}:{column}: {self.rule.severity} {self.rule.id}: {self.message} ({self.mend})"


def number(value: float | Decimal) -> str:
    """Three digits, without an exponent; more only where a whole number has more.

    >>> number(0.7000000001), number(13.44), number(40320.4), number(100)
    ('0.7', '13.4', '40,320', '100')
    """
    if abs(float(value)) >= 1000:
        return f"{value:,.0f}"
    return f"{Decimal(f'{value:.3g}').normalize():f}"


def percent(ratio: float | Decimal) -> str:
    """All digits of a ratio that was written in a document, as percent; never what a float makes of it.

    >>> percent(0.999), percent(1 - Decimal("0.999")), percent(0.3)
    ('99.9 %', '0.1 %', '30 %')
    """
    exact = ratio if isinstance(ratio, Decimal) else Decimal(repr(ratio))
    return f"{(exact * 100).normalize():f} %"


def budget_of(target: float) -> Decimal:
    """The share of events that may be bad, exact."""
    return 1 - Decimal(repr(target))
