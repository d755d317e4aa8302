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


def freshness(journeys: Iterable[JourneyAnswer]) -> Freshness:
    """The newest event of all."""
    seen = [
        (each.last_event_at, each.age_seconds)
        for each in journeys
        if each.last_event_at is not None and each.age_seconds is not None
    ]
    return Freshness(max((at for at, _ in seen), default=None), min((age for _, age in seen), default=None))
