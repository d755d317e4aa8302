"""Whether durations are what they were, by clocks that the SDK has no part in.

Three clocks, each held against the next: a customer's, from before the first request until after the last answer; the service's
own, which must lie within the customer's, and whose readings enclose the SDK's from both sides; and the SDK's, which must lie
within those for every single journey.

The exact duration of a journey is the SDK's where the service's readings confirm it, and else the nearest that they allow: what the
SDK tells cannot move it beyond them, and they are a fraction of a millisecond apart (that half of each process's are within a
millisecond is a condition). So maibo's P99 can be held to 1.25 % of the exact one without a margin for the clocks, though half a
bin (1.235 %) uses up nearly all of it. SDKs tell nobody of single steps: a step's P99 may be 1.25 % beyond either of the bounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median_low

from maibo_slo.demo.evidence import Request, Written
from maibo_slo.demo.expected import FRONT, Bounds, Event
from maibo_slo.demo.load import Seen

P99_TOLERANCE = 0.0125
APART_NS, APART_SHARE = 1_000_000, 0.01
"""How far apart the bounds of a duration may be for half of a process's events: beyond that, nothing was measured. A single one may be
further apart, since a busy machine may take the CPU away between two readings."""
SLACK_NS, SLACK_SHARE = 20_000, 0.001
"""Where the SDK's reading may be outside of those around it: it cuts unix time to microseconds and may use a monotonic clock, from
which unix time is slewed by at most 500 ppm."""
SAME_CLOCK_NS = 1_000_000
"""How far two processes' readings of one machine's clock may be out of order."""


@dataclass(frozen=True, slots=True)
class P99:
    """The exact one, between two bounds (which are the same for a journey), and maibo's; None without data."""

    exact_us: tuple[float, float] | None
    told_us: float | None

    @property
    def nearest_us(self) -> float | None:
        """The nearest to maibo's that the exact one may be."""
        if self.exact_us is None:
            return None
        low, high = self.exact_us
        return (low + high) / 2 if self.told_us is None else min(max(self.told_us, low), high)

    @property
    def error(self) -> float | None:
        """How far maibo's is from the exact one, as a share of that; None without data."""
        if self.nearest_us is None or self.told_us is None:
            return None
        return abs(self.told_us / self.nearest_us - 1)

    def problems(self, name: str) -> Iterator[str]:
        """What is wrong with it, in sentences."""
        if (self.exact_us is None) != (self.told_us is None):
            yield f"{name}: P99 is {_us(self.nearest_us)} exactly, {_us(self.told_us)} by maibo"
        elif self.error is not None and self.error > P99_TOLERANCE:
            yield (
                f"{name}: maibo's P99 of {_us(self.told_us)} is {self.error:.2%} off the exact {_us(self.nearest_us)} "
                f"(at most {P99_TOLERANCE:.2%} is promised)"
            )


def exact(event: Event, told_ns: int | None) -> Bounds:
    """How long a journey lasted, given what the SDK says of it."""
    low, high = event.duration.low_ns, event.duration.high_ns
    found = (low + high) // 2 if told_ns is None else min(max(told_ns, low), high)
    return Bounds(found, found)


def too_far_apart(events: Iterable[Event]) -> Iterator[str]:
    """Processes whose own clocks do not tell how long things took."""
    processes: dict[str, list[float]] = {}
    for each in events:
        low, high = each.duration.low_ns, each.duration.high_ns
        processes.setdefault(each.process, []).append((high - low) / (APART_NS + APART_SHARE * low))
    for process, apart in sorted(processes.items()):
        if median_low(apart) > 1:
            yield (
                f"{process}: its readings of the clock before and after the SDK's are too far apart for half of its "
                f"durations (at most {APART_NS / 1e6:.0f} ms + {APART_SHARE:.0%}): nothing was measured"
            )


def visits(seen: Sequence[Seen], requests: Iterable[Request]) -> Iterator[str]:
    """Where customers and storefronts tell a visit differently: who it was, what was asked, or when."""
    answered: dict[str, list[Request]] = {}
    for request in requests:
        if request.service == FRONT:
            answered.setdefault(request.visit, []).append(request)
    for each in seen:
        mine = sorted(answered.pop(each.visit, []), key=lambda request: request.came_ns)
        if [request.route for request in mine] != list(each.requests):
            yield f"{_visit(each)}: the customer sent {len(each.requests)} requests, the storefronts answered {len(mine)}"
            continue
        if any((request.tier, request.region) != (each.tier, each.region) for request in mine):
            yield f"{_visit(each)}: a storefront took the customer for another"
        if mine and (
            mine[0].came_ns < each.began_ns - SAME_CLOCK_NS or mine[-1].answered_ns > each.ended_ns + SAME_CLOCK_NS
        ):
            yield f"{_visit(each)}: by the storefront's clock it was longer than the customer was there"
    for visit, unknown in answered.items():
        yield f"{unknown[0].route}: a storefront answered {len(unknown)} requests of a visit {visit!r} that no customer made"


def sdk_durations(written: Sequence[Written], events: Iterable[Event]) -> Iterator[str]:
    """Where the SDK's durations of journeys are not those of the services' own clocks, told once for each journey and tier."""
    measured = {each.visit: each for each in events if not each.series.step}
    wrong: dict[tuple[str, str], list[tuple[float, Written, Bounds]]] = {}
    for each in written:
        event = measured.get(each.visit)
        if event is None or event.series.journey != each.journey:
            yield f"{each.journey}, {each.tier}: the SDK ended a journey of visit {each.visit!r}, which the services did not"
        elif off := _off(each.duration_ns, event.duration):
            wrong.setdefault((each.journey, each.tier), []).append((off, each, event.duration))
    for (journey, tier), found in sorted(wrong.items()):
        off, worst, bounds = max(found, key=lambda each: each[0])
        yield (
            f"{journey}, {tier}: {len(found)} durations by the SDK are not those of the services' own clocks; the worst, "
            f"{_us(worst.duration_ns / 1000)}, is {off:.2%} off {_us(bounds.low_ns / 1000)} to {_us(bounds.high_ns / 1000)}"
        )


def _off(duration_ns: int, bounds: Bounds) -> float:
    """How far outside of its bounds a duration is, as a share of the nearer one; 0 within them."""
    nearest = min(max(duration_ns, bounds.low_ns), bounds.high_ns)
    if abs(duration_ns - nearest) <= SLACK_NS + SLACK_SHARE * nearest:
        return 0.0
    return abs(duration_ns - nearest) / max(1, nearest)


def _us(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.1f} us"


def _visit(seen: Seen) -> str:
    return f"{seen.journey}, {seen.tier}, visit {seen.visit}"
