"""The dashboard of one journey: how it goes now, its objectives and their budgets, its latency, its steps, and who differs from whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_dashboards import panels, variables
from maibo_dashboards.boards import objectives
from maibo_dashboards.boards.prometheus import journey as on_prometheus
from maibo_dashboards.boards.scales import (
    AGE_SCALE,
    duration,
    threshold_lines,
    threshold_scale,
)
from maibo_dashboards.naming import journey_title, journey_uid
from maibo_dashboards.panels import Column, Panel, Row
from maibo_dashboards.sql import cells, marks
from maibo_dashboards.sql import journeys as sql
from maibo_dashboards.targets import Sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_dashboards.targets import Source
    from maibo_slo.documents import Catalogue, Journey, Slo

BREAKDOWNS: Final = ("version", "tier", "region")


def dashboard(catalogue: Catalogue, journey: Journey, source: Source = "clickhouse") -> Panel:
    """Whoever is woken reads it from the top: is it bad, since when, whom does it hit, what changed."""
    if source == "prometheus":
        return on_prometheus.dashboard(catalogue, journey)
    slos = catalogue.slos_of_journey(journey.name)
    return panels.dashboard(
        title=journey_title(journey, catalogue.journeys.values()),
        uid=journey_uid(journey.name, source),
        description=journey.description or f"The journey {journey.name}.",
        rows=[
            _now(journey),
            *objectives.rows(slos),
            *_traffic(journey),
            *_steps(journey),
            *_breakdowns(journey),
        ],
        variables=[
            variables.datasource(source),
            variables.resolution(cells.RESOLUTIONS, default="1m"),
            *(variables.values(name, Sql(cells.values_of(name, journey.name))) for name in cells.FILTERS),
            *objectives.choices(slos),
        ],
        annotations=_annotations(catalogue, journey, slos),
    )


def _now(journey: Journey) -> Row:
    numbers = sql.summary(journey.name, threshold_us=journey.threshold_us)
    row = [
        panels.stat("Rate", "Journeys that ended, a second.", Sql(numbers["rate"]), unit=panels.PER_SECOND, decimals=1),
        panels.stat(
            "Success",
            "success / (success + failure): abandoned ones are the customer's choice.",
            Sql(numbers["success"]),
            unit=panels.RATIO,
            decimals=3,
        ),
        panels.stat(
            "P99",
            "99 of 100 were at most this long.",
            Sql(numbers["p99"]),
            unit=panels.MICROSECONDS,
            scale=threshold_scale(journey.threshold_us),
        ),
    ]
    if "within" in numbers:
        title = f"Within {duration(journey.threshold_us or 0)}"
        about = "The share of successes and failures that took at most what customers call fast. Exact: counted, not interpolated."
        row.append(panels.stat(title, about, Sql(numbers["within"]), unit=panels.RATIO, decimals=3))
    row.append(
        panels.stat(
            "Data age",
            "Seconds from the end of the newest bucket with journeys to the end of the time range.",
            Sql(numbers["age"]),
            unit=panels.SECONDS,
            scale=AGE_SCALE,
        )
    )
    return panels.abreast(row, height=4)


def _traffic(journey: Journey) -> list[Row]:
    return [
        [(24, 1, panels.heading("Traffic and latency"))],
        [(12, 9, _outcomes(journey)), (12, 9, _latency(journey))],
        [(14, 10, _heatmap(journey)), (10, 10, _distribution(journey))],
    ]


def _outcomes(journey: Journey) -> Panel:
    return panels.lines(
        "Rate by outcome",
        "Journeys that ended, a second, by outcome. The newest point is still being counted; a gap means nothing was.",
        Sql(sql.rate_by_outcome(journey.name)),
        unit=panels.PER_SECOND,
        colours=panels.OUTCOME_COLOURS,
        stacked=True,
    )


def _latency(journey: Journey) -> Panel:
    return panels.lines(
        "Latency",
        "Nearest-rank percentiles over each interval's counts; the line is what customers call fast.",
        Sql(sql.latency(journey.name)),
        unit=panels.MICROSECONDS,
        scale=threshold_lines(journey.threshold_us),
    )


def _heatmap(journey: Journey) -> Panel:
    return panels.heatmap(
        "Latency over time",
        "How many successes and failures took how long: ten rows a decade, counted on the histogram's own edges.",
        Sql(sql.heatmap(journey.name, threshold_us=journey.threshold_us)),
        unit=panels.SECONDS,
    )


def _distribution(journey: Journey) -> Panel:
    return panels.bars(
        "Latency distribution",
        "How many journeys took how long within the time range, 20 bars to a decade; a bar is named by its upper edge.",
        Sql(sql.distribution(journey.name)),
        colours={outcome: panels.OUTCOME_COLOURS[outcome] for outcome in ("success", "failure")},
    )


def _steps(journey: Journey) -> list[Row]:
    height = 5 + min(8, len(journey.steps))
    return [
        [(24, 1, panels.heading("Steps: where customers leave"))],
        [(14, height, _funnel(journey)), (10, height, _leaving(journey))],
        [(24, 4, _became(journey))],
        [(14, 9, _worst(journey)), (10, 9, _reasons(journey))],
    ]


def _funnel(journey: Journey) -> Panel:
    return panels.table(
        "Funnel",
        "Each step counted by itself, in the document's order. Reached: of the events of the step that has most.",
        Sql(sql.funnel(journey)),
        columns=[
            *(Column(name, panels.COUNT, width=80) for name in ("Count", "Success", "Failed")),
            Column("Abandoned", panels.COUNT, width=100),
            Column("Reached", panels.RATIO, decimals=1, width=90),
            Column("Failure share", panels.RATIO, decimals=2, width=110),
            Column("P50", panels.MICROSECONDS, width=90),
            Column("P99", panels.MICROSECONDS, width=90),
        ],
    )


def _leaving(journey: Journey) -> Panel:
    return panels.bars(
        "Who came to each step, and what became of them",
        "Bars in the document's order: the fall from one to the next is where customers leave.",
        Sql(sql.leaving(journey)),
        colours=panels.OUTCOME_COLOURS,
        horizontal=True,
    )


def _became(journey: Journey) -> Panel:
    return panels.stat(
        "What became of those who began",
        f"Journeys by the minute of their begin. Abandoned: said so, or did not end within {duration(journey.timeout_seconds * 1_000_000)}.",
        Sql(sql.became(journey)),
        unit=panels.COUNT,
    )


def _worst(journey: Journey) -> Panel:
    return panels.table(
        "Worst steps",
        "Steps by service, version and region: who failed most, then who was slowest.",
        Sql(sql.worst_steps(journey.name)),
        columns=[
            Column("Version", width=90),
            Column("Region", width=120),
            Column("Count", panels.COUNT, width=80),
            Column("Failed", panels.COUNT, width=80),
            Column("Failure share", panels.RATIO, decimals=2, width=110),
            Column("P99", panels.MICROSECONDS, width=90),
        ],
    )


def _reasons(journey: Journey) -> Panel:
    return panels.table(
        "Reasons of failures",
        "What services said went wrong, the most frequent first.",
        Sql(sql.reasons(journey.name)),
        columns=[
            Column("Step", width=110),
            Column("Service", width=110),
            Column("Version", width=90),
            Column("Count", panels.COUNT, width=80),
        ],
    )


def _breakdowns(journey: Journey) -> list[Row]:
    return [
        [(24, 1, panels.heading("By version, tier and region"))],
        *([(8, 8, panel) for panel in _breakdown(dimension, journey.name)] for dimension in BREAKDOWNS),
    ]


def _breakdown(dimension: str, journey: str) -> list[Panel]:
    return [
        panels.lines(
            f"Rate by {dimension}",
            f"Journeys that ended, a second, by {dimension}.",
            Sql(sql.rate_by(dimension, journey)),
            unit=panels.PER_SECOND,
        ),
        panels.lines(
            f"Failure share by {dimension}",
            f"Failure / (success + failure) of each {dimension}'s own journeys.",
            Sql(sql.failures_by(dimension, journey)),
            unit=panels.RATIO,
        ),
        panels.lines(
            f"P99 by {dimension}",
            f"The P99 of each {dimension}'s own journeys: what is slow stands apart from what is beside it.",
            Sql(sql.p99_by(dimension, journey)),
            unit=panels.MICROSECONDS,
        ),
    ]


def _annotations(catalogue: Catalogue, journey: Journey, slos: Sequence[Slo]) -> list[Mapping[str, object]]:
    names = [slo.name for slo in slos]
    services = sorted({slo.service for slo in slos if slo.service})
    concerned = [
        str(target.workload)
        for _, target in sorted(catalogue.scaling_targets.items())
        if not target.journeys or journey.name in target.journeys
    ]
    told = {
        "Deployments": (marks.version_changes(journey.name), panels.BLUE),
        "Scale-ups": (marks.scaleups(concerned if catalogue.scaling_targets else None), panels.GREEN),
        "Overrides": (marks.overrides(), panels.YELLOW),
        "Corrections": (marks.corrections(journey.name, names, services), panels.PURPLE),
        "Chaos": (marks.corrections(journey.name, names, services, chaos=True), panels.ORANGE),
    }
    if slos:
        told = {"Alerts": (marks.alerts(names), panels.RED)} | told
    # A busy workload's would hide the charts.
    return [
        variables.annotation(name, Sql(text), colour=colour, enabled=name != "Scale-ups")
        for name, (text, colour) in told.items()
    ]
