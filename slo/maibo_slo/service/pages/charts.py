"""
Geometry of the charts: pure functions from counts to places on the paper.

Every chart is an SVG without a viewBox: x is a percentage and y a number of pixels, so that a chart stretches from a phone to a wide
screen while its text keeps its size. Slices without data leave a gap; nothing is interpolated.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from maibo.semconv import ABANDONED, FAILURE, OUTCOMES, SUCCESS
from maibo_slo.service.pages import units

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from maibo_slo.service.answers import Bar, ObjectiveAnswer, Point, Span

SPARK_WIDTH, SPARK_HEIGHT = 264, 52
SPARK_AIR = 3
PLOT_HEIGHT = 150
COLUMNS = 96
BUDGET_ZERO = 25.0
"""Where a budget bar has its zero, in percent of its width: what is overspent reaches to the left of it."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: `at` in percent from the left (x) or pixels from the top (y)."""

    at: float
    label: str
    anchor: str = "middle"
    minor: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """One rectangle: x and width in percent, y and height in pixels."""

    kind: str
    x: float
    width: float
    y: float = 0
    height: float = 0


@dataclass(frozen=True, slots=True)
class Column:
    """A stack of blocks, and what it says in words."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Marker:
    """A vertical line with a label: P50, P99, a threshold."""

    kind: str
    at: float
    label: str
    row: int

    @property
    def flipped(self) -> bool:
        """Near the right edge a label stands on the left of its line."""
        return self.at > 62


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


@dataclass(frozen=True, slots=True)
class CumulativeRow:
    """How many events took at most this long."""

    limit_us: float
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """A latency distribution over a logarithmic axis."""

    columns: tuple[Column, ...]
    x_ticks: tuple[Tick, ...]
    markers: tuple[Marker, ...]
    beyond: Block | None
    """What lies beyond the threshold."""
    table: tuple[CumulativeRow, ...]


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
    begin, scale = window.begin.timestamp(), SPARK_WIDTH / window.seconds
    line, area, end = "", "", None
    for at, value in values:
        offset = at.timestamp() - begin
        left, right = (min(SPARK_WIDTH, max(0, round(x * scale))) for x in (offset, offset + length))
        y = round(SPARK_AIR + (1 - value / top) * (SPARK_HEIGHT - 2 * SPARK_AIR))
        if end == offset:
            line += f"V{y}H{right}"
            area += f"V{y}H{right}"
        else:
            line += f"M{left} {y}H{right}"
            area += f"{f'V{SPARK_HEIGHT}z' if area else ''}M{left} {SPARK_HEIGHT}V{y}H{right}"
        end = offset + length
    return Spark(line, f"{area}V{SPARK_HEIGHT}z" if area else "", label)


def outcome_bar(outcomes: Mapping[str, int]) -> tuple[Block, ...]:
    """Shares of the outcomes, side by side; an outcome that is there at all is seen (at least 1.5 % wide)."""
    present = [(kind, outcomes.get(kind, 0)) for kind in OUTCOMES if outcomes.get(kind, 0)]
    total = sum(number for _, number in present)
    widths = [max(1.5, number / total * 100) for _, number in present]
    blocks, x = [], 0.0
    for (kind, _), width in zip(present, widths, strict=True):
        scaled = width / sum(widths) * 100
        blocks.append(Block(kind, _r(x), _r(scaled)))
        x += scaled
    return tuple(blocks)


def budget_bar(objective: ObjectiveAnswer) -> BudgetBar:
    """One bar with its zero at a quarter: all of the budget fills it to the right, a whole budget overspent to the left."""
    left = objective.budget_remaining
    if left is None:
        return BudgetBar(None, overspent=False, clipped=False)
    if left >= 0:
        return BudgetBar(
            Block("left", BUDGET_ZERO, _r(min(left, 1) * (100 - BUDGET_ZERO))), overspent=False, clipped=False
        )
    width = min(-left, 1) * BUDGET_ZERO
    return BudgetBar(Block("over", _r(BUDGET_ZERO - width), _r(width)), overspent=True, clipped=left < -1)


def outcomes_over_time(points: Sequence[Point], window: Span) -> Timeline:
    """Stacked columns of events by outcome."""
    length = slice_seconds(points, window)
    top, ticks = _count_axis(max((point.count for point in points), default=0))
    columns = []
    for point in points:
        offset = (point.at - window.begin).total_seconds()
        left, right = (_clamp(x / window.seconds) * 100 for x in (offset, offset + length))
        blocks = _stack(point.outcomes, left, (right - left) * 0.86, top)
        columns.append(Column(f"{units.clock(point.at)}: {in_words(point.outcomes)}", blocks))
    return Timeline(tuple(columns), "", _time_axis(window), ticks)


def p99_over_time(points: Sequence[Point], window: Span, *, threshold_us: int | None) -> Timeline:
    """A stepped line of each slice's P99, in a box 1000 wide. A threshold more than four times as high is left out."""
    length = slice_seconds(points, window)
    highest = max((point.p99_us for point in points if point.p99_us is not None), default=0.0)
    drawn = threshold_us if threshold_us is not None and (not highest or threshold_us <= 4 * highest) else None
    top, ticks = _duration_axis(max(highest, drawn or 0.0))
    line, columns, previous_end = [], [], None
    for point in points:
        if point.p99_us is None:
            continue
        offset = (point.at - window.begin).total_seconds()
        left, right = (_clamp(x / window.seconds) for x in (offset, offset + length))
        joined = previous_end is not None and math.isclose(previous_end, offset)
        y = round(_y(point.p99_us, top), 1)
        line.append(f"V{y}H{right * 1000:.0f}" if joined else f"M{left * 1000:.0f} {y}H{right * 1000:.0f}")
        hover = Block("hover", _r(left * 100), _r((right - left) * 100), 0, PLOT_HEIGHT)
        columns.append(Column(f"{units.clock(point.at)}: P99 {units.duration(point.p99_us)}", (hover,)))
        previous_end = offset + length
    return Timeline(
        tuple(columns), "".join(line), _time_axis(window), ticks, None if drawn is None else _r(_y(drawn, top))
    )


def distribution(
    bars: Sequence[Bar], *, p50_us: float | None, p99_us: float | None, threshold_us: int | None
) -> Distribution | None:
    """
    Events by duration, in columns of equal width on a logarithmic axis; None without data.

    Bins are not of one width in logarithms, so each is spread over the columns that it lies under; only the drawing does that, the
    table beside it holds the counts as they are.
    """
    bars = [bar for bar in bars if _timed(bar.outcomes)]
    if not bars:
        return None
    low, high = _reach(bars, threshold_us)
    heights: list[dict[str, float]] = [{} for _ in range(COLUMNS)]
    scale = COLUMNS / (high - low)
    for bar in bars:
        left, right = (math.log10(max(edge, 0.5)) for edge in (bar.lower_us, bar.upper_us))
        first, last = (_clamp((x - low) * scale / COLUMNS) * COLUMNS for x in (left, right))
        for index in range(int(first), min(math.ceil(last), COLUMNS)):
            part = (min(last, index + 1) - max(first, index)) / (last - first)
            for kind, number in _timed(bar.outcomes).items():
                heights[index][kind] = heights[index].get(kind, 0.0) + number * part
    top = max(sum(stack.values()) for stack in heights) or 1.0
    width = 100 / COLUMNS
    columns = tuple(
        Column(
            f"{units.duration(10 ** (low + index / scale))} to {units.duration(10 ** (low + (index + 1) / scale))}: "
            f"about {in_words({kind: round(number) for kind, number in stack.items()})}",
            _stack(stack, index * width, width * 0.88, top),
        )
        for index, stack in enumerate(heights)
        if stack
    )

    def place(us: float) -> float:
        return _r(_clamp((math.log10(us) - low) / (high - low)) * 100)

    markers = [Marker("p50", place(p50_us), f"P50 {units.duration(p50_us)}", 1)] if p50_us else []
    markers += [Marker("p99", place(p99_us), f"P99 {units.duration(p99_us)}", 2)] if p99_us else []
    beyond = None
    if threshold_us:
        at = place(threshold_us)
        markers.append(Marker("threshold", at, f"threshold {units.limit(threshold_us)}", 0))
        beyond = Block("beyond", at, _r(100 - at), 0, PLOT_HEIGHT)
    return Distribution(columns, _log_axis(low, high), tuple(markers), beyond, _cumulative(bars))


def _reach(bars: Sequence[Bar], threshold_us: int | None) -> tuple[float, float]:
    """The axis' ends as logarithms: all data, P50 to P99 and the threshold, with some air; at least a decade."""
    edges = [max(bar.lower_us, 0.5) for bar in bars] + [bar.upper_us for bar in bars]
    low, high = math.log10(min(edges)), math.log10(max(edges))
    if threshold_us:
        low, high = min(low, math.log10(threshold_us)), max(high, math.log10(threshold_us))
    air = max(0.08, (1 - (high - low)) / 2)
    return low - air, high + air


def _cumulative(bars: Sequence[Bar]) -> tuple[CumulativeRow, ...]:
    """Counts at 1, 2, 5, 10 ... which are bin edges, hence exact; from the first limit with an event to the one that holds all."""
    total = sum(sum(_timed(bar.outcomes).values()) for bar in bars)
    rows = []
    for exponent in range(math.floor(math.log10(max(bars[0].lower_us, 1))), 13):
        for mantissa in (1, 2, 5):
            limit = float(mantissa * 10**exponent)
            within = sum(sum(_timed(bar.outcomes).values()) for bar in bars if bar.upper_us <= limit)
            if within:
                rows.append(CumulativeRow(limit, within, within / total))
            if within == total:
                return tuple(rows)
    return tuple(rows)


def _timed(outcomes: Mapping[str, int]) -> dict[str, int]:
    """Abandoned journeys have no end to time."""
    return {kind: outcomes[kind] for kind in (SUCCESS, FAILURE) if outcomes.get(kind)}


def _stack(outcomes: Mapping[str, float], x: float, width: float, top: float) -> tuple[Block, ...]:
    """Blocks from the bottom up; what is there at all is at least 1.5 pixels high."""
    blocks, floor = [], float(PLOT_HEIGHT)
    for kind in (SUCCESS, ABANDONED, FAILURE):
        number = outcomes.get(kind, 0)
        if number > 0:
            height = min(floor, max(1.5, number / top * PLOT_HEIGHT * 0.94))
            floor -= height
            blocks.append(Block(kind, _r(x), _r(width), _r(floor), _r(height)))
    return tuple(blocks)


def in_words(outcomes: Mapping[str, float]) -> str:
    """Counts by outcome as a sentence's part: ``31.3k success, 129 failure``."""
    said = [f"{units.count(outcomes[kind])} {kind}" for kind in OUTCOMES if outcomes.get(kind)]
    return ", ".join(said) or "none"


def _count_axis(highest: float) -> tuple[float, tuple[Tick, ...]]:
    return _axis(max(highest, 1), units.count)


def _duration_axis(highest_us: float) -> tuple[float, tuple[Tick, ...]]:
    return _axis(highest_us or 1_000, units.limit)


def _axis(highest: float, label: Callable[[float], str]) -> tuple[float, tuple[Tick, ...]]:
    """Two or three round marks; the top of the scale is the highest value."""
    magnitude = 10 ** math.floor(math.log10(highest / 2))
    step = max((m * magnitude for m in (1, 2, 5, 10) if m * magnitude <= highest / 2 or m == 1), default=magnitude)
    marks = [step * i for i in range(1, 4) if step * i <= highest * 1.04]
    return highest, tuple(Tick(_r(_y(mark, highest)), label(mark)) for mark in marks)


def _time_axis(window: Span) -> tuple[Tick, ...]:
    """Four or five round times in UTC."""
    steps = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800)
    step = next((s for s in steps if window.seconds / s <= 5.5), steps[-1])
    begin = window.begin.astimezone(UTC)
    first = math.ceil(begin.timestamp() / step) * step
    ticks = []
    for unix in range(first, int(window.end.timestamp()) + 1, step):
        at = datetime.fromtimestamp(unix, UTC)
        x = (at - begin) / timedelta(seconds=window.seconds) * 100
        text = f"{at:%H:%M:%S}" if step < 60 else f"{at:%H:%M}" if step < 86400 else f"{at:%d %b}"
        if 4 <= x <= 96:
            ticks.append(Tick(_r(x), text))
    return tuple(ticks)


def _log_axis(low: float, high: float) -> tuple[Tick, ...]:
    """Powers of ten always; 2 and 5 between them where there is room, which beyond two decades a phone has not."""
    ticks = []
    for exponent in range(math.floor(low), math.ceil(high) + 1):
        for mantissa in (1, 2, 5) if high - low <= 4 else (1,):
            x = (math.log10(mantissa) + exponent - low) / (high - low) * 100
            if 3 <= x <= 97:
                ticks.append(
                    Tick(_r(x), units.limit(mantissa * 10.0**exponent), minor=mantissa != 1 and high - low > 2)
                )
    return tuple(ticks)


def _y(value: float, top: float) -> float:
    return PLOT_HEIGHT * (1 - 0.94 * value / top)


def _clamp(share: float) -> float:
    return min(1.0, max(0.0, share))


def _r(number: float) -> float:
    return round(number, 2)
