"""Demand now, from counts of 10 s buckets looked at again and again: what is known of whole buckets, and whether a surge is on since.

Pure given the counts and the times of the looks. Three spans are asked, the longest first; a shorter one is believed only where it is surely more:

* the last three whole buckets (a bucket is whole `GRACE_SECONDS` after its end: counts come late);
* the last whole bucket;
* what came in the last seconds, look by look: a surge, which may only raise, and which the next whole buckets confirm or drop.

Late counts land in older buckets and are no surge. Neither is what comes after a pause: when nothing came for `PAUSE_SECONDS` although it should
have, a drain catches up, and whole buckets are waited for. Counts come in clumps (an exporter's batches, samples that stand for many): how far apart these
come (see `arrivals`), and how much more counts vary beyond that than single calls would, is measured and asked of a surge. Its size is taken for the least
that it may be, so a first guess is some two thirds of a crowd, which longer spans and whole buckets complete.

Where the newest counts are old, demand is what it was then: `Demand.observed_at` tells, and whoever acts on it refuses what is too old. That nothing
came is not that nobody called. So a bucket is whole only when something was heard of a later one (a drain that lags is in the middle of its newest),
and one that nobody at all was heard in, as while a collector restarts, is no data. Clocks differ: a bucket that has not begun yet tells nothing.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from maibo_slo.engine.scaling import poisson
from maibo_slo.engine.scaling.arrivals import EXPECTED_IN_A_PAUSE, Arrivals
from maibo_slo.engine.scaling.inputs import Demand

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from maibo_slo.engine.scaling.arrivals import Look

BUCKET_SECONDS: Final = 10
GRACE_SECONDS: Final = 2.0
WHOLE_BUCKETS: Final = 3
LOOK_BACK_SECONDS: Final = 120
"""Buckets that a look should bring: of what is older than demand may be, nothing is decided."""
ZERO_AHEAD_SECONDS: Final = 5.0
"""Silence is zero so long before what was heard last is too old: from a number to a number."""
PAUSE_SECONDS: Final = 2.0
SURGE_SPANS: Final = (2.0, 4.0)
"""Seconds. All must bear a surge out: a drain's rest and what it then catches up are none."""
LONGER_SPANS: Final = (8.0, 16.0)
"""They tell better how much it is, once it has lasted."""
SURE_Z: Final = 4.5
"""Of a surge: demand is looked at up to ten times a second, so what is rare in one look is not in a day's. Of steady demand, whatever its rate, fewer than
two surges begin by chance in the 864,000 looks of a day.
"""
BUCKET_Z: Final = 2.5
LIKELY_Z: Final = 1.645
"""A surge is taken for the lower end of what it may be, ..."""
TIMED: Final = 0.6
"""... and to have happened in so much of the time more that it may have taken: then it is told too high by a tenth at the most."""
FEWEST_CALLS: Final = 10
"""Of a surge."""
_FEWEST_INDICES: Final = 5
_MOST_INDICES: Final = 30
_MEDIAN_INDEX: Final = 0.455
"""Of single calls: the median of a chi-squared of one degree of freedom."""


class DemandEstimator:
    """Of one target. Not for several threads."""

    def __init__(self, *, silence_is_zero: bool = False, max_age_seconds: float = 60.0) -> None:
        self._silence_is_zero = silence_is_zero
        self._max_age = max_age_seconds
        self._arrivals = Arrivals(BUCKET_SECONDS)
        self._heard: Mapping[int, int] = {}
        self._heard_at = -math.inf
        self._silent_since = math.inf
        self._came_at = -math.inf
        self._wait_until = -math.inf
        self._dispersion = 1.0
        self._surging = False
        self._measured: Look | None = None
        self._span: tuple[int, float] | None = None
        """Calls and seconds of the span before."""
        self._indices: deque[float] = deque(maxlen=_MOST_INDICES)

    def look(
        self,
        now: float,
        counts: Mapping[int, int],
        *,
        heard: Mapping[int, int] | None = None,
        others: Collection[int] = (),
        weight: float = 1.0,
    ) -> Demand | None:
        """Demand at `now`; None where it is not known.

        `counts`: begin of a 10 s bucket (unix s) -> calls that ended in it, of the last `LOOK_BACK_SECONDS`, as they are known now; buckets without
        calls may be absent. `heard`: the same of all that its services sent, when that is more. `others`: the buckets that any other service was heard
        in. `weight`: calls that one counted event stands for, 1 where nothing is sampled. Looks are in the order of their times.
        """
        heard = counts if heard is None else heard
        begins = sorted(t for t, n in heard.items() if n > 0 and now - LOOK_BACK_SECONDS < t <= now)
        # Of clocks that are ahead, some; were it all, one span of tomorrow would be the newest for a day.
        ahead = now + LOOK_BACK_SECONDS
        if any(n > self._heard.get(t, 0) for t, n in heard.items() if begins and begins[-1] <= t <= ahead):
            self._heard_at = now
        self._heard = dict(heard)
        observed_at = min(begins[-1] + BUCKET_SECONDS, self._heard_at, now) if begins else -math.inf
        elsewhere = {t for t in others if now - LOOK_BACK_SECONDS < t <= now}
        if self._silence_is_zero and (witnessed_at := self._witnessed(now, observed_at, elsewhere)) is not None:
            self._take(now, counts, 0.0, weight)
            return Demand(0.0, witnessed_at, 0, self._max_age)
        if not begins:
            return None
        known = self._of_buckets(now, counts, begins, elsewhere, observed_at, weight * self._dispersion)
        self._take(now, counts, known.rate, weight)
        self._measure(known.rate, weight)
        surge = self._surge(now, known.rate, weight)
        if surge is None:
            return known
        return replace(surge, observed_at=observed_at)

    def _witnessed(self, now: float, observed_at: float, elsewhere: Collection[int]) -> float | None:
        """Up to when others were heard while its services were silent, if that was for long enough, and no collector was away meanwhile."""
        self._silent_since = max(observed_at, min(self._silent_since, now - LOOK_BACK_SECONDS))
        if not elsewhere:
            return None
        at = min(max(elsewhere) + BUCKET_SECONDS, now)
        since = max(at - self._max_age, now - LOOK_BACK_SECONDS + 2 * BUCKET_SECONDS)
        heard = BUCKET_SECONDS * sum(t + BUCKET_SECONDS > since for t in elsewhere)
        # Of the newest bucket nobody is heard in its first seconds; who waits for these would be refused in between.
        ahead = min(ZERO_AHEAD_SECONDS, self._max_age / 4)
        long_enough = at - self._silent_since > self._max_age - ahead and now - at <= self._max_age
        return at if long_enough and min(elsewhere) <= since and heard >= (at - since) / 2 else None

    def _of_buckets(
        self,
        now: float,
        counts: Mapping[int, int],
        begins: Sequence[int],
        elsewhere: Collection[int],
        observed_at: float,
        clump: float,
    ) -> Demand:
        """By the newest whole buckets that anybody was heard in; where there is none yet, by what there is of the first."""
        bucket, first, newest = BUCKET_SECONDS, begins[0], begins[-1]
        last = newest + bucket if any(t > newest for t in elsewhere) else newest
        end = min(int((now - GRACE_SECONDS) // bucket) * bucket, last)
        anybody = {*begins, *elsewhere}
        whole = [t for t in range(first, end, bucket) if t in anybody]
        # What is beside one without data may be half of it, and so may the first.
        whole = ([t for t in whole if {t - bucket, t + bucket} <= anybody] or whole)[-WHOLE_BUCKETS:]
        if not whole:
            calls = sum(n for t, n in counts.items() if first <= t <= now)
            is_over = newest == first and now - GRACE_SECONDS >= first + bucket
            seconds = float(bucket) if is_over else max(1.0, observed_at - first)
            return Demand(calls / seconds, observed_at, round(calls / clump), seconds)
        calls, seconds = sum(counts.get(t, 0) for t in whole), float(bucket * len(whole))
        latest = counts.get(whole[-1], 0)
        if _lower(latest, clump, BUCKET_Z) / bucket > calls / seconds:
            calls, seconds = latest, float(bucket)
        return Demand(calls / seconds, observed_at, round(calls / clump), seconds)

    def _take(self, now: float, counts: Mapping[int, int], rate: float, weight: float) -> None:
        """What came since the last look, into the running and the previous bucket."""
        last = self._arrivals.looks[-1] if self._arrivals.looks else None
        came = self._arrivals.take(now, counts, ahead=LOOK_BACK_SECONDS)
        if came and last is not None:
            quiet = last.at - self._came_at
            if quiet > PAUSE_SECONDS and quiet * rate > EXPECTED_IN_A_PAUSE * weight * self._dispersion:
                # The next bucket is the first that begins after it; what came is then known when it is whole.
                self._wait_until = (now // BUCKET_SECONDS + 2) * BUCKET_SECONDS + GRACE_SECONDS
        if came or last is None:
            self._came_at = now

    def _surge(self, now: float, rate: float, weight: float) -> Demand | None:
        """What the last seconds surely are more than whole buckets tell: as much as it is at the least, by whichever span tells most."""
        clump = weight * self._dispersion
        # Between two clumps a crowd seems to be gone: that it has come once is borne out by the longer of the spans alone.
        bear_out = SURGE_SPANS[-1:] if self._surging else SURGE_SPANS
        self._surging = False
        if now < self._wait_until:
            return None
        found = Demand(rate, now, 0, 0.0, surge=True, settled=rate)
        for seconds in (*SURGE_SPANS, *LONGER_SPANS):
            span = self._arrivals.span(seconds, rate / weight)
            if span is None or span.calls < FEWEST_CALLS:
                if seconds in bear_out:
                    return None
                continue
            if seconds in bear_out and _lower(span.calls, clump, SURE_Z) <= rate * (span.seconds + span.timing):
                return None
            likely = _lower(span.calls, clump, LIKELY_Z) / (span.seconds + TIMED * span.timing)
            if likely > found.rate or not found.calls:
                found = replace(found, rate=max(rate, likely), calls=round(span.calls / clump), seconds=span.seconds)
        self._surging = True
        return found

    def _measure(self, rate: float, weight: float) -> None:
        """How much more what comes in a span varies than single calls would, and not by its timing, from one span to the next: the median of the last
        minute's, so a crowd's begin and end, where demand itself changes, count for nothing.
        """
        newest, since = self._arrivals.looks[-1], self._measured
        if since is None or newest.at - since.at > 2 * SURGE_SPANS[0]:
            self._measured, self._span = newest, None
            return
        if newest.at - since.at < SURGE_SPANS[0]:
            return
        span = (newest.came - since.came, newest.at - since.at)
        before, self._measured, self._span = self._span, newest, span
        if before is None or newest.at < self._wait_until or before[0] + span[0] == 0:
            return
        calls, share = before[0] + span[0], span[1] / (before[1] + span[1])
        clumped = self._arrivals.usual_gap(rate / weight) * calls / (before[1] + span[1])
        beyond = max(0.0, abs(span[0] - calls * share) - clumped)
        self._indices.append(beyond**2 / (calls * share * (1 - share) * weight))
        if len(self._indices) >= _FEWEST_INDICES:
            self._dispersion = max(1.0, statistics.median(self._indices) / _MEDIAN_INDEX)


def _lower(calls: float, clump: float, z: float) -> float:
    """Of calls that come in clumps of so many."""
    return clump * poisson.lower(calls / clump, z)
