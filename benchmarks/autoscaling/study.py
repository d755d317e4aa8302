"""All strategies on all traces: what each came to, how it compares with the stock HPA, and whether the goals are met."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from benchmarks.autoscaling.bootstrap import Difference, difference
from benchmarks.autoscaling.figures import Figures, figures
from benchmarks.autoscaling.ours import COLD_SECONDS
from benchmarks.autoscaling.replay import Outcome, replay
from benchmarks.autoscaling.settings import MISSED_BUDGET, mean_rate, setting_of
from benchmarks.autoscaling.strategies import OURS, STOCK, TIGHT
from benchmarks.autoscaling.traces import DAY, Trace, Window, windows
from benchmarks.autoscaling.world import Named, Unsuited

from maibo_slo.engine.scaling.pool import growth

if TYPE_CHECKING:
    from benchmarks.autoscaling.cluster import Room
    from benchmarks.autoscaling.service import Law

GOAL_UTILISATION: Final = 0.65
GOAL_SECONDS: Final = 5.0
GROWTH_LEVEL: Final = 0.99
UTILISED: Final = "> 65 % utilisation, 99.5 % within the SLO"


@dataclass(frozen=True, slots=True)
class Compared:
    """With the stock HPA, on the same arrivals."""

    missed: Difference
    """Requests."""
    paid_hours: Difference
    """Pod-hours, the burst pool's among them."""


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    figures: Figures | None
    unsuited: str = ""
    compared: Compared | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """What this trace's growth leaves of a replica's capacity."""

    safe_load: float
    """Share of it at which the SLO holds."""
    growth_warm: float
    """P99 of growth over a minute, of busy minutes: what a start on warm room must be ahead of."""
    growth_cold: float
    """The same over the lead time of a start that needs a node."""

    @property
    def warm(self) -> float:
        return self.safe_load / self.growth_warm

    @property
    def cold(self) -> float:
        return self.safe_load / self.growth_cold


@dataclass(frozen=True, slots=True)
class Studied:
    trace: str
    windows: tuple[Window, ...]
    days: float
    """Of the whole trace."""
    reach: Reach
    rows: tuple[Row, ...]
    outcomes: Mapping[str, tuple[Outcome, ...]]
    """By strategy, of each window."""

    def row(self, name: str) -> Row | None:
        return next((row for row in self.rows if row.name == name and row.figures is not None), None)


@dataclass(frozen=True, slots=True)
class Goal:
    trace: str
    strategy: str
    what: str
    met: bool | None
    """None: not decided, the difference may be chance."""
    told: str


def study(
    trace: Trace,
    chosen: Sequence[Named],
    *,
    law: Law,
    room: Room,
    seed: int,
    days: int | None,
    progress: Callable[[str], None],
) -> Studied:
    scaled = trace.scaled(mean_rate(law))
    replayed = tuple(windows(scaled, days))
    outcomes: dict[str, list[Outcome]] = {each.name: [] for each in chosen}
    unsuited: dict[str, str] = {}
    for number, window in enumerate(replayed, 1):
        setting = setting_of(scaled, window, law, seed=seed)
        for each in chosen:
            if each.name in unsuited:
                continue
            progress(f"{trace.name}, {number} of {len(replayed)}: {each.name}")
            try:
                outcomes[each.name].append(replay(setting, each.make(setting), room=room, seed=seed))
            except Unsuited as reason:
                unsuited[each.name] = str(reason)
    found = {name: tuple(each) for name, each in outcomes.items() if name not in unsuited}
    return Studied(
        trace.name,
        replayed,
        trace.seconds / DAY,
        reach_of(scaled, law.highest_load(MISSED_BUDGET)),
        tuple(_row(each.name, found, unsuited, seed) for each in chosen),
        found,
    )


def _row(name: str, outcomes: Mapping[str, tuple[Outcome, ...]], unsuited: Mapping[str, str], seed: int) -> Row:
    if name in unsuited:
        return Row(name, None, unsuited[name])
    stock = outcomes.get(STOCK)
    if stock is None or name == STOCK:
        return Row(name, figures(outcomes[name]))
    missed = difference([each.missed for each in outcomes[name]], [each.missed for each in stock], seed=seed)
    hours = difference(
        [(each.pods + each.pool) / 3600 for each in outcomes[name]],
        [(each.pods + each.pool) / 3600 for each in stock],
        seed=seed,
    )
    return Row(name, figures(outcomes[name]), compared=Compared(missed, hours))


def reach_of(trace: Trace, safe_load: float) -> Reach:
    """By the whole trace: how much it grows, not when."""
    minutes = trace.by_minute(trace.end, trace.seconds // 60)
    middles = np.arange(len(minutes)) * 60 // trace.step_seconds
    minutes = np.where(trace.known[np.minimum(middles.astype(int), len(trace.known) - 1)], minutes, np.nan)
    return Reach(safe_load, growth(minutes, 60, GROWTH_LEVEL), growth(minutes, COLD_SECONDS, GROWTH_LEVEL))


def goals(studied: Studied) -> list[Goal]:
    """For each of maibo's strategies: fewer misses for no more pod-hours; for the fullest, quick scale-ups; and how much can be utilised."""
    found: list[Goal] = []
    for name in OURS:
        row = studied.row(name)
        if row is not None and row.figures is not None and row.compared is not None:
            found += [
                _fewer(studied.trace, row.name, row.figures, row.compared),
                _no_more(studied.trace, row.name, row.compared),
            ]
    full = studied.row(list(OURS)[-1])
    if full is not None and full.figures is not None:
        found.append(_quick(studied.trace, full.name, full.figures))
    return [*found, *_utilised(studied)]


def _fewer(trace: str, name: str, of: Figures, compared: Compared) -> Goal:
    each = compared.missed
    per = 100 / of.calls
    told = f"{per * each.total:+.4f} % of requests [{per * each.lower:+.4f}, {per * each.upper:+.4f}]"
    met = True if each.is_less else False if each.is_more else None
    return Goal(trace, name, "fewer misses than the HPA at 65 %", met, told)


def _no_more(trace: str, name: str, compared: Compared) -> Goal:
    each = compared.paid_hours
    told = f"{each.total:+.1f} pod-hours [{each.lower:+.1f}, {each.upper:+.1f}]"
    met = True if each.total <= 0 else False if each.is_more else None
    return Goal(trace, name, "no more pod-hours, pool included", met, told)


def _quick(trace: str, name: str, of: Figures) -> Goal:
    p90 = of.scale_up_seconds[1]
    if p90 is None:
        return Goal(trace, name, "scale-up P90 < 5 s", None, f"of {of.scale_ups} scale-ups too few came to their end")
    return Goal(trace, name, "scale-up P90 < 5 s", p90 < GOAL_SECONDS, f"{p90:.2f} s, of {of.scale_ups} scale-ups")


def _utilised(studied: Studied) -> list[Goal]:
    """By the one of maibo's that utilises most of those that hold the SLO."""
    rows = [studied.row(name) for name in (*OURS, TIGHT)]
    every = [(row.figures.utilisation, row) for row in rows if row is not None and row.figures is not None]
    if not every:
        return []
    holding = [
        (used, row) for used, row in every if row.figures is not None and row.figures.missed_share <= MISSED_BUDGET
    ]
    reach = studied.reach
    allowed = (
        f"growth (P99) of {reach.growth_warm:.2f} in a minute allows {reach.warm:.0%} with warm room, "
        f"{reach.growth_cold:.2f} in {COLD_SECONDS} s {reach.cold:.0%} without"
    )
    if not holding:
        return [Goal(studied.trace, "-", UTILISED, False, f"none of maibo's holds the SLO; {allowed}")]
    used, best = max(holding, key=lambda each: each[0])
    assert best.figures is not None
    told = f"{used:.1%}, {best.figures.missed_share:.3%} over the SLO; {allowed}"
    return [Goal(studied.trace, best.name, UTILISED, used > GOAL_UTILISATION, told)]
