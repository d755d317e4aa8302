"""What stands beside a journey's counts: what became of those that began, why it failed, traces of it, and what to doubt.

Each is counted by fewer dimensions than cells are. Where a question is about one that is not among them, the answer says nothing rather
than something about all of the journey; only skew is told whatever tier or region is asked for, since it is a warning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo.semconv import FAILURE, OVERFLOW
from maibo_slo.documents.journeys import DEFAULT_TIMEOUT_SECONDS
from maibo_slo.service.answers import Evidence, Exemplar, JourneyFlow, Overflow, ReasonCount, Skew
from maibo_slo.service.flows import Beside, utc
from maibo_slo.store import cells, exemplars, reasons, sampled, skewed
from maibo_slo.store import flow as flows
from maibo_slo.store.cells import CellFilter, Distribution, Window
from maibo_slo.store.flow import MINUTE
from maibo_slo.store.tables import FLOW_KEYS, REASONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.documents import Journey
    from maibo_slo.service.answers import Point
    from maibo_slo.service.traces import TraceLinks
    from maibo_slo.store import Store
    from maibo_slo.store.flow import FlowCounts

REASONS_TOLD: Final = 20
"""Of the journey as a whole, and of its steps together."""
OVERFLOW_MEND: Final = (
    "It has more series than --otlp-series-limit allows in a day (1000 where nothing is said): look for a tier, variant or version "
    "that is another one for each customer or build, or raise the limit."
)
EXEMPLAR_WORDS: Final = {
    exemplars.Why.FAILED: "failed",
    exemplars.Why.OVER_THRESHOLD: "over_threshold",
    exemplars.Why.SLOWEST: "slowest",
}


def timeout_of(declared: Journey | None) -> int:
    """After how many seconds a journey that has not ended is abandoned."""
    return declared.timeout_seconds if declared else DEFAULT_TIMEOUT_SECONDS


def beside(
    store: Store,
    window: Window,
    which: CellFilter,
    found: Sequence[Distribution],
    *,
    flow: JourneyFlow | None,
    now: float,
) -> Beside:
    """Of one journey, or one step of it; `found` is what was counted of it (and its steps), by dimensions, and `flow` of `flow_of`."""
    skew = _skews(store, window, which)
    return Beside(
        flow=flow,
        reasons=_reasons(store, window, which) if any(FAILURE in one.outcomes for one in found) else [],
        skewed=sum(each.count for each in skew),
        skewed_by=skew,
        overflow=_overflow(store, window, which, now=now) if _may_overflow(which, found) else None,
        sampled=_evidence(store, window, which),
    )


def flow_of(
    store: Store, window: Window, which: CellFilter, *, slice_seconds: int, timeout_seconds: int, now: float
) -> tuple[JourneyFlow | None, dict[int, int]]:
    """What became of those that began in the window, of a journey as a whole; and how many of each slice (by begin, unix s) left silently, where that
    is known, as begins are told by the minute.
    """
    if which.step or not _told_by(which.where, FLOW_KEYS):
        return None, {}
    size = MINUTE if slice_seconds % MINUTE else slice_seconds
    found, slices = flows.told(
        store, window, which.journey or "", timeout_seconds, int(now), among=which.where, slice_seconds=size
    )
    silent = {one.t: one.started - one.succeeded - one.failed - one.abandoned for one in slices}
    known = size == slice_seconds and min(silent.values(), default=-1) >= 0  # else starts are not told
    return None if found is None else _flow(window, found, timeout_seconds), silent if known else {}


def flows_of(
    store: Store, window: Window, timeouts: Mapping[str, int], *, where: Mapping[str, Sequence[str]] | None, now: float
) -> dict[str, JourneyFlow]:
    """What became of those that began in the window, by journey; `timeouts` names the journeys."""
    if not _told_by(where, FLOW_KEYS):
        return {}
    return {
        journey: _flow(window, found, timeouts[journey])
        for journey, found in flows.abandoned(store, window, timeouts, int(now), among=where).items()
    }


def with_silence(
    points: Sequence[Point], silent: Mapping[int, int], *, slice_seconds: int, timeout_seconds: int, now: float
) -> list[Point]:
    """The points with those who left silently, by when they began: of slices whose timeout is over."""
    if not silent:
        return list(points)

    def told(point: Point) -> Point:
        t = int(point.at.timestamp())
        over = t + slice_seconds + timeout_seconds <= now
        return point.model_copy(update={"silent": silent.get(t, 0)}) if over else point

    return [told(point) for point in points]


def skewed_by_journey(store: Store, window: Window) -> dict[str, int]:
    """How many events ended before they started."""
    return {one.group[0]: one.n for one in skewed.counts(store, window, by=("journey",))}


def exemplars_of(
    store: Store,
    window: Window,
    journey: str,
    *,
    step: str | None,
    where: Mapping[str, Sequence[str]],
    limit: int,
    links: TraceLinks,
) -> list[Exemplar]:
    """Traces, up to `limit` of each kind."""
    return [
        Exemplar(
            at=utc(one.at),
            why=EXEMPLAR_WORDS[one.why],
            step=one.step,
            outcome=one.outcome,
            version=one.version,
            service=one.service,
            tier=one.tier,
            region=one.region,
            duration_us=one.duration_us,
            trace_id=one.trace_id,
            span_id=one.span_id,
            trace_url=links.of(one.trace_id, one.span_id),
        )
        for one in exemplars.find(store, window, journey, step, where, limit=limit)
    ]


def _flow(window: Window, found: FlowCounts, timeout_seconds: int) -> JourneyFlow:
    wide = window.widened(MINUTE)
    return JourneyFlow(
        begin=utc(wide.begin),
        end=utc(wide.end),
        started=found.started,
        succeeded=found.succeeded,
        failed=found.failed,
        abandoned=found.abandoned,
        silent=None if found.abandoned is None else found.abandoned - found.said_abandoned,
        in_progress=found.in_progress,
        timeout_seconds=timeout_seconds,
    )


def _told_by(where: Mapping[str, Sequence[str]] | None, dimensions: Sequence[str]) -> bool:
    return set(where or {}) <= set(dimensions)


def _reasons(store: Store, window: Window, which: CellFilter) -> list[ReasonCount]:
    """The step's that is asked for; for the whole journey its own, and those of its steps."""
    if not _told_by(which.where, REASONS.order_by):
        return []
    if which.step or which.journey is None:
        found = reasons.top(store, window, which, REASONS_TOLD)
    else:
        found = reasons.top_with_steps(store, window, which.journey, which.where, REASONS_TOLD)
    return [ReasonCount(step=one.step, reason=one.reason, count=one.n) for one in found]


def _skews(store: Store, window: Window, which: CellFilter) -> list[Skew]:
    allowed = {"step": [which.step]} if which.step else {}
    allowed |= {name: list(which.where[name]) for name in ("service", "version") if name in which.where}
    by: tuple[str, ...] = ("step", "service", "version")
    counts: dict[tuple[str, str], int] = {}
    for one in skewed.counts(store, window, which.journey, by=by):
        named: dict[str, str] = dict(zip(by, one.group, strict=True))
        if all(named[name] in values for name, values in allowed.items()):
            key = (named["step"], named["service"])
            counts[key] = counts.get(key, 0) + one.n
    return [Skew(step=step, service=service, count=count) for (step, service), count in counts.items()]


def _may_overflow(which: CellFilter, found: Sequence[Distribution]) -> bool:
    """Whether it is worth a query: where nothing is left out, what is over the limit is in a group that shows it."""
    return bool(which.where) or any(not one.group or OVERFLOW in one.group for one in found)


def _overflow(store: Store, window: Window, which: CellFilter, *, now: float) -> Overflow | None:
    """A series over the limit has lost all of its dimensions at once, so what is lost may be of any that are asked for."""
    lost = {"environment": [OVERFLOW], "service": [OVERFLOW]}
    steps = [which.step] if which.step else ["", None]
    over = [
        one
        for step in steps
        for one in cells.distributions(store, window, CellFilter(which.journey, step, lost), now=int(now))
    ]
    count = sum(sum(one.events().values()) for one in over)
    return Overflow(count=count, mend=OVERFLOW_MEND) if count else None


def _evidence(store: Store, window: Window, which: CellFilter) -> Evidence | None:
    if not sampled.is_sampled(store, window, which):
        return None
    found = sampled.evidence(store, window, which)
    return None if found.n == found.spans else Evidence(spans=found.spans, count=found.n)
