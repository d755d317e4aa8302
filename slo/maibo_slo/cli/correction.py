"""``maibo correction add``, ``list``, ``show`` and ``cancel``: time that was not like other time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

import click

from maibo_slo.cli.client import ask, escaped, tell, url_option
from maibo_slo.cli.example import examples
from maibo_slo.cli.output import NOTHING, console, output_option, print_json, shown, styled, table
from maibo_slo.cli.person import person_options, whole_seconds
from maibo_slo.documents.kinds import CorrectionKind, Effect

if TYPE_CHECKING:
    from rich.text import Text

    from maibo_slo.service.corrections import CorrectionAnswer

EFFECTS: Final = {
    "exclude": "no data: what was counted then counts for nothing",
    "count_as_good": "what was bad counts as good",
    "annotate": "shown, and counted as it was",
}
_OPTIONS: Final = {
    "kind": "--kind",
    "effect": "--effect",
    "start": "--from",
    "duration_seconds": "--for",
    "zone": "--zone",
    "rrule": "--rrule",
    "slos": "--slo",
    "services": "--service",
    "journeys": "--journey",
    "every_slo": "--all",
    "who": "--who",
    "why": "--why",
}
"""What the service calls the options of `add`, and what they are."""
TIME: Final = "%Y-%m-%d %H:%M"


@click.group(
    epilog=examples(
        "maibo correction list",
        'maibo correction add drill --slo checkout-fast --from "2026-11-23 02:00" --for 2h --kind chaos --why "zone drill"',
        'maibo correction cancel drill --why "postponed to December"',
    )
)
def correction() -> None:
    """Maintenance, chaos, incidents: time that was not like other time (asks a running service).

    Those in documents are listed too; they are changed there.
    """


@correction.command(
    epilog=examples(
        'maibo correction add db-upgrade --slo checkout-fast --from "2026-11-23 02:00" --for 2h --kind maintenance --why "PostgreSQL 18"',
        'maibo correction add sundays --service shop --from "2026-11-22 02:30" --for 90m --zone Europe/Berlin --rrule "FREQ=WEEKLY;BYDAY=SU" --kind maintenance --why vacuum',
        'maibo correction add outage-17 --journey checkout --from 2026-11-20T09:14Z --for 25m --kind incident --why "see INC-17"',
    )
)
@click.argument("name")
@click.option("--slo", "slos", multiple=True, metavar="NAME", help="An SLO it concerns; may be given several times.")
@click.option("--service", "services", multiple=True, metavar="NAME", help="Every SLO of this service.")
@click.option("--journey", "journeys", multiple=True, metavar="NAME", help="Every SLO about this journey.")
@click.option("--all", "every_slo", is_flag=True, help="Every SLO.")
@click.option(
    "--from", "start", required=True, metavar="TIME", help="As the clocks of --zone show it; or with an offset."
)
@click.option("--for", "seconds", required=True, callback=whole_seconds, metavar="DURATION", help="90m, 2h, 1d.")
@click.option("--zone", default="UTC", show_default=True, metavar="ZONE", help="IANA: Europe/Berlin.")
@click.option("--rrule", default="", metavar="RULE", help="RFC 5545, to have it again and again: FREQ=WEEKLY;BYDAY=SU.")
@click.option("--kind", required=True, type=click.Choice(get_args(CorrectionKind)), help="What it is.")
@click.option(
    "--effect",
    type=click.Choice(get_args(Effect)),
    help="What it does to counts; where not given, maintenance is excluded and all else annotated.",
)
@person_options
@url_option
@output_option
def add(
    *,
    name: str,
    slos: tuple[str, ...],
    services: tuple[str, ...],
    journeys: tuple[str, ...],
    every_slo: bool,
    start: str,
    seconds: int,
    zone: str,
    rrule: str,
    kind: CorrectionKind,
    effect: Effect | None,
    who: str,
    why: str,
    url: str,
    output: str,
) -> None:
    """Have a correction in force from now on, for time past or to come.

    The next tick counts anew what it concerns. A name means one correction for ever: of one that was told wrongly, cancel it, and add it
    under another name.
    """
    from maibo_slo.service.corrections import CorrectionAnswer

    named = bool(slos or services or journeys)
    if named == every_slo:
        raise click.UsageError("say what it concerns: --slo, --service or --journey, each as often as needed, or --all")
    said = {
        "name": name,
        "kind": kind,
        "start": start,
        "duration_seconds": seconds,
        "zone": zone,
        "rrule": rrule,
        "slos": slos,
        "services": services,
        "journeys": journeys,
        "every_slo": every_slo,
        "who": who,
        "why": why,
        **({"effect": effect} if effect else {}),
    }
    _print(tell(url, "/v1/corrections", CorrectionAnswer, said, options=_OPTIONS), output=output)


@correction.command(
    "list",
    epilog=examples(
        "maibo correction list",
        "maibo correction list --from 2026-10-01T00:00Z --to 2026-11-01T00:00Z --output json",
    ),
)
@click.option(
    "--from", "begin", metavar="TIME", help="RFC 3339 with zone, or unix seconds; 30 days ago, where not given."
)
@click.option("--to", "end", metavar="TIME", help="In 30 days, where not given.")
@url_option
@output_option
def list_(*, begin: str | None, end: str | None, url: str, output: str) -> None:
    """Corrections with a window between two times, cancelled ones too; the latest first."""
    from maibo_slo.service.corrections import CorrectionsAnswer

    asked = {name: value for name, value in (("from", begin), ("to", end)) if value}
    answer = ask(url, "/v1/corrections", CorrectionsAnswer, asked)
    if output == "json":
        print_json(answer.model_dump(mode="json"))
        return
    if not answer.corrections:
        click.echo(f"no correction from {answer.begin:{TIME}} to {answer.end:{TIME}} UTC")
        return
    rows = table(
        "name",
        "kind",
        "effect",
        "windows",
        "last (UTC)",
        "concerns",
        "who",
        "why",
        numbers=("windows",),
        whole=("name",),
    )
    for each in answer.corrections:
        rows.add_row(
            shown(each.name),
            each.kind,
            _effect(each),
            str(each.windows_count),
            _last(each),
            _concerns(each),
            shown(each.who),
            shown(each.why),
        )
    console().print(rows)


@correction.command(epilog=examples("maibo correction show db-upgrade"))
@click.argument("name")
@url_option
@output_option
def show(*, name: str, url: str, output: str) -> None:
    """One correction: its windows from 30 days ago until in 30 days, and who told and cancelled it."""
    from maibo_slo.service.corrections import CorrectionAnswer

    _print(ask(url, f"/v1/corrections/{escaped(name)}", CorrectionAnswer), output=output)


@correction.command(epilog=examples('maibo correction cancel db-upgrade --why "postponed to December"'))
@click.argument("name")
@person_options
@url_option
@output_option
def cancel(*, name: str, who: str, why: str, url: str, output: str) -> None:
    """Take a told correction out of force, for all time: what it corrected counts again as it was.

    It stays in the trail. To end one that recurs but keep what it corrected so far, cancel it, and add it again with UNTIL in its rule.
    """
    from maibo_slo.service.corrections import CorrectionAnswer

    answer = tell(url, f"/v1/corrections/{escaped(name)}/cancel", CorrectionAnswer, {"who": who, "why": why})
    _print(answer, output=output)


def _print(answer: CorrectionAnswer, *, output: str) -> None:
    if output == "json":
        print_json(answer.model_dump(mode="json"))
        return
    out = console()
    out.print(styled(shown(answer.name), "bold"), f"{answer.kind}:", _effect(answer), f"({EFFECTS[answer.effect]})")
    again = f", again by {answer.rrule}" if answer.rrule else ""
    out.print(shown(f"{answer.start} {answer.zone}, for {answer.duration_seconds / 60:g} min{again}"))
    out.print("concerns", _concerns(answer))
    told = f"told {answer.told_at:{TIME}} UTC" if answer.told_at else f"in {answer.place}"
    out.print(shown(f"{told} by {answer.who}: {answer.why}"))
    if answer.cancelled:
        gone = answer.cancelled
        out.print(styled(shown(f"cancelled {gone.at:{TIME}} UTC by {gone.who}: {gone.why}"), "magenta"))
    windows = table("from (UTC)", "to (UTC)")
    for each in answer.windows:
        windows.add_row(f"{each.begin:{TIME}}", f"{each.end:{TIME}}")
    if answer.windows:
        out.print(windows)
    if answer.windows_count > len(answer.windows):
        out.print(f"and {answer.windows_count - len(answer.windows)} before")


def _effect(answer: CorrectionAnswer) -> Text:
    return styled(answer.effect if answer.in_force else "cancelled", "default" if answer.in_force else "dim")


def _last(answer: CorrectionAnswer) -> str:
    return f"{answer.windows[-1].begin:{TIME}}" if answer.windows else NOTHING


def _concerns(answer: CorrectionAnswer) -> str:
    """Three by name."""
    named = ", ".join(map(shown, answer.concerned[:3])) or "no SLO in force"
    return f"{named} and {answer.concerned_count - 3} more" if answer.concerned_count > 3 else named
