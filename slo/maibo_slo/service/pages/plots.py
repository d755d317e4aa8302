"""What lines over time are drawn with, one axis of time for all plots of a page: stepped paths with gaps, areas, and logarithmic axes.

A plot is an SVG without a viewBox, as in `shapes`; its paths are in a box 1000 wide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_slo.service.pages.shapes import PLOT_HEIGHT, Block, Column, Tick, hundredths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from maibo_slo.service.answers import Span

LABEL_SHARE: Final = 0.2
"""Of a plot's width, that a label takes at most."""
LABEL_HEIGHT: Final = 14.0
HEADROOM: Final = 0.05
"""Of a plot's height, above its highest value."""


@dataclass(frozen=True, slots=True)
class Line:
    """A path, by its kind."""

    kind: str
    path: str


@dataclass(frozen=True, slots=True)
class Level:
    """A line across: a threshold."""

    y: float
    label: str
    kind: str = "threshold"
    anchor: str = "end"
    """``start`` or ``end`` of the plot, where its label stands."""
    label_y: float = 0.0
    """Of the label's base line."""


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot over time."""

    words: str
    """What it shows, for those who cannot see it."""
    lines: tuple[Line, ...]
    areas: tuple[Line, ...]
    levels: tuple[Level, ...]
    columns: tuple[Column, ...]
    """What stands under the pointer."""
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    window: Span

    @property
    def empty(self) -> bool:
        """Nothing is drawn."""
        return not any(line.path for line in self.lines) and not self.columns


@dataclass(frozen=True, slots=True)
class Axis:
    """From values to pixels from the top."""

    y: Callable[[float], float]
    ticks: tuple[Tick, ...]


def linear(lowest: float, highest: float, marks: Iterable[float], label: Callable[[float], str]) -> Axis:
    """Values from `lowest`, at the floor, to `highest`."""
    spread = (highest - lowest) or 1.0

    def y(value: float) -> float:
        share = (min(highest, max(lowest, value)) - lowest) / spread
        return hundredths(PLOT_HEIGHT * (1 - (1 - HEADROOM) * share))

    return Axis(y, tuple(Tick(y(mark), label(mark)) for mark in marks if lowest <= mark <= highest))


def logarithmic(least: float, highest: float, label: Callable[[float], str], *, downwards: bool = False) -> Axis:
    """Powers of ten from `least`, at the floor, where all that is less stands too; `downwards`: at the top."""
    low = math.floor(math.log10(least))
    high = max(low + 1.0, math.log10(max(highest, least * 10)))

    def y(value: float) -> float:
        share = (min(high, max(low, math.log10(value) if value > 0 else low)) - low) / (high - low)
        return hundredths(PLOT_HEIGHT * (HEADROOM + (1 - HEADROOM) * (share if downwards else 1 - share)))

    powers = range(low, math.floor(high) + 1)
    each = max(1, math.ceil(len(powers) / 4))
    shown = [power for power in powers if (power - low) % each == 0]
    return Axis(y, tuple(Tick(y(10.0**power), label(10.0**power)) for power in shown))


def stepped(known: Sequence[tuple[float, float, float]]) -> str:
    """A line through (left, right, y), of which the first two are 0 to 1; where one does not begin where the other ended there is a gap."""
    path, end = [], None
    for left, right, y in known:
        begins = f"V{y:.1f}" if end == left else f"M{left * 1000:.1f} {y:.1f}"
        path.append(f"{begins}H{right * 1000:.1f}")
        end = right
    return "".join(path)


def areas(known: Sequence[tuple[float, float, float, float]]) -> str:
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


def level_of(y: float, label: str, *known: Sequence[tuple[float, float, float]]) -> Level:
    """A threshold whose label stands where none of these lines is: at the left, else at the right; above it, else below; at the left where they are all over."""
    above, below = (y - LABEL_HEIGHT, y), (y, y + LABEL_HEIGHT)
    within = [(box, base) for box, base in ((above, y - 4), (below, y + 12)) if box[0] >= -8 and box[1] <= PLOT_HEIGHT]
    places = [(anchor, box, base) for box, base in within for anchor in ("start", "end")]
    free = (each for each in places if not any(_meets(line, each[0], each[1]) for line in known))
    anchor, _, base = next(free, ("start", above, y - 4))
    return Level(y, label, anchor=anchor, label_y=hundredths(base))


def _meets(known: Sequence[tuple[float, float, float]], anchor: str, box: tuple[float, float]) -> bool:
    """Whether a line goes through a label at one end of the plot: as a step, or on the way from one to the next."""
    ends = [y for left, right, y in known if (left < LABEL_SHARE if anchor == "start" else right > 1 - LABEL_SHARE)]
    return any(min(a, b) <= box[1] and max(a, b) >= box[0] for a, b in zip(ends, [*ends[1:], *ends[-1:]], strict=True))


def hover(left: float, right: float) -> Block:
    """What a pointer meets; 0 to 1."""
    return Block("hover", hundredths(left * 100), hundredths((right - left) * 100), 0, PLOT_HEIGHT)
