"""Tables for people, one object for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from benchmarks.autoscaling.cluster import PODS_PER_NODE
from benchmarks.autoscaling.strategies import ORACLE
from benchmarks.autoscaling.study import Goal, Row, Studied, goals
from rich.table import Table

if TYPE_CHECKING:
    from benchmarks.autoscaling.figures import Figures
    from rich.console import Console

WORDS = {True: "yes", False: "no", None: "not sure"}
STYLES = {True: "green", False: "red", None: "yellow"}
FELT = (
    "strategy",
    "over SLO, %",
    "lost, %",
    "unserved, %",
    "scale-up P50, s",
    "P90, s",
    "P99, s",
    "misses against hpa-65, %",
)
TOOK = ("strategy", "utilised, %", "pod-h", "+ pool", "node-h", "x oracle", "scale-ups", "changes")


def show(console: Console, studied: Studied) -> None:
    """What customers felt, and what it took: two tables, since one would be wider than a terminal."""
    replayed = ", ".join(str(each) for each in studied.windows)
    rows = [(row, row.figures) for row in studied.rows if row.figures is not None]
    oracle = studied.row(ORACLE)
    oracle_hours = oracle.figures.paid_hours if oracle and oracle.figures else None
    felt = _table(f"{studied.trace}: {replayed}, of {studied.days:.2g} d; what customers felt", FELT)
    took = _table(f"{studied.trace}: what it took", TOOK)
    for row, found in rows:
        felt.add_row(row.name, *_felt(found), _against(row))
        took.add_row(row.name, *_took(found, oracle_hours))
    console.print(felt)
    console.print(took)
    for row in studied.rows:
        if row.unsuited:
            console.print(f"  {row.name}: {row.unsuited}", style="dim")


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "strategy" else "right", no_wrap=True)
    return table


def _felt(found: Figures) -> list[str]:
    return [
        f"{100 * found.missed_share:.4f}",
        f"{100 * found.lost_share:.3f}",
        f"{100 * found.unserved_share:.3f}",
        *("-" if each is None else f"{each:.1f}" if each < 10 else f"{each:.0f}" for each in found.scale_up_seconds),
    ]


def _took(found: Figures, oracle_hours: float | None) -> list[str]:
    return [
        f"{100 * found.utilisation:.1f}",
        f"{found.pod_hours:.0f}",
        f"{found.pool_hours:.0f}" if found.pool_hours else "",
        f"{found.node_hours / PODS_PER_NODE:.0f}",
        f"{found.paid_hours / oracle_hours:.2f}" if oracle_hours else "",
        str(found.scale_ups),
        str(found.changes),
    ]


def _against(row: Row) -> str:
    if row.compared is None or row.figures is None:
        return ""
    each, per = row.compared.missed, 100 / row.figures.calls
    return f"{per * each.total:+.4f} \\[{per * each.lower:+.4f}, {per * each.upper:+.4f}]"


def show_goals(console: Console, found: Sequence[Goal]) -> None:
    table = Table(title="Goals; 95 % intervals by a paired block bootstrap", title_justify="left", pad_edge=False)
    for heading in ("trace", "strategy", "goal", "met", "by"):
        table.add_column(heading, overflow="fold")
    for goal in found:
        table.add_row(
            goal.trace,
            goal.strategy,
            goal.what,
            f"[{STYLES[goal.met]}]{WORDS[goal.met]}[/]",
            goal.told.replace("[", "\\["),
        )
    console.print(table)


def as_json(all_studied: Sequence[Studied], seed: int) -> dict[str, Any]:
    return {"seed": seed, "traces": {each.trace: _trace(each) for each in all_studied}}


def _trace(studied: Studied) -> dict[str, Any]:
    return {
        "windows": [asdict(each) for each in studied.windows],
        "reach": asdict(studied.reach) | {"warm": studied.reach.warm, "cold": studied.reach.cold},
        "strategies": {row.name: _strategy(row) for row in studied.rows},
        "goals": [asdict(goal) for goal in goals(studied)],
    }


def _strategy(row: Row) -> dict[str, Any]:
    if row.figures is None:
        return {"unsuited": row.unsuited}
    found = row.figures
    of = asdict(found) | {
        "missed_share": found.missed_share, "lost_share": found.lost_share, "unserved_share": found.unserved_share,
        "paid_hours": found.paid_hours,
    }  # fmt: skip
    return of | {"against_stock": None if row.compared is None else asdict(row.compared)}
