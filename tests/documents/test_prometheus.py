"""SLOs whose events a Prometheus counts: read beside those of journeys, and never among what the engine judges."""

import doctest

import pytest

from maibo_slo.documents import PromQuery, kinds

SLO = """\
apiVersion: openslo/v1
kind: Service
metadata: {name: shop}
---
apiVersion: openslo/v1
kind: SLO
metadata:
  name: requests
  annotations: {maibo.dev/runbook: wiki}
spec:
  service: shop
  indicator:
    metadata: {name: success}
    spec:
      ratioMetric:
        bad:
          metricSource:
            type: Prometheus
            spec: {query: 'http_requests_total{code=~"5.."}'}
        total:
          metricSource:
            type: prometheus
            spec: {query: "sum(increase(http_requests_total[{{.window}}]))"}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{targetPercent: 99.9}]
"""
TOLD = "docs.yaml:13:5: warning: spec.indicator: is judged by generated rules, not by this version's engine (see maibo generate rules)"
DATA_SOURCE = """\
---
apiVersion: openslo/v1
kind: DataSource
metadata: {name: prom}
spec: {type: Prometheus, connectionDetails: {url: "http://prometheus.example:9090"}}
"""
TYPE = "            type: Prometheus\n"


def test_it_is_no_slo_of_the_engine_and_says_by_what_it_is_judged(judge):
    assert judge.problems(SLO) == [TOLD]
    catalogue = judge.catalogue(SLO)
    assert catalogue.slos == {}
    slo = catalogue.prom_slos["requests"]
    assert (slo.service, slo.window_seconds, slo.annotations) == ("shop", 30 * 86_400, {"maibo.dev/runbook": "wiki"})
    assert [(objective.name, objective.target) for objective in slo.objectives] == [("0.999", 0.999)]
    assert (slo.good, slo.bad) == (None, PromQuery('http_requests_total{code=~"5.."}'))
    assert slo.total.over("5m") == "sum(increase(http_requests_total[5m]))"


def test_an_sli_of_its_own_gives_the_same(judge):
    sli = SLO[SLO.index("      ratioMetric") : SLO.index("  timeWindow")]
    inline = SLO[SLO.index("  indicator:") : SLO.index("  timeWindow")]
    document = (
        "---\napiVersion: openslo/v1\nkind: SLI\nmetadata: {name: success}\nspec:\n" + sli.replace("\n    ", "\n")[4:]
    )
    catalogue = judge.catalogue(SLO.replace(inline, "  indicatorRef: success\n") + document)
    assert catalogue.slis == {}
    assert catalogue.prom_slos == judge.catalogue(SLO).prom_slos


def test_the_type_may_stand_in_the_data_source(judge):
    text = SLO.replace(TYPE, "            metricSourceRef: prom\n") + DATA_SOURCE
    assert judge.problems(text) == [TOLD]
    assert judge.catalogue(text).prom_slos == judge.catalogue(SLO).prom_slos


def test_a_type_beside_a_data_source_of_another_is_an_error(judge):
    text = SLO.replace(TYPE, "            metricSourceRef: prom\n            type: journey\n") + DATA_SOURCE
    assert judge.problems(text)[0] == (
        "docs.yaml:19:19: error: spec.indicator.spec.ratioMetric.bad.metricSource.type: type 'journey' beside a data source of type 'Prometheus' is valid OpenSLO, but this version does not judge it (remove type: the data source has one)"
    )
    assert judge.check()[0] is None


def test_promql_is_another_name_of_query(judge):
    assert judge.catalogue(SLO.replace("{query: 'http", "{promql: 'http")).prom_slos == judge.catalogue(SLO).prom_slos


@pytest.mark.parametrize(
    ("query", "over_an_hour"),
    [
        ("http_requests_total", "sum(increase(http_requests_total[1h]))"),
        ('job:requests:total{path="/a{b}",code!~`5..`}', 'sum(increase(job:requests:total{path="/a{b}",code!~`5..`}[1h]))'),
        ('{__name__=~"a|b"}', 'sum(increase({__name__=~"a|b"}[1h]))'),
        ('  up {job="x"}\n', 'sum(increase(up {job="x"}[1h]))'),
        ("sum(rate(x[{{ .window }}])) / sum(rate(y[{{.window}}]))", "sum(rate(x[1h])) / sum(rate(y[1h]))"),
        ("sum(increase(x[{{\t.window}}]))", "sum(increase(x[1h]))"),
    ],
)  # fmt: skip
def test_events_of_a_window(judge, query, over_an_hour):
    quoted = query.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    text = SLO.replace("""'http_requests_total{code=~"5.."}'""", f'"{quoted}"')
    bad = judge.catalogue(text).prom_slos["requests"].bad
    assert bad is not None
    assert bad.over("1h") == over_an_hour


BAD = """{query: 'http_requests_total{code=~"5.."}'}"""
PATH = "spec.indicator.spec.ratioMetric.bad.metricSource.spec"
MEND = "(write sum(increase(http_requests_total[{{.window}}])), or http_requests_total alone)"
NO_COUNTER = f"is not the selector of a counter, and does not say where the window goes {MEND}"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("{query: sum(rate(x))}", f"19:27: error: {PATH}.query: {NO_COUNTER}"),
        ('{query: "x[5m]"}', f"19:27: error: {PATH}.query: {NO_COUNTER}"),
        ("{query: 'x{a=\"b\"'}", f"19:27: error: {PATH}.query: {NO_COUNTER}"),
        ("{query: ''}", f"19:27: error: {PATH}.query: {NO_COUNTER}"),
        ("{query: 5}", f"19:27: error: {PATH}.query: must be text, not a number (such as sum(increase(http_requests_total[{{{{.window}}}}])))"),
        ("{query: x, promql: y}", f"19:38: error: {PATH}.promql: give exactly one of query and promql"),
        ("{query: x, step: 60}", f"19:30: error: {PATH}.step: unknown field (known here: query, promql)"),
        ("{qery: x}", f"19:19: error: {PATH}.query: is required (such as sum(increase(http_requests_total[{{{{.window}}}}])))"),
    ],
)  # fmt: skip
def test_a_query_that_counts_nothing_is_an_error_where_it_stands(judge, spec, expected):
    assert BAD in SLO
    text = SLO.replace(BAD, spec)
    assert f"docs.yaml:{expected}" in judge.problems(text)
    assert judge.check()[0] is None


def test_journeys_and_prometheus_in_one_ratio_are_an_error(judge):
    text = SLO.replace(TYPE, "            type: journey\n").replace(BAD, "{journey: checkout}")
    assert [problem for problem in judge.problems(text) if "error" in problem] == [
        "docs.yaml:17:11: error: spec.indicator.spec.ratioMetric.bad: bad and total are counted by different sources (count both in one)"
    ]


def test_asked_for_the_standard_alone_a_query_is_whatever_it_is(judge):
    assert judge.problems(SLO.replace(BAD, "{query: 5, step: 60}"), strict=True, standard=True) == []


def test_the_examples_in_docstrings_are_true():
    assert doctest.testmod(kinds) == doctest.TestResults(failed=0, attempted=2)
