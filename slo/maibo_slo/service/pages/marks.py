"""Marks of what changed on an axis of time, and each in words, with where more of it is told.

What lies closer together than a finger is drawn as one mark that says how many it is, and leads to a shorter stretch of time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from maibo_slo.service.answers import Span
from maibo_slo.service.changes import Kind
from maibo_slo.service.flows import utc
from maibo_slo.service.pages import ranges, scaleups, scaling, units, words
from maibo_slo.service.pages.language import gettext, marked, ngettext
from maibo_slo.service.pages.links import place_href, slo_href, with_query
from maibo_slo.service.pages.shapes import hundredths, moments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from maibo_slo.service.changes import Change, Changed

NEAR: Final = 0.03
"""Of the width: marks that are closer are drawn as one, so that a number beside it has room, and on a phone a mark."""
SHORTEST: Final = 0.012
"""Of the width: what lasts shorter is drawn as a moment."""
SOON_SECONDS: Final = 60
"""Least of a stretch that a mark of several leads to."""
LANES: Final[Mapping[Kind, str]] = {
    Kind.VERSION: marked("Versions"),
    Kind.ALERT: marked("Alerts"),
    Kind.OVERRIDE: marked("Overrides"),
    Kind.CORRECTION: marked("Corrections"),
    Kind.RISE: marked("Scaling signals that rose"),
    Kind.WRITE: marked("Fast-lane writes"),
    Kind.SCALEUP: marked("Scale-ups"),
}
"""Top to bottom: what people do, what they are told, what scaling does."""
ONE: Final[Mapping[Kind, str]] = {
    Kind.VERSION: marked("version"),
    Kind.ALERT: marked("alert"),
    Kind.OVERRIDE: marked("override"),
    Kind.CORRECTION: marked("correction"),
    Kind.RISE: marked("signal rose"),
    Kind.WRITE: marked("fast-lane write"),
    Kind.SCALEUP: marked("scale-up"),
}


@dataclass(frozen=True, slots=True)
class Mark:
    """One change on the axis, or some that lie together. Percent."""

    kind: str
    x: float
    width: float
    """0 of a moment."""
    count: int
    label: str
    href: str
    tone: str
    row: int = 0
    """Of a strip."""


@dataclass(frozen=True, slots=True)
class Row:
    """One change in words."""

    kind: str
    name: str
    """Of its kind, of one."""
    at: str
    lasted: str
    subject: str
    what: str
    who: str
    why: str
    href: str
    tone: str


class Drawing:
    """Places on the paper, words and addresses."""

    def __init__(self, found: Changed, *, now: float, base: str, carried: Mapping[str, str]) -> None:
        self._begin, self._end = found.begin, found.end
        self._now = now
        self._base, self._carried = base, carried
        self.span = Span(begin=utc(found.begin), end=utc(found.end), seconds=max(1, round(found.end - found.begin)))
        self._told: Callable[[datetime], str] = moments(self.span)

    def marks(self, changes: Sequence[Change], kinds: Sequence[Kind] = ()) -> tuple[Mark, ...]:
        """Of one kind, or of these, which are the newest first; the oldest first."""
        groups: list[list[Change]] = []
        for each in reversed(changes):
            last = groups[-1] if groups else None
            if last is not None and self._x(each.at) - self._x(last[0].at) < NEAR:
                last.append(each)
            else:
                groups.append([each])
        return tuple(self._mark(group, kinds or (group[0].kind,)) for group in groups)

    def row(self, of: Change) -> Row:
        """In words."""
        lasted = ""
        if of.goes_on:
            lasted = gettext("goes on")
        elif of.end is not None and of.end > of.at:
            lasted = units.period(of.end - of.at)
        return Row(
            kind=of.kind.value,
            name=gettext("rollback") if of.rollback else gettext(ONE[of.kind]),
            at=units.moment(utc(of.at), now=utc(self._now)),
            lasted=lasted,
            subject=words.value(of.subject),
            what=_what(of),
            who=of.who,
            why=of.why,
            href=self._href(of),
            tone=_tone(of),
        )

    def _x(self, at: float) -> float:
        return min(1.0, max(0.0, (at - self._begin) / (self._end - self._begin)))

    def _mark(self, group: Sequence[Change], kinds: Sequence[Kind]) -> Mark:
        kind = min((each.kind for each in group), key=kinds.index)
        there = [each for each in kinds if any(one.kind is each for one in group)]
        first, last = group[0], group[-1]
        left = self._x(first.at)
        ends = [self._end if each.goes_on else each.at if each.end is None else each.end for each in group]
        right = self._x(max(ends))
        worst = next((tone for tone in ("bad", "warn") if any(_tone(each) == tone for each in group)), "")
        if len(group) == 1:
            label, href = self._said(first), self._href(first)
        else:
            when = f"{self._told(utc(first.at))} – {self._told(utc(last.at))}"  # noqa: RUF001 -- a dash between times
            number = ngettext("%(num)s change", "%(num)s changes", len(group))
            kinds_said = gettext(", ").join(gettext(LANES[each]) for each in there)
            label = f"{when}: {kinds_said}{gettext(', ')}{number}: " + gettext("; ").join(
                f"{words.value(each.subject)} {_what(each)}" for each in group[:4]
            )
            label += " …" if len(group) > 4 else ""
            href = changes_href(base=self._base, carried=self._around(first.at, last.at), kinds=there)
        width = hundredths((right - left) * 100)
        return Mark(
            kind.value,
            hundredths(left * 100),
            width if width >= SHORTEST * 100 else 0.0,
            len(group),
            label,
            href,
            worst,
        )

    def _said(self, of: Change) -> str:
        parts = (self.row(of).name, words.value(of.subject), _what(of), of.who, of.why)
        return f"{self._told(utc(of.at))}: {' · '.join(part for part in parts if part)}"

    def _around(self, first: float, last: float) -> dict[str, str]:
        """The stretch of some that lie together, as an address says it."""
        air = max(SOON_SECONDS, (last - first) / 4)
        return {"from": ranges.written(first - air), "to": ranges.written(min(self._now, last + air))}

    def _href(self, of: Change) -> str:
        """Where more of it is told."""
        base, carried = self._base, self._carried
        if of.kind is Kind.ALERT:
            return alert_href(of.id, base=base)
        if of.kind is Kind.SCALEUP:
            return scaleups.scaleup_href(of.id, base=base)
        if of.kind is Kind.WRITE:
            return scaleups.list_href(base=base, carried=self._around(of.at, of.at), workload=of.subject)
        if of.target is not None:
            return scaling.target_href(*of.target, base=base, carried=carried)
        service = of.subject if of.kind is Kind.VERSION else ""
        return changes_href(base=base, carried=carried, kinds=(of.kind,), service=service)


def changes_href(*, base: str, carried: Mapping[str, str], kinds: Iterable[Kind] = (), service: str = "") -> str:
    """Where they are; of some kinds alone, or about a service."""
    address = place_href("/changes", base=base, carried=carried)
    for kind in kinds:
        address = with_query(address, {"kind": kind.value})
    return with_query(address, {"service": service}) if service else address


def alert_href(alert_id: str, *, base: str) -> str:
    """Where the story of an alert is."""
    return f"{base}/alerts/{quote(alert_id, safe='@', errors='replace')}"


def slo_then_href(slo: str, group: str, at: float, *, base: str, window: str = "6h") -> str:
    """An SLO's page as it was at a moment."""
    return slo_href(slo, base=base, carried={"window": window, "at": ranges.written(at)}, group=group)


def _what(of: Change) -> str:
    """In the reader's language, as far as it is words: ``v1 → v2`` stays."""
    if of.kind is Kind.ALERT:
        return words.severity(of.what)
    if of.kind is Kind.OVERRIDE:
        return words.bounds_again(of.what)
    if of.kind is Kind.CORRECTION:
        kind, _, effect = of.what.removesuffix(")").partition(" (")
        return gettext("%(kind)s (%(effect)s)", kind=words.correction(kind), effect=words.correction(effect))
    return of.what


def _tone(of: Change) -> str:
    if of.kind is Kind.ALERT:
        return "bad" if of.severity == "page" else "warn"
    return "warn" if of.rollback else ""
