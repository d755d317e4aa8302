"""Scaling on ``/metrics``: the signals, and how old they are.

Of a signal that is stale or refused only its bounds, an override, its age and that it is stale remain: an old number of replicas must not look like a
new one, and a missing series makes a query empty. Of one that nothing was heard of since the start there is no age. Names of namespaces are in ``target_namespace``: Prometheus would replace a label
``namespace`` with that of maibo's own pod.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from maibo_slo.engine.scaling.signal import Refusal, ScalingSignal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from maibo_slo.signals.reading import Reader, Standing

FACE: Final = "prometheus"
LABELS: Final = ("target_namespace", "target")
FORECAST_LEVELS: Final = (0.1, 0.5, 0.9)

_FRESH: Final[Sequence[tuple[str, str, Callable[[ScalingSignal], float | None]]]] = (
    ("desired_replicas", "Replicas that the workload should have.", lambda one: one.desired_replicas),
    ("lower_replicas", "The fewest that demand and capacity, as uncertain as they are, allow.", lambda one: one.lower),
    ("upper_replicas", "The most that demand and capacity, as uncertain as they are, allow.", lambda one: one.upper),
    (
        "demand_calls_per_second",
        "Calls that the workload gets.",
        lambda one: None if one.inputs.demand is None else one.inputs.demand.rate,
    ),
    (
        "capacity_calls_per_second",
        "Calls that one ready replica carries while the SLOs hold, as planned with.",
        lambda one: None if one.inputs.capacity is None else one.inputs.capacity.per_replica,
    ),
    (
        "ready_replicas",
        "Pods that serve, as the recorder saw them.",
        lambda one: None if one.inputs.replicas is None else one.inputs.replicas.ready,
    ),
    (
        "wanted_replicas",
        "spec.replicas, as the recorder saw it.",
        lambda one: None if one.inputs.replicas is None else one.inputs.replicas.wanted,
    ),
)
_LASTING: Final[Sequence[tuple[str, str, Callable[[ScalingSignal | Refusal], float | None]]]] = (
    ("min_replicas", "Lower bound in force, an override's among them.", lambda one: one.least),
    ("max_replicas", "Upper bound in force, an override's among them.", lambda one: one.most),
    ("override", "1 while a person's override is in force, else 0.", lambda one: _overridden(one)),  # noqa: PLW0108 -- it is defined below
)


class ScalingCollector(Collector):
    """Every target of the engine's last tick."""

    def __init__(
        self, reader: Reader, answered: Callable[[str, str, int | None, str, str], None] = lambda *_: None
    ) -> None:
        self._reader = reader
        self._answered = answered

    def collect(self) -> Iterable[Metric]:
        standings = self._reader.standings()
        for one in standings:
            signal = one.found if isinstance(one.found, ScalingSignal) and not one.refused else None
            self._answered(
                one.namespace, one.target, None if signal is None else signal.desired_replicas, one.refused, FACE
            )
        fresh = [(one, one.found) for one in standings if isinstance(one.found, ScalingSignal) and not one.refused]
        for name, text, number in _FRESH:
            yield _gauge(name, text, ((_labels(one), number(found)) for one, found in fresh))
        for name, text, lasting in _LASTING:
            yield _gauge(name, text, ((_labels(one), lasting(one.found)) for one in standings))
        yield _gauge(
            "wish_replicas",
            "What each of the wishes asks for, of which the highest counts; without a say it is absent.",
            (((*_labels(one), wish.kind), wish.replicas) for one, found in fresh for wish in found.decision.wishes),
            extra=("kind",),
        )
        yield _gauge(
            "forecast_calls_per_second",
            "Calls that the workload is forecast to get a lead time from now, by quantile; acted upon or not.",
            (((*_labels(one), str(level)), rate) for one, found in fresh for level, rate in _forecast(found)),
            extra=("quantile",),
        )
        yield _gauge(
            "signal_age_seconds",
            "Time since the newest events that the signal follows, or followed.",
            ((_labels(one), one.age_seconds) for one in standings),
        )
        yield _gauge(
            "signal_stale",
            "1 where there is no signal to act upon (too old, or refused), else 0.",
            ((_labels(one), float(bool(one.refused))) for one in standings),
        )


def _gauge(
    name: str, text: str, samples: Iterable[tuple[Sequence[str], float | None]], *, extra: Sequence[str] = ()
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"maibo_scaling_{name}", text, labels=(*LABELS, *extra))
    for labels, value in samples:
        if value is not None:
            family.add_metric(labels, value)
    return family


def _forecast(found: ScalingSignal) -> Iterator[tuple[float, float]]:
    forecast = found.inputs.forecast
    if forecast is not None and forecast.quantiles:
        yield from ((level, forecast.quantile(level)) for level in FORECAST_LEVELS)


def _overridden(found: ScalingSignal | Refusal) -> float | None:
    if isinstance(found, ScalingSignal):
        return float(found.override is not None)
    return None if found.inputs is None else float(found.inputs.override is not None)


def _labels(one: Standing) -> tuple[str, str]:
    return one.namespace, one.target
