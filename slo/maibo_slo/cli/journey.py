"""``maibo journey list`` and ``maibo journey show``."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    sparkline,
    styled,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from maibo_slo.service.answers import JourneyAnswer, Part, StepPart

NUMBERS = ("rate", "count", "success", "P50", "P90", "P99", "last event")

window_option = click.option("--window", default="5m", show_default=True, help="How far back: 30s, 5m, 6h, 7d.")


@click.group()
def journey() -> None:
    """Journeys: rates, outcomes, latency (asks a running service)."""


@journey.command("list", epilog=examples("maibo journey list", "maibo journey list --window 1h --output json"))
@window_option
@click.option("--limit", default=100, show_default=True, help="So many of the busiest, beside the declared ones.")
@url_option
@output_option
def list_(*, window: str, limit: int, url: str, output: str) -> None:
    """Journeys, every declared one and the busiest: rate, success, P50/P90/P99."""
    from maibo_slo.service.answers import JourneysAnswer
    from maibo_slo.service.pages.units import rate

    answer = ask(url, "/v1/journeys", JourneysAnswer, {"window": window, "series": "true", "limit": str(limit)})
    if output == "json":
        print_json(answer.model_dump(mode="json"))
        return
    rows = table("journey", "rate", "count", "success", "P50", "P90", "P99", "last event", "traffic", numbers=NUMBERS)
    for one in answer.journeys:
        rows.add_row(
            shown(one.name),
            rate(one.rate_per_second),
            str(one.count),
            percent(one.success_ratio),
            duration(one.p50_us),
            duration(one.p90_us),
            duration(one.p99_us),
            ago(one.age_seconds),
            sparkline([point.rate_per_second for point in one.series]),
        )
    console().print(rows if answer.journeys else "no journey is declared, or was seen in this window")
    if answer.omitted:
        console().print(f"and {answer.omitted} more with less traffic: see --limit")


@journey.command(
    epilog=examples("maibo journey show checkout", "maibo journey show checkout --step payment --window 1h")
)
@click.argument("name")
@click.option("--step", default="", help="One step of it, instead of the whole journey.")
@window_option
@url_option
@output_option
def show(name: str, *, step: str, window: str, url: str, output: str) -> None:
    """One journey, or one step of it: its traffic and P99 over time, by tier, version and region; and every step by version."""
    from maibo_slo.service.answers import JourneyAnswer

    answer = ask(url, f"/v1/journeys/{escaped(name)}", JourneyAnswer, {"window": window, "step": step})
    if output == "json":
        print_json(answer.model_dump(mode="json"))
        return
    out = console()
    title = shown(answer.display_name + (step and f" / {step}"))
    out.print(styled(title, "bold"), "", _summary(answer))
    out.print(f"  traffic {sparkline([point.rate_per_second for point in answer.series])}")
    out.print(f"  P99     {sparkline([point.p99_us for point in answer.series])}")
    tables = {"step (service), versions": [row for one in answer.steps for row in _with_versions(one)]} | {
        dimension: [(part.value, part) for part in parts] for dimension, parts in answer.by.items()
    }
    for title, rows in tables.items():
        if rows:
            out.print(_parts(title, rows))


def _summary(answer: JourneyAnswer) -> str:
    from maibo_slo.service.pages.units import rate

    last = NOTHING if answer.age_seconds is None else f"{ago(answer.age_seconds)} ago"
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in answer.outcomes.items()) or "no events"
    return (
        f"{rate(answer.rate_per_second)} ({shown(outcomes)}), P50 {duration(answer.p50_us)}, P90 {duration(answer.p90_us)}, "
        f"P99 {duration(answer.p99_us)}, last event {last}"
    )


def _with_versions(step: StepPart) -> list[tuple[str, Part]]:
    """A step, and under it each version of the services that it ran in, where there are several."""
    several = step.versions if len(step.versions) > 1 else []
    return [
        (f"{step.value} ({', '.join(step.services)})" if step.services else step.value, step),
        *((f"  {version.value or '(none)'}", version) for version in several),
    ]


def _parts(title: str, rows: Sequence[tuple[str, Part]]) -> Table:
    from maibo_slo.service.pages.units import rate

    made = table(title, "rate", "count", "success", "P50", "P90", "P99", numbers=NUMBERS)
    for name, part in rows:
        made.add_row(
            shown(name) or "(none)",
            rate(part.rate_per_second),
            str(part.count),
            percent(part.success_ratio),
            duration(part.p50_us),
            duration(part.p90_us),
            duration(part.p99_us),
        )
    return made
