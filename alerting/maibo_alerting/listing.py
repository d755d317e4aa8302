"""`maibo alert list` and `maibo alert dead`: what fires, and what was not taken, as a running service says."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click

from maibo_slo.cli.client import ask, tell, url_option
from maibo_slo.cli.example import examples
from maibo_slo.cli.output import NOTHING, ago, console, output_option, print_json, shown, styled, table
from maibo_slo.errors import ServiceError

if TYPE_CHECKING:
    from datetime import datetime

    from maibo_alerting.api import AlertsAnswer, DeadsAnswer, DestinationAnswer

COLOURS: Final = {"firing": "bold red", "pending": "yellow", "resolved": "green"}


@click.command("list", epilog=examples("maibo alert list", "maibo alert list --output json"))
@url_option
@output_option
def list_(*, url: str, output: str) -> None:
    """What fires, is about to, or ended within the last quarter of an hour; and how the destinations fare (asks a running service)."""
    from maibo_alerting.api import AlertsAnswer

    answer = ask(url, "/v1/alerts", AlertsAnswer)
    if output == "json":
        print_json(answer.model_dump(mode="json"))
        return
    _print(answer, now=time.time())


@click.group(epilog=examples("maibo alert dead list", "maibo alert dead replay 17", "maibo alert dead discard --all"))
def dead() -> None:
    """Dead letters: what a destination refused for good, or did not take for a day."""


@dead.command("list", epilog=examples("maibo alert dead list", "maibo alert dead list --output json"))
@url_option
@output_option
def list_dead(*, url: str, output: str) -> None:
    """What was given up, and why; the newest first (asks a running service)."""
    from maibo_alerting.api import DeadsAnswer

    answer = ask(url, "/v1/alerts/dead", DeadsAnswer)
    if output == "json":
        print_json(answer.model_dump(mode="json"))
    else:
        _print_dead(answer, now=time.time())


@dead.command(epilog=examples("maibo alert dead replay 17", "maibo alert dead replay --all"))
@click.argument("ids", metavar="ID...", nargs=-1, type=click.IntRange(1))
@click.option("--all", "every", is_flag=True, help="All that there are.")
@url_option
def replay(*, ids: tuple[int, ...], every: bool, url: str) -> None:
    """Send dead letters after all: when a destination is mended."""
    _do(url, ids, "replay", every=every)


@dead.command(epilog=examples("maibo alert dead discard 17 18"))
@click.argument("ids", metavar="ID...", nargs=-1, type=click.IntRange(1))
@click.option("--all", "every", is_flag=True, help="All that there are.")
@url_option
def discard(*, ids: tuple[int, ...], every: bool, url: str) -> None:
    """Forget dead letters."""
    _do(url, ids, "discard", every=every)


def _do(url: str, ids: tuple[int, ...], what: str, *, every: bool) -> None:
    """Each; those that cannot be are told, and are a failure."""
    from maibo_alerting.api import DeadsAnswer, DoneAnswer

    if every == bool(ids):
        raise click.UsageError("give the ids that `maibo alert dead list` shows, or --all")
    # The oldest first: of two transitions of one alert, the later is the last that is told.
    chosen = ids or tuple(one.id for one in reversed(ask(url, "/v1/alerts/dead", DeadsAnswer).dead))
    failed = False
    for each in chosen:
        try:
            done = tell(url, f"/v1/alerts/dead/{each}/{what}", DoneAnswer, {})
        except ServiceError as error:
            click.echo(str(error), err=True)
            failed = True
        else:
            click.echo(f"{done.id}: {done.done}")
    if not chosen:
        click.echo("no dead letters")
    if failed:
        raise SystemExit(1)


def _print_dead(answer: DeadsAnswer, *, now: float) -> None:
    if not answer.dead:
        console().print("no dead letters")
        return
    rows = table(
        "id", "destination", "severity", "status", "died", "tries", "what", "why", numbers=("id", "died", "tries")
    )
    for one in answer.dead:
        rows.add_row(
            str(one.id),
            shown(one.destination),
            one.severity,
            one.status,
            _since(one.died_at, now=now),
            str(one.attempts),
            shown(one.summary),
            shown(one.reason),
        )
    console().print(rows)


def _print(answer: AlertsAnswer, *, now: float) -> None:
    out = console()
    if not answer.alerts:
        out.print("no alert fires, nor is one about to")
    else:
        rows = table("state", "severity", "slo", "objective", "for", "what", numbers=("for",))
        for alert in answer.alerts:
            rows.add_row(
                styled(alert.state, COLOURS.get(alert.state, "default")),
                alert.severity,
                shown(alert.slo or NOTHING),
                shown(" ".join(filter(None, (alert.objective, alert.group))) or NOTHING),
                _since(alert.since, now=now),
                shown(alert.annotations.get("summary", NOTHING)),
            )
        out.print(rows)
    if not answer.destinations:
        out.print("no destinations: alerts are only shown here; `maibo serve --alert-destinations FILE` sends them")
        return
    rows = table(
        "destination", "waiting", "oldest", "taken", "dead", "trouble", numbers=("waiting", "oldest", "taken", "dead")
    )
    for each in answer.destinations:
        rows.add_row(*_destination(each, now=now))
    out.print(rows)
    if any(each.dead for each in answer.destinations):
        out.print("dead letters: `maibo alert dead list` says why")


def _destination(each: DestinationAnswer, *, now: float) -> tuple[str, ...]:
    oldest, taken = _since(each.oldest_waits_since, now=now), _since(each.last_taken_at, now=now)
    return shown(each.name), str(each.waiting), oldest, taken, str(each.dead), shown(each.trouble or NOTHING)


def _since(at: datetime | None, *, now: float) -> str:
    return ago(None if at is None else max(0.0, now - at.timestamp()))
