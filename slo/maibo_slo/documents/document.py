"""What every document has: apiVersion, kind, metadata; and what is known of the others, for references."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from maibo_slo.documents.fields import Fields, at_most, dns_label, meant, text_of
from maibo_slo.documents.kinds import Origin
from maibo_slo.documents.yaml import List, Scalar

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from maibo_slo.documents.kinds import AlertCondition, AlertNotificationTarget, AlertPolicy, DataSource, Journey
    from maibo_slo.documents.problems import Position
    from maibo_slo.documents.slis import Indicator
    from maibo_slo.store.workload import Workload

OPENSLO: Final = "openslo/v1"
MAIBO: Final = "maibo.dev/v1"
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    OPENSLO: ("Service", "SLI", "SLO", "DataSource", "AlertPolicy", "AlertCondition", "AlertNotificationTarget"),
    MAIBO: ("Journey", "Correction", "ErrorBudgetPolicy", "ScalingTarget", "Pulse"),
}
OTHER_TOOLS: Final = {
    "prometheus/v1": "sloth",
    "sloth.slok.dev/v1": "sloth",
    "pyrra.dev/v1alpha1": "pyrra",
    "sre.google.com/v2": "slo-generator",
}
"""Version of a document that is another tool's -> what `maibo import` calls that tool."""
_OTHER_VERSIONS: Final = {
    "openslo/v1alpha": "write it as openslo/v1: an SLI's ratioMetric with metricSource, timeWindow, budgetingMethod",
    "openslo/v2alpha": "write it as openslo/v1: indicator and indicatorRef for sli and sliRef",
    "openslo.com/v2alpha": "write it as openslo/v1: indicator and indicatorRef for sli and sliRef",
}
_LABEL_KEY: Final = re.compile(r"[a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?")
_ANNOTATION_PREFIX: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class Metadata:
    """``metadata``: of a document, or of what is inlined in one."""

    name: str
    display_name: str
    """The name where none is given."""
    labels: Mapping[str, tuple[str, ...]]
    annotations: Mapping[str, str]
    origin: Origin


@dataclass(frozen=True, slots=True)
class Document:
    """One document, its head checked, its spec not yet read. `usable` is false where kind and version are not ours to read."""

    kind: str
    head: Metadata
    fields: Fields
    usable: bool

    @property
    def name(self) -> str:
        return self.head.name


@dataclass(slots=True)
class Known:
    """What the documents declare: names even of those with errors, so that one error does not bring others."""

    places: dict[str, dict[str, Position]] = field(default_factory=dict)
    journeys: dict[str, Journey] = field(default_factory=dict)
    slis: dict[str, Indicator] = field(default_factory=dict)
    data_sources: dict[str, DataSource] = field(default_factory=dict)
    conditions: dict[str, AlertCondition] = field(default_factory=dict)
    targets: dict[str, AlertNotificationTarget] = field(default_factory=dict)
    policies: dict[str, AlertPolicy] = field(default_factory=dict)
    begun_by: dict[tuple[str, str], str] = field(default_factory=dict)
    """(service, route) that begins a journey -> the journey."""
    mapped: dict[tuple[object, ...], dict[str, Position]] = field(default_factory=dict)
    """What a rule about signals asks for -> what it counts as (``checkout`` or ``checkout/pay``) and where that is written."""
    undescribed: set[str] = field(default_factory=set)
    """Journeys that SLIs name and no document describes, as told already."""
    budget_policies: dict[tuple[str, str], tuple[str, Position]] = field(default_factory=dict)
    """("SLO" or "Service" or '' for all, its name) -> the error-budget policy that is about it, and where that is written."""

    scaled: dict[Workload, tuple[str, Position]] = field(default_factory=dict)
    """Workload -> the scaling target that is about it, and where that is written."""

    def names(self, kind: str) -> Mapping[str, Position]:
        return self.places.get(kind, {})

    def declare(self, document: Document) -> None:
        """Enter a document's name; the same name twice is an error that tells both places."""
        places = self.places.setdefault(document.kind, {})
        if (first := places.get(document.name)) is None:
            places[document.name] = document.fields.at
            return
        message = f"a second {document.kind} named {document.name!r}; the first is at {first.file}:{first.line}"
        document.fields.mapping("metadata").error("name", message, "rename one of them")

    def refer(self, fields: Fields, name: str, kind: str) -> str:
        """The field's text, which must name a declared document of the kind; for the standard alone it may be elsewhere."""
        standard = fields.report.standard
        wanted = fields.text(name, rule=dns_label if standard and kind != "Service" else None)
        if wanted and wanted not in self.names(kind):
            tell = fields.warning if standard else fields.error
            mend = choose(wanted, self.names(kind), f"add a document of kind {kind}")
            tell(name, f"there is no {kind} named {wanted!r}", mend)
        return wanted

    def refer_each(self, fields: Fields, name: str, kind: str, *, others: Collection[str] = ()) -> tuple[str, ...]:
        """The names in a field that may have one or a list of them; each must be declared, or one of the others."""
        texts = fields.texts(name)
        tell = fields.report.warning if fields.report.standard else fields.report.error
        for text in texts:
            if text.value not in self.names(kind) and text.value not in others:
                known = dict.fromkeys((*self.names(kind), *others))
                mend = choose(text.value, known, f"add a document of kind {kind}")
                tell(text.at, text.path, f"there is no {kind} named {text.value!r}", mend)
        return tuple(dict.fromkeys(text.value for text in texts))


def choose(wanted: str, known: Mapping[str, object], otherwise: str) -> str:
    """The mend for a name that is not known: the nearest one, and those there are."""
    if not known:
        return otherwise
    names = sorted(known)
    some = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    return "; ".join(filter(None, (meant(wanted, names), f"known: {some}")))


def open_document(fields: Fields) -> Document:
    """Check apiVersion, kind and metadata; of another tool's document, which is mended by turning it into ours, only the first."""
    if _is_other_tools(fields):
        return Document("", Metadata("", "", {}, {}, Origin(fields.at.file, fields.at.line)), fields, usable=False)
    kind, usable = _kind(fields)
    return Document(kind, metadata(fields), fields, usable)


def metadata(fields: Fields) -> Metadata:
    """Check and read ``metadata``."""
    head = fields.mapping("metadata")
    name = head.text("name", rule=dns_label)
    display_name = head.text("displayName", default="", rule=at_most(63))
    origin = Origin(fields.at.file, fields.at.line)
    result = Metadata(name, display_name or name, _labels(head), _annotations(head), origin)
    head.close()
    return result


def description(spec: Fields) -> str:
    """``description``, optional in every spec."""
    return spec.text("description", default="", rule=at_most(1050))


def _is_other_tools(fields: Fields) -> bool:
    """Whether the document is one that can be imported, which is told."""
    name = "apiVersion" if "apiVersion" in fields.node.values else "version"
    node = fields.node.values.get(name)
    tool = OTHER_TOOLS.get(node.text) if isinstance(node, Scalar) else None
    if tool is not None:
        fields.error(name, f"this is a document of {tool}", f"turn it into OpenSLO: maibo import {tool} FILE")
    return tool is not None


def _kind(fields: Fields) -> tuple[str, bool]:
    """The kind, and whether it and its version are ours to read."""
    version = fields.text("apiVersion", mend=f"write {OPENSLO} or {MAIBO}")
    kind = fields.text("kind", mend="such as SLO")
    if not version or not kind:
        return kind, False
    if mend := _OTHER_VERSIONS.get(version):
        fields.error("apiVersion", f"this version does not read {version}", mend)
        return kind, False
    if version not in KINDS:
        fields.error("apiVersion", f"unknown apiVersion {version!r}", choose(version, dict.fromkeys(KINDS), ""))
        return kind, False
    if kind not in KINDS[version]:
        elsewhere = next((other for other, kinds in KINDS.items() if kind in kinds), "")
        mend = f"{kind} is of apiVersion {elsewhere}" if elsewhere else choose(kind, dict.fromkeys(KINDS[version]), "")
        fields.error("kind", f"unknown kind {kind!r} of {version}", mend)
        return kind, False
    return kind, True


def _labels(head: Fields) -> dict[str, tuple[str, ...]]:
    labels = {}
    for key, at, path, node in head.pairs("labels"):
        if not _LABEL_KEY.fullmatch(key):
            message = "is not a label's key"
            head.report.error(
                at,
                path,
                message,
                "use at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit",
            )
        values = enumerate(node.items) if isinstance(node, List) else [(None, node)]
        texts = [text_of(item, path if index is None else f"{path}[{index}]", head.report) for index, item in values]
        labels[key] = tuple(text for text in texts if text is not None)
    return labels


def _annotations(head: Fields) -> dict[str, str]:
    annotations = {}
    for key, at, path, node in head.pairs("annotations"):
        prefix, slash, name = key.rpartition("/")
        if not _LABEL_KEY.fullmatch(name) or (
            slash and not (len(prefix) <= 253 and _ANNOTATION_PREFIX.fullmatch(prefix))
        ):
            head.report.error(at, path, "is not an annotation's key", "write name or example.com/name")
        elif prefix == "openslo.com":
            head.report.error(at, path, "the prefix openslo.com/ is reserved", "use a prefix of your own")
        annotations[key] = text_of(node, path, head.report) or ""
    return annotations
