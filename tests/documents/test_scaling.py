"""Scaling targets: what is scaled, by what, within which bounds; and what contradicts itself."""

from datetime import UTC, datetime

import pytest

from maibo_slo.documents.scaling_kinds import BurstPool, CapacitySpec, ExpectedLoad, FastLaneSpec, ForecastSpec
from maibo_slo.store.workload import Workload

TARGET = """\
---
apiVersion: maibo.dev/v1
kind: ScalingTarget
metadata: {name: checkout-api}
spec:
  workload: {namespace: shop, kind: StatefulSet, name: checkout-api}
  services: [checkout, checkout-worker]
  journeys: [checkout]
  slos: [available]
  environments: production
  capacity: {learned: {floor: 20, ceiling: 80}, utilisation: 75%}
  replicas: {min: 2, max: 40}
  deadBand: 0.05
  scaleDown: 0s
  maxAge: 45s
  silence: zero
  forecast: {quantile: 95%, leadTime: 45s}
  expectedLoad:
    - {from: 2026-11-28 00:00:00, to: 2026-11-29 00:00:00, factor: 2}
    - {from: 2026-11-27 00:00:00, to: 2026-11-28 00:00:00, timeZone: Europe/Berlin, factor: 3, why: Black Friday}
  burstPool: {quantile: 0.95, max: 10, form: balloon}
  fastLane: {step: 2, max: 6, every: 20s}
"""
LEAST = """\
---
apiVersion: maibo.dev/v1
kind: ScalingTarget
metadata: {name: checkout-api}
spec:
  workload: {namespace: shop, name: checkout-api}
  replicas: {max: 40}
"""
SECOND = LEAST.replace("metadata: {name: checkout-api}", "metadata: {name: again}")


@pytest.fixture
def target(judge, valid):
    """The target of these documents."""

    def read(text):
        return judge.catalogue(valid + text).scaling_targets["checkout-api"]

    return read


@pytest.fixture
def told(judge, valid):
    """What is said of the target with one thing written otherwise."""

    def read(written, instead):
        assert written in TARGET
        problems = judge.problems(valid + TARGET.replace(written, instead, 1))
        return [problem.split(": ", 1)[1] for problem in problems]

    return read


def test_a_target_says_what_is_scaled_by_what_and_how_far(target):
    found = target(TARGET)
    assert found.workload == Workload("shop", "StatefulSet", "checkout-api")
    assert found.services == ("checkout", "checkout-worker")
    assert (found.journeys, found.slos, found.environments) == (("checkout",), ("available",), ("production",))
    assert found.capacity == CapacitySpec(None, 20, 80, 0.75)
    assert (found.least, found.most, found.dead_band) == (2, 40, 0.05)
    assert (found.scale_down_seconds, found.max_age_seconds, found.silence) == (0, 45, "zero")
    assert found.forecast == ForecastSpec(enabled=True, quantile=0.95, lead_seconds=45)
    assert found.burst_pool == BurstPool(0.95, 10, "balloon")
    assert found.fast_lane == FastLaneSpec(2, 6, 20)


def test_expected_load_is_told_in_order_and_by_its_own_zone(target):
    friday, saturday = target(TARGET).expected
    assert friday == ExpectedLoad(
        datetime(2026, 11, 26, 23, tzinfo=UTC).timestamp(),
        datetime(2026, 11, 27, 23, tzinfo=UTC).timestamp(),
        3.0,
        "Black Friday",
    )
    assert saturday.begin == datetime(2026, 11, 28, tzinfo=UTC).timestamp()


def test_a_workload_and_a_most_are_enough(target):
    found = target(LEAST)
    assert found.workload == Workload("shop", "Deployment", "checkout-api")
    assert found.services == ("checkout-api",)
    assert (found.journeys, found.slos, found.environments, found.expected) == ((), (), (), ())
    assert found.capacity == CapacitySpec(None, None, None, 0.805)
    assert (found.least, found.most, found.dead_band) == (1, 40, 0.03)
    assert (found.scale_down_seconds, found.max_age_seconds, found.silence) == (120, 60, "hold")
    assert found.forecast == ForecastSpec(enabled=True, quantile=0.6, lead_seconds=None)
    assert (found.burst_pool, found.fast_lane) == (None, None)


@pytest.mark.parametrize(
    ("written", "enabled"),
    [("false", False), ("true", True), ("{}", True), ("{enabled: false}", False), ("{leadTime: 30s}", True)],
)
def test_a_forecast_is_switched_off_in_a_word(target, written, enabled):
    assert target(f"{LEAST}  forecast: {written}\n").forecast.enabled is enabled


def test_what_is_usual_is_switched_on_in_a_word(target):
    found = target(f"{LEAST}  burstPool: true\n  fastLane: {{}}\n  capacity: {{learned: true}}\n")
    assert found.burst_pool == BurstPool(0.99, None, "capacity_buffer")
    assert found.fast_lane == FastLaneSpec(1, 20, 5)
    assert found.capacity == CapacitySpec()
    off = target(f"{LEAST}  burstPool: false\n  fastLane: false\n  capacity: {{fixed: 40}}\n")
    assert (off.burst_pool, off.fast_lane, off.capacity.fixed) == (None, None, 40)


@pytest.mark.parametrize(
    ("written", "instead", "message"),
    [
        ("namespace: shop, kind", "kind", "spec.workload.namespace: is required (such as shop)"),
        ("kind: StatefulSet", "kind: statefulset", "spec.workload.kind: 'statefulset' is not a kind (did you mean 'StatefulSet'?)"),
        ("kind: StatefulSet", "kind: DaemonSet", "spec.workload.kind: a DaemonSet has no replicas to scale (name one of Deployment, StatefulSet, ReplicaSet, Rollout, or any other with /scale)"),
        ("name: checkout-api}\n  services", "name: Checkout}\n  services", "spec.workload.name: 'Checkout' is not a name of Kubernetes (use lower-case letters, digits, '-' and '.')"),
        ("[checkout, checkout-worker]", "[checkout, '']", "spec.services[1]: must not be empty (remove it)"),
        ("journeys: [checkout]", "journeys: [checkuot]", "spec.journeys[0]: there is no Journey named 'checkuot' (did you mean 'checkout'?; known: checkout)"),
        ("slos: [available]", "slos: [avialable]", "spec.slos[0]: there is no SLO named 'avialable' (did you mean 'available'?; known: available)"),
        ("learned: {floor: 20, ceiling: 80}", "fixed: 40, learned: {floor: 20}", "spec.capacity.learned: give exactly one of fixed and learned (such as capacity: {fixed: 40}, or {learned: {floor: 20}})"),
        ("learned: {floor: 20, ceiling: 80}", "learned: false", "spec.capacity.learned: is off, and nothing else says what a replica carries (such as capacity: {fixed: 40}, or {learned: {floor: 20}})"),
        ("learned: {floor: 20, ceiling: 80}", "learned: some", "spec.capacity.learned: must be a mapping, true or false (write learned: {} for what is usual)"),
        ("floor: 20", "floor: 0", "spec.capacity.learned.floor: must be calls a second above 0 (such as 40: what one replica carries while its SLOs hold)"),
        ("floor: 20", "floor: 100", "spec.capacity.learned.floor: is above the ceiling (swap them, or mend one of them)"),
        ("utilisation: 75%", "utilisation: 75", "spec.capacity.utilisation: must be between 1 % and 100 % of the capacity (write it as 75%)"),
        ("utilisation: 75%", "utilisation: 120%", "spec.capacity.utilisation: must be between 1 % and 100 % of the capacity (write it as 80%)"),
        ("utilisation: 75%", "utilisation: 1.2", "spec.capacity.utilisation: must be between 1 % and 100 % of the capacity (write it as 80%)"),
        ("deadBand: 0.05", "deadBand: 120%", "spec.deadBand: must be between 0 % and 100 % of the replicas (write it as 10%)"),
        ("utilisation: 75%", "utilization: 75%", "spec.capacity.utilization: unknown field (did you mean 'utilisation'?)"),
        ("min: 2, max: 40", "min: 2", "spec.replicas.max: is required (such as 40)"),
        ("min: 2, max: 40", "min: 41, max: 40", "spec.replicas.min: is above max, which is 40 (swap them, or mend one of them)"),
        ("max: 40}", "max: 4.5}", "spec.replicas.max: must be a whole number from 1 to 100000 (such as 2)"),
        ("min: 2, ", "min: -1, ", "spec.replicas.min: must be a whole number from 0 to 100000 (such as 2)"),
        ("deadBand: 0.05", "deadBand: -1%", "spec.deadBand: must be between 0 % and 100 % of the replicas (write it as 10%)"),
        ("deadBand: 0.05", "deadBand: some", "spec.deadBand: 'some' is not a share of the replicas (write it as 10%)"),
        ("maxAge: 45s", "maxAge: 500ms", "spec.maxAge: must be whole seconds (write it as '60s')"),
        ("maxAge: 45s", "maxAge: 0s", "spec.maxAge: '0s' is not a duration from 1s to 11d (write it as '60s'; units are s, m (minutes), h, d)"),
        ("scaleDown: 0s", "scaleDown: 5", "spec.scaleDown: must be text, not a number (write it as '5m'; units are s, m (minutes), h, d)"),
        ("scaleDown: 0s", "scaleDown: soon", "spec.scaleDown: 'soon' is not a duration from 0s to 11d (write it as '5m'; units are s, m (minutes), h, d)"),
        ("silence: zero", "silence: zer0", "spec.silence: 'zer0' is not one of hold, zero (did you mean 'zero'?)"),
        ("quantile: 95%", "quantile: 1", "spec.forecast.quantile: must be between 1 % and 99.9 % of all forecasts (write it as 0.9)"),
        ("leadTime", "leadtime", "spec.forecast.leadtime: unknown field (did you mean 'leadTime'?)"),
        ("to: 2026-11-29 00:00:00", "to: 2026-11-27 00:00:00", "spec.expectedLoad[0].to: is not after from (swap them, or mend the date)"),
        ("factor: 2", "factor: 0", "spec.expectedLoad[0].factor: must be above 0 and at most 1000 (write 3 for three times as much)"),
        (", factor: 2", "", "spec.expectedLoad[0].factor: is required (such as 3: three times what would be without it)"),
        ("Europe/Berlin", "Europe/Berln", "spec.expectedLoad[1].timeZone: there is no time zone 'Europe/Berln' (did you mean 'Europe/Berlin'?)"),
        ("form: balloon", "form: ballon", "spec.burstPool.form: 'ballon' is not one of CapacityBuffer, balloon (did you mean 'balloon'?)"),
        ("max: 10, form", "max: 0, form", "spec.burstPool.max: must be a whole number from 1 to 100000 (such as 2)"),
        ("step: 2", "step: 7", "spec.fastLane.step: is above max, which is 6: no write would be allowed (lower it)"),
        ("every: 20s", "every: 20", "spec.fastLane.every: must be text, not a number (write it as '5s'; units are s, m (minutes), h, d)"),
        ("silence: zero", "silent: zero", "spec.silent: unknown field (did you mean 'silence'?)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_where_it_stands_with_its_mend(told, written, instead, message):
    (problem,) = told(written, instead)
    assert problem == f"error: {message}"


def test_two_targets_of_one_workload_would_undo_each_other(judge, valid):
    (problem,) = judge.problems(valid + LEAST + SECOND)
    line = (valid + LEAST + SECOND).splitlines().index("  workload: {namespace: shop, name: checkout-api}")
    assert problem.endswith(
        "error: spec.workload: a second target of shop/Deployment/checkout-api; "
        f"the first is 'checkout-api' at docs.yaml:{line + 1} (keep one of them)"
    )
    other = SECOND.replace("namespace: shop", "namespace: staging")
    assert len(judge.catalogue(valid + LEAST + other).scaling_targets) == 2


def test_a_target_may_be_about_a_journey_that_an_slo_counts_and_nobody_describes(judge, valid):
    documents = valid.split("---\n")
    undescribed = "---\n".join(each for each in documents if "kind: Journey" not in each)
    judge.write(undescribed + LEAST + "  journeys: [checkout]\n")
    catalogue, problems = judge.check()
    assert catalogue is not None, problems
    assert catalogue.scaling_targets["checkout-api"].journeys == ("checkout",)
