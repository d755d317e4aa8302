"""Documents to lint: one clean shop, and a way of changing one thing in it."""

from pathlib import Path

import pytest

from maibo_slo.linting import Finding, Linted, Traffic, lint

SHOP = """\
apiVersion: openslo/v1
kind: Service
metadata: {name: shop}
spec: {}
---
apiVersion: maibo.dev/v1
kind: Journey
metadata: {name: checkout}
spec:
  timeout: 30m
  steps:
    - name: basket
      routes: [POST /checkout]
      begins: true
    - name: payment
      routes: ["POST /checkout/{id}/pay"]
      ends: true
"""
JOURNEY_SLO = """\
---
apiVersion: openslo/v1
kind: SLO
metadata:
  name: NAME
  annotations: {ANNOTATIONS}
spec:
  service: shop
  budgetingMethod: Occurrences
  timeWindow:
    - duration: WINDOW
      isRolling: true
  objectives: OBJECTIVES
  indicator:
    metadata: {name: sli}
    spec:
      ratioMetric:
        PART:
          metricSource: {type: journey, spec: {journey: checkout, SELECTED}}
        total:
          metricSource: {type: journey, spec: {journey: checkout, TOTAL}}
"""
PROMETHEUS_SLO = """\
---
apiVersion: openslo/v1
kind: SLO
metadata:
  name: NAME
spec:
  service: shop
  budgetingMethod: Occurrences
  timeWindow: [{duration: WINDOW, isRolling: true}]
  objectives: [{target: 0.99}]
  indicator:
    metadata: {name: sli}
    spec:
      ratioMetric:
        PART:
          metricSource: {type: prometheus, spec: {query: 'SELECTED'}}
        total:
          metricSource: {type: prometheus, spec: {query: 'TOTAL'}}
"""
CONDITION = """\
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: nobody}
spec: {target: mail}
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: quick}
spec:
  severity: page
  condition: {kind: burnrate, op: OP, threshold: THRESHOLD, lookbackWindow: LOOKBACK}
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: wake}
spec:
  alertWhenBreaching: true
  conditions: [{conditionRef: quick}]
  notificationTargets: [{targetRef: nobody}]
"""


def journey_slo(
    *,
    name: str = "fast",
    window: str = "28d",
    objectives: str = "[{target: 0.99}]",
    part: str = "good",
    selected: str = "maxDuration: 300ms",
    total: str = "",
    annotations: str = "",
    policies: str = "",
) -> str:
    """An SLO of the checkout; 99 % within 300 ms over 28 days unless told otherwise."""
    text = JOURNEY_SLO
    for word, value in {
        "NAME": name,
        "WINDOW": window,
        "OBJECTIVES": objectives,
        "PART": part,
        "SELECTED": selected,
        "TOTAL": total,
        "ANNOTATIONS": annotations,
    }.items():
        text = text.replace(word, value)
    return text + (f"  alertPolicies: [{policies}]\n" if policies else "")


def prometheus_slo(
    *,
    name: str = "served",
    window: str = "14d",
    part: str = "good",
    selected: str = 'sum(increase(http_requests_total{code!~"5.."}[{{.window}}]))',
    total: str = "sum(increase(http_requests_total[{{.window}}]))",
) -> str:
    """An SLO of a Prometheus; clean unless told otherwise."""
    text = PROMETHEUS_SLO
    for word, value in {"NAME": name, "WINDOW": window, "PART": part, "SELECTED": selected, "TOTAL": total}.items():
        text = text.replace(word, value)
    return text


def alert_condition(*, op: str = "gt", threshold: str = "13.44", lookback: str = "1h") -> str:
    """A condition ``quick``, and the policy ``wake`` that asks for it."""
    return CONDITION.replace("OP", op).replace("THRESHOLD", threshold).replace("LOOKBACK", lookback)


class Shop:
    """Lints the shop with further documents."""

    journey_slo = staticmethod(journey_slo)
    prometheus_slo = staticmethod(prometheus_slo)
    alert_condition = staticmethod(alert_condition)

    def __init__(self, folder: Path) -> None:
        self.file = folder / "shop.yaml"

    def lint(self, *documents: str, traffic: Traffic | None = None, ignored: frozenset[str] = frozenset()) -> Linted:
        self.file.write_text(SHOP + "".join(documents))
        return lint([self.file], traffic=traffic, ignored=ignored)

    def found(self, *documents: str, per_day: float | None = None) -> dict[str, Finding]:
        """Findings by rule; documents must be valid."""
        linted = self.lint(*documents, traffic=Traffic(per_day))
        assert linted.problems == ()
        return {finding.rule.id: finding for finding in linted.findings}

    def at(self, finding: Finding) -> str:
        """The text that a finding points at, to the end of its line."""
        return self.file.read_text().splitlines()[finding.at.line - 1][finding.at.column - 1 :]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)
