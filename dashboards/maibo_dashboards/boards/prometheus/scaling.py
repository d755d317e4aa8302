"""The dashboard of scale-ups and of what is decided now: how long more replicas took, and who wished for them.

Where the time of a scale-up went, and how forecasts did, is in the store alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_dashboards import panels, variables
from maibo_dashboards.boards import decisions
from maibo_dashboards.boards.prometheus.journeys import alerts, overrides, scaleups
from maibo_dashboards.boards.prometheus.tables import every, joined
from maibo_dashboards.boards.scales import (
    NEVER_SCALE,
    STATES,
    WARM_SCALE,
    WISH_COLOURS,
    latency_scale,
    stale_seconds,
    threshold_lines,
)
from maibo_dashboards.naming import title, uid
from maibo_dashboards.panels import Column, Panel, Series, Step
from maibo_dashboards.promql import scaling as promql
from maibo_dashboards.targets import Promql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.documents import Catalogue

LEVELS: Final = (0.5, 0.9, 0.99)
BY_TIME: Final = "30m"
"""Scale-ups are rare: of shorter times there is seldom one."""


def dashboard(catalogue: Catalogue) -> Panel:
    """Of every workload and target that maibo tells of."""
    scale = latency_scale(catalogue)
    return panels.dashboard(
        title=title("Scale-up latency", "prometheus"),
        uid=uid("scaling", "prometheus"),
        description="How long it takes from the moment when more replicas are needed until they serve, and what decided.",
        rows=[
            [(10, 5, _quantiles(scale)), (9, 5, _counts()), (5, 5, _warm())],
            [(14, 9, _latency(scale)), (10, 9, _states())],
            [(24, 7, _by_workload(scale))],
            [(24, 1, panels.heading("Decisions of ${namespace}/${target}"))],
            [(12, 9, _replicas()), (12, 9, _demand())],
            [(12, 9, _wishes()), (12, 9, _age(stale_seconds(catalogue)))],
        ],
        variables=[
            *every(),
            variables.values("workload", Promql(promql.workloads()), every=".*"),
            variables.values("namespace", Promql(promql.namespaces()), single=True),
            variables.values("target", Promql(promql.targets()), label="Scaling target", single=True),
        ],
        annotations=[scaleups(), overrides(), alerts()],
        begin="now-24h",
    )


def _quantiles(scale: Sequence[Step]) -> Panel:
    return panels.stat(
        "Scale-up latency",
        "Of those that were over within the time range: from the trigger, where it is known, else the decision, until as many pods as were added are in rotation. "
        "Those that never got there are slower than any: a quantile among them is 10 minutes, the last edge.",
        [Promql(promql.latency(level), legend=f"P{level * 100:g}") for level in LEVELS],
        unit=panels.SECONDS,
        scale=scale,
        decimals=1,
        empty="none",
    )


def _counts() -> Panel:
    return panels.stat(
        "Scale-ups",
        "Those that were over within the time range, and what runs now. Never got there: pods died, or a later decision took it back.",
        [
            Promql(promql.ended(), legend="Over"),
            Promql(promql.ended("complete"), legend="Complete"),
            Promql(promql.ended("censored"), legend="Never got there"),
            Promql(promql.running(), legend="Running"),
        ],
        unit=panels.COUNT,
        decimals=0,
    )


def _warm() -> Panel:
    return panels.stat(
        "Served warm",
        "No pod had to wait for a new node, of those that were over within the time range.",
        Promql(promql.warm_share()),
        unit=panels.RATIO,
        scale=WARM_SCALE,
        decimals=0,
    )


def _latency(scale: Sequence[Step]) -> Panel:
    return panels.lines(
        "Scale-up latency over time",
        "Quantiles of those that were over in the half hour before each moment; no data where there were none.",
        [Promql(promql.latency(level, over=BY_TIME), legend=f"P{level * 100:g}") for level in (0.5, 0.9)],
        unit=panels.SECONDS,
        scale=[Step("transparent"), *scale[1:]] if scale else (),
        interval=BY_TIME,
    )


def _states() -> Panel:
    return panels.lines(
        "What became of them",
        "Those that were over in the half hour before each moment: as many pods as were added serve (complete), or never will (never got there).",
        [
            Promql(promql.ended("complete", over=BY_TIME), legend="complete"),
            Promql(promql.ended("censored", over=BY_TIME), legend="never got there"),
        ],
        unit=panels.COUNT,
        colours={name: STATES[name] for name in ("complete", "never got there")},
        stacked=True,
        bars=True,
        decimals=0,
        interval=BY_TIME,
    )


def _by_workload(scale: Sequence[Step]) -> Panel:
    return joined(
        "By workload",
        "The same of each workload's own scale-ups, of those that were over within the time range.",
        promql.columns(),
        labels={"workload": "Workload"},
        columns=[
            Column("Workload", width=360),
            Column("Scale-ups", panels.COUNT, decimals=0),
            Column("Never got there", panels.COUNT, decimals=0, scale=NEVER_SCALE),
            Column("Running", panels.COUNT),
            *(Column(name, panels.SECONDS, decimals=1, scale=scale) for name in ("P50", "P90", "P99")),
            Column("Served warm", panels.RATIO, decimals=0, scale=WARM_SCALE),
        ],
        sort_by="Workload",
    )


def _replicas() -> Panel:
    return decisions.replicas(
        "A gap is no signal.",
        [
            Promql(promql.replicas(which), legend=which)
            for which in ("desired", "upper", "lower", "ready", "wanted", "min", "max")
        ],
        bounds=[Series(name, panels.GREY, dashed=True) for name in ("min", "max")],
    )


def _demand() -> Panel:
    return decisions.demand(
        "Calls a second that come; what is forecast for one lead time later, as the median and a band that should hold 8 of 10; and what the ready replicas "
        "carry while their SLOs hold.",
        [
            Promql(promql.demand(), legend="demand"),
            Promql(promql.carried(), legend="capacity of what is ready"),
            *(Promql(promql.forecast(level), legend=name) for level, name in promql.FORECAST.items()),
        ],
    )


def _wishes() -> Panel:
    return panels.lines(
        "Wishes",
        "Replicas that each wish came to, and what was decided: the highest, within bounds and dead band. A wish that has no say is a gap.",
        [Promql(promql.wishes(), legend="{{kind}}"), Promql(promql.replicas("desired"), legend="decided")],
        unit=panels.COUNT,
        colours={
            name.replace("-", "_"): WISH_COLOURS[name]
            for name in ("reactive", "feed-forward", "predictive", "correction")
        },
        series=[Series("decided", panels.GREY, width=2)],
    )


def _age(stale: int | None) -> Panel:
    return panels.lines(
        "Age of the signal",
        "How old what the decision follows is; the line is the most that any target's document allows. Stale, at the right: 1 where there is nothing to act upon.",
        [Promql(promql.signal_age(), legend="age"), Promql(promql.signal_stale(), legend="stale")],
        unit=panels.SECONDS,
        scale=threshold_lines(stale),
        colours={"age": panels.BLUE},
        series=[Series("stale", panels.RED, unit=panels.COUNT, bars=True)],
    )
