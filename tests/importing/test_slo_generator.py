"""slo-generator's objectives: each method, and the windows of its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from maibo_slo.documents import DocumentsError
from maibo_slo.importing import read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from maibo_slo.documents import PromSlo
    from maibo_slo.importing import Imported


def minimal(*, method: str = "good_bad_ratio", goal: str = "0.999", indicator: str = "", rest: str = "") -> str:
    filters = "filter_good: 'good_total', filter_valid: 'all_total'"
    return (
        "apiVersion: sre.google.com/v2\nkind: ServiceLevelObjective\nmetadata: {name: api, labels: {service: shop}}\n"
        f"spec:\n  backend: prometheus\n  method: {method}\n  goal: {goal}\n"
        f"  service_level_indicator: {{{indicator or filters}}}\n{rest}"
    )


def queries(slo: Any) -> dict[str, str]:
    ratio = slo["spec"]["indicator"]["spec"]["ratioMetric"]
    assert ratio.pop("counter") is True
    return {part: source["metricSource"]["spec"]["query"] for part, source in ratio.items()}


@pytest.fixture
def examples(files: Path, slos: Callable[[Imported], dict[str, Any]]) -> dict[str, Any]:
    return slos(read("slo-generator", ["slo-generator.yaml", "slo-generator-config.yaml"]))


def test_good_and_valid_filters_become_counts(examples: dict[str, Any]) -> None:
    assert queries(examples["prom-metrics-availability"]) == {
        "good": 'sum(increase(prometheus_http_requests_total{handler="/metrics", code=~"2.."}[{{.window}}]))',
        "total": 'sum(increase(prometheus_http_requests_total{handler="/metrics"}[{{.window}}]))',
    }


def test_of_good_and_bad_filters_all_is_the_sum_with_the_operators_of_the_file(examples: dict[str, Any]) -> None:
    good, bad = (
        f'sum(rate(prometheus_http_requests_total{{code=~"{code}"}}[{{{{.window}}}}]))' for code in ("2..", "5..")
    )
    assert queries(examples["prom-metrics-errors"]) == {"bad": bad, "total": f"{good} + {bad}\nor {good}\nor {bad}"}


def test_a_distribution_is_cut_at_its_bucket(examples: dict[str, Any]) -> None:
    labels = 'handler="/metrics", code=~"2.."'
    assert queries(examples["prom-metrics-latency"]) == {
        "good": f'sum(increase(http_request_duration_seconds_bucket{{{labels}, le="0.25"}}[{{{{.window}}}}]))',
        "total": f"sum(increase(http_request_duration_seconds_count{{{labels}}}[{{{{.window}}}}]))",
    }


def test_the_window_is_the_longest_of_the_slos_policy(examples: dict[str, Any]) -> None:
    windows = {name: slo["spec"]["timeWindow"][0]["duration"] for name, slo in examples.items()}
    assert windows == {
        "prom-metrics-availability": "28d",
        "prom-metrics-errors": "12h",
        "prom-metrics-latency": "28d",
    }


def test_the_goal_and_the_service_stay_what_they_were(files: Path, examples: dict[str, Any]) -> None:
    text = read("slo-generator", ["slo-generator.yaml"]).files["prom"]
    goals = [line for line in text.splitlines() if "target:" in line]
    assert goals == ["  - target: 0.999", "  - target: 0.99", "  - target: 0.9999", "#   - target: 0.999"]
    assert {slo["spec"]["service"] for slo in examples.values()} == {"prom"}


def test_what_has_no_equivalent_is_told_with_its_line(files: Path, told: Callable[[Imported], list[str]]) -> None:
    assert told(read("slo-generator", ["slo-generator.yaml", "slo-generator-config.yaml"])) == [
        "slo-generator-config.yaml:1:1 backends: has no equivalent",
        (
            "slo-generator-config.yaml:6:5 error_budget_policies.default.steps: alerts of single windows have no equivalent: "
            "rules have windows of their own"
        ),
        (
            "slo-generator-config.yaml:16:5 error_budget_policies.short.steps: alerts of single windows have no equivalent: "
            "rules have windows of their own"
        ),
        "slo-generator.yaml:13:3 spec.exporters: has no equivalent",
        (
            "slo-generator.yaml:61:3 spec.method: a ratio without its counts has no equivalent (ratios cannot be added up); "
            "the SLO is a comment"
        ),
        "slo-generator.yaml:77:3 spec.backend: the backend 'cloud_monitoring' has no equivalent; the SLO was left out",
    ]


def test_without_a_policy_the_window_is_told(
    imported: Callable[..., Imported], slos: Callable[[Imported], dict[str, Any]], told: Callable[[Imported], list[str]]
) -> None:
    result = imported("slo-generator", minimal())
    (slo,) = slos(result).values()
    assert slo["spec"]["timeWindow"][0]["duration"] == "28d"
    assert told(result) == [
        "slo.yaml:5:3 spec.error_budget_policy: no file has the error budget policy 'default'; the window is 28d"
    ]
    assert result.lost == 0
    assert told(imported("slo-generator", minimal(), window="28d")) == []


def test_a_histogram_without_labels_is_cut_too(
    imported: Callable[..., Imported], slos: Callable[[Imported], dict[str, Any]]
) -> None:
    text = minimal(method="distribution_cut", indicator="expression: latency_bucket, threshold_bucket: '0.5'")
    (slo,) = slos(imported("slo-generator", text, window="7d")).values()
    assert queries(slo) == {
        "good": 'sum(increase(latency_bucket{le="0.5"}[{{.window}}]))',
        "total": "sum(increase(latency_count[{{.window}}]))",
    }


def test_a_query_of_its_own_is_kept(
    imported: Callable[..., Imported], slos: Callable[[Imported], dict[str, Any]]
) -> None:
    text = minimal(indicator="filter_good: 'sum(rate(a[window]))', filter_valid: 'sum(rate(b[window]))', operators: []")
    (slo,) = slos(imported("slo-generator", text, window="7d")).values()
    assert queries(slo) == {"good": "(sum(rate(a[{{.window}}])))", "total": "(sum(rate(b[{{.window}}])))"}


def test_a_ratio_alone_is_a_comment(files: Path, loaded: Callable[[Imported], Mapping[str, PromSlo]]) -> None:
    result = read("slo-generator", ["slo-generator.yaml"], window="28d")
    assert result.slos == 3
    assert "#         rawType: success\n" in result.files["prom"]
    assert "prom-metrics-query" not in loaded(result)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "histogram"}, "spec.method: the method 'histogram' has no equivalent; the SLO was left out"),
        ({"rest": "  frequency: 5m\n"}, "spec.frequency: has no equivalent"),
        ({"goal": "1"}, "spec.goal: 1 has no equivalent: there is nothing to judge; the SLO is a comment"),
        (
            {"indicator": "filter_good: g, filter_bad: b, filter_valid: v"},
            "spec.service_level_indicator.filter_valid: is not read by slo-generator where there is filter_bad",
        ),
    ],
)
def test_more_without_equivalent_is_told(
    imported: Callable[..., Imported], told: Callable[[Imported], list[str]], changes: dict[str, str], message: str
) -> None:
    result = imported("slo-generator", f"{minimal(**changes)}---\n{minimal()}", window="28d")
    assert next(line.partition(" ")[2] for line in told(result)) == message
    assert result.lost == 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"goal": "99.9"}, "7:9: error: spec.goal: must be from 0 to 1 (such as 0.999)"),
        ({"goal": "${GOAL}"}, "7:9: error: spec.goal: '${GOAL}' is not a number"),
        (
            {"indicator": "filter_good: 'sum(g)', filter_valid: v"},
            "8:42: error: spec.service_level_indicator.filter_good: 'sum(g)' has no [window], and is no selector to give one",
        ),
        (
            {"indicator": "filter_good: g"},
            "8:28: error: spec.service_level_indicator.filter_valid: is required",
        ),
        (
            {"indicator": "filter_good: g, filter_valid: v, operators: ['sum(', 'x']"},
            "8:73: error: spec.service_level_indicator.operators: 'sum(' is not a function of PromQL",
        ),
        (
            {"method": "distribution_cut", "indicator": "expression: 'sum(x)', threshold_bucket: 1"},
            "8:41: error: spec.service_level_indicator.expression: 'sum(x)' is not a selector",
        ),
    ],
)
def test_what_slo_generator_could_not_ask_is_an_error_with_its_place(
    imported: Callable[..., Imported], changes: dict[str, str], problem: str
) -> None:
    with pytest.raises(DocumentsError) as raised:
        imported("slo-generator", minimal(**changes), window="28d")
    (error,) = raised.value.problems
    assert str(error).startswith(f"slo.yaml:{problem}")


def test_a_policy_of_odd_seconds_is_an_error(imported: Callable[..., Imported]) -> None:
    config = "error_budget_policies: {default: {steps: [{window: 90}]}}\n"
    with pytest.raises(DocumentsError, match=r"the longest window, 90 s, is no whole minutes"):
        imported("slo-generator", f"{minimal()}---\n{config}")
