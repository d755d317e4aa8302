"""Pictures as SVG: for each window demand, and what a few strategies had ready for it; below, what was late."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

import numpy as np
from benchmarks.autoscaling.settings import MISSED_BUDGET
from benchmarks.autoscaling.strategies import FULLEST, ORACLE, STOCK
from benchmarks.autoscaling.traces import DAY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.autoscaling.study import Studied
    from benchmarks.autoscaling.traces import Window
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

COLOURS: Final = {ORACLE: "#5b8c2a", STOCK: "#d1495b", FULLEST: "#1f5fa8"}
"""Drawn in this order. Blue and red are told apart by all; who does not see green sees dashes."""
DASHED: Final = 'stroke-dasharray="5 3"'
DEMAND, POOL, GRID, BUDGET = "#cfcfcf", "#bcd3ec", "#e6e6e6", "#666"
WIDTH, UPPER, LOWER, LEFT, RIGHT, TOP, GAP, BELOW = 1100, 330, 150, 56, 24, 58, 56, 34
POINTS: Final = 720
LEAST_PERCENT: Final = 0.05
"""Where the logarithmic scale of what is late begins: a service time alone is late in 0.074 %."""
STEPS: Final = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Panel:
    """A rectangle, and what its sides mean."""

    top: int
    height: int
    highest: float
    lowest: float = 0.0
    """More than 0: the scale is logarithmic."""

    def y(self, value: float) -> float:
        return float(self.ys(np.array([value]))[0])

    def ys(self, values: Vector) -> Vector:
        low, high = self.lowest, self.highest
        share = np.log(np.maximum(values, low) / low) / math.log(high / low) if low else values / high
        return np.asarray(self.top + self.height * (1 - np.clip(share, 0, 1)))


def draw(folder: Path, studied: Studied, per_replica: float) -> list[Path]:
    """One file a window."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, window in enumerate(studied.windows):
        path = folder / f"{studied.trace}-{number + 1}-{window.character}.svg"
        path.write_text(_picture(studied, number, per_replica), encoding="utf-8")
        written.append(path)
    return written


def _picture(studied: Studied, number: int, per_replica: float) -> str:
    outcomes = {name: studied.outcomes[name][number] for name in COLOURS if name in studied.outcomes}
    first = next(iter(studied.outcomes.values()))[number]
    times = _times(studied.windows[number], len(first.calls))
    needed = _thin(first.calls / per_replica)
    ready = {name: _thin(each.ready) for name, each in outcomes.items()}
    late = {name: _thin(_per_minute(each.missed, each.calls)) for name, each in outcomes.items()}
    room = _thin(outcomes[FULLEST].ready + outcomes[FULLEST].pool) if FULLEST in outcomes else needed
    title = f"{studied.trace}, {_day(studied.windows[number])}"
    upper = Panel(TOP, UPPER, _round_up(max(float(each.max()) for each in (needed, room, *ready.values()))))
    worst = max((float(each.max()) for each in late.values()), default=0.0)
    lower = Panel(
        TOP + UPPER + GAP, LOWER, next(each for each in (1, 10, 100) if each >= min(100, worst)), LEAST_PERCENT
    )
    height = TOP + UPPER + GAP + LOWER + BELOW
    pooled = FULLEST in outcomes and bool(outcomes[FULLEST].pool.any())
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12" fill="#333" role="img">',
            f"<title>{escape(title)}</title>",
            '<rect width="100%" height="100%" fill="white"/>',
            f'<text x="{LEFT}" y="22" font-size="15" font-weight="bold">{escape(title)}: replicas ready</text>',
            *_legend(list(outcomes), pooled=pooled),
            *_frame(upper, times, _ticks(upper.highest), "{:.0f}"),
            *([_area(upper, room, POOL, ready[FULLEST])] if pooled else []),
            _area(upper, needed, DEMAND),
            *(_line(upper, name, values) for name, values in ready.items()),
            f'<text x="{LEFT}" y="{lower.top - 10}" font-weight="bold">Requests over the SLO, % of each minute (logarithmic)</text>',
            *_frame(lower, times, [each for each in (0.1, 1, 10, 100) if each <= lower.highest], "{:g}"),
            *(_line(lower, name, values) for name, values in late.items()),
            _budget(lower),
            "</svg>\n",
        ]
    )


def _day(window: Window) -> str:
    if window.begin < DAY:
        return (
            "the whole of it" if window.character == "all" else f"day {window.begin / DAY + 1:.0f} ({window.character})"
        )
    kind = "" if window.character == "all" else f" ({window.character})"
    return f"{datetime.fromtimestamp(window.begin, UTC):%Y-%m-%d from %H:%M UTC}{kind}"


def _per_minute(missed: Vector, calls: Vector) -> Vector:
    """Percent, as many values as seconds."""
    length = len(missed) // 60 * 60
    late = missed[:length].reshape(-1, 60).sum(axis=1)
    return np.repeat(100 * late / np.maximum(calls[:length].reshape(-1, 60).sum(axis=1), 1e-9), 60)


def _thin(values: Vector) -> Vector:
    """The highest of each part, so that no peak is lost."""
    begins = np.unique(np.linspace(0, len(values), POINTS, endpoint=False).astype(int))
    return np.asarray(np.maximum.reduceat(values, begins))


def _round_up(value: float) -> float:
    """To the next line of the grid."""
    step = _step(value)
    return max(step, math.ceil(value / step - 1e-9) * step)


def _step(value: float) -> float:
    """Some five of them make the value."""
    decade = 10.0 ** math.floor(math.log10(max(value, 1) / 5))
    return max(1.0, next((each * decade for each in STEPS if each * decade * 6 >= value), 10 * decade))


def _ticks(highest: float) -> Sequence[float]:
    step = _step(highest)
    return [step * number for number in range(round(highest / step) + 1)]


def _legend(names: Sequence[str], *, pooled: bool) -> list[str]:
    found, x = [], LEFT
    areas = [("demand ÷ capacity of a replica", DEMAND), *([(f"{FULLEST}'s burst pool", POOL)] if pooled else [])]
    for name, colour in areas:
        found.append(f'<rect x="{x}" y="35" width="18" height="10" fill="{colour}"/>')
        found.append(f'<text x="{x + 24}" y="45">{escape(name)}</text>')
        x += 50 + 7 * len(name)
    for name in names:
        found.append(f'<path d="M{x} 41h18" {_stroke(name)}/><text x="{x + 24}" y="45">{escape(name)}</text>')
        x += 50 + 7 * len(name)
    return found


def _stroke(name: str) -> str:
    dashes = DASHED if name == ORACLE else ""
    return f'fill="none" stroke="{COLOURS[name]}" stroke-width="1.5" stroke-linejoin="round" {dashes}'


def _times(window: Window, seconds: int) -> list[tuple[float, str]]:
    """What is told along the time, and at which share of it: the clock (UTC) where there are dates, else hours, or minutes where it is short."""
    every = next((each for each in (60, 600, 3_600, 3 * 3_600) if seconds / each <= 12), 3 * 3_600)
    dated = window.begin >= DAY
    first = round(-window.begin % every) if dated else 0
    found = []
    for at in range(first, seconds + 1, every):
        if dated:
            told = f"{datetime.fromtimestamp(window.begin + at, UTC):%H:%M}"
        else:
            told = f"{at // 3600} h" if every >= 3_600 else f"{at // 60} min"
        found.append((at / seconds, told))
    return found


def _frame(panel: Panel, times: Sequence[tuple[float, str]], ticks: Sequence[float], form: str) -> list[str]:
    """Lines across for values, and along for time."""
    right, bottom = WIDTH - RIGHT, panel.top + panel.height
    found = []
    for value in ticks:
        y = panel.y(value)
        found.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="{GRID}"/>')
        found.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{form.format(value)}</text>')
    for share, told in times:
        x = LEFT + (right - LEFT) * share
        found.append(f'<path d="M{x:.1f} {panel.top}V{bottom}" stroke="{GRID}"/>')
        found.append(f'<text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{told}</text>')
    return found


def _budget(panel: Panel) -> str:
    y = panel.y(100 * MISSED_BUDGET)
    told = f"the SLO's {100 * MISSED_BUDGET:g} %"
    line = f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{BUDGET}" stroke-dasharray="2 3"/>'
    edge = 'stroke="white" stroke-width="4" paint-order="stroke"'  # it is read across the lines behind it
    return (
        line + f'<text x="{WIDTH - RIGHT - 4}" y="{y - 5:.1f}" text-anchor="end" fill="{BUDGET}" {edge}>{told}</text>'
    )


def _line(panel: Panel, name: str, values: Vector) -> str:
    return f'<polyline points="{_points(panel, values)}" {_stroke(name)}/>'


def _area(panel: Panel, values: Vector, colour: str, above: Vector | None = None) -> str:
    """From the bottom, or from what it is `above`."""
    bottom = _points(panel, np.zeros(len(values)) if above is None else above).split()
    return f'<polygon points="{_points(panel, values)} {" ".join(reversed(bottom))}" fill="{colour}"/>'


def _points(panel: Panel, values: Vector) -> str:
    xs = np.linspace(LEFT, WIDTH - RIGHT, len(values))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, panel.ys(values), strict=True))
