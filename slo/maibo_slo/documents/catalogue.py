"""The catalogue: every document in force, by name, with references resolved.

`load` gives a whole catalogue or raises every problem of every file at once; a catalogue with a part missing does not exist.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from maibo_slo.documents.alerts import condition, policy, target
from maibo_slo.documents.corrections import correction
from maibo_slo.documents.document import Document, Known, open_document
from maibo_slo.documents.fields import Fields
from maibo_slo.documents.journeys import journey
from maibo_slo.documents.kinds import PromSlo, ScaleupSlo, Sli, Slo
from maibo_slo.documents.policies import error_budget_policy
from maibo_slo.documents.problems import DocumentsError, Position, Problem, Report, TooManyProblems
from maibo_slo.documents.pulse import pulse
from maibo_slo.documents.scaling import scaling_target
from maibo_slo.documents.selectors import BUILT_IN, MetricType
from maibo_slo.documents.services import service
from maibo_slo.documents.slis import sli
from maibo_slo.documents.slos import slo
from maibo_slo.documents.sources import data_source
from maibo_slo.documents.yaml import MAX_BYTES, List, Map, Node, Scalar, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from maibo_slo.documents.kinds import (
        AlertCondition,
        AlertNotificationTarget,
        AlertPolicy,
        Correction,
        DataSource,
        ErrorBudgetPolicy,
        FedSlo,
        Journey,
        Service,
    )
    from maibo_slo.documents.pulse_kind import Pulse
    from maibo_slo.documents.scaling_kinds import ScalingTarget

SUFFIXES: Final = (".yaml", ".yml", ".json")
STDIN: Final = "-"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All documents in force, by name, with references resolved."""

    services: Mapping[str, Service] = field(default_factory=dict)
    journeys: Mapping[str, Journey] = field(default_factory=dict)
    slos: Mapping[str, Slo] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()
    slis: Mapping[str, Sli] = field(default_factory=dict)
    """SLIs that are documents of their own; an inline one is in its SLO alone."""
    prom_slos: Mapping[str, PromSlo] = field(default_factory=dict)
    """SLOs whose events a Prometheus counts; never in `slos`. The engine judges those of which it knows the address: `judged`."""
    scaleup_slos: Mapping[str, ScaleupSlo] = field(default_factory=dict)
    """SLOs whose events are scale-ups; never in `slos`."""
    data_sources: Mapping[str, DataSource] = field(default_factory=dict)
    alert_policies: Mapping[str, AlertPolicy] = field(default_factory=dict)
    alert_conditions: Mapping[str, AlertCondition] = field(default_factory=dict)
    notification_targets: Mapping[str, AlertNotificationTarget] = field(default_factory=dict)
    corrections: Mapping[str, Correction] = field(default_factory=dict)
    policies: Mapping[str, ErrorBudgetPolicy] = field(default_factory=dict)
    scaling_targets: Mapping[str, ScalingTarget] = field(default_factory=dict)
    pulse: Pulse | None = None
    """None: no document tells one."""

    @property
    def every_slo(self) -> dict[str, Slo | FedSlo]:
        """By name, whether the engine judges it or not."""
        return {**self.slos, **self.prom_slos, **self.scaleup_slos}

    @property
    def judged(self) -> dict[str, Slo | FedSlo]:
        """Every SLO that the engine judges, by name."""
        reached = {name: slo for name, slo in self.prom_slos.items() if slo.data_source is not None}
        return {**self.slos, **reached, **self.scaleup_slos}

    def slos_of_journey(self, journey: str) -> tuple[Slo, ...]:
        """SLOs that count this journey or a step of it, by name; composites of which a component does too."""
        return tuple(
            slo
            for _, slo in sorted(self.slos.items())
            if any(indicator.total.journey == journey for indicator in slo.indicators)
        )


def load(
    sources: Sequence[str | Path],
    *,
    metric_types: Mapping[str, MetricType] = BUILT_IN,
    strict: bool = False,
    standard: bool = False,
) -> Catalogue:
    """Files, folders (every .yaml, .yml and .json below, sorted) or ``-`` for stdin. Raises DocumentsError with every problem.

    `strict`: what OpenSLO's own validator refuses is an error; else, where it is understood, a warning. `standard`: only whether the
    documents are OpenSLO is asked; what this version cannot judge is then no error, and the catalogue has no SLIs and SLOs.
    """
    catalogue, problems = check(sources, metric_types=metric_types, strict=strict, standard=standard)
    if catalogue is None:
        raise DocumentsError(problems)
    return catalogue


def check(
    sources: Sequence[str | Path],
    *,
    metric_types: Mapping[str, MetricType] = BUILT_IN,
    strict: bool = False,
    standard: bool = False,
) -> tuple[Catalogue | None, tuple[Problem, ...]]:
    """As `load`, but tells everything, errors and warnings, instead of raising; the catalogue is None when there is an error."""
    report = Report(strict=strict, standard=standard)
    catalogue = None
    with suppress(TooManyProblems):  # the report says so itself
        documents = [open_document(fields) for fields in _mappings(sources, report)]
        catalogue = _read(documents, metric_types, report)
    return (None if report.errors else catalogue), report.problems()


def _read(opened: Sequence[Document], types: Mapping[str, MetricType], report: Report) -> Catalogue:
    """Kinds in the order in which they refer to each other, so that a reference can be checked where it is read."""
    known = Known()
    for document in opened:
        if document.kind and document.name:
            known.declare(document)
    documents = [document for document in opened if document.usable]

    def sound(kind: str, read: Callable[[Document, Known], _T | None]) -> dict[str, _T]:
        return _sound([document for document in documents if document.kind == kind], known, read, report)

    services = sound("Service", service)
    known.journeys = sound("Journey", journey)
    known.data_sources = sound("DataSource", data_source)
    known.slis = sound("SLI", lambda document, known: sli(document, known, types))
    known.conditions = sound("AlertCondition", condition)
    known.targets = sound("AlertNotificationTarget", target)
    known.policies = sound("AlertPolicy", policy)
    slos = sound("SLO", lambda document, known: slo(document, known, types))
    corrections = sound("Correction", correction)
    budget_policies = sound("ErrorBudgetPolicy", error_budget_policy)
    scaling_targets = sound("ScalingTarget", scaling_target)
    pulses = sound("Pulse", pulse)
    counted = {name: indicator.counts for name, indicator in known.slis.items()}
    return Catalogue(
        services=services,
        journeys=known.journeys,
        slos={name: each for name, each in slos.items() if isinstance(each, Slo)},
        warnings=tuple(problem for problem in report.problems() if problem.severity == "warning"),
        slis={name: each for name, each in counted.items() if isinstance(each, Sli)},
        prom_slos={name: each for name, each in slos.items() if isinstance(each, PromSlo)},
        scaleup_slos={name: each for name, each in slos.items() if isinstance(each, ScaleupSlo)},
        data_sources=known.data_sources,
        alert_policies=known.policies,
        alert_conditions=known.conditions,
        notification_targets=known.targets,
        corrections=corrections,
        policies=budget_policies,
        scaling_targets=scaling_targets,
        pulse=next(iter(pulses.values()), None),
    )


def _sound(
    documents: Sequence[Document], known: Known, read: Callable[[Document, Known], _T | None], report: Report
) -> dict[str, _T]:
    """What is read of those documents that have no errors, by name."""
    found = {}
    for document in documents:
        errors_before = report.errors
        value = read(document, known)
        document.fields.close()
        if value is not None and report.errors == errors_before:
            found[document.name] = value
    return found


def _mappings(sources: Sequence[str | Path], report: Report) -> Iterator[Fields]:
    """Each document of each file, as its fields."""
    for file, data in _contents(sources, report):
        for node in parse(data, file=file, report=report):
            yield from _documents(node, report)


def _documents(node: Node, report: Report) -> Iterator[Fields]:
    """A mapping is a document, a list is several, nothing is none."""
    items = (
        [("", node)] if not isinstance(node, List) else [(f"[{index}]", item) for index, item in enumerate(node.items)]
    )
    for path, item in items:
        if isinstance(item, Map):
            yield Fields(item, path, report)
        elif not (isinstance(item, Scalar) and item.value is None):
            report.error(item.at, path, "a document must be a mapping with apiVersion, kind, metadata and spec")


def _contents(sources: Sequence[str | Path], report: Report) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of each file once, however often it is given; what cannot be read goes to the report."""
    seen: set[Path] = set()
    for source in sources:
        if str(source) == STDIN:
            yield "<stdin>", sys.stdin.buffer.read(MAX_BYTES + 1)
            continue
        for path in _files(Path(source), report):
            real = path.resolve()
            if real not in seen:
                seen.add(real)
                try:
                    with path.open("rb") as opened:
                        yield str(path), opened.read(MAX_BYTES + 1)
                except OSError as error:
                    _cannot_read(path, error, report)


def _files(source: Path, report: Report) -> list[Path]:
    """The source itself, or the documents below it, sorted. Hidden ones are left out: in a mounted ConfigMap they are the same again."""
    try:
        if not source.is_dir():
            source.stat()
            return [source]
        found = []
        for folder, folders, files in os.walk(source, onerror=_raise):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += [Path(folder, name) for name in files if name.endswith(SUFFIXES) and not name.startswith(".")]
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        _cannot_read(source, error, report)
        return []
    if not found:
        message = f"no {', '.join(SUFFIXES)} file in this folder"
        report.error(Position(str(source), 1, 1), "", message, "name the folder that holds the documents")
    return sorted(found)


def _raise(error: OSError) -> None:
    raise error


def _cannot_read(path: Path, error: Exception, report: Report) -> None:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    report.error(Position(str(path), 1, 1), "", f"cannot be read: {reason}")
