"""What a rule about one SLO must know of the others, gathered once: a catalogue may have thousands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo_slo.documents import PromSlo, ScaleupSlo, Slo

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from maibo_slo.documents import Catalogue, CellSelector, FedSlo


@dataclass(frozen=True, slots=True)
class Others:
    """A catalogue, and what follows from all of it."""

    catalogue: Catalogue
    twins: Mapping[str, str]
    """SLO -> the first by name that promises the same."""
    whole: frozenset[str]
    """Journeys of which some SLO counts the journey as a whole."""


def others(catalogue: Catalogue) -> Others:
    slos = catalogue.every_slo
    first: dict[Hashable, str] = {}
    twins = {}
    for name in sorted(slos):
        original = first.setdefault(_promise(slos[name]), name)
        if original != name:
            twins[name] = original
    totals = (indicator.total for slo in catalogue.slos.values() for indicator in slo.indicators)
    return Others(catalogue, twins, frozenset(total.journey for total in totals if not total.step))


def _promise(slo: Slo | FedSlo) -> Hashable:
    """What an SLO promises, apart from its names."""
    targets = tuple(
        sorted((each.target, each.slice_seconds, each.slice_target or 0, each.weight) for each in slo.objectives)
    )
    promised = (slo.window_seconds, slo.calendar, slo.method, frozenset(slo.group_by), targets)
    if isinstance(slo, Slo):
        indicators = ((one.total, one.good, one.bad) for one in slo.indicators)
        return tuple(tuple(_counted(part) for part in parts) for parts in indicators), *promised
    if isinstance(slo, PromSlo):
        return slo.total, slo.good, slo.bad, slo.data_source and slo.data_source.name, *promised
    if isinstance(slo, ScaleupSlo):
        counted = slo.indicator
        return frozenset(counted.workloads), counted.within_seconds, counted.begin, counted.until, *promised
    raise TypeError(f"nothing is known of what SLO {slo.name!r} counts")


def _counted(selector: CellSelector | None) -> Hashable:
    if selector is None:
        return None
    where = frozenset((dimension, frozenset(values)) for dimension, values in selector.where.items())
    return selector.journey, selector.step, selector.outcomes, selector.max_duration_us, where
