"""``maibo journey list``, ``maibo journey show`` and ``maibo journey exemplars``."""

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

    from maibo_slo.service.answers import Exemplar, JourneyAnswer, JourneyFlow, Part, StepPart

NUMBERS = ("rate", "count", "success", "abandoned", "P50", "P90", "P99", "last event")
TRACES = 3
"""So many of each kind go with `show`."""

window_option = click.option("--window", default="5m", show_default=True, help="How far back: 30s, 5m, 6h, 7d.")


@click.group(
    epilog=examples("maibo journey list --window 1h", "maibo journey show checkout", "maibo journey exemplars checkout")
)
def journey() -> None:
    """Journeys: rates, outcomes, latency (asks a running service, but to explain)."""


@journey.command("list", epilog=examples("maibo journey list", "maibo journey list --window 1h --output json"))
@window_option
@click.option("--limit", default=100, show_default=True, help="So many of the busiest, beside the declared ones.")
@url_option
@output_option
def list_(*, window: str, limit: int, url: str, output: str) -> None:
    """Journeys, every declared one and the busiest: rate, success, P50/P90/P99."""
    from maibo_slo.service.answers import JourneysAnswer
    from maibo_slo.service.pages import words
    from maibo_slo.service.pages.units import rate, rate_per

    answer = ask(url, "/v1/journeys", JourneysAnswer, {"window": window, "series": "true", "limit": str(limit)})
    if output == "json":
        print_json(answer.model_dump(mode="json"))
        return
    rows = table(
        "journey",
        "rate",
        "count",
        "success",
        "abandoned",
        "P50",
        "P90",
        "P99",
        "last event",
        "traffic",
        numbers=NUMBERS,
    )
    per = rate_per(one.rate_per_second for one in answer.journeys)
    for one in answer.journeys:
        rows.add_row(
            shown(words.journey(one.name)),
            rate(one.rate_per_second, per),
            str(one.count),
            percent(one.success_ratio),
            _number(one.flow.abandoned if one.flow else None),
            duration(one.p50_us),
            duration(one.p90_us),
            duration(one.p99_us),
            ago(one.age_seconds),
            sparkline([point.rate_per_second for point in one.series], most=30),
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
    """One journey, or one step of it: its traffic and P99 over time, by tier, version and region; and every step by version.

    Ended counts what ended in the window, whenever it began, as all tables do; began, what became of the journeys that began in it.
    """
    from maibo_slo.service.answers import ExemplarsAnswer, OneJourneyAnswer
    from maibo_slo.service.pages import words
    from maibo_slo.service.pages.causes import doubts

    path, asked = f"/v1/journeys/{escaped(name)}", {"window": window, "step": step}
    answer = ask(url, path, OneJourneyAnswer, asked)
    if output == "json":
        print_json(answer.model_dump(mode="json"))
        return
    about = {"window": window, "limit": str(TRACES)} | ({"step": step} if step else {})
    traces = ask(url, f"{path}/exemplars", ExemplarsAnswer, about)
    out = console()
    title = shown(words.journey(answer.display_name) + (step and f" / {step}"))
    out.print(styled(title, "bold"), "", f"in the last {shown(window)}")
    out.print(f"  ended   {_summary(answer)}")
    if answer.flow is not None:
        out.print(f"  began   {_flow(answer.flow)}")
    out.print(f"  traffic {sparkline([point.rate_per_second for point in answer.series])}")
    out.print(f"  P99     {sparkline([point.p99_us for point in answer.series])}")
    tables = {"step (service), versions": [row for one in answer.steps for row in _with_versions(one)]} | {
        dimension: [(part.value, part) for part in parts] for dimension, parts in answer.by.items()
    }
    for title, rows in tables.items():
        if rows:
            out.print(_parts(title, rows))
    if answer.reasons:
        out.print(_reasons(answer))
    if traces.exemplars:
        out.print(_traces(traces.exemplars))
    for doubt in doubts(answer):
        out.print(styled(shown(doubt.text), "yellow" if doubt.wrong else "dim"))


@journey.command(
    epilog=examples(
        "maibo journey exemplars checkout",
        "maibo journey exemplars checkout --outcome failure --step payment --version 1.5.0 --window 1h",
        "maibo journey exemplars checkout --output json",
    )
)
@click.argument("name")
@click.option("--step", default=None, help="One step of it, instead of the whole journey and every step.")
@click.option("--version", default=None, help="Only of this version.")
@click.option("--outcome", type=click.Choice(["success", "failure", "abandoned"]), help="Only these.")
@click.option(
    "--limit", default=20, show_default=True, help="So many of each kind: failed, over the threshold, slowest."
)
@window_option
@url_option
@output_option
def exemplars(
    name: str,
    *,
    step: str | None,
    version: str | None,
    outcome: str | None,
    limit: int,
    window: str,
    url: str,
    output: str,
) -> None:
    """Traces of what was slow or failed.

    The newest first, and of the same 10 s the slowest. They are kept for 7 days.
    """
    from maibo_slo.service.answers import ExemplarsAnswer

    given = {"step": step, "version": version, "outcome": outcome, "window": window, "limit": str(limit)}
    asked = {key: value for key, value in given.items() if value is not None}
    answer = ask(url, f"/v1/journeys/{escaped(name)}/exemplars", ExemplarsAnswer, asked)
    if output == "json":
        print_json(answer.model_dump(mode="json"))
        return
    console().print(_traces(answer.exemplars) if answer.exemplars else "nothing was slow or failed in this window")


def _summary(answer: JourneyAnswer) -> str:
    from maibo_slo.service.pages.units import rate

    last = NOTHING if answer.age_seconds is None else f"{ago(answer.age_seconds)} ago"
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in answer.outcomes.items()) or "no events"
    return (
        f"{rate(answer.rate_per_second)} ({shown(outcomes)}), P50 {duration(answer.p50_us)}, P90 {duration(answer.p90_us)}, "
        f"P99 {duration(answer.p99_us)}, last event {last}"
    )


def _flow(flow: JourneyFlow) -> str:
    """``4311 started 17:30 to 17:36: 3790 succeeded, 9 failed, 95 abandoned (57 silently), 417 under way``; by whole minutes, UTC."""
    ended = f"{flow.succeeded} succeeded, {flow.failed} failed"
    if flow.abandoned is None:
        return f"{ended}; starts are not told, so how many were abandoned is not known"
    silently = f" ({flow.silent} silently)" if flow.silent else ""
    return f"{flow.started} started {flow.begin:%H:%M} to {flow.end:%H:%M}: {ended}, {flow.abandoned} abandoned{silently}, {flow.in_progress} under way"


def _reasons(answer: JourneyAnswer) -> Table:
    from maibo_slo.service.pages import words

    made = table("why it failed", "where", "failures", numbers=("failures",))
    for each in answer.reasons:
        where = shown(words.value(each.step)) if each.step else "the whole journey"
        made.add_row(shown(words.reason(each.reason)), where, str(each.count))
    return made


def _traces(exemplars: Sequence[Exemplar]) -> Table:
    from maibo_slo.service.pages import words
    from maibo_slo.service.pages.causes import WHY

    made = table(
        "trace", "where", "version", "service", "why", "took", "ended (UTC)", numbers=("took",), whole=("trace",)
    )
    for each in exemplars:
        made.add_row(
            shown(each.trace_url or each.trace_id),
            shown(words.value(each.step)) if each.step else "the whole journey",
            shown(words.value(each.version)),
            shown(words.value(each.service)),
            WHY.get(each.why, shown(each.why)),
            duration(each.duration_us),
            f"{each.at:%Y-%m-%d %H:%M:%S}",
        )
    return made


def _number(count: int | None) -> str:
    return NOTHING if count is None else str(count)


def _with_versions(step: StepPart) -> list[tuple[str, Part]]:
    """A step, and under it each version of the services that it ran in, where there are several."""
    several = step.versions if len(step.versions) > 1 else []
    from maibo_slo.service.pages import words

    services = ", ".join(map(words.value, step.services))
    return [
        (f"{words.value(step.value)} ({services})" if services else words.value(step.value), step),
        *((f"  {words.value(version.value)}", version) for version in several),
    ]


def _parts(title: str, rows: Sequence[tuple[str, Part]]) -> Table:
    from maibo_slo.service.pages import words
    from maibo_slo.service.pages.units import rate, rate_per

    per = rate_per(part.rate_per_second for _, part in rows)
    made = table(title, "rate", "count", "success", "P50", "P90", "P99", numbers=NUMBERS)
    for name, part in rows:
        made.add_row(
            shown(words.value(name)),
            rate(part.rate_per_second, per),
            str(part.count),
            percent(part.success_ratio),
            duration(part.p50_us),
            duration(part.p90_us),
            duration(part.p99_us),
        )
    return made
