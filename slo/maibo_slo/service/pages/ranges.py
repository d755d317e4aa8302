"""The stretch of time that a page is about, as its address says it, and the addresses of others beside it.

``window=1h`` ends now and goes on; ``window=1h&at=TIME`` ended then, a moment that can be sent to somebody; ``from=TIME&to=TIME`` is any
other. A time is RFC 3339, without a zone UTC (what a browser's own picker sends), or unix seconds. What cannot be shown is told, and the
page's usual window shown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from maibo_slo.service.flows import utc
from maibo_slo.service.pages.language import gettext
from maibo_slo.service.parameters import LONGEST_WINDOW_SECONDS, SHORTEST_WINDOW_SECONDS, window_length

if TYPE_CHECKING:
    from collections.abc import Mapping

WINDOWS: Final[Mapping[str, int]] = {
    "5m": 300,
    "30m": 1_800,
    "1h": 3_600,
    "6h": 21_600,
    "1d": 86_400,
    "7d": 604_800,
    "30d": 2_592_000,
}
"""What every page offers at a click. Cells of 10 s are kept for 3 days, minutes for 35, hours for 400."""
DEFAULT_WINDOW: Final = "5m"
KEYS: Final = ("window", "at", "from", "to")
MOST_SHOWN: Final = 40
"""Characters of what nobody understands."""


@dataclass(frozen=True, slots=True)
class Range:
    """[begin, end) in unix seconds."""

    begin: float
    end: float
    window: str
    """Its length as it was asked for; '' where it has a begin of its own."""
    live: bool
    """Whether it ends now, and goes on."""
    usual: bool = False
    """Whether it is what the page shows where nobody asks."""
    problem: str = ""
    """What was wrong with what was asked for, in words."""

    @property
    def seconds(self) -> int:
        return round(self.end - self.begin)

    @property
    def whole(self) -> tuple[int, int]:
        """[begin, end) in whole seconds, as questions take it; a live one has the running second in it."""
        if self.live:
            end = int(self.end) + 1
            return end - self.seconds, end
        return math.floor(self.begin), max(math.floor(self.begin) + 1, math.ceil(self.end))

    @property
    def query(self) -> dict[str, str]:
        """How an address says it."""
        if self.live:
            return {"window": self.window}
        if self.window:
            return {"window": self.window, "at": written(self.end)}
        return {"from": written(self.begin), "to": written(self.end)}

    @property
    def moment(self) -> dict[str, str]:
        """How an address says it for good."""
        return {"window": self.window, "at": written(self.end)} if self.window else self.query

    @property
    def api(self) -> dict[str, str]:
        """How the API is asked for it."""
        if self.live:
            return {"window": self.window}
        return {"begin": written(self.begin), "end": written(self.end)}

    @property
    def ended_by(self) -> dict[str, str]:
        """As long as it is, until now, and live: how an address says it."""
        return {"window": self.window or f"{max(SHORTEST_WINDOW_SECONDS, self.seconds)}s"}

    def earlier(self) -> dict[str, str]:
        """The stretch before it."""
        return self._moved(self.begin)

    def later(self, now: float) -> dict[str, str] | None:
        """The stretch after it; what would end in the future ends now instead; None when it does already."""
        if self.live or self.end >= now:
            return None
        return self.ended_by if self.end + self.seconds >= now else self._moved(self.end + self.seconds)

    def _moved(self, end: float) -> dict[str, str]:
        if self.window:
            return {"window": self.window, "at": written(end)}
        return {"from": written(end - self.seconds), "to": written(end)}


def asked(parameters: Mapping[str, str], *, now: float, usual: str = DEFAULT_WINDOW) -> Range:
    """The range of an address."""
    said = {key: parameters[key].strip() for key in KEYS if parameters.get(key, "").strip()}
    found = _of(said, now=now, usual=usual)
    return found if isinstance(found, Range) else _live(usual, now=now, usual=usual, problem=found)


def written(at: float) -> str:
    """A moment as an address carries it: to the second, that of its running minute's reader included.

    >>> written(1_790_000_000.7)
    '2026-09-21T14:13:20Z'
    """
    return f"{utc(int(at)):%Y-%m-%dT%H:%M:%SZ}"


def _live(window: str, *, now: float, usual: str, problem: str = "") -> Range:
    return Range(now - (window_length(window) or 0), now, window, live=True, usual=window == usual, problem=problem)


def _of(said: Mapping[str, str], *, now: float, usual: str) -> Range | str:
    """The range, or what is wrong."""
    times: dict[str, float] = {}
    for key in ("at", "from", "to"):
        if key in said:
            moment = _moment(said[key])
            if moment is None:
                return gettext("“%(text)s” is no time such as 2026-01-31T12:00:00Z.", text=said[key][:MOST_SHOWN])
            times[key] = moment
    if "from" in times:
        return _between(times["from"], times.get("to", now), now=now)
    window = said.get("window", usual)
    seconds = window_length(window)
    if seconds is None or not SHORTEST_WINDOW_SECONDS <= seconds <= LONGEST_WINDOW_SECONDS:
        return gettext("“%(text)s” is no window such as 5m, 6h or 7d, of 10 s to 400 d.", text=window[:MOST_SHOWN])
    ends = times.get("at", times.get("to"))
    if ends is None:
        return _live(window, now=now, usual=usual)
    if ends > now:
        return gettext("It would end in the future: nothing is known of that yet.")
    return _kept(Range(ends - seconds, ends, window, live=False), now=now)


def _between(begin: float, end: float, *, now: float) -> Range | str:
    if begin >= now:
        return gettext("It would begin in the future: nothing is known of that yet.")
    if end <= begin:
        return gettext("It would end before it begins: “from” has to be before “to”.")
    end = min(end, now)
    if end - begin > LONGEST_WINDOW_SECONDS:
        return gettext("It is longer than 400 days: counts are kept no longer.")
    return _kept(Range(begin, end, "", live=False), now=now)


def _kept(found: Range, *, now: float) -> Range | str:
    if found.end <= now - LONGEST_WINDOW_SECONDS:
        return gettext("It is more than 400 days ago: counts are kept no longer.")
    return found


def _moment(text: str) -> float | None:
    """
    Unix seconds of a time in an address.

    >>> _moment("2026-01-31T12:00"), _moment("2026-01-31T13:00:00 01:00"), _moment("1769860800"), _moment("noon")
    (1769860800.0, 1769860800.0, 1769860800.0, None)
    """
    if text.isascii() and text.isdecimal() and len(text) <= 10:
        return float(text)
    at = _parsed(text) or _parsed(text.replace(" ", "+"))  # an unescaped + of a zone arrives as a space
    if at is None:
        return None
    seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return seconds if 0 <= seconds < 2**32 else None


def _parsed(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
