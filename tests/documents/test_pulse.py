"""The pulse: one document of baselines and targets, each with what is usual where it says nothing."""

import pytest

from maibo_slo.documents import Aim, Pulse
from maibo_slo.documents.pulse_kind import DEPLOYMENTS_PER_DAY, P99_US, SCALE_UP_SECONDS, UTILISATION
from maibo_slo.linting.lint import lint

PULSE = """\
---
apiVersion: maibo.dev/v1
kind: Pulse
metadata: {name: shop, displayName: The shop}
spec:
  description: What we promised.
  journeys: [checkout]
  orders: {journey: checkout}
  environments: production
  scaleUpLatency: {baseline: 2m, target: 8s, quantile: 95%}
  deploymentsPerDay: {baseline: 0.2, target: 20}
  p99: {baseline: 900ms, target: 333ms}
  utilisation: {baseline: 20%, target: 0.7}
"""
HEAD = "---\napiVersion: maibo.dev/v1\nkind: Pulse\nmetadata: {name: shop}\nspec:"


@pytest.fixture
def told(judge, valid):
    """What is said of the pulse with one thing written otherwise."""

    def read(written, instead):
        assert written in PULSE
        problems = judge.problems(valid + PULSE.replace(written, instead, 1))
        return [problem.split(": ", 1)[1] for problem in problems]

    return read


def test_a_pulse_says_what_was_and_what_shall_be(judge, valid):
    assert judge.catalogue(valid + PULSE).pulse == Pulse(
        name="shop",
        display_name="The shop",
        description="What we promised.",
        journeys=("checkout",),
        orders=("checkout",),
        environments=("production",),
        scale_up_seconds=Aim(120.0, 8.0),
        scale_up_quantile=0.95,
        deployments_per_day=Aim(0.2, 20.0),
        p99_us=Aim(900_000.0, 333_000.0),
        utilisation=Aim(0.2, 0.7),
    )


@pytest.mark.parametrize(
    "spec",
    [" {}", " {p99: {}, orders: {}, scaleUpLatency: {}}", " {p99: {target: 200ms}, utilisation: {baseline: 35%}}"],
)
def test_where_nothing_is_said_the_usual_holds(judge, valid, spec):
    assert judge.catalogue(valid + HEAD + spec).pulse == Pulse(
        "shop",
        "shop",
        scale_up_seconds=SCALE_UP_SECONDS,
        scale_up_quantile=0.9,
        deployments_per_day=DEPLOYMENTS_PER_DAY,
        p99_us=P99_US,
        utilisation=UTILISATION,
    )


def test_without_a_document_there_is_none(judge, valid):
    assert judge.catalogue(valid).pulse is None


def test_what_is_to_be_held_has_a_target_like_its_baseline(judge, valid):
    pulse = judge.catalogue(valid + HEAD + " {p99: {baseline: 150ms, target: 150ms}}").pulse
    assert pulse is not None
    assert pulse.p99_us == Aim(150_000.0, 150_000.0)


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        (
            "{baseline: 2m, target: 8s, quantile: 95%}",
            "{baseline: 8s, target: 2m}",
            "error: spec.scaleUpLatency.target: the target is worse than the baseline: the baseline is 8s (swap them)",
        ),
        (
            "{baseline: 900ms, target: 333ms}",
            "{baseline: 150ms}",
            "error: spec.p99.baseline: the target is worse than the baseline: the target is 200ms, as nothing else is said (give the target as well)",
        ),
        (
            "{baseline: 20%, target: 0.7}",
            "{target: 30%}",
            "error: spec.utilisation.target: the target is worse than the baseline: the baseline is 35 %, as nothing else is said (give the baseline as well)",
        ),
        (
            "{baseline: 0.2, target: 20}",
            "{baseline: 60}",
            "error: spec.deploymentsPerDay.baseline: the target is worse than the baseline: the target is 50, as nothing else is said (give the target as well)",
        ),
        (
            "baseline: 0.2",
            "baseline: 0",
            "error: spec.deploymentsPerDay.baseline: must be above 0 and at most 1000000 a day (such as 10, or 0.2 for one each five days)",
        ),
        ("quantile: 95%", "quantile: 100%", "error: spec.scaleUpLatency.quantile: must be between 1 % and 99.9 % of all scale-ups (write it as 0.9 or 90%)"),
        ("target: 333ms", "target: fast", "error: spec.p99.target: 'fast' is not a duration from 1us to 11d (write it as '200ms'; units are us, ms, s, m (minutes), h, d)"),
        ("orders: {journey: checkout}", "orders: {journey: chekout}", "error: spec.orders.journey: there is no Journey named 'chekout' (did you mean 'checkout'?; known: checkout)"),
        ("orders: {journey: checkout}", "orders: {journeys: checkout}", "error: spec.orders.journeys: unknown field (did you mean 'journey'?)"),
        ("utilisation:", "utilization:", "error: spec.utilization: unknown field (did you mean 'utilisation'?)"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_told_with_the_mend(told, written, instead, said):
    assert told(written, instead) == [said]


def test_two_pulses_are_two_truths(judge, valid):
    (problem,) = judge.problems(valid + PULSE + HEAD.replace("shop", "again") + " {}")
    assert "metadata.name: a second Pulse; the first is 'shop' at " in problem
    assert "(keep one of them)" in problem


def test_a_pulse_without_a_name_is_told_as_any_document(judge, valid):
    (problem,) = judge.problems(valid + PULSE.replace("name: shop, ", ""))
    assert "metadata.name: is required" in problem


def test_lint_has_nothing_against_a_pulse(judge, valid):
    done = lint([judge.write(valid + PULSE)])
    assert (done.findings, done.problems, done.usable) == ((), (), True)
