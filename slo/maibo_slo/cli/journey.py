"""``maibo journey list`` and ``maibo journey show``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from maibo_slo.cli.client import ask, url_option
from maibo_slo.cli.example import examples
from maibo_slo.cli.output import ago, console, duration, output_option, percent, print_json, sparkline, table

if TYPE_CHECKING:
    from rich.table import Table

    from maibo_slo.service.answers import JourneyAnswer, Part

NUMBERS = ("rate", "count", "success", "P50", "P90", "P99", "last event")

window_option = click.option("--window", default="5m", show_default=True, help="How far back: 30s, 5m, 6h, 7d.")


@click.group()
def journey() -> None:
    """Journeys: rates, outcomes, latency (asks a running service)."""


@journey.command("list", epilog=examples("maibo journey list", "maibo journey list --window 1h --output json"))
@window_option
@url_option
@output_option
def list_(*, window: str, url: str, output: str) -> None:
    """Every journey: rate, success, P50/P90/P99."""
    from maibo_slo.service.answers import JourneysAnswer

    answer = ask(url, "/v1/journeys", JourneysAnswer, {"window": window, "series": "true"})
    if output == "json":
        print_json(answer.model_dump(mode="json"))
        return
    shown = table("journey", "rate", "count", "success", "P50", "P90", "P99", "last event", "traffic", numbers=NUMBERS)
    for one in answer.journeys:
        shown.add_row(
            one.name,
            f"{one.rate_per_second:.2f}/s",
            str(one.count),
            percent(one.success_ratio),
            duration(one.p50_us),
            duration(one.p90_us),
            duration(one.p99_us),
            ago(one.age_seconds),
            sparkline([point.rate_per_second for point in one.series]),
        )
    console().print(shown if answer.journeys else "no journey is declared, or was seen in this window")


@journey.command(epilog=examples("maibo journey show checkout", "maibo journey show checkout --window 1h"))
@click.argument("name")
@window_option
@url_option
@output_option
def show(name: str, *, window: str, url: str, output: str) -> None:
    """One journey: its steps, tiers, versions and regions, and its traffic and P99 over time."""
    from maibo_slo.service.answers import JourneyAnswer

    answer = ask(url, f"/v1/journeys/{name}", JourneyAnswer, {"window": window})
    if output == "json":
        print_json(answer.model_dump(mode="json"))
        return
    out = console()
    out.print(f"[bold]{answer.display_name}[/]  {_summary(answer)}")
    out.print(f"  traffic {sparkline([point.rate_per_second for point in answer.series])}")
    out.print(f"  P99     {sparkline([point.p99_us for point in answer.series])}")
    for title, parts in {"step": answer.steps, **answer.by}.items():
        if parts:
            out.print(_parts(title, parts))


def _summary(answer: JourneyAnswer) -> str:
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in answer.outcomes.items()) or "no events"
    return (
        f"{answer.rate_per_second:.2f}/s ({outcomes}), P50 {duration(answer.p50_us)}, P90 {duration(answer.p90_us)}, "
        f"P99 {duration(answer.p99_us)}, last event {ago(answer.age_seconds)} ago"
    )


def _parts(title: str, parts: list[Part]) -> Table:
    shown = table(title, "rate", "count", "success", "P50", "P90", "P99", numbers=NUMBERS)
    for part in parts:
        shown.add_row(
            part.value or "(none)",
            f"{part.rate_per_second:.2f}/s",
            str(part.count),
            percent(part.success_ratio),
            duration(part.p50_us),
            duration(part.p90_us),
            duration(part.p99_us),
        )
    return shown
