"""The page at /alerts: what fires, what is about to, what ended. No numbers are made here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_slo.service.flows import utc
from maibo_slo.service.pages import units
from maibo_slo.service.pages.language import gettext, marked
from maibo_slo.service.pages.links import place_href, slo_href, with_query
from maibo_slo.service.pages.marks import alert_href, slo_then_href

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maibo_slo.service.alerts import Alert, Alerts
    from maibo_slo.service.alerts_soon import Soon
    from maibo_slo.service.answers import ObjectiveAnswer, SloAnswer

DEFAULT_WINDOW: Final = "1d"
FIRING: Final = "firing"
PENDING: Final = "pending"
ENDED: Final = "ended"
STATES: Final[Mapping[str, str]] = {FIRING: marked("Firing"), PENDING: marked("About to fire"), ENDED: marked("Ended")}
ROWS: Final = 200
"""So many have a row: those that began last."""
TITLES: Final[Mapping[str, str]] = {
    "MaiboBudgetBurn": marked("The error budget burns"),
    "MaiboNoData": marked("No data"),
    "MaiboNotEvaluating": marked("Nothing is evaluated"),
}
SHORTLY: Final[Mapping[str, str]] = {
    "over": marked("over"),
    "no_data": marked("for lack of data"),
    "withdrawn": marked("withdrawn"),
}
WAITS: Final[Mapping[str, str]] = {
    "below": marked("not above it yet"),
    "too_few": marked("above it too, but too few bad events to fire"),
    "too_soon": marked("above it too, but too soon after the first event to fire"),
    "not_whole": marked("above it too, but too little of that time has been observed to fire"),
    "chance": marked("above it too, but that may still be chance"),
    "": marked("above it too, but not for sure"),
}
"""Why the long window of a pair does not make it fire, by `Soon.held_back_by`."""


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert of the list."""

    title: str
    severity: str
    tone: str
    slo: str
    of: str
    """Objective and group."""
    href: str
    """Of its story; of one that is about to fire, of the SLO."""
    slo_href: str
    since: str
    lasted: str
    burn: float | None
    burn_window: str
    left: float | None
    told: str
    ended: str
    """Why."""
    summary: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A state to look at."""

    name: str
    href: str
    current: bool
    count: int | None
    """None: not known."""


@dataclass(frozen=True, slots=True)
class AlertsPage:
    """The page at /alerts."""

    firing: tuple[AlertRow, ...]
    pending: tuple[AlertRow, ...]
    ended: tuple[AlertRow, ...]
    states: tuple[Choice, ...]
    slo: str
    clear_href: str
    more: int
    """Ended ones without a row."""
    cut: bool
    recorded: bool
    """Whether the store has any alert of this time, or was ever told of one."""
    judged: bool
    """Whether what is about to fire is known: else nobody has judged it, or it is of the past, and on no record."""

    @property
    def empty(self) -> bool:
        return not (self.firing or self.pending or self.ended)


def alerts_href(*, base: str, carried: Mapping[str, str], state: str = "", slo: str = "") -> str:
    """Where the list is."""
    address = place_href("/alerts", base=base, carried=carried)
    return with_query(address, {name: said for name, said in (("state", state), ("slo", slo)) if said})


def alerts_page(
    found: Alerts,
    slos: Iterable[SloAnswer],
    *,
    now: float,
    base: str,
    carried: Mapping[str, str],
    state: str,
    slo: str,
) -> AlertsPage:
    """What is chosen of them; firing ones first, pages before tickets. `slos` as they stood at the end of the stretch."""
    there = {each.name: each for each in slos}
    mine = [each for each in found.alerts if not slo or each.slo == slo]
    firing = sorted(
        (each for each in mine if each.end is None), key=lambda each: (each.severity != "page", -each.begin)
    )
    ended = [each for each in mine if each.end is not None]
    is_judged = found.soon is not None and found.until >= now
    soon = [each for each in found.soon or () if is_judged and (not slo or each.slo == slo)]
    counts = {FIRING: len(firing), PENDING: len(soon) if is_judged else None, ENDED: len(ended)}
    rows = _Rows(there, now=now, until=min(now, found.until), base=base, carried=carried)
    choices = [
        Choice(
            gettext("All"),
            alerts_href(base=base, carried=carried, slo=slo),
            not state,
            len(firing) + len(soon) + len(ended),
        )
    ]
    choices += [
        Choice(gettext(name), alerts_href(base=base, carried=carried, state=each, slo=slo), state == each, counts[each])
        for each, name in STATES.items()
    ]
    return AlertsPage(
        firing=tuple(rows.alert(each) for each in firing[:ROWS]) if state in {"", FIRING} else (),
        pending=tuple(rows.pending(each) for each in soon[:ROWS]) if state in {"", PENDING} else (),
        ended=tuple(rows.alert(each) for each in ended[:ROWS]) if state in {"", ENDED} else (),
        states=tuple(choices),
        slo=slo,
        clear_href=alerts_href(base=base, carried=carried, state=state),
        more=max(0, len(ended) - ROWS) + max(0, len(firing) - ROWS),
        cut=found.cut,
        recorded=bool(found.alerts),
        judged=is_judged,
    )


class _Rows:
    def __init__(
        self, slos: Mapping[str, SloAnswer], *, now: float, until: float, base: str, carried: Mapping[str, str]
    ) -> None:
        self._slos = slos
        self._now, self._until = now, until
        self._base, self._carried = base, carried

    def alert(self, of: Alert) -> AlertRow:
        moment = utc(self._now)
        last = self._until if of.end is None else of.end
        objective = self._objective(of) if of.end is None else None
        window = "1h" if of.severity == "page" else "1d"
        burn = None if objective is None else next((b for b in objective.burn_rates if b.window == window), None)
        return AlertRow(
            title=title_of(of),
            severity=of.severity,
            tone=tone_of(of),
            slo=of.slo,
            of=part_of(of.objective, of.group),
            href=alert_href(of.id, base=self._base),
            slo_href=slo_href(of.slo, base=self._base, carried=self._carried, group=of.group)
            if of.end is None
            else slo_then_href(of.slo, of.group, min(self._now, last + 900), base=self._base),
            since=units.moment(utc(of.begin), now=moment),
            lasted=units.period(last - of.begin),
            burn=None if burn is None else burn.burn_rate,
            burn_window=window,
            left=None if objective is None else objective.budget_remaining_projected,
            told=_told(of),
            ended=gettext(SHORTLY[of.reason]) if of.reason in SHORTLY else of.reason,
            summary=of.summary,
        )

    def pending(self, of: Soon) -> AlertRow:
        objective = self._objective(of)
        href = (
            slo_href(of.slo, base=self._base, carried=self._carried, group=of.group)
            if of.slo
            else place_href("/", base=self._base, carried=self._carried)
        )
        return AlertRow(
            title=title_of(of),
            severity=of.severity,
            tone="quiet",
            slo=of.slo,
            of=part_of(of.objective, of.group),
            href=href,
            slo_href=href,
            since="" if of.since is None else units.moment(utc(of.since), now=utc(self._now)),
            lasted="" if of.since is None else units.period(self._now - of.since),
            burn=of.burn,
            burn_window=of.short,
            left=None if objective is None else objective.budget_remaining_projected,
            told="",
            ended="",
            summary="" if of.burn is None else _waits(of),
        )

    def _objective(self, of: Alert | Soon) -> ObjectiveAnswer | None:
        slo = self._slos.get(of.slo)
        there = () if slo is None else slo.objectives
        return next((each for each in there if (each.name, each.group) == (of.objective, of.group)), None)


def title_of(of: Alert | Soon) -> str:
    """What it is called."""
    return gettext(TITLES[of.name]) if of.name in TITLES else of.name or gettext("Alert")


def tone_of(of: Alert) -> str:
    """Its colour."""
    if of.end is not None:
        return "quiet"
    return "bad" if of.severity == "page" else "warn"


def part_of(objective: str, group: str) -> str:
    """Of its SLO, in words."""
    return " \u00b7 ".join(each for each in (objective, group) if each)


def _told(of: Alert) -> str:
    """Who took it, in words; '' where that is not on record."""
    if of.notices is None:
        return ""
    names = list(dict.fromkeys(each.destination for each in of.notices if each.status == "firing"))
    return ", ".join(names) or gettext("nobody")


def _waits(of: Soon) -> str:
    """How a burn that does not fire yet burns, and what it lacks."""
    return gettext(
        "%(short)s burns at %(burn)s, above %(threshold)s; %(long)s at %(slower)s, %(why)s",
        short=of.short,
        burn=units.burn(of.burn),
        threshold=units.burn(of.threshold),
        long=of.long,
        slower=units.burn(of.slower),
        why=gettext(WAITS.get(of.held_back_by, WAITS[""])),
    )
