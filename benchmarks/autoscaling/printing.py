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
    from rich.console import Console

WORDS = {True: "yes", False: "no", None: "not sure"}
STYLES = {True: "green", False: "red", None: "yellow"}


def show(console: Console, studied: Studied) -> None:
    console.print(_table(studied))
    for row in studied.rows:
        if row.unsuited:
            console.print(f"  {row.name}: {row.unsuited}", style="dim")


def _table(studied: Studied) -> Table:
    replayed = ", ".join(str(each) for each in studied.windows)
    table = Table(title=f"{studied.trace}: {replayed}, of {studied.days:.2g} d", title_justify="left", pad_edge=False)
    for heading in (
        "strategy", "over SLO", "lost", "unserved", "scale-up P50 P90 P99", "ups", "utilised", "pod-h", "+ pool", "node-h", "x oracle",
        "changes", "misses against hpa-65",
    ):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "strategy" else "right", no_wrap=True)
    oracle = studied.row(ORACLE)
    for row in studied.rows:
        if row.figures is not None:
            table.add_row(*_cells(row, oracle.figures.paid_hours if oracle and oracle.figures else None))
    return table


def _cells(row: Row, oracle_hours: float | None) -> list[str]:
    found = row.figures
    assert found is not None
    return [
        row.name,
        f"{found.missed_share:.4%}",
        f"{found.lost_share:.3%}",
        f"{found.unserved_share:.3%}",
        " ".join(
            "-" if each is None else f"{each:.1f}" if each < 10 else f"{each:.0f}" for each in found.scale_up_seconds
        )
        + " s",
        str(found.scale_ups),
        f"{found.utilisation:.1%}",
        f"{found.pod_hours:.0f}",
        f"{found.pool_hours:.0f}" if found.pool_hours else "",
        f"{found.node_hours / PODS_PER_NODE:.0f}",
        f"{found.paid_hours / oracle_hours:.2f}" if oracle_hours else "",
        str(found.changes),
        _against(row),
    ]


def _against(row: Row) -> str:
    if row.compared is None or row.figures is None:
        return ""
    each, per = row.compared.missed, 100 / row.figures.calls
    return f"{per * each.total:+.4f} % [{per * each.lower:+.4f}, {per * each.upper:+.4f}]"


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
