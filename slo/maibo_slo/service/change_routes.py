"""``/v1/changes``: what changed, in one list. Routes of the API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Query
from pydantic import Field

from maibo_slo.service.answers import Answer, Span
from maibo_slo.service.api import RawPathRoute
from maibo_slo.service.changes import MOST, About, Kind
from maibo_slo.service.flows import utc
from maibo_slo.service.openapi import AWAY, WRONG, answers
from maibo_slo.service.parameters import Asked, unix_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_slo.service.changes import Change
    from maibo_slo.service.questions import Questions

DAY: Final = 86_400
_PROBLEMS: Final = {422: WRONG, 503: AWAY}


class ChangeAnswer(Answer):
    """One change."""

    kind: Kind
    at: datetime = Field(description="when it began; of a version, when it was first counted, by the minute or hour")
    end: datetime | None = Field(None, description="null: of a moment, or it goes on; of a past window, at its end")
    goes_on: bool
    subject: str = Field(description="the service, SLO, target, workload or correction that it is about")
    what: str = Field(examples=["v1 → v2", "10 → 40", "at least 40", "page"])
    rollback: bool = Field(description="of a version: one that had gone, and came back")
    services: list[str] = Field(description="that it is about")
    who: str
    why: str
    id: str = Field(
        description="of the scale-up, alert, override, rise or write; the name of a correction; '' of a version"
    )


class ChangesAnswer(Answer):
    """GET /v1/changes"""

    window: Span
    changes: list[ChangeAnswer] = Field(description="the newest first")
    cut: bool = Field(description=f"there were more: the newest {MOST} of each kind, and of all, are told")


_NOW: Final = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
EXAMPLE: Final = ChangesAnswer(
    window=Span(begin=_NOW.replace(day=30), end=_NOW, seconds=DAY),
    changes=[
        ChangeAnswer(
            kind=Kind.SCALEUP,
            at=_NOW.replace(hour=11, minute=41),
            end=_NOW.replace(hour=11, minute=42),
            goes_on=False,
            subject="shop/Deployment/checkout-api",
            what="10 → 40",
            rollback=False,
            services=["checkout-api"],
            who="keda",
            why="external metric s0-maibo-checkout-api above target",
            id="shop/Deployment/checkout-api@1769859660000",
        ),
        ChangeAnswer(
            kind=Kind.VERSION,
            at=_NOW.replace(hour=11, minute=38),
            end=None,
            goes_on=False,
            subject="payment",
            what="8.1.0 → 8.2.0",
            rollback=False,
            services=["payment"],
            who="",
            why="",
            id="",
        ),
    ],
    cut=False,
)


def router(questions: Questions, *, now: Callable[[], float]) -> APIRouter:
    """Routes over these questions. Plain functions: FastAPI runs them in worker threads."""
    routes = APIRouter(prefix="/v1", route_class=RawPathRoute, tags=["changes"])

    @routes.get("/changes", responses=answers(EXAMPLE, _PROBLEMS))
    def changes(
        begin: Annotated[
            str | None, Query(alias="from", description="RFC 3339 with zone, or unix seconds; a day ago.")
        ] = None,
        end: Annotated[str | None, Query(alias="to", description="Now, where not given.")] = None,
        kind: Annotated[list[Kind] | None, Query(description="Only these; may be given several times.")] = None,
        service: Annotated[str, Query(description="Only what is about this service.")] = "",
    ) -> ChangesAnswer:
        """Deployments and rollbacks, overrides, corrections, scale-ups, rises, fast-lane writes and alerts, as they stood at `to`: the newest first."""
        asked = Asked(unix_seconds("from", begin), unix_seconds("to", end), DAY)
        at = now()
        first, last = asked.at(at)
        about = About(service=service, kinds=frozenset(kind or Kind))
        found = questions.changes(first, last, about, now=at)
        return ChangesAnswer(
            window=Span(begin=utc(first), end=utc(last), seconds=last - first),
            changes=[_answer(each) for each in found.changes],
            cut=found.cut,
        )

    return routes


def _answer(of: Change) -> ChangeAnswer:
    return ChangeAnswer(
        kind=of.kind,
        at=utc(of.at),
        end=None if of.end is None else utc(of.end),
        goes_on=of.goes_on,
        subject=of.subject,
        what=of.what,
        rollback=of.rollback,
        services=list(of.services),
        who=of.who,
        why=of.why,
        id=of.id,
    )
