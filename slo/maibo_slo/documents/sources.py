"""Where numbers come from: OpenSLO v1 ``DataSource``, and the metricSource of an SLI.

A metricSource's type is written in it or in the DataSource that it refers to. Three types are built in: ``journey`` (cells of ours),
``scaleup`` (what the recorder of Kubernetes measures) and ``prometheus`` (in any letter case, as the standard's text writes it with a
capital).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from maibo_slo.documents.document import choose, description
from maibo_slo.documents.durations import shorthand_seconds
from maibo_slo.documents.fields import Fields, meant
from maibo_slo.documents.kinds import CellSelector, DataSource, PromQuery
from maibo_slo.documents.promql import unbalanced
from maibo_slo.documents.scaleups import SCALEUP, ScaleupCount, scaleup
from maibo_slo.documents.selectors import SELECTABLE
from maibo_slo.documents.yaml import List, Map, Scalar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.documents.document import Document, Known
    from maibo_slo.documents.selectors import MetricType
    from maibo_slo.documents.yaml import Node

PROMETHEUS: Final = "prometheus"
URL: Final = "url"
INTERVAL: Final = "interval"
GROUP_BY: Final = "groupBy"
_QUERY_FIELDS: Final = ("query", "promql")
_CREDENTIALS: Final = {"password": "passwordFile", "token": "bearerTokenFile", "bearerToken": "bearerTokenFile"}
"""What would stand in a document that everybody reads, and where it is read from instead."""
_SELECTOR: Final = re.compile(
    r"""(?=.)([a-zA-Z_:][a-zA-Z0-9_:]*)?\s*(\{(?:[^{}"'`]|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)*\})?""",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Metric:
    """What a part of a ratio counts, and where; `counts` is None when that is not judged or wrong, which is told."""

    counts: CellSelector | PromQuery | ScaleupCount | None = None
    group_by: tuple[str, ...] = ()
    """Dimensions whose values each have a budget of their own; of ``total`` alone."""
    data_source: DataSource | None = None


@dataclass(frozen=True, slots=True)
class MetricSource:
    """A ``metricSource``: its fields, its type ('' for none), its spec, the data source that it refers to."""

    fields: Fields
    type: str
    spec: Fields
    data_source: DataSource | None
    is_unknown: bool = False
    """Whether its type is that of a data source which is wrong or not there; that was told already."""


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
        if kind.casefold() == PROMETHEUS and not spec.report.standard:
            _check_connection(spec.mapping("connectionDetails"))
    spec.close()
    return DataSource(head.name, head.display_name, text, kind, details, head.labels, head.origin)


def metric(
    fields: Fields, outcomes: frozenset[str], known: Known, types: Mapping[str, MetricType], *, whole: bool
) -> Metric:
    """What ``total`` (`whole`) or a part of it counts."""
    source = metric_source(fields, known)
    if fields.report.standard or not source.spec.node.values:
        return Metric()  # the standard says nothing of what is inside
    if source.type.casefold() == PROMETHEUS:
        return Metric(_prometheus(source.spec), data_source=source.data_source)
    if source.type == SCALEUP:
        return Metric(scaleup(source.spec, whole=whole))
    if source.type in types:
        group_by = _group_by(source.spec, whole=whole)
        return Metric(types[source.type](source.spec, outcomes, known), group_by)
    if source.is_unknown:
        return Metric()
    what = f"of type {source.type!r}" if source.type else "without a type"
    mend = choose(source.type, dict.fromkeys((*types, PROMETHEUS, SCALEUP)), "")
    source.fields.unjudged("type", f"a metricSource {what}", mend)
    return Metric()


def metric_source(fields: Fields, known: Known) -> MetricSource:
    """OpenSLO's ``{metricSource: {metricSourceRef?, type?, spec}}``."""
    source = fields.mapping("metricSource")
    fields.close()
    kind = source.text("type", default="")
    referred = None
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
    return MetricSource(
        source, kind, spec, referred, is_unknown=not kind and referred is None and source.has("metricSourceRef")
    )


def _check_connection(details: Fields) -> None:
    """What the engine needs to ask a Prometheus. Other details are whatever other tools read."""
    if details.has(URL):
        _check_url(details)
        _check_interval(details)
    for name in ("username", *dict.fromkeys(_CREDENTIALS.values()), "caFile"):
        if details.has(name) and not details.text(name):
            details.error(name, "must not be empty", "remove it")
    for name in details.given(*_CREDENTIALS):
        details.warning(name, "is not read: whoever reads documents would know it", f"use {_CREDENTIALS[name]}: PATH")
    username, password = details.has("username"), details.has("passwordFile")
    if username != password:
        given, missing = ("username", "passwordFile") if username else ("passwordFile", "username")
        details.error(given, f"needs {missing} beside it", f"add {missing}")
    elif username and details.has("bearerTokenFile"):
        details.error("bearerTokenFile", "is not allowed beside username", "keep one of them")


def _check_url(details: Fields) -> None:
    text = details.text(URL)
    mend = "write it as http://prometheus:9090"
    try:
        url = urlsplit(text)
        sound = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0 and text.isprintable()
    except ValueError:  # a port that is none, brackets that do not close
        details.error(URL, "is not an address", mend)
        return
    if "@" in url.netloc:
        details.error(URL, "has credentials in it", "use username and passwordFile")
    elif not sound or " " in text:
        details.error(URL, f"{text!r} is not an address", mend)
    elif url.query or url.fragment:
        details.error(URL, "ends with a query or fragment, and a path is put behind it", "end it before ? and #")


def _check_interval(details: Fields) -> None:
    """Over how long increases are asked for, in the grid of hours in which counts are kept."""
    seconds = shorthand_seconds(details, INTERVAL, example="1m") if details.has(INTERVAL) else 0
    if seconds and (seconds > 3600 or 3600 % seconds):
        details.error(INTERVAL, "must be minutes that divide an hour", "write 1m, 2m, 5m, 10m, 15m, 30m or 1h")


def _group_by(spec: Fields, *, whole: bool) -> tuple[str, ...]:
    names = spec.texts(GROUP_BY)
    if names and not whole:
        spec.error(GROUP_BY, "is of total alone, since an event is in one group, good or not", "move it to total")
    for name in names:
        if name.value not in SELECTABLE:
            message = f"{name.value!r} is not one of {', '.join(SELECTABLE)}"
            spec.report.error(name.at, name.path, message, meant(name.value, SELECTABLE))
    return tuple(dict.fromkeys(name.value for name in names))


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
    elif given and (wrong := unbalanced(query.query)):
        spec.error(name, *wrong)
    return query


def _written(node: Node) -> str:
    return node.text if isinstance(node, Scalar) else json.dumps(_plain(node), ensure_ascii=False)


def _plain(node: Node) -> object:
    if isinstance(node, List):
        return [_plain(item) for item in node.items]
    return {key: _plain(value) for key, value in node.values.items()} if isinstance(node, Map) else node.text
