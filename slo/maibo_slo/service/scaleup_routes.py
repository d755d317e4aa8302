"""``/v1/scaleups``: what scale-ups went through and how long they took. Routes of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, HTTPException, Query

from maibo_slo.service import examples
from maibo_slo.service.api import RawPathRoute
from maibo_slo.service.openapi import AWAY, WRONG, answers
from maibo_slo.service.parameters import DayOf, invalid
from maibo_slo.service.scaleup_answers import OneScaleUpAnswer, ScaleUpsAnswer, ScaleUpSummaryAnswer
from maibo_slo.store.scaleups import ScaleUpState

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_slo.service.questions import Questions

_PROBLEMS: Final = {422: WRONG, 503: AWAY}

WorkloadText = Annotated[
    str,
    Query(
        description="Only of this workload: NAMESPACE/KIND/NAME, or NAME alone.",
        examples=["shop/Deployment/checkout-api"],
    ),
]


def router(questions: Questions, *, now: Callable[[], float]) -> APIRouter:
    """Routes over these questions. Plain functions: FastAPI runs them in worker threads."""
    routes = APIRouter(prefix="/v1", route_class=RawPathRoute, tags=["scale-ups"])

    @routes.get("/scaleups", responses=answers(examples.SCALEUPS, _PROBLEMS))
    def scaleups(
        asked: DayOf,
        *,
        workload: WorkloadText = "",
        state: Annotated[
            list[ScaleUpState] | None, Query(description="Only in these; may be given several times.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="So many of the newest.")] = 100,
    ) -> ScaleUpsAnswer:
        """Scale-ups that were decided in the window, a day where nothing is said, as they stood at its end: latency, phases, pods by state, skews; the
        newest first.
        """
        at = now()
        begin, end = asked.at(at)
        try:
            return questions.scaleups(begin, end, workload=workload, states=state or (), limit=limit, now=at)
        except ValueError as error:
            raise invalid("workload", str(error)) from None

    @routes.get("/scaleups/summary", responses=answers(examples.SCALEUP_SUMMARY, _PROBLEMS))
    def summary(asked: DayOf, *, workload: WorkloadText = "") -> ScaleUpSummaryAnswer:
        """What scale-ups took until the end of the window, by workload: P50, P90, P99 of the whole and of each phase; censored ones count as longer than
        they lasted.
        """
        at = now()
        begin, end = asked.at(at)
        try:
            return questions.scaleup_summary(begin, end, workload=workload, now=at)
        except ValueError as error:
            raise invalid("workload", str(error)) from None

    # An id is three segments of a path, so that it can be written as it is; as one segment, %2F for /, it is found as well.
    @routes.get("/scaleups/{id:path}", responses=answers(examples.SCALEUP, {404: "No such scale-up", **_PROBLEMS}))
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
