"""The page at /slos/{name}: an SLO's objectives, each with its groups and its budget over time, who burnt it, and corrections."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from maibo_slo.service.pages import units
from maibo_slo.service.pages.burndown import BurndownView, burndown_view
from maibo_slo.service.pages.burnt import BurntTable, burnt_table
from maibo_slo.service.pages.language import gettext, marked
from maibo_slo.service.pages.links import journey_href
from maibo_slo.service.pages.objectives import ObjectiveRow, Rule, by_objective, worst, worst_first
from maibo_slo.service.pages.states import STATES, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.reporting.figures import Burnt
    from maibo_slo.service.answers import CorrectedAnswer, SloAnswer
    from maibo_slo.service.burndown import Burndown

METHODS: Mapping[str, str] = {
    "Timeslices": marked("counted by slices of time, each good or bad"),
    "RatioTimeslices": marked("counted by slices of time, each as good as its events"),
}
EFFECTS: Mapping[str, str] = {
    "exclude": marked("not counted: no data"),
    "count_as_good": marked("what was bad counts as good"),
    "annotate": marked("counted as it was"),
}
NOT_WHOLE = "not_whole"
FEW_GUARDS = frozenset({"too_few", "chance"})
"""Guards that want more events; the others want more time."""
TOO_LITTLE: Mapping[bool, State] = {
    few: State(word, "clock", "quiet", STATES["ok"].rank, STATES["ok"].meaning)
    for few, word in (
        (True, marked("OK so far, too few events")),
        (False, marked("OK so far, too little observed")),
    )
}
"""What the engine calls ok while a guard holds a burn back, by whether more events are wanted."""


@dataclass(frozen=True, slots=True)
class Section:
    """One objective on its SLO's page."""

    row: ObjectiveRow
    """The objective, or the group of it that is shown."""
    groups: tuple[ObjectiveRow, ...]
    """Every group, worst first; none where the SLO has one budget."""
    burndown: BurndownView | None = None
    """None: it counts nothing itself."""

    @property
    def named(self) -> tuple[str, str]:
        """Names of the objective and of the group that is shown."""
        return self.row.objective.name, self.row.objective.group

    @property
    def held(self) -> tuple[Rule, ...]:
        """Rules whose two windows both burn above the factor, and that a guard holds back."""
        return tuple(rule for rule in self.row.rules if rule.answer.held_back)

    @property
    def state(self) -> State:
        """As the row's; of an OK that is one for want of evidence, that it is."""
        if not self.row.held_back:
            return self.row.state
        return TOO_LITTLE[self.held[0].answer.held_back_by in FEW_GUARDS]

    @property
    def meaning(self) -> str:
        """What the state means, here."""
        return self.why(self.held[0]) if self.row.held_back else gettext(self.row.state.meaning)

    def verdict(self, rule: Rule) -> str:
        """What a rule says now."""
        return self.why(rule) if rule.answer.held_back else gettext(rule.verdict)

    def why(self, rule: Rule) -> str:
        """Why a rule is held back; of one that wants more time, how much."""
        long = next((each for each in self.row.objective.burn_rates if each.window == rule.answer.long_window), None)
        if rule.answer.held_back_by != NOT_WHOLE or long is None or not long.burn_rate or not self.row.counted:
            return gettext(rule.held_back)
        observed = long.coverage * long.window_seconds
        needed = math.ceil(long.window_seconds * rule.answer.factor / long.burn_rate / 60) * 60
        if needed <= observed:
            return gettext(rule.held_back)  # some of it is excluded
        # Minutes without data are filled in with as many events, and none of them bad; or with fewer, where fewer are usual: then sooner.
        return gettext(
            "too little observed to judge: data of %(observed)s of the last %(window)s, and at this burn it takes up to %(needed)s",
            observed=units.period(observed),
            window=rule.answer.long_window,
            needed=units.period(needed),
        )


@dataclass(frozen=True, slots=True)
class Correction:
    """A window of a correction, in words."""

    answer: CorrectedAnswer
    effect: str


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
        return worst_first(rows)[0] if rows else None

    @property
    def method(self) -> str:
        """How it counts, where that is not by events."""
        return METHODS.get(self.slo.method, "")


def slo_page(slo: SloAnswer, *, now: float, base: str, carried: Mapping[str, str], group: str | None = None) -> SloPage:
    """One SLO and its objectives, as the document orders them; of each the group asked for, else the worst."""
    sections = [_section(rows, group) for rows in by_objective(slo, base=base, carried=carried)]
    return SloPage(
        now=datetime.fromtimestamp(now, UTC),
        slo=slo,
        sections=tuple(sorted(sections, key=lambda section: section.row.counted)),
        corrections=tuple(Correction(each, EFFECTS.get(each.effect, each.effect)) for each in slo.corrections),
        journey_href=journey_href(slo.journey, base=base, carried=carried) if slo.journey else None,
    )


def with_burnt(page: SloPage, burnt: Burnt | None, *, seconds: int) -> SloPage:
    """With who burnt the budget; unchanged where nobody did, or nobody knows."""
    table = burnt_table(burnt, seconds=seconds)
    return page if table is None else replace(page, burnt=table)


def with_burndowns(page: SloPage, spent: Mapping[tuple[str, str], Burndown]) -> SloPage:
    """With each objective over time, of the group that is shown; by names of objective and group."""
    sections = []
    for section in page.sections:
        found = spent.get(section.named) if section.row.counted else None
        sections.append(section if found is None else replace(section, burndown=burndown_view(found)))
    return replace(page, sections=tuple(sections))


def _section(rows: Sequence[ObjectiveRow], group: str | None) -> Section:
    shown = next((row for row in rows if group is not None and row.objective.group == group), worst(rows))
    grouped = bool(rows[0].slo.group_by)
    return Section(shown, worst_first(rows) if grouped else ())
