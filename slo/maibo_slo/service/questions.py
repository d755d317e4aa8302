"""What can be asked of the service: one method a question, one model of `answers` an answer.

The API, the pages and the demo ask here and nowhere else, so all of them say the same. Every method is synchronous and reads the
store from the calling thread: ask from a worker thread, never from the event loop. What concerns SLOs comes from the engine's
last tick, in memory. `now` is unix seconds.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, Protocol

from maibo_slo.service import flows, judgements
from maibo_slo.service.answers import (
    HistogramAnswer,
    IngestAnswer,
    JourneyAnswer,
    JourneysAnswer,
    Part,
    Point,
    ScorecardAnswer,
    SloAnswer,
    SlosAnswer,
)
from maibo_slo.service.health import PartHealth
from maibo_slo.store import Store, cells, segments
from maibo_slo.store.cells import CellFilter, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from maibo_slo.documents import Catalogue, Journey
    from maibo_slo.engine.snapshot import Snapshot
    from maibo_slo.engine.state import Assessment

__all__ = ["PartHealth", "Questions"]

DAY: Final = 86_400
LATELY_SECONDS: Final = 6 * 3600
EVER_SECONDS: Final = 35 * DAY
"""How far back a journey that is silent now is looked for: as far as minutes are kept."""
BY: Final = ("tier", "version", "region")


class Engine(Protocol):
    """What is asked of the engine: its last tick."""

    def snapshot(self) -> Snapshot: ...


class Questions:
    """Answers from the store, the documents in force and the engine's last tick."""

    def __init__(
        self,
        store: Store,
        catalogue: Callable[[], Catalogue],
        engine: Engine,
        *,
        health: Callable[[], Sequence[PartHealth]] = tuple,
        undrained: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._engine = engine
        self._health = health
        self._undrained = undrained

    def journeys(
        self,
        *,
        now: float,
        begin: int | None = None,
        end: int | None = None,
        window_seconds: int = 300,
        series: bool = False,
        where: Mapping[str, Sequence[str]] | None = None,
    ) -> JourneysAnswer:
        """Every journey that is declared, or had events in the window; by name."""
        window, span = flows.window_of(begin, end, window_seconds, now=now)
        which = CellFilter(where=where or {})
        found = {
            one.group[0]: one for one in cells.distributions(self._store, window, which, by=("journey",), now=int(now))
        }
        declared = self._catalogue().journeys
        last_events = self._last_events([name for name in declared if name not in found], now=now)
        points: Mapping[str, list[Point]] = {}
        if series:
            points = flows.points_by_journey(self._store, window, which, now=now)
        answers = [
            flows.journey_of(
                name,
                declared.get(name),
                [found[name]] if name in found else [],
                seconds=span.seconds,
                last_event=last_events.get(name),
                now=now,
                series=points.get(name, flows.gaps(window, now=now)) if series else (),
            )
            for name in sorted({*found, *declared})
        ]
        return JourneysAnswer(now=flows.utc(now), window=span, journeys=answers)

    def journey(
        self,
        name: str,
        *,
        now: float,
        begin: int | None = None,
        end: int | None = None,
        window_seconds: int = 300,
        by: Sequence[str] = BY,
        series: bool = True,
        where: Mapping[str, Sequence[str]] | None = None,
    ) -> JourneyAnswer | None:
        """One journey with its steps and parts; None when it is neither declared nor was ever seen (within 35 days)."""
        window, span = flows.window_of(begin, end, window_seconds, now=now)
        which = CellFilter(journey=name, where=where or {})
        declared = self._catalogue().journeys.get(name)
        parts = cells.distributions(self._store, window, which, by=tuple(by), now=int(now))
        last_event = None if parts else self._last_events([name], now=now).get(name)
        if declared is None and not parts and last_event is None:
            return None
        points: list[Point] = []
        if series:
            points = flows.points_by_journey(self._store, window, which, now=now).get(name, flows.gaps(window, now=now))
        return flows.journey_of(
            name,
            declared,
            parts,
            seconds=span.seconds,
            last_event=last_event,
            now=now,
            series=points,
            steps=self._steps(window, name, declared, where=where or {}, seconds=span.seconds, now=now),
            by={dimension: flows.parts_of(parts, at, seconds=span.seconds) for at, dimension in enumerate(by)},
        )

    def knows(self, name: str, *, now: float) -> bool:
        """Whether this journey is declared, or was seen within 35 days."""
        return name in self._catalogue().journeys or bool(self._last_events([name], now=now))

    def histogram(
        self,
        name: str,
        *,
        now: float,
        step: str = "",
        where: Mapping[str, Sequence[str]] | None = None,
        begin: int | None = None,
        end: int | None = None,
        window_seconds: int = 300,
    ) -> HistogramAnswer:
        """The latency distribution of a journey, or of one of its steps: the bins that have events."""
        window, span = flows.window_of(begin, end, window_seconds, now=now)
        which = CellFilter(journey=name, step=step, where=where or {})
        found = cells.distributions(self._store, window, which, now=int(now))
        outcomes = flows.outcomes_of(found)
        timed = flows.latency_of(outcomes)
        declared = self._catalogue().journeys.get(name)
        return HistogramAnswer(
            now=flows.utc(now),
            window=span,
            journey=name,
            step=step,
            threshold_us=declared.threshold_us if declared and not step else None,
            count=sum(int(counts.sum()) for counts in outcomes.values()),
            p50_us=timed.quantile(0.5),
            p90_us=timed.quantile(0.9),
            p99_us=timed.quantile(0.99),
            bars=list(flows.bars_of(outcomes)),
        )

    def slos(self, now: float) -> SlosAnswer:
        """Every SLO in force, by name."""
        by_slo: dict[str, list[Assessment]] = defaultdict(list)
        snapshot = self._engine.snapshot()
        for assessment in snapshot.assess(now=now):
            by_slo[assessment.slo.name].append(assessment)
        slos = self._catalogue().slos
        return SlosAnswer(
            now=flows.utc(now),
            slos=[
                judgements.slo_answer(slos[name], by_slo[name], evaluated_at=snapshot.evaluated_at)
                for name in sorted(slos)
            ],
        )

    def slo(self, name: str, now: float) -> SloAnswer | None:
        """One SLO; None when no document names it."""
        return next((slo for slo in self.slos(now).slos if slo.name == name), None)

    def scorecard(
        self, *, now: float, begin: int | None = None, end: int | None = None, window_seconds: int = DAY
    ) -> ScorecardAnswer:
        """Every service: how many objectives are met, the worst budget, and its journeys' traffic within the window."""
        window, span = flows.window_of(begin, end, window_seconds, now=now)
        catalogue = self._catalogue()
        found = {
            one.group[0]: one
            for one in cells.distributions(self._store, window, CellFilter(), by=("journey",), now=int(now))
        }
        assessed = self._engine.snapshot().assess(now=now)
        services = sorted(
            {
                *catalogue.services,
                *(journey.service for journey in catalogue.journeys.values()),
                *(slo.service for slo in catalogue.slos.values()),
            }
        )
        return ScorecardAnswer(
            now=flows.utc(now),
            window=span,
            rows=[judgements.score_row(name, catalogue, found, assessed) for name in services],
        )

    def ingest(self, now: float) -> IngestAnswer:
        """What came in since the store was made."""
        totals = segments.totals(self._store)
        return IngestAnswer(
            now=flows.utc(now),
            bodies=totals.bodies,
            duplicate_bodies=totals.duplicate_bodies,
            spans=totals.spans,
            counted=totals.counted,
            ignored=totals.ignored,
            rejected=totals.rejected,
            undrained_segments=self._undrained(),
        )

    def health(self) -> Sequence[PartHealth]:
        """Every part of the service that reports itself, and what it said last."""
        return self._health()

    def _steps(
        self,
        window: Window,
        name: str,
        declared: Journey | None,
        *,
        where: Mapping[str, Sequence[str]],
        seconds: float,
        now: float,
    ) -> list[Part]:
        """As the document orders them, then those that no document names."""
        found = cells.distributions(
            self._store, window, CellFilter(journey=name, step=None, where=where), by=("step",), now=int(now)
        )
        parts = {part.value: part for part in flows.parts_of(found, 0, seconds=seconds)}
        ordered = [step.name for step in declared.steps] if declared else []
        empty = flows.flow_of([], seconds=seconds)
        return [
            *(parts.get(step) or Part(value=step, **empty) for step in ordered),
            *sorted((part for value, part in parts.items() if value not in ordered), key=lambda part: part.value),
        ]

    def _last_events(self, names: Sequence[str], *, now: float) -> dict[str, int]:
        """When journeys that are silent in the window were last seen: within hours, else within weeks."""
        found: dict[str, int] = {}
        for seconds in (LATELY_SECONDS, EVER_SECONDS):
            missing = [name for name in names if name not in found]
            if not missing:
                break
            window, which = Window(int(now) + 1 - seconds, int(now) + 1), CellFilter(where={"journey": missing})
            seen = cells.distributions(self._store, window, which, by=("journey",), now=int(now))
            found |= {one.group[0]: one.last_event for one in seen if one.last_event is not None}
        return found
