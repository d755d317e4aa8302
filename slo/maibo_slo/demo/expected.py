"""What maibo should say, derived from the services' own request lines alone.

A journey is the requests of one visit to a storefront; it lasts from the beginning of the first until the end of the last. Both ends
are known as two readings of the service's clock that enclose the SDK's (`maibo_slo.demo.shop.notes`), so a duration is known as two
bounds. The exact P99 lies between the P99 of the lower bounds and that of the upper ones: a rank is monotone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from maibo_slo.demo.evidence import Request, Series, Tag

FRONT = "storefront"
"""The service that customers talk to."""
SUCCESS, FAILURE, ABANDONED = "success", "failure", "abandoned"
TIMED = (SUCCESS, FAILURE)
"""Outcomes that latency is told of; what was abandoned has no end to time."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """A duration is not shorter than the one and not longer than the other."""

    low_ns: int
    high_ns: int


@dataclass(frozen=True, slots=True)
class Event:
    """One event that maibo should count: a step, or a journey that ended."""

    visit: str
    process: str
    series: Series
    outcome: str
    duration: Bounds


@dataclass(frozen=True, slots=True)
class Begin:
    """A journey that began."""

    process: str
    journey: str
    tier: str
    by_itself: bool
    """Its SDK tells of the begin by a span of its own: the request that began it does not end it."""


def expected(requests: Iterable[Request], tags: Mapping[str, Tag]) -> list[Event]:
    """Every step and every journey that these requests make up; requests to routes that no document names make up none."""
    tagged = [(each, tags[each.route]) for each in requests if each.route in tags]
    visits: dict[str, list[tuple[Request, Tag]]] = {}
    for request, tag in tagged:
        if request.service == FRONT:
            visits.setdefault(request.visit, []).append((request, tag))
    steps = [_event(request, request, tag.journey, tag.step, outcome_of(tag, request)) for request, tag in tagged]
    return [*steps, *(ended for visit in visits.values() for ended in _journey(visit))]


def begins(requests: Iterable[Request], tags: Mapping[str, Tag]) -> list[Begin]:
    """Every journey that began: one a visit to a storefront."""
    found: dict[str, tuple[Request, Tag]] = {}
    for each in sorted(requests, key=lambda each: each.came_ns):
        if each.service == FRONT and each.route in tags:
            found.setdefault(each.visit, (each, tags[each.route]))
    return [
        Begin(first.process, tag.journey, first.tier, by_itself=not tag.ends and outcome_of(tag, first) != FAILURE)
        for first, tag in found.values()
    ]


def outcome_of(tag: Tag, request: Request) -> str:
    """What the answer means in this shop, by its status. A card that is declined is no failure of payment, but one of the checkout."""
    if request.status >= 500 or (tag.step == "payment" and request.status == 402):
        return FAILURE
    return ABANDONED if tag.step == "cancel" else SUCCESS


def p99_us(durations: Sequence[Bounds]) -> tuple[float, float] | None:
    """Bounds of the 99th percentile by nearest rank, in us; None without data."""
    if not durations:
        return None
    both = np.array([(each.low_ns, each.high_ns) for each in durations], dtype=np.int64)
    low, high = np.quantile(both, 0.99, axis=0, method="inverted_cdf")
    return float(low) / 1000, float(high) / 1000


def outcomes(events: Iterable[Event]) -> dict[Series, Counter[str]]:
    """How many events of each outcome there should be."""
    found: dict[Series, Counter[str]] = {}
    for each in events:
        found.setdefault(each.series, Counter())[each.outcome] += 1
    return found


def _journey(visit: list[tuple[Request, Tag]]) -> Iterable[Event]:
    """The journey of a visit, once it has ended: by a step that ends it, or because its first one failed."""
    visit.sort(key=lambda each: each[0].came_ns)
    (first, _), (last, tag) = visit[0], visit[-1]
    outcome = outcome_of(tag, last)
    if tag.ends or (len(visit) == 1 and outcome == FAILURE):
        yield _event(first, last, tag.journey, "", outcome)


def _event(first: Request, last: Request, journey: str, step: str, outcome: str) -> Event:
    ends = sorted((last.sent_ns, last.left_ns))
    return Event(
        visit=last.visit,
        process=last.process,
        series=Series(journey, step, last.tier, last.service, last.version, last.region),
        outcome=outcome,
        duration=Bounds(max(0, ends[0] - first.entered_ns), ends[1] - first.came_ns),
    )
