"""``maibo report``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import click

from maibo_slo.cli.client import ask, url_option
from maibo_slo.cli.example import examples
from maibo_slo.errors import MaiboError
from maibo_slo.reporting.periods import PERIODS, named

FORMATS: Final = ("md", "html", "csv", "json")
BY: Final = ("service", "team", "journey")


class ReportError(MaiboError):
    """A report that cannot be written."""


@click.command(
    epilog=examples(
        "maibo report",
        "maibo report --period last-month --by team --format html --out october.html",
        "maibo report --from 2026-10-01T00:00Z --to 2026-10-08T00:00Z --format csv",
    )
)
@click.option("--period", type=click.Choice(PERIODS), help="In UTC; the present month, where nothing is said.")
@click.option("--from", "begin", metavar="TIME", help="Begin instead: RFC 3339 with zone, or unix seconds.")
@click.option("--to", "end", metavar="TIME", help="End; now, where not given.")
@click.option(
    "--by", type=click.Choice(BY), default="service", show_default=True, help="What objectives are grouped by."
)
@click.option("--format", "form", type=click.Choice(FORMATS), help="By the name of --out where not given, else md.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write, instead of standard output."
)
@url_option
def report(
    *, period: str | None, begin: str | None, end: str | None, by: str, form: str | None, out: Path | None, url: str
) -> None:
    """What a period came to: attainment, budget spent, worst days, what burnt it, how good the alerts were, and the period before.

    A team is the label `team` of an SLO; its service, where there is none.
    """
    from maibo_slo.reporting.formats import written
    from maibo_slo.service.history import ReportAnswer

    if period and begin:
        raise click.UsageError("a period has a name or times: leave out --period or --from")
    if end and not begin:
        raise click.UsageError("--to needs --from")
    form = form or _form_of(out)
    if not begin:
        begin, end = map(str, named(period or "month", now=time.time()))
    asked = {"begin": begin, **({"end": end} if end else {})}
    try:
        answer = ask(url, "/v1/report", ReportAnswer, asked)
    except click.UsageError as error:  # the service's names of parameters are not this command's
        raise click.UsageError(error.message.replace("--begin", "--from").replace("--end", "--to")) from None
    text = written(answer.report, by=by, form=form)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise ReportError(f"cannot write {out}: {error.strerror}") from error


def _form_of(out: Path | None) -> str:
    """By a file's name; Markdown where it has no suffix. UsageError for a suffix of none of them."""
    suffix = "" if out is None else out.suffix.lower().lstrip(".")
    if suffix and suffix not in FORMATS:
        ends = ", ".join(f".{form}" for form in FORMATS)
        raise click.UsageError(f"--out: no report is written as .{suffix}: say --format, or a name with one of {ends}")
    return suffix or "md"
