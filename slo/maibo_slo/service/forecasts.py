"""``/v1/forecasts`` and ``/v1/burst-pools``: what demand was forecast to be beside what came, and how much room its growth needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query
from pydantic import Field

from maibo_slo.documents import Catalogue
from maibo_slo.documents.scaling_kinds import BurstPool, pool_workload
from maibo_slo.engine.forecasting import Forecaster, Gate
from maibo_slo.engine.scaling.pool import PoolHeld, growth, growth_refusal, pool_report, pool_size
from maibo_slo.service.answers import Answer, Span
from maibo_slo.service.api import StrictRoute
from maibo_slo.service.flows import utc
from maibo_slo.service.parameters import DayOf
from maibo_slo.service.problems import Problem, near
from maibo_slo.store import Store, forecasts, replicas, scaleups
from maibo_slo.store.forecasts import Accuracy, Forecasted, accuracy_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.engine.scaling.inputs import Forecast, Lead

_UNWATCHED: Final = "nobody watches its pods (--kubernetes), so it is not known how many run"
POINTS: Final = 300
"""Of a series; of more, every so many are shown."""
_AHEAD_SECONDS: Final = 86_400
_PROBLEM: Final = {"application/problem+json": {"schema": Problem.model_json_schema()}}
_WRONG: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "No such target", "content": _PROBLEM},
    422: {"description": "A parameter is wrong", "content": _PROBLEM},
    503: {"description": "The store cannot answer now", "content": _PROBLEM},
}


class LevelAnswer(Answer):
    """One level of the forecasts: what it says, and how it did in the window."""

    level: float
    rate: float | None = Field(description="calls a second, by the newest forecast; null where it has no number")
    pinball: float | None = Field(description="mean pinball loss, calls a second; less is better")
    coverage: float | None = Field(description="share of minutes that came to no more; the level itself would be right")
    under_share: float | None = Field(description="share of all calls that came beyond it")
    compared_pinball: float | None = Field(description="of those that persistence can be compared with")
    persistence_pinball: float | None = Field(
        description="of persistence for the same ones, with the spread that fits best in hindsight"
    )


class ModelAnswer(Answer):
    """How a model did in the newest backtest, at the level that is acted upon."""

    model: str
    pinball: float = Field(description="calls a second")
    coverage: float | None = Field(description="of the level that is acted upon")
    minutes: int
    won: int = Field(description="of four stretches, in how many it beat persistence")


class ForecastPoint(Answer):
    """One forecast beside what came."""

    at: datetime
    low: float
    middle: float
    ready_for: float = Field(description="the quantile that is acted upon")
    came: float | None
    acted: bool


class ForecastAnswer(Answer):
    """A target's newest forecast, and how forecasts did in the window. Rates are calls a second."""

    now: datetime
    window: Span
    namespace: str
    target: str
    enabled: bool
    quantile: float = Field(description="the level that is acted upon")
    made_at: datetime | None
    at: datetime | None = Field(description="the moment that the newest is of")
    lead_seconds: float | None = Field(description="how long a scale-up takes; null before the first round")
    lead_why: str = Field(description="where that is from", examples=["P90 of 14 scale-ups", "said", "assumed"])
    model: str
    abstained: str = Field(description="why it is not acted upon; '' when it is", examples=[""])
    expected_factor: float
    levels: list[LevelAnswer]
    forecasts: int = Field(description="in the window, of which it is known what came")
    acted: int
    wape: float | None = Field(description="error of the median, as a share of what came")
    models: list[ModelAnswer] = Field(description="that were tried, persistence first")
    series: list[ForecastPoint]


class BurstPoolAnswer(Answer):
    """How large a target's burst pool should be, and what it was good for in the window."""

    now: datetime
    window: Span
    namespace: str
    target: str
    declared: bool = Field(description="false: the document has no burstPool; this is what one would be")
    quantile: float
    lead_seconds: float | None = Field(description="how long a scale-up takes; null before the first round")
    lead_why: str = Field(description="where that is from", examples=["P90 of 14 scale-ups", "said", "assumed"])
    growth: float | None = Field(
        description="of busy minutes over the lead time, at that quantile; null where not known"
    )
    replicas: int | None = Field(description="that run now: ready, and of them what grows")
    max_replicas: int = Field(description="by the document: room beyond is never used")
    pods: int | None = Field(
        description="ceil((growth - 1) x replicas), at most the document's and at most max_replicas - replicas"
    )
    abstained: str = Field(description="why there is no number of pods; '' when there is", examples=[""])
    scale_ups: int
    warm: int = Field(description="scale-ups none of whose pods had to wait for a node")
    warm_share: float | None
    pod_hours: float | None = Field(description="of the balloon's pods, as they were watched; null without any")


def router(
    store: Store,
    catalogue: Callable[[], Catalogue],
    *,
    forecaster: Callable[[], Forecaster | None],
    now: Callable[[], float],
) -> APIRouter:
    """Routes over one store's forecasts. Plain functions: FastAPI runs them in worker threads."""
    routes = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["scaling"])

    @routes.get("/forecasts/{namespace}/{target}", responses=_answers(FORECAST))
    def forecast(
        namespace: str,
        target: str,
        asked: DayOf,
        *,
        series: Annotated[bool, Query(description="With at most 300 forecasts beside what came.")] = False,
    ) -> ForecastAnswer:
        """The newest forecast of a target's demand, and how its forecasts did in the window, a day where nothing is said."""
        of = _target(catalogue(), namespace, target)
        at = now()
        begin, end = asked.at(at)
        made = forecasts.forecasts(store, namespace, target, begin=begin, end=max(end, at + _AHEAD_SECONDS))
        return _forecast(of, made, _known(forecaster(), of, at), begin=begin, end=end, now=at, series=series)

    @routes.get("/burst-pools/{namespace}/{target}", responses=_answers(BURST_POOL))
    def burst_pool(namespace: str, target: str, asked: DayOf) -> BurstPoolAnswer:
        """How many pods' room a target needs for its growth over a lead time; how many scale-ups were served warm, and what that cost."""
        of = _target(catalogue(), namespace, target)
        at = now()
        begin, end = asked.at(at)
        return _burst_pool(store, of, _known(forecaster(), of, at), begin=begin, end=end, now=at)

    return routes


@dataclass(frozen=True, slots=True)
class _Known:
    """What the forecaster has in memory of one target; None before the first round."""

    forecast: Forecast | None = None
    gate: Gate | None = None
    lead: Lead | None = None
    history: NDArray[np.float64] | None = None


def _known(forecaster: Forecaster | None, target: ScalingTarget, now: float) -> _Known:
    if forecaster is None:
        return _Known()
    key = (target.workload.namespace, target.name)
    return _Known(
        forecaster.forecast(*key, now=now), forecaster.gate(*key), forecaster.lead(*key), forecaster.history(*key)
    )


def _target(documents: Catalogue, namespace: str, name: str) -> ScalingTarget:
    found = documents.scaling_targets.get(name)
    if found is None or found.workload.namespace != namespace:
        known = {f"{each.workload.namespace}/{each.name}" for each in documents.scaling_targets.values()}
        raise HTTPException(
            404, f"no ScalingTarget {name!r} is in force in namespace {namespace!r}{near(f'{namespace}/{name}', known)}"
        )
    return found


def _forecast(
    target: ScalingTarget,
    made: Sequence[Forecasted],
    known: _Known,
    *,
    begin: int,
    end: int,
    now: float,
    series: bool,
) -> ForecastAnswer:
    stored = max(made, key=lambda each: each.made_at, default=None)
    # The store has only what has a number; what is in memory may say why there is none.
    newest: Forecast | Forecasted | None = known.forecast
    if newest is None or (stored is not None and stored.made_at > newest.made_at):
        newest = stored
    past = [each for each in made if begin <= each.at < end]
    accuracy = accuracy_of(past)
    level = target.forecast.quantile
    return ForecastAnswer(
        now=utc(now),
        window=_span(begin, end),
        namespace=target.workload.namespace,
        target=target.name,
        enabled=target.forecast.enabled,
        quantile=level,
        made_at=None if newest is None else utc(newest.made_at),
        at=None if newest is None else utc(newest.at),
        model="" if newest is None else newest.model,
        lead_seconds=known.lead.seconds if known.lead else None,
        lead_why=known.lead.why if known.lead else "",
        abstained=_without(target) if newest is None else newest.abstained,
        expected_factor=1.0 if newest is None else newest.expected_factor,
        levels=_levels(newest, accuracy),
        forecasts=0 if accuracy is None else accuracy.forecasts,
        acted=0 if accuracy is None else accuracy.acted,
        wape=None if accuracy is None else accuracy.wape,
        models=[
            ModelAnswer(
                model=score.model,
                pinball=score.pinball,
                coverage=score.coverage.get(level),
                minutes=score.minutes,
                won=score.won,
            )
            for score in (known.gate.scores if known.gate else ())
        ],
        series=[_point(each, level) for each in past[:: ceil(len(past) / POINTS)]] if series and past else [],
    )


def _without(target: ScalingTarget) -> str:
    """Why there is no forecast at all."""
    return "no forecast was made yet" if target.forecast.enabled else "its forecast is switched off in the document"


def _levels(newest: Forecast | Forecasted | None, accuracy: Accuracy | None) -> list[LevelAnswer]:
    said = {} if newest is None else newest.quantiles
    judged = {} if accuracy is None else asdict(accuracy)
    names = ("pinball", "coverage", "under_share", "compared_pinball", "persistence_pinball")
    return [
        LevelAnswer(level=level, rate=said.get(level), **{name: judged.get(name, {}).get(level) for name in names})
        for level in sorted({*said, *judged.get("pinball", {})})
    ]


def _point(made: Forecasted, level: float) -> ForecastPoint:
    def nearest(wanted: float) -> float:
        return made.quantiles[min(made.quantiles, key=lambda each: abs(each - wanted))]

    return ForecastPoint(
        at=utc(made.at),
        low=nearest(0.1),
        middle=nearest(0.5),
        ready_for=nearest(level),
        came=made.came,
        acted=not made.abstained,
    )


def _burst_pool(
    store: Store, target: ScalingTarget, known: _Known, *, begin: int, end: int, now: float
) -> BurstPoolAnswer:
    pool, workload, lead = target.burst_pool or BurstPool(), target.workload, known.lead
    grown, abstained = _growth(target, known, pool.quantile)
    sample = replicas.newest(store, {workload}).get(workload)
    runs = None if sample is None else sample.ready
    if runs is None:
        abstained = "; ".join(filter(None, (abstained, _UNWATCHED)))
    room = target.most - (runs or 0)
    balloon = replicas.history(store, pool_workload(target), begin, end)
    held = [PoolHeld(each.t, each.t + replicas.SECONDS, each.ready) for each in balloon]
    report = pool_report(scaleups.scaleups(store, begin, end, workload), held)
    return BurstPoolAnswer(
        now=utc(now),
        window=_span(begin, end),
        namespace=workload.namespace,
        target=target.name,
        declared=target.burst_pool is not None,
        quantile=pool.quantile,
        lead_seconds=lead.seconds if lead else None,
        lead_why=lead.why if lead else "",
        growth=grown,
        replicas=runs,
        max_replicas=target.most,
        pods=None
        if grown is None or runs is None
        else pool_size(runs, grown, room if pool.most is None else min(room, pool.most)),
        abstained=abstained,
        scale_ups=report.scale_ups,
        warm=report.warm,
        warm_share=report.warm_share,
        pod_hours=report.pod_hours if held else None,
    )


def _growth(target: ScalingTarget, known: _Known, level: float) -> tuple[float | None, str]:
    """At this level, and '' ; or None, and why."""
    if known.history is None or known.lead is None:
        return None, "no history was read yet" if target.forecast.enabled else _without(target)
    refusal = growth_refusal(known.history, known.lead.seconds)
    return (None, refusal) if refusal else (growth(known.history, known.lead.seconds, level), "")


def _span(begin: int, end: int) -> Span:
    return Span(begin=utc(begin), end=utc(end), seconds=end - begin)


_NOW: Final = utc(1_795_000_004)
_DAY: Final = Span(begin=_NOW - timedelta(days=1), end=_NOW, seconds=86_400)
FORECAST: Final = ForecastAnswer(
    now=_NOW,
    window=_DAY,
    namespace="shop",
    target="checkout-api",
    enabled=True,
    quantile=0.9,
    made_at=_NOW - timedelta(seconds=44),
    at=_NOW + timedelta(seconds=116),
    lead_seconds=90.0,
    lead_why="P90 of 14 scale-ups",
    model="day",
    abstained="",
    expected_factor=1.0,
    levels=[
        LevelAnswer(
            level=0.9,
            rate=212.4,
            pinball=1.9,
            coverage=0.91,
            under_share=0.004,
            compared_pinball=1.9,
            persistence_pinball=2.8,
        )
    ],
    forecasts=1437,
    acted=1437,
    wape=0.03,
    models=[
        ModelAnswer(model="persistence", pinball=2.9, coverage=0.9, minutes=5760, won=0),
        ModelAnswer(model="day", pinball=1.9, coverage=0.91, minutes=5760, won=4),
    ],
    series=[
        ForecastPoint(at=_NOW - timedelta(minutes=5), low=180.1, middle=196.0, ready_for=208.2, came=199.5, acted=True)
    ],
)
BURST_POOL: Final = BurstPoolAnswer(
    now=_NOW,
    window=_DAY,
    namespace="shop",
    target="checkout-api",
    declared=True,
    quantile=0.99,
    lead_seconds=90.0,
    lead_why="P90 of 14 scale-ups",
    growth=1.26,
    replicas=20,
    max_replicas=60,
    pods=6,
    abstained="",
    scale_ups=14,
    warm=11,
    warm_share=11 / 14,
    pod_hours=144.0,
)


def _answers(example: Answer) -> dict[int | str, dict[str, Any]]:
    """What a route answers, for OpenAPI."""
    return {200: {"content": {"application/json": {"example": example.model_dump(mode="json")}}}, **_WRONG}
