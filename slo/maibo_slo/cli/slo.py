"""``maibo slo list`` and ``maibo slo show``."""

# ruff: noqa: RUF001 -- a dash for nothing and a times sign are typography, not typing errors
from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from maibo_slo.cli.client import ask, escaped, url_option
from maibo_slo.cli.example import examples
from maibo_slo.cli.output import (
    NOTHING,
    ago,
    console,
    duration,
    output_option,
    percent,
    print_json,
    shown,
    styled,
    table,
)

if TYPE_CHECKING:
    from rich.text import Text

    from maibo_slo.service.answers import ObjectiveAnswer

COLOURS: Final = {
    "ok": "green",
    "burning": "yellow",
    "burning_fast": "bold red",
    "exhausted": "red",
    "stale": "magenta",
    "no_data": "dim",
}
BAR_WIDTH: Final = 20


@click.group()
def slo() -> None:
    """SLOs: attainment, error budgets, burn rates (asks a running service)."""


@slo.command(
    "list",
    epilog=examples("maibo slo list", "maibo slo list --output json", "maibo slo list --url http://127.0.0.1:9000"),
)
@url_option
@output_option
def list_(*, url: str, output: str) -> None:
    """Every SLO, one line an objective.

    Budget left is projected to the end of the SLO's window, at the rate observed and with nothing more going wrong: the number that the
    state goes by. Observed is what is left of it over the events so far. Last minute ended: so long ago, the newest one with events.
    """
    from maibo_slo.service.answers import SlosAnswer

    answer = ask(url, "/v1/slos", SlosAnswer)
    if output == "json":
        print_json(answer.model_dump(mode="json"))
        return
    numbers = ("target", "attained", "budget left", "observed", "burn 1h", "last minute ended")
    rows = table(
        "slo",
        "objective",
        "state",
        "target",
        "attained",
        "budget left",
        "observed",
        "burn 1h",
        "last minute ended",
        numbers=numbers,
    )
    for one in answer.slos:
        for objective in one.objectives:
            rows.add_row(
                shown(one.name),
                shown(objective.name),
                _state(objective),
                percent(objective.target, 3),
                percent(objective.attainment, 3),
                percent(objective.budget_remaining_projected, 1),
                percent(objective.budget_remaining, 1),
                _burn(objective, "1h"),
                ago(objective.age_seconds),
            )
    console().print(rows if answer.slos else _no_slo(url))


@slo.command(epilog=examples("maibo slo show checkout-fast"))
@click.argument("name")
@url_option
@output_option
def show(name: str, *, url: str, output: str) -> None:
    """One SLO: budget and burn rates of each objective."""
    from maibo_slo.service.answers import SloAnswer

    answer = ask(url, f"/v1/slos/{escaped(name)}", SloAnswer)
    if output == "json":
        print_json(answer.model_dump(mode="json"))
        return
    out = console()
    out.print(styled(shown(answer.display_name or answer.name), "bold"), "", shown(answer.description))
    within = f" within {duration(answer.threshold_us)}" if answer.threshold_us else ""
    out.print(shown(f"journey {answer.journey}{within}, over {answer.window}, service {answer.service or NOTHING}"))
    for objective in answer.objectives:
        out.print()
        out.print(
            f"objective {shown(objective.name)}:",
            _state(objective),
            f"{_bar(objective.budget_remaining_projected)} budget left, projected; observed "
            f"{percent(objective.budget_remaining, 1)} over {percent(objective.coverage, 1)} of {answer.window}",
        )
        out.print(
            f"  {objective.good} good, {objective.bad} bad, attained {percent(objective.attainment, 4)} of "
            f"{percent(objective.target, 4)}; {_age(objective)}"
        )
        if objective.first_burning_at:
            out.print(f"  burning since {objective.first_burning_at:%Y-%m-%d %H:%M:%S} UTC")
        burns = table("window", "burn", "good", "bad", "coverage", numbers=("burn", "good", "bad", "coverage"))
        for burn in objective.burn_rates:
            burns.add_row(burn.window, _rate(burn.burn_rate), str(burn.good), str(burn.bad), percent(burn.coverage, 0))
        out.print(burns)


def _no_slo(url: str) -> str:
    """Without an SLO the scorecard still has the services and journeys of the documents."""
    from maibo_slo.service.answers import ScorecardAnswer

    if ask(url, "/v1/scorecard", ScorecardAnswer, {"window": "10s"}).rows:
        return "no SLO: the documents in force hold none; add one of `kind: SLO`, and check it with `maibo validate`"
    return "no SLO: start the service with documents, `maibo serve slos/`"


def _age(objective: ObjectiveAnswer) -> str:
    seconds = objective.age_seconds
    return "no minute with events" if seconds is None else f"last minute with events ended {ago(seconds)} ago"


def _state(objective: ObjectiveAnswer) -> Text:
    return styled(objective.state, COLOURS.get(objective.state, "default"))


def _burn(objective: ObjectiveAnswer, window: str) -> str:
    return next((_rate(burn.burn_rate) for burn in objective.burn_rates if burn.window == window), NOTHING)


def _rate(burn: float | None) -> str:
    return NOTHING if burn is None else f"{burn:.2f}×"


def _bar(remaining: float | None) -> str:
    if remaining is None:
        return NOTHING
    filled = round(max(0.0, min(1.0, remaining)) * BAR_WIDTH)
    return "█" * filled + "░" * (BAR_WIDTH - filled) + f" {percent(remaining, 1)}"
