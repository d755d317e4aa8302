"""Rules about scaling targets: each with a target that it is about, and a near one that it is not about."""

import pytest

TARGET = """\
---
apiVersion: maibo.dev/v1
kind: ScalingTarget
metadata: {name: checkout-api, annotations: {ANNOTATIONS}}
spec:
  workload: {namespace: shop, name: checkout-api}
  capacity: CAPACITY
  replicas: REPLICAS
"""


def target(*more, capacity="{fixed: 40}", replicas="{min: 2, max: 40}", annotations=""):
    text = TARGET.replace("CAPACITY", capacity).replace("REPLICAS", replicas).replace("ANNOTATIONS", annotations)
    return text + "".join(f"  {line}\n" for line in more)


def test_a_target_with_what_is_usual_is_clean(shop):
    assert shop.found(target()) == {}


def test_learned_capacity_without_a_floor_decides_nothing_at_first(shop):
    found = shop.found(target(capacity="{learned: {ceiling: 80}}"))
    assert set(found) == {"SLO044"}
    assert "every face refuses" in found["SLO044"].message
    assert shop.at(found["SLO044"]) == "{learned: {ceiling: 80}}"
    assert shop.found(target(capacity="{learned: {floor: 20}}")) == {}


def test_zero_that_is_held_is_never_reached(shop):
    found = shop.found(target(replicas="{min: 0, max: 40}"))
    assert set(found) == {"SLO046"}
    assert shop.at(found["SLO046"]) == "0, max: 40}"


def test_from_zero_nobody_asks_for_the_first(shop):
    found = shop.found(target("silence: zero", replicas="{min: 0, max: 40}"))
    assert set(found) == {"SLO045", "SLO047"}
    assert "spans of 'checkout-api' alone" in found["SLO045"].message
    before = shop.found(target("silence: zero", "services: [gateway]", replicas="{min: 0, max: 40}"))
    assert {rule: one.rule.severity for rule, one in before.items()} == {"SLO047": "info"}


@pytest.mark.parametrize(
    ("replicas", "band", "told"),
    [
        ("{min: 10, max: 10}", "10%", "min and max are both 10"),
        ("{min: 20, max: 21}", "10%", "from 20 to 21 replicas is a change of 5 %, less than the dead band of 10 %"),
    ],
)
def test_bounds_that_leave_nothing_to_decide(shop, replicas, band, told):
    found = shop.found(target(f"deadBand: {band}", replicas=replicas))
    assert set(found) == {"SLO048"}
    assert told in found["SLO048"].message
    assert shop.at(found["SLO048"]) == replicas
    assert shop.found(target(f"deadBand: {band}", replicas="{min: 20, max: 22}")) == {}


def test_equal_bounds_stop_the_fast_lane_too(shop):
    finding = shop.found(target("fastLane: {max: 3}", replicas="{min: 4, max: 4}"))["SLO048"]
    assert finding.message.endswith("and the fast lane never writes")


def test_a_dead_band_wider_than_the_headroom(shop):
    finding = shop.found(target("deadBand: 30%"))["SLO049"]
    assert "at 80.5 % utilisation replicas carry 24.2 % more than is planned for" in finding.message
    assert finding.mend.startswith("write deadBand: 24.2% at most")
    assert shop.at(finding) == "30%"
    assert shop.found(target("deadBand: 24%")) == {}
    assert set(shop.found(target(capacity="{fixed: 40, utilisation: 100%}"))) == {"SLO049"}


def test_an_slo_of_other_journeys(shop):
    other = "---\napiVersion: maibo.dev/v1\nkind: Journey\nmetadata: {name: search}\nspec:\n  steps: [{name: look}]\n"
    found = shop.found(shop.journey_slo(), other, target("journeys: [search]", "slos: [fast]"))
    assert set(found) == {"SLO050"}
    assert "SLO 'fast' counts 'checkout', and the target scales for 'search'" in found["SLO050"].message
    assert shop.at(found["SLO050"]) == "fast]"
    assert shop.found(shop.journey_slo(), other, target("journeys: [search, checkout]", "slos: [fast]")) == {}
    assert shop.found(shop.journey_slo(), target("slos: [fast]")) == {}
    assert shop.found(shop.prometheus_slo(), other, target("journeys: [search]", "slos: [served]")) == {}


def test_a_lead_time_of_days(shop):
    finding = shop.found(target("forecast: {leadTime: 2d}"))["SLO051"]
    assert "a lead time of 2 days" in finding.message
    assert shop.at(finding) == "2d}"
    assert shop.found(target("forecast: {leadTime: 86399s}")) == {}
    assert shop.found(target("forecast: {enabled: false, leadTime: 2d}")) == {}


def test_a_signal_that_is_stale_between_two_counts(shop):
    finding = shop.found(target("maxAge: 19s"))["SLO052"]
    assert "with maxAge 19s every face refuses again and again" in finding.message
    assert shop.at(finding) == "19s"
    assert shop.found(target("maxAge: 20s")) == {}


def test_a_fast_lane_without_a_most(shop):
    finding = shop.found(target("fastLane: {every: 20s}"))["SLO053"]
    assert "up to 20 replicas more, every 20 s" in finding.message
    assert shop.at(finding) == "{every: 20s}"
    assert shop.found(target("fastLane: {max: 10}")) == {}
    assert set(shop.found(target("fastLane: true"))) == {"SLO053"}


def test_a_target_may_silence_a_rule(shop):
    assert shop.found(target("maxAge: 19s", annotations="maibo.dev/lint-ignore: SLO052")) == {}


def test_an_slo_of_scale_ups_is_linted_as_what_it_is(shop):
    document = """\
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: NAME}
spec:
  service: shop
  timeWindow: [{duration: 42d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
  indicator:
    metadata: {name: in-time}
    spec:
      ratioMetric:
        good: {metricSource: {type: scaleup, spec: {workload: shop/Deployment/api, within: WITHINs}}}
        total: {metricSource: {type: scaleup, spec: {workload: shop/Deployment/api}}}
"""

    def slo(name, within):
        return document.replace("NAME", name).replace("WITHIN", str(within))

    assert shop.found(slo("scales", 30), slo("scales-soon", 10)) == {}
    assert set(shop.found(slo("scales", 30), slo("scales-too", 30))) == {"SLO015"}
    assert set(shop.found(slo("scales", 30), per_day=0.4)) == {"SLO009"}
    assert shop.lint(slo("scales", 30)).slos == 1
