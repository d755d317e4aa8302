"""sloth's files, of both kinds."""

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

FIRST = """\
apiVersion: openslo/v1
kind: Service
metadata:
  name: shop-api
  labels:
    owner: payments
    tier: '2'
spec: {}
---
# from sloth.yml, requests-availability
apiVersion: openslo/v1
kind: SLO
metadata:
  name: requests-availability
  labels:
    owner: payments
    tier: '2'
    category: availability
spec:
  description: Requests that are answered without an error of ours.
  service: shop-api
  indicator:
    metadata:
      name: requests-availability
    spec:
      ratioMetric:
        counter: true
        bad:
          metricSource:
            type: prometheus
            spec:
              query: |-
                sum(rate(http_request_duration_seconds_count{job="shop",code=~"(5..|429)"}[{{.window}}]))
        total:
          metricSource:
            type: prometheus
            spec:
              query: |-
                sum(rate(http_request_duration_seconds_count{job="shop"}[{{.window}}]))
  timeWindow:
  - duration: 30d
    isRolling: true
  budgetingMethod: Occurrences
  objectives:
  - targetPercent: 99.9
---
"""


def minimal(**changes: str) -> str:
    """A file of one SLO; changes are of fields of that SLO, as YAML."""
    slo = {
        "name": "availability",
        "objective": "99.9",
        "sli": "{events: {error_query: 'e[{{.window}}]', total_query: 't[{{.window}}]'}}",
    } | changes
    fields = "".join(f"  {key}: {value}\n" for key, value in slo.items() if value)
    return f"version: prometheus/v1\nservice: shop\nslos:\n- {fields.lstrip()}"


def test_a_service_and_its_slo_come_out_as_written_here(files: Path) -> None:
    assert read("sloth", ["sloth.yml"]).files["shop-api"].startswith(FIRST)


def test_a_query_of_several_lines_stays_one(files: Path, slos: Callable[[Imported], dict[str, Any]]) -> None:
    latency = slos(read("sloth", ["sloth.yml"]))["requests-latency"]
    ratio = latency["spec"]["indicator"]["spec"]["ratioMetric"]
    assert ratio["bad"]["metricSource"]["spec"]["query"].splitlines() == [
        "(",
        '  sum(rate(http_request_duration_seconds_count{job="shop"}[{{ .window }}]))',
        "  -",
        '  sum(rate(http_request_duration_seconds_bucket{job="shop",le="0.4"}[{{ .window }}]))',
        ")",
    ]


def test_the_custom_resource_says_the_same_in_other_letters(
    files: Path, slos: Callable[[Imported], dict[str, Any]]
) -> None:
    (slo,) = slos(read("sloth", ["sloth-resource.yaml"])).values()
    ratio = slo["spec"]["indicator"]["spec"]["ratioMetric"]
    assert ratio["bad"]["metricSource"]["spec"] == {
        "query": 'sum(rate(http_requests_total{job="shop",code=~"5.."}[{{.window}}]))'
    }
    assert slo["spec"]["objectives"] == [{"targetPercent": 99.95}]


def test_alerts_and_plugins_are_told_with_their_lines(files: Path, told: Callable[[Imported], list[str]]) -> None:
    assert told(read("sloth", ["sloth.yml"])) == [
        "sloth.yml:18:7 slos[0].alerting.name: has no equivalent",
        "sloth.yml:19:7 slos[0].alerting.labels: has no equivalent",
        "sloth.yml:21:7 slos[0].alerting.annotations: has no equivalent",
        "sloth.yml:23:7 slos[0].alerting.page_alert: has no equivalent",
        "sloth.yml:26:7 slos[0].alerting.ticket_alert: a single alert cannot be left out: this has no equivalent",
    ]
    assert told(read("sloth", ["sloth-resource.yaml"])) == [
        "sloth-resource.yaml:10:3 spec.sloPlugins: has no equivalent",
        "sloth-resource.yaml:21:9 spec.slos[0].alerting.name: has no equivalent",
        "sloth-resource.yaml:22:9 spec.slos[0].alerting.pageAlert: has no equivalent",
        (
            "sloth-resource.yaml:25:9 spec.slos[0].alerting.ticketAlert: a single alert cannot be left out: this has no "
            "equivalent"
        ),
    ]


def test_two_slos_of_one_name_get_names_of_their_own(
    files: Path, slos: Callable[[Imported], dict[str, Any]], told: Callable[[Imported], list[str]]
) -> None:
    result = read("sloth", ["sloth.yml", "sloth-resource.yaml"])
    assert list(slos(result)) == ["requests-availability", "requests-latency", "shop-api-requests-availability"]
    assert "'requests-availability' names another SLO too; it is now shop-api-requests-availability" in str(
        told(result)
    )
    assert list(result.files) == ["shop-api"]
    assert "tier" not in result.files["shop-api"].split("---")[0], "one of the service's two files has no such label"


@pytest.mark.parametrize("objective", ["99.9", "99.90", "99.9999999", "50", '"99.95"', "9.99e1"])
def test_an_objective_keeps_its_digits(imported: Callable[..., Imported], objective: str) -> None:
    text = imported("sloth", minimal(objective=objective)).files["shop"]
    written = {"9.99e1": "99.9", '"99.95"': "99.95"}.get(objective, objective)
    assert text.endswith(f"  - targetPercent: {written}\n")


def test_the_window_is_what_the_command_line_says(
    imported: Callable[..., Imported], slos: Callable[[Imported], dict[str, Any]]
) -> None:
    (slo,) = slos(imported("sloth", minimal(), window="7d")).values()
    assert slo["spec"]["timeWindow"] == [{"duration": "7d", "isRolling": True}]


def test_a_ratio_without_counts_is_a_comment_and_told(
    imported: Callable[..., Imported],
    slos: Callable[[Imported], dict[str, Any]],
    told: Callable[[Imported], list[str]],
    loaded: Callable[[Imported], Mapping[str, PromSlo]],
) -> None:
    raw = "{raw: {error_ratio_query: 'error_ratio{x=\"[{{.window}}]\"}'}}"
    result = imported("sloth", minimal(sli=raw))
    assert (result.slos, slos(result)) == (0, {})
    assert told(result) == [
        (
            "slo.yaml:6:15 slos[0].sli.raw.error_ratio_query: a ratio without its counts has no equivalent (ratios cannot be "
            "added up); the SLO is a comment"
        )
    ]
    assert "#         rawType: failure\n" in result.files["shop"]
    assert loaded(result) == {}


def test_an_objective_of_100_is_a_comment_and_told(
    imported: Callable[..., Imported], told: Callable[[Imported], list[str]]
) -> None:
    result = imported("sloth", minimal(objective="100"))
    assert result.slos == 0
    assert told(result) == [
        "slo.yaml:5:3 slos[0].objective: 100 % has no equivalent: there is no budget to judge; the SLO is a comment"
    ]
    assert "#   - targetPercent: 100\n" in result.files["shop"]


def test_an_sli_of_a_plugin_is_left_out_and_told(
    imported: Callable[..., Imported], told: Callable[[Imported], list[str]]
) -> None:
    other = minimal(sli="{plugin: {id: getting_started_availability, options: {job: shop}}}", name="other")
    result = imported("sloth", f"{minimal()}---\n{other}")
    assert result.slos == 1
    assert told(result) == [
        "slo.yaml:13:9 slos[0].sli.plugin: an SLI made by a plugin has no equivalent; the SLO was left out"
    ]


def test_fields_that_nobody_knows_are_told(
    imported: Callable[..., Imported], told: Callable[[Imported], list[str]]
) -> None:
    text = minimal(infoLabels="{a: b}", plugins="{}") + "interval: 5m\n"
    assert told(imported("sloth", text)) == [
        "slo.yaml:7:3 slos[0].infoLabels: has no equivalent",
        "slo.yaml:9:1 interval: has no equivalent",
    ]


def test_labels_that_openslo_does_not_allow_become_annotations_or_are_told(
    imported: Callable[..., Imported], slos: Callable[[Imported], dict[str, Any]], told: Callable[[Imported], list[str]]
) -> None:
    result = imported("sloth", minimal(labels="{team: a, app.kubernetes.io/name: shop, 'not a key': x}"))
    (slo,) = slos(result).values()
    assert slo["metadata"]["labels"] == {"team": "a"}
    assert slo["metadata"]["annotations"] == {"app.kubernetes.io/name": "shop"}
    assert told(result) == [
        "slo.yaml:7:21 slos[0].labels['app.kubernetes.io/name']: is not a label's key in OpenSLO; it is now an annotation",
        "slo.yaml:7:51 slos[0].labels['not a key']: 'not a key' has no equivalent: OpenSLO does not allow it as a label's key",
    ]
    assert result.lost == 1


def test_names_that_openslo_does_not_allow_are_changed_and_told(
    imported: Callable[..., Imported],
    slos: Callable[[Imported], dict[str, Any]],
    told: Callable[[Imported], list[str]],
    loaded: Callable[[Imported], Mapping[str, PromSlo]],
) -> None:
    result = imported("sloth", minimal(name="Checkout_Availability").replace("service: shop", "service: Shop/API"))
    slo = slos(result)["checkout-availability"]
    assert slo["metadata"]["displayName"] == "Checkout_Availability"
    assert slo["spec"]["service"] == "shop-api"
    assert told(result) == [
        "slo.yaml:2:10 service: 'Shop/API' is not a name in OpenSLO; it is now shop-api",
        "slo.yaml:4:9 slos[0].name: 'Checkout_Availability' is not a name in OpenSLO; it is now checkout-availability",
    ]
    assert result.lost == 0
    assert list(loaded(result)) == ["checkout-availability"]


def test_a_description_is_cut_where_openslo_allows_no_more(
    imported: Callable[..., Imported],
    slos: Callable[[Imported], dict[str, Any]],
    told: Callable[[Imported], list[str]],
    loaded: Callable[[Imported], Mapping[str, PromSlo]],
) -> None:
    result = imported("sloth", minimal(description="x" * 1051))
    (slo,) = slos(result).values()
    assert slo["spec"]["description"] == "x" * 1049 + "…"
    assert "has 1051 characters and was cut: OpenSLO allows 1050" in told(result)[0]
    assert loaded(result)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"objective": "high"}, "slo.yaml:5:14: error: slos[0].objective: 'high' is not a number"),
        ({"objective": "101"}, "slo.yaml:5:14: error: slos[0].objective: must be above 0 and at most 100"),
        ({"objective": ".inf"}, "slo.yaml:5:14: error: slos[0].objective: '.inf' is not a number"),
        ({"objective": ""}, "slo.yaml:4:3: error: slos[0].objective: is required"),
        ({"name": "''"}, "slo.yaml:4:9: error: slos[0].name: must not be empty"),
        ({"sli": "{}"}, "slo.yaml:6:8: error: slos[0].sli.events: give exactly one of events, raw and plugin"),
        (
            {"sli": "{events: {error_query: 'e[5m]', total_query: 't[{{.window}}]'}}"},
            (
                "slo.yaml:6:31: error: slos[0].sli.events.error_query: has no {{.window}}, by which the query is asked over each "
                "window (write [{{.window}}])"
            ),
        ),
        (
            {"sli": "{events: {total_query: 't[{{.window}}]'}}"},
            "slo.yaml:6:17: error: slos[0].sli.events.error_query: is required",
        ),
        ({"labels": "{a: [1]}"}, "slo.yaml:7:12: error: slos[0].labels.a: must be one text"),
    ],
)
def test_what_sloth_would_refuse_is_an_error_with_its_place(
    imported: Callable[..., Imported], changes: dict[str, str], problem: str
) -> None:
    with pytest.raises(DocumentsError) as raised:
        imported("sloth", minimal(**changes))
    assert str(raised.value).splitlines() == [problem]
