"""Replicas of a target over time: desired, ready, demanded and forecast, drawn and in words.

An SVG without a viewBox, x in percent, as in `shapes`; it says in words what it shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

from maibo_slo.engine.scaling.inputs import Forecast
from maibo_slo.service.answers import Span
from maibo_slo.service.flows import utc
from maibo_slo.service.pages import units
from maibo_slo.service.pages.language import gettext
from maibo_slo.service.pages.plots import areas, stepped
from maibo_slo.service.pages.shapes import PLOT_HEIGHT, Block, Column, Tick, count_axis, hundredths, time_axis, y_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.engine.scaling.overrides import Said
    from maibo_slo.service.scaling import TargetHistory
    from maibo_slo.store.forecasts import Forecasted
    from maibo_slo.store.scaling import Decided

SLICES: Final = 240
"""So many of a chart, at most: what an eye can tell apart on a phone, nearly."""


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
    window: Span


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


def replicas_chart(target: ScalingTarget, history: TargetHistory, trail: Sequence[Said]) -> Chart | None:
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
        return stepped(known)

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
        ready=stepped(ran),
        ready_area=areas([(a, b, y, float(PLOT_HEIGHT)) for a, b, y in ran]),
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
        window=window,
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


def _band(slices: Sequence[_Slice], length: int, x: Callable[[float], float], top: float, *, abstained: bool) -> str:
    return areas(
        [
            (x(s.at), x(s.at + length), y_of(s.high, top), y_of(s.low, top))
            for s in slices
            if s.high is not None and s.low is not None and s.abstained is abstained
        ]
    )


def _in_words(of: _Slice, level: str, told: Callable[[datetime], str]) -> str:
    said = []
    if of.refused:
        said.append(gettext("no signal"))
    elif of.desired is not None:
        said.append(gettext("%(replicas)s desired", replicas=of.desired))
    if of.ready is not None:
        said.append(gettext("%(replicas)s ready", replicas=f"{of.ready:.0f}"))
    if of.demand is not None:
        rate = units.rate(of.rate, "s")
        said.append(gettext("demand of %(replicas)s replicas (%(rate)s)", replicas=_digits(of.demand), rate=rate))
    if of.high is not None and of.low is not None:
        levels = gettext("%(begin)s to %(end)s", begin="P10", end=level)
        said.append(
            gettext(
                "forecast %(least)s to %(most)s (%(levels)s)",
                least=_digits(of.low),
                most=_digits(of.high),
                levels=gettext("%(levels)s, abstained", levels=levels) if of.abstained else levels,
            )
        )
    return f"{told(utc(of.at))}: {gettext(', ').join(said) or gettext('no data')}"


def _chart_in_words(slices: Sequence[_Slice], window: Span) -> str:
    desired = [s.desired for s in slices if s.desired is not None]
    ready = [s.ready for s in slices if s.ready is not None]
    said = [gettext("Replicas over %(time)s", time=units.period(window.seconds))]
    if desired:
        least, most, last = min(desired), max(desired), desired[-1]
        said.append(
            gettext("desired between %(least)s and %(most)s, %(last)s at last", least=least, most=most, last=last)
        )
    if ready:
        least_ready, most_ready, last_ready = (f"{each:.0f}" for each in (min(ready), max(ready), ready[-1]))
        said.append(
            gettext(
                "ready between %(least)s and %(most)s, %(last)s at last",
                least=least_ready,
                most=most_ready,
                last=last_ready,
            )
        )
    refused = sum(s.refused for s in slices)
    if refused:
        said.append(gettext("no signal in %(number)s of %(all)s slices", number=refused, all=len(slices)))
    return gettext("; ").join(said)


def _digits(of: float) -> str:
    return f"{of:.0f}" if of >= 9.95 else f"{of:.1f}"
