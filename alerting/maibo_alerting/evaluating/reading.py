"""What the evaluator is told of one objective (of one group) at one moment: counts by window, never rates."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from maibo_alerting.pairs import pairs
from maibo_slo.engine.burning import MINUTE, Evidence
from maibo_slo.engine.excluded import NOTHING_EXCLUDED, Excluded
from maibo_slo.engine.groups import group_values
from maibo_slo.engine.state import evidence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maibo_alerting.pairs import Pair
    from maibo_slo.engine.snapshot import Snapshot
    from maibo_slo.engine.state import Observed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Evidence):
    """What the engine knows of an objective, and what an alert says of it. Times are unix seconds."""

    slo: str
    objective: str
    pairs: tuple[Pair, ...]
    last_t: int | None
    """Begin of the newest minute with data."""
    group: str = ""
    excluded: Excluded = NOTHING_EXCLUDED
    """Maintenance whose events do not count."""
    is_usual: bool = False
    """A silence that is as on the days before: `habits`."""
    labels: Mapping[str, str] = field(default_factory=dict)
    link: str = ""

    def silent_seconds(self, *, now: float) -> float | None:
        """Since the newest minute with data ended, without what is excluded; None when there is none."""
        if self.last_t is None:
            return None
        begin = self.last_t + MINUTE
        return max(0.0, now - begin - self.excluded.seconds(begin, now))


def readings(snapshot: Snapshot, *, url: str = "") -> Iterator[Reading]:
    """Of every objective of an engine's tick that alerts by itself; `url`: where people reach the pages."""
    for one in snapshot.observed:
        if not one.parts:  # a composite by Occurrences: its components alert
            yield _reading(one, settled=snapshot.pending_minutes == 0, url=url)


def _reading(observed: Observed, *, settled: bool, url: str) -> Reading:
    slo, objective, seen = observed.slo, observed.objective, evidence(observed, settled=settled)
    return Reading(
        slo=slo.name,
        objective=objective.name,
        group=observed.group,
        target=seen.target,
        counts=seen.counts,
        own=seen.own,
        window_seconds=seen.window_seconds,
        first_t=seen.first_t,
        begin=seen.begin,
        grain_seconds=seen.grain_seconds,
        in_slices=seen.in_slices,
        events=seen.events,
        settled=seen.settled,
        pairs=_pairs(slo.window_seconds, objective.target),
        last_t=observed.last_t,
        excluded=observed.excluded,
        labels=_labels(observed),
        link=f"{url.rstrip('/')}/slos/{slo.name}" if url else "",
    )


@lru_cache(maxsize=1024)
def _pairs(window_seconds: int, target: float) -> tuple[Pair, ...]:
    """There are few windows and targets, and thousands of objectives a tick."""
    return pairs(window_seconds, target=target)


def _labels(observed: Observed) -> dict[str, str]:
    """A group's dimensions too, for whoever routes by tier or region: they say more than a label of the whole SLO."""
    slo = observed.slo
    theirs = {key: ",".join(values) for key, values in sorted(slo.labels.items())}
    return theirs | group_values(observed.group) | {"service": slo.service, "journey": slo.journey}
