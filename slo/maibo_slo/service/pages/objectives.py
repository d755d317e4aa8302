"""
Objectives as the page shows them: state, error budget, burn rates. The engine's rules decide every colour.

What is left of a budget is the projected number, the one that the engine's state goes by: with traffic as it is and nothing more
going wrong. Once an SLO's whole window has been observed, it is the observed number.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from maibo_slo.engine.burn import BURN_WINDOWS
from maibo_slo.service.answers import HELD_BACK
from maibo_slo.service.pages import charts, units, words
from maibo_slo.service.pages.language import gettext, marked
from maibo_slo.service.pages.links import slo_href
from maibo_slo.service.pages.states import POLICY_TONES, STATES, State, state_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from maibo_slo.service.answers import BurnRate, BurnRule, ObjectiveAnswer, SloAnswer

CHIPS = ("5m", "1h", "6h", "3d")


@dataclass(frozen=True, slots=True)
class Rule:
    """One of the engine's rules over a pair of windows, and what it says now."""

    state: State
    answer: BurnRule

    @property
    def reached(self) -> bool:
        return self.answer.reached

    @property
    def verdict(self) -> str:
        """In words."""
        return marked("reached") if self.reached else self.held_back or marked("no")

    @property
    def held_back(self) -> str:
        """Why it means nothing though both windows are above the factor, in words; '' where that is not so."""
        return HELD_BACK.get(self.answer.held_back_by, self.answer.held_back_by)


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

    @property
    def interval(self) -> str:
        """Where the true burn rate lies, most likely."""
        if self.burn.lower is None or self.burn.upper is None:
            return units.NO_DATA
        return gettext("%(begin)s to %(end)s", begin=units.burn(self.burn.lower), end=units.burn(self.burn.upper))


@dataclass(frozen=True, slots=True)
class ObjectiveRow:
    """One objective of one SLO; where it has groups, of one group."""

    slo: SloAnswer
    objective: ObjectiveAnswer
    href: str
    state: State
    left: float | None
    """What is left of the budget, projected."""
    bar: charts.BudgetBar
    rules: tuple[Rule, ...]
    chips: tuple[Chip, ...]
    groups: int = 1
    """How many it is the worst of."""

    @property
    def group(self) -> str:
        """In words: ``gold · eu``. Without any event, an SLO has no group that could be named, and yet is shown."""
        if not self.objective.group:
            return gettext(words.NO_GROUP)
        values = self.objective.group_values.values()
        return " \u00b7 ".join(map(words.value, values)) if values else words.value(self.objective.group)

    @property
    def counted(self) -> bool:
        """It counts something itself, and is not made of parts alone."""
        return not self.objective.parts

    @property
    def policy_tone(self) -> str:
        """Of the states that policies usually have; others are quiet."""
        return POLICY_TONES.get(self.objective.policy.state, "quiet") if self.objective.policy else "quiet"

    @property
    def name(self) -> str:
        """The SLO's name, and the objective's where there are several."""
        title = self.slo.display_name or self.slo.name
        several = len({each.name for each in self.slo.objectives}) > 1
        return f"{title} \u00b7 {self.objective.name}" if several else title

    @property
    def held_back(self) -> str:
        """Why it is called OK though a rule's burn rates are above its factor; '' where none is."""
        return _held_back(self.rules) if self.state is STATES["ok"] else ""

    @property
    def meaning(self) -> str:
        """What the state means, here."""
        return self.held_back or self.state.meaning

    @property
    def projected(self) -> bool:
        """The observed number is another one than `left`."""
        return self.left != self.objective.budget_remaining

    @property
    def overview_chips(self) -> tuple[Chip, ...]:
        """Short to long; the SLO's own page has every window."""
        return tuple(chip for chip in self.chips if chip.burn.window in CHIPS)

    @property
    def badness(self) -> tuple[int, float]:
        """The worse, the less."""
        return self.state.rank, 1.0 if self.left is None else self.left

    @property
    def worst_chip(self) -> Chip | None:
        """The one to show where there is room for one."""
        return min(self.overview_chips, key=lambda chip: (chip.rank, -(chip.burn.burn_rate or 0)), default=None)


def objective_rows(slos: Sequence[SloAnswer], *, base: str, carried: Mapping[str, str]) -> tuple[ObjectiveRow, ...]:
    """Every objective: worst state first, then least budget left, then by name. Of one that has groups, the worst."""
    rows = [worst(rows) for slo in slos for rows in by_objective(slo, base=base, carried=carried, windows=CHIPS)]
    return tuple(sorted(rows, key=lambda row: (*row.badness, row.name.casefold())))


def states(slos: Iterable[SloAnswer]) -> tuple[tuple[State, int], ...]:
    """How many objectives are in each state that occurs, worst first; one that has groups counts once for each, as everywhere."""
    found = Counter([objective.state for slo in slos for objective in slo.objectives])
    return tuple(sorted(((state_of(name), n) for name, n in found.items()), key=lambda each: each[0].rank))


def in_trouble(slos: Iterable[SloAnswer], *, journey: str) -> tuple[SloAnswer, ObjectiveAnswer] | None:
    """The worst objective over a journey that spends its budget too fast, or has spent it; None where there is none."""
    found = [
        (slo, one)
        for slo in slos
        for one in slo.objectives
        if slo.journey == journey and not one.parts and state_of(one.state).rank <= STATES["burning"].rank
    ]

    def badness(each: tuple[SloAnswer, ObjectiveAnswer]) -> tuple[int, float, str]:
        left = each[1].budget_remaining_projected
        return state_of(each[1].state).rank, 1.0 if left is None else left, each[0].name

    return min(found, key=badness, default=None)


def by_objective(
    slo: SloAnswer, *, base: str, carried: Mapping[str, str], windows: Collection[str] = tuple(BURN_WINDOWS)
) -> Iterator[tuple[ObjectiveRow, ...]]:
    """The groups of each, or the one row that it is; with the burn rates of these windows."""
    for name in dict.fromkeys(each.name for each in slo.objectives):
        yield tuple(
            _row(slo, each, base=base, carried=carried, windows=windows) for each in slo.objectives if each.name == name
        )


def worst(rows: Sequence[ObjectiveRow]) -> ObjectiveRow:
    """Of the groups of one objective."""
    return replace(worst_first(rows)[0], groups=len(rows))


def worst_first(rows: Iterable[ObjectiveRow]) -> tuple[ObjectiveRow, ...]:
    """Worst state first, then least budget left, then by group."""
    return tuple(sorted(rows, key=lambda row: (*row.badness, row.group)))


def _row(
    slo: SloAnswer, objective: ObjectiveAnswer, *, base: str, carried: Mapping[str, str], windows: Collection[str]
) -> ObjectiveRow:
    rules = tuple(Rule(state_of(rule.state), rule) for rule in objective.rules)
    left = objective.budget_remaining_projected
    return ObjectiveRow(
        slo=slo,
        objective=objective,
        href=slo_href(slo.name, base=base, carried=carried, group=objective.group),
        state=state_of(objective.state),
        left=left,
        bar=charts.budget_bar(left),
        rules=rules,
        chips=tuple(_chip(burn, rules, slo, objective) for burn in objective.burn_rates if burn.window in windows),
    )


def _held_back(rules: Iterable[Rule]) -> str:
    """Of the worst rule that is: it comes first."""
    return next((rule.held_back for rule in rules if rule.held_back), "")


def _chip(burn: BurnRate, rules: Sequence[Rule], slo: SloAnswer, objective: ObjectiveAnswer) -> Chip:
    if burn.burn_rate is None:
        return Chip(
            burn,
            "quiet",
            STATES["no_data"].rank,
            units.NO_DATA,
            gettext("no data in the last %(window)s", window=burn.window),
        )
    lasts = gettext("more than %(window)s", window=slo.window)
    if burn.burn_rate > 1:
        lasts = units.period(slo.window_seconds / burn.burn_rate)
    mine = [rule for rule in rules if burn.window in {rule.answer.long_window, rule.answer.short_window}]
    state = next((rule.state for rule in mine if rule.reached), STATES["ok"])  # the worst rule comes first
    told = (
        []
        if objective.parts
        else [
            gettext(
                "%(bad)s bad of %(total)s in the last %(window)s",
                bad=units.amount(burn.bad),
                total=units.amount(burn.good + burn.bad),
                window=burn.window,
            )
        ]
    )
    told.append(gettext("at this pace a whole budget of %(window)s lasts %(time)s", window=slo.window, time=lasts))
    if burn.lower is not None:
        told.append(
            gettext(
                "most likely between %(lower)s and %(upper)s",
                lower=units.burn(burn.lower),
                upper=units.burn(burn.upper),
            )
        )
    if state is STATES["ok"] and (why := _held_back(mine)):
        told.append(gettext(why))
    return Chip(burn, state.tone, state.rank, lasts, gettext("; ").join(told))
