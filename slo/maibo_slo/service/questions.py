"""What can be asked of the service: one method a question, one model of `answers` an answer.

The API, the pages and the demo ask here and nowhere else, so all of them say the same. Every method is synchronous and reads the
store from the calling thread: ask from a worker thread, never from the event loop. What concerns SLOs comes from the engine's
last tick, in memory. `now` is unix seconds.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from maibo.semconv import OVERFLOW
from maibo_slo.documents import ScaleupSlo
from maibo_slo.engine.groups import group_values
from maibo_slo.engine.hindsight import minute_of, snapshot_at
from maibo_slo.engine.intervals import Intervals
from maibo_slo.engine.tracks import is_whole
from maibo_slo.errors import StoreError
from maibo_slo.reporting.blame import blame
from maibo_slo.service import alerts, burndown, causes, flows, judgements, scaleups
from maibo_slo.service.answers import (
    ExemplarsAnswer,
    HistogramAnswer,
    IngestAnswer,
    JourneysAnswer,
    OneJourneyAnswer,
    Point,
    ScorecardAnswer,
    SloAnswer,
    SlosAnswer,
    Span,
)
from maibo_slo.service.changes import About, Changed, Changes
from maibo_slo.service.health import PartHealth
from maibo_slo.service.scaling import Scaling
from maibo_slo.service.traces import TraceLinks
from maibo_slo.store import Store, cells, segments
from maibo_slo.store.cells import CellFilter, Distribution, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from maibo_slo.documents import Catalogue, FedSlo, Slo
    from maibo_slo.engine.snapshot import Snapshot
    from maibo_slo.engine.state import Assessment
    from maibo_slo.reporting.figures import Burnt
    from maibo_slo.service.alerts import Alert, Alerts, Burning, Pending
    from maibo_slo.service.burndown import Burndown
    from maibo_slo.service.scaleups import OneScaleUpAnswer, ScaleUpsAnswer, ScaleUpSummaryAnswer
    from maibo_slo.service.scaling import ScalingNow, TargetThen
    from maibo_slo.store.scaleups import ScaleUpState

__all__ = ["PartHealth", "Questions"]

DAY: Final = 86_400
LATELY_SECONDS: Final = 6 * 3600
EVER_SECONDS: Final = 35 * DAY
"""How far back a journey that is silent now is looked for: as far as minutes are kept."""
BY: Final = ("tier", "version", "region")
JOURNEYS: Final = 100
"""How many journeys are answered for, beside the declared ones, where nothing is said: a list that somebody can read."""
EXEMPLARS: Final = 20
"""How many traces of each kind are told where nothing is said."""
SCALEUPS: Final = 100
"""How many scale-ups are told where nothing is said."""
MINUTE: Final = 60
HOUR: Final = 3600
SPENT_KEPT: Final = 64
"""Burndowns that are kept for others who ask the same: 100 kB each."""
BURNT_PREPARED: Final = 8
"""Tables of who burnt a budget that are made before they are asked for: each takes a twentieth of a second."""
BURNT_KEPT: Final = 64
"""Such tables that are kept for others who ask the same."""
BURNT_SECONDS: Final = DAY
"""How far back a page tells who burnt a budget; the API takes any window."""


KEPT_SECONDS: Final = 12.0
"""A little longer than a tick."""
WANTED_SECONDS: Final = 60.0


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
        traces: TraceLinks | None = None,
        scaling: Scaling | None = None,
        changes: Changes | None = None,
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._engine = engine
        self._health = health
        self._undrained = undrained
        self._traces = traces or TraceLinks()
        self._scaling = scaling or Scaling(store, catalogue, signals=lambda: None)
        self._changes = changes or Changes(store, catalogue)
        self._kept: tuple[Snapshot, float, Catalogue, SlosAnswer] | None = None
        self._wanted_at = float("-inf")
        self._burnt: dict[tuple[str, str, str, int], tuple[Slo, float, Burnt]] = {}
        """By objective, group and minute."""
        self._burnt_asked: dict[tuple[str, str, str], float] = {}
        self._spent: dict[tuple[str, str, str, int, int], tuple[Slo | FedSlo, float | None, Burndown]] = {}

    def journeys(
        self,
        *,
        now: float,
        begin: int | None = None,
        end: int | None = None,
        window_seconds: int = 300,
        series: bool = False,
        where: Mapping[str, Sequence[str]] | None = None,
        limit: int = JOURNEYS,
    ) -> JourneysAnswer:
        """Every journey that is declared, and the `limit` busiest of those that had events in the window; by name.

        A name costs a few ms, and spans may bring any number of names, so they are ranked by counts before anything else.
        """
        window, span = flows.window_of(begin, end, window_seconds, now=now)
        declared = self._catalogue().journeys
        busiest, seen = cells.busiest(self._store, window, CellFilter(where=where or {}), limit=limit, now=int(now))
        which = CellFilter(where={**(where or {}), "journey": sorted({*busiest, *declared})})
        found = {
            one.group[0]: one for one in cells.distributions(self._store, window, which, by=("journey",), now=int(now))
        }
        last_events = self._last_events([name for name in declared if name not in found], now=now, until=window.end - 1)
        points: Mapping[str, list[Point]] = {}
        if series:
            points = flows.points_by_journey(self._store, window, which, now=now)
        names = sorted({*found, *declared})
        began = causes.flows_of(
            self._store, window, {name: causes.timeout_of(declared.get(name)) for name in names}, where=where, now=now
        )
        skewed = causes.skewed_by_journey(self._store, window)
        silence = flows.gaps(window, now=now) if series else ()
        answers = [
            flows.journey_of(
                name,
                declared.get(name),
                [found[name]] if name in found else [],
                seconds=span.seconds,
                last_event=last_events.get(name),
                now=now,
                series=points.get(name, silence) if series else (),
                beside={"flow": began.get(name), "skewed": skewed.get(name, 0)},
            )
            for name in names
        ]
        # Between two queries a journey may begin, or leave the window.
        omitted = max(0, seen - len(found))
        return JourneysAnswer(now=flows.utc(now), window=span, journeys=answers, omitted=omitted)

    def journey(
        self,
        name: str,
        *,
        now: float,
        step: str = "",
        begin: int | None = None,
        end: int | None = None,
        window_seconds: int = 300,
        by: Sequence[str] = BY,
        series: bool = True,
        steps: bool = True,
        details: bool = True,
        where: Mapping[str, Sequence[str]] | None = None,
    ) -> OneJourneyAnswer | None:
        """One journey, or one step of it, with parts and all steps; None when it is neither declared nor seen within 35 days.

        The version of a whole journey is that of the service which ended it; a step's is that of the service which did it. So it is
        by `steps` and `step` that a bad release is found. Without `details` it is told what is counted, and not why; without `steps`, not
        of them.
        """
        window, span = flows.window_of(begin, end, window_seconds, now=now)
        which = CellFilter(journey=name, step=step, where=where or {})
        found = self._journey(which, window, span, by=by, series=series, steps=steps, details=details, now=now)
        return None if found is None else found[0]

    def journey_and_histogram(
        self,
        name: str,
        *,
        now: float,
        step: str = "",
        begin: int | None = None,
        end: int | None = None,
        window_seconds: int = 300,
        where: Mapping[str, Sequence[str]] | None = None,
    ) -> tuple[OneJourneyAnswer, HistogramAnswer] | None:
        """Both answers from the same counts, read once."""
        window, span = flows.window_of(begin, end, window_seconds, now=now)
        which = CellFilter(journey=name, step=step, where=where or {})
        found = self._journey(which, window, span, by=BY, series=True, steps=True, details=True, now=now)
        return None if found is None else (found[0], self._histogram(name, step, found[1], span, now=now))

    def _journey(
        self,
        which: CellFilter,
        window: Window,
        span: Span,
        *,
        by: Sequence[str],
        series: bool,
        steps: bool,
        details: bool,
        now: float,
    ) -> tuple[OneJourneyAnswer, Sequence[Distribution]] | None:
        """The answer, and the counts it was made of."""
        name, step, where = which.journey or "", which.step or "", which.where
        declared = self._catalogue().journeys.get(name)
        parts = cells.distributions(self._store, window, which, by=tuple(by), now=int(now))
        if not parts and not self.knows(name, now=now):
            return None
        last_event = (
            None
            if parts
            else self._last_events([name], step=step, where=where, now=now, until=window.end - 1).get(name)
        )
        of_steps: Sequence[Distribution] = ()
        if steps:
            every = CellFilter(journey=name, step=None, where=where)
            by_version = ("step", "service", "version")
            of_steps = cells.distributions(self._store, window, every, by=by_version, now=int(now), to_10s=False)
        points: list[Point] = []
        if series:
            points = flows.points_by_journey(self._store, window, which, now=now).get(name, flows.gaps(window, now=now))
        timeout = causes.timeout_of(declared)
        if series and details:
            points = causes.with_silence(
                self._store,
                window,
                which,
                points,
                slice_seconds=flows.slice_seconds(window, now=now),
                timeout_seconds=timeout,
                now=now,
            )
        answer = flows.journey_of(
            name,
            declared,
            parts,
            seconds=span.seconds,
            last_event=last_event,
            now=now,
            series=points,
            step=step,
            steps=flows.steps_of(
                of_steps, [one.name for one in declared.steps] if declared and steps else [], seconds=span.seconds
            ),
            by={dimension: flows.parts_of(parts, at, seconds=span.seconds) for at, dimension in enumerate(by)},
            beside=causes.beside(
                self._store, window, which, parts if step else [*parts, *of_steps], timeout_seconds=timeout, now=now
            )
            if details
            else None,
        )
        return OneJourneyAnswer(**dict(answer), now=flows.utc(now), window=span), parts

    def exemplars(
        self,
        name: str,
        *,
        now: float,
        step: str | None = None,
        where: Mapping[str, Sequence[str]] | None = None,
        limit: int = EXEMPLARS,
        begin: int | None = None,
        end: int | None = None,
        window_seconds: int = 300,
    ) -> ExemplarsAnswer:
        """Traces of what was slow and what failed; without a step, of the journey as a whole and of every step."""
        window, span = flows.window_of(begin, end, window_seconds, now=now)
        found = causes.exemplars_of(
            self._store, window, name, step=step, where=where or {}, limit=limit, links=self._traces
        )
        return ExemplarsAnswer(now=flows.utc(now), window=span, journey=name, step=step, exemplars=found)

    def knows(self, name: str, *, now: float) -> bool:
        """Whether this journey is declared, or was seen within 35 days."""
        return name in self._catalogue().journeys or bool(self._last_events([name], now=now))

    def steps(self, name: str, *, now: float) -> list[str]:
        """The steps of a journey that are declared, in their order, and then those that were counted within 35 days."""
        declared = self._catalogue().journeys.get(name)
        named = [each.name for each in declared.steps] if declared else []
        window = Window(int(now) + 1 - EVER_SECONDS, int(now) + 1)
        seen = cells.distributions(self._store, window, CellFilter(journey=name, step=None), by=("step",), now=int(now))
        return list(dict.fromkeys([*named, *(one.group[0] for one in seen)]))

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
        return self._histogram(name, step, cells.distributions(self._store, window, which, now=int(now)), span, now=now)

    def _histogram(
        self, name: str, step: str, parts: Sequence[Distribution], span: Span, *, now: float
    ) -> HistogramAnswer:
        found = Distribution.of(parts)
        timed = found.histogram()
        threshold = flows.threshold_us(self._catalogue().journeys.get(name), step)
        p50_us, p90_us, p99_us = timed.quantiles(0.5, 0.9, 0.99)
        return HistogramAnswer(
            now=flows.utc(now),
            window=span,
            journey=name,
            step=step,
            threshold_us=threshold,
            within_threshold=None if threshold is None else timed.within(threshold),
            count=sum(found.events().values()),
            p50_us=p50_us,
            p90_us=p90_us,
            p99_us=p99_us,
            bars=list(flows.bars_of(found)),
        )

    def slos(self, now: float, *, at: float | None = None) -> SlosAnswer:
        """Every SLO in force, by name; as it stood at an earlier moment where one is given."""
        return SlosAnswer(now=flows.utc(now), slos=self._slos(self._catalogue().judged, now, at=at))

    def slos_lately(self, now: float) -> SlosAnswer:
        """As `slos`, as it stood up to `KEPT_SECONDS` ago, of the engine's last tick all the same: a thousand SLOs are judged once a tick, not
        for every reader.
        """
        self._wanted_at = now
        snapshot, kept = self._engine.snapshot(), self._kept
        if kept is None or kept[0] is not snapshot or not 0 <= now - kept[1] <= KEPT_SECONDS:
            kept = self._kept = (snapshot, now, self._catalogue(), self.slos(now))
        elif kept[2] is not self._catalogue():
            return self.slos(now)
        return kept[3]

    def prepare(self, now: float) -> None:
        """After a tick: what `slos_lately` and `burnt` answer next, of what somebody asked within a minute."""
        if now - self._wanted_at <= WANTED_SECONDS:
            self._kept = (self._engine.snapshot(), now, self._catalogue(), self.slos(now))
        for (name, objective, group), asked_at in list(self._burnt_asked.items()):
            if now - asked_at <= WANTED_SECONDS:
                with suppress(StoreError):  # whoever asks is told
                    self._burnt_at(name, objective, group, now, now)
            else:
                self._burnt_asked.pop((name, objective, group), None)

    def slos_over(self, journey: str, now: float, *, at: float | None = None) -> SlosAnswer:
        """Those over one journey; of now, as `slos_lately`."""
        if at is None:
            return SlosAnswer(
                now=flows.utc(now), slos=[slo for slo in self.slos_lately(now).slos if slo.journey == journey]
            )
        judged = {name: slo for name, slo in self._catalogue().judged.items() if slo.journey == journey}
        return SlosAnswer(now=flows.utc(now), slos=self._slos(judged, now, at=at))

    def slo(self, name: str, now: float, *, at: float | None = None) -> SloAnswer | None:
        """One SLO; None when no document names it."""
        found = self._catalogue().judged.get(name)
        return None if found is None else self._slos({name: found}, now, at=at)[0]

    def slo_names(self) -> Collection[str]:
        """Of every SLO that is judged."""
        return self._catalogue().judged

    def _slos(self, slos: Mapping[str, Slo | FedSlo], now: float, *, at: float | None = None) -> list[SloAnswer]:
        by_slo: dict[str, list[Assessment]] = defaultdict(list)
        snapshot = self._engine.snapshot()
        if at is not None:
            at = minute_of(at)
            snapshot = snapshot_at(self._store, (one for one in snapshot.observed if one.slo.name in slos), at=at)
        assessed = snapshot.assess(now=now if at is None else at, slos=slos)
        for assessment in assessed:
            by_slo[assessment.slo.name].append(assessment)
        intervals = Intervals(assessed)
        return [
            judgements.slo_answer(slos[name], by_slo[name], intervals, evaluated_at=snapshot.evaluated_at)
            for name in sorted(slos)
        ]

    def burnt(self, name: str, *, objective: str, group: str, now: float, end: float | None = None) -> Burnt | None:
        """Who burnt an objective's budget in the `BURNT_SECONDS` until `end`, or now; None where nobody can tell: it counts nothing of ours, or
        is gone.

        The answer is kept for the rest of its minute, and of a minute that is over for another: a page asks every 5 seconds, and this reads a day
        of cells. The next minute's is made by `prepare`, so that no reader waits for it.
        """
        key = (name, objective, group)
        if end is None and (key in self._burnt_asked or len(self._burnt_asked) < BURNT_PREPARED):
            self._burnt_asked[key] = now
        return self._burnt_at(name, objective, group, now, now if end is None else minute_of(end) - 1)

    def _burnt_at(self, name: str, objective: str, group: str, now: float, until: float) -> Burnt | None:
        slos, minute = self._catalogue().slos, int(until) // 60
        slo = slos.get(name)
        chosen = next((one for one in slo.objectives if one.name == objective), None) if slo else None
        if slo is None or chosen is None or group == OVERFLOW or (slo.is_composite and chosen.indicator is None):
            return None
        key = (name, objective, group, minute)
        kept = self._burnt.get(key)
        if kept is not None and kept[0] is slo and 0 <= now - kept[1] < MINUTE:
            return kept[2]
        window = cells.covered(Window(int(until) - BURNT_SECONDS, int(until) + 1), now=int(now))
        found = blame(self._store, slos.values(), slo, chosen, window, group=group_values(group), now=int(now))
        lately = sorted(
            ((known, one) for known, one in self._burnt.items() if 0 <= now - one[1] < MINUTE),
            key=lambda one: one[1][1],
        )
        self._burnt = dict(lately[1 - BURNT_KEPT :]) | {key: (slo, now, found)}
        return found

    def burndown(self, name: str, *, objective: str, group: str, begin: float, end: float) -> Burndown | None:
        """How an objective's budget was spent in [begin, end); None where there is no such, or it counts nothing itself."""
        return self.burndowns(name, [(objective, group)], begin=begin, end=end).get((objective, group))

    def burndowns(
        self, name: str, wanted: Sequence[tuple[str, str]], *, begin: float, end: float
    ) -> dict[tuple[str, str], Burndown]:
        """The same of several objectives of an SLO, each of one group; those that `burndown` has no answer about are absent.

        An answer is kept until the engine's next tick: several readers ask every 5 seconds, and this may read a month of minutes.
        """
        slo = self._catalogue().judged.get(name)
        if slo is None:
            return {}
        snapshot = self._engine.snapshot()
        objectives = {each.name: each for each in slo.objectives if not is_whole(slo, each)}
        stretch = (int(begin) // 60, -int(-end // 60))
        found: dict[tuple[str, str], Burndown] = {}
        for objective, group in wanted:
            kept = self._spent.get((name, objective, group, *stretch))
            if kept is not None and kept[0] is slo and kept[1] == snapshot.evaluated_at:
                found[objective, group] = kept[2]
        missing = [each for each in dict.fromkeys(wanted) if each not in found and each[0] in objectives]
        first = {
            (one.objective.name, one.group): one.first_t
            for one in snapshot.observed
            if missing and one.slo.name == name
        }
        asked = [burndown.Asked(objectives[each[0]], each[1], first.get(each)) for each in missing]
        counted = burndown.burndowns(self._store, slo, asked, begin, end, rare=isinstance(slo, ScaleupSlo))
        if len(self._spent) + len(counted) > SPENT_KEPT:
            self._spent.clear()
        for each, one in zip(missing, counted, strict=True):
            found[each] = one
            self._spent[name, *each, *stretch] = (slo, snapshot.evaluated_at, one)
        return found

    def changes(self, begin: float, end: float, about: About = About()) -> Changed:  # noqa: B008 -- frozen
        """What changed in [begin, end), the newest first."""
        return self._changes.between(begin, end, about)

    def alerts(self, begin: float, end: float) -> Alerts:
        """Those on record that fired at some time in [begin, end), the newest first."""
        return alerts.alerts(self._store, begin, end)

    def pending_alerts(self, slos: Sequence[SloAnswer], found: Alerts) -> tuple[Pending, ...]:
        """What is about to fire, of what does not fire already."""
        return alerts.pending(slos, (each for each in found.alerts if each.end is None))

    def alert(self, alert_id: str) -> Alert | None:
        """The one of this id; None when none is kept."""
        return alerts.find(self._store, alert_id)

    def burning_at(self, name: str, objective: str, group: str, at: float) -> tuple[Burning, ...]:
        """Every pair of burn windows of an objective at a moment; none where no document has it, or it counts nothing itself."""
        slo = self._catalogue().judged.get(name)
        chosen = next((one for one in slo.objectives if one.name == objective), None) if slo else None
        if slo is None or chosen is None or is_whole(slo, chosen):
            return ()
        return alerts.burning_at(self._store, slo, chosen, group, at)

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

    def overflowing(self, now: float) -> dict[str, int]:
        """Events of the last hour over a limit of series, by journey: of those with the most, so that it is bounded itself."""
        window, _ = flows.window_of(None, None, HOUR, now=now)
        which = CellFilter(where={"service": [OVERFLOW], "environment": [OVERFLOW]})
        names, _ = cells.busiest(self._store, window, which, limit=JOURNEYS, now=int(now))
        if not names:
            return {}
        which = CellFilter(where={**which.where, "journey": names})
        found = cells.distributions(self._store, window, which, by=("journey",), now=int(now))
        return {one.group[0]: sum(one.events().values()) for one in found}

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
        return scaleups.scaleups(self._store, begin, end, workload=workload, states=states, limit=limit, now=now)

    def scaleup_summary(self, begin: int, end: int, *, workload: str = "", now: float) -> ScaleUpSummaryAnswer:
        """What they took, by workload. ValueError when that is no workload."""
        return scaleups.summary(self._store, begin, end, workload=workload, now=now)

    def scaleups_and_summary(
        self, begin: int, end: int, *, workload: str = "", now: float
    ) -> tuple[ScaleUpsAnswer, ScaleUpSummaryAnswer]:
        """Both of the same scale-ups. ValueError when that is no workload."""
        return scaleups.both(self._store, begin, end, workload=workload, limit=SCALEUPS, now=now)

    def scaleup(self, scaleup_id: str, *, now: float) -> OneScaleUpAnswer | None:
        """One of them with its pods; None when there is none of this id."""
        return scaleups.scaleup(self._store, scaleup_id, now=now)

    def scaling(self, now: float) -> ScalingNow:
        """Every ScalingTarget in force as it stands, from memory."""
        return self._scaling.targets(now)

    def scaling_target(self, namespace: str, name: str, begin: float, end: float, *, now: float) -> TargetThen | None:
        """One of them with what was decided in [begin, end); None when no document has it."""
        return self._scaling.target(namespace, name, begin=begin, end=end, now=now)

    def health(self) -> Sequence[PartHealth]:
        """Every part of the service that reports itself, and what it said last."""
        return self._health()

    def _last_events(
        self,
        names: Sequence[str],
        *,
        now: float,
        until: float | None = None,
        step: str = "",
        where: Mapping[str, Sequence[str]] | None = None,
    ) -> dict[str, int]:
        """When journeys (or their step) that are silent in the window, which ended with the second `until`, were last seen: within hours, else within
        weeks.
        """
        end = int(now if until is None else min(now, until)) + 1
        found: dict[str, int] = {}
        for seconds in (LATELY_SECONDS, EVER_SECONDS):
            missing = [name for name in names if name not in found]
            if not missing:
                break
            window = Window(end - seconds, end)
            which = CellFilter(step=step, where={**(where or {}), "journey": missing})
            seen = cells.distributions(self._store, window, which, by=("journey",), now=int(now))
            found |= {one.group[0]: one.last_event for one in seen if one.last_event is not None}
        return found
