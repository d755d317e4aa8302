"""The API, version 1: questions over HTTP. See ``/openapi.json`` for every answer's shape, with examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Final, TypeVar
from urllib.parse import unquote

from fastapi import APIRouter, HTTPException, Query
from fastapi.routing import APIRoute

from maibo_slo.problems import near
from maibo_slo.service import examples
from maibo_slo.service.answers import (
    Answer,
    ExemplarsAnswer,
    HistogramAnswer,
    IngestAnswer,
    JourneysAnswer,
    OneJourneyAnswer,
    ScorecardAnswer,
    SloAnswer,
    SlosAnswer,
)
from maibo_slo.service.journeys import EXEMPLARS, JOURNEYS
from maibo_slo.service.openapi import AWAY, WRONG, answers
from maibo_slo.service.parameters import DayOf, FiltersOf, OutcomeOf, WindowOf
from maibo_slo.service.questions import Questions

if TYPE_CHECKING:
    from starlette.routing import Match
    from starlette.types import Scope

A = TypeVar("A", bound=Answer)
_PROBLEMS: Final = {422: WRONG, 503: AWAY}
_NAMED: Final = {**_PROBLEMS, 404: "Unknown name"}
STEPS = 20
"""So many are named to who asked for one that there is not: spans may bring any number."""
StepText = Annotated[str, Query(description="One step; the journey as a whole where not given.")]


class RawPathRoute(APIRoute):
    """Is found by the path as it was sent: a name may hold ``/``, written as ``%2F``, and even end in ``/histogram``."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Like its parent's, on the path before it was unescaped."""
        match, found = super().matches({**scope, "path": scope["raw_path"].decode("latin-1")})
        if "path_params" in found:
            names = {name: unquote(str(value)) for name, value in found["path_params"].items()}
            found = {**found, "path_params": names}
        return match, found


def router(questions: Questions, *, now: Callable[[], float]) -> APIRouter:
    """Routes over these questions. Plain functions: FastAPI runs them in worker threads, never on the event loop."""
    routes = APIRouter(prefix="/v1", route_class=RawPathRoute)
    _journey_routes(routes, questions, now=now)
    _service_routes(routes, questions, now=now)
    return routes


def _journey_routes(routes: APIRouter, questions: Questions, *, now: Callable[[], float]) -> None:
    @routes.get("/journeys", responses=answers(examples.JOURNEYS, _PROBLEMS), tags=["journeys"])
    def journeys(
        asked: WindowOf,
        filters: FiltersOf,
        *,
        series: Annotated[bool, Query(description="With at most 60 points of rate, outcomes and P99.")] = False,
        limit: Annotated[
            int, Query(ge=1, le=1000, description="So many of the busiest, beside the declared ones.")
        ] = JOURNEYS,
    ) -> JourneysAnswer:
        """Journeys, every declared one and the busiest: count, rate, outcomes, P50/P90/P99."""
        at = now()
        begin, end = asked.at(at)
        return questions.journeys(begin=begin, end=end, where=filters, series=series, limit=limit, now=at)

    @routes.get("/journeys/{name}", responses=answers(examples.JOURNEY, _NAMED), tags=["journeys"])
    def journey(
        name: str,
        asked: WindowOf,
        filters: FiltersOf,
        *,
        step: StepText = "",
        series: Annotated[bool, Query(description="With at most 60 points of rate, outcomes and P99.")] = True,
    ) -> OneJourneyAnswer:
        """One journey or one of its steps, by tier, version and region; with all steps, each by version."""
        at = now()
        begin, end = asked.at(at)
        answer = questions.journey(name, step=step, begin=begin, end=end, where=filters, series=series, now=at)
        found = _known(answer, _no_journey(name))
        if not found.count:
            _require_step(questions, name, step, now=at)
        return found

    @routes.get("/journeys/{name}/histogram", responses=answers(examples.HISTOGRAM, _NAMED), tags=["journeys"])
    def histogram(
        name: str,
        asked: WindowOf,
        filters: FiltersOf,
        step: StepText = "",
    ) -> HistogramAnswer:
        """The latency distribution: the bins that have events, by outcome."""
        at = now()
        begin, end = asked.at(at)
        answer = questions.histogram(name, step=step, where=filters, begin=begin, end=end, now=at)
        if not answer.count:
            _require_journey(questions, name, step, now=at)
        return answer

    @routes.get("/journeys/{name}/exemplars", responses=answers(examples.EXEMPLARS, _NAMED), tags=["journeys"])
    def exemplars(
        name: str,
        asked: WindowOf,
        filters: FiltersOf,
        outcomes: OutcomeOf,
        step: Annotated[
            str | None, Query(description="One step; '' is the journey as a whole; all of both where not given.")
        ] = None,
        limit: Annotated[
            int, Query(ge=1, le=1000, description="So many of each kind: failed, over the threshold, slowest.")
        ] = EXEMPLARS,
    ) -> ExemplarsAnswer:
        """Traces of what was slow and what failed: the newest first, of one moment the slowest. They are kept for 7 days."""
        at = now()
        begin, end = asked.at(at)
        where = {**filters, **outcomes}
        answer = questions.exemplars(name, step=step, where=where, limit=limit, begin=begin, end=end, now=at)
        if not answer.exemplars:
            _require_journey(questions, name, step, now=at)
        return answer


def _service_routes(routes: APIRouter, questions: Questions, *, now: Callable[[], float]) -> None:
    @routes.get("/slos", responses=answers(examples.SLOS, _PROBLEMS), tags=["slos"])
    def slos() -> SlosAnswer:
        """Every SLO: attainment, budget, burn rates, coverage and age of each objective, as of the engine's last tick."""
        return questions.slos(now())

    @routes.get("/slos/{name}", responses=answers(examples.SLO, _NAMED), tags=["slos"])
    def slo(name: str) -> SloAnswer:
        """One SLO."""
        answer = questions.slo(name, now())
        return _known(answer, f"no document in force names an SLO {name!r}{near(name, questions.slo_names())}")

    @routes.get("/scorecard", responses=answers(examples.SCORECARD, _PROBLEMS), tags=["slos"])
    def scorecard(asked: DayOf) -> ScorecardAnswer:
        """Every service: objectives met and missed, the worst budget, its journeys' traffic within the window."""
        at = now()
        begin, end = asked.at(at)
        return questions.scorecard(begin=begin, end=end, now=at)

    @routes.get("/ingest", responses=answers(examples.INGEST, _PROBLEMS), tags=["service"])
    def ingest() -> IngestAnswer:
        """What came in since the store was made, and what became of it."""
        return questions.ingest(now())


def _require_journey(questions: Questions, name: str, step: str | None, *, now: float) -> None:
    """Nothing was found: was it asked for by a name that there is? 404 if not."""
    if not questions.knows(name, now=now):
        raise HTTPException(404, _no_journey(name))
    _require_step(questions, name, step, now=now)


def _require_step(questions: Questions, name: str, step: str | None, *, now: float) -> None:
    """A misspelled step would look like one without failures. Of a journey without any step known, none is wrong."""
    steps = questions.steps(name, now=now) if step else []
    if steps and step not in steps:
        known = ", ".join(map(repr, steps[:STEPS])) + (f" and {len(steps) - STEPS} more" if len(steps) > STEPS else "")
        raise HTTPException(
            404, f"no step {step!r} of journey {name!r} is declared or was seen within 35 days; there are: {known}"
        )


def _no_journey(name: str) -> str:
    return f"no journey {name!r} is declared or was seen within 35 days"


def _known(answer: A | None, otherwise: str) -> A:
    if answer is None:
        raise HTTPException(404, otherwise)
    return answer
