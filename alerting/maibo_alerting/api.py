"""``GET /v1/alerts``: the state of every alert that is not inactive, and how its destinations fare."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter

from maibo_slo.service.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

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


class AlertsAnswer(Answer):
    """Firing ones first."""

    alerts: list[AlertAnswer]
    destinations: list[DestinationAnswer]


_ORDER = ("firing", "pending", "resolved", "inactive")


def router(evaluator: Callable[[], Evaluator | None], sender: Callable[[], Sender | None]) -> APIRouter:
    """Answers from memory, and from the outbox on disk."""
    routes = APIRouter()

    @routes.get("/v1/alerts", tags=["alerts"], summary="What fires, is about to, or has just ended")
    def alerts() -> AlertsAnswer:
        evaluating, delivering = evaluator(), sender()
        states = evaluating.outcome.states.values() if evaluating is not None else ()
        ordered = sorted(states, key=lambda state: (_ORDER.index(state.phase), state.key))
        return AlertsAnswer(
            alerts=[_alert(state) for state in ordered],
            destinations=[
                DestinationAnswer(
                    name=each.name,
                    waiting=each.waiting,
                    oldest_waits_since=_time(each.oldest_queued_at),
                    last_taken_at=_time(each.last_taken_at),
                    trouble=each.trouble,
                )
                for each in (delivering.conditions() if delivering is not None else ())
            ],
        )

    return routes


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
