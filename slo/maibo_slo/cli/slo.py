"""``maibo slo list`` and ``maibo slo show``."""

# ruff: noqa: RUF001 -- a dash for nothing and a times sign are typography, not typing errors
from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import click

from maibo_slo.cli.client import ask, escaped, url_option
from maibo_slo.cli.example import examples
from maibo_slo.cli.output import (
    NOTHING,
    ago,
    budget,
    console,
    coverage,
    duration,
    output_option,
    percent,
    period,
    print_json,
    shown,
    styled,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rich.console import RenderableType
    from rich.text import Text

    from maibo_slo.service.answers import ObjectiveAnswer, SloAnswer

COLOURS: Final = {
    "ok": "green",
    "burning": "yellow",
    "burning_fast": "bold red",
    "exhausted": "red",
    "stale": "magenta",
    "no_data": "dim",
}
BAR_WIDTH: Final = 20


@click.group(epilog=examples("maibo slo list", "maibo slo show checkout-fast", "maibo slo backtest checkout-fast"))
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
    groups = ("group",) if any(one.group_by for one in answer.slos) else ()
    rows = table("slo", "objective", *groups, "state", "policy", *numbers, numbers=numbers)
    for one in answer.slos:
        for objective in one.objectives:
            rows.add_row(
                shown(one.name),
                shown(objective.name),
                *([shown(objective.group or NOTHING)] if groups else ()),
                _state(objective),
                shown(objective.policy.state) if objective.policy else NOTHING,
                percent(objective.target, 3),
                percent(objective.attainment, 3),
                budget(objective.budget_remaining_projected),
                budget(objective.budget_remaining),
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
    about = f"journey {answer.journey}{within}" if answer.source == "journey" else f"source: {answer.source}"
    out.print(shown(f"{about}, over {answer.window}, service {answer.service or NOTHING}"))
    for line in _terms(answer):
        out.print(shown(line))
    for objective in answer.objectives:
        out.print()
        for told in _told(objective, answer):
            out.print(*told)
    if answer.corrections:
        out.print()
        corrected = table("corrected from", "to", "what", "effect", "who", "why")
        for each in answer.corrections:
            texts = (each.kind, each.effect, each.who, each.why)
            corrected.add_row(_minute(each.begin), _minute(each.end), *map(shown, texts))
        out.print(corrected)
        if answer.corrections_omitted:
            out.print(f"and {answer.corrections_omitted} older ones in the window, which count all the same")


def _terms(answer: SloAnswer) -> Iterator[str]:
    """What is not usual about it."""
    if answer.window_kind == "calendar":
        yield f"calendar window of {answer.zone}{_period(answer)}"
    if answer.method != "Occurrences":
        yield f"{answer.method}: good and bad are slices of time"
    if answer.group_by:
        none = "" if any(one.group for one in answer.objectives) else ": none of them has been counted yet"
        yield f"one budget for each {' and '.join(answer.group_by)}{none}"
    if answer.composite:
        yield "composite: made of components, each with a budget of its own"


def _period(answer: SloAnswer) -> str:
    """By the clocks of its zone, where the period begins at midnight."""
    if answer.period is None or answer.zone is None:
        return ""
    begin, end = (at.astimezone(ZoneInfo(answer.zone)) for at in (answer.period.begin, answer.period.end))
    return f": {begin:%Y-%m-%d %H:%M %Z} to {end:%Y-%m-%d %H:%M %Z}"


def _told(objective: ObjectiveAnswer, answer: SloAnswer) -> Iterator[tuple[RenderableType, ...]]:
    """Of one objective, line by line."""
    from maibo_slo.service.answers import HELD_BACK

    name = f"{objective.name} {objective.group}".rstrip()
    over = f"{coverage(objective.coverage)} of {shown(answer.window)}"
    observed = f"observed {budget(objective.budget_remaining)} over {over}"
    left = f"{_bar(objective.budget_remaining_projected)} budget left, projected"
    yield f"objective {shown(name)}:", _state(objective), f"{left}; {observed}"
    counted = "" if objective.parts else f"{_amount(objective.good)} good, {_amount(objective.bad)} bad, "
    yield (
        f"  {counted}attained {percent(objective.attainment, 4)} of {percent(objective.target, 4)}; {_age(objective)}",
    )
    if objective.no_data_minutes or objective.excluded_minutes:
        yield (
            f"  no data in {period(objective.no_data_minutes * 60)}, {period(objective.excluded_minutes * 60)} excluded by corrections",
        )
    if objective.first_burning_at:
        yield (f"  burning since {objective.first_burning_at:%Y-%m-%d %H:%M:%S} UTC",)
    for rule in objective.rules:
        if rule.held_back:
            above = f"{rule.long_window} and {rule.short_window} burn above {rule.factor:.3g}×"
            why = HELD_BACK.get(rule.held_back_by, rule.held_back_by)
            yield (shown(f"  not {rule.state}, though {above}: {why}"),)
    if objective.policy:
        yield (
            shown(
                f"  policy {objective.policy.name}: {objective.policy.state} since {_minute(objective.policy.since)} UTC"
            ),
        )
    if objective.parts:
        parts = table(
            "component",
            "weight",
            "left of its own",
            "share of spent",
            numbers=("weight", "left of its own", "share of spent"),
        )
        for part in objective.parts:
            own = None if part.spent is None else 1 - part.spent
            parts.add_row(shown(part.name), f"{part.weight:g}", budget(own), percent(part.share, 0))
        yield (parts,)
    numbers = ("burn", "95 % between", "good", "bad", "coverage")
    burns = table("window", *numbers, numbers=numbers)
    for burn in objective.burn_rates:
        burns.add_row(
            burn.window,
            _rate(burn.burn_rate),
            NOTHING if burn.lower is None else f"{_rate(burn.lower)} and {_rate(burn.upper)}",
            NOTHING if objective.parts else _amount(burn.good),
            NOTHING if objective.parts else _amount(burn.bad),
            coverage(burn.coverage),
        )
    yield (burns,)


def _amount(number: float) -> str:
    """A count; slices of time may be good in part."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


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
    return "█" * filled + "░" * (BAR_WIDTH - filled) + f" {budget(remaining)}"
