"""``maibo override scale``, ``list`` and ``end``: the escape hatch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from maibo_slo.cli.client import ask, escaped, tell, url_option
from maibo_slo.cli.example import examples
from maibo_slo.cli.output import NOTHING, console, output_option, print_json, shown, styled, table
from maibo_slo.cli.person import person_options, whole_seconds
from maibo_slo.errors import ServiceError

if TYPE_CHECKING:
    from maibo_slo.service.overrides import OverrideAnswer, OverridesAnswer

TIME: Final = "%Y-%m-%d %H:%M"
_OPTIONS: Final = {
    "target": "TARGET",
    "min_replicas": "--min",
    "max_replicas": "--max",
    "for_seconds": "--for",
    "who": "--who",
    "why": "--why",
}
"""What the service calls the options of `scale`, and what they are."""


@click.group(
    epilog=examples(
        'maibo override scale checkout-api --min 40 --for 2h --why "sale at noon"',
        "maibo override list",
        'maibo override end checkout-api --why "sale is over"',
    )
)
def override() -> None:
    """Set a target's bounds by hand, until they expire (asks a running service).

    An override wins over everything that maibo would wish; every face, page and signal tells it, with who said it and why.
    """


@override.command(
    epilog=examples(
        'maibo override scale checkout-api --min 40 --for 2h --why "sale at noon"',
        'maibo override scale shop/checkout-api --min 10 --max 10 --for 30m --why "INC-17: hold still"',
    )
)
@click.argument("target")
@click.option("--min", "least", type=click.IntRange(0), help="Replicas at least.")
@click.option("--max", "most", type=click.IntRange(0), help="Replicas at most.")
@click.option(
    "--for", "seconds", required=True, callback=whole_seconds, metavar="DURATION", help="30m, 2h, 1d: then it expires."
)
@person_options
@url_option
@output_option
def scale(
    *, target: str, least: int | None, most: int | None, seconds: int, who: str, why: str, url: str, output: str
) -> None:
    """Give a ScalingTarget other bounds from now on, in the place of an earlier override of it.

    TARGET is its name, or NAMESPACE/NAME.
    """
    from maibo_slo.engine.scaling.overrides import LONGEST_SECONDS
    from maibo_slo.service.overrides import OverrideAnswer

    if least is None and most is None:
        raise click.UsageError("say --min, --max or both")
    if least is not None and most is not None and least > most:
        raise click.UsageError(f"--min {least} is more than --max {most}")
    if seconds > LONGEST_SECONDS:
        raise click.UsageError(
            f"--for: at most {LONGEST_SECONDS // 86_400} days; what is to last belongs in the document"
        )
    said: dict[str, object] = {"target": target, "for_seconds": seconds, "who": who, "why": why}
    said |= {name: value for name, value in (("min_replicas", least), ("max_replicas", most)) if value is not None}
    _print(tell(url, "/v1/overrides", OverrideAnswer, said, options=_OPTIONS), output=output)


@override.command(
    "list", epilog=examples("maibo override list", "maibo override list --from 2026-10-01T00:00Z --output json")
)
@click.option("--from", "begin", metavar="TIME", help="RFC 3339 with zone, or unix seconds; 30 days ago.")
@click.option("--to", "end", metavar="TIME", help="Now, where not given.")
@url_option
@output_option
def list_(*, begin: str | None, end: str | None, url: str, output: str) -> None:
    """Overrides that were in force between two times, expired and ended ones too; the newest first."""
    asked = {name: value for name, value in (("from", begin), ("to", end)) if value}
    answer = _overrides(url, asked)
    if output == "json":
        print_json(answer.model_dump(mode="json"))
        return
    if not answer.overrides:
        click.echo(f"no override from {answer.begin:{TIME}} to {answer.end:{TIME}} UTC")
        return
    rows = table("target", "min", "max", "said (UTC)", "until", "state", "who", "why", numbers=("min", "max"))
    for each in answer.overrides:
        rows.add_row(
            shown(_named(each)),
            _replicas(each.min_replicas),
            _replicas(each.max_replicas),
            f"{each.said_at:{TIME}}",
            f"{each.ended.at if each.ended else each.until:{TIME}}",
            styled(_state(each), "bold" if each.in_force else "dim"),
            shown(each.who),
            shown(each.why),
        )
    console().print(rows)


@override.command(epilog=examples('maibo override end checkout-api --why "sale is over"'))
@click.argument("target")
@person_options
@url_option
@output_option
def end(*, target: str, who: str, why: str, url: str, output: str) -> None:
    """End the override of a target before it expires. TARGET is its name, NAMESPACE/NAME, or the override's id."""
    from maibo_slo.service.overrides import OverrideAnswer

    there = [each for each in _overrides(url, {}).overrides if each.in_force]
    found = next((each for each in there if target in {each.target, each.id, _named(each)}), None)
    if found is None:
        names = ", ".join(shown(_named(each)) for each in there) or "none at all"
        raise ServiceError(f"no override of {shown(target)} is in force; there is {names}")
    path = f"/v1/overrides/{escaped(found.id)}/end"
    _print(tell(url, path, OverrideAnswer, {"who": who, "why": why}), output=output)


def _overrides(url: str, asked: dict[str, str]) -> OverridesAnswer:
    from maibo_slo.service.overrides import OverridesAnswer

    return ask(url, "/v1/overrides", OverridesAnswer, asked)


def _print(answer: OverrideAnswer, *, output: str) -> None:
    if output == "json":
        print_json(answer.model_dump(mode="json"))
        return
    out = console()
    bounds = f"at least {_replicas(answer.min_replicas)}, at most {_replicas(answer.max_replicas)} replicas"
    out.print(styled(shown(_named(answer)), "bold"), bounds)
    out.print(
        f"from {answer.said_at:{TIME}} until {answer.until:{TIME}} UTC, said by {shown(answer.who)}: {shown(answer.why)}"
    )
    if answer.ended:
        gone = answer.ended
        out.print(styled(shown(f"ended {gone.at:{TIME}} UTC by {gone.who}: {gone.why}"), "magenta"))
    for note in answer.notes:
        click.secho(f"note: {shown(note)}", fg="yellow", err=True)


def _named(answer: OverrideAnswer) -> str:
    """As `maibo scaling list` names it."""
    return f"{answer.namespace}/{answer.target}" if answer.namespace else answer.target


def _replicas(bound: int | None) -> str:
    return NOTHING if bound is None else str(bound)


def _state(answer: OverrideAnswer) -> str:
    if answer.in_force:
        return "in force" if answer.recorded else "in force, not recorded"
    return "expired" if answer.ended is None else shown(f"ended by {answer.ended.who}: {answer.ended.why}")
