"""
Objectives as the page shows them: state, error budget, burn rates. The engine's rules decide every colour.

What is left of a budget is the projected number, the one that the engine's state goes by: with traffic as it is and nothing more
going wrong. Once an SLO's whole window has been observed, it is the observed number.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from maibo_slo.service.answers import HELD_BACK
from maibo_slo.service.pages import charts, units, words
from maibo_slo.service.pages.links import journey_href, slo_href

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from maibo_slo.reporting.figures import Burnt
    from maibo_slo.service.answers import BurnRate, BurnRule, CorrectedAnswer, ObjectiveAnswer, SloAnswer

CHIPS = ("5m", "1h", "6h", "3d")
METHODS: Mapping[str, str] = {
    "Timeslices": "counted by slices of time, each good or bad",
    "RatioTimeslices": "counted by slices of time, each as good as its events",
}
EFFECTS: Mapping[str, str] = {
    "exclude": "not counted: no data",
    "count_as_good": "what was bad counts as good",
    "annotate": "counted as it was",
}
BURNT_BY = ("version", "tier", "region", "reason")
MOST_BURNT = 3
"""Values told of each: the API has all of them."""
POLICY_TONES: Mapping[str, str] = {"healthy": "good", "slow": "warn", "frozen": "bad"}


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
    answer: BurnRule

    @property
    def reached(self) -> bool:
        return self.answer.reached

    @property
    def verdict(self) -> str:
        """In words."""
        return "reached" if self.reached else self.held_back or "no"

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
        return f"{units.burn(self.burn.lower)} to {units.burn(self.burn.upper)}"


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
            return words.NO_GROUP
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


@dataclass(frozen=True, slots=True)
class Section:
    """One objective on its SLO's page."""

    row: ObjectiveRow
    """The objective, or the group of it that is shown."""
    groups: tuple[ObjectiveRow, ...]
    """Every group, worst first; none where the SLO has one budget."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A window of a correction, in words."""

    answer: CorrectedAnswer
    effect: str


@dataclass(frozen=True, slots=True)
class BurntRow:
    """What one step, version, tier, region or reason had of the bad events."""

    by: str
    value: str
    bad: int
    share: float


@dataclass(frozen=True, slots=True)
class BurntTable:
    """Who burnt the budget lately."""

    answer: Burnt
    seconds: int
    rows: tuple[BurntRow, ...]


@dataclass(frozen=True, slots=True)
class SloPage:
    """The page at /slos/{name}."""

    now: datetime
    slo: SloAnswer
    sections: tuple[Section, ...]
    """A composite's whole before its components."""
    corrections: tuple[Correction, ...]
    journey_href: str | None
    burnt: BurntTable | None = None

    @property
    def worst_counted(self) -> ObjectiveRow | None:
        """What it would be good to know the culprit of: the worst objective that had bad events itself."""
        rows = [section.row for section in self.sections if section.row.counted and section.row.objective.bad]
        return _worst_first(rows)[0] if rows else None

    @property
    def method(self) -> str:
        """How it counts, where that is not by events."""
        return METHODS.get(self.slo.method, "")


def objective_rows(slos: Sequence[SloAnswer], *, base: str) -> tuple[ObjectiveRow, ...]:
    """Every objective: worst state first, then least budget left, then by name. Of one that has groups, the worst."""
    rows = [_worst(rows) for slo in slos for rows in _by_objective(slo, base=base)]
    return tuple(sorted(rows, key=lambda row: (*row.badness, row.name.casefold())))


def states(slos: Iterable[SloAnswer]) -> tuple[tuple[State, int], ...]:
    """How many objectives are in each state that occurs, worst first; one that has groups counts once for each, as everywhere."""
    found = Counter(_state(objective.state) for slo in slos for objective in slo.objectives)
    return tuple(sorted(found.items(), key=lambda item: item[0].rank))


def slo_page(slo: SloAnswer, *, now: float, base: str, window: str, group: str | None = None) -> SloPage:
    """One SLO and its objectives, as the document orders them; of each the group asked for, else the worst."""
    sections = [_section(rows, group) for rows in _by_objective(slo, base=base)]
    return SloPage(
        now=datetime.fromtimestamp(now, UTC),
        slo=slo,
        sections=tuple(sorted(sections, key=lambda section: section.row.counted)),
        corrections=tuple(Correction(each, EFFECTS.get(each.effect, each.effect)) for each in slo.corrections),
        journey_href=journey_href(slo.journey, base=base, window=window) if slo.journey else None,
    )


def with_burnt(page: SloPage, burnt: Burnt | None, *, seconds: int) -> SloPage:
    """With who burnt the budget; unchanged where nobody did, or nobody knows."""
    if burnt is None or not burnt.bad:
        return page
    steps = tuple(step for step in burnt.steps if step.value)
    by = {"step": steps, **{name: burnt.by.get(name, ()) for name in BURNT_BY}}
    rows = [
        BurntRow(name, part.value, part.bad, part.share)
        for name, parts in by.items()
        if len(parts) > 1 or any(part.value for part in parts)
        for part in parts[:MOST_BURNT]
    ]
    return replace(page, burnt=BurntTable(burnt, seconds, tuple(rows)))


def _by_objective(slo: SloAnswer, *, base: str) -> Iterator[tuple[ObjectiveRow, ...]]:
    """The groups of each, or the one row that it is."""
    for name in dict.fromkeys(each.name for each in slo.objectives):
        yield tuple(_row(slo, each, base=base) for each in slo.objectives if each.name == name)


def _worst(rows: Sequence[ObjectiveRow]) -> ObjectiveRow:
    return replace(_worst_first(rows)[0], groups=len(rows))


def _worst_first(rows: Iterable[ObjectiveRow]) -> tuple[ObjectiveRow, ...]:
    return tuple(sorted(rows, key=lambda row: (*row.badness, row.group)))


def _section(rows: Sequence[ObjectiveRow], group: str | None) -> Section:
    shown = next((row for row in rows if group is not None and row.objective.group == group), _worst(rows))
    grouped = bool(rows[0].slo.group_by)
    return Section(shown, _worst_first(rows) if grouped else ())


def _row(slo: SloAnswer, objective: ObjectiveAnswer, *, base: str) -> ObjectiveRow:
    rules = tuple(Rule(_state(rule.state), rule) for rule in objective.rules)
    left = objective.budget_remaining_projected
    return ObjectiveRow(
        slo=slo,
        objective=objective,
        href=slo_href(slo.name, base=base, group=objective.group),
        state=_state(objective.state),
        left=left,
        bar=charts.budget_bar(left),
        rules=rules,
        chips=tuple(_chip(burn, rules, slo, objective) for burn in objective.burn_rates),
    )


def _held_back(rules: Iterable[Rule]) -> str:
    """Of the worst rule that is: it comes first."""
    return next((rule.held_back for rule in rules if rule.held_back), "")


def _state(name: str) -> State:
    return STATES.get(name) or State(name, "none", "quiet", 6, name)


def _chip(burn: BurnRate, rules: Sequence[Rule], slo: SloAnswer, objective: ObjectiveAnswer) -> Chip:
    if burn.burn_rate is None:
        return Chip(burn, "quiet", STATES["no_data"].rank, units.NO_DATA, f"no data in the last {burn.window}")
    lasts = f"more than {slo.window}"
    if burn.burn_rate > 1:
        lasts = units.period(slo.window_seconds / burn.burn_rate)
    mine = [rule for rule in rules if burn.window in {rule.answer.long_window, rule.answer.short_window}]
    state = next((rule.state for rule in mine if rule.reached), STATES["ok"])  # the worst rule comes first
    told = (
        []
        if objective.parts
        else [f"{units.amount(burn.bad)} bad of {units.amount(burn.good + burn.bad)} in the last {burn.window}"]
    )
    told.append(f"at this pace a whole budget of {slo.window} lasts {lasts}")
    if burn.lower is not None:
        told.append(f"most likely between {units.burn(burn.lower)} and {units.burn(burn.upper)}")
    if state is STATES["ok"] and (why := _held_back(mine)):
        told.append(why)
    return Chip(burn, state.tone, state.rank, lasts, "; ".join(told))
