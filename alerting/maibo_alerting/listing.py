"""`maibo alert list`: what fires, as a running service says."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click

from maibo_slo.cli.client import ask, url_option
from maibo_slo.cli.example import examples
from maibo_slo.cli.output import NOTHING, ago, console, output_option, print_json, shown, styled, table

if TYPE_CHECKING:
    from datetime import datetime

    from maibo_alerting.api import AlertsAnswer, DestinationAnswer

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
                shown(alert.slo),
                shown(alert.objective),
                _since(alert.since, now=now),
                shown(alert.annotations.get("summary", NOTHING)),
            )
        out.print(rows)
    if not answer.destinations:
        out.print("no destinations: alerts are only shown here; `maibo serve --alert-destinations FILE` sends them")
        return
    rows = table("destination", "waiting", "oldest", "taken", "trouble", numbers=("waiting", "oldest", "taken"))
    for each in answer.destinations:
        rows.add_row(*_destination(each, now=now))
    out.print(rows)


def _destination(each: DestinationAnswer, *, now: float) -> tuple[str, str, str, str, str]:
    oldest, taken = _since(each.oldest_waits_since, now=now), _since(each.last_taken_at, now=now)
    return shown(each.name), str(each.waiting), oldest, taken, shown(each.trouble or NOTHING)


def _since(at: datetime | None, *, now: float) -> str:
    return ago(None if at is None else max(0.0, now - at.timestamp()))
