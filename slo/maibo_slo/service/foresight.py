"""What the forecaster has in memory of the targets in force: forecasts and burst pools are told from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import HTTPException

from maibo_slo.problems import near
from maibo_slo.service.answers import Span
from maibo_slo.service.flows import utc

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from maibo_slo.documents import Catalogue
    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.engine.forecasting import Forecaster, Gate
    from maibo_slo.engine.scaling.inputs import Forecast, Lead


@dataclass(frozen=True, slots=True)
class Known:
    """Of one target; None before the first round."""

    forecast: Forecast | None = None
    gate: Gate | None = None
    lead: Lead | None = None
    refill: Lead | None = None
    history: NDArray[np.float64] | None = None


def known_of(forecaster: Forecaster | None, target: ScalingTarget, now: float) -> Known:
    """What it is as of now."""
    if forecaster is None:
        return Known()
    key = (target.workload.namespace, target.name)
    return Known(
        forecaster.forecast(*key, now=now),
        forecaster.gate(*key),
        forecaster.lead(*key),
        forecaster.refill(*key),
        forecaster.history(*key),
    )


def targets_of(documents: Catalogue) -> Iterable[ScalingTarget]:
    """All that are in force, by namespace and name."""
    return sorted(documents.scaling_targets.values(), key=lambda each: (each.workload.namespace, each.name))


def target_of(documents: Catalogue, namespace: str, name: str) -> ScalingTarget:
    """The one of this name; a 404 that names the nearest where there is none."""
    found = documents.scaling_targets.get(name)
    if found is None or found.workload.namespace != namespace:
        known = {f"{each.workload.namespace}/{each.name}" for each in documents.scaling_targets.values()}
        raise HTTPException(
            404, f"no ScalingTarget {name!r} is in force in namespace {namespace!r}{near(f'{namespace}/{name}', known)}"
        )
    return found


def without(target: ScalingTarget) -> str:
    """Why there is no forecast at all."""
    return "no forecast was made yet" if target.forecast.enabled else "its forecast is switched off in the document"


def span(begin: int, end: int) -> Span:
    """[begin, end), unix s."""
    return Span(begin=utc(begin), end=utc(end), seconds=end - begin)
