"""The pulse's numbers between where they were and where they shall be: colours, words, and which journeys they are of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_dashboards import panels
from maibo_dashboards.panels import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from maibo_slo.documents import Aim, Catalogue, FedSlo, Pulse, Slo

USUAL: Final = """\
No document of kind `Pulse` is in force: **every journey counts, and baselines and targets are maibo's usual ones.** Say your own in a document, and generate this dashboard again."""


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
