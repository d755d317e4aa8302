"""``/v1/scaling``: the signals as JSON, which KEDA's ``metrics-api`` trigger reads as it is.

Answered on the event loop, from memory: the threads that ask the store may all be waiting for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

from maibo_slo.engine.scaling.answered import Answered
from maibo_slo.engine.scaling.inputs import Demand, Inputs, Override, Wish
from maibo_slo.engine.scaling.signal import NoSignal, Refusal, ScalingSignal, UnknownTarget
from maibo_slo.problems import ProblemResponse, problem
from maibo_slo.signals.reading import Reader, Standing

FACE: Final = "json"


class Answer(BaseModel):
    """Strict JSON: no NaN or infinity leaves the service."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null", allow_inf_nan=False)


class WishAnswer(Answer):
    """One of the wishes that the decision is the highest of."""

    kind: str = Field(examples=["reactive"])
    replicas: int | None = Field(description="null: it has no say")
    why: str
    figures: dict[str, float]


class InputsAnswer(Answer):
    """What it was decided from; null is not known."""

    demand_calls_per_second: float | None
    surge: bool = Field(description="the demand is from the last seconds alone, since they differ from those before")
    fed_forward_calls_per_second: float | None
    capacity_calls_per_second: float | None = Field(description="of one replica, as planned with")
    capacity_why: str
    wanted_replicas: int | None = Field(description="spec.replicas")
    ready_replicas: int | None


class OverrideAnswer(Answer):
    """What a person said, until it expires."""

    id: str
    min_replicas: int | None = None
    max_replicas: int | None = None
    until: datetime
    who: str
    why: str


class FaceAnswer(Answer):
    """What a face answered last about a target."""

    face: str = Field(description="keda | json | external_metrics | prometheus | fast_lane", examples=["keda"])
    at: datetime
    replicas: int | None = Field(description="null: it refused")
    refused: str = Field(description="in which words; '' where it did not")


class ScalingAnswer(Answer):
    """A signal that is fit to be acted upon. `desired_replicas` is what a scaler reads."""

    namespace: str
    target: str
    workload: str = Field(examples=["shop/Deployment/checkout-api"])
    desired_replicas: int
    lower_replicas: int
    upper_replicas: int
    min_replicas: int
    max_replicas: int
    reason: str
    held_by: str = Field(description="what made it other than the highest wish; '' nothing")
    wishes: list[WishAnswer]
    inputs: InputsAnswer
    observed_at: datetime
    decided_at: datetime
    age_seconds: float
    max_age_seconds: float
    override: OverrideAnswer | None


class KnownAnswer(Answer):
    """What is known of a target that has no signal to act upon. Never a number of replicas to have."""

    namespace: str
    target: str
    workload: str
    min_replicas: int | None = Field(description="the bounds in force")
    max_replicas: int | None
    inputs: InputsAnswer | None = Field(description="null: nothing was looked at")
    services_heard: list[str] = Field(description="that calls were counted of lately, its own or not")
    age_seconds: float | None = Field(description="null: nothing of it was heard since the start")
    override: OverrideAnswer | None


class StandingAnswer(Answer):
    """One target in the list of all."""

    namespace: str
    target: str
    workload: str
    desired_replicas: int | None = Field(description="null: there is no signal to act upon")
    refused: str = Field(description="why there is none; '' where there is one")
    reason: str
    age_seconds: float | None = Field(description="null: nothing of it was heard since the start")
    ready_replicas: int | None = Field(None, description="null: nobody watches its pods")
    override: OverrideAnswer | None = Field(None, description="in force, whether there is a signal or not")
    faces: list[FaceAnswer] = Field([], description="that were asked since the start, and what each answered last")


class ScalingListAnswer(Answer):
    """Every target, by namespace and name."""

    now: datetime
    decided_at: datetime | None = Field(description="null: nothing was decided yet")
    targets: list[StandingAnswer]


def router(
    reader: Reader,
    served: Callable[[str, str, int, str], None],
    *,
    answered: Callable[[str, str, int | None, str, str], None] = lambda *_: None,
    last_answers: Callable[[str, str], Sequence[Answered]] = lambda *_: (),
) -> APIRouter:
    """Routes over these signals; see `Context` for what is told and asked."""
    routes = APIRouter(prefix="/v1", tags=["scaling"])

    @routes.get("/scaling", responses=_answers(LIST_EXAMPLE, 503))
    async def scaling() -> ScalingListAnswer:
        """Every target: how many replicas it should have, or why nobody knows."""
        signals = reader.signals()
        return ScalingListAnswer(
            now=_utc(reader.now()),
            decided_at=None if signals is None or signals.decided_at is None else _utc(signals.decided_at),
            targets=[_standing(one, last_answers(one.namespace, one.target)) for one in reader.standings()],
        )

    @routes.get("/scaling/{namespace}/{target}", response_model=ScalingAnswer, responses=_answers(EXAMPLE, 404, 503))
    async def one(request: Request, namespace: str, target: str) -> ScalingAnswer | ProblemResponse:
        """How many replicas one target should have, and why. 503 where the signal is stale: never 0, never an old number.

        The problem's member `known` tells what is known all the same.
        """
        try:
            signal = reader.get(namespace, target)
        except UnknownTarget as error:
            raise HTTPException(404, str(error)) from error
        except NoSignal as error:
            answered(namespace, target, None, str(error), FACE)
            known = next(
                (each for each in reader.standings() if (each.namespace, each.target) == (namespace, target)), None
            )
            if known is None:
                raise HTTPException(503, str(error), headers={"Retry-After": "5"}) from error
            return _refused(request, str(error), known)
        served(namespace, target, signal.desired_replicas, FACE)
        return _answer(namespace, signal, now=reader.now())

    return routes


def _answer(namespace: str, signal: ScalingSignal, *, now: float) -> ScalingAnswer:
    return ScalingAnswer(
        namespace=namespace,
        target=signal.target,
        workload=str(signal.workload),
        desired_replicas=signal.desired_replicas,
        lower_replicas=signal.lower,
        upper_replicas=signal.upper,
        min_replicas=signal.least,
        max_replicas=signal.most,
        reason=signal.reason,
        held_by=signal.decision.held_by,
        wishes=[_wish(wish) for wish in signal.decision.wishes],
        inputs=_inputs(signal.inputs),
        observed_at=_utc(signal.observed_at),
        decided_at=_utc(signal.decided_at),
        age_seconds=signal.age_seconds(now),
        max_age_seconds=signal.max_age_seconds,
        override=None if signal.override is None else _override(signal.override),
    )


def _refused(request: Request, why: str, known: Standing) -> ProblemResponse:
    extensions = {"known": _known(known).model_dump(mode="json")}
    return problem(request, 503, why, headers={"Retry-After": "5"}, extensions=extensions)


def _known(one: Standing) -> KnownAnswer:
    inputs = one.found.inputs
    override = None if inputs is None else inputs.override
    return KnownAnswer(
        namespace=one.namespace,
        target=one.target,
        workload=str(one.found.workload),
        min_replicas=one.found.least,
        max_replicas=one.found.most,
        inputs=None if inputs is None else _inputs(inputs),
        services_heard=list(one.found.heard) if isinstance(one.found, Refusal) else [],
        age_seconds=one.age_seconds,
        override=None if override is None else _override(override),
    )


def _wish(wish: Wish) -> WishAnswer:
    figures = {name: value for name, value in wish.figures.items() if math.isfinite(value)}
    return WishAnswer(kind=wish.kind, replicas=wish.replicas, why=wish.why, figures=figures)


def _inputs(inputs: Inputs) -> InputsAnswer:
    demand, capacity, replicas = inputs.demand, inputs.capacity, inputs.replicas
    return InputsAnswer(
        demand_calls_per_second=_rate(demand),
        surge=demand is not None and demand.surge,
        fed_forward_calls_per_second=_rate(inputs.fed_forward),
        capacity_calls_per_second=None if capacity is None else _finite(capacity.per_replica),
        capacity_why="" if capacity is None else capacity.why,
        wanted_replicas=None if replicas is None else replicas.wanted,
        ready_replicas=None if replicas is None else replicas.ready,
    )


def _override(override: Override) -> OverrideAnswer:
    return OverrideAnswer(
        id=override.id,
        min_replicas=override.least,
        max_replicas=override.most,
        until=_utc(override.until),
        who=override.who,
        why=override.why,
    )


def _standing(one: Standing, faces: Sequence[Answered]) -> StandingAnswer:
    signal = one.found if isinstance(one.found, ScalingSignal) else None
    inputs = one.found.inputs
    ran, override = (None, None) if inputs is None else (inputs.replicas, inputs.override)
    return StandingAnswer(
        namespace=one.namespace,
        target=one.target,
        workload=str(one.found.workload),
        desired_replicas=None if signal is None or one.refused else signal.desired_replicas,
        refused=one.refused,
        reason="" if signal is None or one.refused else signal.reason,
        age_seconds=one.age_seconds,
        ready_replicas=None if ran is None else ran.ready,
        override=None if override is None else _override(override),
        faces=[
            FaceAnswer(face=each.face, at=_utc(each.at), replicas=each.replicas, refused=each.refused) for each in faces
        ],
    )


def _rate(demand: Demand | None) -> float | None:
    return None if demand is None else _finite(demand.rate)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


_PROBLEMS: Final[Mapping[int, str]] = {
    404: "There is no such target",
    503: "There is no signal to act upon: it is stale, refused, or nothing was decided yet",
}
_PROBLEM: Final = {
    "type": "object",
    "required": ["title", "status", "detail"],
    "properties": {"known": {"type": "object", "description": "of 503: what is known of the target all the same"}},
    "description": "RFC 9457",
}


def _answers(example: Answer, *problems: int) -> dict[int | str, dict[str, Any]]:
    """What a route answers, for OpenAPI."""
    described: dict[int | str, dict[str, Any]] = {
        each: {"description": _PROBLEMS[each], "content": {"application/problem+json": {"schema": _PROBLEM}}}
        for each in problems
    }
    described[200] = {"content": {"application/json": {"example": example.model_dump(mode="json")}}}
    return described


_NOW: Final = datetime(2026, 1, 31, 12, 0, 4, tzinfo=UTC)
_REASON: Final = "12 replicas: 410 calls/s ÷ (45 a replica at 80.5%) (reactive)"
# Examples without null: FastAPI would leave it out.
EXAMPLE: Final = ScalingAnswer(
    namespace="shop",
    target="checkout-api",
    workload="shop/Deployment/checkout-api",
    desired_replicas=12,
    lower_replicas=11,
    upper_replicas=14,
    min_replicas=10,
    max_replicas=40,
    reason=_REASON,
    held_by="",
    wishes=[
        WishAnswer(
            kind="reactive",
            replicas=12,
            why="410 calls/s ÷ (45 a replica at 80.5%)",
            figures={"rate": 410.0, "per_replica": 45.0, "utilisation": 0.805, "needed": 11.32},
        ),
        WishAnswer(
            kind="predictive",
            replicas=11,
            why="372 calls/s in 40 s (P60 of trend), lead time 40 s (P90 of 14 scale-ups) ÷ (45 a replica at 80.5%)",
            figures={"rate": 372.0, "per_replica": 45.0, "utilisation": 0.805, "needed": 10.27},
        ),
    ],
    inputs=InputsAnswer(
        demand_calls_per_second=410.0,
        surge=False,
        fed_forward_calls_per_second=405.0,
        capacity_calls_per_second=45.0,
        capacity_why="learned from 312 minutes up to 47 calls/s",
        wanted_replicas=10,
        ready_replicas=10,
    ),
    observed_at=_NOW.replace(second=3),
    decided_at=_NOW,
    age_seconds=1.2,
    max_age_seconds=60.0,
    override=OverrideAnswer(
        id="8c1f",
        min_replicas=10,
        max_replicas=40,
        until=_NOW.replace(hour=14),
        who="ana@shop.example",
        why="The sale begins at noon.",
    ),
)
LIST_EXAMPLE: Final = ScalingListAnswer(
    now=_NOW,
    decided_at=_NOW,
    targets=[
        StandingAnswer(
            namespace="shop",
            target="checkout-api",
            workload="shop/Deployment/checkout-api",
            desired_replicas=12,
            refused="",
            reason=_REASON,
            age_seconds=1.2,
            ready_replicas=10,
            override=EXAMPLE.override,
            faces=[FaceAnswer(face="keda", at=_NOW.replace(second=2), replicas=12, refused="")],
        ),
    ],
)
