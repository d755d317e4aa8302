"""What the evaluator is told of one objective (of one group) at one moment: counts by window, never rates."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from maibo_alerting.pairs import pairs
from maibo_slo.engine.budget import error_budget
from maibo_slo.engine.burn import Counts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maibo_alerting.pairs import Pair
    from maibo_slo.documents import PromSlo, Slo
    from maibo_slo.engine.snapshot import Snapshot
    from maibo_slo.engine.state import Observed

MINUTE: Final = 60
_NOTHING: Final = Counts(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Reading:
    """Times are unix seconds."""

    slo: str
    objective: str
    target: float
    window_seconds: int
    """The SLO's own."""
    pairs: tuple[Pair, ...]
    counts: Mapping[int, Counts]
    """By window length in seconds: both windows of every pair, and the SLO's own."""
    first_t: int | None
    """Begin of the oldest minute with data that was ever counted."""
    last_t: int | None
    """Begin of the newest minute with data."""
    group: str = ""
    settled: bool = True
    """False while older minutes are still being counted: windows may lack events then."""
    labels: Mapping[str, str] = field(default_factory=dict)
    link: str = ""

    def of(self, seconds: int) -> Counts:
        return self.counts.get(seconds, _NOTHING)

    def limit(self, pair: Pair) -> float:
        """The share of bad events at the pair's factor."""
        return pair.factor * error_budget(self.target)

    def elapsed_seconds(self, *, now: float) -> float:
        """Since the first minute with data."""
        return 0.0 if self.first_t is None else max(0.0, now - self.first_t)

    def silent_seconds(self, *, now: float) -> float | None:
        """Since the newest minute with data ended; None when there is none."""
        return None if self.last_t is None else max(0.0, now - (self.last_t + MINUTE))

    def usual_events(self, seconds: int, *, now: float) -> float:
        """Events that so long a time has, going by the SLO's window as far as it has passed."""
        whole = self.of(self.window_seconds)
        passed = min(self.window_seconds, max(MINUTE, self.elapsed_seconds(now=now)))
        return (whole.good + whole.bad) * seconds / passed

    def expected_events(self, seconds: int, *, now: float) -> float:
        """Events of a whole window: those that came, and for its minutes without any as many as there would be.

        A service that is five minutes old has spent nothing like what the share of bad events in "the last hour" says: that hour has twelve
        times the events. Minutes without data count like those with data, but never for more than the SLO's window has on average, so that
        a service with ten requests an hour, or none at night, is taken as it is.
        """
        window = self.of(seconds)
        events = window.good + window.bad
        if not window.observed_minutes:
            return float(events)
        filled = events * max(1.0, seconds / MINUTE / window.observed_minutes)
        return max(float(events), min(filled, self.usual_events(seconds, now=now)))


def readings(snapshot: Snapshot, *, url: str = "") -> Iterator[Reading]:
    """Of every objective of an engine's tick; `url`: where people reach the pages."""
    for one in snapshot.observed:
        yield _reading(one, settled=snapshot.pending_minutes == 0, url=url)


def _reading(observed: Observed, *, settled: bool, url: str) -> Reading:
    slo, objective = observed.slo, observed.objective
    return Reading(
        slo=slo.name,
        objective=objective.name,
        target=objective.target,
        window_seconds=slo.window_seconds,
        pairs=_pairs(slo.window_seconds, objective.target),
        counts=observed.counts,
        first_t=observed.first_t,
        last_t=observed.last_t,
        settled=settled,
        labels=_labels(slo),
        link=f"{url.rstrip('/')}/slos/{slo.name}" if url else "",
    )


@lru_cache(maxsize=1024)
def _pairs(window_seconds: int, target: float) -> tuple[Pair, ...]:
    """There are few windows and targets, and thousands of objectives a tick."""
    return pairs(window_seconds, target=target)


def _labels(slo: Slo | PromSlo) -> dict[str, str]:
    theirs = {key: ",".join(values) for key, values in sorted(slo.labels.items())}
    return theirs | {"service": slo.service, "journey": slo.journey}
