"""All strategies on all traces: what each came to, how it compares with the stock HPA, and whether the goals are met."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
from benchmarks.autoscaling.bootstrap import Difference, difference
from benchmarks.autoscaling.figures import Figures, figures
from benchmarks.autoscaling.replay import Outcome, replay
from benchmarks.autoscaling.service import Law, Service
from benchmarks.autoscaling.settings import MISSED_BUDGET, mean_rate, setting_of
from benchmarks.autoscaling.startup import COLD_SECONDS
from benchmarks.autoscaling.strategies import FULLEST, OURS, PODS, STOCK, TIGHT
from benchmarks.autoscaling.traces import DAY, Trace, Window, windows
from benchmarks.autoscaling.world import Named, Unsuited

from maibo_slo.engine.scaling.pool import growth

if TYPE_CHECKING:
    from benchmarks.autoscaling.cluster import Room
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

GOAL_UTILISATION: Final = 0.65
GOAL_SECONDS: Final = 5.0
GROWTH_LEVEL: Final = 0.99
NO_MORE: Final = "no more pod-hours"
UTILISED: Final = "> 65 % utilisation, 99.5 % within the SLO"


@dataclass(frozen=True, slots=True)
class Task:
    """One window of a trace, scaled, for all strategies."""

    trace: Trace
    window: Window
    chosen: tuple[Named, ...]
    service: Service
    room: Room
    seed: int


@dataclass(frozen=True, slots=True)
class Compared:
    """With the stock HPA, on the same arrivals."""

    missed: Difference
    """Requests."""
    pod_hours: Difference
    paid_hours: Difference
    """Pod-hours, with the room that the burst pool held."""


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


def tasks(
    trace: Trace,
    chosen: Sequence[Named],
    *,
    service: Service,
    room: Room,
    seed: int,
    days: int | None,
    held_out: int = 0,
) -> list[Task]:
    """Of a trace; [] where no day of it is left. `days`, `held_out`: as of `windows`."""
    scaled = trace.scaled(mean_rate(service))
    found = windows(scaled, days, held_out=held_out)
    return [Task(scaled, window, tuple(chosen), service, room, seed) for window in found]


def replay_all(task: Task, tell: Callable[[str], None] = lambda _: None) -> dict[str, Outcome | Unsuited]:
    """By strategy; `tell` is told each before it is replayed. Needs nothing but the task, so that any process may do it."""
    setting = setting_of(task.trace, task.window, _law(task.service), seed=task.seed)
    found: dict[str, Outcome | Unsuited] = {}
    for number, each in enumerate(task.chosen, 1):
        tell(f"{task.trace.name}, {task.window}: {each.name} ({number} of {len(task.chosen)})")
        try:
            found[each.name] = replay(setting, each.make(setting), room=task.room, seed=task.seed)
        except Unsuited as reason:
            found[each.name] = reason
    return found


@cache
def _law(service: Service) -> Law:
    """Its matrices are kept from one window to the next."""
    return Law(service)


def study(done: Sequence[Task], replayed: Sequence[Mapping[str, Outcome | Unsuited]]) -> Studied:
    """Of all windows of one trace."""
    trace, service, seed = done[0].trace, done[0].service, done[0].seed
    unsuited: dict[str, str] = {}
    found: dict[str, tuple[Outcome, ...]] = {}
    for name in (each.name for each in done[0].chosen):
        outcomes = [each[name] for each in replayed]
        reasons = [str(each) for each in outcomes if isinstance(each, Unsuited)]
        if reasons:
            unsuited[name] = reasons[0]
        else:
            found[name] = tuple(each for each in outcomes if isinstance(each, Outcome))
    return Studied(
        trace.name,
        tuple(each.window for each in done),
        trace.seconds / DAY,
        reach_of(trace, _law(service).highest_load(MISSED_BUDGET)),
        tuple(_row(each.name, found, unsuited, seed) for each in done[0].chosen),
        found,
    )


def _row(name: str, outcomes: Mapping[str, tuple[Outcome, ...]], unsuited: Mapping[str, str], seed: int) -> Row:
    if name in unsuited:
        return Row(name, None, unsuited[name])
    stock = outcomes.get(STOCK)
    if stock is None or name == STOCK:
        return Row(name, figures(outcomes[name]))
    missed = difference([each.missed for each in outcomes[name]], [each.missed for each in stock], seed=seed)
    pods, paid = (
        difference([of(each) / 3600 for each in outcomes[name]], [of(each) / 3600 for each in stock], seed=seed)
        for of in (_pods, _paid)
    )
    return Row(name, figures(outcomes[name]), compared=Compared(missed, pods, paid))


def _pods(outcome: Outcome) -> Vector:
    return outcome.pods


def _paid(outcome: Outcome) -> Vector:
    return outcome.pods + outcome.pool


def reach_of(trace: Trace, safe_load: float) -> Reach:
    """By the whole trace: how much it grows, not when."""
    minutes = trace.by_minute(trace.end, trace.seconds // 60)
    middles = np.arange(len(minutes)) * 60 // trace.step_seconds
    minutes = np.where(trace.known[np.minimum(middles.astype(int), len(trace.known) - 1)], minutes, np.nan)
    return Reach(safe_load, growth(minutes, 60, GROWTH_LEVEL), growth(minutes, COLD_SECONDS, GROWTH_LEVEL))


def goals(studied: Studied) -> list[Goal]:
    """For each of maibo's strategies: fewer misses for no more pod-hours; for the fullest, quick scale-ups; and how much can be utilised."""
    found: list[Goal] = []
    for name in (*OURS, PODS):
        row = studied.row(name)
        if row is None or row.figures is None or row.compared is None:
            continue
        found.append(_fewer(studied.trace, name, row.figures, row.compared))
        found.append(_no_more(studied.trace, name, NO_MORE, row.compared.pod_hours))
        if row.figures.pool_hours:
            found.append(_no_more(studied.trace, name, f"{NO_MORE}, pool included", row.compared.paid_hours))
    full = [studied.row(name) for name in (FULLEST, PODS)]
    found += [
        _quick(studied.trace, row.name, row.figures) for row in full if row is not None and row.figures is not None
    ]
    return [*found, *_utilised(studied)]


def _fewer(trace: str, name: str, of: Figures, compared: Compared) -> Goal:
    each = compared.missed
    per = 100 / of.calls
    told = f"{per * each.total:+.4f} % of requests [{per * each.lower:+.4f}, {per * each.upper:+.4f}]"
    met = True if each.is_less else False if each.is_more else None
    return Goal(trace, name, "fewer misses than the HPA at 65 %", met, told)


def _no_more(trace: str, name: str, what: str, each: Difference) -> Goal:
    told = f"{each.total:+.1f} pod-hours [{each.lower:+.1f}, {each.upper:+.1f}]"
    met = True if each.total <= 0 else False if each.is_more else None
    return Goal(trace, name, what, met, told)


def _quick(trace: str, name: str, of: Figures) -> Goal:
    p90 = of.scale_up_seconds[1]
    if p90 is None:
        return Goal(trace, name, "scale-up P90 < 5 s", None, f"of {of.scale_ups} scale-ups too few came to their end")
    told = f"{p90:.2f} s, of {of.scale_ups} scale-ups"
    if p90 >= GOAL_SECONDS:
        told += (
            f"; nine in ten asked for up to {of.room:.0f} pods within {COLD_SECONDS} s: "
            f"so much room at all times would be {of.room_share:+.0%} pod-hours"
        )
    return Goal(trace, name, "scale-up P90 < 5 s", p90 < GOAL_SECONDS, told)


def _utilised(studied: Studied) -> list[Goal]:
    """By the one of maibo's that utilises most of those that hold the SLO."""
    rows = [studied.row(name) for name in (*OURS, PODS, TIGHT)]
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
