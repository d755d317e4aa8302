"""``maibo slo backtest``: what an SLO, as it is or as it might be, would have made of the past.

Counts come from the service: from the ledger, or counted again from cells for another latency; `backtesting` replays them.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click

from maibo_alerting.commands import objective_target, slo_window
from maibo_slo.cli.client import ask, escaped, url_option
from maibo_slo.cli.example import examples
from maibo_slo.cli.output import output_option, print_json

if TYPE_CHECKING:
    from maibo_slo.service.history import CountsAnswer

MINUTE: Final = 60
DAY: Final = 86_400
USUAL_DAYS: Final = 28
MOST_DAYS: Final = 100
"""Of minutes in one answer of the service."""
MINUTES_KEPT_DAYS: Final = 35
"""Of cells: as far back as another threshold can be counted."""


@click.group()
def slo() -> None:
    """What alerting adds to the commands about SLOs."""


@slo.command(
    "backtest",
    epilog=examples(
        "maibo slo backtest checkout-fast",
        "maibo slo backtest checkout-fast --target 99.95 --window 28d",
        "maibo slo backtest checkout-fast --threshold 300ms --from 2026-10-01T00:00Z --to 2026-10-29T00:00Z",
    ),
)
@click.argument("name")
@click.option("--target", callback=objective_target, help="In percent, instead of the document's.")
@click.option("--window", callback=slo_window, help="Of the SLO, rolling, instead of the document's.")
@click.option("--threshold", help="Latency of good events instead of the document's, such as 300ms.")
@click.option("--objective", default="", help="By name; the first where not given.")
@click.option("--group", default="", help="Of an SLO with a budget for each group, such as tier=gold.")
@click.option(
    "--from",
    "begin",
    metavar="TIME",
    help="RFC 3339 with zone, or unix seconds; 28 days before the end, where not given.",
)
@click.option("--to", "end", metavar="TIME", help="Now, where not given.")
@url_option
@output_option
def command(
    *,
    name: str,
    target: float | None,
    window: int | None,
    threshold: str | None,
    objective: str,
    group: str,
    begin: str | None,
    end: str | None,
    url: str,
    output: str,
) -> None:
    """When an SLO would have paged, and what would be left of its budget: as it is, and beside it as it might be.

    The past is replayed through the evaluator that pages in earnest. Another threshold is counted again from cells, which are kept for 35 days.
    """
    from maibo_alerting.backtesting.replay import backtest, past_of
    from maibo_alerting.backtesting.showing import as_objects, print_outcomes

    until = _moment("--to", end) if end else int(time.time()) // MINUTE * MINUTE
    since = _moment("--from", begin) if begin else until - USUAL_DAYS * DAY
    if not 0 < until - since <= MOST_DAYS * DAY:
        raise click.UsageError(f"--from must be before --to, by {MOST_DAYS} days at most")
    asked = {"objective": objective, "group": group}
    reach = _reach(url, name, since, until, asked, window=window)
    told = _fetched(url, name, since, until, asked, reach=reach)
    documented = backtest(past_of(told), target=told.target, window_seconds=told.window_seconds, begin=since, end=until)
    changed, counted = None, told
    if target or window or threshold:
        if threshold:
            counted = _fetched(url, name, since, until, {**asked, "threshold": threshold}, reach=reach)
        past = past_of(counted)
        changed = backtest(
            replace(past, periods=()) if window else past,
            target=target or told.target,
            window_seconds=window or told.window_seconds,
            begin=since,
            end=until,
        )
    if output == "json":
        print_json({"slo": name, "objective": told.objective, "group": group, **as_objects(documented, changed)})
    else:
        print_outcomes(told, counted, documented, changed, threshold=threshold)


def _reach(url: str, name: str, since: int, until: int, asked: dict[str, str], *, window: int | None) -> int:
    """How far before `since` windows look: those of the document, which says how long its own is, and the one asked for."""
    from maibo_slo.engine.burn import BURN_WINDOWS

    few = {**asked, "begin": str(since), "end": str(min(until, since + 3600)), "step": "3600"}
    told = _counts(url, name, few)
    own = since - told.periods[0] if told.periods else told.window_seconds
    return max(own, window or 0, *BURN_WINDOWS.values())


def _fetched(url: str, name: str, since: int, until: int, asked: dict[str, str], *, reach: int) -> CountsAnswer:
    """With as much of the past as windows reach into and the service keeps."""
    oldest = until - MOST_DAYS * DAY
    if "threshold" in asked:
        oldest = max(oldest, int(time.time()) - MINUTES_KEPT_DAYS * DAY + 3600)
    first = min(since, max(since - reach, oldest)) // MINUTE * MINUTE
    return _counts(url, name, {**asked, "begin": str(first), "end": str(until), "step": "60"})


def _counts(url: str, name: str, asked: dict[str, str]) -> CountsAnswer:
    from maibo_slo.service.history import CountsAnswer

    return ask(url, f"/v1/slos/{escaped(name)}/counts", CountsAnswer, asked)


def _moment(option: str, text: str) -> int:
    """Whole minutes, unix s."""
    try:
        at = int(text) if text.isdecimal() else datetime.fromisoformat(text)
    except ValueError:
        at = None
    if isinstance(at, datetime):
        at = None if at.tzinfo is None else int(at.timestamp())
    if at is None:
        raise click.BadParameter(f"{text!r} is no time such as 2026-01-31T12:00:00Z or 1769860800", param_hint=option)
    return at // MINUTE * MINUTE
