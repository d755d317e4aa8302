"""
What charts are drawn with: blocks, columns and axes, pure functions from counts to places on the paper.

Every chart is an SVG without a viewBox: x is a percentage and y a number of pixels, so that a chart stretches from a phone to a wide
screen while its text keeps its size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from maibo.semconv import ABANDONED, FAILURE, OUTCOMES, SUCCESS
from maibo_slo.service.pages import units, words
from maibo_slo.service.pages.language import gettext

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from maibo_slo.service.answers import Span

PLOT_HEIGHT = 150
AIR = 0.94
"""The highest value reaches this share of a plot's height."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: `at` in percent from the left (x) or pixels from the top (y)."""

    at: float
    label: str
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


def ended(outcomes: Mapping[str, int]) -> dict[str, int]:
    """Successes and failures: abandoned journeys have no end to time."""
    return {kind: outcomes[kind] for kind in (SUCCESS, FAILURE) if outcomes.get(kind)}


def in_words(outcomes: Mapping[str, float], silent: int | None = None) -> str:
    """Counts by outcome as a sentence's part: ``31.3k success, 129 failure``; `silent` were abandoned and nobody said so."""
    said = [f"{units.count(outcomes[kind])} {words.outcome(kind)}" for kind in OUTCOMES if outcomes.get(kind)]
    said += [gettext("%(count)s left silently", count=units.count(silent))] if silent else []
    return gettext(", ").join(said) or gettext("none")


def with_silent(outcomes: Mapping[str, int], silent: int | None) -> dict[str, int]:
    """Outcomes with those abandoned that nobody told of; the two never count the same journey."""
    return {**outcomes, ABANDONED: outcomes.get(ABANDONED, 0) + silent} if silent else dict(outcomes)


def stack(outcomes: Mapping[str, float], x: float, width: float, top: float) -> tuple[Block, ...]:
    """Blocks from the bottom up; what is there at all is at least 1.5 pixels high."""
    blocks, floor = [], float(PLOT_HEIGHT)
    for kind in (SUCCESS, ABANDONED, FAILURE):
        number = outcomes.get(kind, 0)
        if number > 0:
            height = min(floor, max(1.5, number / top * PLOT_HEIGHT * AIR))
            floor -= height
            blocks.append(Block(kind, hundredths(x), hundredths(width), hundredths(floor), hundredths(height)))
    return tuple(blocks)


def count_axis(highest: float) -> tuple[float, tuple[Tick, ...]]:
    """The top of a scale of counts, and its marks: whole numbers."""
    return _axis(max(highest, 1), units.count, least=1)


def duration_axis(highest_us: float) -> tuple[float, tuple[Tick, ...]]:
    """The top of a scale of durations, and its marks."""
    return _axis(highest_us or 1_000, units.limit)


def time_axis(window: Span) -> tuple[Tick, ...]:
    """Four or five round times in UTC; midnight is told by its date."""
    steps = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800)
    step = next((s for s in steps if window.seconds / s <= 5.5), steps[-1])
    begin = window.begin.astimezone(UTC)
    first = math.ceil(begin.timestamp() / step) * step
    ticks = []
    for unix in range(first, int(window.end.timestamp()) + 1, step):
        at = datetime.fromtimestamp(unix, UTC)
        x = (at - begin) / timedelta(seconds=window.seconds) * 100
        text = f"{at:%d %b}" if unix % 86_400 == 0 else f"{at:%H:%M:%S}" if step < 60 else f"{at:%H:%M}"
        if 4 <= x <= 96:
            ticks.append(Tick(hundredths(x), text))
    return tuple(ticks)


def moments(window: Span) -> Callable[[datetime], str]:
    """How a time within the window is told: with its date where the window does not lie within one day."""
    one_day = window.begin.astimezone(UTC).date() == window.end.astimezone(UTC).date()
    return units.clock if one_day else units.dated


def y_of(value: float, top: float) -> float:
    """Where a value stands, in pixels from the top."""
    return PLOT_HEIGHT * (1 - AIR * value / top)


def clamp(share: float) -> float:
    """Within the paper."""
    return min(1.0, max(0.0, share))


def hundredths(number: float) -> float:
    """As exact as a screen can show."""
    return round(number, 2)


def _axis(highest: float, label: Callable[[float], str], *, least: float = 0) -> tuple[float, tuple[Tick, ...]]:
    """Two or three round marks; the top of the scale is the highest value."""
    magnitude = 10 ** math.floor(math.log10(highest / 2))
    steps = [m * magnitude for m in (1, 2, 5, 10) if m * magnitude <= highest / 2]
    step = max(least, *steps, magnitude)
    marks = [step * i for i in range(1, 4) if step * i <= highest * 1.04]
    return highest, tuple(Tick(hundredths(y_of(mark, highest)), label(mark)) for mark in marks)
