"""Query parameters of the API: a window in time, and filters by dimension."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import Depends, Query
from fastapi.exceptions import RequestValidationError

from maibo_slo.service.flows import utc

SHORTEST_WINDOW_SECONDS: Final = 10
LONGEST_WINDOW_SECONDS: Final = 400 * 86_400
"""As long as hours are kept."""
LATEST: Final = 2**32 - 86_400
"""Just before the year 2106, where the store's clock ends."""
_WINDOW: Final = re.compile(r"([0-9]{1,9})([smhdw])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Asked:
    """The window of a question: what was asked for, not yet at a time."""

    begin: int | None
    end: int | None
    window_seconds: int
    """Until `end`, where there is no `begin`."""

    def at(self, now: float) -> tuple[int, int]:
        """``(begin, end)`` in unix seconds; RequestValidationError when that is no window."""
        present = int(now) + 1
        end = present if self.end is None else self.end
        begin = end - self.window_seconds if self.begin is None else self.begin
        if not 0 < end - begin <= LONGEST_WINDOW_SECONDS:
            raise invalid("begin", "begin must be before end (now, where not given), by 400 days at most")
        if begin > present:
            raise invalid(
                "end", f"the window from {utc(begin).isoformat()} on is in the future, nothing of it is over yet"
            )
        oldest = present - LONGEST_WINDOW_SECONDS
        if begin < oldest:
            raise invalid("begin", f"counts are kept for 400 days: ask for {utc(oldest).isoformat()} or later")
        return begin, end


WindowText = Annotated[
    str | None,
    Query(
        description="Length of the window that ends at `end`, or begins at `begin`, 10s to 400d. Where nothing is said: 5m, of "
        "the scorecard 1d, of reports, counts and burnt budgets 30d.",
        examples=["5m", "6h", "7d"],
    ),
]
BeginText = Annotated[
    str | None,
    Query(
        description="RFC 3339 with zone, or unix seconds; with `window` or `end`, else until now.",
        examples=["2026-01-31T12:00:00Z"],
    ),
]
EndText = Annotated[
    str | None, Query(description="Now, where not given.", examples=["2026-01-31T13:00:00Z", "1769864400"])
]
Values = Annotated[list[str] | None, Query(description="Only these values; may be given several times.")]


def asked_window(window: WindowText = None, begin: BeginText = None, end: EndText = None) -> Asked:
    """Five minutes where nothing is said."""
    return _asked(window, begin, end, usual="5m")


def asked_day(window: WindowText = None, begin: BeginText = None, end: EndText = None) -> Asked:
    """A day where nothing is said."""
    return _asked(window, begin, end, usual="1d")


def asked_month(window: WindowText = None, begin: BeginText = None, end: EndText = None) -> Asked:
    """Thirty days where nothing is said."""
    return _asked(window, begin, end, usual="30d")


def asked_filters(
    tier: Values = None,
    region: Values = None,
    version: Values = None,
    environment: Values = None,
    service: Values = None,
) -> dict[str, list[str]]:
    """By dimension, the allowed values; what is not given is not restricted."""
    given = {"tier": tier, "region": region, "version": version, "environment": environment, "service": service}
    return {dimension: values for dimension, values in given.items() if values}


def asked_outcomes(
    outcome: Annotated[
        list[Literal["success", "failure", "abandoned"]] | None,
        Query(description="Only these outcomes; may be given several times."),
    ] = None,
) -> dict[str, list[str]]:
    """The allowed outcomes, where any are given."""
    return {"outcome": list(outcome)} if outcome else {}


WindowOf = Annotated[Asked, Depends(asked_window)]
DayOf = Annotated[Asked, Depends(asked_day)]
MonthOf = Annotated[Asked, Depends(asked_month)]
FiltersOf = Annotated[dict[str, list[str]], Depends(asked_filters)]
OutcomeOf = Annotated[dict[str, list[str]], Depends(asked_outcomes)]


def invalid(name: str, message: str) -> RequestValidationError:
    """What a wrong query parameter becomes: a 422 problem that names it."""
    return RequestValidationError([{"loc": ("query", name), "msg": message, "type": "value_error"}])


def _asked(window: str | None, begin: str | None, end: str | None, *, usual: str) -> Asked:
    seconds = _window_seconds(usual if window is None else window)
    first, last = unix_seconds("begin", begin), unix_seconds("end", end)
    if window is not None and first is not None:
        if last is not None:
            raise invalid("window", "a window is said by two of begin, end and window: leave one out")
        last = first + seconds
    return Asked(begin=first, end=last, window_seconds=seconds)


def window_length(text: str) -> int | None:
    """Seconds; None when it is no duration such as 30s, 5m, 6h or 7d."""
    found = _WINDOW.fullmatch(text)
    return None if found is None else int(found[1]) * _UNITS[found[2]]


def _window_seconds(text: str) -> int:
    seconds = window_length(text)
    if seconds is None:
        raise invalid("window", f"{text!r} is no duration such as 30s, 5m, 6h or 7d")
    if not SHORTEST_WINDOW_SECONDS <= seconds <= LONGEST_WINDOW_SECONDS:
        raise invalid("window", "a window is between 10s and 400d long")
    return seconds


def unix_seconds(name: str, text: str | None) -> int | None:
    if not text:
        return None
    seconds = float(text) if text.isdecimal() and len(text) <= 10 else _timestamp(text)
    if seconds is None or not 0 <= seconds < LATEST:
        raise invalid(name, f"{text!r} is no time such as 2026-01-31T12:00:00Z or 1769860800")
    return int(seconds)


def _timestamp(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))  # an unescaped + of a zone arrives as a space
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.timestamp()
