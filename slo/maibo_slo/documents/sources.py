"""Where numbers come from: OpenSLO v1 ``DataSource``, and the metricSource of an SLI.

A metricSource's type is written in it or in the DataSource that it refers to. Two types are built in: ``journey`` (cells of ours) and
``prometheus`` (in any letter case, as the standard's text writes it with a capital).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from maibo_slo.documents.document import choose, description
from maibo_slo.documents.kinds import DataSource, PromQuery
from maibo_slo.documents.yaml import List, Map, Scalar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.documents.document import Document, Known
    from maibo_slo.documents.fields import Fields
    from maibo_slo.documents.kinds import CellSelector
    from maibo_slo.documents.selectors import MetricType
    from maibo_slo.documents.yaml import Node

PROMETHEUS: Final = "prometheus"
_QUERY_FIELDS: Final = ("query", "promql")
_SELECTOR: Final = re.compile(
    r"""(?=.)([a-zA-Z_:][a-zA-Z0-9_:]*)?\s*(\{(?:[^{}"'`]|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)*\})?""",
    re.DOTALL,
)


def data_source(document: Document, _known: Known) -> DataSource:
    """``kind: DataSource``."""
    head = document.head
    spec = document.fields.mapping("spec")
    text = description(spec)
    kind = spec.text("type", mend="such as Prometheus")
    if not spec.has("connectionDetails"):
        spec.error(
            "connectionDetails", "is required", "what is needed to connect, such as {url: ...}; {} if nothing is"
        )
    details = {}
    if isinstance(
        node := spec.node_of("connectionDetails"), Map
    ):  # the standard allows any value, maps are what is written
        details = {key: _written(value) for key, value in node.values.items()}
    spec.close()
    return DataSource(head.name, head.display_name, text, kind, details, head.labels, head.origin)


def metric(
    fields: Fields, outcomes: frozenset[str], known: Known, types: Mapping[str, MetricType]
) -> CellSelector | PromQuery | None:
    """What a part of a ratio counts; None when that is not judged or wrong, which is told."""
    source, kind, spec = metric_source(fields, known)
    if fields.report.standard or not spec.node.values:
        return None  # the standard says nothing of what is inside
    if kind.casefold() == PROMETHEUS:
        return _prometheus(spec)
    if kind in types:
        return types[kind](spec, outcomes, known)
    what = f"of type {kind!r}" if kind else "without a type"
    source.unjudged("type", f"a metricSource {what}", choose(kind, dict.fromkeys((*types, PROMETHEUS)), ""))
    return None


def metric_source(fields: Fields, known: Known) -> tuple[Fields, str, Fields]:
    """OpenSLO's ``{metricSource: {metricSourceRef?, type?, spec}}``: the source, its type ('' for none), its spec."""
    source = fields.mapping("metricSource")
    fields.close()
    kind = source.text("type", default="")
    if source.has("metricSourceRef"):
        referred = known.data_sources.get(known.refer(source, "metricSourceRef", "DataSource"))
        if referred and kind and kind.casefold() != referred.type.casefold():
            what = f"type {kind!r} beside a data source of type {referred.type!r}"
            source.unjudged("type", what, "remove type: the data source has one")
        kind = kind or (referred.type if referred else "")
    spec = source.mapping("spec", mend="say what is counted")
    if source.has("spec") and isinstance(source.node_of("spec"), Map) and not spec.node.values:
        source.error("spec", "must have at least one field", "say what is counted")
    source.close()
    return source, kind, spec


def _prometheus(spec: Fields) -> PromQuery | None:
    """``{query: ...}``, or ``promql``."""
    given = spec.given(*_QUERY_FIELDS)
    name = given[0] if given else _QUERY_FIELDS[0]
    query = PromQuery(spec.text(name, mend="such as sum(increase(http_requests_total[{{.window}}]))").strip())
    spec.close()
    if len(given) > 1:
        spec.error(given[1], f"give exactly one of {' and '.join(_QUERY_FIELDS)}")
    elif given and not (query.has_window or _SELECTOR.fullmatch(query.query)):
        message = "is not the selector of a counter, and does not say where the window goes"
        spec.error(name, message, "write sum(increase(http_requests_total[{{.window}}])), or http_requests_total alone")
    return query


def _written(node: Node) -> str:
    return node.text if isinstance(node, Scalar) else json.dumps(_plain(node), ensure_ascii=False)


def _plain(node: Node) -> object:
    if isinstance(node, List):
        return [_plain(item) for item in node.items]
    return {key: _plain(value) for key, value in node.values.items()} if isinstance(node, Map) else node.text
