"""slo-generator v2: ``ServiceLevelObjective`` of sre.google.com/v2 with the backend ``prometheus``.

Its queries are made from filters as its own backend makes them: ``[window]`` is replaced, or a range appended, then the operators are
put around (``increase``, then ``sum``). The window is in its configuration, not beside the SLO: a configuration with
``error_budget_policies`` among the files gives each SLO the longest window of its policy.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from maibo_slo.documents.fields import Fields, Text
from maibo_slo.importing.promql import WINDOW, selector
from maibo_slo.importing.slos import ImportedSlo, Ratio, allowed_annotations, fitting_description, sorted_labels
from maibo_slo.importing.values import decimal, is_a, place, text, texts, window_of, words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.importing.findings import Findings

API_VERSION: Final = "sre.google.com/v2"
KIND: Final = "ServiceLevelObjective"
POLICIES: Final = "error_budget_policies"
DEFAULT_WINDOW: Final = "28d"
"""The longest window of the policy in slo-generator's own sample configuration."""
_OPERATORS: Final = ("increase", "sum")
_OPERATOR: Final = re.compile(r"[a-z_]+")
_LABELS_OF_SERVICE: Final = ("service_name", "service")


def slos(documents: Sequence[Fields], findings: Findings, window: str) -> list[ImportedSlo]:
    """Every SLO of the documents; `window` is that of ``--window``, or empty, and stands above any policy."""
    policies: dict[str, str] = {}
    objectives = []
    for document in documents:
        if document.has(POLICIES):
            policies |= _policies(document, findings)
        elif is_a(document, API_VERSION, KIND):
            objectives.append(document)
        else:
            mend = f"give files of kind {KIND} and apiVersion {API_VERSION}, or a configuration with {POLICIES}"
            findings.lose(document, "kind", "this document is none of slo-generator's v2 and was left out", mend)
    found = [_slo(document, findings, window, policies) for document in objectives]
    return [slo for slo in found if slo is not None]


def _policies(document: Fields, findings: Findings) -> dict[str, str]:
    """The longest window of each policy, by name."""
    findings.leave_out(document, (POLICIES,))
    policies = document.mapping(POLICIES)
    found = {}
    for name in policies.node.values:
        policy = policies.mapping(name)
        findings.leave_out(policy, ("steps",))
        seconds = [whole for step in policy.mappings("steps") if (whole := decimal(step, "window")) is not None]
        findings.lose(policy, "steps", "alerts of single windows have no equivalent: rules have windows of their own")
        if seconds:
            try:
                found[name] = window_of(int(max(seconds) * 1000))
            except ValueError:
                policy.error("steps", f"the longest window, {max(seconds):f} s, is no whole minutes")
    return found


def _slo(document: Fields, findings: Findings, window: str, policies: Mapping[str, str]) -> ImportedSlo | None:
    findings.leave_out(document, ("apiVersion", "kind", "metadata", "spec"))
    head, spec = document.mapping("metadata"), document.mapping("spec")
    findings.leave_out_of_metadata(head, ("labels", "annotations"))
    known = ("description", "backend", "method", "service_level_indicator", "goal", "error_budget_policy")
    findings.leave_out(spec, known)
    name = place(head, "name")
    goal = decimal(spec, "goal")
    ratio = _ratio(spec, findings)
    if goal is None or ratio is None:
        return None
    if not 0 <= goal <= 1:
        spec.error("goal", "must be from 0 to 1", "such as 0.999")
    elif not 0 < goal < 1:
        findings.lose(spec, "goal", f"{goal:f} has no equivalent: there is nothing to judge; the SLO is a comment")
    labels, annotations = sorted_labels(texts(head, "labels"), findings)
    return ImportedSlo(
        name=name,
        service=_service(head, name),
        ratio=ratio,
        target=goal,
        window=window or _window(spec, policies, findings),
        percent=False,
        description=fitting_description(spec, findings),
        labels=labels,
        annotations=annotations | allowed_annotations(texts(head, "annotations"), findings),
    )


def _service(head: Fields, name: Text) -> Text:
    labels = head.mapping("labels", required=False)
    for key in _LABELS_OF_SERVICE:
        if labels.has(key) and (service := place(labels, key)).value:
            return service
    return name


def _window(spec: Fields, policies: Mapping[str, str], findings: Findings) -> str:
    policy = text(spec, "error_budget_policy", required=False) or "default"
    if policy in policies:
        return policies[policy]
    message = f"no file has the error budget policy {policy!r}; the window is {DEFAULT_WINDOW}"
    findings.change(spec, "error_budget_policy", message, "give slo-generator's configuration too, or --window")
    return DEFAULT_WINDOW


def _ratio(spec: Fields, findings: Findings) -> Ratio | None:
    """None when there is no ratio of events of Prometheus, which is told."""
    backend, method = text(spec, "backend"), text(spec, "method")
    indicator = spec.mapping("service_level_indicator")
    if backend.partition("/")[0].lower() != "prometheus":
        if backend:
            findings.lose(spec, "backend", f"the backend {backend!r} has no equivalent; the SLO was left out")
        return None
    errors_before = spec.report.errors
    if method == "good_bad_ratio":
        ratio = _good_bad(indicator, findings)
    elif method == "distribution_cut":
        ratio = _cut(indicator, findings)
    elif method == "query_sli":
        message = "a ratio without its counts has no equivalent (ratios cannot be added up); the SLO is a comment"
        findings.lose(spec, "method", message, "write it with good_bad_ratio")
        findings.leave_out(indicator, ("expression",))
        ratio = Ratio(raw=_query(indicator, "expression", ()), raw_type="success")
    else:
        findings.lose(spec, "method", f"the method {method!r} has no equivalent; the SLO was left out")
        return None
    return ratio if spec.report.errors == errors_before else None


def _good_bad(indicator: Fields, findings: Findings) -> Ratio:
    """Good and valid events; where there are bad ones instead, all are their sum, of which either may have no series yet."""
    findings.leave_out(indicator, ("filter_good", "filter_bad", "filter_valid", "operators"))
    operators = words(indicator, "operators") if indicator.has("operators") else list(_OPERATORS)
    for operator in operators:
        if not _OPERATOR.fullmatch(operator):
            indicator.error("operators", f"{operator!r} is not a function of PromQL")
    good = _query(indicator, "filter_good", operators)
    if not indicator.has("filter_bad"):
        return Ratio(good=good, total=_query(indicator, "filter_valid", operators))
    if indicator.has("filter_valid"):
        findings.lose(indicator, "filter_valid", "is not read by slo-generator where there is filter_bad")
    bad = _query(indicator, "filter_bad", operators)
    return Ratio(bad=bad, total=f"{good} + {bad}\nor {good}\nor {bad}")


def _cut(indicator: Fields, findings: Findings) -> Ratio:
    """The bucket that ends at the threshold, of the histogram's count."""
    findings.leave_out(indicator, ("expression", "threshold_bucket"))
    expression, bucket = text(indicator, "expression"), text(indicator, "threshold_bucket")
    if not expression or not bucket:
        return Ratio()
    try:
        buckets, count = selector(expression), selector(expression.replace("_bucket", "_count"))
    except ValueError:
        indicator.error(
            "expression", f"{expression!r} is not a selector", 'such as http_request_duration_seconds_bucket{job="api"}'
        )
        return Ratio()
    return Ratio(good=buckets.where("le", bucket).total(), total=count.total())


def _query(indicator: Fields, name: str, operators: Sequence[str]) -> str:
    """The filter or expression over the window, with the operators around it."""
    written = text(indicator, name).strip()
    if "[window" in written:
        query = written.replace("[window", f"[{WINDOW}")
        return _around(query, operators) if operators else f"({query})"
    if operators:
        with suppress(ValueError):  # told below
            return _around(selector(written).range(), operators)
    if written:
        indicator.error(name, f"{written!r} has no [window], and is no selector to give one", "write [window]")
    return ""


def _around(query: str, operators: Sequence[str]) -> str:
    for operator in operators:
        query = f"{operator}({query})"
    return query
