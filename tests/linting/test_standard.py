"""Rules about what the standard has beside a rolling window of events: calendars, slices, composites; groups and corrections."""

import pytest

CALENDAR = "calendar: {startTime: 2026-01-01 00:00:00, timeZone: Europe/Berlin}"


def calendar(document):
    assert "isRolling: true" in document
    return document.replace("isRolling: true", CALENDAR)


def slices(shop, *, method="Timeslices", length="5m", target="0.99", window="28d", share="timeSliceTarget: 0.95, "):
    objective = f"[{{target: {target}, {share if method == 'Timeslices' else ''}timeSliceWindow: {length}}}]"
    return shop.journey_slo(objectives=objective, window=window).replace("Occurrences", method)


def composite(shop, *parts, name="fast"):
    """Parts as (selected, target)."""
    text = shop.journey_slo(name=name, objectives="COMPONENTS")
    text = text[: text.index("  indicator:")]
    written = []
    for index, (selected, target) in enumerate(parts):
        source = f"{{metricSource: {{type: journey, spec: {{journey: checkout, {selected}}}}}}}"
        sli = f"{{metadata: {{name: part-{index}}}, spec: {{ratioMetric: {{good: {source}, total: {source}}}}}}}"
        written.append(f"\n    - {{target: {target}, indicator: {sli}}}")
    return text.replace("COMPONENTS", "".join(written))


# --- calendars


@pytest.mark.parametrize("window", ["1M", "1Q", "30d"])
def test_a_calendar_window_is_none_that_rolls(shop, window):
    found = shop.found(calendar(shop.journey_slo(window=window)))
    assert found.keys() <= {"SLO004"}


def test_a_calendar_window_shorter_than_alerts_look_back(shop):
    finding = shop.found(calendar(shop.journey_slo(window="1d")))["SLO040"]
    assert finding.message.startswith("a new budget begins after 1d, and alerts look back up to 3d")
    assert shop.at(finding).startswith("1d")
    assert "SLO040" not in shop.found(calendar(shop.journey_slo(window="3d")))
    assert "SLO040" not in shop.found(shop.journey_slo(window="1d"))


# --- slices


def test_slices_of_which_none_may_be_bad(shop):
    finding = shop.found(slices(shop, length="1h", target="0.999"))["SLO039"]
    assert finding.message == (
        "99.9 % of the 672 slices of 1h in 28d allows 0.672 bad ones: the first one overspends the budget"
    )
    assert finding.mend == "shorten the slices, lower the target, or lengthen the window"
    assert shop.found(slices(shop, length="5m", target="0.999")) == {}
    assert shop.found(slices(shop, length="1h", target="0.999", method="RatioTimeslices")) == {}
    least = shop.found(slices(shop, length="1m", target="0.99999"))["SLO039"]
    assert least.mend == "lower the target, or lengthen the window"


@pytest.mark.parametrize("method", ["Timeslices", "RatioTimeslices"])
def test_slices_in_which_there_is_nothing_to_count(shop, method):
    document = slices(shop, length="1m", method=method)
    finding = shop.found(document, per_day=250)["SLO038"]
    assert finding.message.startswith("at 250 events a day, a slice of 1m has 0.174: most have no data")
    assert shop.at(finding).startswith("1m")
    assert "SLO038" not in shop.found(document, per_day=1440)
    assert "SLO038" not in shop.found(document)


def test_slices_are_no_events(shop):
    assert not shop.found(slices(shop, length="1d"), per_day=20).keys() & {"SLO009", "SLO010"}


def test_slices_shorter_than_a_prometheus_has_samples(shop):
    source = """\
---
apiVersion: openslo/v1
kind: DataSource
metadata: {name: prom}
spec: {type: Prometheus, connectionDetails: {url: "http://prometheus:9090", interval: 5m}}
"""
    text = (
        shop.prometheus_slo().replace("type: prometheus", "metricSourceRef: prom").replace("Occurrences", "Timeslices")
    )
    text = text.replace("{target: 0.99}", "{target: 0.99, timeSliceTarget: 0.9, timeSliceWindow: 1m}") + source
    finding = shop.found(text)["SLO038"]
    assert finding.message == "a slice takes 1m, and its data source has a sample every 5m: most have no data"
    assert shop.found(text.replace("timeSliceWindow: 1m", "timeSliceWindow: 5m")) == {}
    assert shop.found(text.replace(", interval: 5m", "")) == {}


def test_counts_of_a_prometheus_whose_address_is_known_are_kept_here(shop):
    text = shop.prometheus_slo(window="28d")
    assert "SLO036" in shop.found(text)
    source = "---\napiVersion: openslo/v1\nkind: DataSource\nmetadata: {name: prom}\n"
    source += 'spec: {type: Prometheus, connectionDetails: {url: "http://prometheus:9090"}}\n'
    assert shop.found(text.replace("type: prometheus", "metricSourceRef: prom") + source) == {}


# --- composites


def test_parts_of_a_composite_are_each_looked_at_where_they_are_written(shop):
    document = composite(shop, ("outcome: success", "0.99"), ("outcome: [success]", "0.99"))
    findings = [finding for finding in shop.lint(document).findings if finding.rule.id == "SLO019"]
    assert len(findings) == 2  # good and total are the same
    assert all(shop.at(finding).startswith("{journey: checkout, outcome: ") for finding in findings)
    assert len({finding.at for finding in findings}) == 2


def test_parts_with_different_targets(shop):
    found = shop.found(composite(shop, ("tier: vip", "0.999"), ("tier: standard", "0.99")))
    assert found["SLO037"].message.startswith(
        "'part-1' has 99 % and 'part-0' 99.9 %: the composite as a whole is held to 99.9 %"
    )
    assert shop.at(found["SLO037"]).startswith("0.99,")
    assert not found.keys() & {"SLO013", "SLO014"}  # these are about objectives that count the same
    assert "SLO037" not in shop.found(composite(shop, ("tier: vip", "0.99"), ("tier: standard", "0.99")))


def test_a_journey_put_together_from_its_steps(shop):
    finding = shop.found(composite(shop, ("step: basket", "0.99"), ("step: payment", "0.99")))["SLO041"]
    assert finding.message.startswith("puts together 2 steps of 'checkout': who fails in two of them counts twice")
    for others in ("tier: vip", "step: basket"):  # the journey as a whole; the same step twice
        assert "SLO041" not in shop.found(composite(shop, ("step: basket", "0.99"), (others, "0.99")))


def test_a_composite_counts_what_its_parts_count(shop):
    """An SLO on the last step alone is told to count the journey, unless a composite does."""
    last = shop.journey_slo(name="paid", selected="step: payment", total="step: payment")
    assert "SLO022" in shop.found(last)
    assert "SLO022" not in shop.found(
        last, composite(shop, ("tier: vip", "0.99"), ("tier: [standard]", "0.99"), name="all")
    )


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("target: 0.99", "target: 0.98"),
        ("tier: vip", "tier: trial"),
        ("budgetingMethod: Occurrences", "budgetingMethod: Occurrences # ok"),
        ("isRolling: true", CALENDAR),
        ("duration: 28d", "duration: 14d"),
    ],
)
def test_slos_that_differ_in_anything_they_promise_are_no_twins(shop, written, instead):
    one = composite(shop, ("tier: vip", "0.99"), ("tier: standard", "0.99"))
    other = one.replace("name: fast", "name: other")
    assert written in other
    assert ("SLO015" in shop.found(one, other.replace(written, instead))) == ("# ok" in instead)


# --- groups


def test_a_budget_for_each_release(shop):
    finding = shop.found(shop.journey_slo(total="groupBy: [tier, version]"))["SLO043"]
    assert shop.at(finding).startswith("[tier, version]")
    assert shop.found(shop.journey_slo(total="groupBy: tier")) == {}


# --- corrections

CORRECTION = """\
---
apiVersion: maibo.dev/v1
kind: Correction
metadata: {name: nights}
spec:
  kind: maintenance
  start: 2026-01-04 00:00:00
  duration: 40h
  rrule: FREQ=WEEKLY
  who: us
  why: It is night.
"""


def test_a_correction_that_leaves_out_much_of_a_window(shop):
    finding = shop.found(shop.journey_slo(window="7d"), CORRECTION)["SLO042"]
    assert finding.message == (
        "correction 'nights' leaves out 23.8 % of a window of 7d of SLO 'fast': its budget is that of the rest, and each bad minute there weighs 1.31 times as much"
    )
    assert (shop.at(finding), finding.document) == ("FREQ=WEEKLY", "nights")
    assert "SLO042" in shop.found(shop.journey_slo(), CORRECTION)  # four of them in 28 days


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("duration: 40h", "duration: 33h"),  # 19.6 %
        ("kind: maintenance", "kind: maintenance\n  effect: count_as_good"),
        ("kind: maintenance", "kind: incident"),
        ("  rrule: FREQ=WEEKLY\n", ""),  # once: 5.95 % of 28 days
        ("duration: 40h", "duration: 40h\n  slos: other"),
    ],
)
def test_a_correction_that_leaves_enough(shop, written, instead):
    other = shop.prometheus_slo(name="other")  # generated rules judge it, and know no corrections
    assert "SLO042" not in shop.found(shop.journey_slo(), other, CORRECTION.replace(written, instead))


def test_windows_that_overlap_are_left_out_once_and_a_document_may_say_that_it_is_meant(shop):
    always = CORRECTION.replace("FREQ=WEEKLY", "FREQ=DAILY")
    finding = shop.found(shop.journey_slo(), always)["SLO042"]
    assert "leaves out 100 % of a window" in finding.message
    assert finding.message.endswith("weighs nothing, for there is none")
    silent = always.replace("{name: nights}", "{name: nights, annotations: {maibo.dev/lint-ignore: SLO042}}")
    assert shop.found(shop.journey_slo(), silent) == {}


# --- alert policies, inlined


INLINED = (
    "{kind: AlertPolicy, metadata: {name: wake}, spec: {alertWhenBreaching: true, conditions: [{kind: AlertCondition, metadata: {name: quick}, "
    "spec: {severity: page, condition: {kind: burnrate, op: OP, threshold: THRESHOLD, lookbackWindow: 1h}}}], notificationTargets: "
    "[{kind: AlertNotificationTarget, metadata: {name: nobody}, spec: {target: mail}}]}}"
)


@pytest.mark.parametrize(
    ("op", "threshold", "target", "rule"),
    [("gt", "14.4", "0.93", "SLO026"), ("gt", "14.4", "0.99", "SLO028"), ("gt", "0.5", "0.99", "SLO025"), ("lt", "2", "0.99", "SLO027")],
)  # fmt: skip
def test_conditions_that_are_inlined_are_looked_at_too(shop, op, threshold, target, rule):
    policy = INLINED.replace("OP", op).replace("THRESHOLD", threshold)
    document = shop.journey_slo(policies=policy, objectives=f"[{{target: {target}}}]", window="7d")
    finding = shop.found(document)[rule]
    assert "'quick'" in finding.message
    assert 15 < finding.at.line <= len(shop.file.read_text().splitlines())
    assert rule not in shop.found(
        shop.journey_slo(window="7d", policies=INLINED.replace("OP", "gt").replace("THRESHOLD", "3.36"))
    )
