"""How old the newest data is, and when that is worth a word: after as long as the engine calls an objective stale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo_slo.engine.state import STALE_AFTER_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from maibo_slo.service.answers import JourneyAnswer


@dataclass(frozen=True, slots=True)
class Freshness:
    """The newest event of some journeys."""

    newest: datetime | None
    age_seconds: float | None

    @property
    def stale(self) -> bool:
        """There was data, but none of late."""
        return self.age_seconds is not None and self.age_seconds > STALE_AFTER_SECONDS


def freshness(journeys: Iterable[JourneyAnswer], *, at: float) -> Freshness:
    """The newest event of all, and how old it was at `at` (unix s)."""
    newest = max((each.last_event_at for each in journeys if each.last_event_at is not None), default=None)
    return Freshness(newest, None if newest is None else max(0.0, at - newest.timestamp()))
