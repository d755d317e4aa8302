"""The page of one scaling target: why it should have so many replicas, from what, what each face answered, and how it came to that."""

# ruff: noqa: RUF001 -- an en dash between two numbers is typography, not a typing error
from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from maibo_slo.engine.scaling.overrides import REPLACED
from maibo_slo.service.flows import utc
from maibo_slo.service.pages import scaleups, units
from maibo_slo.service.pages.language import gettext, marked
from maibo_slo.service.pages.replicas import Chart, replicas_chart
from maibo_slo.service.pages.scaling import OverrideRow, TargetRow, face, late, override_row, seconds, target_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.engine.scaling.inputs import BurnSplit, Capacity, Demand, Inputs, Wish
    from maibo_slo.engine.scaling.overrides import Said
    from maibo_slo.service.scaling import TargetHistory, TargetNow, TargetThen
    from maibo_slo.store.rises import Rise
    from maibo_slo.store.scaling import Decided

ROWS: Final = 30
"""So many changes and overrides have a row: the newest."""
RISES: Final = 10
HELD: Final[Mapping[str, str]] = {
    "least": marked("its least replicas"),
    "most": marked("its most replicas"),
    "dead_band": marked("the dead band: so small a change is none"),
    "scale_down": marked("the wait before fewer: the highest need of it counts"),
    "override": marked("an override"),
    "warming": marked("pods on their way: no more are asked for until these are ready"),
    "no_data": marked("no data"),
}
WISHES: Final[Mapping[str, tuple[str, str]]] = {
    "reactive": (marked("reactive"), marked("for demand now")),
    "feed_forward": (marked("feed-forward"), marked("for the calls that journeys which began will bring")),
    "predictive": (marked("predictive"), marked("for the demand forecast for when new pods are ready")),
    "correction": (marked("correction"), marked("for SLOs that burn for want of capacity")),
}


@dataclass(frozen=True, slots=True)
class WishRow:
    """One wish."""

    name: str
    meaning: str
    replicas: int | None
    why: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class FactRow:
    """One of what a decision was made from."""

    name: str
    value: str
    """'' where it is not known."""
    why: str
    mark: str = ""
    engine: str = ""
    """What the engine says of it, before `why`."""


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A moment when the decision became another."""

    at: str
    change: str
    reason: str
    held: str
    refused: bool


@dataclass(frozen=True, slots=True)
class RiseRow:
    """A rise, and the face that said so first."""

    at: str
    change: str
    told: str
    reason: str


@dataclass(frozen=True, slots=True)
class TargetPage:
    """The page of one target."""

    row: TargetRow
    scaleups_href: str
    chart: Chart | None
    changes: tuple[ChangeRow, ...]
    more_changes: int
    rises: tuple[RiseRow, ...]
    more_rises: int
    trail: tuple[OverrideRow, ...]
    problem: str
    then: str
    """The moment of the past that it is of; '' now."""
    recorded: bool = True
    """Whether anything is on record of that moment; of now it is known from memory."""
    bounds: str = ""
    between: str = ""
    reason: str = ""
    held: str = ""
    wishes: tuple[WishRow, ...] = ()
    facts: tuple[FactRow, ...] = ()
    splits: tuple[BurnSplit, ...] = ()
    late: str = ""


def target_page(found: TargetThen, *, base: str, carried: Mapping[str, str]) -> TargetPage:
    """One target as it stands now."""
    at, now = found.at, found.now
    signal = at.signal
    decision = None if signal is None else signal.decision
    chosen = max((each.replicas or 0 for each in decision.wishes), default=0) if decision else 0
    row = target_row(at, now=now, base=base, carried=carried)
    return replace(
        over_time(at.target, row, found.history, found.trail, base=base, now=now),
        bounds=_bounds(at),
        between="" if signal is None else between(signal.lower, signal.upper),
        reason="" if signal is None else signal.reason,
        held="" if decision is None else held(decision.held_by),
        wishes=() if decision is None else tuple(_wish(each, chosen) for each in decision.wishes),
        facts=() if at.inputs is None else tuple(_facts(at.target, at.inputs, now=now)),
        splits=() if at.inputs is None else at.inputs.splits,
        late=late(found.decided_at, now),
    )


def over_time(
    target: ScalingTarget,
    row: TargetRow,
    history: TargetHistory,
    trail: Sequence[Said],
    *,
    base: str,
    now: float,
    at: float | None = None,
) -> TargetPage:
    """How it came to that; what was decided is for the caller to tell. `at`: a moment of the past; None: now."""
    moment = utc(now)
    changes = _changes(history.decided, now=moment)
    return TargetPage(
        row=row,
        scaleups_href=scaleups.list_href(base=base, carried={}, workload=str(target.workload)),
        chart=replicas_chart(target, history, trail),
        changes=changes[:ROWS],
        more_changes=max(0, len(changes) - ROWS),
        rises=tuple(_rise(each, now=moment, live=at is None) for each in reversed(history.rises[-RISES:])),
        more_rises=max(0, len(history.rises) - RISES),
        trail=tuple(_said(each, now=now, at=at) for each in trail[:ROWS]),
        problem=history.problem,
        then="" if at is None else units.moment(utc(at), now=moment),
    )


def between(lower: int | None, upper: int | None) -> str:
    """What is uncertain, as a range; '' where nothing is."""
    return "" if lower == upper else f"{lower}–{upper}"


def held(by: str) -> str:
    """What held a decision; '' nothing."""
    return gettext(HELD[by]) if by in HELD else by


def _wish(of: Wish, chosen: int) -> WishRow:
    """`chosen`: the highest of all."""
    name, meaning = WISHES[of.kind]
    is_chosen = of.replicas is not None and of.replicas == chosen
    return WishRow(gettext(name), gettext(meaning), of.replicas, of.why, is_chosen)


def _bounds(of: TargetNow) -> str:
    """Those in force, and the document's where an override has others."""
    least, most = document = (of.target.least, of.target.most)
    if of.signal is not None:
        least, most = of.signal.least, of.signal.most
    said = gettext("%(least)s to %(most)s replicas", least=least, most=most)
    if (least, most) == document:
        return said
    return gettext(
        "%(bounds)s (by the document %(least)s to %(most)s)", bounds=said, least=document[0], most=document[1]
    )


def _said(of: Said, *, now: float, at: float | None) -> OverrideRow:
    became, why, ended = "", "", of.ended
    if ended is not None:
        when = units.moment(utc(ended.at), now=utc(now))
        if ended.why == REPLACED:
            became = gettext("replaced %(when)s by %(who)s", when=when, who=ended.who)
        else:
            became, why = gettext("ended %(when)s by %(who)s", when=when, who=ended.who), ended.why
    return override_row(of.override, now=now, at=at, became=became, ended_why=why, unrecorded=not of.recorded)


def _facts(target: ScalingTarget, inputs: Inputs, *, now: float) -> Iterable[FactRow]:
    """What the decision was made from, in the order of its making."""
    demand = inputs.demand
    mark = gettext("surge") if demand is not None and demand.surge else ""
    calls = _counted(demand, now) or gettext("no calls of %(services)s", services=", ".join(target.services))
    yield FactRow(gettext("Demand"), _rate(demand), calls, mark)
    fed = inputs.fed_forward
    starts = _counted(fed, now) or gettext("no starts of its journeys were counted")
    yield FactRow(gettext("Fed forward"), _rate(fed), starts)
    yield _carried(target, inputs.capacity)
    yield _forecast(target, inputs)
    lead = inputs.lead
    took = "" if lead is None else units.period(lead.seconds)
    yield FactRow(gettext("Lead time"), took, "", engine="" if lead is None else lead.why)
    ran = inputs.replicas
    if ran is None:
        why = gettext("nobody watches its pods (--kubernetes), so none on their way are counted")
        yield FactRow(gettext("Replicas"), "", why)
    else:
        why = gettext("of %(wanted)s wanted; seen %(time)s ago", wanted=ran.wanted, time=seconds(now - ran.observed_at))
        yield FactRow(gettext("Ready replicas"), str(ran.ready), why, gettext("rollout") if ran.rollout else "")


def _carried(target: ScalingTarget, capacity: Capacity | None) -> FactRow:
    name = gettext("A replica carries")
    if capacity is None:
        return FactRow(name, "", gettext("nothing was learned yet"))
    least, utilisation = units.rate(capacity.per_replica, "s"), target.capacity.utilisation
    said = []
    if capacity.learned:
        believed = units.rate(capacity.estimate, "s")
        said.append(gettext("believed %(rate)s, %(least)s at the least", rate=believed, least=least))
    if utilisation < 1:
        said.append(gettext("planned with %(share)s of it", share=f"{100 * utilisation:.3g}%"))
    return FactRow(name, least, gettext("; ").join(said), engine=capacity.why)


def _forecast(target: ScalingTarget, inputs: Inputs) -> FactRow:
    forecast, level, name = inputs.forecast, target.forecast.quantile, gettext("Forecast")
    if not target.forecast.enabled:
        return FactRow(name, "", gettext("switched off in the document"))
    if forecast is None:
        return FactRow(name, "", gettext("none yet: too little was seen"))
    if not forecast.quantiles:
        return FactRow(name, "", "", gettext("abstains"), engine=forecast.abstained)
    why = gettext(
        "%(level)s in %(time)s, %(rate)s the median; by %(model)s",
        level=f"P{level * 100:g}",
        time=seconds(max(0.0, forecast.at - inputs.now)),
        rate=units.rate(forecast.quantile(0.5), "s"),
        model=forecast.model,
    )
    if forecast.expected_factor != 1:
        factor = f"{forecast.expected_factor:g}"
        why += gettext("; %(factor)s times the usual by a known event", factor=factor)
    mark = gettext("abstains") if forecast.abstained else ""
    return FactRow(name, units.rate(forecast.quantile(level), "s"), why, mark, engine=forecast.abstained)


def _rate(of: Demand | None) -> str:
    return "" if of is None else units.rate(of.rate, "s")


def _counted(of: Demand | None, now: float) -> str:
    if of is None:
        return ""
    return gettext(
        "%(count)s calls in %(time)s, up to %(ago)s ago",
        count=units.count(of.calls),
        time=seconds(of.seconds),
        ago=seconds(now - of.observed_at),
    )


def _changes(decided: Sequence[Decided], *, now: datetime) -> tuple[ChangeRow, ...]:
    """The newest first; the first bucket of the window is none."""
    found = [
        ChangeRow(
            at=units.moment(utc(later.t), now=now),
            change=f"{_shown(earlier.desired)} → {_shown(later.desired)}",
            reason=later.reason,
            held=held(later.held_by),
            refused=later.desired is None,
        )
        for earlier, later in pairwise(decided)
        if earlier.desired != later.desired
    ]
    return tuple(reversed(found))


def _rise(of: Rise, *, now: datetime, live: bool) -> RiseRow:
    told = gettext("no scaler has asked since") if live else gettext("no scaler had asked by then")
    if of.served_at is not None:
        later = seconds(max(0.0, of.served_at - of.asked_at))
        told = gettext("%(face)s, %(time)s later", face=face(of.served_by), time=later)
    return RiseRow(units.moment(utc(of.asked_at), now=now), f"{of.before} → {of.after}", told, of.reason)


def _shown(replicas: int | None) -> str:
    return gettext("no signal") if replicas is None else str(replicas)
