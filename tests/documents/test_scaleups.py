"""SLOs whose events are scale-ups: whose, from when until when, and within which time."""

import pytest

from maibo_slo.documents import ScaleupSli
from maibo_slo.store.workload import Workload

SLO = """\
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: scales}
spec:
  service: shop
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.95}]
  indicator:
    metadata: {name: in-time}
    spec:
      ratioMetric:
        counter: true
        good:
          metricSource: {type: scaleup, spec: {workload: shop/Deployment/api, within: 1.5s}}
        total:
          metricSource: {type: scaleup, spec: {workload: shop/Deployment/api}}
"""
GOOD = "{workload: shop/Deployment/api, within: 1.5s}"
TOTAL = "{workload: shop/Deployment/api}"
AT = "spec.indicator.spec.ratioMetric"


def test_an_slo_of_scale_ups_is_judged_and_has_no_cells(judge, valid):
    catalogue = judge.catalogue(valid + SLO)
    found = catalogue.scaleup_slos["scales"]
    assert found.indicator == ScaleupSli("in-time", ("shop/Deployment/api",), 1.5, "trigger", "in_rotation")
    assert (found.source, found.service, found.window_seconds) == ("scaleup", "shop", 28 * 86_400)
    assert (found.journey, found.group_by, found.is_composite) == ("", (), False)
    assert catalogue.judged["scales"] is found
    assert "scales" not in catalogue.slos


def test_from_and_until_are_said(judge, valid):
    said = "{workloads: [shop/Deployment/*, '*/Rollout/api'], within: 2m, from: decision, until: first_journey}"
    text = SLO.replace(GOOD, said).replace(TOTAL, "{workloads: ['*/Rollout/api', shop/Deployment/*]}")
    found = judge.catalogue(valid + text).scaleup_slos["scales"].indicator
    assert (found.within_seconds, found.begin, found.until) == (120, "decision", "first_journey")
    assert found.counts(Workload("shop", "Deployment", "cart"))
    assert found.counts(Workload("stage", "Rollout", "api"))
    assert not found.counts(Workload("stage", "Deployment", "api"))


def test_an_sli_of_its_own_may_count_them(judge, valid):
    start = SLO.index("  indicator:")
    sli = SLO[start:].replace("  indicator:\n    metadata: {name: in-time}\n    spec:\n", "").replace("\n    ", "\n")
    document = "---\napiVersion: openslo/v1\nkind: SLI\nmetadata: {name: in-time}\nspec:\n" + sli.replace(
        "      ratio", "  ratio", 1
    )
    found = judge.catalogue(valid + document + SLO[:start] + "  indicatorRef: in-time\n")
    assert found.scaleup_slos["scales"].indicator.within_seconds == 1.5
    assert set(found.slis) == {"success"}


@pytest.mark.parametrize(
    ("written", "instead", "message"),
    [
        (", within: 1.5s", "", f"{AT}.good.metricSource.spec.within: is required (say how long a scale-up may take, such as 30s)"),
        ("1.5s", "2h", f"{AT}.good.metricSource.spec.within: must be at most 1h (lower it)"),
        ("1.5s", "soon", f"{AT}.good.metricSource.spec.within: 'soon' is not a duration from 1us to 11d (write it as '30s'; units are us, ms, s, m (minutes), h, d)"),
        (TOTAL, "{workload: shop/Deployment/api, within: 5s}", f"{AT}.total.metricSource.spec.within: is of good alone: total counts every scale-up (move it to good)"),
        (TOTAL, "{workload: shop/Deployment/cart}", f"{AT}.good: good and total are about different workloads (name the same in both)"),
        (TOTAL, "{within: 5s}", f"{AT}.total.metricSource.spec.workload: give exactly one of workload and workloads (write NAMESPACE/KIND/NAME, such as shop/Deployment/checkout-api; * stands for any characters)"),
        (TOTAL, "{workload: api}", f"{AT}.total.metricSource.spec.workload: 'api' is no workload (write NAMESPACE/KIND/NAME, such as shop/Deployment/checkout-api; * stands for any characters)"),
        (TOTAL, "{workload: shop/Deployment/api, untill: ready}", f"{AT}.total.metricSource.spec.untill: unknown field (did you mean 'until'?)"),
        ("1.5s}", "1.5s, until: rotation}", f"{AT}.good.metricSource.spec.until: 'rotation' is not one of ready, in_rotation, first_journey (did you mean 'in_rotation'?)"),
        ("        good:", "        bad:", f"{AT}.bad: scale-ups are counted by those that were done in time (write good instead)"),
        (f"type: scaleup, spec: {TOTAL}", "type: journey, spec: {journey: checkout}", f"{AT}.good: good and total are counted by different sources (count both in one)"),
        ("type: scaleup, spec: {workload: shop/Deployment/api}", "type: scaleups, spec: {workload: shop/Deployment/api}", f"{AT}.total.metricSource.type: a metricSource of type 'scaleups' is valid OpenSLO, but this version does not judge it (did you mean 'scaleup'?; known: journey, prometheus, scaleup)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_where_it_stands_with_its_mend(judge, valid, written, instead, message):
    assert written in SLO
    problems = judge.problems(valid + SLO.replace(written, instead, 1))
    assert f"error: {message}" in [problem.split(": ", 1)[1] for problem in problems]


def test_scale_ups_have_no_composites(judge, valid):
    start = SLO.index("  indicator:")
    nested = SLO[start:].replace("\n", "\n    ").rstrip(" ")
    text = SLO[:start].replace("objectives: [{target: 0.95}]", "objectives:\n    - target: 0.95\n  ") + "    " + nested
    problems = judge.problems(valid + text.replace("  \n", "\n"))
    assert any(
        "a composite of scale-ups is valid OpenSLO, but this version does not judge it" in each for each in problems
    )
    assert all("composite" in each for each in problems)


def test_openslo_itself_says_nothing_of_what_a_source_counts(judge, valid):
    assert judge.problems(valid + SLO.replace(GOOD, "{anything: 1}"), standard=True) == []
