"""Which events an indicator calls bad, read from cells: over time, and by what they have in common.

The same events as the engine counts: bad is what of `total` is not good, or what of `total` is named bad. Any tier answers for any window that it
holds, and its counts are exact, for outcomes and latencies are dimensions of cells.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from maibo.semconv import ABANDONED, FAILURE, SUCCESS
from maibo_slo.store.cells import covered, tier_of
from maibo_slo.store.past import Series, series_of
from maibo_slo.store.selection import CellFilter, Window, require_dimensions, where
from maibo_slo.store.tables import DIMENSIONS, TIERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.store.client import Store

BY: Final = ("service", "version", "tier", "region", "variant")
"""What bad events are told apart by."""
MINUTES: Final = TIERS[1]
"""The finest cells that reach far back."""
_NO_BIN: Final = 65_535


@dataclass(frozen=True, slots=True)
class Picked:
    """Some events of a journey or step."""

    outcomes: frozenset[str]
    last_bin: int | None = None
    """Bins up to this one: those that took at most so long; None: however long."""
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def condition(self, prefix: str) -> tuple[str, dict[str, Any]]:
        """On a table of cells; parameters' names begin with `prefix`. ValueError for an unknown dimension."""
        require_dimensions(list(self.where), known=DIMENSIONS)
        parts = [f"outcome IN {{{prefix}_outcomes:Array(String)}}"]
        values: dict[str, Any] = {f"{prefix}_outcomes": sorted(self.outcomes)}
        if self.last_bin is not None:
            parts.append(f"bin <= {{{prefix}_bin:UInt16}}")
            values[f"{prefix}_bin"] = self.last_bin
        for name, allowed in self.where.items():
            parts.append(f"{name} IN {{{prefix}_{name}:Array(String)}}")
            values[f"{prefix}_{name}"] = list(allowed)
        return f"({' AND '.join(parts)})", values


@dataclass(frozen=True, slots=True)
class Indicator:
    """What is counted, and which of it is good; or else which of it is bad."""

    journey: str
    step: str
    """'' = the journey as a whole."""
    total: Picked
    named: Picked | None
    """None: nothing of the total is."""
    names_good: bool = True

    def bad(self) -> tuple[str, dict[str, Any]]:
        """Condition on the events of the total."""
        if self.named is None:
            return ("1" if self.names_good else "0"), {}
        condition, values = self.named.condition("named")
        return (f"NOT {condition}" if self.names_good else condition), values


@dataclass(frozen=True, slots=True)
class Bad:
    """Bad events of a window, each in one of three kinds."""

    events: int
    """Good and bad."""
    failed: int
    slow: int
    """They succeeded, and were bad all the same."""
    abandoned: int
    by: Mapping[str, Mapping[str, int]]
    """Dimension of `BY` -> value -> bad events, which add up to all of them."""
    versions: Mapping[tuple[str, str], int]
    """(service, version) -> bad events."""

    @property
    def bad(self) -> int:
        return self.failed + self.slow + self.abandoned


@dataclass(frozen=True, slots=True)
class StepBad:
    """What went wrong in one version of one service that does a step."""

    step: str
    service: str
    version: str
    failed: int
    slow: int
    """Successes over the step's threshold; 0 where it has none."""


def bad_events(store: Store, window: Window, indicator: Indicator, *, now: int) -> Bad:
    """Of the window, widened to its tier's grid."""
    condition, parameters = _events(covered(window, now=now), indicator)
    bad, values = indicator.bad()
    keys = ", ".join(BY)
    rows = store.rows(
        f"SELECT outcome, {keys}, sumIf(n, {bad}) AS bads, sum(n) AS events FROM {tier_of(window, now=now).table} AS c "  # noqa: S608 -- fixed names
        f"WHERE {condition} GROUP BY outcome, {keys}",
        {**parameters, **values},
    )
    kinds = {FAILURE: 0, SUCCESS: 0, ABANDONED: 0}
    by: dict[str, dict[str, int]] = {name: {} for name in BY}
    versions: dict[tuple[str, str], int] = {}
    for outcome, *group, bads, _ in rows:
        n = int(bads)
        if not n:
            continue
        kinds[outcome] += n
        for name, value in zip(BY, group, strict=True):
            by[name][value] = by[name].get(value, 0) + n
        versions[group[0], group[1]] = versions.get((group[0], group[1]), 0) + n
    events = sum(int(row[-1]) for row in rows)
    return Bad(events, kinds[FAILURE], kinds[SUCCESS], kinds[ABANDONED], by, versions)


def bad_steps(
    store: Store,
    window: Window,
    journey: str,
    *,
    which: Mapping[str, Sequence[str]],
    last_bins: Mapping[str, int],
    now: int,
) -> list[StepBad]:
    """Failed and slow events of a journey's steps, by service and version; `last_bins`: step -> the last bin that is fast enough."""
    wide = covered(window, now=now)
    condition, parameters = where(wide, CellFilter(journey=journey, step=None, where=which))
    fast = (
        "transform(step, {steps:Array(String)}, {bins:Array(UInt16)}, toUInt16(65535))" if last_bins else str(_NO_BIN)
    )
    rows = store.rows(
        "SELECT step, service, version, sumIf(n, outcome = {failure:String}) AS failed, "  # noqa: S608 -- fixed names
        f"sumIf(n, outcome = {{success:String}} AND bin > {fast}) AS slow FROM {tier_of(wide, now=now).table} AS c "
        f"WHERE {condition} GROUP BY step, service, version HAVING failed + slow > 0 ORDER BY step, service, version",
        {
            **parameters,
            "failure": FAILURE,
            "success": SUCCESS,
            **({"steps": list(last_bins), "bins": list(last_bins.values())} if last_bins else {}),
        },
    )
    return [StepBad(step, service, version, int(failed), int(slow)) for step, service, version, failed, slow in rows]


def counted(store: Store, window: Window, indicator: Indicator) -> Series:
    """Good and bad events by the minute, which are kept for 35 days: what the engine would have counted. The window is on that grid."""
    condition, parameters = _events(window, indicator)
    bad, values = indicator.bad()
    return series_of(
        store.arrow(
            "SELECT toInt64(toUnixTimestamp(c.t)) AS at, "  # noqa: S608 -- fixed names
            f"toInt64(sumIf(n, NOT ({bad}))) AS goods, toInt64(sumIf(n, {bad})) AS bads FROM {MINUTES.table} AS c "
            f"WHERE {condition} GROUP BY at ORDER BY at",
            {**parameters, **values},
        )
    )


def _events(window: Window, indicator: Indicator) -> tuple[str, dict[str, Any]]:
    """The condition that selects the total, good or bad."""
    condition, parameters = where(window, CellFilter(journey=indicator.journey, step=indicator.step))
    total, values = indicator.total.condition("total")
    return f"{condition} AND {total}", {**parameters, **values}
