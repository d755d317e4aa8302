"""What becomes of a captured request: which span, data point or log record counts as what, by which rule; and why the others do not.

The acceptors' own decoders count each of them in a request of its own, the acceptors' own rules say which condition is not met, and the
drain's own streams what a histogram adds to the points before it. So what is told here is what happens; but for what depends on what
came before the captured requests: the cap, and the points of a stream that a running service has seen.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from statistics import median_low
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from maibo import semconv
from maibo_collectors.errors import CollectorError
from maibo_collectors.otlp.body import BodyMalformed, BodyTooLarge
from maibo_collectors.otlp.decoding import points
from maibo_collectors.otlp.decoding.buckets import total
from maibo_collectors.otlp.decoding.decoders import Decoders
from maibo_collectors.otlp.decoding.rules import SPAN_KINDS, CompiledRule, Condition, Rule
from maibo_collectors.otlp.decoding.tally import CELL, FLOW, SKEWED, Series, Tally, series_of
from maibo_collectors.otlp.documents import placed_rules, rules_of
from maibo_collectors.otlp.draining import streams
from maibo_collectors.otlp.explaining import captured
from maibo_collectors.otlp.explaining.captured import METRIC, SPAN, Captured, Item

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from maibo_collectors.otlp.decoding.points import Points
    from maibo_slo.documents import Catalogue, Origin

COUNTED: Final = "counted"
STARTED: Final = "started"
"""It only tells that a journey began."""
BACKWARDS: Final = "skewed"
"""It ends before it starts: it is in no latency bin."""
BASELINE: Final = "baseline"
"""A cumulative point that counts nothing: the next one counts from there."""
REJECTED: Final = "rejected"
IGNORED: Final = "ignored"
RESULTS: Final = (COUNTED, STARTED, BACKWARDS, BASELINE, REJECTED, IGNORED)

_NONE: Final = 2**31
"""A limit that nothing reaches."""
_NOTES: Final = {
    streams.BASELINE: (BASELINE, "first point of a cumulative stream: the baseline, counts from the next one"),
    streams.CHANGED: (
        BASELINE,
        "its bounds are not those of the point before: a new baseline, counts from the next one",
    ),
    streams.CROWDED: (BASELINE, "too many senders under one name: it may have been counted before"),
    streams.DUPLICATE: (IGNORED, "the same point of its stream came before"),
    streams.LATE: (IGNORED, "a newer point of its stream came before, and held it"),
    streams.RESET: (COUNTED, "cumulative, and its count fell: counted from zero"),
    streams.OVERLAPPING: (COUNTED, "its interval overlaps another one of its stream: two senders under one name?"),
}
"""What streams note of a point: the result, and why."""
_KINDS: Final = {number: word for word, number in SPAN_KINDS.items()}


class Count(NamedTuple):
    """One place where something counts."""

    series: Series
    t: int
    """10 s bucket of its end, unix seconds; of a start, the minute; of a histogram's events, the last one."""
    bin: int | None
    """Latency bin; None: of a start, of what ends before it starts, and of a histogram."""
    n: int
    rule: Origin | None
    """The rule that says so; None: its own attributes do."""
    bins: tuple[tuple[int, int], ...] = ()
    """Of a histogram: each latency bin with how many events, ascending."""
    since: int | None = None
    """Of a histogram: the first 10 s bucket that it has events in."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What becomes of one span, data point or log record."""

    item: Item
    result: str
    """One of RESULTS."""
    counts: tuple[Count, ...] = ()
    why: str = ""
    """Why it is not counted, or what is to be known of how it is."""


def explain(requests: Iterable[Captured], catalogue: Catalogue) -> Iterator[Explained]:
    """In order. Times are judged as if each request had come when most of what it holds ended. Raises CollectorError for a request
    that an acceptor refuses.
    """
    explainer = _Explainer(catalogue)
    for number, request in enumerate(requests, 1):
        try:
            yield from explainer.request(request)
        except (BodyMalformed, BodyTooLarge) as error:
            raise CollectorError(f"explaining request {number}: an acceptor refuses it: {error}") from error


class _Asked(NamedTuple):
    """A rule, where it is written, and each of its conditions as a rule of its own, in the order in which they are asked."""

    signal: str
    rule: CompiledRule
    origin: Origin
    alone: tuple[CompiledRule, ...]


class _Explainer:
    def __init__(self, catalogue: Catalogue) -> None:
        rules = msgspec.structs.replace(
            rules_of(catalogue), series_limit=_NONE, journey_limit=_NONE, reason_limit=_NONE
        )
        self._decoders = Decoders(rules)
        self._states: dict[bytes, bytes] = {}
        """Of the streams of metrics."""
        self._rules = [
            _Asked(placed.signal, CompiledRule(placed.rule), placed.origin, tuple(_alone(placed.rule)))
            for placed in placed_rules(catalogue)
        ]

    def request(self, request: Captured) -> Iterator[Explained]:
        self._read(request, 0)  # refuses what an acceptor refuses, before it is taken apart
        items = list(captured.items(request))
        received_ns = median_low(item.time_ns for item in items) if items else 0
        for item in items:
            yield self._item(item, received_ns)

    def _read(self, request: Captured, received_ns: int) -> Tally | Points:
        if request.signal == METRIC:
            return points.decode(request.kind, request.body, self._decoders.classifier, received_ns=received_ns)
        return self._decoders.tally(request.kind, request.body, received_ns=received_ns)

    def _item(self, item: Item, received_ns: int) -> Explained:
        read = self._read(item.request, received_ns)
        rules = self._matching(item)
        if isinstance(read, Tally):
            counts = tuple(_of_tally(read, rules))
            result, why = _result(read), ", ".join(read.rejected) or _of_spans(read)
        elif read.points:
            return self._point(item, read, rules)
        else:
            counts = ()
            result, why = REJECTED if read.rejected else IGNORED, ", ".join(read.rejected)
        return Explained(item, result, counts, self._why_ignored(item) if result == IGNORED else why)

    def _point(self, item: Item, read: Points, rules: Mapping[tuple[str, str], Origin]) -> Explained:
        """A histogram's point, after those before it."""
        known = {name: self._states[name] for name in read.stream_ids() if name in self._states}
        settled = streams.settle(known, read)
        self._states |= settled.states
        counts = tuple(_of_histogram(settled.tally, rules))
        (point,) = read.points
        told = "" if point.delta else _of_cumulative(counts, total(point.buckets))
        result, why = next((_NOTES[note] for note in settled.notes if note in _NOTES), (COUNTED, told))
        return Explained(item, result, counts, why)

    def _matching(self, item: Item) -> dict[tuple[str, str], Origin]:
        """(journey, step) -> the first rule that the item meets; none of what says itself what it is."""
        found: dict[tuple[str, str], Origin] = {}
        if item.signal == SPAN and semconv.JOURNEY_NAME in item.attributes:
            return found
        if item.signal == METRIC and item.name == points.DURATION:
            return found
        for asked in self._asked(item):
            if _unmet(asked.rule, item) is None:
                found.setdefault((asked.rule.rule.journey, asked.rule.rule.step), asked.origin)
        return found

    def _asked(self, item: Item) -> Iterator[_Asked]:
        return (asked for asked in self._rules if asked.signal == item.signal)

    def _why_ignored(self, item: Item) -> str:
        """What the nearest rule misses: the one of whose conditions most are met."""
        parts = ["no journey.name"] if item.signal == SPAN else []
        asked = list(self._asked(item))
        if not asked:
            parts.append(f"no document has rules for {item.signal}s")
        elif self._matching(item):
            parts.append("no histogram: only those have latencies")
        else:
            nearest = max(asked, key=lambda each: sum(_unmet(one, item) is None for one in each.alone))
            parts.append(_missed(nearest, item))
        return "; ".join(parts)


def _alone(rule: Rule) -> Iterator[CompiledRule]:
    for condition in rule.resource:
        yield CompiledRule(Rule(journey=rule.journey, resource=(condition,)))
    if rule.kind:
        yield CompiledRule(Rule(journey=rule.journey, kind=rule.kind))
    if rule.name:
        yield CompiledRule(Rule(journey=rule.journey, name=rule.name))
    for condition in rule.attributes:
        yield CompiledRule(Rule(journey=rule.journey, attributes=(condition,)))


def _unmet(rule: CompiledRule, item: Item) -> Condition | None:
    return rule.unmet(item.resource, item.attributes, name=item.name, kind=item.kind)


def _missed(asked: _Asked, item: Item) -> str:
    """``nearest rule shop.yaml:12 (checkout/pay) wants http.route=/checkout; it is /cart``"""
    alone, unmet = next((one, unmet) for one in asked.alone if (unmet := _unmet(one, item)) is not None)
    if alone.rule.kind:
        has: str | None = _KINDS.get(item.kind, "")
    elif alone.rule.name:
        has = item.name
    else:
        has = (item.resource if alone.rule.resource else item.attributes).get(unmet.key)
    wanted = f"{unmet.key}={' or '.join(unmet.patterns)}"
    place = "/".join(filter(None, (asked.rule.rule.journey, asked.rule.rule.step)))
    is_now = f"it is {has}" if has else "it is empty" if has is not None else "there is none"
    return f"nearest rule {at(asked.origin)} ({place}) wants {wanted}; {is_now}"


def at(origin: Origin) -> str:
    """``shop.yaml:12``"""
    return f"{origin.file}:{origin.line}"


def _of_tally(tally: Tally, rules: Mapping[tuple[str, str], Origin]) -> Iterator[Count]:
    series = [series_of(raw) for raw in tally.series]
    rows: list[tuple[int, int, int | None, int]] = [*CELL.iter_unpack(tally.cells)]
    rows += [(t, index, None, n) for t, index, n in SKEWED.iter_unpack(tally.skewed_rows)]
    if not rows:
        rows = [(t, index, None, started) for t, index, started, _ in FLOW.iter_unpack(tally.flow)]
    for t, index, latency_bin, n in rows:
        one = series[index]
        yield Count(one, t, latency_bin, n, rules.get((one.journey, one.step)))


def _of_histogram(tally: Tally, rules: Mapping[tuple[str, str], Origin]) -> Iterator[Count]:
    bins: defaultdict[int, Counter[int]] = defaultdict(Counter)
    times: defaultdict[int, set[int]] = defaultdict(set)
    for t, index, latency_bin, n in CELL.iter_unpack(tally.cells):
        bins[index][latency_bin] += n
        times[index].add(t)
    for index, counts in bins.items():
        one = series_of(tally.series[index])
        at = times[index]
        rule = rules.get((one.journey, one.step))
        yield Count(one, max(at), None, counts.total(), rule, tuple(sorted(counts.items())), min(at))


def _of_cumulative(counts: Sequence[Count], events: int) -> str:
    if any(count.n == events for count in counts):
        return "cumulative: all of it came since its start"
    return "cumulative: what came since the point before"


def _result(tally: Tally) -> str:
    if tally.cells:
        return COUNTED
    if tally.skewed:
        return BACKWARDS
    if tally.rejected:
        return REJECTED
    return IGNORED if tally.ignored or not tally.total else STARTED


def _of_spans(tally: Tally) -> str:
    if tally.skewed:
        return "ends before it starts: clocks disagree"
    return "sampled: it stands for more than itself" if tally.sampled else ""
