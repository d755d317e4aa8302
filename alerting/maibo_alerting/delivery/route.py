"""A destination and what the configuration says about the way there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from maibo_alerting.alerts import Severity
    from maibo_alerting.delivery.destination import Destination

SEVERITIES: Final[tuple[Severity, ...]] = ("page", "ticket")


@dataclass(frozen=True, slots=True)
class Route:
    """Which alerts go to a destination, and how fast."""

    destination: Destination
    severities: frozenset[Severity] = frozenset(SEVERITIES)
    per_minute: int = 60
    """Requests in any 60 s, at most."""
    batch: int = 1
    """Alerts in one request, at most."""
    resend_seconds: float | None = None
    """Tell what still fires again after this long: the destination forgets what it is not told again, as Alertmanager does."""

    @property
    def name(self) -> str:
        return self.destination.name
