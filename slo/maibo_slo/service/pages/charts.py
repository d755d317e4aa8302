"""Charts over time, bars and sparklines. Slices without data leave a gap; nothing is interpolated."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo.semconv import ABANDONED, FAILURE, OUTCOMES, SUCCESS
from maibo_slo.service.pages import units
from maibo_slo.service.pages.shapes import (
    PLOT_HEIGHT,
    Block,
    Column,
    Tick,
    clamp,
    count_axis,
    duration_axis,
    hundredths,
    in_words,
    moments,
    stack,
    time_axis,
    with_silent,
    y_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from maibo_slo.service.answers import JourneyFlow, Point, Span

SPARK_WIDTH, SPARK_HEIGHT = 264, 52
SPARK_AIR = 3
BUDGET_ZERO = 25.0
"""Where a budget bar has its zero, in percent of its width: what is overspent reaches to the left of it."""


@dataclass(frozen=True, slots=True)
class Spark:
    """A sparkline as two paths in a box of SPARK_WIDTH x SPARK_HEIGHT: the line, and the area under it."""

    line: str
    area: str
    label: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """A chart over time: columns or a line, axis marks, and perhaps a threshold."""

    columns: tuple[Column, ...]
    line: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    threshold_y: float | None = None
    band: str = ""
    """Around the line: from the median up to it."""


@dataclass(frozen=True, slots=True)
class BudgetBar:
    """What is left of a budget, to the right of zero, or overspent, to the left of it."""

    block: Block | None
    overspent: bool
    clipped: bool
    """More than a whole budget is overspent; the bar ends at the edge."""


def slice_seconds(points: Sequence[Point], window: Span) -> float:
    """The slices' length: their smallest distance."""
    gaps = [(later.at - earlier.at).total_seconds() for earlier, later in itertools.pairwise(points)]
    return min((gap for gap in gaps if gap > 0), default=max(1.0, window.seconds / 30))


def spark(values: Sequence[tuple[datetime, float]], window: Span, *, length: float, label: str) -> Spark:
    """A stepped line over the window; slices that are not among the values are gaps."""
    top = max((value for _, value in values), default=0.0) or 1.0
    begin, scale, high = window.begin.timestamp(), SPARK_WIDTH / window.seconds, SPARK_HEIGHT - 2 * SPARK_AIR
    line: list[str] = []
    area: list[str] = []
    end = None
    for at, value in values:
        offset = at.timestamp() - begin
        y = round(SPARK_AIR + (1 - value / top) * high)
        right = _spark_x((offset + length) * scale)
        if end == offset:
            step = f"V{y}H{right}"
            line.append(step)
            area.append(step)
        else:
            left = _spark_x(offset * scale)
            line.append(f"M{left} {y}H{right}")
            area.append(f"{f'V{SPARK_HEIGHT}z' if area else ''}M{left} {SPARK_HEIGHT}V{y}H{right}")
        end = offset + length
    return Spark("".join(line), f"{''.join(area)}V{SPARK_HEIGHT}z" if area else "", label)


def _spark_x(x: float) -> int:
    return SPARK_WIDTH if x >= SPARK_WIDTH else round(x) if x > 0 else 0


def outcome_bar(outcomes: Mapping[str, int]) -> tuple[Block, ...]:
    """Shares of the outcomes, side by side; an outcome that is there at all is seen (at least 1.5 % wide)."""
    return _side_by_side([(kind, outcomes.get(kind, 0)) for kind in OUTCOMES])


def budget_bar(left: float | None) -> BudgetBar:
    """One bar with its zero at a quarter: all of the budget fills it to the right, a whole budget overspent to the left."""
    if left is None:
        return BudgetBar(None, overspent=False, clipped=False)
    if left >= 0:
        block = Block("left", BUDGET_ZERO, hundredths(min(left, 1) * (100 - BUDGET_ZERO)))
        return BudgetBar(block, overspent=False, clipped=False)
    width = min(-left, 1) * BUDGET_ZERO
    block = Block("over", hundredths(BUDGET_ZERO - width), hundredths(width))
    return BudgetBar(block, overspent=True, clipped=left < -1)


def flow_bar(flow: JourneyFlow) -> tuple[Block, ...]:
    """What became of those that began, side by side; empty where that is not known, or nobody began."""
    if flow.abandoned is None or flow.in_progress is None:
        return ()
    return _side_by_side(
        (
            (SUCCESS, flow.succeeded),
            (FAILURE, flow.failed),
            (ABANDONED, flow.abandoned),
            ("under-way", flow.in_progress),
        )
    )


def outcomes_over_time(points: Sequence[Point], window: Span) -> Timeline:
    """Stacked columns of events by outcome; those who left silently stand where they began."""
    length, told = slice_seconds(points, window), moments(window)
    top, ticks = count_axis(max((point.count + (point.silent or 0) for point in points), default=0))
    columns = []
    for point in points:
        offset = (point.at - window.begin).total_seconds()
        left, right = (clamp(x / window.seconds) * 100 for x in (offset, offset + length))
        blocks = stack(with_silent(point.outcomes, point.silent), left, (right - left) * 0.86, top)
        columns.append(Column(f"{told(point.at)}: {in_words(point.outcomes, point.silent)}", blocks))
    return Timeline(tuple(columns), "", time_axis(window), ticks)


def p99_over_time(points: Sequence[Point], window: Span, *, threshold_us: int | None) -> Timeline:
    """A stepped line of each slice's P99 over a band from its median, in a box 1000 wide. A threshold more than four times as high is left out."""
    length, told = slice_seconds(points, window), moments(window)
    highest = max((point.p99_us for point in points if point.p99_us is not None), default=0.0)
    drawn = threshold_us if threshold_us is not None and (not highest or threshold_us <= 4 * highest) else None
    top, ticks = duration_axis(max(highest, drawn or 0.0))
    line, band, columns, previous_end = [], [], [], None
    for point in points:
        if point.p99_us is None:
            continue
        offset = (point.at - window.begin).total_seconds()
        left, right = (clamp(x / window.seconds) for x in (offset, offset + length))
        joined = previous_end is not None and math.isclose(previous_end, offset)
        y = round(y_of(point.p99_us, top), 1)
        line.append(f"V{y}H{right * 1000:.0f}" if joined else f"M{left * 1000:.0f} {y}H{right * 1000:.0f}")
        said = f"P99 {units.duration(point.p99_us)}"
        if point.p50_us is not None:
            band.append(f"M{left * 1000:.0f} {y}H{right * 1000:.0f}V{y_of(point.p50_us, top):.1f}H{left * 1000:.0f}z")
            said += f", P50 {units.duration(point.p50_us)}"
        hover = Block("hover", hundredths(left * 100), hundredths((right - left) * 100), 0, PLOT_HEIGHT)
        columns.append(Column(f"{told(point.at)}: {said}", (hover,)))
        previous_end = offset + length
    threshold_y = None if drawn is None else hundredths(y_of(drawn, top))
    return Timeline(tuple(columns), "".join(line), time_axis(window), ticks, threshold_y, "".join(band))


def _side_by_side(numbers: Iterable[tuple[str, int]]) -> tuple[Block, ...]:
    present = [(kind, number) for kind, number in numbers if number]
    total = sum(number for _, number in present)
    widths = [max(1.5, number / total * 100) for _, number in present]
    blocks, x = [], 0.0
    for (kind, _), width in zip(present, widths, strict=True):
        scaled = width / sum(widths) * 100
        blocks.append(Block(kind, hundredths(x), hundredths(scaled)))
        x += scaled
    return tuple(blocks)
