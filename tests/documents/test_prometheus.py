"""SLOs whose events a Prometheus counts: read beside those of journeys, judged by the engine where the Prometheus' address is known."""

import doctest
import json
from dataclasses import replace
from datetime import datetime

import pytest

from maibo_slo.documents import Calendar, PromQuery, PromSlo, kinds, promql

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
TOLD = "docs.yaml:13:5: warning: spec.indicator: is judged by generated rules alone: nothing says at which address its Prometheus answers (refer by metricSourceRef to a DataSource with connectionDetails: {url: ...}, or see maibo generate rules)"
DATA_SOURCE = """\
---
apiVersion: openslo/v1
kind: DataSource
metadata: {name: prom}
spec: {type: Prometheus, connectionDetails: {url: "http://prometheus.example:9090"}}
"""
TYPE = "            type: Prometheus\n"


def test_without_an_address_it_is_no_slo_of_the_engine_and_says_by_what_it_is_judged(judge):
    assert judge.problems(SLO) == [TOLD]
    catalogue = judge.catalogue(SLO)
    assert catalogue.slos == catalogue.judged == {}
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


REFERRING = SLO.replace(TYPE, "            metricSourceRef: prom\n") + DATA_SOURCE


def test_the_type_may_stand_in_the_data_source_whose_address_makes_the_engine_judge_it(judge):
    assert judge.problems(REFERRING) == []
    catalogue = judge.catalogue(REFERRING)
    slo = catalogue.judged["requests"]
    assert isinstance(slo, PromSlo)
    assert slo.data_source is catalogue.data_sources["prom"]
    assert replace(slo, data_source=None) == judge.catalogue(SLO).prom_slos["requests"]


def test_a_data_source_without_an_address_is_enough_for_rules(judge):
    assert judge.problems(REFERRING.replace('url: "http://prometheus.example:9090"', "region: eu")) == [TOLD]
    assert judge.check()[0].prom_slos["requests"].data_source is None


def test_good_or_bad_and_total_are_of_one_prometheus(judge):
    text = REFERRING.replace("            type: prometheus\n", "            metricSourceRef: other\n")
    text += DATA_SOURCE.replace("prom}", "other}")
    assert judge.problems(text) == [
        "docs.yaml:17:11: error: spec.indicator.spec.ratioMetric.bad: bad is counted by data source 'prom', total by 'other' (count both in one: two servers are never asked at the same moment)"
    ]


def connection(judge, details):
    text = REFERRING.replace('{url: "http://prometheus.example:9090"}', details)
    assert text != REFERRING
    return [problem.removeprefix("docs.yaml:31:") for problem in judge.problems(text) if ":31:" in problem]


@pytest.mark.parametrize(
    "details",
    [
        "{url: 'https://p.example/prefix', username: maibo, passwordFile: /run/secrets/p, caFile: /etc/ca.pem}",
        "{url: 'http://[::1]:9090', bearerTokenFile: token}",
        "{url: 'http://p:9090', interval: 30m, somethingElse: [1, {a: b}]}",
        "{}",
    ],
)
def test_what_connects_is_named_and_other_details_are_other_tools_own(judge, details):
    assert connection(judge, details) == []


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ("{url: 'p.example:9090'}", "url: 'p.example:9090' is not an address (write it as http://prometheus:9090)"),
        ("{url: 'ftp://p.example'}", "url: 'ftp://p.example' is not an address (write it as http://prometheus:9090)"),
        ("{url: 'http://p example'}", "url: 'http://p example' is not an address (write it as http://prometheus:9090)"),
        ("{url: 'http://p:70000'}", "url: is not an address (write it as http://prometheus:9090)"),
        ("{url: 'http://[::1'}", "url: is not an address (write it as http://prometheus:9090)"),
        ("{url: 'http://me:secret@p'}", "url: has credentials in it (use username and passwordFile)"),
        ("{url: 'http://p/?a=b'}", "url: ends with a query or fragment, and a path is put behind it (end it before ? and #)"),
        ("{url: 9090}", 'url: must be text, not a number (write "9090" in quotes)'),
        ("{url: 'http://p', username: me}", "username: needs passwordFile beside it (add passwordFile)"),
        ("{url: 'http://p', passwordFile: p}", "passwordFile: needs username beside it (add username)"),
        ("{url: 'http://p', username: a, passwordFile: b, bearerTokenFile: c}", "bearerTokenFile: is not allowed beside username (keep one of them)"),
        ("{url: 'http://p', interval: 7m}", "interval: must be minutes that divide an hour (write 1m, 2m, 5m, 10m, 15m, 30m or 1h)"),
        ("{url: 'http://p', interval: 30s}", "interval: '30s' is not an OpenSLO duration (write a whole number above 0 and one of m (minutes), h, d, w, M (months), Q, Y: such as 1m)"),
        ("{url: 'http://p', caFile: ''}", "caFile: must not be empty (remove it)"),
    ],
)  # fmt: skip
def test_what_would_not_connect_is_an_error_where_it_stands(judge, details, expected):
    assert any(f" error: spec.connectionDetails.{expected}" in problem for problem in connection(judge, details))
    assert judge.check()[0] is None
    assert judge.problems((judge.folder / "docs.yaml").read_text(), strict=True, standard=True) == []


@pytest.mark.parametrize("name", ["password", "token", "bearerToken"])
def test_a_secret_in_a_document_is_not_read_and_never_told(judge, name):
    [told] = connection(judge, f"{{url: 'http://p', {name}: hunter2}}")
    assert f"warning: spec.connectionDetails.{name}: is not read" in told
    assert "File: PATH)" in told
    assert "hunter2" not in told


def test_what_generated_rules_do_not_know_is_told(judge):
    text = REFERRING.replace("Occurrences", "Timeslices").replace(
        "targetPercent: 99.9", "targetPercent: 99.9, timeSliceTarget: 0.95, timeSliceWindow: 5m"
    )
    text = text.replace(
        "isRolling: true", "calendar: {startTime: 2026-01-01 00:00:00, timeZone: Europe/Berlin}, isRolling: false"
    )
    assert [problem.split(": ", 1)[1] for problem in judge.problems(text)] == [
        "warning: spec.timeWindow: generated rules know no calendar: they judge this SLO over 30 days that roll (let maibo's own alerts judge it, or expect other numbers)",
        "warning: spec.budgetingMethod: generated rules count events, not slices: they judge this SLO by Occurrences (let maibo's own alerts judge it, or expect other numbers)",
    ]
    slo = judge.catalogue(text).prom_slos["requests"]
    assert (slo.method, slo.window_seconds) == ("Timeslices", 30 * 86_400)
    assert slo.calendar == Calendar(30, "d", datetime.fromisoformat("2026-01-01"), "Europe/Berlin")
    assert [(each.slice_seconds, each.slice_target) for each in slo.objectives] == [(300, 0.95)]


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


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("sum(increase(x[{{.window}}])", "has a '(' that is not closed, after 3 characters (add a ')')"),
        ("sum(increase(x[{{.window}}])))", "has a ')' that closes nothing, after 29 characters (remove it, or add what it closes)"),
        ('sum(increase(x{a="}"[{{.window}}]))', "has a ')' where a '}' is due, after 33 characters (add the '}')"),
        ('sum(increase(x{a="b}[{{.window}}]))', 'has a " that is not closed, after 17 characters'),
        ("sum(increase(x{a='b}[{{.window}}]))", "has a ' that is not closed"),
    ],
)  # fmt: skip
def test_a_query_whose_brackets_or_quotes_are_not_closed_is_an_error_where_it_stands(judge, query, told):
    text = SLO.replace(BAD, f"{{query: {json.dumps(query)}}}")
    (error,) = [each for each in judge.problems(text) if "error" in each]
    assert error.startswith(f"docs.yaml:19:27: error: {PATH}.query: {told}")


@pytest.mark.parametrize(
    "query",
    [
        'sum(increase(x{path=~"/a(b|\\"[c"}[{{.window}}]))',
        "sum(increase(x{path='}'}[{{ .window }}])) # (not closed",
        "sum(increase(x{path=`\\`}[{{.window}}]))",
        '{__name__="http.requests.total", path="("}',
    ],
)
def test_brackets_in_quotes_and_comments_are_none(judge, query):
    assert not [each for each in judge.problems(SLO.replace(BAD, f"{{query: {json.dumps(query)}}}")) if "error" in each]


def test_a_data_source_that_is_wrong_is_one_error_and_not_one_of_each_query(judge):
    broken = REFERRING.replace("http://prometheus.example:9090", "127.0.0.1:19390").replace(
        "            type: prometheus\n", "            metricSourceRef: prom\n"
    )
    (told,) = judge.problems(broken)
    assert "spec.connectionDetails.url: '127.0.0.1:19390' is not an address" in told
    missing = [
        each
        for each in judge.problems(broken.replace("metricSourceRef: prom", "metricSourceRef: prm"))
        if "valid OpenSLO" in each
    ]
    assert missing == []


def test_journeys_and_prometheus_in_one_ratio_are_an_error(judge):
    text = SLO.replace(TYPE, "            type: journey\n").replace(BAD, "{journey: checkout}")
    assert [problem for problem in judge.problems(text) if "error" in problem] == [
        "docs.yaml:17:11: error: spec.indicator.spec.ratioMetric.bad: bad and total are counted by different sources (count both in one)"
    ]


def test_asked_for_the_standard_alone_a_query_is_whatever_it_is(judge):
    assert judge.problems(SLO.replace(BAD, "{query: 5, step: 60}"), strict=True, standard=True) == []


def test_the_examples_in_docstrings_are_true():
    assert doctest.testmod(kinds) == doctest.TestResults(failed=0, attempted=5)
    assert doctest.testmod(promql) == doctest.TestResults(failed=0, attempted=2)
