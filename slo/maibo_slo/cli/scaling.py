"""``maibo scaling list``, ``explain``, ``forecast`` and ``pool``: what scalers are told and why, and what is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from maibo_slo.cli.client import AnsweredError, ask, escaped, url_option
from maibo_slo.cli.example import examples
from maibo_slo.cli.output import (
    NOTHING,
    console,
    many,
    output_option,
    percent,
    period,
    print_json,
    shown,
    styled,
    table,
)
from maibo_slo.errors import ServiceError

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from maibo_slo.service.burst_pools import BurstPoolAnswer
    from maibo_slo.service.forecasts import ForecastAnswer
    from maibo_slo.signals.plain import InputsAnswer, OverrideAnswer, ScalingAnswer, ScalingListAnswer, StandingAnswer

TIME: Final = "%Y-%m-%d %H:%M"
NOTICED: Final = 0.0005
"""Calls/s: fewer are nothing."""
window_option = click.option("--window", default="1d", show_default=True, help="How far back to judge: 6h, 1d, 7d.")


@click.group(
    epilog=examples(
        "maibo scaling list",
        "maibo scaling explain checkout-api",
        "maibo scaling forecast shop/checkout-api",
        "maibo scaling pool shop/checkout-api",
    )
)
def scaling() -> None:
    """How many replicas each ScalingTarget should have, and will need (asks a running service)."""


@scaling.command("list", epilog=examples("maibo scaling list", "maibo scaling list --output json"))
@url_option
@output_option
def list_(*, url: str, output: str) -> None:
    """Every target: its desired replicas, or why there is no signal; and what a person said."""
    answer = _targets(url)
    if output == "json":
        print_json(answer.model_dump(mode="json"))
        return
    if not answer.targets:
        click.echo(
            "nothing was decided yet" if answer.decided_at is None else "no document of kind ScalingTarget is in force"
        )
        return
    numbers = ("desired", "ready", "age")
    rows = table("target", "workload", *numbers, "why", numbers=numbers, whole=("target",))
    for each in answer.targets:
        rows.add_row(
            shown(f"{each.namespace}/{each.target}"),
            shown(each.workload),
            _replicas(each.desired_replicas),
            _replicas(each.ready_replicas),
            NOTHING if each.age_seconds is None else f"{each.age_seconds:.1f} s",
            _why(each),
        )
    console().print(rows)


@scaling.command(epilog=examples("maibo scaling explain checkout-api", "maibo scaling explain shop/checkout-api"))
@click.argument("target")
@url_option
@output_option
def explain(*, target: str, url: str, output: str) -> None:
    """One target: every wish with its arithmetic, what it was made from, and what held it."""
    from maibo_slo.signals.plain import ScalingAnswer

    namespace, name = _named(target, url)
    try:
        answer = ask(url, f"/v1/scaling/{escaped(namespace)}/{escaped(name)}", ScalingAnswer)
    except AnsweredError as error:
        _print_known(error, output)
        raise
    if output == "json":
        print_json(answer.model_dump(mode="json"))
    else:
        _print(answer)


@scaling.command(
    epilog=examples("maibo scaling forecast checkout-api", "maibo scaling forecast shop/checkout-api --window 7d")
)
@click.argument("target")
@window_option
@url_option
@output_option
def forecast(*, target: str, window: str, url: str, output: str) -> None:
    """What demand will be a lead time from now, or why that is not told; and how forecasts did, beside persistence.

    Pinball loss is in calls a second, less is better. Coverage is how often no more came: as often as the level says would be right.
    """
    from maibo_slo.service.forecasts import ForecastAnswer

    namespace, name = _named(target, url)
    path = f"/v1/forecasts/{escaped(namespace)}/{escaped(name)}"
    answer = ask(url, path, ForecastAnswer, {"window": window})
    if output == "json":
        print_json(answer.model_dump(mode="json"))
    else:
        _print_forecast(answer)


@scaling.command(epilog=examples("maibo scaling pool checkout-api", "maibo scaling pool shop/checkout-api --window 7d"))
@click.argument("target")
@window_option
@url_option
@output_option
def pool(*, target: str, window: str, url: str, output: str) -> None:
    """How many pods' room the growth of demand over a lead time needs, or why that is not known; and what a burst pool was good for."""
    from maibo_slo.service.burst_pools import BurstPoolAnswer

    namespace, name = _named(target, url)
    path = f"/v1/burst-pools/{escaped(namespace)}/{escaped(name)}"
    answer = ask(url, path, BurstPoolAnswer, {"window": window})
    if output == "json":
        print_json(answer.model_dump(mode="json"))
    else:
        _print_pool(answer)


def _targets(url: str) -> ScalingListAnswer:
    from maibo_slo.signals.plain import ScalingListAnswer

    return ask(url, "/v1/scaling", ScalingListAnswer)


def _named(target: str, url: str) -> tuple[str, str]:
    """Its namespace and name; the namespace is looked up where it is not said."""
    namespace, slash, name = target.partition("/")
    if slash:
        return namespace, name
    there = _targets(url).targets
    found = [each for each in there if each.target == target]
    if len(found) != 1:
        names = ", ".join(shown(f"{each.namespace}/{each.target}") for each in found or there) or "none at all"
        what = "several are called" if found else "no ScalingTarget is called"
        raise ServiceError(f"{what} {shown(target)}; there are: {names}")
    return found[0].namespace, target


def _print(answer: ScalingAnswer) -> None:
    out = console()
    out.print(styled(shown(f"{answer.namespace}/{answer.target}"), "bold"), shown(f"scales {answer.workload}"))
    bounds = f"{answer.lower_replicas} to {answer.upper_replicas} by what is uncertain; bounds {answer.min_replicas} to {answer.max_replicas}"
    out.print(styled(f"{answer.desired_replicas} replicas", "bold"), f"({bounds})")
    out.print(shown(answer.reason))
    age = f"{answer.age_seconds:.1f} s old; refused from {answer.max_age_seconds:.0f} s on"
    _print_facts([*_facts(answer.inputs), ("follows what is", age)])
    if answer.wishes:
        wishes = table("wish", "replicas", "why", numbers=("replicas",), whole=("wish",))
        for each in answer.wishes:
            wishes.add_row(each.kind, _replicas(each.replicas), shown(each.why))
        out.print(wishes)
    if answer.held_by:
        out.print(f"held by: {answer.held_by}")
    if answer.override is not None:
        out.print(_said(answer.override))


def _print_known(error: AnsweredError, output: str) -> None:
    """What the service knows of a target that it refuses; nothing where it tells nothing."""
    from pydantic import ValidationError

    from maibo_slo.signals.plain import KnownAnswer

    try:
        known = KnownAnswer.model_validate(error.members.get("known"), strict=False)
    except ValidationError:
        return  # no such target, or another version's: the error says it all
    if output == "json":
        print_json(dict(error.members))
        return
    out = console()
    out.print(styled(shown(f"{known.namespace}/{known.target}"), "bold"), shown(f"scales {known.workload}"))
    out.print(styled("no number of replicas", "bold red"))
    bounds = f"{_replicas(known.min_replicas)} to {_replicas(known.max_replicas)}"
    age = NOTHING if known.age_seconds is None else f"{known.age_seconds:.1f} s old"
    facts = [] if known.inputs is None else _facts(known.inputs)
    heard = [("services heard", shown(", ".join(known.services_heard)))] if known.services_heard else []
    _print_facts([*facts, ("bounds", bounds), *heard, ("follows what is", age)])
    if known.override is not None:
        out.print(_said(known.override))


def _facts(inputs: InputsAnswer) -> list[tuple[str, str]]:
    carries = f"{_rate(inputs.capacity_calls_per_second)}: {shown(inputs.capacity_why or 'not known')}"
    return [
        ("demand", _rate(inputs.demand_calls_per_second) + (" (a surge)" if inputs.surge else "")),
        ("fed forward", _rate(inputs.fed_forward_calls_per_second)),
        ("a replica carries", carries),
        ("replicas", f"{_replicas(inputs.wanted_replicas)} wanted, {_replicas(inputs.ready_replicas)} ready"),
    ]


def _print_facts(facts: list[tuple[str, str]]) -> None:
    for name, text in facts:
        console().print(f"  {name:18}{text}")


def _print_forecast(answer: ForecastAnswer) -> None:
    out = console()
    out.print(styled(shown(f"{answer.namespace}/{answer.target}"), "bold"))
    if answer.abstained:
        out.print(styled(shown(f"abstains: {answer.abstained}"), "yellow"))
    ready_for = next((each.rate for each in answer.levels if each.level == answer.quantile), None)
    if ready_for is not None and answer.at is not None:
        said = f"{_rate(ready_for)} at {answer.at:{TIME}:%S} UTC (P{100 * answer.quantile:g} of {answer.model})"
        out.print("forecast:", styled(said, "" if answer.abstained else "bold"))
    if answer.expected_factor != 1:
        out.print(f"a known event makes it {answer.expected_factor:g} times the usual")
    out.print(f"lead time: {_lead(answer.lead_seconds, answer.lead_why)}")
    if answer.levels:
        out.print(_levels(answer))
    judged = (
        f"{many(answer.forecasts, 'forecast')} judged in {period(answer.window.seconds)}, {answer.acted} acted upon"
    )
    if answer.wape is not None:
        judged += f"; the median was off by {percent(answer.wape, 1)} of what came"
    out.print(judged)
    if answer.models:
        models = table(
            "model", "pinball", "coverage", "stretches won", numbers=("pinball", "coverage", "stretches won")
        )
        for each in answer.models:
            won = NOTHING if each.model == "persistence" else f"{each.won} of 4"
            models.add_row(each.model, f"{each.pinball:.3g}", percent(each.coverage, 1), won)
        out.print(f"of late, at P{100 * answer.quantile:g}, by what was known before:")
        out.print(models)


def _levels(answer: ForecastAnswer) -> Table:
    names = ("level", "calls/s", "pinball", "of persistence", "coverage", "calls beyond")
    rows = table(*names, numbers=names)
    for each in answer.levels:
        rows.add_row(
            styled(f"P{100 * each.level:g}", "bold" if each.level == answer.quantile else ""),
            _figure(each.rate),
            _figure(each.compared_pinball if each.persistence_pinball is not None else each.pinball),
            _figure(each.persistence_pinball),
            percent(each.coverage, 1),
            percent(each.under_share),
        )
    return rows


def _print_pool(answer: BurstPoolAnswer) -> None:
    out = console()
    name = shown(f"{answer.namespace}/{answer.target}")
    out.print(styled(name, "bold"), "" if answer.declared else "has no burstPool; this is what one would be")
    share = "" if answer.percentage is None else f"({answer.percentage} % of those that run)"
    if answer.pods is None:
        out.print(styled(shown(f"abstains: {answer.abstained}"), "yellow"), share)
    else:
        beside = f"beside {answer.replicas} ready ones of at most {answer.max_replicas}"
        out.print(styled(many(answer.pods, "pod"), "bold"), beside, share)
    grows = (
        NOTHING
        if answer.growth is None
        else f"to {answer.growth:.4g} times (P{100 * answer.quantile:g} of busy minutes)"
    )
    out.print(f"  {'grows':18}{grows}")
    out.print(f"  {'over a lead time':18}{_lead(answer.lead_seconds, answer.lead_why)}")
    warm = "" if answer.warm_share is None else f", {answer.warm} of them without waiting for a node"
    out.print(f"  {'in ' + period(answer.window.seconds):18}{many(answer.scale_ups, 'scale-up')}{warm}")
    if answer.pod_hours is not None:
        out.print(f"  {'cost':18}{answer.pod_hours:.4g} pod-hours")


def _lead(seconds: float | None, why: str) -> str:
    return NOTHING if seconds is None else f"{seconds:.0f} s" + (f" ({shown(why)})" if why else "")


def _figure(number: float | None) -> str:
    return NOTHING if number is None else f"{_seen(number):.3g}"


def _seen(number: float) -> float:
    """Nothing, where rounding alone left something."""
    return number if abs(number) >= NOTICED else 0.0


def _why(of: StandingAnswer) -> Text:
    why = styled(shown(of.refused), "red") if of.refused else styled(shown(of.reason), "")
    return why if of.override is None else why.append("\n").append_text(_said(of.override))


def _said(of: OverrideAnswer) -> Text:
    limits = [
        f"{name} {number}"
        for name, number in (("at least", of.min_replicas), ("at most", of.max_replicas))
        if number is not None
    ]
    told = f"override: {', '.join(limits)}, until {of.until:{TIME}} UTC, said by {of.who}: {of.why}"
    return styled(shown(told), "magenta")


def _rate(calls: float | None) -> str:
    return NOTHING if calls is None else f"{_seen(calls):.4g} calls/s"


def _replicas(number: int | None) -> str:
    return NOTHING if number is None else str(number)
