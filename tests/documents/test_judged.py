"""What SLOs may say of windows, methods, components and groups: read as it is meant, and where that cannot be judged, told."""

from datetime import datetime

import pytest

from maibo_slo.documents import COMPOSITE, Calendar

DAY = 86_400
at = datetime.fromisoformat
SLO = """\
apiVersion: openslo/v1
kind: Service
metadata: {name: shop}
---
apiVersion: maibo.dev/v1
kind: Journey
metadata: {name: checkout}
spec: {steps: [{name: basket}, {name: pay}]}
---
apiVersion: maibo.dev/v1
kind: Journey
metadata: {name: browse}
spec: {steps: [{name: look}]}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: available}
spec:
  service: shop
  indicator: INDICATOR
  timeWindow: [WINDOW]
  budgetingMethod: METHOD
  objectives: [OBJECTIVE]
"""
CHECKOUT = "{metadata: {name: success}, spec: {ratioMetric: {GOOD, TOTAL}}}"
GOOD = "good: {metricSource: {type: journey, spec: {journey: checkout}}}"
TOTAL = "total: {metricSource: {type: journey, spec: {journey: checkout}}}"
ROLLING = "{duration: 28d, isRolling: true}"
BERLIN = "{duration: 1M, calendar: {startTime: 2026-01-31 06:00:00, timeZone: Europe/Berlin}}"


def slo(*objectives, window=ROLLING, method="Occurrences", total=TOTAL, good=GOOD):
    indicator = CHECKOUT.replace("GOOD", good).replace("TOTAL", total)
    text = SLO.replace("INDICATOR", indicator).replace("WINDOW", window).replace("METHOD", method)
    return text.replace("OBJECTIVE", ", ".join(objectives or ["{target: 0.99}"]))


def composite(*objectives, **said):
    text = slo(*objectives, **said)
    return "\n".join(line for line in text.splitlines() if not line.startswith("  indicator:"))


def component(journey="checkout", *, name="", sli="", more="target: 0.99", group=""):
    source = f"metricSource: {{type: journey, spec: {{journey: {journey}"
    indicator = f"{{metadata: {{name: {sli or journey}}}, spec: {{ratioMetric: {{good: {{{source}}}}}}}, total: {{{source}{group}}}}}}}}}}}}}"
    return f"{{{f'displayName: {name}, ' if name else ''}{more}, indicator: {indicator}}}"


def told(judge, text, **asked):
    """Problems without their places."""
    return [problem.split(": ", 1)[1] for problem in judge.problems(text, **asked)]


# --- windows


def test_a_calendar_window_is_where_it_begins_and_how_long_it_is_nominally(judge):
    found = judge.catalogue(slo(window=BERLIN)).slos["available"]
    assert found.calendar == Calendar(1, "M", at("2026-01-31 06:00"), "Europe/Berlin")
    assert found.window_seconds == 30 * DAY
    assert judge.catalogue(slo()).slos["available"].calendar is None


@pytest.mark.parametrize(
    ("duration", "count", "unit", "days"), [("2w", 2, "w", 14), ("1Q", 1, "Q", 90), ("1Y", 1, "Y", 365), ("1d", 1, "d", 1)]
)  # fmt: skip
def test_every_unit_has_a_calendar(judge, duration, count, unit, days):
    found = judge.catalogue(slo(window=BERLIN.replace("1M", duration))).slos["available"]
    assert (found.calendar.count, found.calendar.unit, found.window_seconds) == (count, unit, days * DAY)


def test_a_calendar_window_is_not_longer_than_counts_are_kept_either(judge):
    [problem] = told(judge, slo(window=BERLIN.replace("1M", "2Y")))
    assert "a window of 2Y is valid OpenSLO, but this version does not judge it" in problem


# --- methods


def test_timeslices_have_a_length_and_a_share_of_good_events(judge):
    text = slo("{target: 0.99, timeSliceTarget: 0.95, timeSliceWindow: 5m}", method="Timeslices")
    assert judge.problems(text, strict=True) == []
    found = judge.catalogue(text).slos["available"]
    [objective] = found.objectives
    assert (found.method, objective.slice_seconds, objective.slice_target) == ("Timeslices", 300, 0.95)
    assert (objective.name, objective.indicator, objective.weight) == ("0.99", None, 1.0)


def test_ratio_timeslices_have_a_length_alone(judge):
    text = slo(
        "{target: 0.99, timeSliceWindow: 1h}",
        "{target: 0.9, timeSliceWindow: 1m, timeSliceTarget: 1}",
        method="RatioTimeslices",
    )
    assert [problem.split(" (")[0] for problem in told(judge, text)] == [
        "warning: spec.objectives[1].timeSliceTarget: timeSliceTarget has no meaning with the method RatioTimeslices"
    ]
    found = judge.catalogue(text).slos["available"]
    assert found.method == "RatioTimeslices"
    assert [(each.slice_seconds, each.slice_target) for each in found.objectives] == [(3600, None), (60, None)]


def test_occurrences_have_no_slices_whatever_is_written(judge):
    found = judge.catalogue(slo("{target: 0.99, timeSliceTarget: 0.9, timeSliceWindow: 5m}")).slos["available"]
    assert [(each.slice_seconds, each.slice_target) for each in found.objectives] == [(0, None)]


@pytest.mark.parametrize(
    ("window", "length", "expected"),
    [
        (ROLLING, "7m", None),  # 40,320 minutes are 5,760 times 7
        (ROLLING, "11m", "a slice of 11m, which does not divide the window, is valid OpenSLO, but this version does not judge it (write 10m)"),
        (ROLLING, "1d", None),
        (ROLLING, "2d", "a slice of 2880m, which is longer than a day, is valid OpenSLO, but this version does not judge it (write 1440m)"),
        ("{duration: 1h, isRolling: true}", "2h", "a slice of 120m, which does not divide the window, is valid OpenSLO, but this version does not judge it (write 60m)"),
        (BERLIN, "50m", None),
        (BERLIN, "55m", "a slice of 55m, which does not divide the window, is valid OpenSLO, but this version does not judge it (write 54m)"),
    ],
)  # fmt: skip
def test_slices_divide_the_window_and_are_at_most_a_day(judge, window, length, expected):
    text = slo(
        f"{{target: 0.99, timeSliceTarget: 0.95, timeSliceWindow: {length}}}", method="Timeslices", window=window
    )
    errors = [problem for problem in told(judge, text) if problem.startswith("error")]
    assert errors == ([f"error: spec.objectives[0].timeSliceWindow: {expected}"] if expected else [])
    assert told(judge, text, strict=True, standard=True) == []


def test_a_slice_that_is_always_good_is_not_judged(judge):
    text = slo("{target: 0.99, timeSliceTarget: 0, timeSliceWindow: 5m}", method="Timeslices")
    assert any(
        "error: spec.objectives[0].timeSliceTarget: a slice that is always good" in each for each in told(judge, text)
    )
    assert [problem.split(":")[0] for problem in told(judge, text, standard=True)] == ["warning"]


# --- composites


def test_a_composite_is_its_components_and_the_whole(judge):
    text = composite(
        component(name="paid", more="target: 0.99, compositeWeight: 0.5"),
        component("browse", more="targetPercent: 99.5"),
    )
    assert judge.problems(text, strict=True) == []
    found = judge.catalogue(text).slos["available"]
    assert found.is_composite
    assert [(each.name, each.target, each.weight) for each in found.objectives] == [
        ("paid", 0.99, 0.5),
        ("browse", 0.995, 1.0),
        (COMPOSITE, 0.995, 1.0),
    ]
    assert [each.indicator and each.indicator.total.journey for each in found.objectives] == [
        "checkout",
        "browse",
        None,
    ]
    assert found.indicator == found.objectives[0].indicator
    assert [each.total.journey for each in found.indicators] == ["checkout", "browse"]
    catalogue = judge.catalogue(text)
    assert [each.name for each in catalogue.slos_of_journey("browse")] == ["available"]
    assert not judge.catalogue(slo()).slos["available"].is_composite


@pytest.mark.parametrize("method", ["Timeslices", "RatioTimeslices"])
def test_a_composite_of_slices_has_slices_of_one_length(judge, method):
    share = "timeSliceTarget: 0.9, " if method == "Timeslices" else ""
    more = f"target: 0.99, {share}timeSliceWindow: 5m"
    text = composite(component(more=more), component("browse", more=more), method=method)
    whole = judge.catalogue(text).slos["available"].objectives[-1]
    assert (whole.name, whole.slice_seconds, whole.slice_target) == (COMPOSITE, 300, None)
    text = composite(component(more=more), component("browse", more=more.replace("5m", "10m")), method=method)
    assert told(judge, text) == [
        "error: spec.objectives[1].timeSliceWindow: a composite SLO with slices of different lengths is valid OpenSLO, but this version does not judge it (write 5m, as the first has)"
    ]


def test_weights_have_no_meaning_where_any_bad_part_makes_a_slice_bad(judge):
    more = "target: 0.99, timeSliceTarget: 0.9, timeSliceWindow: 5m"
    text = composite(component(more=f"{more}, compositeWeight: 2"), component("browse", more=more), method="Timeslices")
    assert told(judge, text) == [
        "warning: spec.objectives[0].compositeWeight: has no meaning with Timeslices: a slice is bad when any component's is (remove it, or use RatioTimeslices)"
    ]


def test_a_component_is_named_by_its_indicator_unless_it_says_otherwise_and_names_are_unique(judge):
    named = composite(component(sli="one"), component(sli="two"))
    assert [each.name for each in judge.catalogue(named).slos["available"].objectives] == ["one", "two", COMPOSITE]
    assert told(judge, composite(component(sli="one"), component(sli="one"))) == [
        "error: spec.objectives[1].displayName: a second objective named 'one' is valid OpenSLO, but this version does not judge it (give each a displayName of its own)"
    ]
    assert told(judge, composite(component(name="composite"))) == [
        "error: spec.objectives[0].displayName: an objective named 'composite' is valid OpenSLO, but this version does not judge it (give it another displayName: the SLO as a whole has this one)"
    ]


def test_a_name_that_the_ledger_needs_is_refused(judge):
    assert told(judge, slo("{target: 0.99, displayName: '~raw'}")) == [
        "error: spec.objectives[0].displayName: an objective named '~raw' is valid OpenSLO, but this version does not judge it (begin it with a letter or digit)"
    ]


def test_a_composite_in_which_one_has_no_indicator_is_an_error(judge):
    text = composite(component(), "{target: 0.9}")
    assert told(judge, text) == [
        "error: spec.objectives[1]: has no indicator, and others of this SLO have (give it one)"
    ]
    assert told(judge, text, strict=True, standard=True) == [
        "warning: spec.objectives[1]: has no indicator, and others of this SLO have (give it one)"
    ]


def test_a_composite_of_a_prometheus_events_is_not_judged(judge):
    text = composite(component(), component("browse")).replace(
        "type: journey, spec: {journey: browse", "type: prometheus, spec: {query: x"
    )
    assert told(judge, text) == [
        "error: spec.objectives[1]: a composite of events that a Prometheus counts is valid OpenSLO, but this version does not judge it (write one SLO for each indicator)"
    ]


def test_of_components_that_a_prometheus_counts_alone_each_is_told(judge):
    prometheus = "type: prometheus, spec: {query: x"
    text = composite(component(sli="a"), component(sli="b")).replace(
        "type: journey, spec: {journey: checkout", prometheus
    )
    assert [problem.split(":")[1] for problem in told(judge, text)] == [" spec.objectives[0]", " spec.objectives[1]"]


@pytest.mark.parametrize("weight", ["0.0001", "1e400", "1e-400", "1001"])
def test_a_weight_is_a_number_that_can_be_summed(judge, weight):
    text = composite(component(more=f"target: 0.99, compositeWeight: {weight}"), component("browse"))
    assert told(judge, text) == [
        "error: spec.objectives[0].compositeWeight: a compositeWeight that is not between 0.001 and 1000 is valid OpenSLO, but this version does not judge it (weigh the others instead)"
    ]


# --- groups


@pytest.mark.parametrize(
    ("written", "group_by"),
    [
        ("tier", ("tier",)),
        ("[region, tier]", ("region", "tier")),
        ("[tier, tier]", ("tier",)),
        ("version", ("version",)),
    ],
)
def test_total_says_by_what_budgets_are_apart(judge, written, group_by):
    total = TOTAL.replace("checkout", f"checkout, groupBy: {written}")
    text = slo(total=total)
    assert judge.problems(text, strict=True) == []
    assert judge.catalogue(text).slos["available"].group_by == group_by
    assert judge.catalogue(slo()).slos["available"].group_by == ()


def test_an_sli_of_its_own_brings_its_groups(judge):
    text = slo(total=TOTAL.replace("checkout", "checkout, groupBy: tier"))
    inline = text[text.index("  indicator: ") : text.index("  timeWindow")]
    document = f"\n---\napiVersion: openslo/v1\nkind: SLI\n{inline.strip().removeprefix('indicator: {')}"
    body = document.replace("}, spec: ", "}\nspec: ").rstrip().removesuffix("}")
    found = judge.catalogue(text.replace(inline, "  indicatorRef: success\n") + body + "\n")
    assert found.slos["available"].group_by == ("tier",)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ("teir", "'teir' is not one of tier, region, version, service, environment, cluster, variant (did you mean 'tier'?)"),
        ("[tier, customer]", "'customer' is not one of tier, region, version, service, environment, cluster, variant (did you mean 'cluster'?)"),
        ("[]", "must not be an empty list (name at least one value, or remove the field)"),
        ("5", 'must be text, not a number (write "5" in quotes)'),
    ],
)  # fmt: skip
def test_what_is_no_dimension_is_told(judge, groups, expected):
    [problem] = told(judge, slo(total=TOTAL.replace("checkout", f"checkout, groupBy: {groups}")))
    assert problem.startswith("error: spec.indicator.spec.ratioMetric.total.metricSource.spec.groupBy")
    assert problem.endswith(expected)


def test_groups_are_of_total_alone_and_not_of_composites(judge):
    assert told(judge, slo(good=GOOD.replace("checkout", "checkout, groupBy: tier"))) == [
        "error: spec.indicator.spec.ratioMetric.good.metricSource.spec.groupBy: is of total alone, since an event is in one group, good or not (move it to total)"
    ]
    assert told(judge, composite(component(group=", groupBy: tier"), component("browse"))) == [
        "error: spec.objectives[0]: groupBy has no meaning in a composite SLO (remove groupBy, or the others)"
    ]
