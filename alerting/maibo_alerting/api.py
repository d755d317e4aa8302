"""``/v1/alerts``: the state of every alert that is not inactive, how its destinations fare, and what they did not take.

Dead letters are sent after all or forgotten by POST, which takes nothing that another site's page can have sent.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import APIRouter, HTTPException, Query

from maibo_alerting.wording import summary_of
from maibo_slo.problems import Problem
from maibo_slo.service.answers import Answer
from maibo_slo.service.changing import ChangingRoute

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from maibo_alerting.delivery.outbox import DeadLetter
    from maibo_alerting.delivery.send import Sender
    from maibo_alerting.evaluating.evaluator import Evaluator
    from maibo_alerting.evaluating.state import State


class AlertAnswer(Answer):
    """One alert. Times are UTC."""

    name: str
    slo: str
    objective: str
    group: str
    severity: Literal["page", "ticket"]
    state: Literal["inactive", "pending", "firing", "resolved"]
    since: datetime
    """When it came into this state."""
    fired_at: datetime | None
    reason: Literal["", "over", "no_data", "withdrawn"]
    """Why a resolved one is."""
    labels: dict[str, str]
    annotations: dict[str, str]
    link: str


class DestinationAnswer(Answer):
    """Where alerts go. Never an address: it may hold a secret."""

    name: str
    waiting: int
    oldest_waits_since: datetime | None
    last_taken_at: datetime | None
    """Since the service started."""
    trouble: str | None
    dead: int
    """Dead letters."""


class DeadAnswer(Answer):
    """A transition that a destination did not take, and never will by itself. Times are UTC."""

    id: int
    destination: str
    name: str
    slo: str
    objective: str
    group: str
    severity: Literal["page", "ticket"]
    status: Literal["firing", "resolved"]
    summary: str
    starts_at: datetime
    queued_at: datetime
    died_at: datetime
    attempts: int
    reason: str


class DeadsAnswer(Answer):
    """The newest first."""

    dead: list[DeadAnswer]


class DoneAnswer(Answer):
    """What became of a dead letter."""

    id: int
    done: Literal["replayed", "discarded"]


class AlertsAnswer(Answer):
    """Firing ones first, then what is about to; of each pages first, and of what is about to fire the fastest burn."""

    alerts: list[AlertAnswer]
    destinations: list[DestinationAnswer]


_ORDER = ("firing", "pending", "resolved", "inactive")


_NO_SUCH: Final[Mapping[int | str, dict[str, Any]]] = {404: {"model": Problem, "description": "No such dead letter"}}


def router(
    evaluator: Callable[[], Evaluator | None], sender: Callable[[], Sender | None], *, now: Callable[[], float]
) -> APIRouter:
    """Answers from memory, and from the outbox on disk."""
    routes = APIRouter()
    changing = APIRouter(route_class=ChangingRoute)

    @routes.get("/v1/alerts", tags=["alerts"], summary="What fires, is about to, or has just ended")
    def alerts() -> AlertsAnswer:
        evaluating, delivering = evaluator(), sender()
        states = evaluating.outcome.states.values() if evaluating is not None else ()
        soon = evaluating.soon if evaluating is not None else ()
        place = {(each.name, each.slo, each.objective, each.group, each.severity): at for at, each in enumerate(soon)}
        ordered = sorted(
            states,
            key=lambda state: (
                _ORDER.index(state.phase),
                state.key.severity != "page",
                place.get(state.key, 0),
                -state.since,
                state.key,
            ),
        )
        return AlertsAnswer(
            alerts=[_alert(state) for state in ordered],
            destinations=[
                DestinationAnswer(
                    name=each.name,
                    waiting=each.waiting,
                    oldest_waits_since=_time(each.oldest_queued_at),
                    last_taken_at=_time(each.last_taken_at),
                    trouble=each.trouble,
                    dead=each.dead,
                )
                for each in (delivering.conditions() if delivering is not None else ())
            ],
        )

    @routes.get("/v1/alerts/dead", tags=["alerts"], summary="What destinations did not take: dead letters")
    def dead(limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000) -> DeadsAnswer:
        delivering = sender()
        return DeadsAnswer(dead=[_dead(one) for one in (delivering.dead(most=limit) if delivering is not None else ())])

    @changing.post(
        "/v1/alerts/dead/{id}/replay", tags=["alerts"], summary="Send a dead letter after all", responses=dict(_NO_SUCH)
    )
    def replay(id: int) -> DoneAnswer:  # noqa: A002 -- named as in the path
        delivering = sender()
        if delivering is None or not delivering.replay(id, now=now()):
            raise HTTPException(
                404, f"no dead letter {id}, or something newer was told since, or no destination has its name any more"
            )
        return DoneAnswer(id=id, done="replayed")

    @changing.post(
        "/v1/alerts/dead/{id}/discard", tags=["alerts"], summary="Forget a dead letter", responses=dict(_NO_SUCH)
    )
    def discard(id: int) -> DoneAnswer:  # noqa: A002 -- named as in the path
        delivering = sender()
        if delivering is None or not delivering.discard(id):
            raise HTTPException(404, f"no dead letter {id}; GET /v1/alerts/dead tells those that there are")
        return DoneAnswer(id=id, done="discarded")

    routes.include_router(changing)
    return routes


def _dead(letter: DeadLetter) -> DeadAnswer:
    alert = letter.alert
    return DeadAnswer(
        id=letter.id,
        destination=letter.destination,
        name=alert.name,
        slo=alert.slo,
        objective=alert.objective,
        group=alert.group,
        severity=alert.severity,
        status=alert.status,
        summary=summary_of(alert),
        starts_at=datetime.fromtimestamp(alert.starts_at, UTC),
        queued_at=datetime.fromtimestamp(letter.queued_at, UTC),
        died_at=datetime.fromtimestamp(letter.died_at, UTC),
        attempts=letter.attempts,
        reason=letter.reason,
    )


def _alert(state: State) -> AlertAnswer:
    key = state.key
    return AlertAnswer(
        name=key.name,
        slo=key.slo,
        objective=key.objective,
        group=key.group,
        severity=key.severity,
        state=state.phase,
        since=datetime.fromtimestamp(state.since, UTC),
        fired_at=_time(state.fired_at),
        reason=state.reason,
        labels=dict(state.labels),
        annotations=dict(state.annotations),
        link=state.link,
    )


def _time(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)
