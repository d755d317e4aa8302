"""What can be asked about journeys: their numbers, their latency, why they failed, and traces of them. A part of `questions`."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from maibo.semconv import OVERFLOW
from maibo_slo.service import causes, flows
from maibo_slo.service.answers import ExemplarsAnswer, HistogramAnswer, JourneysAnswer, OneJourneyAnswer, Point, Span
from maibo_slo.service.hours import Hours
from maibo_slo.service.kept import Kept
from maibo_slo.service.meanwhile import Meanwhile
from maibo_slo.store import Store, cells, traffic
from maibo_slo.store.cells import CellFilter, Distribution, Window
from maibo_slo.store.tables import DAY, TIERS
from maibo_slo.store.versions import HOUR

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from maibo_slo.documents import Catalogue
    from maibo_slo.service.flows import Beside
    from maibo_slo.service.traces import TraceLinks
    from maibo_slo.store.cells import Slice

LATELY_SECONDS: Final = 6 * HOUR
EVER_SECONDS: Final = 35 * DAY
"""How far back a journey that is silent now is looked for: as far as minutes are kept."""
BY: Final = ("tier", "version", "region")
JOURNEYS: Final = 100
"""How many journeys are answered for, beside the declared ones, where nothing is said: a list that somebody can read."""
LENGTHS: Final = 64
"""Of windows, for each of which it is remembered how many journeys there were."""
EXEMPLARS: Final = 20
"""How many traces of each kind are told where nothing is said."""


class JourneyQuestions:
    """Answers from the store's cells, and what stands beside them."""

    def __init__(self, store: Store, catalogue: Callable[[], Catalogue], traces: TraceLinks) -> None:
        self._store = store
        self._catalogue = catalogue
        self._traces = traces
        self._hours = Hours(store)
        self._seen: Kept[int, int] = Kept(LENGTHS)
        """By seconds of a window: how many journeys had events when all were last asked about."""

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
        slice_seconds = flows.slice_seconds(window, now=now) if series else 0
        with Meanwhile(lambda: causes.skewed_by_journey(self._store, window)) as skewing:
            counted, slices, seen = self._traffic(
                window, where or {}, declared, slice_seconds, limit=limit, now=int(now)
            )
            found = {one.group[0]: one for one in counted}
            names = sorted({*found, *declared})
            timeouts = {name: causes.timeout_of(declared.get(name)) for name in names}
            with Meanwhile(lambda: causes.flows_of(self._store, window, timeouts, where=where, now=now)) as beginning:
                silent = [name for name in declared if name not in found]
                last_events = self._last_events(silent, now=now, until=window.end - 1)
                points = flows.points_by_journey(slices, window, now=now)
                silence = flows.gaps(window, now=now) if series else ()
                began, skewed = beginning.answer(), skewing.answer()
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

    def _traffic(
        self,
        window: Window,
        where: Mapping[str, Sequence[str]],
        declared: Collection[str],
        slice_seconds: int,
        *,
        limit: int,
        now: int,
    ) -> tuple[Sequence[Distribution], Sequence[Slice], int]:
        """Of the `limit` busiest journeys and the declared ones: counts, and slices where `slice_seconds` is not 0; and how many had events."""
        few = None if where else self._seen.get(window.seconds)
        if slice_seconds and few is not None and 2 * few <= limit:
            # They were so few a moment ago that ranking them takes longer than reading all.
            every = traffic.by_few_journeys(self._store, window, slice_seconds=slice_seconds, most=limit, now=now)
            if every is not None:
                counted, slices = every
                self._seen.put(window.seconds, len(counted))
                return counted, slices, len(counted)
        busiest, seen = cells.busiest(self._store, window, CellFilter(where=where), limit=limit, now=now)
        if not where:
            self._seen.put(window.seconds, seen)
        which = CellFilter(where={**where, "journey": sorted({*busiest, *declared})})
        if slice_seconds:
            return *traffic.by_journey(self._store, window, which, slice_seconds=slice_seconds, now=now), seen
        return cells.distributions(self._store, window, which, by=("journey",), now=now), (), seen

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
        timeout, size = causes.timeout_of(declared), flows.slice_seconds(window, now=now)
        began = (
            Meanwhile(
                lambda: causes.flow_of(self._store, window, which, slice_seconds=size, timeout_seconds=timeout, now=now)
            )
            if details
            else None
        )
        with began or nullcontext():
            reading = self._hours.reading(window, now=now)
            parts, of_steps = reading.with_steps(which, by=tuple(by), steps=steps)
            if not parts and not self.knows(name, now=now):
                return None
            last_event = (
                None
                if parts
                else self._last_events([name], step=step, where=where, now=now, until=window.end - 1).get(name)
            )
            points: Sequence[Point] = ()
            if series:
                slices = reading.series(which, by=("journey",), slice_seconds=size)
                points = flows.points_by_journey(slices, window, now=now).get(name, flows.gaps(window, now=now))
            beside: Beside | None = None
            if began is not None:
                flow, silent = began.answer()
                points = causes.with_silence(points, silent, slice_seconds=size, timeout_seconds=timeout, now=now)
                counted = parts if step else [*parts, *of_steps]
                beside = causes.beside(self._store, window, which, counted, flow=flow, now=now)
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
            beside=beside,
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
        minutes = int(now) + 1 - EVER_SECONDS
        found: dict[str, int] = {}
        for seconds in (LATELY_SECONDS, EVER_SECONDS):
            missing = [name for name in names if name not in found]
            if not missing:
                break
            window = Window(minutes if end - seconds < minutes < end else end - seconds, end)
            tier = cells.tier_of(window, now=int(now))
            if tier is not TIERS[0]:  # else what came later in its last bucket is told
                window = replace(window, end=end // tier.seconds * tier.seconds)
            which = CellFilter(step=step, where={**(where or {}), "journey": missing})
            seen = cells.distributions(self._store, window, which, by=("journey",), now=int(now))
            found |= {one.group[0]: one.last_event for one in seen if one.last_event is not None}
        return found
