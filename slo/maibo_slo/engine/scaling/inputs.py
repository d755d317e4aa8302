"""What a decision is made from, and what it is: plain values, the same for the service and for a simulation."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

WishKind = Literal["reactive", "feed_forward", "predictive", "correction"]
HeldBy = Literal["", "least", "most", "dead_band", "scale_down", "override", "warming", "no_data"]


@dataclass(frozen=True, slots=True)
class Demand:
    """Calls a second that a workload gets."""

    rate: float
    """Now, by what is counted."""
    observed_at: float
    """The end of the newest events that are in it, unix s."""
    calls: int
    """Events that the rate is made of."""
    seconds: float
    """Over which."""
    surge: bool = False
    """It is from the last seconds alone, since they differ from those before."""
    settled: float | None = None
    """Of a surge: the rate that is known beside it, by whole buckets."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """Calls a second that one ready pod carries while the SLOs hold."""

    per_replica: float
    """The one to plan with: the lower end of what is believed."""
    estimate: float
    upper: float
    learned: bool
    samples: int = 0
    """Intervals it was learned from."""
    why: str = ""
    """Where it is from, in words: ``fixed``, ``learned from 312 minutes up to 41 calls/s``, ``the floor: nothing was learned yet``."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Demand at one future moment."""

    made_at: float
    at: float
    """Unix s."""
    quantiles: Mapping[float, float]
    """Level -> calls a second, ascending in both; {} where it abstains with nothing to tell."""
    model: str
    abstained: str = ""
    """Why it must not be acted upon; '' when it may: it beat persistence on what came lately."""
    expected_factor: float = 1.0
    """By documents' known events; in the quantiles already. A known event is acted upon even when the forecast abstains."""

    def quantile(self, level: float) -> float:
        """By linear interpolation between the levels; the outermost beyond them."""
        levels = sorted(self.quantiles)
        if level <= levels[0]:
            return self.quantiles[levels[0]]
        for low, high in pairwise(levels):
            if level <= high:
                share = (level - low) / (high - low)
                return self.quantiles[low] + share * (self.quantiles[high] - self.quantiles[low])
        return self.quantiles[levels[-1]]


@dataclass(frozen=True, slots=True)
class Lead:
    """How long a scale-up of the workload takes, and so how far ahead a forecast has to see."""

    seconds: float
    why: str
    """``said``, ``P90 of 14 scale-ups``, ``assumed``."""


@dataclass(frozen=True, slots=True)
class BurnSplit:
    """What part of an SLO's burn more replicas would mend."""

    slo: str
    burn: float
    """Burn rate, lately."""
    by_capacity: float
    """Of it, what comes of load: latency that rises with the calls a pod, on all versions."""
    by_version: float
    """Of it, what one version does: the rollout's business."""
    unexplained: float
    why: str
    load_known: bool = True
    """False: the calls a pod are not known, so neither is what comes of them, nor what is unexplained; both numbers stand for nothing."""


@dataclass(frozen=True, slots=True)
class Replicas:
    """What runs, as the recorder saw it."""

    wanted: int
    """``spec.replicas``."""
    ready: int
    observed_at: float
    rollout: bool = False
    """Pods of two templates run: a rollout is under way."""


@dataclass(frozen=True, slots=True)
class Override:
    """What a person said, until it expires."""

    id: str
    target: str
    least: int | None
    most: int | None
    until: float
    """Unix s."""
    who: str
    why: str
    said_at: float


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that is known of one target at one moment; None is not known."""

    now: float
    demand: Demand | None = None
    fed_forward: Demand | None = None
    """From the starts of its journeys, by calls per journey."""
    capacity: Capacity | None = None
    forecast: Forecast | None = None
    splits: tuple[BurnSplit, ...] = ()
    replicas: Replicas | None = None
    override: Override | None = None
    lead: Lead | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """One of the wishes that a decision is the highest of."""

    kind: WishKind
    replicas: int | None
    """None: it has no say."""
    why: str
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """How many replicas there should be, and why."""

    desired: int
    lower: int
    upper: int
    """What the uncertainty of demand and capacity allows."""
    wishes: tuple[Wish, ...]
    held_by: HeldBy
    """What made it other than the highest wish."""
    reason: str
    """One sentence for people: ``12 replicas: 410 calls/s ÷ (45 a replica at 80.5%) (reactive)``."""
