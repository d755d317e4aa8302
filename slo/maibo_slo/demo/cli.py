"""The command `maibo demo`."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console

from maibo_slo.demo.children import DemoError
from maibo_slo.demo.report import Report
from maibo_slo.demo.run import Plan, run
from maibo_slo.demo.schedule import DURATION_SECONDS
from maibo_slo.demo.show import final, screen
from maibo_slo.errors import MaiboError


@click.command(
    epilog="""\b
Examples:
  maibo demo
  maibo demo --duration 45 --json
  maibo demo --keep"""
)
@click.option(
    "--duration",
    type=click.FloatRange(min=5),
    default=DURATION_SECONDS,
    show_default=True,
    help="Seconds that customers come; in fewer than that, nothing may burn.",
)
@click.option(
    "--rate", type=click.FloatRange(0.5, 50), default=5, show_default=True, help="Customers a second in ordinary times."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Decides who comes when, and how long work takes.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout; progress goes to stderr.")
@click.option("--keep", is_flag=True, help="Leave everything running, with ordinary traffic, until Ctrl-C.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="A new folder for store, logs and notes, left behind  [default: a temporary one, removed]",
)
def demo(*, duration: float, rate: float, seed: int, as_json: bool, keep: bool, folder: Path | None) -> None:
    """Run a small shop under real traffic, and compare what maibo says with what its customers and services wrote down.

    Ordinary traffic, a flash sale (10 x), a slow bad release of payment, its rollback. Exits with 1 when the two accounts disagree
    in a single count, or in a P99 by more than 1.25 %, and when the demo could not be run.
    """
    console = Console(stderr=as_json)

    def done(report: Report) -> None:
        if as_json:
            click.echo(json.dumps(report.as_json(), allow_nan=False))
        else:
            final(console, report)
        if keep:
            console.print(
                f"\nEverything goes on, with ordinary traffic: {report.address}/ (Ctrl-C ends it)",
                highlight=False,
                soft_wrap=True,
            )

    with _folder(folder) as place:
        plan = Plan(folder=place, duration=duration, rate=rate, seed=seed, keep=keep)
        try:
            agree = asyncio.run(_until_told_to_stop(plan, console, done))
        except* MaiboError as failed:
            told = dict.fromkeys(_messages(failed))
            if folder is None:
                told["(--dir FOLDER keeps the logs of every process)"] = None
            raise click.ClickException("\n".join(told)) from failed
    sys.exit(0 if agree else 1)


async def _until_told_to_stop(plan: Plan, console: Console, done: Callable[[Report], None]) -> bool:
    """Run the demo; whether the accounts agreed. SIGTERM and Ctrl-C end it in order, so that no process is left behind."""
    running = asyncio.current_task()
    assert running is not None
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(each, running.cancel)
    reports: list[Report] = []

    def told(report: Report) -> None:
        reports.append(report)
        done(report)

    try:
        await run(plan, screen(console), told)
    except asyncio.CancelledError:
        if not reports:
            raise DemoError("stopped before its end") from None
    return reports[0].judgement.agree


@contextmanager
def _folder(asked: Path | None) -> Iterator[Path]:
    """The folder asked for, which must be new, or a temporary one."""
    if asked is None:
        with tempfile.TemporaryDirectory(prefix="maibo-demo-", ignore_cleanup_errors=True) as temporary:
            yield Path(temporary)
        return
    if asked.exists() and any(asked.iterdir()):
        raise click.BadParameter(f"{asked} is not empty", param_hint="--dir")
    asked.mkdir(parents=True, exist_ok=True)
    yield asked.resolve()


def _messages(failed: BaseExceptionGroup[MaiboError]) -> Iterator[str]:
    for each in failed.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _messages(each)
        else:
            yield str(each)
