"""What the cells know beside an objective's counts: how slow it was, what failed, which versions are new.

An alert says what customers feel; burn rates do not. Asked when an alert fires, and once a minute while it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_alerting.wording import Change
from maibo_slo.documents import COMPOSITE, Sli, Slo
from maibo_slo.engine.groups import group_values
from maibo_slo.store import cells
from maibo_slo.store.cells import CellFilter, Distribution, Window
from maibo_slo.store.histogram import last_bin_within

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from maibo_slo.documents import CellSelector
    from maibo_slo.engine.state import Observed
    from maibo_slo.store import Store

MINUTE: Final = 60
HOUR: Final = 3600
BEFORE_SECONDS: Final = HOUR
"""A version that appeared so long before the trouble, or ..."""
AFTER_SECONDS: Final = 600
"""... so long after it began to be seen, is told."""
KNOWN_SECONDS: Final = 3 * HOUR
"""A version that had events in so long a time before that is not new."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """None: not known."""

    total: int | None = None
    bad: int | None = None
    p99_seconds: float | None = None
    changes: tuple[Change, ...] = ()


def indicator(observed: Observed) -> Sli | None:
    """What of cells the objective counts; None where it counts none, or several."""
    slo = observed.slo
    if not isinstance(slo, Slo) or (slo.is_composite and observed.objective.name == COMPOSITE):
        return None
    found = observed.objective.indicator or slo.indicator
    return found if isinstance(found, Sli) else None


def circumstances(store: Store, sli: Sli, group: str, *, over_seconds: int, since: float, now: float) -> Circumstances:
    """Of the last `over_seconds` up to `now`; changes around `since`. StoreError."""
    where = _where(sli, group)
    end = int(now) // MINUTE * MINUTE + MINUTE
    which = CellFilter(sli.total.journey, sli.total.step, where)
    found = Distribution.of(cells.distributions(store, Window(end - over_seconds, end), which, now=int(now)))
    total, bad = _counted(found, sli)
    p99 = found.histogram().quantile(0.99)
    return Circumstances(
        total=total,
        bad=bad,
        p99_seconds=None if p99 is None else p99 / 1e6,
        changes=tuple(dict.fromkeys(_versions(store, sli.total.journey, where, since=since, now=now))),
    )


def _where(sli: Sli, group: str) -> dict[str, Sequence[str]]:
    return {**sli.total.where, **{dimension: (value,) for dimension, value in group_values(group).items()}}


def _counted(found: Distribution, sli: Sli) -> tuple[int | None, int | None]:
    """Events of the indicator and bad ones; unknown where good ones are told by more than outcome and duration."""
    named = sli.bad if sli.good is None else sli.good
    if named is None or named.where not in ({}, sli.total.where):
        return None, None
    of_total, of_named = _within(found, sli.total), _within(found, named)
    total = sum(of_total.values())
    both = sum(min(count, of_total.get(outcome, 0)) for outcome, count in of_named.items())
    return total, both if sli.good is None else total - both


def _within(found: Distribution, selector: CellSelector) -> Mapping[str, int]:
    """Events by outcome."""
    last = None if selector.max_duration_us is None else last_bin_within(selector.max_duration_us) + 1
    return {
        outcome: int(counts[:last].sum()) for outcome, counts in found.outcomes.items() if outcome in selector.outcomes
    }


def _versions(
    store: Store, journey: str, where: Mapping[str, Sequence[str]], *, since: float, now: float
) -> Iterator[Change]:
    """Versions of the journey's services that had their first event around `since`, where another one came before."""
    begin = (int(since) - BEFORE_SECONDS) // MINUTE * MINUTE
    end = min(int(now), int(since) + AFTER_SECONDS) // MINUTE * MINUTE + MINUTE
    among = {dimension: values for dimension, values in where.items() if dimension not in ("service", "version")}
    for step in ("", None):  # services that end the journey, and those that do its steps
        known = _events(store, Window(begin - KNOWN_SECONDS, begin), CellFilter(journey, step, among), now=now)
        for service, versions in _events(store, Window(begin, end), CellFilter(journey, step, among), now=now).items():
            before = known.get(service, {})
            for version in sorted(versions.keys() - before.keys()) if before and service else ():
                which = CellFilter(journey, step, {**among, "service": (service,), "version": (version,)})
                slices = cells.series(store, Window(begin, end), which, slice_seconds=MINUTE, now=int(now))
                if version and slices:
                    usual = max(before, key=before.__getitem__)
                    yield Change(float(slices[0].t), "version", service, usual, version)


def _events(store: Store, window: Window, which: CellFilter, *, now: float) -> dict[str, dict[str, int]]:
    """By service and version."""
    found: dict[str, dict[str, int]] = {}
    for one in cells.distributions(store, window, which, by=("service", "version"), now=int(now)):
        service, version = one.group
        found.setdefault(service, {})[version] = sum(one.events().values())
    return found
