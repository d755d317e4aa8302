"""The dashboard for who leads the business: four numbers between where they were and where they shall be, what was lost, and the budgets.

Baselines and targets are those of the document of kind `Pulse`; without one, the usual ones, which the dashboard says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_dashboards import panels, variables
from maibo_dashboards.boards import aims
from maibo_dashboards.boards.journeys import budgets
from maibo_dashboards.boards.prometheus import pulse as on_prometheus
from maibo_dashboards.boards.scales import NONE_TOLD, budgets_height, details_of
from maibo_dashboards.naming import uid
from maibo_dashboards.panels import Column, Panel
from maibo_dashboards.sql import pulse as sql
from maibo_dashboards.sql import scaling as scaling_sql
from maibo_dashboards.targets import Sql
from maibo_slo.documents import Pulse
from maibo_slo.documents.journeys import DEFAULT_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from maibo_dashboards.targets import Source
    from maibo_slo.documents import Catalogue

WHATS: Final = {"new version": panels.GREEN, "rollback": panels.ORANGE}


def dashboard(catalogue: Catalogue, source: Source = "clickhouse") -> Panel:
    """Of a month, unless another time range is chosen."""
    if source == "prometheus":
        return on_prometheus.dashboard(catalogue)
    pulse = catalogue.pulse or Pulse()
    numbers = _numbers(pulse)
    rows = [
        *aims.usual(catalogue),
        [(6, 5, aims.big(number)) for number in numbers],
        [(6, 7, _trend(number)) for number in numbers],
        [
            (8, 5, _lost(pulse, catalogue)),
            (4, 5, _lost_share(pulse, catalogue)),
            (12, 5, _lost_by_day(pulse, catalogue)),
        ],
        [(24, 8, _newest_deployments(pulse))],
    ]
    if slos := aims.slos_of(pulse, catalogue):
        rows.append([(24, budgets_height(slos), budgets(slos, details_of(catalogue, slos, source)))])
    return panels.dashboard(
        title="Business pulse",
        uid=uid("pulse", source),
        description=pulse.description
        or "How fast we grow, how often we deploy, how long customers wait and how well we use what we pay for: against what was, and what shall be.",
        rows=rows,
        variables=[variables.datasource(source)],
        begin="now-30d",
        refresh="5m",
    )


def _numbers(pulse: Pulse) -> list[aims.Number]:
    level = pulse.scale_up_quantile
    return [
        aims.Number(
            f"Scale-up latency, P{level * 100:g}",
            "From what made more replicas needed until they serve, of every workload; those that never got there count as longer than they lasted.",
            pulse.scale_up_seconds,
            False,
            panels.SECONDS,
            aims.both(pulse.scale_up_seconds, aims.seconds),
            Sql(scaling_sql.latency_quantile(level)),
            Sql(scaling_sql.latency_quantile_by_day(level)),
            decimals=1,
            empty=NONE_TOLD,
        ),
        aims.Number(
            "Deployments a day",
            "New versions that came to serve two thirds of a service's events, seen in what is counted and by the hour: two of a service within an hour are one, "
            "and the same version deployed again is none. Rollbacks, to a version that served before, are not among them.",
            pulse.deployments_per_day,
            True,
            panels.COUNT,
            aims.both(pulse.deployments_per_day, lambda found: f"{found:g}"),
            Sql(sql.deployments(pulse)),
            Sql(sql.deployments_by_day(pulse)),
            decimals=1,
            bars=True,
        ),
        aims.Number(
            "Customer P99",
            f"99 of 100 journeys that succeeded or failed took at most this long. Of {aims.named(pulse.journeys)}.",
            pulse.p99_us,
            False,
            panels.MICROSECONDS,
            aims.both(pulse.p99_us, lambda us: aims.seconds(us / 1e6)),
            Sql(sql.p99(pulse)),
            Sql(sql.p99_by_day(pulse)),
        ),
        aims.utilisation(pulse, Sql(sql.utilisation()), Sql(sql.utilisation_by_day())),
    ]


def _trend(number: aims.Number) -> Panel:
    return aims.trend(number, f"{number.title.removesuffix(' a day')} by day", "Each day by itself, in UTC")


def _lost(pulse: Pulse, catalogue: Catalogue) -> Panel:
    return panels.stat(
        f"Lost {aims.orders_of(pulse)}",
        f"{aims.orders_of(pulse).capitalize()} that began within the time range and failed, or were left: said so, or did not end within the journey's timeout. "
        f"Of {aims.named(pulse.orders or pulse.journeys)}. No data where services do not tell that journeys begin.",
        Sql(sql.lost(pulse, *_timeouts(catalogue))),
        unit=panels.COUNT,
    )


def _lost_share(pulse: Pulse, catalogue: Catalogue) -> Panel:
    return panels.stat(
        "Lost, of all that are over",
        f"Failed or left, of the {aims.orders_of(pulse)} that began within the time range and are over.",
        Sql(sql.lost_share(pulse, *_timeouts(catalogue))),
        unit=panels.RATIO,
        decimals=2,
    )


def _lost_by_day(pulse: Pulse, catalogue: Catalogue) -> Panel:
    return panels.lines(
        f"Lost {aims.orders_of(pulse)} by day",
        "By the day (UTC) on which they began: failed, and left by their customers.",
        Sql(sql.lost_by_day(pulse, *_timeouts(catalogue))),
        unit=panels.COUNT,
        colours=aims.LOST_COLOURS,
        stacked=True,
        bars=True,
        interval="1d",
    )


def _newest_deployments(pulse: Pulse) -> Panel:
    return panels.table(
        "Newest deployments",
        "From which hour on which version served two thirds of a service's events; a rollback is to one that served within the 30 days before.",
        Sql(sql.newest_deployments(pulse)),
        columns=[Column("Hour", "dateTimeAsIso"), Column("What", states=WHATS)],
    )


def _timeouts(catalogue: Catalogue) -> tuple[dict[str, int], int]:
    return {
        name: catalogue.journeys[name].timeout_seconds for name in sorted(catalogue.journeys)
    }, DEFAULT_TIMEOUT_SECONDS
