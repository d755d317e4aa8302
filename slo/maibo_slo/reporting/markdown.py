"""A report as Markdown: one table a section, and beneath it what is worth a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_slo.reporting import wording

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maibo_slo.reporting.figures import Report, Row
    from maibo_slo.reporting.wording import Section

HEAD: Final = ("Objective", "Target", "Attained", "Budget spent", "Against before", "Worst day", "Pages", "Tickets", "")
_SPECIAL: Final = str.maketrans({each: f"\\{each}" for each in "\\`*_[]<>|#"})


def page(report: Report, sections: Sequence[Section], *, by: str) -> str:
    """The whole report."""
    return "\n".join(_lines(report, sections, by=by)) + "\n"


def escaped(text: str) -> str:
    r"""Text from outside, on one line, that means nothing to Markdown.

    >>> escaped("a|b\n*c*")
    'a\\|b \\*c\\*'
    """
    return " ".join(text.split()).translate(_SPECIAL)


def _lines(report: Report, sections: Sequence[Section], *, by: str) -> Iterator[str]:
    yield f"# SLO report, {wording.title(report)}"
    yield ""
    if not report.over:
        yield "**The period is not over.** The figures are of what has passed of it."
        yield ""
    yield f"{wording.in_words(wording.summary(report.rows)).capitalize()}."
    for section in sections:
        yield ""
        yield f"## {by.capitalize()} {escaped(section.name) or 'none'}"
        yield ""
        yield f"{wording.in_words(section.summary).capitalize()}."
        yield ""
        yield f"| {' | '.join(HEAD)} |"
        yield f"|{'---|' * len(HEAD)}"
        for row in section.rows:
            yield f"| {' | '.join(_cells(row))} |"
        notes = [note for row in section.rows for note in _notes(row)]
        if notes:
            yield ""
            yield from notes
    if report.unblamed:
        yield ""
        yield f"Who burnt the budget was looked into for the objectives that spent the most; {report.unblamed} more had bad events."
    if not report.compared:
        yield ""
        yield "There was no time to sum the period before."
    if report.unjudged:
        yield ""
        yield f"There was no time to look how good the alerts of {report.unjudged} more objectives were."


def _cells(row: Row) -> Sequence[str]:
    worst = next(iter(row.worst_days(1)), None)
    return (
        wording.name(row, escaped),
        wording.percent(row.target, 5),
        wording.percent(row.attainment),
        wording.spent(row.budget_spent),
        wording.trend(row.budget_spent, row.before.budget_spent),
        wording.NOTHING if worst is None else f"{wording.day(worst.day)} ({wording.spent(worst.spent)})",
        str(row.alerts.pages),
        str(row.alerts.tickets),
        wording.VERDICTS[row.verdict],
    )


def _notes(row: Row) -> Iterator[str]:
    """What burnt the budget, and how good the alerts were."""
    parts = list(wording.notes(row))
    if parts:
        yield f"* {wording.name(row, escaped)}: {escaped('; '.join(parts))}."
