"""The dashboard of scale-ups and of the decisions before them: how long more replicas took, where the time went, and who wished for them.

Scale-ups are of workloads, decisions of scaling targets: each half has a variable of its own. Thresholds are those of the SLOs that count scale-ups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_dashboards import panels, variables
from maibo_dashboards.boards import decisions
from maibo_dashboards.boards.prometheus import scaling as on_prometheus
from maibo_dashboards.boards.scales import NEVER_SCALE, NONE_TOLD, STATES, WARM_SCALE, WISH_COLOURS, latency_scale
from maibo_dashboards.naming import uid
from maibo_dashboards.panels import Column, Panel, Series, Step
from maibo_dashboards.sql import marks
from maibo_dashboards.sql import scaling as sql
from maibo_dashboards.targets import Sql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_dashboards.targets import Source
    from maibo_slo.documents import Catalogue

PHASE_COLOURS: Final = dict(
    zip(
        sql.PHASES.values(),
        ("#8e8e8e", "#b877d9", "#5794f2", panels.RED, panels.ORANGE, panels.YELLOW, "#73bf69", "#37872d"),
        strict=True,
    )
)
HOLD_COLOURS: Final = {
    "the wish itself": "semi-dark-green",
    "warming": "light-orange",
    "dead band": "light-blue",
    "scale-down": "light-purple",
    "min": "semi-dark-blue",
    "max": "semi-dark-red",
}
LEVEL_COLOURS: Final = {"P50": panels.BLUE, "P90": panels.GREEN}
COVERED: Final = (Step("transparent"), Step(panels.BLUE, 0.5), Step(panels.GREEN, 0.9))
MAIBO_URL: Final = "http://127.0.0.1:8080"
"""Where `maibo serve` is, where nothing is said."""


def dashboard(catalogue: Catalogue, source: Source = "clickhouse") -> Panel:
    """Of every workload and target in the store, whether documents tell of them or not."""
    if source == "prometheus":
        return on_prometheus.dashboard(catalogue)
    scale = latency_scale(catalogue)
    return panels.dashboard(
        title="Scale-up latency",
        uid=uid("scaling", source),
        description="How long it takes from the moment when more replicas are needed until they serve, where the time goes, and what decided.",
        rows=[
            [(9, 5, _quantiles(scale)), (9, 5, _counts()), (6, 5, _shares())],
            [(16, 10, _phases(scale)), (8, 10, _states())],
            [(24, 7, _by_workload(scale))],
            [(24, 10, _newest(scale))],
            [(24, 1, panels.heading("Decisions of ${target}"))],
            [(12, 9, _replicas()), (12, 9, _demand())],
            [(24, 6, _deciders())],
            [(12, 9, _wishes()), (12, 9, _accuracy())],
            [(12, 7, _coverage()), (12, 7, _loss())],
        ],
        variables=[
            variables.datasource(source),
            variables.values("namespace", Sql(sql.namespaces())),
            variables.values("workload", Sql(sql.workloads())),
            variables.values("target", Sql(sql.targets()), label="Scaling target", single=True),
            variables.written("maibo_url", MAIBO_URL, label="Address of maibo"),
        ],
        annotations=[
            variables.annotation("Scale-ups", Sql(marks.scaleups()), colour=panels.BLUE, enabled=False),
            variables.annotation("Fast lane", Sql(sql.scale_writes()), colour=panels.PURPLE),
            variables.annotation("Overrides", Sql(marks.overrides()), colour=panels.YELLOW),
            variables.annotation("Alerts", Sql(marks.alerts()), colour=panels.RED, enabled=False),
        ],
        begin="now-24h",
    )


def _quantiles(scale: Sequence[Step]) -> Panel:
    return panels.stat(
        "Scale-up latency",
        "From the trigger, where it is known, else the decision, until as many pods as were added are in rotation; at the longest that whole seconds "
        "allow. Kaplan-Meier: those that never got there count as longer than they lasted, and too many of them are no number. As /v1/scaleups/summary.",
        Sql(sql.latency_quantiles()),
        unit=panels.SECONDS,
        scale=scale,
        decimals=1,
        empty=NONE_TOLD,
    )


def _counts() -> Panel:
    return panels.stat(
        "Scale-ups",
        "Decisions within the time range. Never got there: pods died, or a later decision took it back; such a one is in every quantile here.",
        Sql(sql.counts()),
        unit=panels.COUNT,
    )


def _shares() -> Panel:
    return panels.stat(
        "Warm, and from the trigger",
        "Served warm: no pod had to wait for a new node, of those that ended. From the trigger: a signal of maibo's asked for it; the others count from the decision.",
        Sql(sql.shares()),
        unit=panels.RATIO,
        decimals=0,
    )


def _phases(scale: Sequence[Step]) -> Panel:
    return panels.lines(
        "Where the time goes",
        "Bars: the mean of each phase of those that are complete; they add up to the mean of the whole, which percentiles would not. The line is the P90 of "
        "all, those that never got there included; without it too many did not. By the time of the decision.",
        [Sql(sql.phases_over_time()), Sql(sql.p90_over_time())],
        unit=panels.SECONDS,
        scale=[Step("transparent"), *scale[1:]] if scale else (),
        colours=PHASE_COLOURS,
        series=[Series("P90, censored included", panels.GREY, line=True)],
        stacked=True,
        bars=True,
        interval="30m",
    )


def _states() -> Panel:
    return panels.lines(
        "What became of them",
        "Scale-ups by the time of their decision: as many pods as were added serve (complete), never will (never got there), or may yet (running).",
        Sql(sql.states_over_time()),
        unit=panels.COUNT,
        colours=STATES,
        stacked=True,
        bars=True,
        interval="30m",
    )


def _by_workload(scale: Sequence[Step]) -> Panel:
    return panels.table(
        "By workload",
        "The same quantiles of each workload's own scale-ups; empty where too many never got there.",
        Sql(sql.by_workload()),
        columns=[
            Column("Workload", width=360),
            Column("Scale-ups", panels.COUNT),
            Column("Never got there", panels.COUNT, scale=NEVER_SCALE),
            Column("Running", panels.COUNT),
            *(Column(name, panels.SECONDS, decimals=1, scale=scale) for name in ("P50", "P90", "P99")),
            Column("Served warm", panels.RATIO, decimals=0, scale=WARM_SCALE),
        ],
    )


def _newest(scale: Sequence[Step]) -> Panel:
    return panels.table(
        "Newest scale-ups",
        "Who decided what, how long it took at most (so far, where it is not complete) and which phase took most. Details open the waterfall in maibo, at the address above.",
        Sql(sql.newest()),
        columns=[
            Column("Decided", "dateTimeAsIso", width=170),
            Column("Workload", width=250),
            Column("From", panels.COUNT, width=70),
            Column("To", panels.COUNT, width=70),
            Column("By", width=90),
            Column("State", states=STATES, width=130),
            Column("Took at most", panels.SECONDS, decimals=1, scale=scale, width=120),
            Column("Since", width=90),
            Column("Most of it", width=170),
            Column("Details", url="${maibo_url}/scaleups/${__value.raw}", width=80),
        ],
    )


def _replicas() -> Panel:
    return decisions.replicas("The newest of each interval; a gap is no signal.", Sql(sql.replicas()), interval="10s")


def _demand() -> Panel:
    return decisions.demand(
        "Calls a second that came; what the minute was forecast to be a lead time before, as the median and a band that should hold 8 of 10; and what the ready "
        "replicas carry while their SLOs hold.",
        [Sql(sql.demand()), Sql(sql.forecast())],
    )


def _deciders() -> Panel:
    return panels.state_timeline(
        "Who decided",
        "The highest wish of each moment: by what comes (reactive), by journeys that began (feed-forward), by the forecast (predictive), by a budget that burns for "
        "want of capacity (correction). Below it what made another number of it.",
        Sql(sql.deciders(), as_table=True),
        states={**WISH_COLOURS, **HOLD_COLOURS},
        interval="10s",
    )


def _wishes() -> Panel:
    return panels.lines(
        "Wishes",
        "Replicas that each wish came to, and what was decided; a wish that has no say is a gap.",
        Sql(sql.wishes()),
        unit=panels.COUNT,
        colours={word: WISH_COLOURS[word] for word in sql.WISHES.values()},
        series=[Series("decided", panels.GREY, width=2)],
        interval="10s",
    )


def _accuracy() -> Panel:
    return panels.table(
        "How forecasts did",
        "By quantile level, of the forecasts that what came is known of. Coverage: how often no more came than was said; the level itself is right. Pinball loss: "
        "calls a second, less is better. Calls beyond: the share of all calls that came above it.",
        Sql(sql.accuracy()),
        columns=[
            Column("Level", panels.RATIO, decimals=0),
            Column("Forecasts", panels.COUNT),
            Column("Coverage", panels.RATIO, decimals=1),
            Column("Pinball loss", panels.PER_SECOND, decimals=2),
            Column("Calls beyond", panels.RATIO, decimals=2),
        ],
    )


def _coverage() -> Panel:
    return panels.lines(
        "Coverage of forecasts",
        "How often no more came than the P50 and the P90 said; right are the two lines, at 50 % and at 90 %.",
        Sql(sql.coverage_over_time()),
        unit=panels.RATIO,
        scale=COVERED,
        colours=LEVEL_COLOURS,
        most=1,
        interval="1h",
    )


def _loss() -> Panel:
    return panels.lines(
        "Error of forecasts",
        "Mean pinball loss of the P50 and the P90, calls a second: half the absolute error for the P50; for the P90 what came beyond it weighs nine times.",
        Sql(sql.loss_over_time()),
        unit=panels.PER_SECOND,
        colours=LEVEL_COLOURS,
        interval="1h",
    )
