"""pyrra: ``ServiceLevelObjective`` (pyrra.dev/v1alpha1), with each of its four indicators.

pyrra gives selectors and makes the queries itself; the same queries are written out here, summed over all series. pyrra has no
services: the label ``pyrra.dev/service`` or ``service`` names one, else the namespace does.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from maibo_slo.documents.fields import Fields, Text
from maibo_slo.importing.promql import Selector, selector
from maibo_slo.importing.slos import ImportedSlo, Ratio, allowed_annotations, fitting_description, sorted_labels
from maibo_slo.importing.values import decimal, is_a, milliseconds, place, says, spelled, text, texts, words
from maibo_slo.importing.values import window as openslo_window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from maibo_slo.importing.findings import Findings

API_VERSION: Final = "pyrra.dev/v1alpha1"
KIND: Final = "ServiceLevelObjective"
PREFIX: Final = "pyrra.dev/"
"""pyrra gives labels and annotations that begin so to its alerts, without it."""
_CLUSTER: Final = ("kubectl.kubernetes.io/", "argocd.argoproj.io/", "meta.helm.sh/")
"""Annotations that say how the object came into the cluster."""


def slos(documents: Sequence[Fields], findings: Findings, window: str) -> list[ImportedSlo]:
    """Every SLO of the documents; `window` is that of ``--window``, or empty; it stands above the files'."""
    found: list[ImportedSlo | None] = []
    for document in documents:
        if is_a(document, API_VERSION, KIND):
            found.append(_slo(document, findings, window))
        else:
            mend = f"give files of kind {KIND} and apiVersion {API_VERSION}"
            findings.lose(document, "kind", "this document is none of pyrra's and was left out", mend)
    return [slo for slo in found if slo is not None]


def _slo(document: Fields, findings: Findings, window: str) -> ImportedSlo | None:
    findings.leave_out(document, ("apiVersion", "kind", "metadata", "spec", "status"))
    head, spec = document.mapping("metadata"), document.mapping("spec")
    findings.leave_out(spec, ("description", "target", "window", "indicator", "alerting"))
    findings.leave_out_of_metadata(head, ("labels", "annotations"))
    name = place(head, "name")
    written = _without_prefix(texts(head, "labels"))
    labels, annotations = sorted_labels(written, findings)
    target, length = decimal(spec, "target"), _window(spec, window, findings)
    ratio = _ratio(spec.mapping("indicator"), findings)
    _alerting(spec, findings)
    if target is None or ratio is None:
        return None
    if not 0 <= target <= 100:
        spec.error("target", "must be from 0 to 100")
    elif not 0 < target < 100:
        findings.lose(
            spec, "target", f"{target:f} % has no equivalent: there is nothing to judge; the SLO is a comment"
        )
    elif target < 1:
        findings.change(spec, "target", f"is {target:f} %, as pyrra reads it", "write 99.9 for 99.9 %")
    return ImportedSlo(
        name=name,
        service=_service(head, written, name),
        ratio=ratio,
        target=target,
        window=length,
        description=fitting_description(spec, findings),
        labels=labels,
        annotations=annotations | _annotations(head, findings),
    )


def _service(head: Fields, labels: dict[str, Text], name: Text) -> Text:
    namespace = place(head, "namespace", required=False)
    candidates = (labels.get("service"), namespace)
    return next((one for one in candidates if one is not None and one.value), name)


def _annotations(head: Fields, findings: Findings) -> dict[str, str]:
    annotations = texts(head, "annotations")
    of_the_slo = {key: text for key, text in annotations.items() if not key.startswith(_CLUSTER)}
    return allowed_annotations(_without_prefix(of_the_slo), findings)


def _without_prefix(pairs: dict[str, Text]) -> dict[str, Text]:
    return {key.removeprefix(PREFIX): text for key, text in pairs.items()}


def _window(spec: Fields, wanted: str, findings: Findings) -> str:
    if wanted and not spec.has("window"):
        return wanted
    written = text(spec, "window")
    try:
        length = openslo_window(written) if written else ""
    except ValueError:
        spec.error("window", f"{written!r} is not a whole number of minutes, hours, days or weeks", "such as 4w")
        return ""
    if wanted and wanted != length:
        findings.change(spec, "window", f"is {written} in the file; it is now {wanted}, as asked for")
    return wanted or length


def _ratio(indicator: Fields, findings: Findings) -> Ratio | None:
    """None when the indicator cannot be read, which is reported."""
    readers: dict[str, Callable[[Fields, Findings], Ratio]] = {
        "ratio": _events,
        "latency": _latency,
        "latencyNative": _native_latency,
        spelled(indicator, "bool_gauge"): _gauge,
    }
    findings.leave_out(indicator, readers)
    given = [name for name in readers if indicator.has(name)]
    if len(given) != 1:
        indicator.error(given[1] if given else "ratio", f"give exactly one of {', '.join(readers)}")
        return None
    fields = indicator.mapping(given[0])
    if grouping := words(fields, "grouping"):
        message = f"one budget for each {', '.join(grouping)} has no equivalent: all of them share one"
        findings.lose(fields, "grouping", message, "write an SLO for each that needs a budget of its own")
    errors_before = fields.report.errors
    ratio = readers[given[0]](fields, findings)
    return ratio if fields.report.errors == errors_before else None


def _events(fields: Fields, findings: Findings) -> Ratio:
    findings.leave_out(fields, ("errors", "total", "grouping"))
    return Ratio(
        bad=_metric(fields, "errors", findings).total(),
        total=_metric(fields, "total", findings).total(),
    )


def _latency(fields: Fields, findings: Findings) -> Ratio:
    """Good is the bucket that ends at the threshold."""
    findings.leave_out(fields, ("success", "total", "grouping"))
    return Ratio(
        good=_metric(fields, "success", findings).total(),
        total=_metric(fields, "total", findings).total(),
    )


def _native_latency(fields: Fields, findings: Findings) -> Ratio:
    """The fraction of a histogram's observations from 0 to the threshold, times their number.

    A fraction of no observations is NaN, which would spoil every sum it goes into; then it is the number itself, 0.
    """
    findings.leave_out(fields, ("latency", "total", "grouping"))
    histogram = _metric(fields, "total", findings).total()
    count = f"histogram_count({histogram})"
    good = f"histogram_fraction(0, {_seconds(fields)}, {histogram})\n* ({count} > 0)\nor {count}"
    return Ratio(good=good, total=count)


def _gauge(fields: Fields, findings: Findings) -> Ratio:
    """Each sample of the gauge is an event, which is good where the gauge is 1."""
    findings.leave_out(fields, ("metric", "grouping"))
    gauge = _selector(fields)
    return Ratio(good=gauge.total("sum_over_time"), total=gauge.total("count_over_time"))


def _metric(fields: Fields, name: str, findings: Findings) -> Selector:
    inner = fields.mapping(name)
    findings.leave_out(inner, ("metric",))
    return _selector(inner)


def _selector(fields: Fields) -> Selector:
    written = text(fields, "metric")
    try:
        return selector(written) if written else Selector("", "", "")
    except ValueError:
        fields.error("metric", f"{written!r} is not a selector", 'such as http_requests_total{job="api"}')
        return Selector("", "", "")


def _seconds(fields: Fields) -> str:
    written = text(fields, "latency")
    try:
        return f"{Decimal(milliseconds(written)) / 1000:f}" if written else ""
    except ValueError:
        fields.error("latency", f"{written!r} is not a duration", "such as 200ms")
        return ""


def _alerting(spec: Fields, findings: Findings) -> None:
    """``burnrates`` and ``absent`` are what maibo's rules do; the rest is told."""
    alerting = spec.mapping("alerting", required=False)
    for name in alerting.node.values:
        usual = {"disabled": False, "burnrates": True, "absent": True}.get(name)
        if usual is not None:
            if alerting.flag(name, default=usual) is not usual:
                findings.lose(alerting, name, "rules are made for every SLO: this has no equivalent")
        elif says(alerting, name):
            findings.lose(alerting, name)
