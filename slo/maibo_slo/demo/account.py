"""Two accounts of the same traffic, compared: what customers and services wrote down, and what maibo says.

Counts must be equal, to the last one: per journey, tier and outcome, per request, and per bar of every latency distribution (two
errors that cancel out in a sum do not cancel out there). P99 must be within 1.25 % of the exact one, which is what maibo's
histogram promises. Every disagreement is told in a sentence; none is a success.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from maibo_slo.demo.load import UNKNOWN, Seen

P99_TOLERANCE = 0.0125
TIMED = ("success", "failure")
"""Outcomes that latency is told of; an abandoned journey has no end to time."""


@dataclass(frozen=True, slots=True)
class Written:
    """One finished journey as the service that ended it wrote it down, beside the pipeline."""

    journey: str
    id: str
    tier: str
    outcome: str
    duration_ns: int
    ended_at_ns: int


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a distribution that maibo shows: counts by outcome of durations in (lower_us, upper_us]."""

    lower_us: float
    upper_us: float
    outcomes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Told:
    """What maibo says of one journey and tier."""

    outcomes: Mapping[str, int]
    p99_us: float | None
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Spans:
    """Spans on their way: ended in the services, given up by their SDK, accepted and counted by maibo."""

    ended: int
    given_up: int
    accepted: int
    counted: int
    rejected: int

    @property
    def lost(self) -> int:
        """Ended, and not counted."""
        return max(0, self.ended - self.counted)

    @property
    def duplicated(self) -> int:
        """Counted more than once."""
        return max(0, self.counted - self.ended)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Both accounts, as collected."""

    seen: Sequence[Seen]
    written: Sequence[Written]
    told: Mapping[tuple[str, str], Told]
    """(journey, tier) -> what maibo says."""
    told_steps: Mapping[tuple[str, str], Mapping[str, int]]
    """(journey, tier) -> step -> its events in the service that customers talk to, as maibo counts them."""
    steps_of_routes: Mapping[str, tuple[str, str]]
    """``METHOD /path`` -> (journey, step), as the documents say."""
    spans: Spans


@dataclass(frozen=True, slots=True)
class Row:
    """One journey and tier, both ways."""

    journey: str
    tier: str
    requests_seen: int
    requests_told: int
    seen: Mapping[str, int]
    told: Mapping[str, int]
    p99_exact_us: float | None
    p99_told_us: float | None

    @property
    def p99_error(self) -> float | None:
        """How far maibo's P99 is from the exact one, as a share of it; None without data."""
        if self.p99_exact_us is None or self.p99_told_us is None:
            return None
        return abs(self.p99_told_us / self.p99_exact_us - 1)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether the two accounts agree, and where they do not."""

    rows: Sequence[Row]
    requests: int
    counted: int
    spans: Spans
    lost: int
    duplicated: int
    disagreements: Sequence[str] = field(default_factory=tuple)

    @property
    def agree(self) -> bool:
        """Whether nothing at all was found."""
        return not self.disagreements

    @property
    def p99_error_max(self) -> float | None:
        """The largest error of any P99; None without data."""
        return max((row.p99_error for row in self.rows if row.p99_error is not None), default=None)


def judge(evidence: Evidence) -> Judgement:
    """Compare the accounts, wholly: every disagreement is found, not the first alone."""
    seen = _outcomes((each.journey, each.tier, each.outcome) for each in evidence.seen)
    written = _outcomes((each.journey, each.tier, each.outcome) for each in evidence.written)
    rows: list[Row] = []
    found = [*_strange_visits(evidence.seen), *_undocumented(evidence), *_ended_twice(evidence.written)]
    lost, duplicated = evidence.spans.lost, evidence.spans.duplicated
    for place in sorted({*seen, *written, *evidence.told, *evidence.told_steps}):
        told = evidence.told.get(place, Told({}, None, ()))
        mine = [each for each in evidence.written if (each.journey, each.tier) == place]
        sent, steps = _sent(evidence, place), evidence.told_steps.get(place, {})
        row = Row(
            *place,
            requests_seen=sent.total(),
            requests_told=sum(steps.values()),
            seen=seen.get(place, Counter()),
            told=told.outcomes,
            p99_exact_us=exact_p99_us(mine),
            p99_told_us=told.p99_us,
        )
        rows.append(row)
        found += _counts(place, row.seen, written.get(place, Counter()), told.outcomes)
        found += [
            f"{_name(place)}, step {step}: customers sent {sent[step]} requests, maibo counts {steps.get(step, 0)}"
            for step in sorted({*sent, *steps})
            if sent[step] != steps.get(step, 0)
        ]
        found += _p99(row)
        missing, surplus = _bars(mine, told.bars)
        if missing or surplus:
            found.append(
                f"{_name(place)}: maibo's distribution lacks {missing} and has {surplus} too many of the services' durations"
            )
        lost, duplicated = max(lost, missing), max(duplicated, surplus)
    found += _spans(evidence.spans)
    return Judgement(
        rows=rows,
        requests=sum(len(each.requests) for each in evidence.seen),
        counted=sum(row.requests_told for row in rows),
        spans=evidence.spans,
        lost=lost,
        duplicated=duplicated,
        disagreements=tuple(found),
    )


def exact_p99_us(journeys: Sequence[Written]) -> float | None:
    """The 99th percentile by nearest rank over what was timed, in us; None without data."""
    durations = [each.duration_ns for each in journeys if each.outcome in TIMED]
    if not durations:
        return None
    return float(np.quantile(np.array(durations, dtype=np.int64), 0.99, method="inverted_cdf")) / 1000


def _outcomes(events: Iterator[tuple[str, str, str]]) -> dict[tuple[str, str], Counter[str]]:
    found: dict[tuple[str, str], Counter[str]] = {}
    for journey, tier, outcome in events:
        found.setdefault((journey, tier), Counter())[outcome] += 1
    return found


def _strange_visits(seen: Sequence[Seen]) -> Iterator[str]:
    for each in seen:
        if each.outcome == UNKNOWN:
            yield f"{each.journey}, {each.tier}: a customer got an answer that the shop does not promise: {each.detail}"


def _ended_twice(written: Sequence[Written]) -> Iterator[str]:
    times = Counter((each.journey, each.id) for each in written)
    for (journey, id_), count in times.items():
        if count > 1:
            yield f"{journey}: the services ended the journey {id_} {count} times"


def _counts(
    place: tuple[str, str], seen: Mapping[str, int], written: Mapping[str, int], told: Mapping[str, int]
) -> Iterator[str]:
    for outcome in sorted({*seen, *written, *told}):
        of = [each.get(outcome, 0) for each in (seen, written, told)]
        if len(set(of)) > 1:
            yield (
                f"{_name(place)}, {outcome}: customers saw {of[0]}, the services wrote down {of[1]}, maibo counts {of[2]}"
            )


def _sent(evidence: Evidence, place: tuple[str, str]) -> Counter[str]:
    """Requests that these customers sent, by step: each is one step of one journey."""
    steps = (
        evidence.steps_of_routes.get(route, ("", route))
        for each in evidence.seen
        if (each.journey, each.tier) == place
        for route in each.requests
    )
    return Counter(step for _, step in steps)


def _undocumented(evidence: Evidence) -> Iterator[str]:
    for journey, route in sorted({(each.journey, route) for each in evidence.seen for route in each.requests}):
        if evidence.steps_of_routes.get(route, ("", ""))[0] != journey:
            yield f"{route}: no step of {journey} has this route in the documents"


def _p99(row: Row) -> Iterator[str]:
    if (row.p99_exact_us is None) != (row.p99_told_us is None):
        yield f"{row.journey}, {row.tier}: P99 is {row.p99_exact_us} us exactly, {row.p99_told_us} us by maibo"
    elif row.p99_error is not None and row.p99_error > P99_TOLERANCE:
        yield (
            f"{row.journey}, {row.tier}: maibo's P99 of {row.p99_told_us} us is {row.p99_error:.2%} off "
            f"the exact {row.p99_exact_us} us (at most {P99_TOLERANCE:.2%} is promised)"
        )


def _bars(written: Sequence[Written], bars: Sequence[Bar]) -> tuple[int, int]:
    """Durations that no bar has, and events in bars that no duration explains."""
    missing = surplus = 0
    for outcome in {each.outcome for each in written} | {name for bar in bars for name in bar.outcomes}:
        durations = np.array([each.duration_ns for each in written if each.outcome == outcome], dtype=np.int64)
        explained = 0
        for bar in bars:
            lower, upper = round(bar.lower_us * 1000), round(bar.upper_us * 1000)
            there = int(np.count_nonzero((durations > lower) & (durations <= upper)))
            shown = bar.outcomes.get(outcome, 0)
            explained += there
            missing += max(0, there - shown)
            surplus += max(0, shown - there)
        missing += len(durations) - explained
    return missing, surplus


def _spans(spans: Spans) -> Iterator[str]:
    if spans.given_up:
        yield f"the services' SDKs gave up {spans.given_up} spans"
    if spans.ended != spans.accepted:
        yield f"the services ended {spans.ended} spans, maibo accepted {spans.accepted}"
    if spans.accepted != spans.counted:
        yield f"maibo accepted {spans.accepted} spans and counted {spans.counted} ({spans.rejected} rejected)"


def _name(place: tuple[str, str]) -> str:
    return ", ".join(place)
