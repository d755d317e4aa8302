"""Names that Grafana keeps for ever: a dashboard's uid is its address, so the same journey always has the same one."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

FLEET_UID: Final = "maibo-journeys"
_LONGEST: Final = 40
"""Characters that Grafana allows a uid."""


def journey_uid(journey: str) -> str:
    """The journey's name where it fits, else its beginning and a hash."""
    uid = f"maibo-journey-{journey}"
    if len(uid) <= _LONGEST:
        return uid
    digest = sha256(journey.encode()).hexdigest()[:8]
    return f"{uid[: _LONGEST - 9]}-{digest}"
