"""Whether a pair of windows is reached, and whether one that was may be let go.

Reached: over the long window enough of the budget went, and over the short one it still goes. Let go: the short window says so with events
of its own. Silence says nothing, so it lets nothing go.

Three guards keep arithmetic from waking people:

* at least `MIN_BAD_EVENTS` bad events in the long window, counted against the events that a whole window would have
  (`Reading.expected_events`), and a tenth of the long window gone by since the first event: a cold start does not page by itself;
* where fewer than `FEW` bad events reach the factor, chance moves a burn rate by more than a tenth. The pair is reached only when the
  credible interval of the burn rate lies above the factor, and let go when the short window more likely than not burns below it;
* a burn equal to the factor is not above it, whatever floats make of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_alerting.evaluating.certainty import probability_above
from maibo_slo.engine.burn import MIN_BAD_EVENTS

if TYPE_CHECKING:
    from maibo_alerting.evaluating.reading import Reading
    from maibo_alerting.pairs import Pair
    from maibo_slo.engine.burn import Counts

MIN_ELAPSED: Final = 0.1
"""Of the long window, since the first event."""
FEW: Final = 100
"""Of a hundred events the standard deviation is ten."""
SURE: Final = 0.95
_ABOVE: Final = 1 + 1e-9


def reached(pair: Pair, reading: Reading, *, now: float) -> bool:
    """Both windows burn above the factor, for sure."""
    long = reading.of(pair.long_seconds)
    if long.bad < MIN_BAD_EVENTS or not going_on(pair, reading):
        return False
    if reading.elapsed_seconds(now=now) < MIN_ELAPSED * pair.long_seconds:
        return False
    events, limit = reading.expected_events(pair.long_seconds, now=now), reading.limit(pair)
    if long.bad <= limit * events * _ABOVE:
        return False
    return limit * events >= FEW or probability_above(limit, bad=long.bad, events=events) >= SURE


def going_on(pair: Pair, reading: Reading) -> bool:
    """The short window burns above the factor."""
    return _above(reading.of(pair.shape.short_seconds), reading.limit(pair))


def let_go(pair: Pair, reading: Reading, *, now: float) -> bool:
    """Whether the burn of a pair that was reached is seen to be over."""
    long, short, limit = reading.of(pair.long_seconds), reading.of(pair.shape.short_seconds), reading.limit(pair)
    if not reading.settled or short.good + short.bad == 0:
        return False
    events = reading.expected_events(pair.long_seconds, now=now)
    if long.bad < MIN_BAD_EVENTS or long.bad <= limit * events * _ABOVE:
        return True
    if limit * events >= FEW:
        return not _above(short, limit)
    return probability_above(limit, bad=short.bad, events=short.good + short.bad) < 0.5


def _above(window: Counts, limit: float) -> bool:
    return window.bad > limit * (window.good + window.bad) * _ABOVE
