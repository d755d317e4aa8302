"""From the store's counts to the numbers of answers: rates, quantiles, parts, series. Pure."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypedDict

import numpy as np

from maibo.semconv import FAILURE, SUCCESS
from maibo_slo.service.answers import (
    Bar,
    Evidence,
    JourneyAnswer,
    JourneyFlow,
    Overflow,
    Part,
    Point,
    ReasonCount,
    Skew,
    Span,
    StepPart,
)
from maibo_slo.store import cells
from maibo_slo.store.cells import Distribution, Slice, Window
from maibo_slo.store.histogram import bounds_us

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from maibo_slo.documents import Journey

SLICES: Final = (10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400, 172_800, 345_600, 604_800)
POINTS: Final = 60
"""A series has at most this many points: more cannot be read on a phone."""


class Flow(TypedDict):
    """The numbers every flow has, by the names of the answers."""

    count: int
    rate_per_second: float
    outcomes: dict[str, int]
    success_ratio: float | None
    p50_us: float | None
    p90_us: float | None
    p99_us: float | None


class Beside(TypedDict, total=False):
    """What stands beside the numbers of a journey, by the names of the answer: see `causes`."""

    flow: JourneyFlow | None
    reasons: list[ReasonCount]
    skewed: int
    skewed_by: list[Skew]
    overflow: Overflow | None
    sampled: Evidence | None


def utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)


def window_of(begin: int | None, end: int | None, window_seconds: int, *, now: float) -> tuple[Window, Span]:
    """The window asked for, widened to the store's grid; what is still to come counts for no time."""
    last = int(now) + 1 if end is None else end
    first = last - window_seconds if begin is None else begin
    window = cells.covered(Window(first, last), now=int(now))
    until = max(window.begin + 1, min(window.end, int(now) + 1))
    return window, Span(begin=utc(window.begin), end=utc(until), seconds=until - window.begin)


def flow_of(found: Iterable[Distribution], *, seconds: float) -> Flow:
    """Counts, rate and latency of some groups together."""
    whole = Distribution.of(found)
    counts = dict(sorted(whole.events().items()))
    total = sum(counts.values())
    ended = counts.get(SUCCESS, 0) + counts.get(FAILURE, 0)
    p50_us, p90_us, p99_us = whole.histogram().quantiles(0.5, 0.9, 0.99)
    return Flow(
        count=total,
        rate_per_second=total / seconds,
        outcomes=counts,
        success_ratio=counts.get(SUCCESS, 0) / ended if ended else None,
        p50_us=p50_us,
        p90_us=p90_us,
        p99_us=p99_us,
    )


def journey_of(
    name: str,
    declared: Journey | None,
    found: Sequence[Distribution],
    *,
    seconds: float,
    last_event: int | None,
    now: float,
    series: Sequence[Point],
    step: str = "",
    steps: Sequence[StepPart] = (),
    by: Mapping[str, list[Part]] | None = None,
    beside: Beside | None = None,
) -> JourneyAnswer:
    """`last_event` counts only where `found` has none."""
    whole = Distribution.of(found)
    last = last_event if whole.last_event is None else whole.last_event
    threshold = threshold_us(declared, step)
    return JourneyAnswer(
        **flow_of(found, seconds=seconds),
        name=name,
        display_name=declared.display_name if declared else name,
        step=step,
        declared=declared is not None,
        threshold_us=threshold,
        within_threshold=None if threshold is None else whole.histogram().within(threshold),
        last_event_at=None if last is None else utc(min(last, now)),
        age_seconds=None if last is None else max(0.0, now - last),
        steps=list(steps),
        by=dict(by or {}),
        series=list(series),
        **(beside or {}),
    )


def parts_of(found: Iterable[Distribution], at: int, *, seconds: float) -> list[Part]:
    """One part for each value of the dimension at this place of the groups; the busiest first."""
    groups: dict[str, list[Distribution]] = defaultdict(list)
    for distribution in found:
        groups[distribution.group[at]].append(distribution)
    parts = [Part(value=value, **flow_of(group, seconds=seconds)) for value, group in groups.items()]
    return sorted(parts, key=lambda part: (-part.count, part.value))


def steps_of(found: Iterable[Distribution], declared: Sequence[str], *, seconds: float) -> list[StepPart]:
    """From groups by step, service and version: the declared steps in their order, then those that no document names."""
    groups: dict[str, list[Distribution]] = {step: [] for step in declared}
    for distribution in found:  # in the order of their names
        groups.setdefault(distribution.group[0], []).append(distribution)
    return [
        StepPart(
            value=step,
            services=sorted({one.group[1] for one in group}),
            versions=parts_of(group, 2, seconds=seconds),
            declared=step in declared,
            **flow_of(group, seconds=seconds),
        )
        for step, group in groups.items()
    ]


def threshold_us(declared: Journey | None, step: str) -> int | None:
    """A document's threshold is about the whole journey, never about a step."""
    return declared.threshold_us if declared and not step else None


def bars_of(found: Distribution) -> Iterable[Bar]:
    """The bins that have events, the fastest first."""
    filled = np.flatnonzero(np.sum(list(found.outcomes.values()), axis=0)) if found.outcomes else ()
    for at in map(int, filled):
        lower, upper = bounds_us(at)
        counts = {outcome: int(bins[at]) for outcome, bins in sorted(found.outcomes.items()) if bins[at]}
        # The last bin is open (beyond 11.6 days); JSON knows no infinity, so it is drawn ten times as wide as it begins.
        yield Bar(lower_us=lower, upper_us=min(upper, lower * 10) if at else upper, outcomes=counts)


def points_by_journey(slices: Iterable[Slice], window: Window, *, now: float) -> dict[str, list[Point]]:
    """From slices by journey, the series of each that has events; every slice that is over, those without events too."""
    size = slice_seconds(window, now=now)
    found: dict[str, dict[int, Slice]] = defaultdict(dict)
    for piece in slices:
        found[piece.group[0]][piece.t] = piece
    slots = _slots(window, now=now)
    return {
        name: [_point(pieces[at], size) if at in pieces else _gap(at) for at in slots] for name, pieces in found.items()
    }


def gaps(window: Window, *, now: float) -> list[Point]:
    """The series of a journey without events."""
    return [_gap(at) for at in _slots(window, now=now)]


def slice_seconds(window: Window, *, now: float) -> int:
    """The finest that gives no more than `POINTS`, and that the store still knows so far back."""
    grid = cells.tier_of(window, now=int(now)).seconds
    return next((size for size in SLICES if size >= grid and window.seconds / size <= POINTS), SLICES[-1])


def _slots(window: Window, *, now: float) -> range:
    """Begins of the whole slices that are over: the running one would be drawn as a fall in traffic."""
    size = slice_seconds(window, now=now)
    return range(-(-window.begin // size) * size, min(window.end, int(now)) // size * size, size)


def _gap(at: int) -> Point:
    return Point(at=utc(at), count=0, rate_per_second=0.0, outcomes={}, p99_us=None)


def _point(piece: Slice, size: int) -> Point:
    count = sum(piece.outcomes.values())
    return Point(
        at=utc(piece.t),
        count=count,
        rate_per_second=count / size,
        outcomes=dict(sorted(piece.outcomes.items())),
        p99_us=piece.p99_us,
        p50_us=piece.p50_us,
    )
