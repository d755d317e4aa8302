"""`maibo alert test`: a marked alert and its resolve, straight through the destinations, so that the way out is known to work."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maibo_alerting.alerts import Alert
from maibo_alerting.delivery.destination import Secrets
from maibo_alerting.delivery.send import attempt
from maibo_slo.cli.example import examples
from maibo_slo.cli.output import console, output_option, print_json, shown, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maibo_alerting.delivery.route import Route


@dataclass(frozen=True, slots=True)
class Tried:
    """What one destination made of one transition."""

    destination: str
    severity: str
    status: str
    taken: bool
    seconds: float
    answer: str
    """Why it was not taken; '' when it was."""


@click.command(
    epilog=examples(
        "maibo alert test --alert-destinations destinations.yaml",
        "maibo alert test on-call --alert-destinations destinations.yaml",
    )
)
@click.argument("name", required=False)
@click.option(
    "--alert-destinations",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="MAIBO_ALERT_DESTINATIONS",
    show_envvar=True,
    required=True,
    help="The file of destinations, as `maibo serve` has it.",
)
@output_option
def test(name: str | None, file: Path, output: str) -> None:
    """Send a marked test alert, and then its resolve, to the destination NAME, or to all.

    It says what each answered, and exits with 1 when one did not take it. The outbox has no part in it: nothing is tried again.
    """
    from maibo_alerting.delivery.config import load
    from maibo_alerting.delivery.settings import near

    routes = load(file, secrets=Secrets.of_process())
    names = sorted({route.name for route in routes} | {route.name.partition("/")[0] for route in routes})
    if name is not None and name not in names:
        raise click.UsageError(f"{file} has no destination {name}; {near(name, names)}")
    tried = tuple(_tried(route for route in routes if name in (None, route.name, route.name.partition("/")[0])))
    if output == "json":
        print_json([asdict(one) for one in tried])
    else:
        _print(tried)
    if not all(one.taken for one in tried):
        raise SystemExit(1)


def alert_of_test(severity: str, *, now: float) -> Alert:
    """Marked in its labels and in its words."""
    return Alert(
        name="MaiboTest",
        slo="test",
        objective="test",
        severity="page" if severity == "page" else "ticket",
        starts_at=now,
        annotations={
            "summary": "Test: alerts of maibo arrive here",
            "description": "Somebody ran `maibo alert test`. Nothing is wrong, and nothing is to be done.",
        },
        test=True,
    )


def _tried(routes: Iterator[Route]) -> Iterator[Tried]:
    for route in routes:
        severity = "page" if "page" in route.severities else "ticket"
        fired = alert_of_test(severity, now=time.time())
        for alert in (fired, replace(fired, ends_at=time.time())):
            began = time.monotonic()
            error = attempt(route, [alert], now=time.time())
            seconds = round(time.monotonic() - began, 3)
            yield Tried(route.name, severity, alert.status, error is None, seconds, str(error or ""))
            if error is not None:
                break  # a resolve of what did not arrive tells nothing


def _print(tried: Sequence[Tried]) -> None:
    said = table("destination", "severity", "sent", "took", "answer", numbers=("took",), whole=("destination",))
    for one in tried:
        answer = "taken" if one.taken else shown(one.answer)
        said.add_row(one.destination, one.severity, one.status, f"{one.seconds * 1000:.0f} ms", answer)
    console().print(said)
