"""Whether a pair of windows is reached, and whether one that was may be let go: the one rule of the page and the pager.

Reached: over the long window enough of the budget went, and over the short one it still goes. Let go: the short window says so with events
of its own. Silence says nothing, so it lets nothing go.

Three guards keep arithmetic from waking people:

* at least `MIN_BAD_EVENTS` bad events in the long window, counted against the events that a whole window would have
  (`Evidence.expected_events`), and a tenth of the long window gone by since the first event: a cold start does not page by itself;
* where fewer than `FEW` bad events reach the factor, chance moves a burn rate by more than a tenth. The pair is reached only when the
  credible interval of the burn rate lies above the factor, and let go when the short window more likely than not burns below it. Slices
  that follow one another are no sample but all that there was: by these the short window lets go as soon as it burns below;
* a burn equal to the factor is not above it, whatever floats make of it.

What is counted are events, or slices where an SLO's budget is one of slices. A slice hides how many events it is made of: where the slices of the long
window have a hundred bad events or more, the first guard's three and the second one's chance have no say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol

from maibo_slo.engine.budget import error_budget
from maibo_slo.engine.burn import BURN_WINDOWS, MIN_BAD_EVENTS, Counts
from maibo_slo.engine.certainty import FEW, probability_above

if TYPE_CHECKING:
    from collections.abc import Mapping

MINUTE: Final = 60
MIN_ELAPSED: Final = 0.1
"""Of the long window, since the first event."""
RECENT_SECONDS: Final = max(BURN_WINDOWS.values())
SURE: Final = 0.95
ABOVE: Final = 1 + 1e-9
Guard = Literal["too_few", "too_soon", "not_whole", "chance"]
"""What holds a burn back that is above the factor: too few bad events; too soon after the first event; not enough of them for the whole long
window, its minutes without data filled in; no more than chance explains."""
_NOTHING: Final = Counts(0, 0, 0)


class Windows(Protocol):
    """A pair of windows and its factor: `maibo_slo.engine.burn.Pair`, or an alerting rule's."""

    @property
    def long_seconds(self) -> int: ...
    @property
    def short_seconds(self) -> int: ...
    @property
    def factor(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one objective (of one group) at a moment: counts by window, never rates. Times are unix s."""

    target: float
    counts: Mapping[int, Counts]
    """By window length in seconds: both windows of every pair."""
    own: Counts
    """In the SLO's own window."""
    window_seconds: int
    """How long that is."""
    first_t: int | None
    """Begin of the oldest minute with data that was ever counted."""
    begin: int | None = None
    """Of the present period, where the SLO's window is one of a calendar."""
    grain_seconds: int = MINUTE
    """What is counted at once: a minute, or a slice."""
    in_slices: bool = False
    """Whether the budget is one of slices."""
    events: Mapping[int, Counts] = field(default_factory=dict)
    """What slices are made of, as `counts`; empty where that is not known, or events are counted."""
    settled: bool = True
    """False while older minutes are still being counted: windows may lack events then."""

    def of(self, seconds: int) -> Counts:
        return self.counts.get(seconds, _NOTHING)

    def is_many(self, seconds: int) -> bool:
        """Whether slices burn by so many bad events that it is not by chance, however few slices there are. Those in good slices count, too."""
        return self.in_slices and seconds in self.events and self.events[seconds].bad >= FEW

    def is_enough(self, seconds: int) -> bool:
        """Whether there is more to it than one or two mishaps."""
        return self.is_many(seconds) or self.of(seconds).bad >= MIN_BAD_EVENTS

    def is_covered(self, seconds: int) -> bool:
        """Whether slices with data make up half of the window, or more."""
        return self.in_slices and 2 * self.of(seconds).observed_minutes * self.grain_seconds >= seconds

    def limit(self, pair: Windows) -> float:
        """The share of bad events at the pair's factor."""
        return pair.factor * error_budget(self.target)

    def elapsed_seconds(self, *, now: float) -> float:
        """Since the first minute with data."""
        return 0.0 if self.first_t is None else max(0.0, now - self.first_t)

    def passed_seconds(self, *, now: float) -> float:
        """Of the SLO's window, since its first minute with data; a minute at least."""
        passed = self.elapsed_seconds(now=now)
        if self.begin is not None:
            passed = min(passed, now - self.begin)
        return min(self.window_seconds, max(MINUTE, passed))

    def usual_events(self, seconds: int, *, now: float) -> float:
        """Events that so long a time has, going by the SLO's window as far as it has passed, or by the longest burn window where that is more.

        A window of an hour, or a month that began this morning, says nothing of what is usual.
        """
        passed, usual = self.passed_seconds(now=now), self.own
        recent = min(RECENT_SECONDS, max(MINUTE, self.elapsed_seconds(now=now)))
        if passed < recent and RECENT_SECONDS in self.counts:
            passed, usual = recent, self.counts[RECENT_SECONDS]
        return (usual.good + usual.bad) * seconds / passed

    def expected_events(self, seconds: int, *, now: float) -> float:
        """Events of a whole window: those that came, and for its minutes without any as many as there would be.

        A service that is five minutes old has spent nothing like what the share of bad events in "the last hour" says: that hour has twelve
        times the events. Minutes without data count like those with data, but never for more than the SLO's window has on average, so that
        a service with ten requests an hour, or none at night, is taken as it is.
        """
        window = self.of(seconds)
        events = window.good + window.bad
        if not window.observed_minutes:
            return float(events)
        filled = events * max(1.0, seconds / self.grain_seconds / window.observed_minutes)
        return max(float(events), min(filled, self.usual_events(seconds, now=now)))


def reached(pair: Windows, seen: Evidence, *, now: float) -> bool:
    """Both windows burn above the factor, for sure."""
    return going_on(pair, seen) and guard(pair, seen, now=now) is None


def guard(pair: Windows, seen: Evidence, *, now: float) -> Guard | None:
    """The first guard by which the long window is not above the factor for sure; None: it is."""
    long = seen.of(pair.long_seconds)
    if not seen.is_enough(pair.long_seconds):
        return "too_few"
    if seen.elapsed_seconds(now=now) < MIN_ELAPSED * pair.long_seconds:
        return "too_soon"
    events, limit = seen.expected_events(pair.long_seconds, now=now), seen.limit(pair)
    if long.bad <= limit * events * ABOVE:
        return "not_whole"
    if limit * events >= FEW or seen.is_many(pair.long_seconds):
        return None
    return None if probability_above(limit, bad=long.bad, events=events) >= SURE else "chance"


def going_on(pair: Windows, seen: Evidence) -> bool:
    """The short window burns above the factor."""
    return _above(seen.of(pair.short_seconds), seen.limit(pair))


def let_go(pair: Windows, seen: Evidence, *, now: float) -> bool:
    """Whether the burn of a pair that was reached is seen to be over."""
    long, short, limit = seen.of(pair.long_seconds), seen.of(pair.short_seconds), seen.limit(pair)
    if not seen.settled or short.good + short.bad == 0:
        return False
    events = seen.expected_events(pair.long_seconds, now=now)
    if not seen.is_enough(pair.long_seconds) or long.bad <= limit * events * ABOVE:
        return True
    if limit * events >= FEW or seen.is_covered(pair.short_seconds):
        return not _above(short, limit)
    return probability_above(limit, bad=short.bad, events=short.good + short.bad) < 0.5


def _above(window: Counts, limit: float) -> bool:
    return window.bad > limit * (window.good + window.bad) * ABOVE
