"""Documents in, findings out.

Documents with errors are not linted, since nobody knows what they mean: their problems come back as validation tells them, those that
have a page of ours under its id. A finding never depends on the time or on other documents than those given, but for the traffic that
the caller tells.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from maibo_slo.documents import Catalogue, DocumentsError, Problem, check
from maibo_slo.documents.problems import Position
from maibo_slo.linting.budgets import budgets
from maibo_slo.linting.conditions import asked_for, conditions
from maibo_slo.linting.corrections import corrections
from maibo_slo.linting.findings import Finding
from maibo_slo.linting.indicators import indicators
from maibo_slo.linting.others import others
from maibo_slo.linting.queries import queries
from maibo_slo.linting.refusals import refusal
from maibo_slo.linting.scaling import scaling
from maibo_slo.linting.subject import Subject
from maibo_slo.linting.windows import windows
from maibo_slo.linting.written import Library, Written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from maibo_slo.documents import FedSlo, Slo

EVENTS_PER_DAY: Final = "maibo.dev/events-per-day"
"""An SLO's annotation: what is counted by its total, in a day."""
_MOST_EVENTS: Final = 1e15
_CHECKS: Final = (windows, budgets, indicators, asked_for, queries)


@dataclass(frozen=True, slots=True)
class Traffic:
    """How many events SLOs have in a day, where documents do not say."""

    each: float | None = None
    """Of every SLO."""
    measured: Mapping[str, float] = field(default_factory=dict)
    """By SLO; goes before `each`."""


@dataclass(frozen=True, slots=True)
class Linted:
    """What was found, in the order of file and line."""

    findings: tuple[Finding, ...]
    problems: tuple[Problem, ...]
    """Errors without a rule; the documents cannot be used."""
    slos: int
    """How many were judged."""
    usable: bool = True
    """Whether the documents could be judged at all."""


def lint(
    sources: Sequence[str | Path], *, traffic: Traffic | None = None, ignored: frozenset[str] = frozenset()
) -> Linted:
    """Judge files and folders by every rule but the ignored ones."""
    library = Library()
    catalogue, problems = check(sources)
    if catalogue is None:
        return _refused(problems, library)
    found = _findings(catalogue, library, traffic or Traffic())
    silent = {finding for finding in found if finding.rule.id in ignored | _silenced(finding, library)}
    findings = tuple(sorted(set(found) - silent, key=_place))
    return Linted(findings, (), len(catalogue.every_slo))


def _findings(catalogue: Catalogue, library: Library, traffic: Traffic) -> list[Finding]:
    found = [*conditions(catalogue, library), *corrections(catalogue, library), *scaling(catalogue, library)]
    around = others(catalogue)
    for slo in catalogue.every_slo.values():
        written = library.written(slo.origin, slo.name)
        subject = Subject(slo, written, around, _events_per_day(slo, written, traffic))
        found += [finding for each in _CHECKS for finding in each(subject)]
    return found


def _events_per_day(slo: Slo | FedSlo, written: Written, traffic: Traffic) -> float | None:
    """What the document says goes before what was measured, and that before what was said of all."""
    said = written.annotation(EVENTS_PER_DAY)
    if not said:
        return traffic.measured.get(slo.name, traffic.each)
    try:
        number = float(said)
    except ValueError:
        number = 0.0
    if not 0 < number < _MOST_EVENTS:
        at = written.position("metadata", "annotations", EVENTS_PER_DAY)
        message = f"{said!r} is not a number of events above 0"
        path = f"metadata.annotations[{EVENTS_PER_DAY!r}]"
        raise DocumentsError([Problem(*at, path, message, 'write it as text, such as "250"')])
    return number


def _refused(problems: Sequence[Problem], library: Library) -> Linted:
    errors = [problem for problem in problems if problem.severity == "error"]
    named = {problem: refusal(problem, library) for problem in errors}
    findings = tuple(sorted((finding for finding in named.values() if finding), key=_place))
    return Linted(findings, tuple(problem for problem, finding in named.items() if finding is None), 0, usable=False)


def _silenced(finding: Finding, library: Library) -> frozenset[str]:
    document = library.around(finding.at)
    return document.ignored if document else frozenset()


def _place(finding: Finding) -> tuple[Position, str, str]:
    return finding.at, finding.rule.id, finding.message
