"""Each rule, by a valid file with one thing changed: the exact line, column, path, message and mend that follow, and no others."""

import pytest

WINDOW = """\
  timeWindow:
    - duration: 28d
      isRolling: true
"""
RATIO = """\
  ratioMetric:
    counter: true
    good:
      metricSource:
        type: journey
        spec: {journey: checkout, tier: [vip, standard]}
    total:
      metricSource:
        type: journey
        spec: {journey: checkout}
"""
GOOD = "spec: {journey: checkout, tier: [vip, standard]}"
TOTAL = "spec: {journey: checkout}\n"

CASES = [
    (
        "apiVersion: openslo/v1\nkind: Service",
        "kind: Service",
        ["1:1: error: apiVersion: is required (write openslo/v1 or maibo.dev/v1)"],
    ),
    (
        "kind: Service",
        "kind: Servce",
        [
            "2:7: error: kind: unknown kind 'Servce' of openslo/v1 (did you mean 'Service'?; known: AlertCondition, AlertNotificationTarget, AlertPolicy, DataSource, SLI, SLO, Service)",
            "13:12: error: spec.service: there is no Service named 'shop' (add a document of kind Service)",
            "47:12: error: spec.service: there is no Service named 'shop' (add a document of kind Service)",
        ],
    ),
    (
        "apiVersion: maibo.dev/v1",
        "apiVersion: openslo/v1",
        ["9:7: error: kind: unknown kind 'Journey' of openslo/v1 (Journey is of apiVersion maibo.dev/v1)"],
    ),
    (
        "apiVersion: maibo.dev/v1",
        "apiVersion: maibo.dev/v2",
        [
            "8:13: error: apiVersion: unknown apiVersion 'maibo.dev/v2' (did you mean 'maibo.dev/v1'?; known: maibo.dev/v1, openslo/v1)"
        ],
    ),
    (
        "apiVersion: openslo/v1\nkind: SLO",
        "apiVersion: openslo/v1alpha\nkind: SLO",
        [
            "40:13: error: apiVersion: this version does not read openslo/v1alpha (write it as openslo/v1: an SLI's ratioMetric with metricSource, timeWindow, budgetingMethod)"
        ],
    ),
    (
        "apiVersion: openslo/v1\nkind: SLO",
        "apiVersion: openslo.com/v2alpha\nkind: SLO",
        [
            "40:13: error: apiVersion: this version does not read openslo.com/v2alpha (write it as openslo/v1: indicator and indicatorRef for sli and sliRef)"
        ],
    ),
    ("kind: SLO\n", "kind: 5\n", ["41:7: error: kind: must be text, not a number (such as SLO)"]),
    (
        "name: shop\n",
        "name: Shop\n",
        [
            "4:9: error: metadata.name: 'Shop' is not a name (use at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit)",
            "13:12: error: spec.service: there is no Service named 'shop' (did you mean 'Shop'?; known: Shop)",
            "47:12: error: spec.service: there is no Service named 'shop' (did you mean 'Shop'?; known: Shop)",
        ],
    ),
    (
        "name: available",
        "name: " + "a" * 64,
        [
            "43:9: error: metadata.name: 'aaaaaaaaaaaaaaaaaaaa…' is not a name (use at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit)"
        ],
    ),
    (
        "  name: shop\n",
        "  displayName: Shop\n",
        [
            "4:3: error: metadata.name: is required",
            "13:12: error: spec.service: there is no Service named 'shop' (add a document of kind Service)",
            "47:12: error: spec.service: there is no Service named 'shop' (add a document of kind Service)",
        ],
    ),
    (
        "  name: shop\n",
        "  name: shop\n  displayName: " + "x" * 64 + "\n",
        ["5:16: error: metadata.displayName: has 64 characters, at most 63 are allowed (shorten it)"],
    ),
    (
        "  name: shop\n",
        "  name: shop\n  namespace: prod\n",
        ["5:3: error: metadata.namespace: unknown field (did you mean 'name'?)"],
    ),
    (
        "  name: shop\n",
        "  name: shop\n  displayname: Shop\n",
        ["5:3: error: metadata.displayname: unknown field (did you mean 'displayName'?)"],
    ),
    (
        "labels: {team: shopping}",
        "labels: {team: 1.10}",
        ['44:18: error: metadata.labels.team: must be text, not a number (write "1.10" in quotes)'],
    ),
    (
        "labels: {team: shopping}",
        "labels: {team: [a, true]}",
        ['44:22: error: metadata.labels.team[1]: must be text, not true or false (write "true" in quotes)'],
    ),
    (
        "labels: {team: shopping}",
        "labels: {-team: a}",
        [
            "44:12: error: metadata.labels.-team: is not a label's key (use at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit)"
        ],
    ),
    ("labels: {team: shopping}", "labels: [team]", ["44:11: error: metadata.labels: must be a mapping, not a list"]),
    (
        "labels: {team: shopping}",
        "annotations: {openslo.com/x: y}",
        [
            "44:17: error: metadata.annotations['openslo.com/x']: the prefix openslo.com/ is reserved (use a prefix of your own)"
        ],
    ),
    (
        "labels: {team: shopping}",
        "annotations: {a/b/c: y}",
        ["44:17: error: metadata.annotations['a/b/c']: is not an annotation's key (write name or example.com/name)"],
    ),
    (
        "labels: {team: shopping}",
        "annotations: {example.com/x: 1}",
        ["44:32: error: metadata.annotations['example.com/x']: must be text, not a number (write \"1\" in quotes)"],
    ),
    ("metadata:\n  name: available\n  labels: {team: shopping}\n", "", ["40:1: error: metadata: is required"]),
    (
        "kind: SLO\n",
        "kind: SLO\nstatus: {}\n",
        ["42:1: error: status: unknown field (known here: apiVersion, kind, metadata, spec)"],
    ),
    (
        "description: Sells things.",
        "markdown: Sells things.",
        ["6:3: error: spec.markdown: unknown field (known here: description)"],
    ),
    (
        "description: Checkouts succeed.",
        "description: " + "x" * 1051,
        ["46:16: error: spec.description: has 1051 characters, at most 1050 are allowed (shorten it)"],
    ),
    ("  service: shop\n  indicatorRef", "  indicatorRef", ["46:3: error: spec.service: is required"]),
    (
        "  service: shop\n  indicatorRef",
        "  service: shoppe\n  indicatorRef",
        ["47:12: error: spec.service: there is no Service named 'shoppe' (did you mean 'shop'?; known: shop)"],
    ),
    (
        "indicatorRef: success",
        "indicatorRef: sucess",
        ["48:17: error: spec.indicatorRef: there is no SLI named 'sucess' (did you mean 'success'?; known: success)"],
    ),
    ("  indicatorRef: success\n", "", ["46:3: error: spec.indicator: give exactly one of indicator and indicatorRef"]),
    (
        "  indicatorRef: success\n",
        "  indicatorRef: success\n  indicator: {metadata: {name: x}, spec: {ratioMetric: {}}}\n",
        ["49:14: error: spec.indicator: give exactly one of indicator and indicatorRef"],
    ),
    (
        "  indicatorRef: success\n",
        "  indicator: {spec: {ratioMetric: {}}}\n",
        [
            "48:14: error: spec.indicator.metadata: is required",
            "48:35: error: spec.indicator.spec.ratioMetric.good: give exactly one of good and bad",
            "48:35: error: spec.indicator.spec.ratioMetric.total: is required (count all events)",
        ],
    ),
    (
        WINDOW,
        "  timeWindow: []\n",
        [
            "49:15: error: spec.timeWindow: must have at least one item (add timeWindow: [{duration: 28d, isRolling: true}])"
        ],
    ),
    (
        WINDOW,
        "  timeWindow: {duration: 28d, isRolling: true}\n",
        ["49:15: error: spec.timeWindow: must be a list, not a mapping (begin the item with '- ')"],
    ),
    (
        WINDOW,
        "  timeWindow: [{duration: 28d, isRolling: true}, {duration: 7d, isRolling: true}]\n",
        ["49:15: error: spec.timeWindow: must have exactly one item (write one SLO for each window)"],
    ),
    (
        WINDOW,
        "  timeWindow: [{duration: 1M, calendar: {startTime: 2022-01-01 12:00:30, timeZone: America/New_York}}]\n",
        [
            "49:53: error: spec.timeWindow[0].calendar.startTime: a startTime within a minute is valid OpenSLO, but this version does not judge it (end it with :00, since minutes are counted)"
        ],
    ),
    (
        WINDOW,
        "  timeWindow: [{duration: 1M, calendar: {startTime: 1822-01-01 12:00:00, timeZone: America/New_York}}]\n",
        [
            "49:53: error: spec.timeWindow[0].calendar.startTime: a startTime that is not between 1970 and 2199 is valid OpenSLO, but this version does not judge it (write a day that is near: windows before and after it follow from it)"
        ],
    ),
    (
        WINDOW,
        "  timeWindow: [{duration: 1M, isRolling: true, calendar: {startTime: 2022-01-01 12:00:00}}]\n",
        ["49:58: error: spec.timeWindow[0].calendar: is not allowed in a rolling window (remove it, or isRolling)"],
    ),
    (
        WINDOW,
        "  timeWindow: [{duration: 1M}]\n",
        [
            "49:16: error: spec.timeWindow[0].isRolling: must be true, or a calendar be given (use timeWindow: [{duration: 28d, isRolling: true}])"
        ],
    ),
    (
        WINDOW,
        "  timeWindow: [{duration: 1M, isRolling: on}]\n",
        [
            "49:42: error: spec.timeWindow[0].isRolling: must be true or false, not text (YAML 1.2 has no yes, no, on and off; write true or false without quotes)"
        ],
    ),
    (
        WINDOW,
        "  timeWindow: [{isRolling: true}]\n",
        ["49:16: error: spec.timeWindow[0].duration: is required (such as 28d)"],
    ),
    (
        "duration: 28d",
        "duration: 28",
        ["50:17: error: spec.timeWindow[0].duration: must be text, not a number (such as 28d)"],
    ),
    (
        "duration: 28d",
        "duration: 28D",
        [
            "50:17: error: spec.timeWindow[0].duration: '28D' is not an OpenSLO duration (write a whole number above 0 and one of m (minutes), h, d, w, M (months), Q, Y: such as 28d)"
        ],
    ),
    (
        "duration: 28d",
        "duration: 1 w",
        [
            "50:17: error: spec.timeWindow[0].duration: '1 w' is not an OpenSLO duration (write a whole number above 0 and one of m (minutes), h, d, w, M (months), Q, Y: such as 28d)"
        ],
    ),
    (
        "duration: 28d",
        "duration: 0w",
        [
            "50:17: error: spec.timeWindow[0].duration: '0w' is not an OpenSLO duration (write a whole number above 0 and one of m (minutes), h, d, w, M (months), Q, Y: such as 28d)"
        ],
    ),
    (
        "duration: 28d",
        "duration: -1m",
        [
            "50:17: error: spec.timeWindow[0].duration: '-1m' is not an OpenSLO duration (write a whole number above 0 and one of m (minutes), h, d, w, M (months), Q, Y: such as 28d)"
        ],
    ),
    (
        "duration: 28d",
        "duration: 2Y",
        [
            "50:17: error: spec.timeWindow[0].duration: a window of 2Y is valid OpenSLO, but this version does not judge it (counts are kept for 400 days: use a shorter window)"
        ],
    ),
    (
        "duration: 28d",
        "duration: 1m # 1 month",
        ["50:17: warning: spec.timeWindow[0].duration: in '1m', m is minutes (write 1M if months are meant)"],
    ),
    (
        "  budgetingMethod: Occurrences\n",
        "",
        [
            "46:3: warning: spec.budgetingMethod: is missing, Occurrences is taken; OpenSLO's validator refuses it (write Occurrences)"
        ],
    ),
    (
        "Occurrences",
        "occurrences",
        [
            "52:20: error: spec.budgetingMethod: 'occurrences' is not one of Occurrences, Timeslices, RatioTimeslices (did you mean 'Occurrences'?)"
        ],
    ),
    (
        "Occurrences",
        "Timeslices",
        [
            "54:7: error: spec.objectives[0].timeSliceTarget: is required with the method Timeslices (such as 0.95)",
            "54:7: error: spec.objectives[0].timeSliceWindow: is required with the method Timeslices (such as 1m)",
        ],
    ),
    (
        "Occurrences",
        "RatioTimeslices",
        [
            "54:7: error: spec.objectives[0].timeSliceWindow: is required with the method RatioTimeslices (such as 1m)",
        ],
    ),
    (
        "  objectives:\n    - target: 0.995\n",
        "",
        [
            "46:3: error: spec.objectives: an SLO without objectives is valid OpenSLO, but this version does not judge it (add objectives: [{target: 0.99}])"
        ],
    ),
    (
        "  objectives:\n    - target: 0.995\n",
        "  objectives: []\n",
        [
            "53:15: error: spec.objectives: an SLO without objectives is valid OpenSLO, but this version does not judge it (add objectives: [{target: 0.99}])"
        ],
    ),
    (
        "  objectives:\n    - target: 0.995\n",
        "  objectives: [0.995]\n",
        ["53:16: error: spec.objectives[0]: must be a mapping, not a number"],
    ),
    (
        "target: 0.995",
        "target: 99.5",
        ["54:15: error: spec.objectives[0].target: must be above 0 and below 1 (write targetPercent: 99.5)"],
    ),
    (
        "target: 0.995",
        "target: 1",
        [
            "54:15: error: spec.objectives[0].target: must be above 0 and below 1 (100 % leaves no budget to spend: lower it, such as targetPercent: 99.9, and see maibo lint --explain SLO001)"
        ],
    ),
    (
        "target: 0.995",
        "target: 0",
        [
            "54:15: error: spec.objectives[0].target: a target of 0 is valid OpenSLO, but this version does not judge it (write what share of events must be good)"
        ],
    ),
    (
        "target: 0.995",
        "target: 0.99999999999999999999",
        [
            "54:15: error: spec.objectives[0].target: a target of more than 12 decimals is valid OpenSLO, but this version does not judge it (use at most 12)"
        ],
    ),
    (
        "target: 0.995",
        'target: "0.995"',
        ["54:15: error: spec.objectives[0].target: must be a finite number, not text"],
    ),
    (
        "target: 0.995",
        "target: .nan",
        ["54:15: error: spec.objectives[0].target: must be a finite number, not infinity or NaN"],
    ),
    (
        "target: 0.995",
        "targetPercent: 100",
        [
            "54:22: error: spec.objectives[0].targetPercent: must be above 0 and below 100 (100 % leaves no budget to spend: lower it, such as targetPercent: 99.9, and see maibo lint --explain SLO001)"
        ],
    ),
    (
        "target: 0.995",
        "targetPercent: .inf",
        ["54:22: error: spec.objectives[0].targetPercent: must be a finite number, not infinity or NaN"],
    ),
    (
        "target: 0.995",
        "target: 0.995\n      targetPercent: 99.5",
        ["54:15: error: spec.objectives[0].target: give exactly one of target and targetPercent"],
    ),
    (
        "target: 0.995",
        "displayName: good",
        ["54:7: error: spec.objectives[0].target: give exactly one of target and targetPercent"],
    ),
    (
        "target: 0.995",
        "target: 0.995\n    - targetPercent: 99.50",
        [
            "55:7: error: spec.objectives[1].displayName: a second objective named '0.995' is valid OpenSLO, but this version does not judge it (give each a displayName of its own)"
        ],
    ),
    (
        "target: 0.995",
        "target: 0.995\n      op: gt",
        ["55:11: warning: spec.objectives[0].op: op has no meaning with a ratioMetric (remove it)"],
    ),
    (
        "target: 0.995",
        "target: 0.995\n      timeSliceTarget: 0.9\n      timeSliceWindow: 5",
        [
            "55:24: warning: spec.objectives[0].timeSliceTarget: timeSliceTarget has no meaning with the method Occurrences (remove it)",
            "56:24: warning: spec.objectives[0].timeSliceWindow: a number without a unit is minutes; OpenSLO's validator refuses it (write 5m)",
            "56:24: warning: spec.objectives[0].timeSliceWindow: timeSliceWindow has no meaning with the method Occurrences (remove it)",
        ],
    ),
    (
        "target: 0.995",
        "target: 0.995\n      indicatorRef: success",
        [
            "48:17: error: spec.indicatorRef: an objective has an indicator too (keep it here, or on each objective)",
        ],
    ),
    (
        "target: 0.995",
        "target: 0.995\n      compositeWeight: 2",
        [
            "55:24: warning: spec.objectives[0].compositeWeight: compositeWeight has no meaning without an indicator on the objective (remove it)"
        ],
    ),
    (
        "    - target: 0.995\n",
        "    - target: 0.995\n  alertPolicies:\n    - alertPolicyRef: x\n",
        [
            "56:5: warning: spec.alertPolicies: alert policies are read, and this version makes no alert of them (maibo generate rules makes alerts for every SLO)",
            "56:23: error: spec.alertPolicies[0].alertPolicyRef: there is no AlertPolicy named 'x' (add a document of kind AlertPolicy)",
        ],
    ),
    (
        RATIO,
        "  thresholdMetric:\n    metricSource: {type: journey, spec: {journey: checkout}}\n",
        [
            "30:5: error: spec.thresholdMetric: a thresholdMetric is valid OpenSLO, but this version does not judge it (write it as ratioMetric: good with maxDuration: 300ms, and total without it)"
        ],
    ),
    (
        RATIO,
        "  ratioMetric: {raw: {}, rawType: success}\n",
        [
            "29:22: error: spec.ratioMetric.raw: a raw ratio is valid OpenSLO, but this version does not judge it (count events: give good and total)",
            "29:22: error: spec.ratioMetric.raw.metricSource: is required",
        ],
    ),
    (
        "counter: true",
        "counter: yes",
        [
            "30:14: error: spec.ratioMetric.counter: must be true or false, not text (YAML 1.2 has no yes, no, on and off; write true or false without quotes)"
        ],
    ),
    (
        "    good:\n",
        "    bad:\n      metricSource: {type: journey, spec: {journey: checkout}}\n    good:\n",
        ["34:7: error: spec.ratioMetric.good: give exactly one of good and bad"],
    ),
    (
        "    total:\n",
        "    totl:\n",
        [
            "30:5: error: spec.ratioMetric.total: is required (count all events)",
            "35:5: error: spec.ratioMetric.totl: unknown field (did you mean 'total'?)",
        ],
    ),
    (
        "        type: journey\n        spec: {journey: checkout, tier: [vip, standard]}",
        "        type: Prometheus\n        spec: {query: up}",
        ["32:7: error: spec.ratioMetric.good: good and total are counted by different sources (count both in one)"],
    ),
    (
        "        type: journey\n        spec: {journey: checkout, tier: [vip, standard]}",
        "        spec: {journey: checkout, tier: [vip, standard]}",
        [
            "33:9: error: spec.ratioMetric.good.metricSource.type: a metricSource without a type is valid OpenSLO, but this version does not judge it (known: journey, prometheus, scaleup)"
        ],
    ),
    (
        "        type: journey\n        spec: {journey: checkout, tier: [vip, standard]}",
        "        metricSourceRef: prom\n        type: journey\n        spec: {journey: checkout, tier: [vip, standard]}",
        [
            "33:26: error: spec.ratioMetric.good.metricSource.metricSourceRef: there is no DataSource named 'prom' (add a document of kind DataSource)"
        ],
    ),
    (
        "        type: journey\n        spec: {journey: checkout, tier: [vip, standard]}",
        "        type: journey",
        ["33:9: error: spec.ratioMetric.good.metricSource.spec: is required (say what is counted)"],
    ),
    (
        GOOD,
        "spec: {tier: vip}",
        [
            "34:15: error: spec.ratioMetric.good.metricSource.spec.journey: is required (name the journey that is counted)"
        ],
    ),
    (
        GOOD,
        "spec: {journey: chekout}",
        [
            "34:25: error: spec.ratioMetric.good.metricSource.spec.journey: there is no Journey named 'chekout' (did you mean 'checkout'?; known: checkout)"
        ],
    ),
    (
        GOOD,
        "spec: {journey: checkout, step: paiment}",
        [
            "34:41: error: spec.ratioMetric.good.metricSource.spec.step: the journey 'checkout' has no step named 'paiment' (did you mean 'payment'?; known: basket, payment)"
        ],
    ),
    (
        GOOD,
        "spec: {journey: checkout, outcome: succes}",
        [
            "34:44: error: spec.ratioMetric.good.metricSource.spec.outcome: 'succes' is not one of success, failure, abandoned (did you mean 'success'?)"
        ],
    ),
    (
        GOOD,
        "spec: {journey: checkout, outcome: []}",
        [
            "34:44: error: spec.ratioMetric.good.metricSource.spec.outcome: must not be an empty list (name at least one value, or remove the field)"
        ],
    ),
    (
        GOOD,
        "spec: {journey: checkout, version: 1.10}",
        [
            '34:44: error: spec.ratioMetric.good.metricSource.spec.version: must be text, not a number (write "1.10" in quotes)'
        ],
    ),
    (
        GOOD,
        "spec: {journey: checkout, teir: vip}",
        ["34:35: error: spec.ratioMetric.good.metricSource.spec.teir: unknown field (did you mean 'tier'?)"],
    ),
    (
        GOOD,
        "spec: {journey: checkout, maxDuration: 333ms}",
        [
            "34:48: error: spec.ratioMetric.good.metricSource.spec.maxDuration: '333ms' is not one of the latencies that are counted exactly (use 330ms or 335ms)"
        ],
    ),
    (
        GOOD,
        "spec: {journey: checkout, maxDuration: 300}",
        [
            "34:48: error: spec.ratioMetric.good.metricSource.spec.maxDuration: must be text, not a number (write it as '300ms'; units are us, ms, s, m (minutes), h, d)"
        ],
    ),
    (
        GOOD,
        "spec: {journey: checkout, maxDuration: 0.5us}",
        [
            "34:48: error: spec.ratioMetric.good.metricSource.spec.maxDuration: '0.5us' is not a duration from 1us to 11d (write it as '300ms'; units are us, ms, s, m (minutes), h, d)"
        ],
    ),
    (
        GOOD,
        "spec: {journey: checkout, maxDuration: 300 ms}",
        [
            "34:48: error: spec.ratioMetric.good.metricSource.spec.maxDuration: '300 ms' is not a duration from 1us to 11d (write it as '300ms'; units are us, ms, s, m (minutes), h, d)"
        ],
    ),
    (
        GOOD,
        "spec: {journey: checkout, maxDuration: 12d}",
        [
            "34:48: error: spec.ratioMetric.good.metricSource.spec.maxDuration: '12d' is not a duration from 1us to 11d (write it as '300ms'; units are us, ms, s, m (minutes), h, d)"
        ],
    ),
    (
        GOOD,
        "spec: {journey: checkout, step: payment}",
        [
            "32:7: error: spec.ratioMetric.good: good counts events that total does not: step 'payment', not the journey as a whole (make good a part of total)"
        ],
    ),
    (
        GOOD,
        "spec: {journey: checkout, outcome: [success, abandoned]}",
        [
            "32:7: error: spec.ratioMetric.good: good counts events that total does not: outcome abandoned (make good a part of total)"
        ],
    ),
    (
        TOTAL,
        "spec: {journey: checkout, tier: vip}\n",
        [
            "32:7: error: spec.ratioMetric.good: good counts events that total does not: tier standard (make good a part of total)"
        ],
    ),
    (
        TOTAL,
        "spec: {journey: checkout, region: eu}\n",
        [
            "32:7: error: spec.ratioMetric.good: good counts events that total does not: any region, not eu alone (make good a part of total)"
        ],
    ),
    (
        TOTAL,
        "spec: {journey: checkout, maxDuration: 1s}\n",
        [
            "32:7: error: spec.ratioMetric.good: good counts events that total does not: events that took longer than 1s (make good a part of total)"
        ],
    ),
    (
        "  service: shop\n  timeout",
        "  service: chop\n  timeout",
        ["13:12: error: spec.service: there is no Service named 'chop' (did you mean 'shop'?; known: shop)"],
    ),
    (
        "timeout: 30m",
        "timeout: 30",
        ["14:12: error: spec.timeout: must be text, not a number (write it as '30m'; units are s, m (minutes), h, d)"],
    ),
    (
        "timeout: 30m",
        "timeout: 1500ms",
        ["14:12: error: spec.timeout: must be whole seconds (write it as '30m')"],
    ),
    (
        "timeout: 30m",
        "timeout: 100ms",
        ["14:12: error: spec.timeout: must be whole seconds (write it as '30m')"],
    ),
    (
        "threshold: 300ms",
        "threshold: 301ms",
        [
            "15:14: error: spec.threshold: '301ms' is not one of the latencies that are counted exactly (use 300ms or 305ms)"
        ],
    ),
    (
        "threshold: 300ms",
        "threshold: 1h",
        [
            "15:14: error: spec.threshold: is longer than the timeout of 30m, after which a journey is abandoned (lower it, or raise the timeout)"
        ],
    ),
    (
        "name: payment",
        "name: basket",
        ["20:13: error: spec.steps[1].name: a second step named 'basket' (rename one of them)"],
    ),
    (
        "name: payment",
        "name: Pay",
        [
            "20:13: error: spec.steps[1].name: 'Pay' is not a name (use at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit)"
        ],
    ),
    ("    - name: payment", "    - displayName: Pay", ["20:7: error: spec.steps[1].name: is required"]),
    (
        "POST /checkout]",
        "post /checkout]",
        [
            "18:16: error: spec.steps[0].routes[0]: 'post /checkout' is not a route (write it as 'POST /orders/{id}'; methods are GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS)"
        ],
    ),
    (
        "POST /checkout]",
        "/checkout]",
        [
            "18:16: error: spec.steps[0].routes[0]: '/checkout' is not a route (write it as 'POST /orders/{id}'; methods are GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS)"
        ],
    ),
    (
        "POST /checkout]",
        "POST checkout]",
        [
            "18:16: error: spec.steps[0].routes[0]: 'POST checkout' is not a route (write it as 'POST /orders/{id}'; methods are GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS)"
        ],
    ),
    (
        "POST /checkout]",
        "POST /checkout?x=1]",
        [
            "18:16: error: spec.steps[0].routes[0]: 'POST /checkout?x=1' is not a route (write it as 'POST /orders/{id}'; methods are GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS)"
        ],
    ),
    (
        "[POST /checkout]",
        '"POST /checkout/{order}/pay"',
        [
            "21:16: error: spec.steps[1].routes[0]: 'POST /checkout/{id}/pay' is a route of step 'basket' already (keep it in one step)"
        ],
    ),
    (
        "[POST /checkout]",
        '"POST /checkout/{}"',
        [
            "18:15: error: spec.steps[0].routes: 'POST /checkout/{}' is not a route (write it as 'POST /orders/{id}'; methods are GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS)"
        ],
    ),
    (
        "      routes: [POST /checkout]\n",
        "",
        [
            "18:15: error: spec.steps[0].begins: begins is about the requests of this step's routes, and it has none (add routes, or remove it)"
        ],
    ),
    (
        "      begins: true\n",
        "",
        [
            "17:5: warning: spec.steps: no route begins this journey (set begins: true on the first step, unless code calls maibo.begin)"
        ],
    ),
    (
        "  steps:\n",
        "  stages:\n",
        [
            "13:3: error: spec.steps: is required (add steps: [{name: pay}])",
            "16:3: error: spec.stages: unknown field (did you mean 'steps'?)",
        ],
    ),
    (WINDOW, "", ["46:3: error: spec.timeWindow: is required (add timeWindow: [{duration: 28d, isRolling: true}])"]),
    (
        RATIO,
        "  description: x\n",
        ["29:3: error: spec.ratioMetric: give exactly one of ratioMetric and thresholdMetric"],
    ),
    (
        "    - name: payment",
        "    - name: payment\n      displayName: [Pay]",
        ["21:20: error: spec.steps[1].displayName: must be text, not a list"],
    ),
    (
        TOTAL,
        "spec: {journey: checkout, environment: eu}\n",
        [
            "32:7: error: spec.ratioMetric.good: good counts events that total does not: any environment, not eu alone (make good a part of total)"
        ],
    ),
]


@pytest.mark.parametrize(("written", "instead", "expected"), CASES, ids=[f"{case[1].strip()[:60]!r}" for case in CASES])
def test_one_change_is_told_where_it_stands_with_its_mend(judge, valid, written, instead, expected):
    assert written in valid
    assert judge.problems(valid.replace(written, instead, 1)) == [f"docs.yaml:{problem}" for problem in expected]


def test_the_file_that_the_rules_start_from_has_no_problem(judge, valid):
    assert judge.problems(valid) == []


def test_only_errors_keep_a_catalogue_from_being_made(judge, valid):
    for written, instead, expected in CASES:
        judge.write(valid.replace(written, instead, 1))
        catalogue, _ = judge.check()
        assert (catalogue is None) == any("error:" in problem for problem in expected)
