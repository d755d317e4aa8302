"""What came in and what became of it: panels that maibo's own dashboard has for either data source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_dashboards import panels
from maibo_dashboards.boards.scales import FATE_COLOURS, LAG_SCALE, LOST_SCALE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_dashboards.panels import Panel, Step
    from maibo_dashboards.targets import Target, Targets


def age(title: str, about: str, target: Target, *, scale: Sequence[Step] = LAG_SCALE) -> Panel:
    """How far behind something is."""
    return panels.stat(title, about, target, unit=panels.SECONDS, scale=scale, decimals=0, filled=True)


def lost(target: Target) -> Panel:
    return panels.stat(
        "Rejected or skewed",
        "The share of what belonged to a journey that is in no count: refused, which its sender was told, or ended before it started.",
        target,
        unit=panels.RATIO,
        scale=LOST_SCALE,
        decimals=3,
        filled=True,
    )


def rate(target: Target) -> Panel:
    return panels.stat(
        "Came in",
        "Spans, log records and data points a second over the time range, whatever became of them; retries left out.",
        target,
        unit=panels.PER_SECOND,
        decimals=1,
    )


def fates(target: Target, *, by: str = "") -> Panel:
    """`by`: of which time they are."""
    return panels.lines(
        "Spans, log records and data points",
        f"A second, by what became of them; together all that came in{by}.",
        target,
        unit=panels.PER_SECOND,
        colours=FATE_COLOURS,
        stacked=True,
    )


def losses(targets: Targets) -> Panel:
    return panels.lines(
        "Rejected, skewed, overflowed, retried",
        "A second. The first two are in no count, the third lost its dimensions, and bodies that came again were left out: these cost nothing but work.",
        targets,
        unit=panels.PER_SECOND,
        colours={
            "rejected": panels.RED,
            "skewed": panels.ORANGE,
            "overflowed": panels.YELLOW,
            "retried bodies": panels.BLUE,
        },
    )
