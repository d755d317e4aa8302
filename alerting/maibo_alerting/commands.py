"""``maibo alert simulate``; ``list`` and ``dead`` are in `listing`, ``test`` in `delivery.commands`."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from importlib import import_module
from pathlib import Path
from typing import Final

import click

from maibo_slo.cli.example import examples
from maibo_slo.cli.output import output_option, print_json

LONGEST_WINDOW_SECONDS: Final = 365 * 86_400
_ELSEWHERE: Final = {
    "dead": "maibo_alerting.listing:dead",
    "list": "maibo_alerting.listing:list_",
    "test": "maibo_alerting.delivery.commands:test",
}
"""Commands with modules of their own, imported when they are asked for: name -> where it is."""


class Alerts(click.Group):
    """The commands of this module, and those of `_ELSEWHERE`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, _, name = _ELSEWHERE[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


def objective_target(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """Exact in decimal: 99.9 is 0.999."""
    if value is None:
        return None
    try:
        target = Decimal(value) / 100
    except InvalidOperation:
        raise click.BadParameter(f"{value!r} is not a number of percent, such as 99.9") from None
    if not (target.is_finite() and 0 < target < 1):
        raise click.BadParameter("must be above 0 and below 100 percent")
    return float(target)


def slo_window(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    from maibo_slo.documents.durations import window_seconds  # with all of the documents

    if value is None:
        return None
    try:
        seconds = window_seconds(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a window, such as 30d or 4w") from None
    if not 3600 <= seconds <= LONGEST_WINDOW_SECONDS:
        raise click.BadParameter("must be from an hour to a year")
    return seconds


@click.group(
    cls=Alerts,
    epilog=examples("maibo alert list", "maibo alert simulate slow-burn --window 7d", "maibo alert dead list"),
)
def alert() -> None:
    """Alerts: try the way out, and see what would page."""


@alert.command(
    epilog=examples(
        "maibo alert simulate outage",
        "maibo alert simulate low-traffic --target 99.5 --rate 0.5",
        "maibo alert simulate slow-burn --window 7d --output json",
        "maibo alert simulate phases.yaml --seed 1",
    )
)
@click.argument("scenario", metavar="SCENARIO|FILE")
@click.option(
    "--target", default="99.9", callback=objective_target, show_default=True, help="The objective's, in percent."
)
@click.option("--window", default="30d", callback=slo_window, show_default=True, help="The SLO's own.")
@click.option(
    "--rate",
    type=click.FloatRange(0, 1e9, min_open=True),
    help="Events a minute, of a built-in scenario; mostly 1000.",
)
@click.option("--seed", type=click.IntRange(0), help="Draw events and failures at random, from this seed.")
@output_option
def simulate(*, scenario: str, target: float, window: int, rate: float | None, seed: int | None, output: str) -> None:
    """Replay a scenario on a clock of its own: when it would page, and when that would be over.

    \b
    SCENARIO is one of
      outage       everything fails for 10 minutes
      bad-release  15 % fail for 10 minutes
      degraded     2 % fail for 3 hours
      slow-burn    0.5 % fail for 2 days
      blip         0.3 % fail for 15 minutes
      flapping     30 % fail for 5 minutes of every 15
      low-traffic  10 events an hour; one fails, then half of them
      recovery     an outage that is mended by and by
      silence      an outage, and then no telemetry
      cold-start   a new service, of whose first 5 minutes 2 % fail

    or a FILE, YAML or JSON, with phases: [{minutes: 60, per_minute: 1000, failures: 0.001}, ...]. What came before is flawless, with the
    traffic of the first phase.
    """  # noqa: D301 -- a backspace keeps click from joining the lines
    from maibo_alerting.simulating.replay import replay
    from maibo_alerting.simulating.scenario import SCENARIOS, built_in, read
    from maibo_alerting.simulating.showing import as_object, print_timeline

    if scenario in SCENARIOS:
        chosen = built_in(scenario, rate=rate)
    elif not Path(scenario).is_file():
        raise click.BadParameter(
            f"{scenario!r} is neither a file nor one of {', '.join(SCENARIOS)}", param_hint="SCENARIO|FILE"
        )
    elif rate is not None:
        raise click.UsageError("--rate is for built-in scenarios; a file has its own per_minute")
    else:
        chosen = read(Path(scenario))
    timeline = replay(chosen, target=target, window_seconds=window, seed=seed)
    if output == "json":
        print_json(as_object(timeline))
    else:
        print_timeline(timeline)
