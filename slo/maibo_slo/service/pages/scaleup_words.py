"""Scale-ups in words: durations that are known as intervals, where the time went, what became of pods."""

# ruff: noqa: RUF001, RUF002 -- an en dash between two numbers is typography, not a typing error
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_slo.service.pages import units
from maibo_slo.service.pages.language import gettext, marked, ngettext
from maibo_slo.service.scaleup_answers import Between
from maibo_slo.service.scaleup_phases import PULL_AND_START, WAITING, brief_seconds, took_most
from maibo_slo.store.scaleups import PodState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.service.scaleup_answers import QuantileAnswer, ScaleUpAnswer, WorkloadScaleUps

POD_WORDS: Final[Mapping[PodState, str]] = {
    PodState.SERVING: marked("serving"),
    PodState.STARTING: marked("starting"),
    PodState.NEVER_READY: marked("never ready"),
    PodState.SUPERSEDED: marked("superseded"),
}
SAYING_MORE: Final = (WAITING, PULL_AND_START)
"""What is told beside a phase, for its label does not."""


def seconds(of: Between, *, longer: bool = False) -> str:
    """A duration that is known as an interval; `longer`: it lasted so long, and is not over.

    >>> [seconds(Between(earliest=a, latest=b)) for a, b in ((0, 1), (2.4, 3.4), (12.26, 12.26), (61.2, 62.2), (700, 701))]
    ['0–1 s', '2.4–3.4 s', '12 s', '61–62 s', '11 min 40 s']
    >>> seconds(Between(earliest=120.4, latest=121.4), longer=True)
    '>120 s'
    """
    if longer:
        return f">{_number(of.earliest)} s" if of.earliest < 600 else f">{_period(of.earliest)}"
    if of.latest >= 600:
        return _period(of.earliest)
    first, last = _number(of.earliest), _number(of.latest)
    return f"{first} s" if first == last else f"{first}–{last} s"


def quantile(of: QuantileAnswer | None, longest: float | None) -> str:
    """A quantile: ``>120 s`` where too many are censored to tell, and an en dash without any.

    >>> quantile(None, 120.0), quantile(None, None)
    ('>120 s', '–')
    """
    if of is not None and of.latest is not None:
        return seconds(Between(earliest=of.earliest, latest=of.latest))
    least = longest if of is None else of.earliest
    return units.NO_DATA if least is None else seconds(Between(earliest=least, latest=least), longer=True)


def changed(of: ScaleUpAnswer) -> str:
    """``10 → 40``."""
    return f"{of.before} → {of.after}"


def pods_in_words(of: ScaleUpAnswer) -> str:
    """``30 pods: 28 serving, 2 never ready``."""
    said = gettext(", ").join(f"{many} {gettext(POD_WORDS[state])}" for state, many in of.pods.items())
    pods = ngettext("%(num)s pod", "%(num)s pods", sum(of.pods.values()))
    return f"{pods}{gettext(': ')}{said}" if said else pods


def where(of: ScaleUpAnswer) -> str:
    """``62 of 74 s: waiting for a node``; the same as the answer says in English."""
    total = (of.latency.earliest + of.latency.latest) / 2
    first, *second = took_most(of.phases, total) or [("", "")]
    if not first[1]:
        return ""
    said = gettext(
        "%(time)s of %(total)s s: %(doing)s", time=first[0], total=brief_seconds(total), doing=gettext(first[1])
    )
    for time, doing in second:
        said += gettext("; %(time)s s: %(doing)s", time=time, doing=gettext(doing))
    return said


def counted_from(of: WorkloadScaleUps) -> str:
    """What their latency is counted from: two figures of one distribution that mean different things are told apart.

    >>> from types import SimpleNamespace as Of
    >>> [counted_from(Of(count=5, triggered=n)) for n in (0, 2, 5)]
    ['from the decision', '2 from the trigger, 3 from the decision', 'from the trigger']
    """
    decided = of.count - of.triggered
    if not decided or not of.triggered:
        return gettext("from the decision") if decided else gettext("from the trigger")
    return gettext(
        "%(triggered)s from the trigger, %(decided)s from the decision", triggered=of.triggered, decided=decided
    )


def clocks(skews: int) -> str:
    """What a count of skews means."""
    return ngettext(
        "%(num)s moment comes before what must have been before, beyond what they are known to: clocks differ, so do not trust short phases",
        "%(num)s moments come before what must have been before, beyond what they are known to: clocks differ, so do not trust short phases",
        skews,
    )


def _number(of: float) -> str:
    return f"{of:.0f}" if of >= 9.95 else f"{of:.1f}".removesuffix(".0")


def _period(of: float) -> str:
    return units.period(of).replace(units.SPACE, " ")
