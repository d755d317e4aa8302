"""What is known of one demo, as collected: what customers, the services' own layers and the SDKs wrote down, and what maibo says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from maibo_slo.demo.load import Seen


@dataclass(frozen=True, slots=True)
class Tag:
    """The step that a route is, by the documents."""

    journey: str
    step: str
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the service that answered it wrote it down, outside the SDK (`maibo_slo.demo.shop.notes`)."""

    process: str
    service: str
    version: str
    region: str
    visit: str
    tier: str
    route: str
    """``METHOD /path/{order}``."""
    status: int
    came_ns: int
    """Unix ns, as the others: outside the SDK's middleware, as the request came in."""
    entered_ns: int
    """Inside it, directly after."""
    answered_ns: int
    """Outside, before any of the answer was sent."""
    sent_ns: int
    """Outside, when all of it was sent."""
    left_ns: int
    """Inside, directly after; before that when the application failed."""


@dataclass(frozen=True, slots=True)
class Written:
    """One journey that ended, as the SDK told the service."""

    visit: str
    journey: str
    tier: str
    outcome: str
    duration_ns: int


@dataclass(frozen=True, slots=True)
class SdkCounts:
    """What one process's SDK says of itself (`maibo.Stats`)."""

    exported: int = 0
    problems: Mapping[str, int] = field(default_factory=dict)
    """Everything else that it counts, by name: spans that were not delivered, steps outside of journeys, errors …"""

    @classmethod
    def of(cls, noted: Mapping[str, int]) -> SdkCounts:
        """Whatever it counts but what it exported is a problem, the next version's counts too."""
        return cls(noted["exported"], {name: count for name, count in noted.items() if name != "exported"})

    @property
    def queued(self) -> int:
        """Spans that are still to be sent."""
        return self.problems.get("queued", 0)

    @property
    def ended(self) -> int:
        """Spans handed to its pipeline."""
        return self.exported + sum(self.problems.get(name, 0) for name in ("rejected", "queued", "lost"))


@dataclass(frozen=True, slots=True)
class Series:
    """Events that maibo keeps apart: those of one step (or, with step '', of the journey itself) in one process, of one tier."""

    journey: str
    step: str
    tier: str
    service: str
    version: str
    region: str

    def __str__(self) -> str:
        step = f"step {self.step}" if self.step else ""
        process = " ".join(filter(None, (self.service, self.version, self.region)))
        return ", ".join(filter(None, (self.journey, step, self.tier, process)))


@dataclass(frozen=True, slots=True)
class Flow:
    """Events as maibo tells them."""

    outcomes: Mapping[str, int]
    p99_us: float | None


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a distribution that maibo shows: counts by outcome of durations in (lower_us, upper_us]."""

    lower_us: float
    upper_us: float
    outcomes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Told:
    """What maibo says of one journey and tier."""

    outcomes: Mapping[str, int]
    p99_us: float | None
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Ingest:
    """Spans as maibo's collector counts them."""

    accepted: int
    counted: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Both accounts, as collected."""

    tags: Mapping[str, Tag]
    """``METHOD /path/{order}`` -> the step that it is."""
    seen: Sequence[Seen]
    requests: Sequence[Request]
    written: Sequence[Written]
    sdks: Mapping[str, SdkCounts]
    """By process."""
    told: Mapping[tuple[str, str], Told]
    """(journey, tier) -> what maibo says."""
    told_series: Mapping[Series, Mapping[str, int]]
    """Events by outcome, of each process and tier that the demo has."""
    told_steps: Mapping[tuple[str, str, str, str], Flow]
    """(journey, step, service, version) -> events of all tiers and regions."""
    told_totals: Mapping[tuple[str, str], Mapping[str, int]]
    """(journey, step) -> events by outcome, wherever they are from: what no series explains shows here."""
    told_begun: Mapping[tuple[str, str], int]
    """(journey, tier) -> journeys that began, as maibo counts them."""
    ingest: Ingest
