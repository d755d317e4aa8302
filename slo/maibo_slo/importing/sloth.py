"""sloth: ``version: prometheus/v1`` and the custom resource ``PrometheusServiceLevel`` (sloth.slok.dev/v1).

Both say the same, the resource with ``errorQuery`` for ``error_query``. Queries are kept as written: what they divide is a rate by a
rate over one window, which is the ratio of the counts. sloth's file has no window (it is given to sloth's command line).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_slo.documents.fields import Fields
from maibo_slo.importing.promql import HAS_WINDOW, WINDOW
from maibo_slo.importing.slos import ImportedSlo, Ratio, fitting_description, sorted_labels
from maibo_slo.importing.values import decimal, is_a, place, says, spelled, text, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.documents.fields import Text
    from maibo_slo.importing.findings import Findings

VERSION: Final = "prometheus/v1"
API_VERSION: Final = "sloth.slok.dev/v1"
KIND: Final = "PrometheusServiceLevel"
DEFAULT_WINDOW: Final = "30d"
"""sloth's own default."""


def slos(documents: Sequence[Fields], findings: Findings, window: str) -> list[ImportedSlo]:
    """Every SLO of the documents; `window` is that of ``--window``, or empty."""
    found: list[ImportedSlo] = []
    for document in documents:
        if text(document, "version", required=False) == VERSION:
            found += _service(document, findings, window, ("version",))
        elif is_a(document, API_VERSION, KIND):
            findings.leave_out(document, ("apiVersion", "kind", "metadata", "spec", "status"))
            findings.leave_out_of_metadata(document.mapping("metadata", required=False))
            found += _service(document.mapping("spec"), findings, window, ())
        else:
            mend = f"give files with `version: {VERSION}` or of kind {KIND}"
            findings.lose(document, "kind", "this document is none of sloth's and was left out", mend)
    return found


def _service(spec: Fields, findings: Findings, window: str, head: tuple[str, ...]) -> list[ImportedSlo]:
    findings.leave_out(spec, (*head, "service", "labels", "slos"))
    service = place(spec, "service")
    labels = texts(spec, "labels")
    found = [_slo(slo, service, labels, findings, window) for slo in spec.mappings("slos")]
    return [slo for slo in found if slo is not None]


def _slo(
    slo: Fields, service: Text, service_labels: dict[str, Text], findings: Findings, window: str
) -> ImportedSlo | None:
    findings.leave_out(slo, ("name", "objective", "description", "labels", "sli", "alerting"))
    name = place(slo, "name")
    objective = decimal(slo, "objective")
    ratio = _ratio(slo.mapping("sli"), findings)
    _alerting(slo, findings)
    if objective is None or ratio is None:
        return None
    if not 0 < objective <= 100:
        slo.error("objective", "must be above 0 and at most 100")
    if objective == 100:
        message = "100 % has no equivalent: there is no budget to judge; the SLO is a comment"
        findings.lose(slo, "objective", message, "choose a target below 100")
    labels, annotations = sorted_labels(service_labels | texts(slo, "labels"), findings)
    return ImportedSlo(
        name=name,
        service=service,
        ratio=ratio,
        target=objective,
        window=window or DEFAULT_WINDOW,
        description=fitting_description(slo, findings),
        labels=labels,
        service_labels={key: text.value for key, text in service_labels.items() if key in labels},
        annotations=annotations,
    )


def _ratio(sli: Fields, findings: Findings) -> Ratio | None:
    """None when there are no queries to import, which is told."""
    findings.leave_out(sli, ("events", "raw", "plugin"))
    if sli.has("plugin"):
        mend = "write the queries that the plugin makes as events, and import again"
        findings.lose(sli, "plugin", "an SLI made by a plugin has no equivalent; the SLO was left out", mend)
        return None
    if sli.has("raw") == sli.has("events"):
        sli.error("events", "give exactly one of events, raw and plugin")
        return None
    if sli.has("raw"):
        raw = sli.mapping("raw")
        field = spelled(raw, "error_ratio_query")
        findings.leave_out(raw, (field,))
        mend = "give error and total queries as events"
        message = "a ratio without its counts has no equivalent (ratios cannot be added up); the SLO is a comment"
        findings.lose(raw, field, message, mend)
        return Ratio(raw=_query(raw, field), raw_type="failure")
    events = sli.mapping("events")
    error, total = spelled(events, "error_query"), spelled(events, "total_query")
    findings.leave_out(events, (error, total))
    return Ratio(bad=_query(events, error), total=_query(events, total))


def _query(fields: Fields, name: str) -> str:
    query = text(fields, name)
    if query and not HAS_WINDOW.search(query):
        fields.error(name, f"has no {WINDOW}, by which the query is asked over each window", f"write [{WINDOW}]")
    return query


def _alerting(slo: Fields, findings: Findings) -> None:
    """Told in full: rules made by maibo have names, labels and windows of their own."""
    alerting = slo.mapping("alerting", required=False)
    for name in alerting.node.values:
        if not says(alerting, name):
            continue
        alert = alerting.mapping(name) if name in {"page_alert", "ticket_alert", "pageAlert", "ticketAlert"} else None
        if alert is not None and alert.flag("disable"):
            findings.lose(alerting, name, "a single alert cannot be left out: this has no equivalent")
        elif alert is None or [field for field in alert.node.values if field != "disable"]:
            findings.lose(alerting, name)
