"""What comes between looks at counts that only grow: how much in the last seconds, and in what clumps.

Exporters send once a second or five (maibo's SDK sooner when a crowd comes), a drain takes up what came some three times a second, and a look follows
it: of what happened evenly, more is seen in one span of two seconds than in the next. So a span is measured from one arrival to another, and what is in it may have happened in so much
longer a time as arrivals lie apart. That is measured too.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

KEPT_SECONDS: Final = 60.0
TIMING_SECONDS: Final = 0.3
"""What came between two looks may have happened in so much longer a time at the least."""
CLUMP_SECONDS: Final = 1.0
"""An exporter's rest, where too little comes to measure it."""
EXPECTED_IN_A_PAUSE: Final = 7.0
"""That none of these comes by chance happens once in a thousand times."""
_MOST_LOOKS: Final = 600
"""Of `KEPT_SECONDS`, ten a second."""


@dataclass(frozen=True, slots=True)
class Look:
    at: float
    """Unix s."""
    came: int
    """In the running and the previous bucket since the first look: rising only."""


class _Arrival(NamedTuple):
    at: float
    came: int
    gap: float
    """Since the one before."""


class Span(NamedTuple):
    """What came in the last seconds."""

    calls: int
    seconds: float
    timing: float
    """It may have happened in so many seconds more."""


class Arrivals:
    """Of one thing that is counted in buckets. Not for several threads."""

    def __init__(self, bucket_seconds: int, clump_seconds: float = CLUMP_SECONDS) -> None:
        self._bucket = bucket_seconds
        self._clump = clump_seconds
        self._seen: Mapping[int, int] = {}
        self.looks: deque[Look] = deque(maxlen=_MOST_LOOKS)
        self._arrivals: deque[_Arrival] = deque(maxlen=_MOST_LOOKS)

    def take(self, now: float, counts: Mapping[int, int], *, ahead: float = 0.0) -> int:
        """How many came since the last look. Late counts land in older buckets, and are none; nor are those that are further `ahead`, in seconds."""
        oldest = (now // self._bucket - 1) * self._bucket
        last = self.looks[-1] if self.looks else None
        came = 0
        if last is not None:
            came = sum(max(0, n - self._seen.get(t, 0)) for t, n in counts.items() if oldest <= t <= now + ahead)
        total = came + (0 if last is None else last.came)
        self._seen = dict(counts)
        self.looks.append(Look(now, total))
        if came or last is None:
            self._arrivals.append(_Arrival(now, total, now - self._arrivals[-1].at if self._arrivals else 0.0))
        while self._arrivals and not 0 <= now - self._arrivals[0].at <= KEPT_SECONDS:  # a clock may be set back
            self._arrivals.popleft()
        return came

    @property
    def came_at(self) -> float | None:
        """When anything came last; None: not lately."""
        return self._arrivals[-1].at if self._arrivals else None

    def since(self, at: float) -> Look | None:
        """The newest look that is not after this."""
        return next((look for look in reversed(self.looks) if look.at <= at), None)

    def usual_gap(self, rate: float) -> float:
        """Between arrivals, where so many calls a second would have come sooner: the longest but one of the last minute, as anybody pauses once."""
        gaps = sorted(each.gap for each in self._arrivals if each.gap * rate >= EXPECTED_IN_A_PAUSE)
        return max(TIMING_SECONDS, gaps[-2]) if len(gaps) > 1 else TIMING_SECONDS

    def span(self, seconds: float, rate: float) -> Span | None:
        """The last `seconds` or somewhat more; `rate`: calls a second that came before. None: nobody has looked for that long."""
        newest, since = self.looks[-1], self.since(self.looks[-1].at - seconds)
        if since is None or newest.at - since.at > 2 * seconds:
            return None
        timing = self.usual_gap(rate)
        for each in reversed(self._arrivals):
            if each.at <= since.at:
                break
            by_chance = each.gap * rate < EXPECTED_IN_A_PAUSE
            timing = max(timing, min(each.gap, self._clump) if by_chance else each.gap)
        return Span(newest.came - since.came, newest.at - since.at, timing)
