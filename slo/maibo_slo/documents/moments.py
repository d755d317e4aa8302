"""Moments in documents: a date and a time of day as a clock on the wall of a time zone shows them.

YAML's core schema has no dates, so they are text. A moment that a zone's clock skips or shows twice is what `zoneinfo` makes of it: the
skipped one is moved forward, of two the first.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, available_timezones

from maibo_slo.documents.fields import meant

if TYPE_CHECKING:
    from maibo_slo.documents.fields import Fields

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2199
UTC: Final = "UTC"
_ZONE: Final = "name an IANA zone such as Europe/Berlin"
_CITIES: Final = {
    "beijing": "Asia/Shanghai",
    "peking": "Asia/Shanghai",
    "shenzhen": "Asia/Shanghai",
    "guangzhou": "Asia/Shanghai",
    "hangzhou": "Asia/Shanghai",
    "chengdu": "Asia/Shanghai",
    "osaka": "Asia/Tokyo",
    "delhi": "Asia/Kolkata",
    "new_delhi": "Asia/Kolkata",
    "mumbai": "Asia/Kolkata",
    "bangalore": "Asia/Kolkata",
    "hanoi": "Asia/Ho_Chi_Minh",
    "frankfurt": "Europe/Berlin",
    "hamburg": "Europe/Berlin",
    "munich": "Europe/Berlin",
    "barcelona": "Europe/Madrid",
    "milan": "Europe/Rome",
    "geneva": "Europe/Zurich",
    "boston": "America/New_York",
    "washington": "America/New_York",
    "san_francisco": "America/Los_Angeles",
    "seattle": "America/Los_Angeles",
}
"""Large cities without a zone of their own: the name that looks most like theirs is that of another place."""
_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?")
_EXAMPLE: Final = "write it as 2026-01-01 02:00:00"


def zone(fields: Fields, name: str, *, default: str | None = None) -> str:
    """An IANA zone in a field, required when there is no default; UTC when wrong, which is told."""
    text = fields.text(name, default=default, mend=_ZONE)
    if not text or text in _zones():
        return text or UTC
    fields.error(name, f"there is no time zone {text!r}", zone_meant(text) or _ZONE)
    return UTC


def zone_meant(text: str) -> str:
    """``did you mean 'Asia/Shanghai'?``, or nothing when no zone is near.

    >>> zone_meant("Asia/Beijing"), zone_meant("Europe/Berln")
    ("did you mean 'Asia/Shanghai'?", "did you mean 'Europe/Berlin'?")
    """
    city = _CITIES.get(text.rpartition("/")[2].lower().replace(" ", "_"))
    return f"did you mean {city!r}?" if city else meant(text, _zones())


def moment(fields: Fields, name: str, zone: str) -> datetime | None:
    """A date and time in a field, without a zone; None when absent or wrong, which is told.

    One that is written with an offset (``2026-01-01T02:00:00Z``) is read as what the zone's clock showed then.
    """
    text = fields.text(name, mend=_EXAMPLE)
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text) if _MOMENT.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None:
        fields.error(name, f"{text!r} is not a date and time", _EXAMPLE)
        return None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        fields.error(name, f"must be between {FIRST_YEAR} and {LAST_YEAR}", _EXAMPLE)
        return None
    return found if found.tzinfo is None else found.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def elapsed_seconds(begin: datetime, end: datetime, zone: str) -> int:
    """What passes between two moments of a zone, whatever its clock does meanwhile.

    >>> elapsed_seconds(datetime(2026, 3, 29, 1), datetime(2026, 3, 29, 4), "Europe/Berlin")
    7200
    """
    there = ZoneInfo(zone)
    return int(end.replace(tzinfo=there).timestamp() - begin.replace(tzinfo=there).timestamp())


@cache
def _zones() -> dict[str, None]:
    """Names of IANA zones."""
    return dict.fromkeys(available_timezones())
