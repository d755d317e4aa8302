"""pyrra's objectives: each indicator, and what has no equivalent."""

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


def minimal(
    *, target: str = "'99.9'", window: str = "4w", indicator: str = "", metadata: str = "", rest: str = ""
) -> str:
    ratio = "ratio: {errors: {metric: 'errors_total'}, total: {metric: 'requests_total'}}"
    return (
        f"apiVersion: pyrra.dev/v1alpha1\nkind: ServiceLevelObjective\nmetadata: {{name: api, namespace: shop{metadata}}}\n"
        f"spec:\n  target: {target}\n  window: {window}\n  indicator: {{{indicator or ratio}}}\n{rest}"
    )


def queries(slo: Any) -> dict[str, str]:
    ratio = slo["spec"]["indicator"]["spec"]["ratioMetric"]
    assert ratio.pop("counter") is True
    sources = {part: source["metricSource"] for part, source in ratio.items()}
    assert {source["type"] for source in sources.values()} == {"prometheus"}
    return {part: source["spec"]["query"] for part, source in sources.items()}


@pytest.fixture
def examples(files: Path, slos: Callable[[Imported], dict[str, Any]]) -> dict[str, Any]:
    return slos(read("pyrra", ["pyrra.yaml"]))


def test_a_ratio_counts_the_increase_of_errors_and_of_all(examples: dict[str, Any]) -> None:
    assert queries(examples["ingress-errors"]) == {
        "bad": 'sum(increase(nginx_ingress_controller_requests{ingress="shop",status=~"5.."}[{{.window}}]))',
        "total": 'sum(increase(nginx_ingress_controller_requests{ingress="shop"}[{{.window}}]))',
    }


def test_the_bucket_of_a_latency_is_good(examples: dict[str, Any]) -> None:
    name = "nginx_ingress_controller_request_duration_seconds"
    assert queries(examples["ingress-latency"]) == {
        "good": f'sum(increase({name}_bucket{{ingress="shop",le="1"}}[{{{{.window}}}}]))',
        "total": f'sum(increase({name}_count{{ingress="shop"}}[{{{{.window}}}}]))',
    }


def test_a_native_histogram_gives_its_fraction_of_its_count(examples: dict[str, Any]) -> None:
    histogram = 'sum(increase(connect_server_requests_duration_seconds{job="pyrra",code="ok"}[{{.window}}]))'
    assert queries(examples["connect-latency"]) == {
        "good": f"histogram_fraction(0, 0.2, {histogram})\n* (histogram_count({histogram}) > 0)\n"
        f"or histogram_count({histogram})",
        "total": f"histogram_count({histogram})",
    }


def test_each_sample_of_a_gauge_is_an_event(examples: dict[str, Any]) -> None:
    assert queries(examples["probe-success"]) == {
        "good": "sum(sum_over_time(probe_success[{{.window}}]))",
        "total": "sum(count_over_time(probe_success[{{.window}}]))",
    }


def test_targets_and_windows_stay_what_they_were(files: Path, examples: dict[str, Any]) -> None:
    assert [slo["spec"]["timeWindow"][0]["duration"] for slo in examples.values()] == ["4w", "9d", "28d", "7d"]
    text = "".join(read("pyrra", ["pyrra.yaml"]).files.values())
    assert [line.strip() for line in text.splitlines() if "targetPercent" in line] == [
        "- targetPercent: 99.9",
        "- targetPercent: 90",
        "- targetPercent: 99.5",
        "- targetPercent: 99.0",
    ]


def test_a_label_names_the_service_or_the_namespace_does(examples: dict[str, Any]) -> None:
    assert [slo["spec"]["service"] for slo in examples.values()] == ["shop", "shop", "shop", "probes"]


def test_labels_and_annotations_for_alerts_lose_pyrras_prefix(examples: dict[str, Any]) -> None:
    metadata = examples["ingress-errors"]["metadata"]
    assert metadata["labels"] == {"prometheus": "k8s", "role": "alert-rules", "team": "payments"}
    assert metadata["annotations"] == {"runbook": "https://runbooks.example/ingress"}


def test_what_has_no_equivalent_is_told_with_its_line(files: Path, told: Callable[[Imported], list[str]]) -> None:
    assert told(read("pyrra", ["pyrra.yaml"])) == [
        "pyrra.yaml:22:7 spec.indicator.ratio.grouping: one budget for each path has no equivalent: all of them share one",
        "pyrra.yaml:40:5 spec.alerting.name: has no equivalent",
        "pyrra.yaml:42:5 spec.alerting.absent: rules are made for every SLO: this has no equivalent",
    ]


def test_more_fields_without_equivalent_are_told(
    imported: Callable[..., Imported], told: Callable[[Imported], list[str]]
) -> None:
    rest = "  partial_response_strategy: warn\n  alerting: {disabled: true, burnrates: false, burnRateType: dynamic}\n"
    labels = ", labels: {'-x': y}, annotations: {openslo.com/a: b, kubectl.kubernetes.io/last-applied-configuration: c}"
    result = imported("pyrra", minimal(metadata=labels, rest=rest))
    assert [line.partition(" ")[2] for line in told(result)] == [
        "metadata.labels.-x: '-x' has no equivalent: OpenSLO does not allow it as a label's key",
        "metadata.annotations['openslo.com/a']: 'openslo.com/a' has no equivalent: OpenSLO does not allow it as an annotation's key",
        "spec.partial_response_strategy: has no equivalent",
        "spec.alerting.disabled: rules are made for every SLO: this has no equivalent",
        "spec.alerting.burnrates: rules are made for every SLO: this has no equivalent",
        "spec.alerting.burnRateType: has no equivalent",
    ]
    assert result.lost == 6


def test_an_offset_stays_behind_the_range(
    imported: Callable[..., Imported], slos: Callable[[Imported], dict[str, Any]]
) -> None:
    indicator = "bool_gauge: {metric: 'probe_success{job=\"a}b\"} offset 5m'}"
    (slo,) = slos(imported("pyrra", minimal(indicator=indicator))).values()
    assert queries(slo)["good"] == 'sum(sum_over_time(probe_success{job="a}b"}[{{.window}}] offset 5m))'


def test_a_window_asked_for_stands_above_the_file(
    imported: Callable[..., Imported], slos: Callable[[Imported], dict[str, Any]], told: Callable[[Imported], list[str]]
) -> None:
    result = imported("pyrra", minimal(), window="7d")
    (slo,) = slos(result).values()
    assert slo["spec"]["timeWindow"][0]["duration"] == "7d"
    assert told(result) == ["slo.yaml:6:3 spec.window: is 4w in the file; it is now 7d, as asked for"]


@pytest.mark.parametrize("target", ["'100'", "0"])
def test_a_target_that_leaves_nothing_to_judge_is_a_comment_and_told(
    imported: Callable[..., Imported],
    told: Callable[[Imported], list[str]],
    loaded: Callable[[Imported], Mapping[str, PromSlo]],
    target: str,
) -> None:
    result = imported("pyrra", minimal(target=target))
    assert result.slos == 0
    assert told(result) == [
        f"slo.yaml:5:3 spec.target: {target.strip(chr(39))} % has no equivalent: there is nothing to judge; the SLO is a comment"
    ]
    assert loaded(result) == {}


def test_a_target_below_one_percent_is_told(
    imported: Callable[..., Imported], told: Callable[[Imported], list[str]]
) -> None:
    assert told(imported("pyrra", minimal(target="'0.999'"))) == [
        "slo.yaml:5:3 spec.target: is 0.999 %, as pyrra reads it"
    ]


def test_a_list_as_the_cluster_gives_it_is_unfolded(
    imported: Callable[..., Imported], slos: Callable[[Imported], dict[str, Any]]
) -> None:
    items = "".join("- " + minimal(window=window).replace("\n", "\n  ").rstrip() + "\n" for window in ("4w", "2w"))
    result = imported("pyrra", f"apiVersion: v1\nkind: List\nitems:\n{items}")
    assert list(slos(result)) == ["api", "shop-api"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"target": "most"}, "5:11: error: spec.target: 'most' is not a number"),
        ({"target": "'101'"}, "5:11: error: spec.target: must be from 0 to 100"),
        ({"window": "90s"}, "6:11: error: spec.window: '90s' is not a whole number of minutes, hours, days or weeks"),
        ({"window": "1M"}, "6:11: error: spec.window: '1M' is not a whole number of minutes, hours, days or weeks"),
        ({"indicator": "x: 1"}, "7:14: error: spec.indicator.ratio: give exactly one of ratio, latency, latencyNative"),
        (
            {"indicator": "bool_gauge: {metric: 'sum(up)'}"},
            "7:36: error: spec.indicator.bool_gauge.metric: 'sum(up)' is not a selector",
        ),
        ({"indicator": "bool_gauge: {grouping: [a]}"}, "7:27: error: spec.indicator.bool_gauge.metric: is required"),
        (
            {"indicator": "latencyNative: {latency: fast, total: {metric: m}}"},
            "7:40: error: spec.indicator.latencyNative.latency: 'fast' is not a duration",
        ),
    ],
)
def test_what_pyrra_would_refuse_is_an_error_with_its_place(
    imported: Callable[..., Imported], changes: dict[str, str], problem: str
) -> None:
    with pytest.raises(DocumentsError) as raised:
        imported("pyrra", minimal(**changes))
    (error,) = [one for one in raised.value.problems if one.severity == "error"]
    assert str(error).startswith(f"slo.yaml:{problem}")
