"""``maibo lint``: whether valid documents do what their author believes."""

from __future__ import annotations

import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from maibo_slo.cli.client import ask
from maibo_slo.cli.example import examples
from maibo_slo.cli.output import console, many, output_option, print_json, shown, styled, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from maibo_slo.linting import Finding, Linted, Traffic
    from maibo_slo.service.answers import ObjectiveAnswer

COLOURS: Final = {"error": "red", "warning": "yellow", "info": "cyan"}
_STDIN: Final = "<stdin>"
_DAYS: Final = {"1d": 1, "3d": 3}
"""Burn windows that tell a day's traffic."""


@click.command(
    epilog=examples(
        "maibo lint slos/",
        "maibo lint slos/ --events-per-day 250",
        "maibo lint slos/ --url http://127.0.0.1:8080",
        "maibo lint slos/ --fail-on error --ignore SLO008",
        "maibo lint --explain SLO009",
    )
)
@click.argument("documents", nargs=-1)
@click.option("--rules", is_flag=True, help="List every rule, and end.")
@click.option("--explain", metavar="RULE", help="Print a rule's page, and end.")
@click.option("--ignore", metavar="RULES", multiple=True, help="Leave these out: SLO008,SLO022. May be repeated.")
@click.option(
    "--fail-on",
    type=click.Choice(["warning", "error"]),
    default="warning",
    show_default=True,
    help="Exit with 1 from this severity on.",
)
@click.option(
    "--events-per-day",
    type=click.FloatRange(min=0, max=1e15, min_open=True),
    help="What each SLO's total counts in a day.",
)
@click.option("--url", help="A running service, asked how many events each SLO had.")
@output_option
def lint(
    documents: tuple[str, ...],
    *,
    rules: bool,
    explain: str | None,
    ignore: tuple[str, ...],
    fail_on: str,
    events_per_day: float | None,
    url: str | None,
    output: str,
) -> None:
    """Check what valid documents mean: alerts that cannot fire, budgets of less than one event, failures that count as good.

    DOCUMENTS are files, folders, or - for standard input; those with errors are not judged, and told as by `maibo validate`.
    Each finding has a rule's id; --explain tells why it matters, how to mend it and how to silence it. Exits with 1 when
    there are findings of the severity --fail-on or above.
    """
    from maibo_slo.linting import Traffic

    if explain is not None:
        _explain(explain)
    elif rules:
        _list(output)
    elif documents:
        traffic = Traffic(events_per_day, _measured(url) if url else {})
        _lint(documents, traffic, ignored=_known(ignore), fail_on=fail_on, output=output)
    else:
        raise click.UsageError("Missing argument 'DOCUMENTS...'.")


def _lint(documents: Sequence[str], traffic: Traffic, *, ignored: frozenset[str], fail_on: str, output: str) -> None:
    from maibo_slo.linting import lint as judged
    from maibo_slo.linting.findings import SEVERITIES

    with _sources(documents) as (sources, named):
        linted = _renamed(judged(sources, traffic=traffic, ignored=ignored), named)
    if output == "json":
        print_json(_as_json(linted))
    else:
        _print(linted)
    failing = SEVERITIES[SEVERITIES.index(fail_on) :]
    if not linted.usable or any(finding.rule.severity in failing for finding in linted.findings):
        raise SystemExit(1)


def _explain(asked: str) -> None:
    from maibo_slo.linting import RULES, explanation

    rule = RULES.get(asked.upper())
    if rule is None:
        raise click.BadParameter(f"there is no rule {asked!r}; `maibo lint --rules` lists them", param_hint="--explain")
    click.echo(explanation(rule), nl=False)


def _list(output: str) -> None:
    from maibo_slo.linting import RULES

    if output == "json":
        print_json([asdict(rule) for rule in RULES.values()])
        return
    rows = table("rule", "severity", "title", whole=("rule", "severity"))
    for rule in RULES.values():
        rows.add_row(rule.id, styled(rule.severity, COLOURS[rule.severity]), rule.title)
    console().print(rows)


def _known(ignore: Sequence[str]) -> frozenset[str]:
    from maibo_slo.linting import RULES
    from maibo_slo.linting.written import ids

    asked = ids(",".join(ignore))
    if unknown := asked - RULES.keys():
        raise click.BadParameter(f"there is no rule {', '.join(sorted(unknown))}", param_hint="--ignore")
    return asked


def _measured(url: str) -> dict[str, float]:
    """Events a day of each SLO that a service knows; of one that counts slices it does not say."""
    from maibo_slo.service.answers import SlosAnswer

    answer = ask(url, "/v1/slos", SlosAnswer)
    return {one.name: found for one in answer.slos if (found := _most_a_day(one.objectives)) > 0}


def _most_a_day(objectives: Sequence[ObjectiveAnswer]) -> float:
    return max((_a_day(one) for one in objectives if one.unit == "events"), default=0.0)


def _a_day(objective: ObjectiveAnswer) -> float:
    """The busier of the last day and the mean of the last three: an SLO that is new is not taken for a quiet one."""
    events = {burn.window: burn.good + burn.bad for burn in objective.burn_rates}
    return max((events.get(window, 0) / days for window, days in _DAYS.items()), default=0.0)


@contextmanager
def _sources(documents: Sequence[str]) -> Iterator[tuple[list[str], Callable[[str], str]]]:
    """What to read, and how a read file is called: standard input can be read once and its places are asked for twice, so it is kept."""
    if "-" not in documents:
        yield list(documents), str
        return
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder, "stdin.yaml")
        kept.write_bytes(sys.stdin.buffer.read())
        read = [str(kept) if name == "-" else name for name in documents]
        yield read, lambda file: _STDIN if file == str(kept) else file


def _renamed(linted: Linted, named: Callable[[str], str]) -> Linted:
    return replace(
        linted,
        findings=tuple(replace(one, at=one.at._replace(file=named(one.at.file))) for one in linted.findings),
        problems=tuple(replace(one, file=named(one.file)) for one in linted.problems),
    )


def _print(linted: Linted) -> None:
    out = console()
    for problem in linted.problems:
        out.print(shown(str(problem)), soft_wrap=True)
    for finding in linted.findings:
        before, severity, after = str(finding).partition(f" {finding.rule.severity} ")
        out.print(shown(before), styled(severity.strip(), COLOURS[finding.rule.severity]), shown(after), soft_wrap=True)
    out.print(_verdict(linted), soft_wrap=True)


def _verdict(linted: Linted) -> str:
    if not linted.usable:
        return f"not judged: {many(len(linted.problems) + len(linted.findings), 'error')} (see `maibo validate`)"
    if not linted.findings:
        return f"clean: {many(linted.slos, 'SLO')}"
    severities = [finding.rule.severity for finding in linted.findings]
    told = [many(severities.count(one), one) for one in COLOURS if one in severities]
    return f"{', '.join(told)} in {many(linted.slos, 'SLO')}; `maibo lint --explain {linted.findings[0].rule.id}` tells why"


def _as_json(linted: Linted) -> dict[str, object]:
    return {
        "usable": linted.usable,
        "slos": linted.slos,
        "problems": [asdict(one) for one in linted.problems],
        "findings": [_finding(one) for one in linted.findings],
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "rule": finding.rule.id,
        "severity": finding.rule.severity,
        "title": finding.rule.title,
        "file": finding.at.file,
        "line": finding.at.line,
        "column": finding.at.column,
        "document": finding.document,
        "message": finding.message,
        "mend": finding.mend,
    }
