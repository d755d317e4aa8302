"""Journeys, by their counters: what ended and how long it took, of all dimensions together.

What Prometheus adds up is when it saw the counters go up, some seconds after the events; and an increase is extrapolated to the edges of its range.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_dashboards.promql.series import RANGE, among, equal, increase, named, newest, of, quantile, rate, share

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDED: Final = "maibo_journey_ended_total"
LASTED: Final = "maibo_journey_duration_seconds"
_FINISHED: Final = 'outcome=~"success|failure"'
_FAILED: Final = equal("outcome", "failure")
_SUCCEEDED: Final = equal("outcome", "success")


def columns(dashboards: Mapping[str, str]) -> dict[str, str]:
    """Column -> query, by journey; of the time range. `dashboards`: journey -> uid of its own."""
    count = increase(ENDED, "journey")
    return {
        "Count": named(count, "journey", sorted(dashboards.items()), new="details"),
        "Rate": rate(ENDED, "journey"),
        "Success": share(increase(ENDED, "journey", _SUCCEEDED), increase(ENDED, "journey", _FINISHED)),
        "P50": quantile(0.5, LASTED, "journey", over=RANGE),
        "P99": quantile(0.99, LASTED, "journey", over=RANGE),
        "Data age": newest("maibo_journey_age_seconds", "journey"),
    }


def rate_by_journey() -> str:
    return rate(ENDED, "journey")


def p99_by_journey() -> str:
    return quantile(0.99, LASTED, "journey")


def failures_by_journey() -> str:
    return share(rate(ENDED, "journey", _FAILED), rate(ENDED, "journey", _FINISHED))


def ended_a_second(journey: str) -> str:
    """Over the time range."""
    return f"{increase(ENDED, '', equal('journey', journey))} / $__range_s"


def success(journey: str) -> str:
    """Over the time range."""
    which = equal("journey", journey)
    return share(increase(ENDED, "", which, _SUCCEEDED), increase(ENDED, "", which, _FINISHED))


def p99(*journeys: str) -> str:
    """Over the time range, of these together, or of all."""
    return quantile(0.99, LASTED, "", *_of_these(journeys), over=RANGE)


def p99_over(window: str, *journeys: str) -> str:
    return quantile(0.99, LASTED, "", *_of_these(journeys), over=window)


def within(journey: str, threshold_us: int) -> str:
    """The share that took at most so long, over the time range: the threshold is a bucket's edge."""
    which = equal("journey", journey)
    edge = equal("le", str(threshold_us / 1e6))
    return share(increase(f"{LASTED}_bucket", "", which, edge), increase(f"{LASTED}_count", "", which))


def age(journey: str) -> str:
    return f"max({of('maibo_journey_age_seconds', equal('journey', journey))})"


def rate_by_outcome(journey: str) -> str:
    return rate(ENDED, "outcome", equal("journey", journey))


def latency(journey: str, level: float) -> str:
    return quantile(level, LASTED, "", equal("journey", journey))


def buckets(journey: str) -> str:
    """Cumulative, for a heatmap."""
    return rate(f"{LASTED}_bucket", "le", equal("journey", journey))


def lost(*journeys: str) -> str:
    """Failed or left, over the time range."""
    return increase(ENDED, "", *_of_these(journeys), 'outcome=~"failure|abandoned"')


def lost_share(*journeys: str) -> str:
    return share(lost(*journeys), increase(ENDED, "", *_of_these(journeys)))


def lost_over(window: str, outcome: str, *journeys: str) -> str:
    return increase(ENDED, "", *_of_these(journeys), equal("outcome", outcome), over=window)


def _of_these(journeys: tuple[str, ...]) -> list[str]:
    return [among("journey", journeys)] if journeys else []
