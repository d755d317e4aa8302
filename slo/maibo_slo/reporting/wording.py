"""How a report's figures are said, in every format for people. What has no data is a dash, never 100 %."""

# ruff: noqa: RUF001, RUF002 -- a dash for nothing and a minus sign are typography, not typing errors
from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from maibo_slo.reporting.figures import BurntStep, BurntVersion, Report, Row

NOTHING: Final = "–"
VERDICTS: Final = {"met": "met", "missed": "missed", "no_data": "no data"}
NAMES: Final = {
    "": "no step explains it",
    "(slow)": "slow, no step is known",
    "(abandoned)": "abandoned",
}


class Summary(NamedTuple):
    """Of some objectives."""

    met: int
    missed: int
    no_data: int
    pages: int
    judged_pages: int
    precise_pages: int
    tickets: int
    worst_spent: float | None


class Section(NamedTuple):
    """The objectives of a service, a team or a journey."""

    name: str
    rows: tuple[Row, ...]
    summary: Summary


def summary(rows: Sequence[Row]) -> Summary:
    """Counts are of objectives; those without data are neither met nor missed."""
    verdicts = [row.verdict for row in rows]
    return Summary(
        met=verdicts.count("met"),
        missed=verdicts.count("missed"),
        no_data=verdicts.count("no_data"),
        pages=sum(row.alerts.pages for row in rows),
        judged_pages=sum(row.alerts.pages for row in rows if row.alerts.precise_pages is not None),
        precise_pages=sum(row.alerts.precise_pages or 0 for row in rows),
        tickets=sum(row.alerts.tickets for row in rows),
        worst_spent=max((row.budget_spent for row in rows if row.budget_spent is not None), default=None),
    )


def in_words(told: Summary) -> str:
    """One sentence.

    >>> in_words(Summary(2, 1, 1, 3, 3, 2, 0, 1.5))
    '2 of 3 objectives met, 1 without data; at worst 150 % of a budget spent; 3 pages, 2 of them worth it, 0 tickets'
    """
    known = told.met + told.missed
    said = f"{told.met} of {known} {_plural('objective', known)} met" if known else "no objective with data"
    said += f", {told.no_data} without data" if told.no_data else ""
    if told.worst_spent is not None:
        said += f"; at worst {spent(told.worst_spent)} of a budget spent"
    among = "them" if told.judged_pages == told.pages else f"{told.judged_pages} that were looked into"
    worth = f", {told.precise_pages} of {among} worth it" if told.judged_pages else ""
    return f"{said}; {counted('page', told.pages)}{worth}, {counted('ticket', told.tickets)}"


def title(report: Report) -> str:
    """The period.

    >>> from datetime import UTC, datetime
    >>> from maibo_slo.reporting.figures import Report
    >>> begin, end = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2))
    >>> title(Report(begin=begin, end=end, until=end, over=True, rows=(), unblamed=0))
    '2026-01-01 to 2026-01-31'
    """
    begin, end = report.begin, report.end
    if begin.hour == begin.minute == end.hour == end.minute == 0:
        last = end.fromordinal(end.toordinal() - 1)
        return f"{begin:%Y-%m-%d}" if last.date() == begin.date() else f"{begin:%Y-%m-%d} to {last:%Y-%m-%d}"
    return f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"


def percent(ratio: float | None, digits: int = 3) -> str:
    """Never rounded up: 99.9996 % of something is not all of it.

    >>> percent(0.999996), percent(1.0), percent(0.5), percent(None)
    ('99.999 %', '100 %', '50 %', '–')
    """
    if ratio is None:
        return NOTHING
    shown = (Decimal(repr(ratio)) * 100).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_FLOOR)
    return f"{plain(shown)} %"


def plain(number: Decimal) -> str:
    """Without zeros at the end, and never as a power of ten."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def spent(share: float | None) -> str:
    """Of a budget: whole percent, tenths below ten.

    >>> spent(0.0421), spent(1.5), spent(0.0), spent(None)
    ('4.2 %', '150 %', '0 %', '–')
    """
    if share is None:
        return NOTHING
    return f"{share * 100:.1f} %" if 0 < share < 0.0995 else f"{share * 100:.0f} %"


def trend(now: float | None, then: float | None) -> str:
    """What a budget's spending came to against the period before.

    >>> trend(0.5, 0.2), trend(0.2, 0.5), trend(0.2, None)
    ('+30 points', '−30 points', '–')
    """
    if now is None or then is None:
        return NOTHING
    points = round((now - then) * 100)
    return f"{'+' if points > 0 else '−'}{counted('point', abs(points))}" if points else "as before"


def count(number: int) -> str:
    """In thousands.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{number:,}"


def name(row: Row, escaped: Callable[[str], str] = str) -> str:
    """The SLO, its objective, and the group where it has some."""
    parts = (row.slo, row.objective, f"({row.group})" if row.group else "")
    return " ".join(escaped(part) for part in parts if part)


def notes(row: Row) -> Iterator[str]:
    """Half sentences: what burnt the budget, and how good the alerts were; nothing where there is nothing to say."""
    if row.steps:
        yield "burnt by " + ", ".join(f"{step_name(step)} ({percent(step.share, 0)})" for step in row.steps)
    if has_versions(row):
        yield "in " + ", ".join(f"{version_name(each)} ({percent(each.share, 0)})" for each in row.versions)
    alerts = row.alerts
    if alerts.pages and alerts.precise_pages is not None:
        yield f"{alerts.precise_pages} of {counted('page', alerts.pages)} worth it, {detected(alerts.detect_seconds)} to detect"
    if alerts.pages + alerts.tickets and alerts.spent_outside is not None:
        yield f"{percent(alerts.spent_outside, 0)} of what was bad in no alert"


def step_name(step: BurntStep) -> str:
    return NAMES.get(step.value, step.value)


def has_versions(row: Row) -> bool:
    """Whether services told any; a service's name alone is none."""
    return any(version.version for version in row.versions)


def version_name(version: BurntVersion) -> str:
    """The service and its version.

    >>> from maibo_slo.reporting.figures import BurntVersion
    >>> version_name(BurntVersion(service="shop", version="", bad=1, share=0.5))
    'shop without a version'
    """
    return f"{version.service} {version.version or 'without a version'}".strip()


def detected(seconds: Sequence[float]) -> str:
    """The median; of one, that one.

    >>> detected([60.0, 600.0, 120.0]), detected([])
    ('2 min', '–')
    """
    return f"{median(seconds) / 60:.0f} min" if seconds else NOTHING


def day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"


def counted(noun: str, number: int) -> str:
    """Of a noun that has its plural with an s."""
    return f"{number} {_plural(noun, number)}"


def _plural(noun: str, number: int) -> str:
    return noun if number == 1 else f"{noun}s"
