"""The story of an alert: why it fired, what its budget did, what had changed before it. No numbers are made here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_slo.service.flows import utc
from maibo_slo.service.pages import ranges, units
from maibo_slo.service.pages.alerts import part_of, title_of, tone_of
from maibo_slo.service.pages.burndown import left_plot
from maibo_slo.service.pages.changes import ChangesView
from maibo_slo.service.pages.language import gettext, marked
from maibo_slo.service.pages.links import journey_href, slo_href
from maibo_slo.service.pages.marks import slo_then_href

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from maibo_slo.service.alerts import Alert, Burning
    from maibo_slo.service.answers import SloAnswer
    from maibo_slo.service.burndown import Burndown
    from maibo_slo.service.pages.plots import Plot

BEFORE_SECONDS: Final = 2 * 3600
"""How far back a story looks for what changed."""
REASONS: Final[Mapping[str, str]] = {
    "over": marked("the trouble was over: both windows burnt below the threshold again"),
    "no_data": marked("for lack of data: nobody knows whether the trouble is over"),
    "withdrawn": marked("it was withdrawn: nobody judges it any more, or a correction excludes the time"),
}


@dataclass(frozen=True, slots=True)
class BurningRow:
    """A pair of windows when it fired."""

    burning: Burning
    held: bool
    """It is of this severity, and above."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the story."""

    at: str
    after: str
    """How long after it began; '' of the begin itself."""
    text: str
    tone: str


@dataclass(frozen=True, slots=True)
class Story:
    """The page of one alert."""

    alert: Alert
    title: str
    of: str
    tone: str
    began: str
    lasted: str
    ended: str
    burning: tuple[BurningRow, ...]
    events: tuple[Event, ...]
    told: bool
    """Whether it is on record who was told."""
    changes: ChangesView
    left: Plot | None
    left_before: float | None
    left_after: float | None
    slo_href: str
    """As it was then."""
    slo_now_href: str
    journey_href: str
    journey: str
    known: bool
    """Whether a document in force has the objective."""


def story(
    alert: Alert,
    burning: Sequence[Burning],
    burnt: Burndown | None,
    changes: ChangesView,
    slo: SloAnswer | None,
    *,
    now: float,
    base: str,
    carried: Mapping[str, str],
) -> Story:
    """The page of one; `slo` None: no document in force has it."""
    moment = utc(now)
    last = now if alert.end is None else alert.end
    lefts = [] if burnt is None else [each for each in burnt.moments if each.left is not None]
    before = next((each.left for each in reversed(lefts) if each.end <= alert.begin), None)
    after = next((each.left for each in reversed(lefts) if each.end <= last + 60), None)
    then = min(now, last + 900)
    return Story(
        alert=alert,
        title=title_of(alert),
        of=part_of(alert.objective, alert.group),
        tone=tone_of(alert),
        began=units.moment(utc(alert.begin), now=moment),
        lasted=units.period(last - alert.begin),
        ended="" if alert.end is None else gettext(REASONS[alert.reason]) if alert.reason in REASONS else alert.reason,
        burning=tuple(BurningRow(each, each.above and each.severity == alert.severity) for each in burning),
        events=tuple(_events(alert, moment)),
        told=alert.notices is not None,
        changes=changes,
        left=left_plot(burnt) if burnt is not None and lefts else None,
        left_before=before,
        left_after=after,
        slo_href=slo_then_href(alert.slo, alert.group, then, base=base),
        slo_now_href=slo_href(alert.slo, base=base, carried=carried, group=alert.group),
        journey_href=""
        if slo is None or not slo.journey
        else journey_href(slo.journey, base=base, carried={"window": "1h", "at": ranges.written(then)}),
        journey="" if slo is None else slo.journey,
        known=slo is not None,
    )


def around(alert: Alert, now: float) -> tuple[float, float]:
    """The stretch of time that a story is about: with what came before and a while after, in whole minutes."""
    last = now if alert.end is None else alert.end
    air = max(1800.0, (last - alert.begin) / 3)
    return (alert.begin - air) // 60 * 60, min(now, last + air / 2)


def _events(alert: Alert, now: datetime) -> Iterable[Event]:
    """What happened to it, the oldest first."""
    told = [(alert.begin, gettext("it fired"), "bad" if alert.severity == "page" else "warn")]
    for notice in alert.notices or ():
        took = (
            gettext("%(destination)s took the notice that it is over", destination=notice.destination)
            if notice.status == "resolved"
            else gettext("%(destination)s took the notice", destination=notice.destination)
        )
        told.append((notice.at, took, ""))
    if alert.end is not None:
        told.append((alert.end, gettext("it ended"), "good"))
    for at, text, tone in sorted(told, key=lambda each: each[0]):
        after = units.period(at - alert.begin) if at - alert.begin >= 1 else ""
        yield Event(units.moment(utc(at), now=now), after, text, tone)
