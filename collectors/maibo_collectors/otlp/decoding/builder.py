"""Counting judged spans into a `Tally`: what is left to do for each span once its shape's judgement is known."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from struct import Struct
from typing import TYPE_CHECKING, Final, Protocol

from maibo_collectors.otlp.decoding.sampling import ONE
from maibo_collectors.otlp.decoding.tally import (
    BUCKET_NS,
    CELL,
    FAILED,
    FLOW,
    OVER_THRESHOLD,
    SAMPLED,
    SKEWED,
    SLOWEST,
    Exemplar,
    Reason,
    Tally,
)
from maibo_slo.store.edges import EDGES_NS

if TYPE_CHECKING:
    from maibo_collectors.otlp.decoding.classify import Fate, Judgement

CLOCK_SKEW: Final = "ends more than a day from now, or began more than 35 days ago"

SKEW_LIMIT_NS: Final = 86_400 * 10**9
"""How far from now a span may end."""
AGE_LIMIT_NS: Final = 35 * SKEW_LIMIT_NS
"""How long ago a journey may have begun."""
LONGEST_NS: Final = 2**63 - 1

_MINUTE_NS: Final = 60 * 10**9


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
        self._series: dict[bytes, int] = {}
        self._cells: dict[tuple[int, int, int], int] = {}
        self._started: Counter[tuple[int, int]] = Counter()
        self._ended: Counter[tuple[int, int]] = Counter()
        self._sampled: Counter[tuple[int, int]] = Counter()
        self._sampled_spans: Counter[tuple[int, int]] = Counter()
        self._skewed: Counter[tuple[int, int]] = Counter()
        self._reasons: Counter[tuple[int, int, str]] = Counter()
        self._exemplars: dict[tuple[int, int, int], Exemplar] = {}
        self._slowest: dict[tuple[int, int], int] = {}
        self._slowest_exemplars: dict[tuple[int, int], Exemplar] = {}
        self._rejected: Counter[str] = Counter()
        self._overflowed: Counter[str] = Counter()
        self._total = self._ignored = self._skewed_spans = 0

    def reject(self, reason: str) -> None:
        """Something that is no shape's fault."""
        self._total += 1
        self._rejected[reason] += 1

    def count(  # noqa: C901, PLR0912 -- in one piece, for each call more would cost 2 % of all decoding
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
        if not self._earliest_end <= end <= self._latest:
            self._rejected[CLOCK_SKEW] += 1
            return
        minute = 0
        if judgement.timed:
            begin = begin_us * 1000 if begin_us else start
            if not self._earliest_begin <= begin <= self._latest:
                self._rejected[CLOCK_SKEW] += 1
                return
            minute = begin // _MINUTE_NS * 60
        t = end // BUCKET_NS * 10
        duration = end - start
        index = bisect_left(EDGES_NS, duration)
        weight = judgement.weight
        n = 1 if weight is ONE else weight.of(ids.span_id)
        series_ids, cells = self._series, self._cells
        for fate in fates:
            series = series_ids.get(fate.series)
            if series is None:
                series = series_ids[fate.series] = len(series_ids)
            if fate.marker:
                self._started[minute, series] += n
                return
            if fate.whole:
                self._ended[minute, series] += n
                if fate.started or begin_us is None:
                    self._started[minute, series] += n
            if duration < 0:
                self._skewed[t, series] += n
                continue
            cell = (t, series, index)
            cells[cell] = cells.get(cell, 0) + n
            if weight is not ONE:
                self._sampled[t, series] += n
                self._sampled_spans[t, series] += 1
            if fate.reason:
                self._reasons[t, series, fate.reason] += n
            if duration > self._slowest.get((t // 60, series), -1) or fate.failed or 0 < fate.threshold_ns < duration:
                self._keep(fate, t, series, index, min(duration, LONGEST_NS), ids)
        if duration < 0:
            self._skewed_spans += 1
        elif judgement.overflowed:
            self._overflowed.update(judgement.overflowed)

    def _keep(self, fate: Fate, t: int, series: int, index: int, duration: int, ids: Identified) -> None:
        """An exemplar, maybe: the first failed or slow one of each minute, series and bin, and the longest of each minute and series.

        What has no whole ids (16 and 8 bytes) leads nowhere and is none.
        """
        minute = t // 60
        slow = fate.failed or 0 < fate.threshold_ns < duration
        if slow and (minute, series, index) in self._exemplars and duration <= self._slowest.get((minute, series), -1):
            return
        trace_id, span_id = ids.trace_id, ids.span_id
        if len(trace_id) != 16 or len(span_id) != 8:
            return
        if slow and (minute, series, index) not in self._exemplars:
            why = FAILED if fate.failed else OVER_THRESHOLD
            self._exemplars[minute, series, index] = Exemplar(t, series, index, why, duration, trace_id, span_id)
        if duration > self._slowest.get((minute, series), -1):
            self._slowest[minute, series] = duration
            self._slowest_exemplars[minute, series] = Exemplar(t, series, index, SLOWEST, duration, trace_id, span_id)

    def tally(self) -> Tally:
        """All that was counted. Rows are in order of first appearance, series too."""
        longest = (
            exemplar
            for (minute, series), exemplar in self._slowest_exemplars.items()
            if (minute, series, exemplar.bin) not in self._exemplars
        )
        rejected = dict(self._rejected)
        return Tally(
            series=list(self._series),
            cells=_packed(CELL, ((*key, n) for key, n in self._cells.items())),
            flow=_packed(FLOW, self._flow()),
            sampled=_packed(SAMPLED, ((*key, n, self._sampled_spans[key]) for key, n in self._sampled.items())),
            skewed_rows=_packed(SKEWED, ((*key, n) for key, n in self._skewed.items())),
            reasons=[Reason(*key, n) for key, n in self._reasons.items()],
            exemplars=[*self._exemplars.values(), *longest],
            total=self._total,
            counted=self._total - self._ignored - self._skewed_spans - sum(rejected.values()),
            ignored=self._ignored,
            skewed=self._skewed_spans,
            rejected=rejected,
            overflowed=dict(self._overflowed),
        )

    def _flow(self) -> Iterable[tuple[int, int, int, int]]:
        started, ended = self._started, self._ended
        return ((*key, started[key], ended[key]) for key in {**ended, **started})


def _packed(row: Struct, rows: Iterable[tuple[int, ...]]) -> bytes:
    pack = row.pack
    return b"".join([pack(*each) for each in rows])
