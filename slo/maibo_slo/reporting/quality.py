"""How good alerts were, measured by what really burnt.

**When a burn began**: the budget burns without a pause while the burn over the last hour is above 1. Within that stretch, and the hour before it, the
begin is found as a CUSUM does (Page 1954): where the bad events beyond a reference, summed up to the alert, are most. The reference lies between a burn of 1 and
the burn r of the hour before the alert, at (r - 1) / ln r, which tells Poisson counts of the one from those of the other best. For an outage that is its
first bad minute, for a slow burn too, whatever noise within the budget there was before.

* **Time to detect**: from that minute to the alert.
* **Precision**: the share of pages that were worth waking someone: from the begin of the burn to the end of the page (5 minutes at least) the budget
  burnt above 1x, or 0.5 % of the SLO's whole budget went.
* **Recall**, told as its opposite: the share of bad events in no alert's span.

Counts are those of the ledger now. What was corrected since, or came late, may make a page look different from what it looked like at night.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from maibo_slo.engine.budget import error_budget
from maibo_slo.reporting.figures import Alerts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maibo_slo.store.past import Series

MINUTE: Final = 60
HOUR: Final = 3600
SHORT: Final = 300
LONGEST: Final = 3 * 86_400
"""No alert of ours looks back further."""
WORTH: Final = 0.005
"""Of the budget."""


@dataclass(frozen=True, slots=True)
class Fired:
    """An alert, from when it fired until it was over, or until now. Unix s."""

    severity: str
    begin: float
    end: float


class Sums:
    """Counts between any two moments, by two look-ups."""

    def __init__(self, series: Series, *, target: float, slice_seconds: int = 0) -> None:
        """`slice_seconds`: of an SLO that is judged by slices, each of which stands in its last minute."""
        self.series = series
        self._lead = max(0, slice_seconds - MINUTE)
        self.budget = error_budget(target)
        self._bad = np.concatenate(([0], np.cumsum(series.bad)))
        self._all = np.concatenate(([0], np.cumsum(series.good + series.bad)))

    def bad(self, begin: float, end: float) -> int:
        """Bad events of the intervals that begin in [begin, end)."""
        first, last = np.searchsorted(self.series.t, (begin, end))
        return int(self._bad[last] - self._bad[first])

    def burn(self, begin: float, end: float) -> float | None:
        """Over [begin, end); None without events."""
        first, last = np.searchsorted(self.series.t, (begin, end))
        events = int(self._all[last] - self._all[first])
        return float(self._bad[last] - self._bad[first]) / events / self.budget if events else None

    def began(self, fired: float, *, not_before: float) -> int | None:
        """Begin of the first minute, or slice, of the burn that an alert at `fired` is about; None when nothing was bad."""
        t = self.series.t
        newest = int(fired) // MINUTE * MINUTE + MINUTE
        ends = np.arange(newest, max(newest - LONGEST, int(not_before)), -MINUTE)
        last, first = np.searchsorted(t, ends), np.searchsorted(t, ends - HOUR)
        calm = self._bad[last] - self._bad[first] <= self.budget * (self._all[last] - self._all[first])
        # The running minute alone may be calm: what fired the alert is before it.
        paused = np.flatnonzero(calm[2:])
        since = max(not_before, (int(ends[paused[0] + 2]) if len(paused) else newest - LONGEST) - HOUR)
        left, right = np.searchsorted(t, (since, newest))
        burn = self.burn(newest - HOUR, newest) or 1.0
        reference = (burn - 1) / math.log(burn) if burn > 1 + 1e-6 else 1.0
        events = (self.series.good + self.series.bad)[left:right]
        excess = self.series.bad[left:right] - reference * self.budget * events
        beyond = np.flatnonzero(excess > 0)
        if not len(beyond):
            return None
        until_fired = np.cumsum(excess[::-1])[::-1]
        return int(t[left + beyond[np.argmax(until_fired[beyond])]]) - self._lead


def quality(
    series: Series,
    fired: Iterable[Fired],
    *,
    target: float,
    window_budget: float,
    begin: int,
    end: int,
    slice_seconds: int = 0,
) -> Alerts:
    """Of the alerts that fired in [begin, end). `series`: minutes from `LONGEST` before it on. `window_budget`: bad events that a whole window of
    the SLO allows.
    """
    sums = Sums(series, target=target, slice_seconds=slice_seconds)
    alerts = sorted(fired, key=lambda each: (each.begin, each.severity))
    spans: list[tuple[float, float]] = []
    detected: list[float] = []
    precise = pages = tickets = 0
    for each in alerts:
        over = max((other.end for other in alerts if other.end <= each.begin), default=each.begin - LONGEST)
        start = sums.began(each.begin, not_before=over)
        spans.append((each.begin if start is None else start, each.end))
        if not begin <= each.begin < end:
            continue
        tickets += each.severity != "page"
        if each.severity == "page":
            pages += 1
            precise += start is not None and _was_worth_it(sums, start, each.end, window_budget)
            detected += [] if start is None else [each.begin - start]
    return Alerts(
        pages=pages,
        tickets=tickets,
        precise_pages=precise,
        detect_seconds=tuple(detected),
        spent_outside=_outside(sums, spans, begin, end),
    )


def _was_worth_it(sums: Sums, start: int, over: float, window_budget: float) -> bool:
    until = max(over, start + SHORT)
    burn = sums.burn(start, until)
    return (burn is not None and burn > 1) or sums.bad(start, until) >= WORTH * window_budget


def _outside(sums: Sums, spans: Sequence[tuple[float, float]], begin: int, end: int) -> float | None:
    """Share of the period's bad events in none of the spans."""
    whole = sums.bad(begin, end)
    if not whole:
        return None
    inside, at = 0, float(begin)
    for first, last in sorted(spans):
        left, right = max(first, at), min(last, end)
        if left < right:
            inside += sums.bad(left, right)
            at = right
    return 1 - inside / whole
