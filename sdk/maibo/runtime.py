"""What `configure` set up for this process: the names admitted, the callback, and where finished spans go.

`active` is None while maibo is not configured or disabled: every entry then does nothing, at the cost of one look at it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from maibo import problems
from maibo.names import Catalogue, Names
from maibo.semconv import FAILURE

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import SpanContext


@dataclass(frozen=True, slots=True)
class FinishedJourney:
    """A journey that ended in this process, as `on_journey_end` and `maibo.testing` see it."""

    name: str
    id: str
    tier: str
    variant: str
    outcome: str
    reason: str
    """Of a failure; '' otherwise."""
    start_ns: int
    """Unix time."""
    duration_ns: int
    """End minus start of the exported span, exactly; negative when the clock here is behind that of the host where it began."""


class Identified(Protocol):
    """What a finished span needs to know of its journey."""

    @property
    def name(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def tier(self) -> str: ...
    @property
    def variant(self) -> str: ...
    @property
    def start_ns(self) -> int: ...
    @property
    def _parent(self) -> SpanContext | None: ...
    @property
    def user_hash(self) -> str: ...
    @property
    def session(self) -> str: ...


class Finished(NamedTuple):
    """A finished step, or with step '' a finished journey, on its way to become a span; with no outcome either, a journey's begin."""

    journey: Identified
    step: str
    outcome: str
    reason: str
    start_ns: int
    end_ns: int
    parent: SpanContext | None
    """The host's span that was current; None: the journey's own."""
    started: bool = False
    """Tells of the journey's begin: exactly one of a journey's does."""


class Sink(Protocol):
    """Where finished spans go; must not block and must not raise."""

    def put(self, finished: Finished, /) -> None: ...


class Foreign(NamedTuple):
    """Texts that came in with requests are counted apart: strangers must not use up the service's own, nor push them out."""

    journeys: Names
    tiers: Names
    variants: Names


@dataclass(slots=True)
class Runtime:
    """All that journeys and steps need while they run."""

    sink: Sink
    catalogue: Catalogue = field(default_factory=Catalogue)
    tiers: Names = field(default_factory=lambda: Names("tier", 50))
    variants: Names = field(default_factory=lambda: Names("variant", 50))
    reasons: Names = field(default_factory=lambda: Names("failure reason", 200))
    foreign: Foreign = field(init=False)
    on_journey_end: Callable[[FinishedJourney], object] | None = None
    user_key: bytes = b""
    user_key_is_random: bool = False

    def __post_init__(self) -> None:
        self.foreign = Foreign(
            self.catalogue.journeys
            if self.catalogue.declares
            else Names("incoming journey", 200, besides=self.catalogue.journeys),
            Names("incoming tier", 50, besides=self.tiers),
            Names("incoming variant", 50, besides=self.variants),
        )

    def reason(self, outcome: str, reason: str) -> str:
        """The reason to give for `outcome`: only failures have one."""
        return self.reasons.admit(str(reason)) if outcome == FAILURE else ""

    def journey_ended(self, finished: Finished) -> None:
        """Hand a finished journey on, and tell the callback."""
        self.sink.put(finished)
        if self.on_journey_end is not None:
            try:
                self.on_journey_end(as_finished_journey(finished))
            except Exception as error:  # noqa: BLE001 -- the host's callback must not break the host's request
                problems.caught("on_journey_end", error)


def as_finished_journey(finished: Finished) -> FinishedJourney:
    """The public face of a finished journey."""
    journey = finished.journey
    return FinishedJourney(
        name=journey.name,
        id=journey.id,
        tier=journey.tier,
        variant=journey.variant,
        outcome=finished.outcome,
        reason=finished.reason,
        start_ns=finished.start_ns,
        duration_ns=finished.end_ns - finished.start_ns,
    )


active: Runtime | None = None


def activate(runtime: Runtime | None) -> None:
    """Make `runtime` the one in force; None: maibo does nothing."""
    global active  # noqa: PLW0603 -- one process, one runtime
    active = runtime
