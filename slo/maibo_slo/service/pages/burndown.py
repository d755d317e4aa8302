"""An objective over time, drawn: what was left of its budget, its SLI against the objective, each pair of burn windows with its threshold, and events.

No numbers are made here: `maibo_slo.service.burndown` has them. Where nothing was counted there is a gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo.semconv import FAILURE, SUCCESS
from maibo_slo.engine.budget import error_budget
from maibo_slo.engine.burn import BURN_WINDOWS
from maibo_slo.service.alerts import PAGED
from maibo_slo.service.answers import Span
from maibo_slo.service.flows import utc
from maibo_slo.service.pages import units
from maibo_slo.service.pages.language import gettext
from maibo_slo.service.pages.plots import (
    Level,
    Line,
    Plot,
    areas,
    hover,
    level_of,
    linear,
    logarithmic,
    stepped,
)
from maibo_slo.service.pages.shapes import (
    AIR,
    PLOT_HEIGHT,
    Column,
    Tick,
    count_axis,
    hundredths,
    moments,
    stack,
    time_axis,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from maibo_slo.engine.burn import Pair
    from maibo_slo.service.burndown import Burndown, Moment

LEAST_BURN: Final = 0.1
"""The floor of burn charts: what burns slower is nothing to anybody."""
STEADY_SECONDS: Final = 300
"""A slice at least this long has a rate while it runs; of a shorter one too much is not counted yet."""
_NAMES: Final = {seconds: name for name, seconds in BURN_WINDOWS.items()}


@dataclass(frozen=True, slots=True)
class PairPlot:
    """A pair of windows over time."""

    long: str
    short: str
    threshold: float
    severity: str
    """``page`` or ``ticket``."""
    highest: float | None
    """Of the long window."""
    above: bool
    """Both windows of one slice were above the threshold."""
    plot: Plot


@dataclass(frozen=True, slots=True)
class Row:
    """One slice, in the table."""

    at: str
    left: float | None
    sli: float | None
    good: float
    bad: float
    burns: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class BurndownView:
    """What stands on an SLO's page of it."""

    window: Span
    left: Plot
    sli: Plot
    pairs: tuple[PairPlot, ...]
    events: Plot
    columns: tuple[str, ...]
    """Burn windows of the table."""
    rows: tuple[Row, ...]
    """With data alone, newest first."""
    slice: str
    last: float | None
    lowest: float | None

    @property
    def empty(self) -> bool:
        """Nothing was counted in it, nor in the windows that end in it."""
        return self.last is None and not self.rows


class _Paper:
    """From moments to places on it."""

    def __init__(self, found: Burndown) -> None:
        self.found = found
        self.span = Span(begin=utc(found.begin), end=utc(found.end), seconds=found.end - found.begin)
        told = moments(self.span)
        self.told = {each.begin: told(utc(each.begin)) for each in found.moments}
        """By begin of a slice; each plot says it again."""
        self.spots = {each.begin: (hover(self.x(each.begin), self.x(each.end)),) for each in found.moments}
        """What a pointer meets, in every plot."""
        self.x_ticks: tuple[Tick, ...] = time_axis(self.span)

    def x(self, at: float) -> float:
        return (at - self.found.begin) / self.span.seconds

    def known(
        self, value: Callable[[Moment], float | None], y: Callable[[float], float]
    ) -> list[tuple[float, float, float]]:
        return [
            (self.x(each.begin), self.x(each.end), y(number))
            for each in self.found.moments
            if (number := value(each)) is not None
        ]

    def columns(self, say: Callable[[Moment], str]) -> tuple[Column, ...]:
        return tuple(
            Column(f"{self.told[each.begin]}: {said}", self.spots[each.begin])
            for each in self.found.moments
            if (said := say(each))
        )


def burndown_view(found: Burndown) -> BurndownView:
    """All of it."""
    paper = _Paper(found)
    lefts = [each.left for each in found.moments if each.left is not None]
    pairs = tuple(_pair(paper, long, pair) for long, pair in found.pairs.items() if _shown(found, pair))
    columns = tuple(name for name in BURN_WINDOWS if any(name in each.burns for each in found.moments))
    return BurndownView(
        window=paper.span,
        left=_left(paper),
        sli=_sli(paper),
        pairs=pairs,
        events=_events(paper),
        columns=columns,
        rows=tuple(
            Row(
                paper.told[each.begin],
                each.left,
                each.sli,
                each.good,
                each.bad,
                tuple(each.burns.get(name) for name in columns),
            )
            for each in reversed(found.moments)
            if each.left is not None or each.burns
        ),
        slice=units.period(found.step),
        last=found.moments[-1].left,
        lowest=min(lefts, default=None),
    )


def left_plot(found: Burndown) -> Plot:
    """What was left of the budget; small enough to stand alone."""
    return _left(_Paper(found))


def _left(paper: _Paper) -> Plot:
    found = paper.found
    lefts = [each.left for each in found.moments if each.left is not None]
    # Below a whole budget overspent nobody acts otherwise; a scale down to -4,900 % would flatten all that was before.
    lowest = max(-1.0, min([0.0, *lefts]))
    step = 0.5 if lowest < 0 else 0.25
    axis = linear(
        lowest, 1.0, [step * mark for mark in range(-2, 5)], lambda mark: units.budget(mark).replace(".0", "")
    )
    known = paper.known(lambda each: each.left, axis.y)
    zero = axis.y(0.0)
    words = gettext("Error budget left over time: no data")
    if lefts:
        words = gettext(
            "Error budget left over time: %(first)s at first, %(last)s at last, %(lowest)s at the lowest",
            first=units.budget(lefts[0]),
            last=units.budget(lefts[-1]),
            lowest=units.budget(min(lefts)),
        )
    return Plot(
        words=words,
        lines=(Line("left", stepped(known)),),
        areas=(
            Line("left", areas([(a, b, y, zero) for a, b, y in known if y <= zero])),
            Line("over", areas([(a, b, zero, y) for a, b, y in known if y > zero])),
        ),
        levels=(Level(zero, "", "zero"),) if lowest < 0 else (),
        columns=paper.columns(_left_words),
        x_ticks=paper.x_ticks,
        window=paper.span,
        y_ticks=axis.ticks,
    )


def _left_words(each: Moment) -> str:
    return "" if each.left is None else gettext("%(left)s left", left=units.budget(each.left))


def _sli(paper: _Paper) -> Plot:
    """By the nines: the axis is logarithmic in the share of bad events, perfect at the top."""
    allowed = error_budget(paper.found.target)
    axis = logarithmic(max(1e-6, allowed / 100), 1.0, _nines, downwards=True)
    known = paper.known(lambda each: None if each.sli is None else 1 - each.sli, axis.y)
    slis = [each.sli for each in paper.found.moments if each.sli is not None]
    words = gettext("SLI over time: no event")
    if slis:
        below = sum(each < paper.found.target for each in slis)
        words = gettext(
            "SLI over time, against an objective of %(target)s: %(lowest)s at the lowest, below the objective in %(below)s of %(all)s slices",
            target=units.target(paper.found.target),
            lowest=units.share(min(slis)),
            below=below,
            all=len(slis),
        )
    level = level_of(axis.y(allowed), gettext("objective %(target)s", target=units.target(paper.found.target)), known)
    return Plot(
        words=words,
        lines=(Line("sli", stepped(known)),),
        areas=(),
        levels=(level,),
        columns=paper.columns(
            lambda each: (
                ""
                if each.sli is None
                else gettext(
                    "%(sli)s good, %(bad)s bad of %(all)s",
                    sli=units.share(each.sli),
                    bad=units.amount(each.bad),
                    all=units.amount(each.good + each.bad),
                )
            )
        ),
        x_ticks=paper.x_ticks,
        window=paper.span,
        y_ticks=axis.ticks,
    )


def _nines(bad: float) -> str:
    """An SLI on an axis: ``99.9 %``; where there is no room for the space, ``99.99%``."""
    told = units.target(round(1 - bad, 9))
    return told if len(told) <= len("99.9 %") else told.replace(units.SPACE, "")


def _shown(found: Burndown, pair: Pair) -> bool:
    """Of a long stretch, the windows that are shorter than an hour are not told."""
    return any(_NAMES[pair.long_seconds] in each.burns for each in found.moments)


def _pair(paper: _Paper, long: str, pair: Pair) -> PairPlot:
    short = _NAMES[pair.short_seconds]
    found = paper.found.moments
    longs = [each.burns[long] for each in found if long in each.burns]
    highest = max([pair.factor * 1.5, *longs, *(each.burns.get(short, 0.0) for each in found)])
    axis = logarithmic(LEAST_BURN, highest, lambda mark: f"{mark:g}{units.TIMES}")
    of_short = paper.known(lambda each: each.burns.get(short), axis.y)
    of_long = paper.known(lambda each: each.burns.get(long), axis.y)
    above = sum(min(each.burns.get(long, 0.0), each.burns.get(short, 0.0)) > pair.factor for each in found)
    words = gettext(
        "Burn rate over %(long)s and over %(short)s against a threshold of %(threshold)s: %(highest)s at the highest over %(long)s; both above it in %(above)s "
        "of %(all)s slices",
        long=long,
        short=short,
        threshold=units.burn(pair.factor),
        highest=units.burn(max(longs, default=None)),
        above=above,
        all=len(longs),
    )
    return PairPlot(
        long,
        short,
        pair.factor,
        "page" if long in PAGED else "ticket",
        max(longs, default=None),
        bool(above),
        Plot(
            words=words,
            lines=(
                Line("burn-short", stepped(of_short)),
                Line("burn-long", stepped(of_long)),
            ),
            areas=(),
            levels=(level_of(axis.y(pair.factor), units.burn(pair.factor), of_short, of_long),),
            columns=paper.columns(
                lambda each: (
                    ""
                    if long not in each.burns
                    else f"{units.burn(each.burns[long])} ({long}), {units.burn(each.burns.get(short))} ({short})"
                )
            ),
            x_ticks=paper.x_ticks,
            window=paper.span,
            y_ticks=axis.ticks,
        ),
    )


def _events(paper: _Paper) -> Plot:
    """Good and bad, by the second."""
    step, until = paper.found.step, paper.found.until
    counted = [each for each in paper.found.moments if each.good + each.bad]
    # A short slice that runs lacks what is not counted yet: it would be drawn as a fall in traffic.
    over = [each for each in counted if each.end <= until or step >= STEADY_SECONDS] or counted
    rates = [(each.good + each.bad) / (min(each.end, until) - each.begin) for each in over]
    top, ticks = count_axis(max(rates, default=0.0) * step)
    columns: list[Column] = []
    for each, rate in zip(over, rates, strict=True):
        left, right = (hundredths(paper.x(at) * 100) for at in (each.begin, min(each.end, until)))
        by_slice = rate * step / (each.good + each.bad)
        blocks = stack({SUCCESS: each.good * by_slice, FAILURE: each.bad * by_slice}, left, (right - left) * 0.9, top)
        said = gettext("%(rate)s, %(bad)s bad", rate=units.rate(rate), bad=units.amount(each.bad))
        columns.append(Column(f"{paper.told[each.begin]}: {said}", (*blocks,)))
    return Plot(
        words=gettext("Events over time, good and bad, by %(slice)s", slice=units.period(step)),
        lines=(),
        areas=(),
        levels=(),
        columns=tuple(columns),
        x_ticks=paper.x_ticks,
        window=paper.span,
        y_ticks=_by_second(ticks, top, step),
    )


def _by_second(ticks: Sequence[Tick], top: float, step: int) -> tuple[Tick, ...]:
    """The marks of a scale of counts, told as rates."""
    values = [(PLOT_HEIGHT - tick.at) / PLOT_HEIGHT / AIR * top / step for tick in ticks]
    per = units.rate_per(values)
    return tuple(Tick(tick.at, units.rate(value, per)) for tick, value in zip(ticks, values, strict=True))
