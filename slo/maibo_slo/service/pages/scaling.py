"""The pages at /scaling: how many replicas every target should have, and of one target why, from what, and how it came to that.

Drawings are SVGs without a viewBox, x in percent, as in `shapes`; each says in words what it shows.
"""

# ruff: noqa: RUF001 -- an en dash between two numbers is typography, not a typing error
from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from maibo_slo.engine.scaling.inputs import Forecast
from maibo_slo.engine.scaling.overrides import REPLACED
from maibo_slo.service.answers import Span
from maibo_slo.service.flows import utc
from maibo_slo.service.pages import scaleups, units
from maibo_slo.service.pages.shapes import PLOT_HEIGHT, Block, Column, Tick, count_axis, hundredths, time_axis, y_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.engine.scaling.inputs import BurnSplit, Demand, Inputs, Override
    from maibo_slo.engine.scaling.overrides import Said
    from maibo_slo.service.scaling import ScalingNow, TargetHistory, TargetNow, TargetThen
    from maibo_slo.store.forecasts import Forecasted
    from maibo_slo.store.rises import Rise
    from maibo_slo.store.scaling import Decided

WINDOWS: Final[Mapping[str, int]] = {"1h": 3600, "6h": 21_600, "1d": 86_400}
DEFAULT_WINDOW: Final = "6h"
SLICES: Final = 240
"""So many of a chart, at most: what an eye can tell apart on a phone, nearly."""
ROWS: Final = 30
"""So many changes and overrides have a row: the newest."""
RISES: Final = 10
LATE_SECONDS: Final = 10.0
"""The engine decides twice a second."""
HELD: Final[Mapping[str, str]] = {
    "least": "its least replicas",
    "most": "its most replicas",
    "dead_band": "the dead band: so small a change is none",
    "scale_down": "the wait before fewer: the highest need of it counts",
    "override": "an override",
    "warming": "pods on their way: no more are asked for until these are ready",
    "no_data": "no data",
}
WISHES: Final[Mapping[str, tuple[str, str]]] = {
    "reactive": ("reactive", "for demand now"),
    "feed_forward": ("feed-forward", "for the calls that journeys which began will bring"),
    "predictive": ("predictive", "for the demand forecast for when new pods are ready"),
    "correction": ("correction", "for SLOs that burn for want of capacity"),
}
FACES: Final[Mapping[str, str]] = {
    "keda": "KEDA (gRPC)",
    "json": "JSON",
    "external_metrics": "external metrics",
    "prometheus": "Prometheus",
    "fast_lane": "the fast lane",
}


@dataclass(frozen=True, slots=True)
class Badge:
    """A state in a word, with what it means."""

    word: str
    tone: str
    icon: str


FRESH: Final = Badge("fresh", "good", "check")
STALE: Final = Badge("stale", "bad", "clock")
REFUSED: Final = Badge("no signal", "bad", "cross")
WAITING: Final = Badge("not decided", "", "none")


@dataclass(frozen=True, slots=True)
class OverrideRow:
    """An override in words, and what became of it."""

    bounds: str
    who: str
    why: str
    said: str
    until: str
    left: str
    """How long it still has; '' when it is over."""
    became: str
    in_force: bool
    unrecorded: bool = False


@dataclass(frozen=True, slots=True)
class TargetRow:
    """One target of the list."""

    namespace: str
    name: str
    display_name: str
    workload: str
    href: str
    badge: Badge
    desired: int | None
    last: int | None
    """What it was when it was still fit to be acted upon."""
    ready: int | None
    wanted: int | None
    on_way: str
    """How far what is ready is from what is desired."""
    age: str
    max_age: str
    why: str
    override: OverrideRow | None


@dataclass(frozen=True, slots=True)
class ScalingPage:
    """The page at /scaling."""

    rows: tuple[TargetRow, ...]
    refused: int
    overridden: int
    decided: str
    """How long ago; '' before the first decision."""
    late: str
    """How long it has not decided anything, where that is too long."""


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
class Chart:
    """Replicas over time: paths in a box 1000 wide, blocks and columns in percent."""

    columns: tuple[Column, ...]
    desired: str
    ready: str
    ready_area: str
    demand: str
    middle: str
    bands: tuple[str, str]
    """Forecasts that are acted upon, and those that abstain."""
    refused: tuple[Block, ...]
    overrides: tuple[Block, ...]
    now_x: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    level: str
    """Of the band's upper edge."""
    slice: str
    words: str


@dataclass(frozen=True, slots=True)
class TargetPage:
    """The page of one target."""

    row: TargetRow
    bounds: str
    between: str
    reason: str
    held: str
    wishes: tuple[WishRow, ...]
    facts: tuple[FactRow, ...]
    splits: tuple[BurnSplit, ...]
    chart: Chart | None
    changes: tuple[ChangeRow, ...]
    more_changes: int
    rises: tuple[RiseRow, ...]
    more_rises: int
    trail: tuple[OverrideRow, ...]
    problem: str
    late: str
    scaleups_href: str


@dataclass(frozen=True, slots=True)
class _Slice:
    """One column of the chart; None is not known."""

    at: float
    desired: int | None = None
    ready: float | None = None
    demand: float | None = None
    """In replicas, as the reactive wish counts them before it rounds."""
    rate: float | None = None
    low: float | None = None
    middle: float | None = None
    high: float | None = None
    abstained: bool = False
    refused: bool = False


def scaling_page(found: ScalingNow, *, base: str, window: str) -> ScalingPage:
    """Every target: those that are refused first."""
    rows = [_row(each, now=found.now, base=base, window=window) for each in found.targets]
    return ScalingPage(
        rows=tuple(sorted(rows, key=lambda row: (row.badge is FRESH, row.namespace, row.name))),
        refused=sum(row.badge is not FRESH for row in rows),
        overridden=sum(row.override is not None for row in rows),
        decided="" if found.decided_at is None else _seconds(found.now - found.decided_at),
        late=_late(found.decided_at, found.now),
    )


def target_page(found: TargetThen, *, base: str, window: str) -> TargetPage:
    """One target."""
    at, now = found.at, found.now
    signal, moment = at.signal, utc(now)
    decision = None if signal is None else signal.decision
    changes = _changes(found.history.decided, now=moment)
    chosen = max((each.replicas or 0 for each in decision.wishes), default=0) if decision else 0
    wishes = (
        ()
        if decision is None
        else tuple(
            WishRow(*WISHES[each.kind], each.replicas, each.why, each.replicas is not None and each.replicas == chosen)
            for each in decision.wishes
        )
    )
    return TargetPage(
        row=_row(at, now=now, base=base, window=window),
        bounds=_bounds(at),
        between="" if signal is None or signal.lower == signal.upper else f"{signal.lower}–{signal.upper}",
        reason="" if signal is None else signal.reason,
        held="" if decision is None or not decision.held_by else HELD[decision.held_by],
        wishes=wishes,
        facts=() if at.inputs is None else tuple(_facts(at.target, at.inputs, now=now)),
        splits=() if at.inputs is None else at.inputs.splits,
        chart=_chart(at.target, found.history, found.trail),
        changes=changes[:ROWS],
        more_changes=max(0, len(changes) - ROWS),
        rises=tuple(_rise(each, now=moment) for each in reversed(found.history.rises[-RISES:])),
        more_rises=max(0, len(found.history.rises) - RISES),
        trail=tuple(_said(each, now=now) for each in found.trail[:ROWS]),
        problem=found.history.problem,
        late=_late(found.decided_at, now),
        scaleups_href=scaleups.list_href(base=base, window=scaleups.DEFAULT_WINDOW, workload=str(at.target.workload)),
    )


def target_href(namespace: str, name: str, *, base: str, window: str) -> str:
    """Where the page of one is."""
    path = f"{base}/scaling/{quote(namespace, safe='', errors='replace')}/{quote(name, safe='', errors='replace')}"
    return f"{path}?{urlencode({'window': window})}"


def bounds_in_words(override: Override) -> str:
    """``at least 40``, ``at most 5``, ``12 to 30``, ``exactly 8``.

    >>> from maibo_slo.engine.scaling.inputs import Override
    >>> said = lambda least, most: bounds_in_words(Override("", "", least, most, 0.0, "", "", 0.0))
    >>> said(40, None), said(None, 5), said(12, 30), said(8, 8)
    ('at least 40', 'at most 5', '12 to 30', 'exactly 8')
    """
    least, most = override.least, override.most
    if least is None:
        return f"at most {most}"
    if most is None:
        return f"at least {least}"
    return f"exactly {least}" if least == most else f"{least} to {most}"


def _row(of: TargetNow, *, now: float, base: str, window: str) -> TargetRow:
    signal, inputs, target = of.signal, of.inputs, of.target
    badge = FRESH if not of.refused else STALE if signal is not None else REFUSED if of.standing else WAITING
    desired = None if signal is None else signal.desired_replicas
    ran = None if inputs is None else inputs.replicas
    age = None if of.standing is None else of.standing.age_seconds
    ready = None if ran is None else ran.ready
    return TargetRow(
        namespace=target.workload.namespace,
        name=target.name,
        display_name=target.display_name,
        workload=str(target.workload),
        href=target_href(target.workload.namespace, target.name, base=base, window=window),
        badge=badge,
        desired=desired if badge is FRESH else None,
        last=desired if badge is STALE else None,
        ready=ready,
        wanted=None if ran is None else ran.wanted,
        on_way=_on_way(desired, ready) if badge is FRESH else "",
        age="" if age is None else _seconds(age),
        max_age=_seconds(target.max_age_seconds),
        why=of.refused or ("" if signal is None else signal.reason),
        override=None if of.override is None else _override(of.override, now=now),
    )


def _bounds(of: TargetNow) -> str:
    """Those in force, and the document's where an override has others."""
    least, most = document = (of.target.least, of.target.most)
    if of.signal is not None:
        least, most = of.signal.least, of.signal.most
    said = f"{least} to {most} replicas"
    return said if (least, most) == document else f"{said} (by the document {document[0]} to {document[1]})"


def _on_way(desired: int | None, ready: int | None) -> str:
    if desired is None or ready is None or desired == ready:
        return ""
    return f"{desired - ready} to come" if desired > ready else f"{ready - desired} more than needed"


def _late(decided_at: float | None, now: float) -> str:
    return "" if decided_at is None or now - decided_at <= LATE_SECONDS else _seconds(now - decided_at)


def _override(of: Override, *, now: float, became: str = "", unrecorded: bool = False) -> OverrideRow:
    moment = utc(now)
    in_force = not became and now < of.until
    return OverrideRow(
        bounds=bounds_in_words(of),
        who=of.who,
        why=of.why,
        said=units.moment(utc(of.said_at), now=moment),
        until=units.moment(utc(of.until), now=moment),
        left=units.period(of.until - now) if in_force else "",
        became=became or ("in force" if in_force else "expired"),
        in_force=in_force,
        unrecorded=unrecorded,
    )


def _said(of: Said, *, now: float) -> OverrideRow:
    became, ended = "", of.ended
    if ended is not None:
        when = units.moment(utc(ended.at), now=utc(now))
        became = (
            f"replaced {when} by {ended.who}" if ended.why == REPLACED else f"ended {when} by {ended.who}: {ended.why}"
        )
    return _override(of.override, now=now, became=became, unrecorded=not of.recorded)


def _facts(target: ScalingTarget, inputs: Inputs, *, now: float) -> Iterable[FactRow]:
    """What the decision was made from, in the order of its making."""
    demand = inputs.demand
    mark = "surge" if demand is not None and demand.surge else ""
    yield FactRow("Demand", _rate(demand), _counted(demand, now) or f"no calls of {', '.join(target.services)}", mark)
    fed = inputs.fed_forward
    yield FactRow("Fed forward", _rate(fed), _counted(fed, now) or "no starts of its journeys were counted")
    capacity = inputs.capacity
    if capacity is None:
        yield FactRow("A replica carries", "", "nothing was learned yet")
    else:
        utilisation = target.capacity.utilisation
        planned = f"planned with {utilisation:.0%} of it" if utilisation < 1 else ""
        spread = (
            f"believed {units.rate(capacity.estimate, 's')}, {units.rate(capacity.per_replica, 's')} at the least"
            if capacity.learned
            else ""
        )
        why = "; ".join(each for each in (capacity.why, spread, planned) if each)
        yield FactRow("A replica carries", units.rate(capacity.per_replica, "s"), why)
    yield _forecast(target, inputs)
    lead = inputs.lead
    yield FactRow("Lead time", "" if lead is None else units.period(lead.seconds), "" if lead is None else lead.why)
    ran = inputs.replicas
    if ran is None:
        yield FactRow("Replicas", "", "nobody watches its pods (--kubernetes), so none on their way are counted")
    else:
        seen = f"seen {_seconds(now - ran.observed_at)} ago"
        why = f"of {ran.wanted} wanted; {seen}"
        yield FactRow("Ready replicas", str(ran.ready), why, "rollout" if ran.rollout else "")


def _forecast(target: ScalingTarget, inputs: Inputs) -> FactRow:
    forecast, level = inputs.forecast, target.forecast.quantile
    if not target.forecast.enabled:
        return FactRow("Forecast", "", "switched off in the document")
    if forecast is None:
        return FactRow("Forecast", "", "none yet: too little was seen")
    if not forecast.quantiles:
        return FactRow("Forecast", "", forecast.abstained, "abstains")
    ahead = max(0.0, forecast.at - inputs.now)
    middle = units.rate(forecast.quantile(0.5), "s")
    why = f"P{level * 100:g} in {_seconds(ahead)}, {middle} the median; by {forecast.model}"
    if forecast.expected_factor != 1:
        why += f"; {forecast.expected_factor:g} times the usual by a known event"
    if forecast.abstained:
        why += f"; {forecast.abstained}"
    return FactRow("Forecast", units.rate(forecast.quantile(level), "s"), why, "abstains" if forecast.abstained else "")


def _rate(of: Demand | None) -> str:
    return "" if of is None else units.rate(of.rate, "s")


def _counted(of: Demand | None, now: float) -> str:
    if of is None:
        return ""
    counted = f"{units.count(of.calls)} calls in {_seconds(of.seconds)}"
    return f"{counted}, up to {_seconds(now - of.observed_at)} ago"


def _changes(decided: Sequence[Decided], *, now: datetime) -> tuple[ChangeRow, ...]:
    """The newest first; the first bucket of the window is none."""
    found = [
        ChangeRow(
            at=units.moment(utc(later.t), now=now),
            change=f"{_shown(earlier.desired)} → {_shown(later.desired)}",
            reason=later.reason,
            held=HELD.get(later.held_by, later.held_by),
            refused=later.desired is None,
        )
        for earlier, later in pairwise(decided)
        if earlier.desired != later.desired
    ]
    return tuple(reversed(found))


def _rise(of: Rise, *, now: datetime) -> RiseRow:
    told = "no scaler has asked since"
    if of.served_at is not None:
        face = FACES.get(of.served_by, of.served_by)
        told = f"{face}, {_seconds(max(0.0, of.served_at - of.asked_at))} later"
    return RiseRow(units.moment(utc(of.asked_at), now=now), f"{of.before} → {of.after}", told, of.reason)


def _shown(replicas: int | None) -> str:
    return "no signal" if replicas is None else str(replicas)


def _seconds(of: float) -> str:
    """``0.4 s``, ``12 s``, ``2 min 5 s``."""
    of = max(0.0, of)
    return f"{of:.1f}{units.SPACE}s" if of < 9.95 else units.period(of)


def _chart(target: ScalingTarget, history: TargetHistory, trail: Sequence[Said]) -> Chart | None:
    """None where nothing is known of the window."""
    length = max(10, ceil((history.end - history.begin) / SLICES / 10) * 10)
    slices = _slices(target, history, length)
    if not any(each.desired is not None or each.ready is not None or each.refused for each in slices):
        return None
    last = max(history.end, slices[-1].at + length)
    window = Span(begin=utc(history.begin), end=utc(last), seconds=int(last - history.begin))
    values = [(s.desired, s.ready, s.demand, s.high, s.middle) for s in slices]
    top, y_ticks = count_axis(max((each for of in values for each in of if each is not None), default=0))

    def x(at: float) -> float:
        return min(1.0, max(0.0, (at - history.begin) / (last - history.begin)))

    def line(value: Callable[[_Slice], float | None]) -> str:
        known = [(x(s.at), x(s.at + length), y_of(number, top)) for s in slices if (number := value(s)) is not None]
        return _stepped(known)

    def blocks(kind: str, spans: Iterable[tuple[float, float]]) -> tuple[Block, ...]:
        drawn = [(x(begin), x(end)) for begin, end in spans]
        return tuple(Block(kind, hundredths(a * 100), hundredths(max(0.2, (b - a) * 100))) for a, b in drawn if b > a)

    ran = [(x(s.at), x(s.at + length), y_of(s.ready, top)) for s in slices if s.ready is not None]
    level = f"P{target.forecast.quantile * 100:g}"
    one_day = window.begin.date() == window.end.date()
    columns = tuple(
        Column(
            _in_words(s, level, units.clock if one_day else units.dated),
            (
                Block(
                    "hover", hundredths(x(s.at) * 100), hundredths((x(s.at + length) - x(s.at)) * 100), 0, PLOT_HEIGHT
                ),
            ),
        )
        for s in slices
    )
    return Chart(
        columns=columns,
        desired=line(lambda s: s.desired),
        ready=_stepped(ran),
        ready_area=_areas([(a, b, y, float(PLOT_HEIGHT)) for a, b, y in ran]),
        demand=line(lambda s: s.demand),
        middle=line(lambda s: s.middle),
        bands=(_band(slices, length, x, top, abstained=False), _band(slices, length, x, top, abstained=True)),
        refused=blocks("refused", ((s.at, s.at + length) for s in slices if s.refused)),
        overrides=blocks("override", ((each.override.said_at, _until(each)) for each in trail)),
        now_x=hundredths(x(history.end) * 100),
        x_ticks=time_axis(window),
        y_ticks=y_ticks,
        level=level,
        slice=units.period(length),
        words=_chart_in_words(slices, window),
    )


def _until(of: Said) -> float:
    return of.override.until if of.ended is None else min(of.ended.at, of.override.until)


def _slices(target: ScalingTarget, history: TargetHistory, length: int) -> list[_Slice]:
    """By time: of each slice the highest of what was decided, demanded and ready, so that no surge is lost in it."""
    begin = int(history.begin)
    last = max([history.end, *(each.minute + 60 for each in history.forecast)])
    number = ceil((min(last, history.end + history.end - history.begin) - begin) / length)
    decided: list[list[Decided]] = [[] for _ in range(number)]
    ready: list[list[float]] = [[] for _ in range(number)]
    for one in history.decided:
        if 0 <= (at := (one.t - begin) // length) < number:
            decided[at].append(one)
            if one.ready is not None:
                ready[at].append(one.ready)
    watched: list[list[float]] = [[] for _ in range(number)]
    for sample in history.ran:
        if 0 <= (at := (sample.t - begin) // length) < number:
            watched[at].append(sample.ready)
    forecasts = {one.minute: one for one in history.forecast}
    planned = next((p for one in history.decided if (p := _planned(target, one))), None)
    found = []
    for index in range(number):
        at = begin + index * length
        here = decided[index]
        planned = next((p for one in reversed(here) if (p := _planned(target, one))), planned)
        rates = [one.demand for one in here if one.demand is not None]
        told = [forecasts[m] for m in range(at // 60 * 60, at + length, 60) if m in forecasts] if planned else []
        low, middle, high = (_at_level(told, level, planned) for level in (0.1, 0.5, target.forecast.quantile))
        rate = max(rates, default=None)
        found.append(
            _Slice(
                at,
                desired=max((one.desired for one in here if one.desired is not None), default=None),
                ready=max(watched[index] or ready[index], default=None),
                demand=None if rate is None or not planned else rate / planned,
                rate=rate,
                low=low,
                middle=middle,
                high=high,
                abstained=bool(told) and all(one.abstained and one.expected_factor <= 1 for one in told),
                refused=bool(here) and here[-1].desired is None,
            )
        )
    return found


def _planned(target: ScalingTarget, of: Decided) -> float | None:
    """Calls a second that a replica was planned to carry."""
    return of.per_replica * target.capacity.utilisation if of.per_replica else None


def _at_level(told: Sequence[Forecasted], level: float, planned: float | None) -> float | None:
    """The highest of these forecasts at a level, in replicas."""
    rates = [Forecast(one.made_at, one.at, one.quantiles, one.model).quantile(level) for one in told if one.quantiles]
    return max(rates) / planned if rates and planned else None


def _stepped(known: Sequence[tuple[float, float, float]]) -> str:
    """A line through (left, right, y); where one does not begin where the other ended there is a gap."""
    path, end = [], None
    for left, right, y in known:
        begins = f"V{y:.1f}" if end == left else f"M{left * 1000:.1f} {y:.1f}"
        path.append(f"{begins}H{right * 1000:.1f}")
        end = right
    return "".join(path)


def _areas(known: Sequence[tuple[float, float, float, float]]) -> str:
    """Between two lines of (left, right, upper y, lower y); one shape for each stretch without a gap."""
    path, run = [], list[tuple[float, float, float, float]]()
    for index, each in enumerate(known):
        run.append(each)
        if index + 1 == len(known) or known[index + 1][0] != each[1]:
            there = "".join(f"V{upper:.1f}H{right * 1000:.1f}" for _, right, upper, _ in run)
            back = "".join(f"V{lower:.1f}H{left * 1000:.1f}" for left, _, _, lower in reversed(run))
            path.append(f"M{run[0][0] * 1000:.1f} {run[0][3]:.1f}{there}{back}z")
            run = []
    return "".join(path)


def _band(slices: Sequence[_Slice], length: int, x: Callable[[float], float], top: float, *, abstained: bool) -> str:
    return _areas(
        [
            (x(s.at), x(s.at + length), y_of(s.high, top), y_of(s.low, top))
            for s in slices
            if s.high is not None and s.low is not None and s.abstained is abstained
        ]
    )


def _in_words(of: _Slice, level: str, told: Callable[[datetime], str]) -> str:
    said = [
        "no signal" if of.refused else "" if of.desired is None else f"{of.desired} desired",
        "" if of.ready is None else f"{of.ready:.0f} ready",
        "" if of.demand is None else f"demand of {_digits(of.demand)} replicas ({units.rate(of.rate, 's')})",
        ""
        if of.high is None or of.low is None
        else f"forecast {_digits(of.low)} to {_digits(of.high)} (P10 to {level}{', abstained' if of.abstained else ''})",
    ]
    return f"{told(utc(of.at))}: {', '.join(each for each in said if each) or 'no data'}"


def _chart_in_words(slices: Sequence[_Slice], window: Span) -> str:
    desired = [s.desired for s in slices if s.desired is not None]
    ready = [s.ready for s in slices if s.ready is not None]
    said = [f"Replicas over the last {units.period(window.seconds)}"]
    if desired:
        said.append(f"desired between {min(desired)} and {max(desired)}, {desired[-1]} at last")
    if ready:
        said.append(f"ready between {min(ready):.0f} and {max(ready):.0f}, {ready[-1]:.0f} at last")
    refused = sum(s.refused for s in slices)
    if refused:
        said.append(f"no signal in {refused} of {len(slices)} slices")
    return "; ".join(said)


def _digits(of: float) -> str:
    return f"{of:.0f}" if of >= 9.95 else f"{of:.1f}"
