"""Windows and shares of the budget that a person chose: a file in the shape of sloth's ``AlertWindows``.

::

    apiVersion: sloth.slok.dev/v1
    kind: AlertWindows
    spec:
      sloPeriod: 28d
      page:
        quick: {errorBudgetPercent: 2, shortWindow: 5m, longWindow: 1h}
        slow: {errorBudgetPercent: 5, shortWindow: 30m, longWindow: 6h}
      ticket:
        quick: {errorBudgetPercent: 10, shortWindow: 2h, longWindow: 1d}
        slow: {errorBudgetPercent: 11, shortWindow: 6h, longWindow: 3d}

What could never fire, or would fire on a burn that ends the window inside its budget, is refused and not bent into shape: a person wrote it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml

from maibo_alerting.pairs import SHAPES, Shape
from maibo_alerting.prometheus.durations import duration, seconds_of
from maibo_slo.engine.budget import error_budget
from maibo_slo.engine.burn import REACHABLE
from maibo_slo.errors import MaiboError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maibo_alerting.pairs import Severity
    from maibo_slo.documents import PromSlo

_SEVERITIES: Final[Sequence[Severity]] = ("page", "ticket")


@dataclass(frozen=True, slots=True)
class Windows:
    """Shapes for SLOs over `period_seconds`; every other SLO has the usual ones."""

    file: str
    period_seconds: int
    shapes: tuple[Shape, ...]

    def shapes_of(self, slo: PromSlo) -> Sequence[Shape]:
        """Raises MaiboError when a pair is out of reach of one of its objectives."""
        if slo.window_seconds != self.period_seconds:
            return SHAPES
        for objective in slo.objectives:
            for shape in self.shapes:
                needed = _factor(shape, self.period_seconds) * error_budget(objective.target)
                if needed > REACHABLE:
                    raise MaiboError(
                        f"{self.file}: {shape.severity} over {shape.long} needs {needed:.0%} bad events for the SLO {slo.name!r} "
                        f"({objective.target:g}), which is out of reach or nearly so; lower errorBudgetPercent, or choose a longer longWindow"
                    )
        return self.shapes


def read_windows(path: str) -> Windows:
    """Raises MaiboError that says where it is wrong."""
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise MaiboError(f"cannot read the windows in {path}: {error}") from error
    if not isinstance(document, dict) or document.get("kind") != "AlertWindows":
        raise MaiboError(f"{path} is not of kind AlertWindows; see docs/sre.md for an example")
    spec = _fields(document.get("spec"), ("sloPeriod", "page", "ticket"), f"{path}: spec")
    period = _seconds(spec["sloPeriod"], f"{path}: spec.sloPeriod")
    return Windows(path, period, tuple(_shapes(spec, period, path)))


def _shapes(spec: dict[str, object], period: int, path: str) -> Iterator[Shape]:
    for severity in _SEVERITIES:
        pair = _fields(spec[severity], ("quick", "slow"), f"{path}: spec.{severity}")
        for speed in ("quick", "slow"):
            yield _shape(severity, pair[speed], period, f"{path}: spec.{severity}.{speed}")


def _shape(severity: Severity, value: object, period: int, where: str) -> Shape:
    fields = _fields(value, ("errorBudgetPercent", "shortWindow", "longWindow"), where)
    percent = fields["errorBudgetPercent"]
    if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 < percent <= 100:
        raise MaiboError(f"{where}.errorBudgetPercent: {percent!r} is not a number above 0 and up to 100")
    short = _seconds(fields["shortWindow"], f"{where}.shortWindow")
    long = _seconds(fields["longWindow"], f"{where}.longWindow")
    if short >= long:
        raise MaiboError(f"{where}: shortWindow must be shorter than longWindow; it says whether the burn goes on")
    if long > period:
        raise MaiboError(f"{where}: longWindow is longer than sloPeriod; choose one inside of it")
    shape = Shape(severity, duration(long), duration(short), percent)
    if (factor := _factor(shape, period)) < 1:
        raise MaiboError(
            f"{where}: {percent:g}% of the budget in {duration(long)} is a burn of {factor:.3g}, which ends the window inside its budget; "
            f"use at least {100 * long / period:.3g}%"
        )
    return shape


def _factor(shape: Shape, period: int) -> float:
    return shape.budget_percent * period / (100 * shape.long_seconds)


def _fields(value: object, names: Sequence[str], where: str) -> dict[str, object]:
    if not isinstance(value, dict) or set(value) != set(names):
        raise MaiboError(f"{where} must have {', '.join(names)}, and nothing else")
    return {str(name): field for name, field in value.items()}


def _seconds(value: object, where: str) -> int:
    """At least a minute: Prometheus scrapes and evaluates in some seconds, and a rate needs two scrapes."""
    try:
        seconds = seconds_of(str(value))
    except ValueError:
        seconds = 0
    if seconds < 60:
        raise MaiboError(f"{where}: {value!r} is not a duration of a minute or more; write it as 5m, 6h or 3d")
    return seconds
