"""``/metrics``: SLOs from the engine's last tick, and the service's own health.

Everything is read from memory but the ingest totals. A number without data is absent, not NaN: one NaN would poison every average
and sum over it for as long as the window that holds it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from maibo_slo.documents import Slo
from maibo_slo.engine.burn import alerted_pairs
from maibo_slo.engine.intervals import Intervals
from maibo_slo.engine.state import STATES, Assessment, alerting, is_stale
from maibo_slo.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from maibo_slo.engine.snapshot import Snapshot
    from maibo_slo.engine.state import Observed
    from maibo_slo.service.answers import IngestAnswer
    from maibo_slo.service.health import PartHealth

LABELS: Final = ("slo", "objective", "service", "group")
"""`group` is empty, which to Prometheus is the same as absent, where an SLO has one budget."""

_Number = tuple[str, str, "Callable[[Assessment], float | None]"]

_LASTING: Final[Sequence[_Number]] = (
    ("maibo_slo_objective_ratio", "Target of the objective.", lambda a: a.objective.target),
    ("maibo_slo_window_seconds", "Length of the SLO's window.", lambda a: a.slo.window_seconds),
    ("maibo_slo_age_seconds", "Time since the newest minute with data.", lambda a: a.age_seconds),
)
_COUNTED: Final[Sequence[_Number]] = (
    ("maibo_slo_good_events", "Good events (or slices) in the SLO's window.", lambda a: None if a.parts else a.good),
    ("maibo_slo_bad_events", "Bad events (or slices) in the SLO's window.", lambda a: None if a.parts else a.bad),
    ("maibo_slo_attainment_ratio", "Good events / events, over what was observed.", lambda a: a.budget.attainment),
    (
        "maibo_slo_error_budget_remaining_ratio",
        "1 - bad events / those that the budget allows, over what was observed; negative when overspent.",
        lambda a: a.budget.remaining,
    ),
    (
        "maibo_slo_error_budget_remaining_projected_ratio",
        "The same, if a rolling window's time before the first event had as many events and none bad, or the rest of a calendar's period will.",
        lambda a: a.budget.projected,
    ),
    (
        "maibo_slo_coverage_ratio",
        "Minutes with data / minutes of the SLO's window that are not excluded.",
        lambda a: a.coverage,
    ),
    (
        "maibo_slo_no_data_seconds",
        "Time of the SLO's window without data, neither good nor bad; what corrections exclude is not among it.",
        lambda a: a.no_data_minutes * 60,
    ),
)
"""Absent when the engine has not counted for a minute: an alert must not go on firing, or stay silent, on an old number."""


class SloCollector(Collector):
    """Objectives as of the engine's last tick."""

    def __init__(self, snapshot: Callable[[], Snapshot], *, now: Callable[[], float] = time.time) -> None:
        self._snapshot = snapshot
        self._now = now

    def collect(self) -> Iterable[Metric]:
        snapshot, now = self._snapshot(), self._now()
        assessed = snapshot.assess(now=now)
        fresh = () if is_stale(snapshot.evaluated_at, now=now) else assessed
        for numbers, those in ((_LASTING, assessed), (_COUNTED, fresh)):
            for name, text, number in numbers:
                yield _gauge(name, text, [(_labels(one), number(one)) for one in those])
        yield _gauge(
            "maibo_slo_burn_rate",
            "How fast the budget burns over a window; 1 spends exactly the budget over the SLO's window.",
            (((*_labels(one), burn.window), burn.rate) for one in fresh for burn in one.burns),
            extra="window",
        )
        intervals = Intervals(fresh)
        burns = [((*_labels(one), burn.window), intervals.of(burn)) for one in fresh for burn in one.burns]
        for end in ("lower", "upper"):
            yield _gauge(
                f"maibo_slo_burn_rate_{end}",
                f"The {end} end of the burn rate's 95 % credible interval: few events leave much open.",
                ((labels, getattr(interval, end, None)) for labels, interval in burns),
                extra="window",
            )
        yield _gauge(
            "maibo_slo_burn_bad_events",
            "Bad events in a burn rate's window: one failure of ten is no news, hundred of a thousand are.",
            (((*_labels(one), burn.window), float(burn.bad)) for one in fresh for burn in one.burns),
            extra="window",
        )
        yield _gauge(
            "maibo_slo_burn_events",
            "Good and bad events in a burn rate's window; a composite by Occurrences has none of its own.",
            (
                ((*_labels(one), burn.window), burn.good + burn.bad)
                for one in fresh
                if not one.parts
                for burn in one.burns
            ),
            extra="window",
        )
        yield _gauge(
            "maibo_slo_burn_factor",
            "The burn rate that alerts go by, by the long window of their pair.",
            (
                ((*_labels(one), window), pair.factor)
                for one in assessed
                for window, pair in alerted_pairs(one.slo.window_seconds, target=one.objective.target).items()
            ),
            extra="window",
        )
        yield _gauge(
            "maibo_slo_burn_reached",
            "1 where the engine holds that the pair of windows with this long one burns above its factor for sure, as its alerts do; 0 where not.",
            (
                ((*_labels(one), window), float(is_reached))
                for one in (snapshot.observed if fresh else ())
                for window, is_reached in alerting(one, now=now)
            ),
            extra="window",
        )
        yield _gauge(
            "maibo_slo_state",
            "1 for the state that the objective is in, 0 for the others.",
            (((*_labels(one), state), float(one.state == state)) for one in assessed for state in STATES),
            extra="state",
        )
        yield _gauge(
            "maibo_slo_policy_state",
            "1 for the state of its error-budget policy that the objective is in; the others are absent.",
            (((*_labels(one), one.policy.state), 1.0) for one in assessed if one.policy is not None),
            extra="state",
        )
        yield _journeys(assessed)
        yield from _evaluation(snapshot, now=now)


class ServiceCollector(Collector):
    """The service's own health: its parts, and what came in."""

    def __init__(
        self,
        parts: Callable[[], Sequence[PartHealth]],
        ingest: Callable[[], IngestAnswer],
        overflowing: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self._parts = parts
        self._ingest = ingest
        self._overflowing = overflowing

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("maibo_part_up", "Whether this part of the service works.", labels=("part",))
        for part in self._parts():
            up.add_metric((part.part,), float(part.ok))
        yield up
        try:
            ingest, overflowing = self._ingest(), self._overflowing()
        except StoreError:
            return  # absent rather than wrong; the engine's part says that the store fails
        spans = CounterMetricFamily(
            "maibo_ingest_spans",
            "Spans, log records and data points drained into the store, by what became of them.",
            labels=("result",),
        )
        for result in ("counted", "ignored", "rejected", "skewed"):
            spans.add_metric((result,), getattr(ingest, result))
        yield spans
        bodies = CounterMetricFamily(
            "maibo_ingest_bodies", "Request bodies drained into the store.", labels=("duplicate",)
        )
        bodies.add_metric(("no",), ingest.bodies - ingest.duplicate_bodies)
        bodies.add_metric(("yes",), ingest.duplicate_bodies)
        yield bodies
        yield CounterMetricFamily(
            "maibo_ingest_overflowed_spans",
            "Spans, log records and data points counted under __overflow__ instead of their own dimensions, over a limit of series or journeys.",
            value=ingest.overflowed,
        )
        overflow = GaugeMetricFamily(
            "maibo_journey_overflow_events",
            "Events of the last hour under __overflow__, of the journeys with the most; a journey without any is absent.",
            labels=("journey",),
        )
        for journey, events in overflowing.items():
            overflow.add_metric((journey,), events)
        yield overflow


def _journeys(assessed: Iterable[Assessment]) -> Metric:
    info = GaugeMetricFamily("maibo_slo_journey_info", "Which journeys an SLO counts.", labels=("slo", "journey"))
    slos = {one.slo.name: one.slo for one in assessed if isinstance(one.slo, Slo)}
    for name, slo in sorted(slos.items()):
        for journey in sorted({indicator.total.journey for indicator in slo.indicators}):
            info.add_metric((name, journey), 1)
    return info


def _evaluation(snapshot: Snapshot, *, now: float) -> Iterator[Metric]:
    numbers = (
        ("timestamp_seconds", "When the engine last read the ledger, unix time.", snapshot.evaluated_at),
        (
            "age_seconds",
            "Time since the engine last read the ledger.",
            None if snapshot.evaluated_at is None else max(0.0, now - snapshot.evaluated_at),
        ),
        ("duration_seconds", "How long the engine's last tick took.", snapshot.duration_seconds),
        ("backlog", "Minutes of cells that wait to be counted.", snapshot.pending_minutes),
    )
    for name, text, value in numbers:
        family = GaugeMetricFamily(f"maibo_slo_evaluation_{name}", text)
        if value is not None:
            family.add_metric((), value)
        yield family


def _gauge(
    name: str, text: str, samples: Iterable[tuple[Sequence[str], float | None]], *, extra: str = ""
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=(*LABELS, extra) if extra else LABELS)
    for labels, value in samples:
        if value is not None:
            family.add_metric(labels, value)
    return family


def _labels(one: Assessment | Observed) -> tuple[str, str, str, str]:
    return one.slo.name, one.objective.name, one.slo.service, one.group
