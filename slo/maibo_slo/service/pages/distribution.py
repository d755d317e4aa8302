"""
The latency distribution: events by duration over a logarithmic axis.

Bins are not of one width in logarithms, so each is spread over the columns that it lies under; only the drawing does that, the table
beside it holds the counts as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo_slo.service.pages import units
from maibo_slo.service.pages.language import gettext
from maibo_slo.service.pages.shapes import (
    PLOT_HEIGHT,
    Block,
    Column,
    Tick,
    clamp,
    count_axis,
    ended,
    hundredths,
    in_words,
    stack,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maibo_slo.service.answers import Bar

COLUMNS = 96


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
class CumulativeRow:
    """How many events took at most this long."""

    limit_us: float
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """A latency distribution, drawn; and its table."""

    columns: tuple[Column, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    """Events in one column."""
    markers: tuple[Marker, ...]
    beyond: Block | None
    """What lies beyond the threshold."""
    table: tuple[CumulativeRow, ...]


def distribution(
    bars: Sequence[Bar], *, p50_us: float | None, p99_us: float | None, threshold_us: int | None
) -> Distribution | None:
    """Columns of equal width; None without data."""
    bars = [bar for bar in bars if ended(bar.outcomes)]
    if not bars:
        return None
    low, high = _reach(bars, threshold_us)
    heights = _heights(bars, low, high)
    top, y_ticks = count_axis(max(sum(each.values()) for each in heights))
    width, scale = 100 / COLUMNS, COLUMNS / (high - low)
    columns = tuple(
        Column(
            gettext(
                "%(least)s to %(most)s: about %(events)s",
                least=units.duration(10 ** (low + index / scale)),
                most=units.duration(10 ** (low + (index + 1) / scale)),
                events=in_words({kind: round(number) for kind, number in each.items()}),
            ),
            stack(each, index * width, width * 0.88, top),
        )
        for index, each in enumerate(heights)
        if each
    )

    def place(us: float) -> float:
        return hundredths(clamp((math.log10(us) - low) / (high - low)) * 100)

    markers = [Marker("p50", place(p50_us), f"P50 {units.duration(p50_us)}", 1)] if p50_us else []
    markers += [Marker("p99", place(p99_us), f"P99 {units.duration(p99_us)}", 2)] if p99_us else []
    beyond = None
    if threshold_us:
        at = place(threshold_us)
        markers.append(Marker("threshold", at, gettext("threshold %(limit)s", limit=units.limit(threshold_us)), 0))
        beyond = Block("beyond", at, hundredths(100 - at), 0, PLOT_HEIGHT)
    return Distribution(columns, _log_axis(low, high), y_ticks, tuple(markers), beyond, tuple(_cumulative(bars)))


def _heights(bars: Sequence[Bar], low: float, high: float) -> list[dict[str, float]]:
    """Events of each column by outcome: each bin's, spread evenly over the columns that it lies under."""
    heights: list[dict[str, float]] = [{} for _ in range(COLUMNS)]
    for bar in bars:
        edges = (math.log10(max(edge, 0.5)) for edge in (bar.lower_us, bar.upper_us))
        first, last = (clamp((edge - low) / (high - low)) * COLUMNS for edge in edges)
        for index in range(int(first), min(math.ceil(last), COLUMNS)):
            part = (min(last, index + 1) - max(first, index)) / (last - first)
            for kind, number in ended(bar.outcomes).items():
                heights[index][kind] = heights[index].get(kind, 0.0) + number * part
    return heights


def _reach(bars: Sequence[Bar], threshold_us: int | None) -> tuple[float, float]:
    """The axis' ends as logarithms: all data and the threshold, with some air; at least a decade."""
    edges = [max(bar.lower_us, 0.5) for bar in bars] + [bar.upper_us for bar in bars]
    low, high = math.log10(min(edges)), math.log10(max(edges))
    if threshold_us:
        low, high = min(low, math.log10(threshold_us)), max(high, math.log10(threshold_us))
    air = max(0.08, (1 - (high - low)) / 2)
    return low - air, high + air


def _cumulative(bars: Sequence[Bar]) -> Iterator[CumulativeRow]:
    """Counts at 1, 2, 5, 10 ... which are bin edges, hence exact; from the first limit with an event to the one that holds all."""
    total = sum(sum(ended(bar.outcomes).values()) for bar in bars)
    for exponent in range(math.floor(math.log10(max(bars[0].lower_us, 1))), 13):
        for mantissa in (1, 2, 5):
            limit = float(mantissa * 10**exponent)
            within = sum(sum(ended(bar.outcomes).values()) for bar in bars if bar.upper_us <= limit)
            if within:
                yield CumulativeRow(limit, within, within / total)
            if within == total:
                return


def _log_axis(low: float, high: float) -> tuple[Tick, ...]:
    """Powers of ten always; 2 and 5 between them where there is room, which beyond two decades a phone has not."""
    ticks = []
    for exponent in range(math.floor(low), math.ceil(high) + 1):
        for mantissa in (1, 2, 5) if high - low <= 4 else (1,):
            x = (math.log10(mantissa) + exponent - low) / (high - low) * 100
            if 3 <= x <= 97:
                label = units.limit(mantissa * 10.0**exponent)
                ticks.append(Tick(hundredths(x), label, minor=mantissa != 1 and high - low > 2))
    return tuple(ticks)
