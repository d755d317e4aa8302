"""What spans of one shape are: journeys as they say themselves, or as rules say."""

import pytest

from maibo_collectors.otlp.decoding.classify import EMPTY_NAME, TOO_THIN, UNKNOWN_OUTCOME, Classifier, Shape
from maibo_collectors.otlp.decoding.rules import Condition, Rule, Rules
from maibo_collectors.otlp.decoding.sampling import Weight
from maibo_collectors.otlp.decoding.tally import series_of

PAY = Rule(journey="checkout", step="pay", attributes=(Condition("http.route", ("/pay*",)),), kind=2)


@pytest.fixture
def classify():
    def classify(*rules, resource=None, error=False, kind=0, name="", threshold="", thresholds_us=None, **attributes):
        classifier = Classifier(Rules(spans=rules, thresholds_us=thresholds_us or {}))
        attributes = {key.replace("__", "."): text for key, text in attributes.items()}
        shape = Shape(
            tuple((resource or {}).get(key) for key in classifier.resource_keys),
            tuple(attributes.get(key) for key in classifier.span_keys),
            error,
            kind,
            name if classifier.with_name else "",
            threshold,
        )
        return classifier.classify(shape)

    return classify


def series(judgement):
    return [series_of(fate.series) for fate in judgement.fates]


@pytest.mark.parametrize(
    ("told", "error", "outcome"),
    [
        (None, False, "success"),
        (None, True, "failure"),
        ("success", True, "success"),
        ("failure", False, "failure"),
        ("abandoned", False, "abandoned"),
    ],
)
def test_the_outcome_is_what_the_journey_says_else_what_the_status_says(classify, told, error, outcome):
    judgement = classify(error=error, journey__name="checkout", journey__outcome=told)
    assert [each.outcome for each in series(judgement)] == [outcome]
    assert [each.failed for each in judgement.fates] == [outcome == "failure"]


def test_what_a_span_does_not_tell_is_empty(classify):
    assert series(classify(journey__name="checkout")) == [("checkout", *[""] * 8, "success")]


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"journey__name": ""}, EMPTY_NAME),
        ({"journey__name": "a", "journey__outcome": "great"}, f"{UNKNOWN_OUTCOME} 'great'"),
        ({"journey__name": "a", "journey__outcome": ""}, f"{UNKNOWN_OUTCOME} ''"),
        ({"journey__name": "a", "threshold": "f" * 14}, TOO_THIN),
    ],
)
def test_what_cannot_be_counted_is_rejected(classify, attributes, reason):
    judgement = classify(**attributes)
    assert (judgement.fates, judgement.rejected) == ((), reason)


@pytest.mark.parametrize(
    ("outcome", "told"),
    [("it's \u200bgreat", '"it\'s \\u200bgreat"'), ("x" * 60, repr("x" * 60)), ("x" * 61, repr("x" * 59 + "…"))],
)
def test_an_outcome_that_is_none_is_told_short_and_printable(classify, outcome, told):
    assert classify(journey__name="a", journey__outcome=outcome).rejected == f"{UNKNOWN_OUTCOME} {told}"


def test_a_span_of_no_journey_that_no_rule_matches_is_ignored_however_it_is_sampled(classify):
    judgement = classify(PAY, http__route="/pay", kind=3, threshold="f" * 14)
    assert (judgement.fates, judgement.rejected) == ((), "")


@pytest.mark.parametrize(
    ("attributes", "marker"),
    [
        ({"journey__started": "true"}, True),
        ({"journey__started": "true", "journey__step": ""}, True),
        ({"journey__started": "false"}, False),
        ({"journey__started": "true", "journey__step": "pay"}, False),
        ({"journey__started": "true", "journey__outcome": "success"}, False),
    ],
)
def test_a_start_without_step_and_outcome_is_a_marker(classify, attributes, marker):
    judgement = classify(journey__name="checkout", thresholds_us={"checkout": 5}, **attributes)
    (fate,) = judgement.fates
    assert (fate.marker, series(judgement)[0].outcome == "") == (marker, marker)
    assert fate.whole == (not marker and not attributes.get("journey__step"))
    assert fate.threshold_ns == (5_000 if fate.whole else 0)
    assert judgement.timed == (fate.whole or marker)


def test_rules_are_not_asked_about_a_span_that_says_itself_what_it_is(classify):
    judgement = classify(PAY, journey__name="own", http__route="/pay", kind=2)
    assert [each.journey for each in series(judgement)] == ["own"]


def test_a_span_may_be_a_step_and_the_journey_as_a_whole_and_another_journey(classify):
    rules = [
        PAY,
        Rule(journey="checkout", name=("POST /pay*",)),
        Rule(journey="money", resource=(Condition("service.name", ("shop", "bank")),)),
    ]
    judgement = classify(*rules, resource={"service.name": "shop"}, http__route="/pay/1", kind=2, name="POST /pay/{id}")
    found = [(each.journey, each.step, each.service, each.outcome) for each in series(judgement)]
    assert found == [
        ("checkout", "pay", "shop", "success"),
        ("checkout", "", "shop", "success"),
        ("money", "", "shop", "success"),
    ]
    assert judgement.timed


def test_several_rules_of_one_step_are_alternatives_and_count_once(classify):
    judgement = classify(PAY, Rule(journey="checkout", step="pay", name=("*",)), http__route="/pay", kind=2, name="x")
    assert len(judgement.fates) == 1


def test_every_condition_of_a_rule_must_be_met(classify):
    rule = Rule(
        journey="a",
        resource=(Condition("service.name", ("shop",)),),
        attributes=(Condition("x", ("1",)), Condition("y", ("*",))),
        name=("GET *",),
        kind=2,
    )
    met = {"resource": {"service.name": "shop"}, "x": "1", "y": "", "name": "GET /", "kind": 2}
    assert classify(rule, **met).fates
    for change in ({"resource": {}}, {"x": "2"}, {"x": None}, {"y": None}, {"name": "POST /"}, {"kind": 3}):
        assert not classify(rule, **met | change).fates, change


def test_failure_conditions_of_a_rule_decide_alone(classify):
    rule = Rule(journey="a", failure=(Condition("status", ("4*", "5*")), Condition("error.type", ("*",))))
    for attributes, outcome in (
        ({"error": True}, "success"),
        ({"status": "503"}, "failure"),
        ({"status": "200", "error__type": "timeout"}, "failure"),
        ({"status": "200"}, "success"),
    ):
        assert [each.outcome for each in series(classify(rule, **attributes))] == [outcome]
    assert [each.outcome for each in series(classify(Rule(journey="a"), error=True))] == ["failure"]


def test_a_rule_says_where_tier_variant_and_reason_are(classify):
    rule = Rule(journey="a", tier="app.tier", variant="app.flag", reason="app.why")
    judgement = classify(rule, error=True, app__tier="vip", app__flag="b", app__why="declined")
    assert (series(judgement)[0].tier, series(judgement)[0].variant, judgement.fates[0].reason) == (
        "vip",
        "b",
        "declined",
    )
    assert classify(rule, app__why="declined").fates[0].reason == "", "it did not fail"


def test_only_what_rules_ask_for_makes_shapes():
    plain = Classifier(Rules())
    assert not plain.with_name
    assert len(plain.resource_keys) == 5
    asking = Classifier(
        Rules(
            spans=(
                Rule(
                    journey="a",
                    resource=(Condition("service.name", ("x",)), Condition("host.name", ("x",))),
                    attributes=(Condition("journey.start_time", ("*",)),),
                    name=("x",),
                    reason="",
                ),
            )
        )
    )
    assert asking.with_name
    assert asking.resource_keys == (*plain.resource_keys, "host.name")
    assert asking.span_keys == plain.span_keys, "a start time differs from span to span"


def test_a_sampled_shape_has_its_weight(classify):
    assert classify(journey__name="a", threshold="8").weight == Weight(2, 0)


def test_the_same_shape_is_judged_the_same_again_even_when_the_cap_is_full():
    classifier = Classifier(Rules(series_limit=1, reason_limit=1))

    def shape(tier, reason):
        told = {
            "journey.name": "a",
            "journey.tier": tier,
            "journey.outcome": "failure",
            "journey.failure_reason": reason,
        }
        return Shape((None,) * 5, tuple(told.get(key) for key in classifier.span_keys), False, 0, "", "")

    shapes = [shape(tier, reason) for tier in "ab" for reason in "xy"]
    first = [classifier.classify(each) for each in shapes]
    assert [classifier.classify(each) for each in shapes] == first
    assert [judgement.overflowed for judgement in first] == [(), (), ("a",), ("a",)]
