"""A report as one HTML file: nothing in it comes from elsewhere, no script, plots as SVG; for light and dark screens, and for paper."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import jinja2

from maibo_slo.reporting import wording

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from maibo_slo.reporting.figures import Report, Row
    from maibo_slo.reporting.wording import Section

WIDTH: Final = 320.0
HEIGHT: Final = 64.0
FULL: Final = 0.25
"""Of a budget bar, where all of the budget is spent: a bar reaches to four budgets."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A day's column, in the plot's own units; of a day without data none."""

    x: float
    y: float
    width: float
    height: float
    title: str
    is_over: bool
    """It spent more than its even share of the budget."""


def page(report: Report, sections: Sequence[Section], *, by: str) -> str:
    """The whole file."""
    template = _environment().get_template("report.html")
    return (
        template.render(
            report=report,
            sections=sections,
            by=by,
            style=(files("maibo_slo.reporting") / "report.css").read_text(encoding="utf-8"),
            bars=lambda row: list(bars(row, report.begin, report.end, until=report.until)),
            even=lambda row: even_y(row, report.begin, report.until),
            budget_width=budget_width,
            whole=wording.summary(report.rows),
            width=WIDTH,
            height=HEIGHT,
            say=wording,
        )
        + "\n"
    )


def bars(row: Row, begin: datetime, end: datetime, *, until: datetime) -> Iterator[Bar]:
    """What each day spent of the period's budget, as far as that has passed; the highest day fills the plot."""
    first, count = _days(begin, end)
    _, passed = _days(begin, until)
    top = _top(row, passed)
    width = WIDTH / count
    for each in row.days:
        at = (each.day - first).days
        height = each.spent / top * HEIGHT
        if each.bad:
            height = max(height, 1.0)
        title = f"{wording.day(each.day)}: {wording.spent(each.spent)} of the budget, {wording.count(each.bad)} bad"
        yield Bar(
            round(at * width + width * 0.08, 2),
            round(HEIGHT - height, 2),
            round(width * 0.84, 2),
            round(height, 2),
            title,
            is_over=each.spent > 1 / passed,
        )


def even_y(row: Row, begin: datetime, until: datetime) -> float:
    """Where a day stands that spends its even share of the budget."""
    _, passed = _days(begin, until)
    return round(HEIGHT * (1 - 1 / passed / _top(row, passed)), 2)


def budget_width(spent: float) -> float:
    """In percent of the bar; what is spent beyond four budgets does not fit."""
    return round(100 * min(1.0, spent * FULL), 2)


def _days(begin: datetime, end: datetime) -> tuple[datetime, int]:
    first = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    return first, max(1, -(-(end - first) // timedelta(days=1)))


def _top(row: Row, days: int) -> float:
    """Never less than an even share, so that a good period looks like one."""
    return max([1.25 / days, *(day.spent for day in row.days)])


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("maibo_slo.reporting", package_path="."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
