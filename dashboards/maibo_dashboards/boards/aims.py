"""The pulse's numbers between where they were and where they shall be, of either data source: panels, colours, words, and which journeys they are of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_dashboards import panels
from maibo_dashboards.panels import Panel, Row, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from maibo_dashboards.targets import Target
    from maibo_slo.documents import Aim, Catalogue, FedSlo, Pulse, Slo

USUAL: Final = """\
No document of kind `Pulse` is in force: **every journey counts, and baselines and targets are maibo's usual ones.** Say your own in a document, and generate this dashboard again."""
LOST_COLOURS: Final = {"failed": panels.RED, "left": panels.OUTCOME_COLOURS["abandoned"]}


@dataclass(frozen=True, slots=True)
class Number:
    """One of the pulse's: what it is, how it is told, and what is asked for it."""

    title: str
    about: str
    aim: Aim
    more_is_better: bool
    unit: str
    words: tuple[str, str]
    """Baseline and target."""
    total: Target
    by_day: Target
    decimals: int | None = None
    bars: bool = False
    empty: str = panels.NO_DATA


def utilisation(pulse: Pulse, total: Target, by_day: Target) -> Number:
    return Number(
        "Utilisation",
        "Demand, of what the ready replicas carry while their SLOs hold: calls a second over ready replicas times the capacity of one, of every scaling target "
        "whose pods and capacity maibo knows; no measure of CPU.",
        pulse.utilisation,
        True,
        panels.RATIO,
        both(pulse.utilisation, lambda share: f"{share * 100:g} %"),
        total,
        by_day,
        decimals=0,
    )


def usual(catalogue: Catalogue) -> list[Row]:
    """Told where no document says what the aims are."""
    return [] if catalogue.pulse else [[(24, 2, panels.text("Baselines and targets", USUAL))]]


def big(number: Number) -> Panel:
    """Over the time range."""
    baseline, target = number.words
    return panels.stat(
        f"{number.title}: {baseline} → {target}",
        f"{number.about} Baseline {baseline}, target {target}: green from the target on, red at the baseline and worse, yellow from halfway.",
        number.total,
        unit=number.unit,
        scale=scale_of(number.aim, more_is_better=number.more_is_better),
        decimals=number.decimals,
        filled=True,
        empty=number.empty,
    )


def trend(number: Number, title: str, days: str, *, decimals: int | None = None) -> Panel:
    """By day; `days` says which hours a point is of."""
    aim = number.aim
    ends = [Step(panels.RED, aim.baseline), Step(panels.GREEN, aim.target)]
    baseline, target = number.words
    return panels.lines(
        title,
        f"{number.about} {days}; the lines are the baseline ({baseline}, red) and the target ({target}, green).",
        number.by_day,
        unit=number.unit,
        scale=[Step("transparent"), *sorted(ends, key=lambda step: step.value or 0)],
        colours={"new versions": panels.GREEN, "rollbacks": panels.ORANGE} if number.bars else None,
        bars=number.bars,
        stacked=number.bars,
        decimals=decimals,
        interval="1d",
    )


def scale_of(aim: Aim, *, more_is_better: bool) -> Sequence[Step]:
    """Green from the target on, red from the baseline on (or short of it), and halfway between them from orange to yellow."""
    half = (aim.baseline + aim.target) / 2
    if aim.baseline == aim.target:
        ends = (panels.RED, panels.GREEN) if more_is_better else (panels.GREEN, panels.RED)
        return (Step(ends[0]), Step(ends[1], aim.target))
    if more_is_better:
        return (
            Step(panels.RED),
            Step(panels.ORANGE, aim.baseline),
            Step(panels.YELLOW, half),
            Step(panels.GREEN, aim.target),
        )
    return (
        Step(panels.GREEN),
        Step(panels.YELLOW, aim.target),
        Step(panels.ORANGE, half),
        Step(panels.RED, aim.baseline),
    )


def both(aim: Aim, told: Callable[[float], str]) -> tuple[str, str]:
    return told(aim.baseline), told(aim.target)


def seconds(found: float) -> str:
    return f"{found:g} s" if found >= 1 else f"{found * 1000:g} ms"


def orders_of(pulse: Pulse) -> str:
    return "orders" if pulse.orders else "journeys"


def named(journeys: Sequence[str]) -> str:
    return ", ".join(journeys) or "all journeys together"


def slos_of(pulse: Pulse, catalogue: Catalogue) -> list[Slo | FedSlo]:
    """Of the pulse's journeys, or all that are judged."""
    if not pulse.journeys:
        return [slo for _, slo in sorted(catalogue.judged.items())]
    found = {slo.name: slo for journey in pulse.journeys for slo in catalogue.slos_of_journey(journey)}
    return [slo for _, slo in sorted(found.items())]
