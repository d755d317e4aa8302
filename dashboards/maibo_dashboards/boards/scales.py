"""From which value on a number is good or bad, the same on every dashboard; where documents say it, as they say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_dashboards import panels
from maibo_dashboards.naming import journey_uid
from maibo_dashboards.panels import Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maibo_dashboards.targets import Source
    from maibo_slo.documents import Catalogue, FedSlo, Slo

BUDGET_SCALE: Final = (Step(panels.RED), Step(panels.YELLOW, 0.0), Step(panels.GREEN, 0.25))
BURN_SCALE: Final = (Step(panels.GREEN), Step(panels.YELLOW, 1.0), Step(panels.RED, 6.0))
ALERTS_SCALE: Final = (Step(panels.GREEN), Step(panels.RED, 1))
AGE_SCALE: Final = (Step(panels.GREEN), Step(panels.YELLOW, 300), Step(panels.RED, 600))
STATE_COLOURS: Final = {
    "ok": panels.GREEN,
    "alerting": panels.RED,
    "stale": panels.PURPLE,
    "exhausted": panels.RED,
    "no data": panels.GREY,
}
EXHAUSTED_SCALE: Final = (Step(panels.RED), Step(panels.YELLOW, 86_400), Step(panels.GREEN, 7 * 86_400))
OPEN: Final = "/d/${__value.raw}?${__url_time_range}"

LAG_SCALE: Final = (Step(panels.GREEN), Step(panels.YELLOW, 30), Step(panels.RED, 300))
LEDGER_SCALE: Final = (Step(panels.GREEN), Step(panels.YELLOW, 180), Step(panels.RED, 600))
LOST_SCALE: Final = (Step(panels.GREEN), Step(panels.YELLOW, 1e-9), Step(panels.RED, 0.001))

STATES: Final = {"complete": panels.GREEN, "never got there": panels.RED, "running": panels.BLUE}
WISH_COLOURS: Final = {
    "reactive": panels.BLUE,
    "feed-forward": panels.PURPLE,
    "predictive": panels.GREEN,
    "correction": panels.ORANGE,
    "override": panels.YELLOW,
    "no signal": panels.RED,
}
WARM_SCALE: Final = (Step(panels.RED), Step(panels.YELLOW, 0.5), Step(panels.GREEN, 0.9))
NEVER_SCALE: Final = (Step(panels.GREEN), Step(panels.RED, 1))
NONE_TOLD: Final = "none, or too many never got there"
FATE_COLOURS: Final = {
    "counted": panels.GREEN,
    "ignored": "#8e8e8e",
    "rejected": panels.RED,
    "skewed": panels.ORANGE,
}


def latency_scale(catalogue: Catalogue) -> Sequence[Step]:
    """Red from what the most patient of the SLOs of scale-ups allows, yellow from the strictest; () where there is none."""
    allowed = sorted({slo.indicator.within_seconds for slo in catalogue.scaleup_slos.values()})
    if not allowed:
        return ()
    strict = [Step(panels.YELLOW, allowed[0])] if len(allowed) > 1 else []
    return (Step(panels.GREEN), *strict, Step(panels.RED, allowed[-1]))


def stale_seconds(catalogue: Catalogue) -> int | None:
    """The oldest that any target's signal may be; None without targets."""
    return max((target.max_age_seconds for target in catalogue.scaling_targets.values()), default=None)


def details_of(catalogue: Catalogue, slos: Iterable[Slo | FedSlo], source: Source) -> dict[str, str]:
    """SLO -> uid of the dashboard of its journey, where that is declared."""
    return {slo.name: journey_uid(slo.journey, source) for slo in slos if slo.journey in catalogue.journeys}


def budgets_height(slos: Sequence[Slo | FedSlo]) -> int:
    """Of the table of their budgets; there are more rows where SLOs have groups."""
    objectives = sum(len(slo.objectives) for slo in slos)
    return min(12, 3 + objectives * (4 if any(slo.group_by for slo in slos) else 1))


def threshold_scale(threshold: float | None) -> Sequence[Step]:
    """Red from what customers no longer call fast; () where no document says."""
    return () if threshold is None else (Step(panels.GREEN), Step(panels.RED, threshold))


def threshold_lines(threshold: float | None) -> Sequence[Step]:
    """The same as a line in a chart."""
    return () if threshold is None else (Step("transparent"), Step(panels.RED, threshold))


def duration(us: int) -> str:
    """For people: ``500 ms``, ``15 min``."""
    for unit, size in (("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000)):
        if us >= size and (unit != "min" or not us % size):
            return f"{us / size:g} {unit}"
    return f"{us} µs"
