"""OpenSLO documents as text: a file for each service, its SLOs in the order in which they were read.

What is written is read back as it was meant: every text that YAML 1.2 would take for a number, a boolean or nothing stands in quotes.
An SLO that maibo cannot judge is written as a comment, with why: the file stays valid, and nothing is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import yaml

from maibo_slo.documents.document import OPENSLO
from maibo_slo.documents.yaml import scalar
from maibo_slo.importing.slos import MAX_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.importing.slos import NamedSlo, Ratio

_STR: Final = "tag:yaml.org,2002:str"


def by_service(slos: Sequence[NamedSlo]) -> dict[str, str]:
    """The text of each service's file, services in the order in which they came."""
    services: dict[str, list[NamedSlo]] = {}
    for slo in slos:
        services.setdefault(slo.service, []).append(slo)
    return {name: "---\n".join([_text(_service(name, its)), *map(_slo_text, its)]) for name, its in services.items()}


def _slo_text(named: NamedSlo) -> str:
    slo = named.slo
    written = f"# from {_line(slo.name.at.file)}, {_line(slo.name.value)}\n{_text(_slo(named))}"
    if slo.judged:
        return written
    why = (
        "a ratio without its counts is not judged: give good or bad events, and all events"
        if slo.ratio.raw
        else "a target of 0 or 100 % has nothing to judge: choose one between"
    )
    return f"# {why}\n" + "".join(f"# {line}\n" for line in written.splitlines())


def _slo(named: NamedSlo) -> dict[str, object]:
    slo = named.slo
    return {
        "apiVersion": OPENSLO,
        "kind": "SLO",
        "metadata": _metadata(named.name, slo.name.value, slo.labels, slo.annotations),
        "spec": {
            **({"description": slo.description} if slo.description else {}),
            "service": named.service,
            "indicator": {"metadata": {"name": named.name}, "spec": {"ratioMetric": _ratio(slo.ratio)}},
            "timeWindow": [{"duration": slo.window, "isRolling": True}],
            "budgetingMethod": "Occurrences",
            "objectives": [{"targetPercent" if slo.percent else "target": _Number(f"{slo.target:f}")}],
        },
    }


def _service(name: str, slos: Sequence[NamedSlo]) -> dict[str, object]:
    """The service of these SLOs; its labels are those that every one of them has from it."""
    shared = {
        key: value
        for key, value in slos[0].slo.service_labels.items()
        if all(one.slo.service_labels.get(key) == value for one in slos)
    }
    metadata = _metadata(name, slos[0].slo.service.value, shared, {})
    return {"apiVersion": OPENSLO, "kind": "Service", "metadata": metadata, "spec": {}}


def _metadata(
    name: str, written: str, labels: Mapping[str, str], annotations: Mapping[str, str]
) -> Mapping[str, object]:
    return (
        {"name": name}
        | ({"displayName": written} if written != name and len(written) <= MAX_NAME else {})
        | ({"labels": dict(labels)} if labels else {})
        | ({"annotations": dict(annotations)} if annotations else {})
    )


def _ratio(ratio: Ratio) -> Mapping[str, object]:
    if ratio.raw:
        return {"counter": False, "rawType": ratio.raw_type, "raw": _source(ratio.raw)}
    parts = {"good": ratio.good, "bad": ratio.bad, "total": ratio.total}
    return {"counter": True} | {part: _source(query) for part, query in parts.items() if query}


def _source(query: str) -> Mapping[str, object]:
    return {"metricSource": {"type": "prometheus", "spec": {"query": _Query(query.strip())}}}


def _text(document: Mapping[str, object]) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000)


def _line(text: str) -> str:
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


class _Query(str):
    """A text that is written over several lines, as it reads."""

    __slots__ = ()


class _Number(str):
    """The digits of a number, which a float would change."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """PyYAML's, without aliases, and with texts that YAML 1.2 reads as texts."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 -- asked about everything: nothing is an alias
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(_STR, str(text), style=_style(text))


def _style(text: str) -> str | None:
    """Plain where YAML 1.2 reads that as this text. Double quotes escape what libyaml would take for a line break (U+0085)."""
    lines = text.split("\n")
    if not all(line.isprintable() for line in lines):
        return '"'
    if isinstance(text, _Query) or len(lines) > 1:
        return "|"
    return None if scalar(text, plain=True) == text else "'"


def _represent_number(dumper: yaml.SafeDumper, digits: _Number) -> yaml.ScalarNode:
    return dumper.represent_scalar(f"tag:yaml.org,2002:{'float' if '.' in digits else 'int'}", str(digits))


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(_Query, _represent_text)
_Dumper.add_representer(_Number, _represent_number)
