"""Error-budget policies: states from best to worst, each with a way back that is no edge to flap on."""

import pytest

from maibo_slo.documents import PolicyState

POLICY = """\
---
apiVersion: maibo.dev/v1
kind: ErrorBudgetPolicy
metadata: {name: shop-policy}
spec:
  description: What we do as the budget goes.
  hold: 30m
  states:
    - {name: healthy}
    - {name: slow, remainingBelow: 25%, recoverAbove: 35%, burnAbove: 2, burnRecoverBelow: 1}
    - {name: frozen, remainingBelow: 0, recoverAbove: 0.1}
"""


@pytest.fixture
def agreed(judge, valid):
    """The policy of documents with one thing written otherwise."""

    def read(written="", instead="", *, told=()):
        assert written in POLICY
        problems = judge.problems(valid + POLICY.replace(written, instead, 1))
        assert [problem.split(": ", 1)[1] for problem in problems] == list(told)
        catalogue, _ = judge.check()
        return catalogue.policies["shop-policy"] if catalogue else None

    return read


def test_a_policy_is_its_states_and_how_long_one_is_held(agreed):
    found = agreed()
    assert (found.description, found.hold_seconds) == ("What we do as the budget goes.", 1800)
    assert found.states == (
        PolicyState("healthy"),
        PolicyState("slow", 0.25, 0.35, 2.0, 1.0),
        PolicyState("frozen", 0.0, 0.1),
    )
    assert (found.slos, found.services) == ((), ())
    assert agreed("  hold: 30m\n", "").hold_seconds == 3600


def test_a_way_back_that_is_not_given_is_the_way_in(agreed):
    found = agreed(
        "{name: slow, remainingBelow: 25%, recoverAbove: 35%, burnAbove: 2, burnRecoverBelow: 1}",
        "{name: slow, remainingBelow: 12.5 %, burnAbove: 2.5}",
    )
    assert found.states[1] == PolicyState("slow", 0.125, 0.125, 2.5, 2.5)


def test_a_budget_may_be_overspent(agreed):
    assert agreed("remainingBelow: 0, recoverAbove: 0.1", "remainingBelow: -50%, recoverAbove: -0.1").states[
        2
    ] == PolicyState("frozen", -0.5, -0.1)


SLOW = "{name: slow, remainingBelow: 25%, recoverAbove: 35%, burnAbove: 2, burnRecoverBelow: 1}"


@pytest.mark.parametrize(
    ("written", "instead", "problem"),
    [
        ("{name: healthy}", "{name: healthy, remainingBelow: 50%}", "spec.states[0].remainingBelow: the first state holds when no other does (remove it, and begin with {name: healthy})"),
        (SLOW, "{name: slow}", "spec.states[1].remainingBelow: nothing says when this state is entered (add remainingBelow or burnAbove)"),
        ("recoverAbove: 35%", "recoverAbove: 15%", "spec.states[1].recoverAbove: is lower than remainingBelow: the state would be left where it is entered (raise it)"),
        ("burnRecoverBelow: 1", "burnRecoverBelow: 3", "spec.states[1].burnRecoverBelow: is higher than burnAbove: the state would be left where it is entered (lower it)"),
        ("burnAbove: 2, ", "", "spec.states[1].burnRecoverBelow: is about leaving what burnAbove enters, which is not given (add burnAbove)"),
        ("remainingBelow: 0,", "remainingBelow: 25%, burnAbove: 9,", "spec.states[2].remainingBelow: is not below that of the state before, which is a better one (put the worst last)"),
        ("remainingBelow: 0,", "remainingBelow: 0, burnAbove: 2,", "spec.states[2].burnAbove: is not above that of the state before, which is a better one (put the worst last)"),
        ("name: frozen", "name: slow", "spec.states[2].name: a second state named 'slow' (rename one of them)"),
        ("name: frozen", "name: Frozen!", "spec.states[2].name: 'Frozen!' is not a name (use at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit)"),
        ("25%", "25", "spec.states[1].remainingBelow: must be between -1000 % and 100 % of the budget (write it as 25%)"),
        ("25%", "25 percent", "spec.states[1].remainingBelow: '25 percent' is not a share of the budget (write it as 25%)"),
        ("25%", "'0.25'", "spec.states[1].remainingBelow: '0.25' is not a share of the budget (write it as 25%)"),
        ("burnAbove: 2", "burnAbove: 0", "spec.states[1].burnAbove: must be a burn rate above 0 (such as 2: twice as fast as the budget lasts)"),
        ("hold: 30m", "hold: 1500ms", "spec.hold: must be whole seconds (write it as '1h')"),
        ("hold: 30m", "hold: 30m\n  slos: [availble]", "spec.slos[0]: there is no SLO named 'availble' (did you mean 'available'?; known: available)"),
        ("burnAbove", "burnsAbove", "spec.states[1].burnsAbove: unknown field (did you mean 'burnAbove'?)"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told_with_its_mend(judge, valid, written, instead, problem):
    assert written in POLICY
    problems = [each.split(": ", 1)[1] for each in judge.problems(valid + POLICY.replace(written, instead, 1))]
    assert f"error: {problem}" in problems
    assert judge.check()[0] is None


def test_one_state_is_no_policy(agreed):
    states = POLICY[POLICY.index("    - {name: slow") :]
    assert agreed(states, "", told=[
        "error: spec.states: a policy with one state says nothing (such as states: [{name: healthy}, {name: frozen, remainingBelow: 0%, recoverAbove: 10%}])"
    ]) is None  # fmt: skip


def named(text, name, *about):
    changed = text.replace("shop-policy", name)
    return changed + "".join(f"  {line}\n" for line in about)


def test_there_is_one_policy_for_all_one_for_a_service_and_one_for_an_slo(judge, valid):
    text = valid + POLICY + named(POLICY, "of-service", "services: [shop]") + named(POLICY, "of-slo", "slos: available")
    catalogue = judge.catalogue(text)
    assert {name: (each.slos, each.services) for name, each in catalogue.policies.items()} == {
        "shop-policy": ((), ()),
        "of-service": ((), ("shop",)),
        "of-slo": (("available",), ()),
    }


@pytest.mark.parametrize(
    ("about", "told"),
    [
        ((), "for every SLO"),
        (("services: [shop]",), "for Service 'shop'"),
        (("slos: [available]",), "for SLO 'available'"),
    ],
)
def test_of_two_policies_nobody_would_know_which_holds(judge, valid, about, told):
    [problem] = judge.problems(valid + named(POLICY, "one", *about) + named(POLICY, "two", *about))
    assert f": a second policy {told}; the first is 'one' at " in problem
