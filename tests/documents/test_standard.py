"""OpenSLO v1 by its own rules: all seven kinds, each rule by a valid document with one thing changed, and what people write against them.

Positions are asserted: where a problem is told is half of what it is worth.
"""

import json
import re
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maibo_slo.documents import DocumentsError, load

VALID = {
    "DataSource": """\
apiVersion: openslo/v1
kind: DataSource
metadata:
  name: prom
  annotations: {example.com/owner: sre}
spec:
  description: Counts.
  type: Prometheus
  connectionDetails: {url: "http://prometheus.example:9090", tls: {verify: true, names: [a, b]}}
""",
    "AlertCondition": """\
apiVersion: openslo/v1
kind: AlertCondition
metadata:
  name: fast-burn
spec:
  description: A month's budget in two days.
  severity: page
  condition:
    kind: burnrate
    op: gte
    threshold: 14.4
    lookbackWindow: 1h
    alertAfter: 5m
""",
    "AlertNotificationTarget": """\
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata:
  name: on-call
spec:
  description: Whoever is on call.
  target: pagerduty
""",
    "AlertPolicy": """\
apiVersion: openslo/v1
kind: AlertPolicy
metadata:
  name: page
spec:
  description: Wakes somebody.
  alertWhenNoData: true
  alertWhenResolved: true
  alertWhenBreaching: true
  conditions:
    - kind: AlertCondition
      metadata: {name: fast-burn}
      spec: {severity: page, condition: {kind: burnrate, op: gt, threshold: 2, lookbackWindow: 1h}}
  notificationTargets:
    - kind: AlertNotificationTarget
      metadata: {name: on-call}
      spec: {target: slack}
""",
    "Service": """\
apiVersion: openslo/v1
kind: Service
metadata:
  name: shop
  displayName: Shop
  labels: {team: shopping, tier: [gold, silver]}
spec:
  description: Sells things.
""",
    "SLI": """\
apiVersion: openslo/v1
kind: SLI
metadata:
  name: response-time
spec:
  description: How long customers wait.
  thresholdMetric:
    metricSource:
      type: Datadog
      spec: {query: "p99:http.latency{*}"}
""",
    "raw SLI": """\
apiVersion: openslo/v1
kind: SLI
metadata:
  name: availability
spec:
  ratioMetric:
    counter: true
    raw:
      metricSource:
        type: Datadog
        spec: {query: up}
    rawType: success
""",
    "SLO": """\
apiVersion: openslo/v1
kind: Service
metadata: {name: shop}
---
apiVersion: openslo/v1
kind: SLO
metadata:
  name: fast
spec:
  service: shop
  indicator:
    metadata: {name: response-time}
    spec:
      thresholdMetric:
        metricSource: {type: Any, spec: {query: Any}}
  timeWindow:
    - duration: 1M
      isRolling: false
      calendar:
        startTime: 2026-01-01 00:00:00
        timeZone: America/New_York
  budgetingMethod: Timeslices
  objectives:
    - displayName: most
      op: lte
      value: 0.5
      target: 0.99
      timeSliceTarget: 1
      timeSliceWindow: 5m
""",
    "composite": """\
apiVersion: openslo/v1
kind: Service
metadata: {name: shop}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: shown}
spec:
  ratioMetric:
    total: {metricSource: {type: Any, spec: {query: Any}}}
    bad: {metricSource: {type: Any, spec: {query: Any}}}
---
apiVersion: openslo/v1
kind: SLO
metadata:
  name: all
spec:
  service: shop
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: RatioTimeslices
  objectives:
    - target: 0.99
      timeSliceWindow: 1m
      indicatorRef: shown
      compositeWeight: 0.5
    - targetPercent: 99
      displayName: second
      timeSliceWindow: 1m
      indicator:
        metadata: {name: paid}
        spec:
          ratioMetric:
            total: {metricSource: {type: Any, spec: {query: Any}}}
            good: {metricSource: {type: Any, spec: {query: Any}}}
""",
}

CASES = [
    ("DataSource", "  type: Prometheus\n", "", ["7:3: error: spec.type: is required (such as Prometheus)"]),
    (
        "DataSource",
        '{url: "http://prometheus.example:9090", tls: {verify: true, names: [a, b]}}',
        "null",
        [
            "9:22: error: spec.connectionDetails: is required (what is needed to connect, such as {url: ...}; {} if nothing is)"
        ],
    ),
    (
        "DataSource",
        "connectionDetails",
        "conectionDetails",
        [
            "7:3: error: spec.connectionDetails: is required (what is needed to connect, such as {url: ...}; {} if nothing is)",
            "9:3: error: spec.conectionDetails: unknown field (did you mean 'connectionDetails'?)",
        ],
    ),
    (
        "DataSource",
        "description: Counts.",
        "description: " + "x" * 1051,
        ["7:16: error: spec.description: has 1051 characters, at most 1050 are allowed (shorten it)"],
    ),
    (
        "DataSource",
        "example.com/owner: sre",
        '"' + "a" * 254 + '/b": sre',
        [
            "5:17: error: metadata.annotations['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa']: is not an annotation's key (write name or example.com/name)"
        ],
    ),
    (
        "DataSource",
        "example.com/owner: sre",
        "Example_com/owner: sre",
        [
            "5:17: error: metadata.annotations['Example_com/owner']: is not an annotation's key (write name or example.com/name)"
        ],
    ),
    ("AlertCondition", "  severity: page\n", "", ["6:3: error: spec.severity: is required (such as page or ticket)"]),
    (
        "AlertCondition",
        "severity: page",
        "severity: 1",
        ["7:13: error: spec.severity: must be text, not a number (such as page or ticket)"],
    ),
    (
        "AlertCondition",
        "    kind: burnrate\n",
        "    kind: burn\n",
        ["9:11: error: spec.condition.kind: 'burn' is not one of burnrate (did you mean 'burnrate'?)"],
    ),
    (
        "AlertCondition",
        "op: gte",
        "op: ge",
        ["10:9: error: spec.condition.op: 'ge' is not one of lte, gte, lt, gt (did you mean 'gte'?)"],
    ),
    ("AlertCondition", "    op: gte\n", "", ["9:5: error: spec.condition.op: is required (write gte)"]),
    (
        "AlertCondition",
        "    threshold: 14.4\n",
        "",
        ["9:5: error: spec.condition.threshold: is required (a burn rate, such as 14.4)"],
    ),
    ("AlertCondition", "14.4", '"14.4"', ["11:16: error: spec.condition.threshold: must be a finite number, not text"]),
    (
        "AlertCondition",
        "    lookbackWindow: 1h\n",
        "",
        ["9:5: error: spec.condition.lookbackWindow: is required (such as 1h)"],
    ),
    (
        "AlertCondition",
        "1h",
        "60",
        ["12:21: error: spec.condition.lookbackWindow: must be text, not a number (such as 1h)"],
    ),
    (
        "AlertCondition",
        "1h",
        "0h",
        [
            "12:21: error: spec.condition.lookbackWindow: '0h' is not an OpenSLO duration (write a whole number above 0 and one of m (minutes), h, d, w, M (months), Q, Y: such as 1h)"
        ],
    ),
    (
        "AlertCondition",
        "5m",
        "5min",
        [
            "13:17: error: spec.condition.alertAfter: '5min' is not an OpenSLO duration (write a whole number above 0 and one of m (minutes), h, d, w, M (months), Q, Y: such as 5m)"
        ],
    ),
    (
        "AlertCondition",
        "alertAfter",
        "alertsAfter",
        ["13:5: error: spec.condition.alertsAfter: unknown field (did you mean 'alertAfter'?)"],
    ),
    ("AlertNotificationTarget", "  target: pagerduty\n", "", ["6:3: error: spec.target: is required (such as slack)"]),
    (
        "AlertNotificationTarget",
        "target:",
        "targets:",
        [
            "6:3: error: spec.target: is required (such as slack)",
            "7:3: error: spec.targets: unknown field (did you mean 'target'?)",
        ],
    ),
    (
        "AlertPolicy",
        "true",
        '"yes"',
        [
            "7:20: error: spec.alertWhenNoData: must be true or false, not text (YAML 1.2 has no yes, no, on and off; write true or false without quotes)"
        ],
    ),
    (
        "AlertPolicy",
        "  conditions:\n    - kind: AlertCondition\n",
        "  conditions:\n    - conditionRef: x\n    - kind: AlertCondition\n",
        [
            "11:5: error: spec.conditions: must have exactly one item (write one policy for each condition)",
            "11:21: warning: spec.conditions[0].conditionRef: there is no AlertCondition named 'x' (add a document of kind AlertCondition)",
        ],
    ),
    (
        "AlertPolicy",
        "    - kind: AlertCondition\n",
        "    - conditionRef: fast-burn\n      kind: AlertCondition\n",
        [
            "11:21: error: spec.conditions[0].conditionRef: give exactly one of conditionRef and an inlined AlertCondition (kind, metadata, spec)"
        ],
    ),
    (
        "AlertPolicy",
        "      spec: {severity: page, condition: {kind: burnrate, op: gt, threshold: 2, lookbackWindow: 1h}}\n",
        "",
        ["11:7: error: spec.conditions[0].spec: is required"],
    ),
    (
        "AlertPolicy",
        "kind: AlertCondition",
        "kind: AlertConditions",
        [
            "11:13: error: spec.conditions[0].kind: 'AlertConditions' is not one of AlertCondition (did you mean 'AlertCondition'?)"
        ],
    ),
    (
        "AlertPolicy",
        "  conditions:\n    - kind: AlertCondition\n      metadata: {name: fast-burn}\n      spec: {severity: page, condition: {kind: burnrate, op: gt, threshold: 2, lookbackWindow: 1h}}\n",
        "",
        ["6:3: error: spec.conditions: is required (add conditions: [{conditionRef: ...}])"],
    ),
    (
        "AlertPolicy",
        "  notificationTargets:\n    - kind: AlertNotificationTarget\n      metadata: {name: on-call}\n      spec: {target: slack}\n",
        "  notificationTargets: []\n",
        [
            "14:24: error: spec.notificationTargets: must have at least one item (add notificationTargets: [{targetRef: ...}])"
        ],
    ),
    (
        "AlertPolicy",
        "    - kind: AlertNotificationTarget\n      metadata: {name: on-call}\n      spec: {target: slack}\n",
        "    - targetRef: On Call\n",
        [
            "15:18: error: spec.notificationTargets[0].targetRef: 'On Call' is not a name (use at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit)",
            "15:18: warning: spec.notificationTargets[0].targetRef: there is no AlertNotificationTarget named 'On Call' (add a document of kind AlertNotificationTarget)",
        ],
    ),
    (
        "AlertPolicy",
        "    - kind: AlertNotificationTarget\n      metadata: {name: on-call}\n      spec: {target: slack}\n",
        "    - {}\n",
        [
            "15:7: error: spec.notificationTargets[0].targetRef: give exactly one of targetRef and an inlined AlertNotificationTarget (kind, metadata, spec)"
        ],
    ),
    (
        "AlertPolicy",
        "metadata: {name: on-call}",
        "metadata: {name: On-Call}",
        [
            "16:24: error: spec.notificationTargets[0].metadata.name: 'On-Call' is not a name (use at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit)"
        ],
    ),
    (
        "SLI",
        "  thresholdMetric:",
        "  thresholdMetrics:",
        [
            "6:3: error: spec.ratioMetric: give exactly one of ratioMetric and thresholdMetric",
            "7:3: error: spec.thresholdMetrics: unknown field (did you mean 'thresholdMetric'?)",
        ],
    ),
    (
        "SLI",
        '{query: "p99:http.latency{*}"}',
        "{}",
        ["10:13: error: spec.thresholdMetric.metricSource.spec: must have at least one field (say what is counted)"],
    ),
    (
        "SLI",
        '      spec: {query: "p99:http.latency{*}"}\n',
        "",
        ["9:7: error: spec.thresholdMetric.metricSource.spec: is required (say what is counted)"],
    ),
    (
        "SLI",
        "      type: Datadog\n",
        "      type: Datadog\n      metricSourceRef: Data Dog\n",
        [
            "10:24: error: spec.thresholdMetric.metricSource.metricSourceRef: 'Data Dog' is not a name (use at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit)",
            "10:24: warning: spec.thresholdMetric.metricSource.metricSourceRef: there is no DataSource named 'Data Dog' (add a document of kind DataSource)",
        ],
    ),
    (
        "SLI",
        "    metricSource:\n",
        "    source: {}\n    metricSource:\n",
        ["8:5: error: spec.thresholdMetric.source: unknown field (did you mean 'metricSource'?)"],
    ),
    (
        "raw SLI",
        "    rawType: success\n",
        "",
        ["7:5: error: spec.ratioMetric.rawType: is required (write success or failure)"],
    ),
    (
        "raw SLI",
        "rawType: success",
        "rawType: succes",
        ["12:14: error: spec.ratioMetric.rawType: 'succes' is not one of success, failure (did you mean 'success'?)"],
    ),
    (
        "raw SLI",
        "    rawType: success\n",
        "    rawType: success\n    total: {metricSource: {spec: {query: Any}}}\n",
        [
            "13:12: error: spec.ratioMetric.total: is not allowed beside raw (keep raw and rawType, or total and good or bad)"
        ],
    ),
    (
        "raw SLI",
        "    raw:\n      metricSource:\n        type: Datadog\n        spec: {query: up}\n    rawType: success\n",
        "    total: {metricSource: {spec: {query: Any}}}\n",
        ["7:5: error: spec.ratioMetric.good: give exactly one of good and bad"],
    ),
    (
        "raw SLI",
        "    raw:\n",
        "    thresholdMetric: {}\n    raw:\n",
        [
            "8:5: error: spec.ratioMetric.thresholdMetric: unknown field (known here: counter, raw, rawType, total, good, bad)"
        ],
    ),
    (
        "SLO",
        "2026-01-01 00:00:00",
        "2026-02-30 00:00:00",
        [
            "20:20: error: spec.timeWindow[0].calendar.startTime: '2026-02-30 00:00:00' is not a date and time (write it as YYYY-MM-DD hh:mm:ss)"
        ],
    ),
    (
        "SLO",
        "2026-01-01 00:00:00",
        "2026-01-01",
        [
            "20:20: error: spec.timeWindow[0].calendar.startTime: '2026-01-01' is not a date and time (write it as YYYY-MM-DD hh:mm:ss)"
        ],
    ),
    (
        "SLO",
        "2026-01-01 00:00:00",
        "2026-01-01T00:00:00Z",
        [
            "20:20: error: spec.timeWindow[0].calendar.startTime: '2026-01-01T00:00:00Z' is not a date and time (write it as YYYY-MM-DD hh:mm:ss)"
        ],
    ),
    (
        "SLO",
        "America/New_York",
        "America/New_Yrok",
        [
            "21:19: error: spec.timeWindow[0].calendar.timeZone: there is no time zone 'America/New_Yrok' (did you mean 'America/New_York'?)"
        ],
    ),
    (
        "SLO",
        "America/New_York",
        "EST5EDT4,M3.2.0,M11.1.0",
        [
            "21:19: error: spec.timeWindow[0].calendar.timeZone: there is no time zone 'EST5EDT4,M3.2.0,M11.1.0' (name an IANA zone such as Europe/Berlin)"
        ],
    ),
    (
        "SLO",
        "        timeZone: America/New_York\n",
        "",
        ["20:9: error: spec.timeWindow[0].calendar.timeZone: is required (name an IANA zone such as Europe/Berlin)"],
    ),
    (
        "SLO",
        "isRolling: false",
        "isRolling: true",
        ["20:9: error: spec.timeWindow[0].calendar: is not allowed in a rolling window (remove it, or isRolling)"],
    ),
    (
        "SLO",
        "      calendar:\n        startTime: 2026-01-01 00:00:00\n        timeZone: America/New_York\n",
        "",
        [
            "18:18: error: spec.timeWindow[0].isRolling: must be true, or a calendar be given (use timeWindow: [{duration: 28d, isRolling: true}])"
        ],
    ),
    (
        "SLO",
        "        timeZone:",
        "        timezone:",
        [
            "20:9: error: spec.timeWindow[0].calendar.timeZone: is required (name an IANA zone such as Europe/Berlin)",
            "21:9: error: spec.timeWindow[0].calendar.timezone: unknown field (did you mean 'timeZone'?)",
        ],
    ),
    (
        "SLO",
        "      op: lte\n",
        "",
        ["24:7: error: spec.objectives[0].op: is required with a thresholdMetric (such as op: lte and value: 500)"],
    ),
    (
        "SLO",
        "      value: 0.5\n",
        "",
        ["24:7: error: spec.objectives[0].value: is required with a thresholdMetric (such as op: lte and value: 500)"],
    ),
    (
        "SLO",
        "op: lte",
        "op: le",
        ["25:11: error: spec.objectives[0].op: 'le' is not one of lte, gte, lt, gt (did you mean 'lte'?)"],
    ),
    ("SLO", "value: 0.5", "value: half", ["26:14: error: spec.objectives[0].value: must be a finite number, not text"]),
    (
        "SLO",
        "timeSliceTarget: 1\n",
        "timeSliceTarget: 1.5\n",
        [
            "28:24: error: spec.objectives[0].timeSliceTarget: must be above 0 and at most 1 (write a share: 0.95, not 95)"
        ],
    ),
    (
        "SLO",
        "      timeSliceTarget: 1\n",
        "",
        ["24:7: error: spec.objectives[0].timeSliceTarget: is required with the method Timeslices (such as 0.95)"],
    ),
    (
        "SLO",
        "      timeSliceWindow: 5m\n",
        "",
        ["24:7: error: spec.objectives[0].timeSliceWindow: is required with the method Timeslices (such as 1m)"],
    ),
    (
        "SLO",
        "timeSliceWindow: 5m",
        "timeSliceWindow: 5s",
        [
            "29:24: error: spec.objectives[0].timeSliceWindow: '5s' is not an OpenSLO duration (write a whole number above 0 and one of m (minutes), h, d, w, M (months), Q, Y: such as 1m)"
        ],
    ),
    (
        "SLO",
        "timeSliceWindow: 5m",
        "timeSliceWindow: 0.5",
        ["29:24: error: spec.objectives[0].timeSliceWindow: must be text, not a number (such as 1m)"],
    ),
    (
        "SLO",
        "target: 0.99",
        "target: 1",
        [
            "27:15: error: spec.objectives[0].target: must be above 0 and below 1 (100 % leaves no budget to spend: lower it, such as targetPercent: 99.9, and see maibo lint --explain SLO001)"
        ],
    ),
    ("SLO", "target: 0.99", "target: -0.1", ["27:15: error: spec.objectives[0].target: must be above 0 and below 1"]),
    (
        "SLO",
        "target: 0.99",
        "targetPercent: 100",
        [
            "27:22: error: spec.objectives[0].targetPercent: must be above 0 and below 100 (100 % leaves no budget to spend: lower it, such as targetPercent: 99.9, and see maibo lint --explain SLO001)"
        ],
    ),
    (
        "SLO",
        "target: 0.99",
        "target: 0.99\n      targetPercent: 99",
        ["27:15: error: spec.objectives[0].target: give exactly one of target and targetPercent"],
    ),
    (
        "composite",
        "compositeWeight: 0.5",
        "compositeWeight: 0",
        ["25:24: error: spec.objectives[0].compositeWeight: must be above 0 (remove it for a weight of 1)"],
    ),
    (
        "composite",
        "compositeWeight: 0.5",
        "compositeWeight: -1",
        ["25:24: error: spec.objectives[0].compositeWeight: must be above 0 (remove it for a weight of 1)"],
    ),
    (
        "composite",
        "      indicatorRef: shown\n",
        "      indicatorRef: shown\n      indicator: {}\n",
        ["25:18: error: spec.objectives[0].indicator: give exactly one of indicator and indicatorRef"],
    ),
    (
        "composite",
        "  service: shop\n",
        "  service: shop\n  indicatorRef: shown\n",
        ["19:17: error: spec.indicatorRef: an objective has an indicator too (keep it here, or on each objective)"],
    ),
    (
        "composite",
        "            good:",
        "            goood:",
        [
            "33:13: error: spec.objectives[1].indicator.spec.ratioMetric.good: give exactly one of good and bad",
            "34:13: error: spec.objectives[1].indicator.spec.ratioMetric.goood: unknown field (did you mean 'good'?)",
        ],
    ),
    (
        "composite",
        "      timeSliceWindow: 1m\n      indicatorRef",
        "      indicatorRef",
        ["22:7: error: spec.objectives[0].timeSliceWindow: is required with the method RatioTimeslices (such as 1m)"],
    ),
    (
        "composite",
        "timeSliceWindow: 1m\n      indicatorRef",
        "timeSliceWindow: 1\n      indicatorRef",
        [
            "23:24: error: spec.objectives[0].timeSliceWindow: a number without a unit is minutes; OpenSLO's validator refuses it (write 1m)"
        ],
    ),
]
KINDS = ("DataSource", "SLO", "SLI", "AlertPolicy", "AlertCondition", "AlertNotificationTarget", "Service")

RATIO = """\
    spec:
      ratioMetric:
        good: {metricSource: {type: Any, spec: {query: Any}}}
        total: {metricSource: {type: Any, spec: {query: Any}}}
"""
SLO = """\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: main-page
  displayName: Main page availability
spec:
  service: web-shop
  indicator:
    metadata:
      name: response-code
"""
THRESHOLD = """\
    spec:
      thresholdMetric: {metricSource: {type: Any, spec: {query: Any}}}
"""
CALENDAR = """\
  timeWindow:
    - duration: 1w
      isRolling: false
      calendar:
        startTime: 2022-01-01 12:00:00
        timeZone: America/New_York
"""
ROLLING = "  timeWindow: [{duration: 2w, isRolling: true}]\n"
OFFICIAL = {
    "occurrences": f"{SLO}{THRESHOLD}{ROLLING}  budgetingMethod: Occurrences\n"
    "  objectives: [{displayName: Good, op: lt, value: 500, target: 0.99}]\n  alertPolicies:\n",
    "ratio timeslices": f"{SLO}{RATIO}{ROLLING}  budgetingMethod: RatioTimeslices\n"
    "  objectives:\n    - {displayName: Good, op: gt, timeSliceWindow: 1m, target: 0.99}\n",
    "timeslices": f"{SLO}{RATIO}{CALENDAR}  budgetingMethod: Timeslices\n"
    "  objectives:\n    - {op: gt, target: 0.995, timeSliceTarget: 0.99, timeSliceWindow: 1m}\n  alertPolicies:\n",
    "low traffic": f"{SLO}{RATIO}{CALENDAR}  budgetingMethod: Timeslices\n"
    "  objectives:\n    - {displayName: Objective, op: gt, target: 0.9995, timeSliceTarget: 0.95, timeSliceWindow: 1m}\n",
}
"""The shapes of the standard's own four examples. Each stands alone: its service is in no file beside it."""

POLICY = VALID["AlertPolicy"]
SHOP = VALID["Service"]
JUDGED = f"""\
{SHOP}---
apiVersion: openslo/v1
kind: SLO
metadata: {{name: available}}
spec:
  service: shop
  indicator:
    metadata: {{name: success}}
    spec:
      ratioMetric:
        good: {{metricSource: {{type: journey, spec: {{journey: checkout}}}}}}
        total: {{metricSource: {{type: journey, spec: {{journey: checkout}}}}}}
  timeWindow: [{{duration: 28d, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives:
    - target: 0.99
---
apiVersion: maibo.dev/v1
kind: Journey
metadata: {{name: checkout}}
spec: {{steps: [{{name: pay}}]}}
"""
"""Documents that this version judges, with the SLI inlined."""

DEVIATIONS = [
    (JUDGED, "- target: 0.99", "- target: 0.99\n      op: gt", "25:11", "op has no meaning with a ratioMetric"),
    (JUDGED, "- target: 0.99", "- target: 0.99\n      value: 1", "25:14", "value has no meaning with a ratioMetric"),
    (JUDGED, "- target: 0.99", "- target: 0.99\n      timeSliceWindow: 5", "25:24", "a number without a unit is minutes"),
    (JUDGED, "  budgetingMethod: Occurrences\n", "", "14:3", "is missing, Occurrences is taken"),
    (VALID["AlertCondition"], "    kind: burnrate\n", "", "9:5", "the kind of condition is missing, burnrate is taken"),
    (POLICY, "    - kind: AlertCondition\n      metadata", "    - metadata", "11:7", "the kind of what is inlined is missing, AlertCondition is taken"),
    (
        f"{JUDGED}---\n{POLICY}",
        "- target: 0.99\n",
        "- target: 0.99\n  alertPolicies: [{targetRef: page}]\n",
        "25:31",
        "targetRef is of notification targets",
    ),
]  # fmt: skip


@pytest.mark.parametrize("name", VALID)
def test_a_valid_document_of_each_kind_is_openslo_even_to_its_own_validator(judge, name):
    assert judge.problems(VALID[name], strict=True, standard=True) == []


def test_every_kind_of_the_standard_has_a_valid_document_here():
    told = {kind for text in VALID.values() for kind in re.findall(r"^kind: (\w+)$", text, re.MULTILINE)}
    assert told == set(KINDS)


@pytest.mark.parametrize(
    ("name", "written", "instead", "expected"), CASES, ids=[f"{case[0]}: {case[2].strip()[:40]!r}" for case in CASES]
)
def test_one_change_breaks_one_rule_and_is_told_where_it_stands(judge, name, written, instead, expected):
    assert written in VALID[name]
    text = VALID[name].replace(written, instead, 1)
    assert judge.problems(text, strict=True, standard=True) == [f"docs.yaml:{problem}" for problem in expected]


@pytest.mark.parametrize(
    ("name", "written", "instead", "expected"), CASES, ids=[f"{case[0]}: {case[2].strip()[:40]!r}" for case in CASES]
)
def test_the_rules_of_the_standard_hold_inside_what_is_not_judged_too(judge, name, written, instead, expected):
    """As told without asking for the standard alone: every error of it is there, beside those of what is not judged."""
    found = judge.problems(VALID[name].replace(written, instead, 1), strict=True)
    places = {problem.split(": ")[0] for problem in found}
    assert {f"docs.yaml:{problem.split(': ')[0]}" for problem in expected} <= places


@pytest.mark.parametrize("name", OFFICIAL)
def test_of_the_standards_own_examples_those_with_op_beside_a_ratio_fail_strictly_and_are_warned_of_otherwise(
    judge, name
):
    missing = "service: there is no Service named 'web-shop'"
    strict = [
        problem for problem in judge.problems(OFFICIAL[name], strict=True, standard=True) if missing not in problem
    ]
    lenient = [problem for problem in judge.problems(OFFICIAL[name], standard=True) if missing not in problem]
    if name == "occurrences":
        assert strict == lenient == []
    else:
        [refused], [warned] = strict, lenient
        assert (
            ": error: spec.objectives[0].op: op has no meaning with a ratioMetric; OpenSLO's validator refuses it"
            in refused
        )
        assert warned == refused.replace(": error: ", ": warning: ")


@pytest.mark.parametrize(
    ("text", "written", "instead", "place", "message"), DEVIATIONS, ids=[case[4][:40] for case in DEVIATIONS]
)
def test_what_people_write_against_the_validator_is_a_warning_with_its_mend_and_an_error_where_it_must_be_strict(
    judge, text, written, instead, place, message
):
    assert judge.problems(text, strict=True) == []
    deviant = text.replace(written, instead, 1)
    lenient = judge.problems(deviant)
    [warned] = [problem for problem in lenient if "OpenSLO's validator refuses it" in problem]
    assert warned.startswith(f"docs.yaml:{place}: warning: ")
    assert f"{message}; OpenSLO's validator refuses it (" in warned
    assert judge.check()[0] is not None
    assert any(f"docs.yaml:{place}: error: " in problem for problem in judge.problems(deviant, strict=True))


def test_what_openslos_validator_does_not_look_at_stays_a_warning_when_strict(judge):
    """It cannot know of which kind an SLI is that is only referred to."""
    text = JUDGED.replace("- target: 0.99", "- target: 0.99\n      op: gt\n      value: 1")
    inline = "indicator:\n    metadata: {name: success}\n    spec:\n"
    sli = text[text.index("      ratioMetric:") : text.index("  timeWindow")]
    referring = text.replace(inline + sli, "indicatorRef: success\n")
    sli = "apiVersion: openslo/v1\nkind: SLI\nmetadata: {name: success}\nspec:\n" + re.sub("(?m)^    ", "", sli)
    told = judge.problems(f"{referring}---\n{sli}", strict=True)
    assert [problem.split(": ", 1)[1] for problem in told] == [
        "warning: spec.objectives[0].op: op has no meaning with a ratioMetric (remove it)",
        "warning: spec.objectives[0].value: value has no meaning with a ratioMetric (remove it)",
    ]


def test_what_is_valid_and_not_judged_is_an_error_unless_the_standard_alone_is_asked_for(judge):
    for name in ("SLI", "raw SLI", "SLO", "composite"):
        told = judge.problems(VALID[name])
        assert told
        assert all(
            " error: " in problem and "is valid OpenSLO, but this version does not judge it" in problem
            for problem in told
        )


def test_a_condition_that_holds_while_all_is_well_is_a_warning(judge):
    """The standard's own example says that a burn rate exceeds 2, and writes ``lte``."""
    assert judge.problems(VALID["AlertCondition"].replace("gte", "lte"), strict=True) == [
        "docs.yaml:10:9: warning: spec.condition.op: with lte it holds while the budget burns slower than the threshold (write gte, unless that is meant)"
    ]


def test_a_policy_that_never_alerts_is_a_warning(judge):
    assert judge.problems(re.sub("(When[A-Za-z]+): true", r"\1: false", POLICY), strict=True) == [
        "docs.yaml:9:23: warning: spec.alertWhenBreaching: this policy never alerts (set alertWhenBreaching: true)"
    ]


def test_references_to_other_files_are_warnings_where_the_standard_alone_is_asked_for(judge):
    text = OFFICIAL["occurrences"]
    assert judge.problems(text, standard=True) == [
        "docs.yaml:7:12: warning: spec.service: there is no Service named 'web-shop' (add a document of kind Service)"
    ]
    assert any("error: spec.service: there is no Service" in problem for problem in judge.problems(text))


def test_alert_documents_are_read_as_written_and_a_zero_wait_is_none(judge):
    catalogue = judge.catalogue(
        "---\n".join(VALID[kind] for kind in KINDS if kind not in ("SLO", "SLI", "AlertPolicy"))
    )
    condition = catalogue.alert_conditions["fast-burn"]
    assert (condition.severity, condition.op, condition.threshold) == ("page", "gte", Decimal("14.4"))
    assert (condition.lookback_seconds, condition.alert_after_seconds) == (3600, 300)
    assert catalogue.notification_targets["on-call"].target == "pagerduty"
    source = catalogue.data_sources["prom"]
    assert source.type == "Prometheus"
    assert source.connection_details["url"] == "http://prometheus.example:9090"
    assert json.loads(source.connection_details["tls"]) == {"verify": "true", "names": ["a", "b"]}
    at_once = judge.catalogue(VALID["AlertCondition"].replace("5m", "0m"))
    assert at_once.alert_conditions["fast-burn"].alert_after_seconds == 0


def test_what_connects_to_a_data_source_is_not_shown_where_values_are_logged(judge):
    source = judge.catalogue(VALID["DataSource"].replace("url:", "password:")).data_sources["prom"]
    assert "prometheus.example" not in repr(source)


def test_what_is_inlined_is_what_would_be_referred_to(judge):
    """Policy in SLO, condition and target in policy: each way gives the same."""
    inlined = POLICY.replace("apiVersion: openslo/v1\n", "", 1)
    policies = f"  alertPolicies:\n    - {inlined.strip()}\n".replace("\n", "\n      ").rstrip() + "\n"
    policies = policies.replace("      alertPolicies", "  alertPolicies").replace(
        "          - kind: AlertPolicy", "    - kind: AlertPolicy"
    )
    in_slo = JUDGED.replace("    - target: 0.99\n", f"    - target: 0.99\n{policies}")
    referring = f"""\
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {{name: page}}
spec:
  description: Wakes somebody.
  alertWhenNoData: true
  alertWhenResolved: true
  alertWhenBreaching: true
  conditions: [{{conditionRef: fast-burn}}]
  notificationTargets: [{{targetRef: on-call}}]
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {{name: fast-burn}}
spec: {{severity: page, condition: {{kind: burnrate, op: gt, threshold: 2, lookbackWindow: 1h}}}}
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {{name: on-call}}
spec: {{target: slack}}
---
{JUDGED.replace("    - target: 0.99", "    - target: 0.99")}"""
    referring = referring.replace(
        "    - target: 0.99\n", "    - target: 0.99\n  alertPolicies: [{alertPolicyRef: page}]\n"
    )
    [one] = judge.catalogue(in_slo).slos["available"].alert_policies
    catalogue = judge.catalogue(referring)
    [other] = catalogue.slos["available"].alert_policies
    assert other is catalogue.alert_policies["page"]
    assert said(one) == said(other) == said(judge.catalogue(POLICY).alert_policies["page"])


def said(policy):
    """What a policy says, wherever its parts are written."""
    condition = policy.condition
    return (
        (policy.name, policy.description, policy.when_no_data, policy.when_resolved, policy.when_breaching),
        (condition.name, condition.severity, condition.op, condition.threshold, condition.lookback_seconds),
        [(target.name, target.target) for target in policy.targets],
    )


def test_annotations_reach_whoever_reads_the_slo(judge):
    text = JUDGED.replace(
        "metadata: {name: available}", "metadata: {name: available, annotations: {maibo.dev/runbook: x}}"
    )
    assert judge.catalogue(text).slos["available"].annotations == {"maibo.dev/runbook": "x"}
    assert judge.catalogue(JUDGED).slos["available"].annotations == {}


FIELDS = sorted({word for text in VALID.values() for word in re.findall(r"\w+(?=:)", text)})
WORDS = [*KINDS, "openslo/v1", "Occurrences", "Timeslices", "RatioTimeslices", "shop", "shown", "prom", "28d", "0m", "lte", "success", "Prometheus", "journey"]  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 200) | st.floats() | st.sampled_from(WORDS) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=3), inner, max_size=5),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    spec=ANYTHING,
    kind=st.sampled_from(KINDS),
    name=ANYTHING | st.just("a"),
    strict=st.booleans(),
    standard=st.booleans(),
)
def test_whatever_a_mapping_says_it_is_read_or_told(tmp_path, spec, kind, name, strict, standard):
    document = {"apiVersion": "openslo/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    assert_read_or_told(tmp_path, json.dumps(document), strict=strict, standard=standard)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(sorted(VALID)), strict=st.booleans(), standard=st.booleans())
def test_whatever_value_stands_in_a_field_it_is_read_or_told(tmp_path, data, name, strict, standard):
    lines = VALID[name].splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 1))
    key, colon, _ = lines[at].partition(":")
    lines[at] = f"{key}{colon} {json.dumps(data.draw(ANYTHING))}\n"
    assert_read_or_told(tmp_path, "".join(lines), strict=strict, standard=standard)


def assert_read_or_told(folder, text, **asked):
    path = folder / "anything.yaml"
    path.write_text(text)
    try:
        problems = load([path], **asked).warnings
    except DocumentsError as error:
        problems = error.problems or pytest.fail("an error that tells nothing")
    assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)


def test_no_alert_policies_are_none_however_that_is_written(judge):
    for none in ("", " []", " null"):
        text = JUDGED.replace("    - target: 0.99\n", f"    - target: 0.99\n  alertPolicies:{none}\n")
        assert judge.problems(text, strict=True) == []


def test_in_a_composite_the_fields_of_a_threshold_are_warned_of_since_the_validator_does_not_look(judge):
    text = VALID["composite"].replace("ratioMetric:\n            total", "thresholdMetric:\n            total")
    text = text.replace(
        "            total: {metricSource: {type: Any, spec: {query: Any}}}\n            good: {", "            {", 1
    )
    text = text.replace(
        "            {metricSource: {type: Any, spec: {query: Any}}}", "            metricSource: {spec: {query: Any}}"
    )
    text = text.replace("indicatorRef: shown\n", "indicatorRef: shown\n      op: lt\n", 1)
    assert judge.problems(text, strict=True, standard=True) == [
        "docs.yaml:25:11: warning: spec.objectives[0].op: op has no meaning with a ratioMetric (remove it)",
        "docs.yaml:27:7: warning: spec.objectives[1].op: is required with a thresholdMetric (such as op: lte and value: 500)",
        "docs.yaml:27:7: warning: spec.objectives[1].value: is required with a thresholdMetric (such as op: lte and value: 500)",
    ]


def test_a_composite_with_an_objective_without_indicator_is_a_warning(judge):
    text = VALID["composite"].replace("      indicatorRef: shown\n", "")
    assert judge.problems(text, strict=True, standard=True) == [
        "docs.yaml:22:7: warning: spec.objectives[0]: has no indicator, and others of this SLO have (give it one)"
    ]
