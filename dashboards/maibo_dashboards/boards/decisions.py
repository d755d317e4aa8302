"""What was decided and why, over time, as either data source's dashboards show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_dashboards import panels
from maibo_dashboards.panels import Series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_dashboards.panels import Panel
    from maibo_dashboards.targets import Targets


def replicas(gap: str, targets: Targets, *, bounds: Sequence[Series] = (), interval: str | None = None) -> Panel:
    """`gap`: what one is."""
    return panels.lines(
        "Replicas: desired, wanted, ready",
        "Desired: what maibo decided, with what the uncertainty of counts and capacity allows as a band. Wanted: spec.replicas. Ready: what serves. "
        f"{gap}",
        targets,
        unit=panels.COUNT,
        colours={"desired": panels.BLUE, "wanted": panels.PURPLE, "ready": panels.GREEN},
        series=[
            Series("upper", "light-blue", fill_to="lower", width=0),
            Series("lower", "light-blue", width=0),
            *bounds,
        ],
        interval=interval,
    )


def demand(about: str, targets: Targets) -> Panel:
    return panels.lines(
        "Demand, forecast and what is carried",
        about,
        targets,
        unit=panels.PER_SECOND,
        colours={"demand": panels.BLUE, "median": panels.PURPLE},
        series=[
            Series("P90", "light-purple", fill_to="P10", width=0),
            Series("P10", "light-purple", width=0),
            Series("capacity of what is ready", panels.GREEN, dashed=True),
        ],
    )
