"""Pictures as SVG: for each window demand, and what a few strategies had ready for it; below, what was late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

import numpy as np
from benchmarks.autoscaling.strategies import ORACLE, STOCK

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.autoscaling.study import Studied
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

SHOWN: Final = {STOCK: "#c0504d", "maibo+fast": "#7aa6d6", "maibo+image": "#1f5fa8", ORACLE: "#6a9a3a"}
DEMAND: Final = "#9a9a9a"
WIDTH, HEIGHT, LOWER, LEFT, TOP, GAP = 1100, 320, 140, 64, 44, 48
POINTS: Final = 720


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
    outcomes = {name: studied.outcomes[name][number] for name in SHOWN if name in studied.outcomes}
    first = next(iter(studied.outcomes.values()))[number]
    hours = len(first.calls) / 3600
    upper = {"demand ÷ capacity of a replica": (DEMAND, _thin(first.calls / per_replica))}
    upper |= {f"{name}: ready": (SHOWN[name], _thin(each.ready)) for name, each in outcomes.items()}
    lower = {name: (SHOWN[name], _thin(_per_minute(each.missed, each.calls))) for name, each in outcomes.items()}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {TOP + HEIGHT + GAP + LOWER + 40}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-size="14">{escape(studied.trace)}, {studied.windows[number].character}: replicas</text>',
        *_legend(upper),
        *_panel(upper, TOP, HEIGHT, hours, "{:.0f}"),
        f'<text x="{LEFT}" y="{TOP + HEIGHT + GAP - 8}">requests over the SLO, % of each minute</text>',
        *_panel(lower, TOP + HEIGHT + GAP, LOWER, hours, "{:.1f}"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _per_minute(missed: Vector, calls: Vector) -> Vector:
    """Percent, as many values as seconds."""
    length = len(missed) // 60 * 60
    late = missed[:length].reshape(-1, 60).sum(axis=1)
    return np.repeat(100 * late / np.maximum(calls[:length].reshape(-1, 60).sum(axis=1), 1e-9), 60)


def _thin(values: Vector) -> Vector:
    """The highest of each part, so that no peak is lost."""
    begins = np.unique(np.linspace(0, len(values), POINTS, endpoint=False).astype(int))
    return np.asarray(np.maximum.reduceat(values, begins))


def _legend(series: dict[str, tuple[str, Vector]]) -> list[str]:
    return [
        f'<text x="{LEFT + 215 * place}" y="36" fill="{colour}">{escape(name)}</text>'
        for place, (name, (colour, _)) in enumerate(series.items())
    ]


def _panel(series: dict[str, tuple[str, Vector]], top: int, height: int, hours: float, form: str) -> list[str]:
    highest = max((float(values.max()) for _, values in series.values()), default=0.0) or 1.0
    width = WIDTH - LEFT - 16
    found = [f'<rect x="{LEFT}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#ccc"/>']
    for share in (0, 0.5, 1):
        y = top + height * (1 - share)
        found.append(f'<text x="{LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{form.format(highest * share)}</text>')
        x = LEFT + width * share
        found.append(
            f'<text x="{x:.0f}" y="{top + height + 14}" text-anchor="{("start", "middle", "end")[int(2 * share)]}">{hours * share:.1f} h</text>'
        )
    for colour, values in series.values():
        xs = LEFT + width * (np.arange(len(values)) + 0.5) / len(values)
        ys = top + height * (1 - values / highest)
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
        found.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.3"/>')
    return found
