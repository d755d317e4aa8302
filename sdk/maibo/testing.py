"""For users' own tests: what was tagged, without a network::

    with maibo.testing.capture() as captured:
        client.post("/checkout")
    assert [step.name for step in captured.steps] == ["basket"]
    assert captured.journeys[0].outcome == "success"

It works configured or not, and puts back what was there before.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from maibo import runtime
from maibo.names import Catalogue
from maibo.runtime import Finished, FinishedJourney

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = ["Captured", "FinishedJourney", "FinishedStep", "capture"]


@dataclass(frozen=True, slots=True)
class FinishedStep:
    """A step that ended."""

    journey: str
    journey_id: str
    name: str
    tier: str
    variant: str
    outcome: str
    reason: str
    start_ns: int
    """Unix time."""
    duration_ns: int


@dataclass(slots=True)
class Captured:
    """What ended since `capture` began, in the order it ended."""

    journeys: list[FinishedJourney] = field(default_factory=list)
    steps: list[FinishedStep] = field(default_factory=list)
    started: list[FinishedJourney] = field(default_factory=list)
    """Begins told by a span of their own (outcome ''): of journeys that go on elsewhere."""

    def put(self, finished: Finished, /) -> None:
        """Take one in."""
        if not finished.step and not finished.outcome:
            self.started.append(runtime.as_finished_journey(finished))
            return
        if not finished.step:
            self.journeys.append(runtime.as_finished_journey(finished))
            return
        journey = finished.journey
        self.steps.append(
            FinishedStep(
                journey=journey.name,
                journey_id=journey.id,
                name=finished.step,
                tier=journey.tier,
                variant=journey.variant,
                outcome=finished.outcome,
                reason=finished.reason,
                start_ns=finished.start_ns,
                duration_ns=finished.end_ns - finished.start_ns,
            )
        )


@contextmanager
def capture(
    *,
    catalogue: Iterable[str | Mapping[str, Any]] | None = None,
    on_journey_end: Callable[[FinishedJourney], object] | None = None,
) -> Iterator[Captured]:
    """Collect finished journeys and steps of the whole process instead of exporting them."""
    captured, before = Captured(), runtime.active
    runtime.activate(
        runtime.Runtime(
            sink=captured, catalogue=Catalogue(catalogue), on_journey_end=on_journey_end, user_key=b"maibo.testing"
        )
    )
    try:
        yield captured
    finally:
        runtime.activate(before)
