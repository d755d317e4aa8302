"""The dashboard for who leads the business, of what Prometheus knows: three numbers between where they were and where they shall be, what was lost, the budgets.

Deployments are seen in versions, which are in the store alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo_dashboards import panels
from maibo_dashboards.boards.aims import USUAL, both, named, orders_of, scale_of, seconds, slos_of
from maibo_dashboards.boards.prometheus.tables import error_budgets, every
from maibo_dashboards.boards.scales import budgets_height
from maibo_dashboards.naming import title, uid
from maibo_dashboards.panels import Panel, Step
from maibo_dashboards.promql import journeys, scaling
from maibo_dashboards.targets import Promql
from maibo_slo.documents import Aim, Pulse

if TYPE_CHECKING:
    from maibo_slo.documents import Catalogue


@dataclass(frozen=True, slots=True)
class _Number:
    """What it is, and how it is told."""

    title: str
    about: str
    aim: Aim
    more_is_better: bool
    unit: str
    words: tuple[str, str]
    """Baseline and target."""
    total: str
    by_day: str
    decimals: int | None = None


def dashboard(catalogue: Catalogue) -> Panel:
    """Of a month, unless another time range is chosen."""
    pulse = catalogue.pulse or Pulse()
    numbers = _numbers(pulse)
    rows = [
        *([] if catalogue.pulse else [[(24, 2, panels.text("Baselines and targets", USUAL))]]),
        [(8, 5, _big(number)) for number in numbers],
        [(8, 7, _trend(number)) for number in numbers],
        [(8, 5, _lost(pulse)), (4, 5, _lost_share(pulse)), (12, 5, _lost_by_day(pulse))],
    ]
    if slos := slos_of(pulse, catalogue):
        rows.append([(24, budgets_height(slos), error_budgets(catalogue, slos))])
    return panels.dashboard(
        title=title("Business pulse", "prometheus"),
        uid=uid("pulse", "prometheus"),
        description=pulse.description
        or "How fast we grow, how long customers wait and how well we use what we pay for: against what was, and what shall be.",
        rows=rows,
        variables=every(),
        begin="now-30d",
        refresh="5m",
    )


def _numbers(pulse: Pulse) -> list[_Number]:
    level = pulse.scale_up_quantile
    in_seconds = Aim(pulse.p99_us.baseline / 1e6, pulse.p99_us.target / 1e6)
    return [
        _Number(
            f"Scale-up latency, P{level * 100:g}",
            "From what made more replicas needed until they serve, of every workload; those that never got there are slower than any.",
            pulse.scale_up_seconds,
            False,
            panels.SECONDS,
            both(pulse.scale_up_seconds, seconds),
            scaling.latency(level, every=True),
            scaling.latency(level, over="1d", every=True),
            decimals=1,
        ),
        _Number(
            "Customer P99",
            f"99 of 100 journeys that succeeded or failed took at most this long, in every environment. Of {named(pulse.journeys)}.",
            in_seconds,
            False,
            panels.SECONDS,
            both(in_seconds, seconds),
            journeys.p99(*pulse.journeys),
            journeys.p99_over("1d", *pulse.journeys),
        ),
        _Number(
            "Utilisation",
            "Demand, of what the ready replicas carry while their SLOs hold: calls a second over ready replicas times the capacity of one, of every scaling target "
            "whose pods and capacity maibo knows; no measure of CPU.",
            pulse.utilisation,
            True,
            panels.RATIO,
            both(pulse.utilisation, lambda share: f"{share * 100:g} %"),
            scaling.utilisation(),
            scaling.utilisation("1d"),
            decimals=0,
        ),
    ]


def _big(number: _Number) -> Panel:
    baseline, target = number.words
    return panels.stat(
        f"{number.title}: {baseline} → {target}",
        f"{number.about} Baseline {baseline}, target {target}: green from the target on, red at the baseline and worse, yellow from halfway.",
        Promql(number.total),
        unit=number.unit,
        scale=scale_of(number.aim, more_is_better=number.more_is_better),
        decimals=number.decimals,
        filled=True,
    )


def _trend(number: _Number) -> Panel:
    aim = number.aim
    ends = [Step(panels.RED, aim.baseline), Step(panels.GREEN, aim.target)]
    baseline, target = number.words
    return panels.lines(
        f"{number.title}, of a day",
        f"{number.about} Of the 24 hours before each point; the lines are the baseline ({baseline}, red) and the target ({target}, green).",
        Promql(number.by_day, legend=number.title),
        unit=number.unit,
        scale=[Step("transparent"), *sorted(ends, key=lambda step: step.value or 0)],
        decimals=number.decimals,
        interval="1d",
    )


def _lost(pulse: Pulse) -> Panel:
    return panels.stat(
        f"Lost {orders_of(pulse)}",
        f"{orders_of(pulse).capitalize()} that failed within the time range, or were left by a customer who said so. Of {named(_orders(pulse))}. Those that nobody "
        "ended are in the store alone.",
        Promql(journeys.lost(*_orders(pulse))),
        unit=panels.COUNT,
        decimals=0,
    )


def _lost_share(pulse: Pulse) -> Panel:
    return panels.stat(
        "Lost, of all that ended",
        f"Failed or left, of the {orders_of(pulse)} that ended within the time range.",
        Promql(journeys.lost_share(*_orders(pulse))),
        unit=panels.RATIO,
        decimals=2,
    )


def _lost_by_day(pulse: Pulse) -> Panel:
    told = {"failed": "failure", "left": "abandoned"}
    return panels.lines(
        f"Lost {orders_of(pulse)}, of a day",
        "Failed, and left by their customers, of the 24 hours before each point.",
        [Promql(journeys.lost_over("1d", outcome, *_orders(pulse)), legend=name) for name, outcome in told.items()],
        unit=panels.COUNT,
        colours={"failed": panels.RED, "left": panels.OUTCOME_COLOURS["abandoned"]},
        stacked=True,
        bars=True,
        decimals=0,
        interval="1d",
    )


def _orders(pulse: Pulse) -> tuple[str, ...]:
    return tuple(pulse.orders or pulse.journeys)
