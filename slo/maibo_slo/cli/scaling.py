"""``maibo scaling list`` and ``explain``: what scalers are told, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from maibo_slo.cli.client import ask, escaped, url_option
from maibo_slo.cli.example import examples
from maibo_slo.cli.output import NOTHING, console, output_option, print_json, shown, styled, table
from maibo_slo.errors import ServiceError

if TYPE_CHECKING:
    from rich.text import Text

    from maibo_slo.signals.plain import OverrideAnswer, ScalingAnswer, ScalingListAnswer, StandingAnswer

TIME: Final = "%Y-%m-%d %H:%M"


@click.group(epilog=examples("maibo scaling list", "maibo scaling explain checkout-api"))
def scaling() -> None:
    """How many replicas each ScalingTarget should have (asks a running service)."""


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
    answer = ask(url, f"/v1/scaling/{escaped(namespace)}/{escaped(name)}", ScalingAnswer)
    if output == "json":
        print_json(answer.model_dump(mode="json"))
    else:
        _print(answer)


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
    inputs = answer.inputs
    facts = [
        ("demand", _rate(inputs.demand_calls_per_second) + (" (a surge)" if inputs.surge else "")),
        ("fed forward", _rate(inputs.fed_forward_calls_per_second)),
        ("a replica carries", f"{_rate(inputs.capacity_calls_per_second)}: {shown(inputs.capacity_why)}"),
        ("replicas", f"{_replicas(inputs.wanted_replicas)} wanted, {_replicas(inputs.ready_replicas)} ready"),
        ("follows what is", f"{answer.age_seconds:.1f} s old; refused from {answer.max_age_seconds:.0f} s on"),
    ]
    for name, text in facts:
        out.print(f"  {name:18}{text}")
    wishes = table("wish", "replicas", "why", numbers=("replicas",), whole=("wish",))
    for each in answer.wishes:
        wishes.add_row(each.kind, _replicas(each.replicas), shown(each.why))
    out.print(wishes)
    if answer.held_by:
        out.print(f"held by: {answer.held_by}")
    if answer.override is not None:
        out.print(_said(answer.override))


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
    return NOTHING if calls is None else f"{calls:.4g} calls/s"


def _replicas(number: int | None) -> str:
    return NOTHING if number is None else str(number)
