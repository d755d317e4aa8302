"""
Objectives as the page shows them: state, error budget, burn rates. The engine's rules decide every colour.

What is left of a budget is the projected number, the one that the engine's state goes by: with traffic as it is and nothing more
going wrong. Once an SLO's whole window has been observed, it is the observed number.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from maibo_slo.engine.burn import BURN_WINDOWS, MIN_BAD_EVENTS, Counts, Pair, fast_pairs, reached, slow_pair
from maibo_slo.service.pages import charts, units
from maibo_slo.service.pages.links import journey_href, slo_href

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.service.answers import BurnRate, ObjectiveAnswer, SloAnswer

CHIPS = ("5m", "1h", "6h", "3d")
TOO_FEW = "too few bad events to judge"
NAMES: Mapping[int, str] = {seconds: name for name, seconds in BURN_WINDOWS.items()}


@dataclass(frozen=True, slots=True)
class State:
    """What a state of an objective is called, which icon and colour it has, and how bad it is."""

    word: str
    icon: str
    tone: str
    rank: int
    meaning: str


STATES: Mapping[str, State] = {
    "exhausted": State("Exhausted", "cross", "bad", 0, "the error budget is spent"),
    "burning_fast": State(
        "Burning fast", "fast", "bad", 1, "the error budget is being spent so fast that someone should act now"
    ),
    "burning": State("Burning", "up", "warn", 2, "the error budget is being spent faster than it lasts"),
    "stale": State("Stale", "clock", "warn", 3, "there was data, but none of late"),
    "no_data": State("No data", "none", "quiet", 4, "nothing has been observed yet: neither good nor bad"),
    "ok": State("OK", "check", "good", 5, "the error budget lasts"),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One of the engine's rules over a pair of windows, and what it says now."""

    state: State
    pair: Pair
    reached: bool
    suppressed: bool
    """Both windows burn above the factor, but with too few bad events to mean something."""

    @property
    def windows(self) -> tuple[str, str]:
        """The pair by name, the long window first."""
        return NAMES[self.pair.long_seconds], NAMES[self.pair.short_seconds]

    @property
    def verdict(self) -> str:
        """In words."""
        return "reached" if self.reached else f"{TOO_FEW} (fewer than {MIN_BAD_EVENTS})" if self.suppressed else "no"


@dataclass(frozen=True, slots=True)
class Chip:
    """A burn rate over one window, coloured by the worst rule that its window is part of and that is reached."""

    burn: BurnRate
    tone: str
    rank: int
    lasts: str
    """How long a whole budget would last at this pace."""
    words: str
    """All of it, for those who cannot see or point."""


@dataclass(frozen=True, slots=True)
class ObjectiveRow:
    """One objective of one SLO."""

    slo: SloAnswer
    objective: ObjectiveAnswer
    href: str
    state: State
    left: float | None
    """What is left of the budget, projected."""
    bar: charts.BudgetBar
    rules: tuple[Rule, ...]
    chips: tuple[Chip, ...]

    @property
    def name(self) -> str:
        """The SLO's name, and the objective's where there are several."""
        title = self.slo.display_name or self.slo.name
        return title if len(self.slo.objectives) == 1 else f"{title} \u00b7 {self.objective.name}"

    @property
    def suppressed(self) -> bool:
        """Called OK for want of bad events only."""
        return self.state is STATES["ok"] and any(rule.suppressed for rule in self.rules)

    @property
    def meaning(self) -> str:
        """What the state means, here."""
        return TOO_FEW if self.suppressed else self.state.meaning

    @property
    def projected(self) -> bool:
        """The observed number is another one than `left`."""
        return self.left != self.objective.budget_remaining

    @property
    def overview_chips(self) -> tuple[Chip, ...]:
        """Short to long; the SLO's own page has every window."""
        return tuple(chip for chip in self.chips if chip.burn.window in CHIPS)

    @property
    def worst_chip(self) -> Chip | None:
        """The one to show where there is room for one."""
        return min(self.overview_chips, key=lambda chip: (chip.rank, -(chip.burn.burn_rate or 0)), default=None)


@dataclass(frozen=True, slots=True)
class SloPage:
    """The page at /slos/{name}."""

    now: datetime
    slo: SloAnswer
    objectives: tuple[ObjectiveRow, ...]
    journey_href: str | None


def objective_rows(slos: Sequence[SloAnswer], *, base: str) -> tuple[ObjectiveRow, ...]:
    """Every objective, worst first, then by name."""
    rows = [_row(slo, objective, base=base) for slo in slos for objective in slo.objectives]
    return tuple(sorted(rows, key=lambda row: (row.state.rank, row.name.casefold())))


def slo_page(slo: SloAnswer, *, now: float, base: str, window: str) -> SloPage:
    """One SLO and its objectives, as the document orders them."""
    return SloPage(
        now=datetime.fromtimestamp(now, UTC),
        slo=slo,
        objectives=tuple(_row(slo, objective, base=base) for objective in slo.objectives),
        journey_href=journey_href(slo.journey, base=base, window=window) if slo.journey else None,
    )


def _row(slo: SloAnswer, objective: ObjectiveAnswer, *, base: str) -> ObjectiveRow:
    rules = tuple(_rules(slo, objective))
    left = objective.budget_remaining_projected
    return ObjectiveRow(
        slo=slo,
        objective=objective,
        href=slo_href(slo.name, base=base),
        state=STATES.get(objective.state) or State(objective.state, "none", "quiet", 6, objective.state),
        left=left,
        bar=charts.budget_bar(left),
        rules=rules,
        chips=tuple(_chip(burn, rules, slo) for burn in objective.burn_rates),
    )


def _rules(slo: SloAnswer, objective: ObjectiveAnswer) -> list[Rule]:
    counts = {burn.window_seconds: Counts(burn.good, burn.bad, 0) for burn in objective.burn_rates}
    rates = {burn.window_seconds: burn.burn_rate or 0 for burn in objective.burn_rates}
    fast = fast_pairs(slo.window_seconds, target=objective.target)
    rules = []
    for state, pair in (*((STATES["burning_fast"], pair) for pair in fast), (STATES["burning"], slow_pair())):
        is_reached = reached(pair, counts, target=objective.target)
        above = all(rates.get(seconds, 0) > pair.factor for seconds in (pair.long_seconds, pair.short_seconds))
        rules.append(Rule(state, pair, is_reached, suppressed=above and not is_reached))
    return rules


def _chip(burn: BurnRate, rules: Sequence[Rule], slo: SloAnswer) -> Chip:
    if burn.burn_rate is None:
        return Chip(burn, "quiet", STATES["no_data"].rank, units.NO_DATA, f"no data in the last {burn.window}")
    lasts = f"more than {slo.window}"
    if burn.burn_rate > 1:
        lasts = units.period(slo.window_seconds / burn.burn_rate)
    mine = [rule for rule in rules if burn.window_seconds in {rule.pair.long_seconds, rule.pair.short_seconds}]
    state = next((rule.state for rule in mine if rule.reached), STATES["ok"])  # the worst rule comes first
    events = f"{units.count(burn.bad)} bad of {units.count(burn.good + burn.bad)} in the last {burn.window}"
    judged = f"; {TOO_FEW}" if any(rule.suppressed for rule in mine) and state is STATES["ok"] else ""
    words = f"{events}; at this pace a whole budget of {slo.window} lasts {lasts}{judged}"
    return Chip(burn, state.tone, state.rank, lasts, words)
