"""An SLO on its way from another tool's file to an OpenSLO document, and the names and labels that OpenSLO allows it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from maibo_slo.documents.fields import dns_label
from maibo_slo.importing import values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from maibo_slo.documents.fields import Fields, Text
    from maibo_slo.importing.findings import Findings

MAX_DESCRIPTION: Final = 1050
MAX_NAME: Final = 63
_LABEL_KEY: Final = re.compile(r"[a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?")
_PREFIX: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class Ratio:
    """Events that were good or bad, of all; or, without counts, a ratio alone (`raw`)."""

    good: str = ""
    bad: str = ""
    total: str = ""
    raw: str = ""
    raw_type: str = ""
    """``success`` or ``failure``"""


@dataclass(frozen=True, slots=True)
class ImportedSlo:
    """One SLO, named as its file names it."""

    name: Text
    service: Text
    ratio: Ratio
    target: Decimal
    window: str
    percent: bool = True
    """Whether the target is a percentage, as its tool writes it."""
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    service_labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def judged(self) -> bool:
        """Whether maibo can judge it: what cannot is written as a comment, for whoever will mend it."""
        return not self.ratio.raw and 0 < self.target < (100 if self.percent else 1)


@dataclass(frozen=True, slots=True)
class NamedSlo:
    """An SLO with the names that OpenSLO allows, which no other SLO of the same import has."""

    slo: ImportedSlo
    name: str
    service: str


def named(slos: Sequence[ImportedSlo], findings: Findings) -> list[NamedSlo]:
    """Every SLO with its names. One that two services have is ``SERVICE-NAME`` for the second: that is what sloth calls its id."""
    taken: dict[str, int] = {}
    found = []
    for slo in slos:
        service, wanted = label(slo.service.value), label(slo.name.value)
        name = _free(wanted, service, taken)
        taken[name] = 1
        if service != slo.service.value:
            findings.change_at(slo.service, f"{slo.service.value!r} is not a name in OpenSLO; it is now {service}")
        if name != slo.name.value:
            why = "is not a name in OpenSLO" if name == wanted else "names another SLO too"
            findings.change_at(slo.name, f"{slo.name.value!r} {why}; it is now {name}")
        found.append(NamedSlo(slo, name, service))
    return found


def label(name: str) -> str:
    """The nearest RFC 1123 label.

    >>> label("Requests_Availability"), label("checkout"), label("--")
    ('requests-availability', 'checkout', 'unnamed')
    """
    if dns_label(name) is None:
        return name
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:MAX_NAME].rstrip("-") or "unnamed"


def sorted_labels(labels: Mapping[str, Text], findings: Findings) -> tuple[dict[str, str], dict[str, str]]:
    """(labels, annotations): OpenSLO has no ``/`` in a label's key, but in an annotation's; what neither allows is told."""
    kept: dict[str, str] = {}
    annotations: dict[str, str] = {}
    for key, text in labels.items():
        if _LABEL_KEY.fullmatch(key):
            kept[key] = text.value
        elif _is_annotation(key):
            annotations[key] = text.value
            findings.change_at(text, "is not a label's key in OpenSLO; it is now an annotation")
        else:
            findings.lose_at(text, f"{key!r} has no equivalent: OpenSLO does not allow it as a label's key")
    return kept, annotations


def allowed_annotations(annotations: Mapping[str, Text], findings: Findings) -> dict[str, str]:
    """Those with a key that OpenSLO allows; the others are told."""
    for key, text in annotations.items():
        if not _is_annotation(key):
            findings.lose_at(text, f"{key!r} has no equivalent: OpenSLO does not allow it as an annotation's key")
    return {key: text.value for key, text in annotations.items() if _is_annotation(key)}


def _is_annotation(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    allowed = not slash or (_PREFIX.fullmatch(prefix) is not None and prefix != "openslo.com")
    return allowed and _LABEL_KEY.fullmatch(name) is not None


def _free(wanted: str, service: str, taken: dict[str, int]) -> str:
    """The name, or the service's and it, or that with a number; `taken` remembers the last number of each."""
    if wanted not in taken:
        return wanted
    name = base = label(f"{service}-{wanted}"[:MAX_NAME])
    while name in taken:
        taken[base] += 1
        name = f"{base[: MAX_NAME - 1 - len(str(taken[base]))]}-{taken[base]}"
    return name


def fitting_description(fields: Fields, findings: Findings) -> str:
    """The field ``description``, cut where OpenSLO allows no more."""
    description = values.text(fields, "description", required=False).strip()
    if len(description) <= MAX_DESCRIPTION:
        return description
    findings.lose(
        fields, "description", f"has {len(description)} characters and was cut: OpenSLO allows {MAX_DESCRIPTION}"
    )
    return description[: MAX_DESCRIPTION - 1] + "…"
