"""Counting judged spans into a `Tally`: what is left to do for each span once its shape's judgement is known."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from struct import Struct
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from maibo_collectors.otlp.decoding.pods import MOST_PODS, Seen, told
from maibo_collectors.otlp.decoding.sampling import ONE
from maibo_collectors.otlp.decoding.tally import (
    BUCKET_NS,
    CELL,
    EXEMPLAR,
    FAILED,
    FLOW,
    OVER_THRESHOLD,
    SAMPLED,
    SKEWED,
    SLOWEST,
    Reason,
    Tally,
)
from maibo_slo.store.edges import EDGES_NS

if TYPE_CHECKING:
    from maibo_collectors.otlp.decoding.classify import Judgement
    from maibo_collectors.otlp.decoding.pods import Pod

CLOCK_SKEW: Final = "ends more than a day from now, or began more than 35 days ago"

SKEW_LIMIT_NS: Final = 86_400 * 10**9
"""How far from now a span may end."""
AGE_LIMIT_NS: Final = 35 * SKEW_LIMIT_NS
"""How long ago a journey may have begun."""
LONGEST_NS: Final = 2**63 - 1

_MINUTE_NS: Final = 60 * 10**9
_K = TypeVar("_K")
_Row = tuple[int, int, int, int, int, bytes, bytes]
"""The fields of an `Exemplar`, which takes ten times as long to make."""


class Identified(Protocol):
    """What has the ids of a span: only looked at when they matter."""

    @property
    def trace_id(self) -> bytes: ...
    @property
    def span_id(self) -> bytes: ...


class Builder:
    """Makes the tally of one request that arrived at `received_ns` (unix). Call `count` for every span, then `tally`."""

    def __init__(self, *, received_ns: int) -> None:
        self._earliest_end = received_ns - SKEW_LIMIT_NS
        self._latest = received_ns + SKEW_LIMIT_NS
        self._earliest_begin = received_ns - AGE_LIMIT_NS
        self._first, self._last, self._t, self._minute = 0, -1, 0, 0
        self._series: dict[bytes, int] = {}
        self._cells: dict[tuple[int, int, int], int] = {}
        self._started: dict[tuple[int, int], int] = {}
        self._ended: dict[tuple[int, int], int] = {}
        self._sampled: dict[tuple[int, int], int] = {}
        self._sampled_spans: dict[tuple[int, int], int] = {}
        self._skewed: dict[tuple[int, int], int] = {}
        self._reasons: dict[tuple[int, int, str], int] = {}
        self._exemplars: dict[tuple[int, int, int], _Row] = {}
        self._slowest: dict[tuple[int, int], _Row] = {}
        self._rejected: Counter[str] = Counter()
        self._overflowed: Counter[str] = Counter()
        self._total = self._ignored = self._skewed_spans = 0
        self._pods: list[Seen] = []
        self._pod: Seen | None = None

    def begin_resource(self, pod: Pod | None) -> None:
        """The spans that follow are of this pod; to be told before a resource's first span."""
        self._pod = None
        if pod is not None and len(self._pods) < MOST_PODS:
            self._pod = Seen(pod)
            self._pods.append(self._pod)

    def reject(self, reason: str) -> None:
        """Something that is no shape's fault."""
        self._total += 1
        self._rejected[reason] += 1

    def count(  # noqa: C901, PLR0912, PLR0915 -- in one piece, for each call more would cost 2 % of all decoding
        self, judgement: Judgement, start: int, end: int, begin_us: int | None, ids: Identified
    ) -> None:
        """Counts one span of a shape with this judgement. `start` and `end` in unix ns.

        `begin_us`: its ``journey.start_time`` if it is a positive integer, 0 if it is anything else, None if there is none; only
        looked at if the judgement is `timed`.
        """
        self._total += 1
        fates = judgement.fates
        if not fates:
            if judgement.rejected:
                self._rejected[judgement.rejected] += 1
            else:
                self._ignored += 1
            return
        if not self._first <= end <= self._last and not self._turn_to(end):
            self._rejected[CLOCK_SKEW] += 1
            return
        begun = 0
        if judgement.timed:
            begin = begin_us * 1000 if begin_us else start
            if not self._earliest_begin <= begin <= self._latest:
                self._rejected[CLOCK_SKEW] += 1
                return
            begun = begin // BUCKET_NS * 10
        t = self._t
        duration = end - start
        if duration > LONGEST_NS:  # noqa: PLR1730 -- min() would cost 2 % as well
            duration = LONGEST_NS
        index = bisect_left(EDGES_NS, duration)
        weight = judgement.weight
        n = 1 if weight is ONE else weight.of(ids.span_id)
        series_ids, cells = self._series, self._cells
        for fate in fates:
            series = series_ids.get(fate.series)
            if series is None:
                series = series_ids[fate.series] = len(series_ids)
            if fate.marker:
                _add(self._started, (begun, series), n)
                return
            if fate.whole:
                _add(self._ended, (begun, series), n)
                if fate.started or begin_us is None:
                    _add(self._started, (begun, series), n)
            if duration < 0:
                _add(self._skewed, (t, series), n)
                continue
            cell = (t, series, index)
            cells[cell] = cells.get(cell, 0) + n
            if weight is not ONE:
                _add(self._sampled, (t, series), n)
                _add(self._sampled_spans, (t, series), 1)
            if fate.reason:
                _add(self._reasons, (t, series, fate.reason), n)
            slowest = self._slowest.get((self._minute, series))
            if slowest is None or duration > slowest[4]:
                trace_id, span_id = ids.trace_id, ids.span_id
                if len(trace_id) == 16 and len(span_id) == 8:  # others lead nowhere
                    self._slowest[self._minute, series] = (end, series, index, SLOWEST, duration, trace_id, span_id)
            if fate.failed or 0 < fate.threshold_ns < duration:
                why = FAILED if fate.failed else OVER_THRESHOLD
                self._keep_first(end, series, index, why, duration, ids)
        if duration < 0:
            self._skewed_spans += 1
            return
        if judgement.overflowed:
            self._overflowed.update(judgement.overflowed)
        pod = self._pod
        if pod is not None:
            if end > pod.last:  # noqa: PLR1730 -- as above
                pod.last = end
            if end < pod.first:  # noqa: PLR1730 -- as above
                pod.first = end

    def _turn_to(self, end: int) -> bool:
        """Works out for the 10 s of an end what holds for all ends in it: most of a request are in one or two. False: none may be."""
        if not self._earliest_end <= end <= self._latest:
            return False
        bucket = end // BUCKET_NS
        self._first = max(bucket * BUCKET_NS, self._earliest_end)
        self._last = min((bucket + 1) * BUCKET_NS - 1, self._latest)
        self._t = bucket * 10
        self._minute = end // _MINUTE_NS
        return True

    def _keep_first(self, end: int, series: int, index: int, why: int, duration: int, ids: Identified) -> None:
        """The first failed or slow one of each minute, series and bin is an exemplar."""
        place = (self._minute, series, index)
        trace_id, span_id = ids.trace_id, ids.span_id
        if place not in self._exemplars and len(trace_id) == 16 and len(span_id) == 8:
            self._exemplars[place] = (end, series, index, why, duration, trace_id, span_id)

    def tally(self) -> Tally:
        """All that was counted. Rows are in order of first appearance, series too."""
        slowest = (
            row for (minute, series), row in self._slowest.items() if (minute, series, row[2]) not in self._exemplars
        )
        rejected = dict(self._rejected)
        return Tally(
            series=list(self._series),
            cells=b"".join([CELL.pack(t, series, index, n) for (t, series, index), n in self._cells.items()]),
            flow=_packed(FLOW, self._flow()),
            sampled=_packed(SAMPLED, ((*key, n, self._sampled_spans[key]) for key, n in self._sampled.items())),
            skewed_rows=_packed(SKEWED, ((*key, n) for key, n in self._skewed.items())),
            reasons=[Reason(*key, n) for key, n in self._reasons.items()],
            exemplars=_packed(EXEMPLAR, chain(self._exemplars.values(), slowest)),
            total=self._total,
            counted=self._total - self._ignored - self._skewed_spans - sum(rejected.values()),
            ignored=self._ignored,
            skewed=self._skewed_spans,
            rejected=rejected,
            overflowed=dict(self._overflowed),
            served=told(self._pods),
        )

    def _flow(self) -> Iterable[tuple[int, int, int, int]]:
        started, ended = self._started, self._ended
        return ((*key, started.get(key, 0), ended.get(key, 0)) for key in {**ended, **started})


def _add(counts: dict[_K, int], key: _K, n: int) -> None:
    counts[key] = counts.get(key, 0) + n


def _packed(row: Struct, rows: Iterable[tuple[int | bytes, ...]]) -> bytes:
    pack = row.pack
    return b"".join([pack(*each) for each in rows])
