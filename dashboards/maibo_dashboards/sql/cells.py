"""What every query of cells needs: names from documents quoted, the table of the chosen resolution, filters, ratios.

Tables and columns are the store's (`maibo_slo.store.tables`); macros and variables are those of Grafana's ClickHouse data source.
Names that come from documents are quoted by `text`. Counts are summed before anything is divided; what has no data is NULL.
"""
# ruff: noqa: S608 -- building SQL is what this module does; nothing reaches it but documents' names, through `text` and `name`

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

CELLS: Final = "cells_${resolution}"
RESOLUTIONS: Final[Mapping[str, str]] = {"10s": "10 s (3 days)", "1m": "1 min (35 days)", "1h": "1 h (400 days)"}
"""The tiers of the store: what is in ``cells_KEY``, and how long it is kept."""
FILTERS: Final = ("environment", "region", "tier")
"""Dimensions that a journey's dashboard can be narrowed by."""

BUCKET_SECONDS: Final = "transform('${resolution}', ['10s', '1m', '1h'], [10, 60, 3600], 60)"
"""How long a bucket of these cells is."""
FILL: Final = "WITH FILL STEP toIntervalSecond($__interval_s)"
"""After ``ORDER BY time``: a slice without data becomes NULL, so that no line is drawn across it."""
SECONDS: Final = "greatest(1, toUnixTimestamp($__toTime) - toUnixTimestamp($__fromTime))"
"""Of the time range."""
FINISHED: Final = "sumIf(n, outcome IN ('success', 'failure'))"
SUCCESS_RATIO: Final = f"sumIf(n, outcome = 'success') / nullIf({FINISHED}, 0)"


def text(value: str) -> str:
    """A string literal. A dollar sign is split off, for Grafana would read a variable."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    parts = [f"'{part}'" for part in escaped.split("$")]
    return parts[0] if len(parts) == 1 else f"concat({', char(36), '.join(parts)})"


def name(value: str) -> str:
    """A column's name."""
    return "`" + value.replace("\\", "\\\\").replace("`", "\\`").replace("$", "") + "`"


ANY: Final = "*"
"""Steps and the journey as a whole."""


def conditional(dimension: str) -> str:
    """A condition: the values that the dashboard's variable of this name chooses."""
    return f"$__conditionalAll({dimension} IN (${{{dimension}:singlequote}}), ${dimension})"


def of_journey(journey: str, *, step: str | None = "") -> str:
    """A condition: cells of this journey as a whole, of a step, of all steps (None), or `ANY`; narrowed by the dashboard's variables."""
    steps = {None: ["step != ''"], ANY: []}.get(step, [f"step = {text(step or '')}"])
    return " AND ".join([f"journey = {text(journey)}", *steps, *map(conditional, FILTERS), "$__timeFilter(t)"])


def of_flow(journey: str) -> str:
    """A condition: what became of this journey's begins, narrowed by what is known at a begin: not the region."""
    return " AND ".join(
        [f"journey = {text(journey)}", conditional("environment"), conditional("tier"), "$__timeFilter(t)"]
    )


def values_of(dimension: str, journey: str) -> str:
    return f"SELECT DISTINCT {dimension} FROM {CELLS} WHERE journey = {text(journey)} AND {dimension} != '' AND $__timeFilter(t) ORDER BY 1"
