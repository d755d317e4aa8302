"""What a rule looks at: one SLO, as meant and as written, and what else is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_slo.linting.findings import Finding, Rule
from maibo_slo.linting.others import Others
from maibo_slo.linting.written import Written

if TYPE_CHECKING:
    from maibo_slo.documents import FedSlo, Objective, Slo

DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Subject:
    """One SLO of a catalogue."""

    slo: Slo | FedSlo
    written: Written
    others: Others
    events_per_day: float | None
    """How many events its total has; None when nobody said."""
    component: int | None = None
    """Which objective of a composite SLO is looked at; None where the SLO has one indicator."""

    def finding(self, rule: Rule, message: str, mend: str, *path: str | int) -> Finding:
        """A finding about the field at a path within `spec`."""
        return Finding(rule, self.written.position("spec", *path), self.slo.name, message, mend)

    def of_part(self, rule: Rule, message: str, mend: str, part: str, *field: str) -> Finding:
        """A finding about ``total``, ``good`` or ``bad``; about the reference where the indicator is a document of its own."""
        on: tuple[str | int, ...] = () if self.component is None else ("objectives", self.component)
        if self.written.node("spec", *on, "indicatorRef") is not None:
            return self.finding(rule, message, mend, *on, "indicatorRef")
        source = ("indicator", "spec", "ratioMetric", part, "metricSource", "spec")
        return self.finding(rule, message, mend, *on, *source, *field)

    def of_objective(self, rule: Rule, message: str, mend: str, index: int) -> Finding:
        """A finding about an objective's target, however it is given."""
        names = ("target", "targetPercent")
        given = next((name for name in names if self.written.node("spec", "objectives", index, name)), "")
        return self.finding(rule, message, mend, "objectives", index, given)

    def of_window(self, rule: Rule, message: str, mend: str) -> Finding:
        return self.finding(rule, message, mend, "timeWindow", 0, "duration")

    def of_slice(self, rule: Rule, message: str, mend: str, index: int) -> Finding:
        """A finding about the length of an objective's slices."""
        return self.finding(rule, message, mend, "objectives", index, "timeSliceWindow")

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """Those that are written, in that order: a composite has one more, which judges the whole."""
        return self.slo.objectives[:-1] if self.slo.is_composite else self.slo.objectives

    @property
    def window(self) -> str:
        """The window as written (``28d``)."""
        return self.written.text("spec", "timeWindow", 0, "duration") or days(self.slo.window_seconds)


def days(seconds: int) -> str:
    """Days, hours or minutes: the largest unit that is whole.

    >>> days(2_419_200), days(6 * 3600), days(5400)
    ('28d', '6h', '90m')
    """
    unit, size = next((unit, size) for unit, size in (("d", DAY), ("h", 3600), ("m", 60)) if seconds % size == 0)
    return f"{seconds // size}{unit}"
