"""Rules about scaling targets: what is allowed, and does not do what it seems to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_slo.documents import Slo
from maibo_slo.documents.scaling_kinds import MOST_ADDED
from maibo_slo.linting.findings import Finding, Rule, number, percent
from maibo_slo.linting.subject import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_slo.documents import Catalogue, ScalingTarget
    from maibo_slo.linting.written import Library, Written

NO_FLOOR: Final = Rule("SLO044", "warning", "Nothing is decided until a capacity was learned")
ZERO_FOR_EVER: Final = Rule("SLO045", "warning", "At 0 replicas, nothing asks for the first")
ZERO_NEVER: Final = Rule("SLO046", "warning", "The replicas never fall to 0")
ZERO_NEEDS_KEDA: Final = Rule("SLO047", "info", "A HorizontalPodAutoscaler does not scale from 0")
NO_ROOM: Final = Rule("SLO048", "warning", "The bounds leave nothing to decide")
WIDE_BAND: Final = Rule("SLO049", "warning", "The dead band is wider than the headroom")
OTHER_JOURNEYS: Final = Rule("SLO050", "warning", "The SLO is not about what the target scales for")
LONG_LEAD: Final = Rule("SLO051", "warning", "The forecast looks further ahead than a day")
SHORT_AGE: Final = Rule("SLO052", "warning", "The signal is stale between two counts")
FAST_UNBOUNDED: Final = Rule("SLO053", "warning", "Nobody said how much the fast lane may add")

CELLS_SECONDS: Final = 10
"""What demand is counted in; the newest whole ones are up to twice as old."""


@dataclass(frozen=True, slots=True)
class _Subject:
    target: ScalingTarget
    written: Written

    def finding(self, rule: Rule, message: str, mend: str, *path: str | int) -> Finding:
        return Finding(rule, self.written.position("spec", *path), self.target.name, message, mend)


def scaling(catalogue: Catalogue, library: Library) -> Iterator[Finding]:
    """Every finding about a scaling target."""
    for target in catalogue.scaling_targets.values():
        subject = _Subject(target, library.written(target.origin, target.name))
        yield from _capacity(subject)
        yield from _zero(subject)
        yield from _bounds(subject)
        yield from _slos(subject, catalogue)
        yield from _times(subject)
        yield from _fast_lane(subject)


def _capacity(subject: _Subject) -> Iterator[Finding]:
    capacity = subject.target.capacity
    if capacity.fixed is None and capacity.floor is None:
        message = (
            "what a replica carries is learned from busy minutes, and until there were enough of them every face refuses: "
            "an autoscaler then keeps what it has, however high the load"
        )
        mend = "write learned: {floor: 20} with what a replica carries at least"
        yield subject.finding(NO_FLOOR, message, mend, "capacity")


def _zero(subject: _Subject) -> Iterator[Finding]:
    target = subject.target
    if target.least:
        return
    if target.silence == "hold":
        message = "without calls its services are silent, and silence: hold keeps the replicas that are: min: 0 is never reached"
        yield subject.finding(
            ZERO_NEVER, message, "write silence: zero if nobody calling is usual, else min: 1", "replicas", "min"
        )
        return
    if target.services == (target.workload.name,):
        message = (
            f"demand is counted from spans of {target.workload.name!r} alone, and at 0 replicas nobody sends them: "
            "once there, it stays there"
        )
        mend = "name a service before it, such as the gateway, in services, or write min: 1"
        yield subject.finding(ZERO_FOR_EVER, message, mend, "replicas", "min")
    message = "at 0 replicas a HorizontalPodAutoscaler is switched off, and only KEDA scales from there"
    yield subject.finding(ZERO_NEEDS_KEDA, message, "use a ScaledObject, or write min: 1", "replicas", "min")


def _bounds(subject: _Subject) -> Iterator[Finding]:
    target = subject.target
    if target.least == target.most:
        message = f"min and max are both {target.most}: whatever is decided, nothing changes"
        if target.fast_lane is not None:
            message += ", and the fast lane never writes"
        yield subject.finding(NO_ROOM, message, "raise max, or remove the target", "replicas")
    elif target.least and target.most < target.least * (1 + target.dead_band):
        message = (
            f"from {target.least} to {target.most} replicas is a change of {percent(round(target.most / target.least - 1, 3))}, "
            f"less than the dead band of {percent(target.dead_band)}: nothing changes"
        )
        yield subject.finding(NO_ROOM, message, "narrow the dead band, or raise max", "replicas")
    headroom = 1 / target.capacity.utilisation - 1
    if target.dead_band > headroom + 1e-9:
        message = (
            f"at {percent(target.capacity.utilisation)} utilisation replicas carry {percent(round(headroom, 3))} more than is planned for, "
            f"and growth of up to {percent(target.dead_band)} is not answered"
        )
        most = number(int(headroom * 1000) / 10)
        yield subject.finding(
            WIDE_BAND, message, f"write deadBand: {most}% at most, or plan for less utilisation", "deadBand"
        )


def _slos(subject: _Subject, catalogue: Catalogue) -> Iterator[Finding]:
    journeys = frozenset(subject.target.journeys)
    for index, name in enumerate(subject.target.slos if journeys else ()):
        slo = catalogue.slos.get(name)
        if not isinstance(slo, Slo):
            continue  # of a Prometheus, nobody knows which journeys it counts
        counted = {indicator.total.journey for indicator in slo.indicators}
        if journeys.isdisjoint(counted):
            message = (
                f"SLO {name!r} counts {_listed(counted)}, and the target scales for {_listed(journeys)}: "
                "replicas are added for what they do not help"
            )
            mend = "name an SLO of these journeys, or the journeys of that SLO"
            yield subject.finding(OTHER_JOURNEYS, message, mend, "slos", index)


def _times(subject: _Subject) -> Iterator[Finding]:
    target = subject.target
    lead = target.forecast.lead_seconds
    if target.forecast.enabled and lead is not None and lead > DAY:
        message = f"a lead time of {number(lead / DAY)} days asks what the demand will be then, and holds replicas for it from now on"
        mend = "write how long a scale-up takes, such as leadTime: 2m, or leave it out: it is measured"
        yield subject.finding(LONG_LEAD, message, mend, "forecast", "leadTime")
    if target.max_age_seconds < 2 * CELLS_SECONDS:
        message = (
            f"demand is counted every {CELLS_SECONDS} s, so a signal may be {2 * CELLS_SECONDS} s old before anything is wrong: with maxAge "
            f"{target.max_age_seconds}s every face refuses again and again"
        )
        yield subject.finding(SHORT_AGE, message, f"write maxAge: {2 * CELLS_SECONDS}s or more; 60s is usual", "maxAge")


def _fast_lane(subject: _Subject) -> Iterator[Finding]:
    if subject.target.fast_lane is not None and subject.written.node("spec", "fastLane", "max") is None:
        every = subject.target.fast_lane.every_seconds
        message = f"maibo itself writes up to {MOST_ADDED} replicas more, every {every} s, because nobody said how many at most"
        yield subject.finding(
            FAST_UNBOUNDED, message, f"write fastLane: {{max: {MOST_ADDED}}} if that is meant", "fastLane"
        )


def _listed(names: frozenset[str] | set[str]) -> str:
    return ", ".join(map(repr, sorted(names)))
