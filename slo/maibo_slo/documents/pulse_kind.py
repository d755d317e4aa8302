"""What a ``maibo.dev/v1 Pulse`` says, once it has been checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from maibo_slo.documents.kinds import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Aim:
    """Where a number came from, and where it is to go."""

    baseline: float
    target: float
    """Never worse than the baseline; which direction is better is the number's own."""


SCALE_UP_SECONDS: Final = Aim(90.0, 5.0)
SCALE_UP_QUANTILE: Final = 0.9
DEPLOYMENTS_PER_DAY: Final = Aim(1.0, 50.0)
P99_US: Final = Aim(1_500_000.0, 200_000.0)
UTILISATION: Final = Aim(0.35, 0.65)
"""What holds where no document says otherwise."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """``maibo.dev/v1 Pulse``: which numbers tell how the business fares, against what they were and what they shall be. One in a catalogue."""

    name: str = ""
    display_name: str = ""
    description: str = ""
    journeys: tuple[str, ...] = ()
    """Whose P99, deployments, losses and budgets count; () all."""
    orders: tuple[str, ...] = ()
    """Journeys of which each that fails or is left is a lost order; () the `journeys`."""
    environments: tuple[str, ...] = ()
    """Values of the dimension ``environment`` that count; () all."""
    scale_up_seconds: Aim = SCALE_UP_SECONDS
    scale_up_quantile: float = SCALE_UP_QUANTILE
    """Of the scale-ups' latencies, in (0, 1)."""
    deployments_per_day: Aim = DEPLOYMENTS_PER_DAY
    p99_us: Aim = P99_US
    utilisation: Aim = UTILISATION
    """Shares."""
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    origin: Origin = field(default=Origin("", 0), compare=False)
