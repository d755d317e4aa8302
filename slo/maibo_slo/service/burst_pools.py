"""``/v1/burst-pools``: how much room the growth of a target's demand over a lead time needs, and what a pool was good for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter
from pydantic import Field

from maibo_slo.documents import Catalogue
from maibo_slo.documents.scaling_kinds import BurstPool, pool_workload
from maibo_slo.engine.forecasting import Forecaster
from maibo_slo.engine.scaling.pool import PoolHeld, growth, growth_refusal, pool_percentage, pool_report, pool_size
from maibo_slo.service.answers import Answer, Span
from maibo_slo.service.api import RawPathRoute
from maibo_slo.service.flows import utc
from maibo_slo.service.foresight import Known, known_of, span, target_of, targets_of, without
from maibo_slo.service.openapi import AWAY, WRONG, answers
from maibo_slo.service.parameters import DayOf
from maibo_slo.store import Store, replicas, scaleups

if TYPE_CHECKING:
    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.store.replicas import Sample

_UNWATCHED: Final = "nobody watches its pods (--kubernetes), so it is not known how many run"
_PROBLEMS: Final = {404: "No such target", 422: WRONG, 503: AWAY}


class PoolSize(Answer):
    """How large a target's burst pool should be."""

    namespace: str
    target: str
    declared: bool = Field(description="false: the document has no burstPool; this is what one would be")
    quantile: float
    lead_seconds: float | None = Field(
        description="how long room that was taken takes to be there again; null before the first round"
    )
    lead_why: str = Field(
        description="where that is from", examples=["P90 of 14 scale-ups that waited for a node", "said", "assumed"]
    )
    growth: float | None = Field(
        description="of busy minutes over the lead time, at that quantile; null where not known"
    )
    replicas: int | None = Field(description="that run now: ready, and of them what grows")
    max_replicas: int = Field(description="by the document: room beyond is never used")
    pods: int | None = Field(
        description="ceil((growth - 1) x replicas), at most the document's and at most max_replicas - replicas"
    )
    percentage: int | None = Field(
        description="of the replicas, whatever they come to: ceil(100 x (growth - 1)), for a CapacityBuffer; null where growth is not known"
    )
    abstained: str = Field(description="why there is no number of pods; '' when there is", examples=[""])


class BurstPoolsAnswer(Answer):
    """Of every target, by namespace and name."""

    now: datetime
    burst_pools: list[PoolSize]


class BurstPoolAnswer(PoolSize):
    """How large a target's burst pool should be, and what it was good for in the window."""

    now: datetime
    window: Span
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
    """Routes over one store's replicas and scale-ups. Plain functions: FastAPI runs them in worker threads."""
    routes = APIRouter(prefix="/v1", route_class=RawPathRoute, tags=["scaling"])

    @routes.get("/burst-pools", responses=answers(BURST_POOLS, {503: AWAY}))
    def every() -> BurstPoolsAnswer:
        """How many pods' room every target needs for its growth over a lead time, or why that is not known."""
        at = now()
        targets = targets_of(catalogue())
        running = replicas.newest(store, {each.workload for each in targets}, now=at)
        return BurstPoolsAnswer(
            now=utc(at),
            burst_pools=[_size(each, running.get(each.workload), known_of(forecaster(), each, at)) for each in targets],
        )

    @routes.get("/burst-pools/{namespace}/{target}", responses=answers(BURST_POOL, _PROBLEMS))
    def burst_pool(namespace: str, target: str, asked: DayOf) -> BurstPoolAnswer:
        """How many pods' room a target needs for its growth over a lead time; how many scale-ups were served warm, and what that cost."""
        of = target_of(catalogue(), namespace, target)
        at = now()
        begin, end = asked.at(at)
        return _burst_pool(store, of, known_of(forecaster(), of, at), begin=begin, end=end, now=at)

    return routes


def _size(target: ScalingTarget, running: Sample | None, known: Known) -> PoolSize:
    pool, lead = target.burst_pool or BurstPool(), known.refill
    grown, abstained = _growth(target, known, pool.quantile)
    runs = None if running is None else running.ready
    if runs is None:
        abstained = "; ".join(filter(None, (abstained, _UNWATCHED)))
    room = target.most - (runs or 0)
    return PoolSize(
        namespace=target.workload.namespace,
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
        percentage=None if grown is None else pool_percentage(grown),
        abstained=abstained,
    )


def _burst_pool(
    store: Store, target: ScalingTarget, known: Known, *, begin: int, end: int, now: float
) -> BurstPoolAnswer:
    workload = target.workload
    balloon = replicas.history(store, pool_workload(target), begin, end)
    held = [PoolHeld(each.t, each.t + replicas.SECONDS, each.ready) for each in balloon]
    report = pool_report(scaleups.scaleups(store, begin, end, workload), held)
    return BurstPoolAnswer(
        **dict(_size(target, replicas.newest(store, {workload}, now=now).get(workload), known)),
        now=utc(now),
        window=span(begin, end),
        scale_ups=report.scale_ups,
        warm=report.warm,
        warm_share=report.warm_share,
        pod_hours=report.pod_hours if held else None,
    )


def _growth(target: ScalingTarget, known: Known, level: float) -> tuple[float | None, str]:
    """At this level, and '' ; or None, and why."""
    if known.history is None or known.refill is None:
        return None, "no history was read yet" if target.forecast.enabled else without(target)
    refusal = growth_refusal(known.history, known.refill.seconds)
    return (None, refusal) if refusal else (growth(known.history, known.refill.seconds, level), "")


_NOW: Final = utc(1_795_000_004)
_SIZE: Final = PoolSize(
    namespace="shop",
    target="checkout-api",
    declared=True,
    quantile=0.99,
    lead_seconds=90.0,
    lead_why="P90 of 14 scale-ups that waited for a node",
    growth=1.26,
    replicas=20,
    max_replicas=60,
    pods=6,
    percentage=26,
    abstained="",
)
BURST_POOLS: Final = BurstPoolsAnswer(now=_NOW, burst_pools=[_SIZE])
BURST_POOL: Final = BurstPoolAnswer(
    **dict(_SIZE),
    now=_NOW,
    window=Span(begin=_NOW - timedelta(days=1), end=_NOW, seconds=86_400),
    scale_ups=14,
    warm=11,
    warm_share=11 / 14,
    pod_hours=144.0,
)
