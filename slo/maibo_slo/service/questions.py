"""What can be asked of the service: one method a question, one model of `answers` an answer.

The API, the pages and the demo ask here and nowhere else, so all of them say the same. Every method is synchronous and reads the
store from the calling thread: ask from a worker thread, never from the event loop. What concerns SLOs comes from the engine's
last tick, in memory. `now` is unix seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_slo.service import alerts, flows, judgements, scaleups
from maibo_slo.service.answers import IngestAnswer, ScorecardAnswer
from maibo_slo.service.changes import About, Changed
from maibo_slo.service.changes_seen import ChangesSeen
from maibo_slo.service.health import PartHealth
from maibo_slo.service.journeys import JourneyQuestions
from maibo_slo.service.scaleups_seen import ScaleUpsSeen
from maibo_slo.service.scaling import Scaling
from maibo_slo.service.slos import SloQuestions
from maibo_slo.service.traces import TraceLinks
from maibo_slo.store import Store, cells, segments
from maibo_slo.store.cells import CellFilter
from maibo_slo.store.tables import DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from maibo_slo.documents import Catalogue
    from maibo_slo.service.alerts import Alert, Alerts
    from maibo_slo.service.alerts_soon import Soon
    from maibo_slo.service.scaleup_answers import OneScaleUpAnswer, ScaleUpsAnswer, ScaleUpSummaryAnswer
    from maibo_slo.service.scaling import ScalingNow, ScalingRecord, TargetPast, TargetThen
    from maibo_slo.service.slos import Engine
    from maibo_slo.store.scaleups import ScaleUpState

__all__ = ["PartHealth", "Questions"]

SCALEUPS: Final = 100
"""How many scale-ups are told where nothing is said."""


class Questions(JourneyQuestions, SloQuestions):
    """Answers from the store, the documents in force and the engine's last tick: those about journeys and SLOs, and all others here."""

    def __init__(
        self,
        store: Store,
        catalogue: Callable[[], Catalogue],
        engine: Engine,
        *,
        health: Callable[[], Sequence[PartHealth]] = tuple,
        undrained: Callable[[], int | None] = lambda: None,
        traces: TraceLinks | None = None,
        scaling: Scaling | None = None,
        changes: ChangesSeen | None = None,
        about_to_fire: Callable[[], tuple[Soon, ...] | None] = lambda: None,
    ) -> None:
        JourneyQuestions.__init__(self, store, catalogue, traces or TraceLinks())
        SloQuestions.__init__(self, store, catalogue, engine)
        self._health = health
        self._undrained = undrained
        self._scaling = scaling or Scaling(store, catalogue, signals=lambda: None)
        self._changes = changes or ChangesSeen(store, catalogue)
        self._scaleups = ScaleUpsSeen(store)
        self._about_to_fire = about_to_fire

    def changes(self, begin: float, end: float, about: About = About(), *, now: float) -> Changed:  # noqa: B008 -- frozen
        """What changed in [begin, end), the newest first."""
        return self._changes.between(begin, end, about, now=now)

    def alerts(self, begin: float, end: float) -> Alerts:
        """Those on record that fired at some time in [begin, end), the newest first; beside what is about to fire now."""
        return alerts.alerts(self._store, begin, end, soon=self._about_to_fire())

    def alert(self, alert_id: str) -> Alert | None:
        """The one of this id; None when none is kept."""
        return alerts.find(self._store, alert_id)

    def scorecard(
        self, *, now: float, begin: int | None = None, end: int | None = None, window_seconds: int = DAY
    ) -> ScorecardAnswer:
        """Every service: how many objectives are met, the worst budget, and its journeys' traffic within the window."""
        window, span = flows.window_of(begin, end, window_seconds, now=now)
        catalogue = self._catalogue()
        which = CellFilter(where={"journey": sorted(catalogue.journeys)})
        found = {
            one.group[0]: one for one in cells.distributions(self._store, window, which, by=("journey",), now=int(now))
        }
        assessed = self._engine.snapshot().assess(now=now)
        services = sorted(
            {
                *catalogue.services,
                *(journey.service for journey in catalogue.journeys.values()),
                *(slo.service for slo in catalogue.judged.values()),
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
            skewed=totals.skewed,
            overflowed=totals.overflowed,
            undrained_segments=self._undrained(),
        )

    def scaleups(
        self,
        begin: int,
        end: int,
        *,
        workload: str = "",
        states: Collection[ScaleUpState] = (),
        limit: int = SCALEUPS,
        now: float,
    ) -> ScaleUpsAnswer:
        """Scale-ups that were decided in [begin, end), the newest first. ValueError when that is no workload."""
        return scaleups.scaleups(self._scaleups, begin, end, workload=workload, states=states, limit=limit, now=now)

    def scaleup_summary(self, begin: int, end: int, *, workload: str = "", now: float) -> ScaleUpSummaryAnswer:
        """What they took, by workload. ValueError when that is no workload."""
        return scaleups.summary(self._scaleups, begin, end, workload=workload, now=now)

    def scaleups_and_summary(
        self, begin: int, end: int, *, workload: str = "", now: float
    ) -> tuple[ScaleUpsAnswer, ScaleUpSummaryAnswer]:
        """Both of the same scale-ups. ValueError when that is no workload."""
        return scaleups.both(self._scaleups, begin, end, workload=workload, limit=SCALEUPS, now=now)

    def scaleup(self, scaleup_id: str, *, now: float) -> OneScaleUpAnswer | None:
        """One of them with its pods; None when there is none of this id."""
        return scaleups.scaleup(self._store, scaleup_id, now=now)

    def scaling(self, now: float) -> ScalingNow:
        """Every ScalingTarget in force as it stands, from memory."""
        return self._scaling.targets(now)

    def scaling_target(self, namespace: str, name: str, begin: float, end: float, *, now: float) -> TargetThen | None:
        """One of them with what was decided in [begin, end); None when no document has it."""
        return self._scaling.target(namespace, name, begin=begin, end=end, now=now)

    def scaling_record(self, at: float) -> ScalingRecord:
        """Every ScalingTarget in force as it stood at a moment of the past, from the store."""
        return self._scaling.record(at)

    def scaling_target_record(self, namespace: str, name: str, begin: float, *, at: float) -> TargetPast | None:
        """One of them with what was decided in [begin, at); None when no document has it."""
        return self._scaling.target_record(namespace, name, begin=begin, at=at)

    def health(self) -> Sequence[PartHealth]:
        """Every part of the service that reports itself, and what it said last."""
        return self._health()
