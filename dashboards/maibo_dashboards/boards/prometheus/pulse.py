"""The dashboard for who leads the business, of what Prometheus knows: three numbers between where they were and where they shall be, what was lost, the budgets.

Deployments are seen in versions, which are in the store alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_dashboards import panels
from maibo_dashboards.boards import aims
from maibo_dashboards.boards.prometheus.tables import error_budgets, every
from maibo_dashboards.boards.scales import budgets_height, details_of
from maibo_dashboards.naming import title, uid
from maibo_dashboards.panels import Panel
from maibo_dashboards.promql import journeys, scaling
from maibo_dashboards.targets import Promql
from maibo_slo.documents import Aim, Pulse

if TYPE_CHECKING:
    from maibo_slo.documents import Catalogue


def dashboard(catalogue: Catalogue) -> Panel:
    """Of a month, unless another time range is chosen."""
    pulse = catalogue.pulse or Pulse()
    numbers = _numbers(pulse)
    rows = [
        *aims.usual(catalogue),
        [(8, 5, aims.big(number)) for number in numbers],
        [(8, 7, _trend(number)) for number in numbers],
        [(8, 5, _lost(pulse)), (4, 5, _lost_share(pulse)), (12, 5, _lost_by_day(pulse))],
    ]
    if slos := aims.slos_of(pulse, catalogue):
        rows.append([(24, budgets_height(slos), error_budgets(slos, details_of(catalogue, slos, "prometheus")))])
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


def _numbers(pulse: Pulse) -> list[aims.Number]:
    level = pulse.scale_up_quantile
    latency, p99 = f"Scale-up latency, P{level * 100:g}", "Customer P99"
    in_seconds = Aim(pulse.p99_us.baseline / 1e6, pulse.p99_us.target / 1e6)
    return [
        aims.Number(
            latency,
            "From what made more replicas needed until they serve, of every workload; those that never got there are slower than any.",
            pulse.scale_up_seconds,
            False,
            panels.SECONDS,
            aims.both(pulse.scale_up_seconds, aims.seconds),
            Promql(scaling.latency(level, every=True)),
            Promql(scaling.latency(level, over="1d", every=True), legend=latency),
            decimals=1,
        ),
        aims.Number(
            p99,
            f"99 of 100 journeys that succeeded or failed took at most this long, in every environment. Of {aims.named(pulse.journeys)}.",
            in_seconds,
            False,
            panels.SECONDS,
            aims.both(in_seconds, aims.seconds),
            Promql(journeys.p99(*pulse.journeys)),
            Promql(journeys.p99_over("1d", *pulse.journeys), legend=p99),
        ),
        aims.utilisation(pulse, Promql(scaling.utilisation()), Promql(scaling.utilisation("1d"), legend="Utilisation")),
    ]


def _trend(number: aims.Number) -> Panel:
    return aims.trend(
        number, f"{number.title}, of a day", "Of the 24 hours before each point", decimals=number.decimals
    )


def _lost(pulse: Pulse) -> Panel:
    return panels.stat(
        f"Lost {aims.orders_of(pulse)}",
        f"{aims.orders_of(pulse).capitalize()} that failed within the time range, or were left by a customer who said so. Of {aims.named(_orders(pulse))}. Those that nobody "
        "ended are in the store alone.",
        Promql(journeys.lost(*_orders(pulse))),
        unit=panels.COUNT,
        decimals=0,
    )


def _lost_share(pulse: Pulse) -> Panel:
    return panels.stat(
        "Lost, of all that ended",
        f"Failed or left, of the {aims.orders_of(pulse)} that ended within the time range.",
        Promql(journeys.lost_share(*_orders(pulse))),
        unit=panels.RATIO,
        decimals=2,
    )


def _lost_by_day(pulse: Pulse) -> Panel:
    told = {"failed": "failure", "left": "abandoned"}
    return panels.lines(
        f"Lost {aims.orders_of(pulse)}, of a day",
        "Failed, and left by their customers, of the 24 hours before each point.",
        [Promql(journeys.lost_over("1d", outcome, *_orders(pulse)), legend=name) for name, outcome in told.items()],
        unit=panels.COUNT,
        colours=aims.LOST_COLOURS,
        stacked=True,
        bars=True,
        decimals=0,
        interval="1d",
    )


def _orders(pulse: Pulse) -> tuple[str, ...]:
    return tuple(pulse.orders or pulse.journeys)
