"""``/v1/scaleups``: what scale-ups went through and how long they took. Routes of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query

from maibo_slo.service import examples
from maibo_slo.service.api import StrictRoute
from maibo_slo.service.parameters import DayOf, invalid
from maibo_slo.service.problems import Problem
from maibo_slo.service.scaleups import OneScaleUpAnswer, ScaleUpsAnswer, ScaleUpSummaryAnswer
from maibo_slo.store.scaleups import ScaleUpState

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_slo.service.answers import Answer
    from maibo_slo.service.questions import Questions

_PROBLEM: Final = {"application/problem+json": {"schema": Problem.model_json_schema()}}
_WRONG: Final[dict[int | str, dict[str, Any]]] = {
    422: {"description": "A parameter is wrong", "content": _PROBLEM},
    503: {"description": "The store cannot answer now", "content": _PROBLEM},
}
_UNKNOWN: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "No such scale-up", "content": _PROBLEM}}

WorkloadText = Annotated[
    str,
    Query(
        description="Only of this workload: NAMESPACE/KIND/NAME, or NAME alone.",
        examples=["shop/Deployment/checkout-api"],
    ),
]


def router(questions: Questions, *, now: Callable[[], float]) -> APIRouter:
    """Routes over these questions. Plain functions: FastAPI runs them in worker threads."""
    routes = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["scale-ups"])

    @routes.get("/scaleups", responses=_answers(examples.SCALEUPS))
    def scaleups(
        asked: DayOf,
        *,
        workload: WorkloadText = "",
        state: Annotated[
            list[ScaleUpState] | None, Query(description="Only in these; may be given several times.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="So many of the newest.")] = 100,
    ) -> ScaleUpsAnswer:
        """Scale-ups that were decided in the window, a day where nothing is said: latency, phases, pods by state, skews; the newest first."""
        at = now()
        begin, end = asked.at(at)
        try:
            return questions.scaleups(begin, end, workload=workload, states=state or (), limit=limit, now=at)
        except ValueError as error:
            raise invalid("workload", str(error)) from None

    @routes.get("/scaleups/summary", responses=_answers(examples.SCALEUP_SUMMARY))
    def summary(asked: DayOf, *, workload: WorkloadText = "") -> ScaleUpSummaryAnswer:
        """What scale-ups took, by workload: P50, P90, P99 of the whole and of each phase; censored ones count as longer than they lasted."""
        at = now()
        begin, end = asked.at(at)
        try:
            return questions.scaleup_summary(begin, end, workload=workload, now=at)
        except ValueError as error:
            raise invalid("workload", str(error)) from None

    # An id is three segments of a path, so that it can be written as it is; as one segment, %2F for /, it is found as well.
    @routes.get("/scaleups/{id:path}", responses={**_answers(examples.SCALEUP), **_UNKNOWN})
    def scaleup(id: str) -> OneScaleUpAnswer:  # noqa: A002 -- the name in the API
        """One scale-up with its moments and every pod that it added."""
        found = questions.scaleup(id, now=now())
        if found is None:
            raise HTTPException(
                404,
                f"no scale-up {id!r} is kept: an id is NAMESPACE/KIND/NAME@MILLISECONDS, as /v1/scaleups lists them, for 400 days",
            )
        return found

    return routes


def _answers(example: Answer) -> dict[int | str, dict[str, Any]]:
    """What a route answers, for OpenAPI."""
    return {200: {"content": {"application/json": {"example": example.model_dump(mode="json")}}}, **_WRONG}
