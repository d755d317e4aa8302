"""When something comes again: a rule such as ``FREQ=WEEKLY;BYDAY=SU``, as calendars write it (RFC 5545, RRULE).

dateutil finds the moments. What it takes and never finishes (an interval of 0), what never comes or all the time, is refused here, so that whoever
asks for the moments of a rule that was read needs no guard but an end.
"""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final

from dateutil.rrule import rrule, rrulestr

from maibo_slo.errors import MaiboError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_FREQUENCIES: Final = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY")
_DAYS: Final = ("BYMONTH", "BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYDAY")
_PARTS: Final = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYSETPOS", *_DAYS, "BYHOUR", "BYMINUTE", "BYSECOND")
_POSITIVE: Final = re.compile(r"[1-9][0-9]{0,4}")
_BYDAY: Final = re.compile(r"(?:([+-]?)([1-9][0-9]?))?(MO|TU|WE|TH|FR|SA|SU)")
_UNTIL: Final = re.compile(r"[0-9]{8}(T[0-9]{6})?")
_MAX_TEXT: Final = 500
MAX_DAYS: Final = 400
MOST: Final = 10_000
"""Moments in that time: 25 a day. Windows of more are none that anybody can look at, and whoever asks for them asks all the time."""
EXAMPLE: Final = "such as FREQ=WEEKLY;BYDAY=SU"


class RecurrenceError(MaiboError):
    """A rule that is none, or never comes."""

    def __init__(self, message: str, mend: str = EXAMPLE) -> None:
        super().__init__(f"{message} ({mend})")
        self.message, self.mend = message, mend


def recurrence(rule: str, start: datetime) -> rrule:
    """The moments of a rule from `start` on, without a zone as that is. Raises RecurrenceError, which knows the mend.

    >>> from datetime import datetime
    >>> str(recurrence("FREQ=WEEKLY;BYDAY=SU", datetime(2026, 1, 1, 2))[0])
    '2026-01-04 02:00:00'
    """
    parts = _parts(rule)
    _check(parts)
    try:
        if not any(rrulestr(_days_alone(parts), dtstart=start)):
            raise RecurrenceError("there is no such day in any year", "mend BYMONTH, BYMONTHDAY and their like")
        found = rrulestr(rule, dtstart=start)
        comes = _comes_ever(parts, start) and any(found)
    except (ValueError, TypeError) as error:  # TypeError: dateutil's for some values that are out of range
        raise RecurrenceError(f"is no rule: {error}") from error
    if not isinstance(found, rrule):
        raise RecurrenceError("is more than one rule")
    if not comes:
        raise RecurrenceError(f"never comes after {start}", "mend its days, its INTERVAL, start or UNTIL")
    end = next(iter(found)) + timedelta(days=MAX_DAYS)
    if sum(1 for _ in islice(takewhile(lambda at: at < end, found), MOST + 1)) > MOST:
        raise RecurrenceError(
            f"comes more than {MOST:,} times in {MAX_DAYS} days", "make it a rarer one, of longer windows"
        )
    return found


def _parts(rule: str) -> dict[str, str]:
    """``FREQ=WEEKLY;BYDAY=SU`` by name, in capitals as the standard allows small letters too."""
    if len(rule) > _MAX_TEXT:
        raise RecurrenceError(f"has {len(rule)} characters, at most {_MAX_TEXT} are allowed")
    parts: dict[str, str] = {}
    for part in rule.upper().split(";"):
        name, sign, value = part.partition("=")
        if name.startswith(("DTSTART", "RRULE:")):
            raise RecurrenceError("is more than a rule", f"leave out DTSTART, which is start, and RRULE: {EXAMPLE}")
        if not sign or not value or name not in _PARTS:
            raise RecurrenceError(f"{part!r} is not a part of a rule", f"parts are {', '.join(_PARTS)}; {EXAMPLE}")
        if name in parts:
            raise RecurrenceError(f"{name} is there twice", "keep one of them")
        parts[name] = value
    return parts


def _check(parts: Mapping[str, str]) -> None:
    if parts.get("FREQ") not in _FREQUENCIES:
        mend = f"write one of {', '.join(_FREQUENCIES)}; for hours add BYHOUR=1,2,3 to DAILY"
        raise RecurrenceError("FREQ is missing" if "FREQ" not in parts else f"FREQ={parts['FREQ']} is too often", mend)
    for name in ("INTERVAL", "COUNT"):
        if name in parts and not _POSITIVE.fullmatch(parts[name]):
            raise RecurrenceError(f"{name}={parts[name]} is not a whole number above 0", f"such as {name}=2")
    _check_days(parts)
    if "UNTIL" in parts and not _UNTIL.fullmatch(parts["UNTIL"]):
        mend = "write UNTIL=20261231T235959, in the correction's own time zone, hence without Z"
        raise RecurrenceError(f"UNTIL={parts['UNTIL']} is not a date and time", mend)
    if "BYSETPOS" in parts and parts["FREQ"] not in ("YEARLY", "MONTHLY"):
        raise RecurrenceError(f"BYSETPOS has no meaning with FREQ={parts['FREQ']}", "remove it")
    if "UNTIL" in parts and "COUNT" in parts:
        raise RecurrenceError("has UNTIL and COUNT", "keep one of them")


def _check_days(parts: Mapping[str, str]) -> None:
    """``2SU`` is the second Sunday of something: dateutil takes a number where there is none, and drops it, or finds no such day and fails."""
    in_month = parts["FREQ"] == "MONTHLY" or "BYMONTH" in parts
    for day in parts["BYDAY"].split(",") if "BYDAY" in parts else ():
        found = _BYDAY.fullmatch(day)
        if found is None:
            raise RecurrenceError(
                f"BYDAY={day} is no day", "such as BYDAY=SU, or BYDAY=1SU for the first Sunday of a month"
            )
        if found[2] is None:
            continue
        if parts["FREQ"] not in ("YEARLY", "MONTHLY") or "BYWEEKNO" in parts:
            of = "BYWEEKNO" if "BYWEEKNO" in parts else f"FREQ={parts['FREQ']}"
            raise RecurrenceError(f"BYDAY={day} has no meaning with {of}", f"write FREQ=MONTHLY, or BYDAY={found[3]}")
        if int(found[2]) > (5 if in_month else 53):
            raise RecurrenceError(f"there is no {day} in any {'month' if in_month else 'year'}", "such as BYDAY=1SU")


def _comes_ever(parts: Mapping[str, str], start: datetime) -> bool:
    """Whether there is any moment, whatever UNTIL says. Weekdays and leap years repeat after 400 years, and dateutil looks for a moment until
    the year 9999: it is asked about the last of these years, which takes a quarter of a second and not seven.
    """
    text = ";".join(f"{name}={value}" for name, value in parts.items() if name != "UNTIL")
    return any(rrulestr(text, dtstart=start.replace(year=start.year + 19 * 400)))


def _days_alone(parts: Mapping[str, str]) -> str:
    """The days of a rule in any year: what has none of these is looked for in 8,000 years otherwise, day by day, for seconds."""
    return ";".join(["FREQ=YEARLY", *(f"{name}={parts[name]}" for name in _DAYS if name in parts)])
