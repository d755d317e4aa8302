"""What a ``maibo.dev/v1 ScalingTarget`` says, once it has been checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from maibo_slo.documents.kinds import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.store.workload import Workload

PoolForm = Literal["capacity_buffer", "balloon"]
Silence = Literal["hold", "zero"]

# Where a replica carries 85 % while the SLOs hold (four workers, 0.5 % late), this plans with 68 %, of which rounding up, the dead band and the HPA's tolerance on
# the way down leave 65 %: as much work for a replica as a stock HPA at 65 % has.
UTILISATION: Final = 0.805
DEAD_BAND: Final = 0.03
SCALE_DOWN_SECONDS: Final = 120
MAX_AGE_SECONDS: Final = 60
QUANTILE: Final = 0.6
POOL_QUANTILE: Final = 0.99
STEP: Final = 1
MOST_ADDED: Final = 20
EVERY_SECONDS: Final = 5
"""What holds where a document does not say, found by simulation on recorded demand (benchmarks/autoscaling)."""


@dataclass(frozen=True, slots=True)
class CapacitySpec:
    """What one ready pod can carry while the SLOs hold."""

    fixed: float | None = None
    """Calls a second; None: learned from history."""
    floor: float | None = None
    """Learned capacity is never taken for less, calls a second; and is this until something was learned."""
    ceiling: float | None = None
    """Nor for more."""
    utilisation: float = UTILISATION
    """Share of the capacity that is planned for, in (0, 1]: the rest is for what is not known yet."""


@dataclass(frozen=True, slots=True)
class ForecastSpec:
    """How the future is asked for."""

    enabled: bool = True
    quantile: float = QUANTILE
    """Of the demand to be ready for."""
    lead_seconds: int | None = None
    """How long a scale-up takes; None: the P90 of those that were measured."""


@dataclass(frozen=True, slots=True)
class ExpectedLoad:
    """A known event: a sale, a match, a holiday."""

    begin: float
    end: float
    """Unix s."""
    factor: float
    """Of what would be without it."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class BurstPool:
    """Room kept free for the next scale-up."""

    quantile: float = POOL_QUANTILE
    """Of the growth over the lead time that it must hold."""
    most: int | None = None
    """Pods at most."""
    form: PoolForm = "capacity_buffer"


@dataclass(frozen=True, slots=True)
class FastLaneSpec:
    """Whether maibo writes ``/scale`` itself, upwards alone."""

    step: int = STEP
    """Least difference that it acts on."""
    most: int = MOST_ADDED
    """Replicas that all writes of `every_seconds` add together, at most."""
    every_seconds: int = EVERY_SECONDS
    """The time that `most` is for."""


@dataclass(frozen=True, slots=True)
class ScalingTarget:
    """``maibo.dev/v1 ScalingTarget``: a workload, what makes its demand, and what it must hold."""

    name: str
    display_name: str
    description: str
    workload: Workload
    services: tuple[str, ...]
    """``service.name`` of its spans; the workload's name unless said otherwise."""
    journeys: tuple[str, ...]
    """Whose steps in these services are its demand, one call each; () all. Where a journey has no step there, its ends count."""
    slos: tuple[str, ...]
    """Names of SLOs that it must hold."""
    environments: tuple[str, ...]
    """Values of the dimension ``environment``; () all."""
    capacity: CapacitySpec
    least: int
    most: int
    """Bounds of the replicas; `least` may be 0."""
    dead_band: float = DEAD_BAND
    """A change of the wish by less than this share is none."""
    scale_down_seconds: int = SCALE_DOWN_SECONDS
    """A wish falls to the highest of so long."""
    max_age_seconds: int = MAX_AGE_SECONDS
    """Older inputs are no signal: every face refuses."""
    silence: Silence = "hold"
    """What it means that its services sent nothing for `max_age_seconds` while others did: not known, so hold, or that nobody calls."""
    forecast: ForecastSpec = field(default_factory=ForecastSpec)
    expected: tuple[ExpectedLoad, ...] = ()
    burst_pool: BurstPool | None = None
    fast_lane: FastLaneSpec | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    origin: Origin = field(default=Origin("", 0), compare=False)

    @property
    def place(self) -> str:
        """Where it was written, for errors."""
        return f"{self.origin.file}:{self.origin.line}: ScalingTarget {self.name}"


def pool_workload(target: ScalingTarget) -> Workload:
    """The balloon of its burst pool, as `maibo generate burst-pool` names it; a CapacityBuffer has the same name."""
    return target.workload._replace(kind="Deployment", name=f"{target.name}-burst-pool")
