"""``/v1/forecasts``: what demand was forecast to be, beside what came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Query
from pydantic import Field

from maibo_slo.documents import Catalogue
from maibo_slo.engine.forecasting import Forecaster
from maibo_slo.service.answers import Answer, Span
from maibo_slo.service.api import RawPathRoute
from maibo_slo.service.flows import utc
from maibo_slo.service.foresight import Known, known_of, span, target_of, targets_of, without
from maibo_slo.service.openapi import AWAY, WRONG, answers
from maibo_slo.service.parameters import DayOf
from maibo_slo.store import Store, forecasts
from maibo_slo.store.forecasts import Accuracy, Forecasted, accuracy_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.engine.scaling.inputs import Forecast

POINTS: Final = 300
"""Of a series; of more, every so many are shown."""
_DAY_SECONDS: Final = 86_400
_PROBLEMS: Final = {404: "No such target", 422: WRONG, 503: AWAY}


class RateAnswer(Answer):
    """One level of a forecast."""

    level: float
    rate: float | None = Field(description="calls a second, by the newest forecast; null where it has no number")


class LevelAnswer(RateAnswer):
    """One level of the forecasts: what it says, and how it did in the window."""

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


class NewestForecast(Answer):
    """A target's newest forecast. Rates are calls a second."""

    namespace: str
    target: str
    enabled: bool
    quantile: float = Field(description="the level that is acted upon")
    made_at: datetime | None
    at: datetime | None = Field(
        description="the moment that it is of: the lead time, and the 70 s that a forecast is acted upon, after the minute it was made in"
    )
    lead_seconds: float | None = Field(description="how long a scale-up takes; null before the first round")
    lead_why: str = Field(description="where that is from", examples=["P90 of 14 scale-ups", "said", "assumed"])
    model: str
    abstained: str = Field(description="why it is not acted upon; '' when it is", examples=[""])
    expected_factor: float


class ListedForecast(NewestForecast):
    """One of all."""

    levels: list[RateAnswer]


class ForecastsAnswer(Answer):
    """Every target's newest forecast, by namespace and name."""

    now: datetime
    forecasts: list[ListedForecast]


class ForecastAnswer(NewestForecast):
    """A target's newest forecast, and how forecasts did in the window. Rates are calls a second."""

    now: datetime
    window: Span
    levels: list[LevelAnswer]
    forecasts: int = Field(description="in the window, of which it is known what came")
    acted: int
    wape: float | None = Field(description="error of the median, as a share of what came")
    models: list[ModelAnswer] = Field(description="that were tried, persistence first")
    series: list[ForecastPoint]


def router(
    store: Store,
    catalogue: Callable[[], Catalogue],
    *,
    forecaster: Callable[[], Forecaster | None],
    now: Callable[[], float],
) -> APIRouter:
    """Routes over one store's forecasts. Plain functions: FastAPI runs them in worker threads."""
    routes = APIRouter(prefix="/v1", route_class=RawPathRoute, tags=["scaling"])

    @routes.get("/forecasts", responses=answers(FORECASTS, {503: AWAY}))
    def every() -> ForecastsAnswer:
        """The newest forecast of every target's demand, or why there is none."""
        at = now()
        targets = targets_of(catalogue())
        # A day ago, as far as the answer about one of them looks where nothing is said.
        stored = forecasts.newest(store, begin=at - _DAY_SECONDS, end=at + _DAY_SECONDS) if targets else {}
        return ForecastsAnswer(
            now=utc(at),
            forecasts=[
                _listed(each, stored.get((each.workload.namespace, each.name)), known_of(forecaster(), each, at))
                for each in targets
            ],
        )

    @routes.get("/forecasts/{namespace}/{target}", responses=answers(FORECAST, _PROBLEMS))
    def forecast(
        namespace: str,
        target: str,
        asked: DayOf,
        *,
        series: Annotated[bool, Query(description="With at most 300 forecasts beside what came.")] = False,
    ) -> ForecastAnswer:
        """The newest forecast of a target's demand, and how its forecasts did in the window, a day where nothing is said."""
        of = target_of(catalogue(), namespace, target)
        at = now()
        begin, end = asked.at(at)
        made = forecasts.forecasts(store, namespace, target, begin=begin, end=max(end, at + _DAY_SECONDS))
        return _forecast(of, made, known_of(forecaster(), of, at), begin=begin, end=end, now=at, series=series)

    return routes


def _listed(target: ScalingTarget, stored: Forecasted | None, known: Known) -> ListedForecast:
    newest = _newest(stored, known)
    rates = {} if newest is None else newest.quantiles
    return ListedForecast(
        **dict(_told(target, newest, known)),
        levels=[RateAnswer(level=level, rate=rate) for level, rate in sorted(rates.items())],
    )


def _newest(stored: Forecasted | None, known: Known) -> Forecast | Forecasted | None:
    """The store has only what has a number; what is in memory may say why there is none."""
    there = known.forecast
    return stored if there is None or (stored is not None and stored.made_at > there.made_at) else there


def _told(target: ScalingTarget, newest: Forecast | Forecasted | None, known: Known) -> NewestForecast:
    return NewestForecast(
        namespace=target.workload.namespace,
        target=target.name,
        enabled=target.forecast.enabled,
        quantile=target.forecast.quantile,
        made_at=None if newest is None else utc(newest.made_at),
        at=None if newest is None else utc(newest.at),
        model="" if newest is None else newest.model,
        lead_seconds=known.lead.seconds if known.lead else None,
        lead_why=known.lead.why if known.lead else "",
        abstained=without(target) if newest is None else newest.abstained,
        expected_factor=1.0 if newest is None else newest.expected_factor,
    )


def _forecast(
    target: ScalingTarget,
    made: Sequence[Forecasted],
    known: Known,
    *,
    begin: int,
    end: int,
    now: float,
    series: bool,
) -> ForecastAnswer:
    newest = _newest(max(made, key=lambda each: each.made_at, default=None), known)
    past = [each for each in made if begin <= each.at < end]
    accuracy = accuracy_of(past)
    level = target.forecast.quantile
    return ForecastAnswer(
        **dict(_told(target, newest, known)),
        now=utc(now),
        window=span(begin, end),
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


_NOW: Final = utc(1_795_000_004)
_NEWEST: Final = NewestForecast(
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
)
FORECASTS: Final = ForecastsAnswer(
    now=_NOW, forecasts=[ListedForecast(**dict(_NEWEST), levels=[RateAnswer(level=0.9, rate=212.4)])]
)
FORECAST: Final = ForecastAnswer(
    **dict(_NEWEST),
    now=_NOW,
    window=Span(begin=_NOW - timedelta(days=1), end=_NOW, seconds=86_400),
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
