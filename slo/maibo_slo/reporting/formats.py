"""A report as Markdown, HTML, CSV or JSON: the same figures in each."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from maibo_slo.reporting import markdown, web
from maibo_slo.reporting.wording import Section, summary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.reporting.figures import Report, Row

COLUMNS: Final = (
    "slo",
    "objective",
    "group",
    "service",
    "team",
    "journey",
    "target",
    "unit",
    "good",
    "bad",
    "counted_events",
    "attainment",
    "budget_spent",
    "verdict",
    "coverage",
)
_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a text that begins so for a formula."""


def written(report: Report, *, by: str, form: str) -> str:
    """The whole text, with a line's end at its end. `by`: service, team or journey; `form`: md, html, csv or json."""
    match form:
        case "json":
            return json.dumps(report.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        case "csv":
            return as_csv(report)
        case "html":
            return web.page(report, sections(report, by=by), by=by)
        case _:
            return markdown.page(report, sections(report, by=by), by=by)


def sections(report: Report, *, by: str) -> list[Section]:
    """Rows by service, team or journey, in the order of their names; what has none comes last."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in report.rows:
        groups[{"service": row.service, "team": row.team, "journey": row.journey}[by]].append(row)
    return [
        Section(name, tuple(groups[name]), summary(groups[name])) for name in sorted(groups, key=lambda n: (not n, n))
    ]


def as_csv(report: Report) -> str:
    """One line an objective and group; what has no data is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    more = ("attainment_before", "budget_spent_before", "worst_day", "worst_day_spent", "top_step", "top_version")
    alerts = ("pages", "tickets", "page_precision", "median_detect_seconds", "bad_outside_alerts")
    writer.writerow(["begin", "end", *COLUMNS, *more, *alerts])
    for row in report.rows:
        writer.writerow(
            map(_cell, [report.begin.isoformat(), report.end.isoformat(), *_figures(row), *_more(row), *_alerts(row)])
        )
    return out.getvalue()


def _figures(row: Row) -> Sequence[object]:
    told: Mapping[str, object] = dict(row)
    return [told[name] for name in COLUMNS]


def _more(row: Row) -> Sequence[object]:
    worst = next(iter(row.worst_days(1)), None)
    version = next(iter(row.versions), None)
    return [
        row.before.attainment,
        row.before.budget_spent,
        None if worst is None else worst.day.date().isoformat(),
        None if worst is None else worst.spent,
        row.steps[0].value if row.steps else None,
        None if version is None or not version.version else f"{version.service} {version.version}".strip(),
    ]


def _alerts(row: Row) -> Sequence[object]:
    told = row.alerts
    return [told.pages, told.tickets, told.precision, told.median_detect_seconds, told.spent_outside]


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(_DANGEROUS):
        return f"'{value}"
    return value
