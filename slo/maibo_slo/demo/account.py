"""Two accounts of the same traffic, compared: what customers and services wrote down, and what maibo says.

Neither passes through the other. Customers note what they sent and got back; each service notes the requests that it answered, in
layers around the SDK, by its own clock; from these alone follows what maibo should say (`maibo_slo.demo.expected`).

Counts must be equal, to the last one: each step and journey, in each process, of each tier and outcome. What is missing and what is
too much are summed apart, so they never cancel. Every journey's duration must be the same by all clocks, every bar of a latency
distribution must hold what the SDKs timed, and P99 must be within 1.25 % of the exact one (`maibo_slo.demo.clocks`). And nothing may
have been dropped on the way, or be unmeasured: evidence of nothing is a disagreement, too. Each is told in a sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from maibo_slo.demo import clocks
from maibo_slo.demo.clocks import P99
from maibo_slo.demo.evidence import Bar, Evidence, Flow, Ingest, SdkCounts, Series, Told, Written
from maibo_slo.demo.expected import FRONT, TIMED, Begin, Event, begins, expected, outcomes, p99_us
from maibo_slo.demo.judgement import Judgement, Row, Spans, StepRow
from maibo_slo.demo.load import UNKNOWN, Seen
from maibo_slo.demo.shop import SERVICES


def judge(evidence: Evidence) -> Judgement:
    """Compare the accounts, wholly: every disagreement is found, not the first alone."""
    events = expected(evidence.requests, evidence.tags)
    rows = [_row(evidence, events, place) for place in _places(evidence, events)]
    steps = [_step_row(evidence, events, place) for place in _step_places(evidence, events)]
    told = _with_elsewhere(evidence)
    begun = begins(evidence.requests, evidence.tags)
    spans = _spans(evidence, events, told, markers=sum(each.by_itself for each in begun))
    found = [
        *_nothing(evidence, events, rows),
        *_strange_visits(evidence.seen),
        *_undocumented(evidence),
        *clocks.visits(evidence.seen, evidence.requests),
        *_series(outcomes(events), told),
        *(sentence for row in rows for sentence in _row_problems(evidence, events, row)),
        *(sentence for row in steps for sentence in row.p99.problems(f"{row.service} {row.version}, step {row.step}")),
        *clocks.sdk_durations(evidence.written, events),
        *clocks.too_far_apart(events),
        *_ended_twice(evidence.written),
        *_span_problems(spans, evidence.ingest),
        *_sdk_problems(evidence.sdks, [*events, *(each for each in begun if each.by_itself)]),
        *_begins(begun, evidence.told_begun),
    ]
    return Judgement(
        rows=rows,
        steps=steps,
        requests=sum(len(each.requests) for each in evidence.seen),
        counted=sum(row.requests_told for row in rows),
        spans=spans,
        disagreements=tuple(found),
    )


def _places(evidence: Evidence, events: Iterable[Event]) -> list[tuple[str, str]]:
    """(journey, tier) of everything that anybody knows of."""
    return sorted(
        {
            *((each.journey, each.tier) for each in evidence.seen),
            *((each.journey, each.tier) for each in evidence.written),
            *((each.series.journey, each.series.tier) for each in events),
            *((series.journey, series.tier) for series in evidence.told_series),
            *evidence.told,
        }
    )


def _row(evidence: Evidence, events: Iterable[Event], place: tuple[str, str]) -> Row:
    told = evidence.told.get(place, Told({}, None, ()))
    sdk = {each.visit: each.duration_ns for each in evidence.written}
    timed = [clocks.exact(each, sdk.get(each.visit)) for each in _journeys(events, place) if each.outcome in TIMED]
    return Row(
        *place,
        requests_seen=sum(len(each.requests) for each in evidence.seen if (each.journey, each.tier) == place),
        requests_told=_front_steps(evidence.told_series, place).total(),
        seen=Counter(each.outcome for each in evidence.seen if (each.journey, each.tier) == place),
        told=told.outcomes,
        p99=P99(p99_us(timed), told.p99_us),
    )


def _journeys(events: Iterable[Event], place: tuple[str, str]) -> list[Event]:
    return [each for each in events if not each.series.step and (each.series.journey, each.series.tier) == place]


def _front_steps(series: Mapping[Series, Mapping[str, int]], place: tuple[str, str]) -> Counter[str]:
    """Steps of this journey and tier that customers asked for themselves."""
    found: Counter[str] = Counter()
    for each, events in series.items():
        if each.step and each.service == FRONT and (each.journey, each.tier) == place:
            found[each.step] += sum(events.values())
    return found


def _step_places(evidence: Evidence, events: Iterable[Event]) -> list[tuple[str, str, str, str]]:
    """(journey, step, service, version), the services in the order in which a request meets them."""
    named = {
        *((e.series.journey, e.series.step, e.series.service, e.series.version) for e in events if e.series.step),
        *evidence.told_steps,
    }
    tagged = [(tag.journey, tag.step) for tag in evidence.tags.values()]
    steps = {each: at for at, each in enumerate(tagged)}
    return sorted(named, key=lambda each: (SERVICES.index(each[2]), each[3], steps.get(each[:2], len(steps)), each))


def _step_row(evidence: Evidence, events: Iterable[Event], place: tuple[str, str, str, str]) -> StepRow:
    journey, step, service, version = place
    mine = [
        each
        for each in events
        if (each.series.journey, each.series.step, each.series.service, each.series.version) == place
    ]
    told = evidence.told_steps.get(place, Flow({}, None))
    return StepRow(
        service,
        version,
        journey,
        step,
        written=Counter(each.outcome for each in mine),
        told=told.outcomes,
        p99=P99(p99_us([each.duration for each in mine if each.outcome in TIMED]), told.p99_us),
    )


def _with_elsewhere(evidence: Evidence) -> dict[Series, Mapping[str, int]]:
    """What maibo tells of each series, and of what is in none, as if it were of one more."""
    told = dict(evidence.told_series)
    for (journey, step), total in evidence.told_totals.items():
        explained: Counter[str] = Counter()
        for series, events in evidence.told_series.items():
            if (series.journey, series.step) == (journey, step):
                explained.update(events)
        if rest := Counter(total) - explained:
            told[Series(journey, step, "another tier or process", "", "", "")] = rest
    return told


def _differences(
    should: Mapping[Series, Mapping[str, int]], told: Mapping[Series, Mapping[str, int]]
) -> Iterator[tuple[Series, str, int, int]]:
    """(series, outcome, should be, is) where they differ."""
    for series in sorted({*should, *told}, key=str):
        mine, theirs = should.get(series, {}), told.get(series, {})
        for outcome in sorted({*mine, *theirs}):
            if mine.get(outcome, 0) != theirs.get(outcome, 0):
                yield series, outcome, mine.get(outcome, 0), theirs.get(outcome, 0)


def _series(should: Mapping[Series, Mapping[str, int]], told: Mapping[Series, Mapping[str, int]]) -> Iterator[str]:
    for series, outcome, mine, theirs in _differences(should, told):
        yield f"{series}, {outcome}: the service wrote down {mine}, maibo counts {theirs}"


def _spans(
    evidence: Evidence, events: Sequence[Event], told: Mapping[Series, Mapping[str, int]], *, markers: int
) -> Spans:
    """`markers`: spans that tell of a begin alone, and are in no series."""
    due = len(events) + markers
    differences = list(_differences(outcomes(events), told))
    bars = [_bars(evidence.written, *each) for each in evidence.told.items()]
    counted = evidence.ingest.counted
    return Spans(
        expected=due,
        ended=sum(each.ended for each in evidence.sdks.values()),
        accepted=evidence.ingest.accepted,
        counted=counted,
        rejected=evidence.ingest.rejected,
        lost=max(
            sum(max(0, mine - theirs) for _, _, mine, theirs in differences),
            sum(missing for missing, _ in bars),
            due - counted,
        ),
        duplicated=max(
            sum(max(0, theirs - mine) for _, _, mine, theirs in differences),
            sum(surplus for _, surplus in bars),
            counted - due,
        ),
    )


def _nothing(evidence: Evidence, events: Sequence[Event], rows: Sequence[Row]) -> Iterator[str]:
    if not any(each.requests for each in evidence.seen):
        yield "no customer sent a request: nothing was compared"
    if not events:
        yield "the services wrote down no step: nothing was compared"
    if all(row.p99.error is None for row in rows):
        yield "no P99 was compared"


def _strange_visits(seen: Sequence[Seen]) -> Iterator[str]:
    for each in seen:
        if each.outcome == UNKNOWN:
            yield f"{each.journey}, {each.tier}: a customer got an answer that the shop does not promise: {each.detail}"


def _undocumented(evidence: Evidence) -> Iterator[str]:
    for journey, route in sorted({(each.journey, route) for each in evidence.seen for route in each.requests}):
        tag = evidence.tags.get(route)
        if tag is None or tag.journey != journey:
            yield f"{route}: no step of {journey} has this route in the documents"


def _ended_twice(written: Sequence[Written]) -> Iterator[str]:
    times = Counter((each.journey, each.visit) for each in written)
    for (journey, visit), count in times.items():
        if count > 1:
            yield f"{journey}: the SDK ended the journey of visit {visit!r} {count} times"


def _row_problems(evidence: Evidence, events: Sequence[Event], row: Row) -> Iterator[str]:
    place = (row.journey, row.tier)
    name = ", ".join(place)
    ended = Counter(each.outcome for each in _journeys(events, place))
    for outcome in sorted({*row.seen, *ended, *row.told}):
        counts = [each.get(outcome, 0) for each in (row.seen, ended, row.told)]
        if len(set(counts)) > 1:
            yield f"{name}, {outcome}: customers saw {counts[0]}, the services ended {counts[1]}, maibo counts {counts[2]}"
    tags = evidence.tags
    sent = Counter(
        tags[route].step if route in tags else route
        for each in evidence.seen
        if (each.journey, each.tier) == place
        for route in each.requests
    )
    told = _front_steps(evidence.told_series, place)
    for step in sorted({*sent, *told}):
        if sent[step] != told[step]:
            yield f"{name}, step {step}: customers sent {sent[step]} requests, maibo counts {told[step]}"
    yield from row.p99.problems(name)
    missing, surplus = _bars(evidence.written, place, evidence.told.get(place, Told({}, None, ())))
    if missing or surplus:
        yield f"{name}: maibo's distribution lacks {missing} and has {surplus} too many of the durations that the SDKs told"


def _bars(written: Sequence[Written], place: tuple[str, str], told: Told) -> tuple[int, int]:
    """Durations that no bar has, and events in bars that no duration explains."""
    mine = [each for each in written if (each.journey, each.tier) == place]
    missing = surplus = 0
    for outcome in {each.outcome for each in mine} | {name for bar in told.bars for name in bar.outcomes}:
        durations = np.array([each.duration_ns for each in mine if each.outcome == outcome], dtype=np.int64)
        explained = 0
        for bar in told.bars:
            there = _within(durations, bar)
            shown = bar.outcomes.get(outcome, 0)
            explained += there
            missing += max(0, there - shown)
            surplus += max(0, shown - there)
        missing += len(durations) - explained
    return missing, surplus


def _within(durations: np.ndarray[tuple[int], np.dtype[np.int64]], bar: Bar) -> int:
    lower, upper = round(bar.lower_us * 1000), round(bar.upper_us * 1000)
    return int(np.count_nonzero((durations > lower) & (durations <= upper)))


def _span_problems(spans: Spans, ingest: Ingest) -> Iterator[str]:
    if spans.accepted != spans.expected:
        yield f"the services' own notes make {spans.expected} spans, maibo accepted {spans.accepted}"
    if spans.counted != spans.accepted or ingest.rejected:
        yield f"maibo accepted {spans.accepted} spans and counted {spans.counted} ({ingest.rejected} rejected)"
    if spans.lost or spans.duplicated:
        yield f"{spans.lost} spans were lost, {spans.duplicated} duplicated"


def _begins(begun: Sequence[Begin], told: Mapping[tuple[str, str], int]) -> Iterator[str]:
    should = Counter((each.journey, each.tier) for each in begun)
    for place in sorted({*should, *told}):
        if should[place] != told.get(place, 0):
            yield f"{', '.join(place)}: {should[place]} journeys began, maibo counts {told.get(place, 0)}"


def _sdk_problems(sdks: Mapping[str, SdkCounts], events: Iterable[Event | Begin]) -> Iterator[str]:
    should = Counter(each.process for each in events)
    for process in sorted({*sdks, *should}):
        sdk = sdks.get(process, SdkCounts())
        if sdk.ended != should[process]:
            yield f"{process}: its own notes make {should[process]} spans, its SDK ended {sdk.ended}"
        for what, count in sdk.problems.items():
            if count:
                yield f"{process}: {what.replace('_', ' ')}, by its SDK: {count}"
