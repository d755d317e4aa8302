"""The comparison of the two accounts: it must find every kind of disagreement, since a demo that cannot fail shows nothing."""

from dataclasses import replace

import numpy as np
import pytest

from maibo_slo.demo.account import Bar, Evidence, Spans, Told, Written, exact_p99_us, judge
from maibo_slo.demo.load import Seen

STEPS = {
    "GET /products": ("browse", "products"),
    "POST /checkout": ("checkout", "basket"),
    "POST /checkout/{order}/pay": ("checkout", "payment"),
}


def seen(journey: str, tier: str, outcome: str = "success", detail: str = "") -> Seen:
    requests = ("GET /products",) if journey == "browse" else ("POST /checkout", "POST /checkout/{order}/pay")
    return Seen(journey, tier, "eu-central", outcome, requests, ended_at=1.0, detail=detail)


def written(journey: str, tier: str, milliseconds: float, outcome: str = "success") -> Written:
    return Written(journey, f"{journey}-{milliseconds}", tier, outcome, round(milliseconds * 1e6), ended_at_ns=0)


def bar(lower_ms: float, upper_ms: float, **outcomes: int) -> Bar:
    return Bar(lower_ms * 1000, upper_ms * 1000, outcomes)


@pytest.fixture
def evidence() -> Evidence:
    """Three VIPs and one standard customer, told rightly."""
    return Evidence(
        seen=[
            seen("browse", "vip"),
            seen("checkout", "vip"),
            seen("checkout", "vip", "failure"),
            seen("checkout", "standard", "abandoned"),
        ],
        written=[
            written("browse", "vip", 10.0),
            written("checkout", "vip", 99.0),
            written("checkout", "vip", 201.0, "failure"),
            written("checkout", "standard", 50.0, "abandoned"),
        ],
        told={
            ("browse", "vip"): Told({"success": 1}, 9_950.0, [bar(9.9, 10.0, success=1)]),
            ("checkout", "vip"): Told(
                {"success": 1, "failure": 1}, 202_000.0, [bar(98, 100, success=1), bar(200, 205, failure=1)]
            ),
            ("checkout", "standard"): Told({"abandoned": 1}, None, [bar(49, 50, abandoned=1)]),
        },
        told_steps={
            ("browse", "vip"): {"products": 1},
            ("checkout", "vip"): {"basket": 2, "payment": 2},
            ("checkout", "standard"): {"basket": 1, "payment": 1},
        },
        steps_of_routes=STEPS,
        spans=Spans(ended=11, given_up=0, accepted=11, counted=11, rejected=0),
    )


def test_equal_accounts_agree(evidence: Evidence):
    judged = judge(evidence)
    assert judged.agree, judged.disagreements
    assert (judged.requests, judged.counted, judged.lost, judged.duplicated) == (7, 7, 0, 0)
    assert judged.p99_error_max == pytest.approx(0.005, rel=0.01)
    assert [(row.journey, row.tier) for row in judged.rows] == [
        ("browse", "vip"),
        ("checkout", "standard"),
        ("checkout", "vip"),
    ]


def test_a_journey_that_maibo_lost_is_told_and_counted_as_lost(evidence: Evidence):
    less = Told({"failure": 1}, 202_000.0, [bar(200, 205, failure=1)])
    judged = judge(replace(evidence, told={**evidence.told, ("checkout", "vip"): less}))
    assert "checkout, vip, success: customers saw 1, the services wrote down 1, maibo counts 0" in judged.disagreements
    assert (judged.lost, judged.duplicated) == (1, 0)


def test_a_journey_that_maibo_counted_twice_is_told_and_counted_as_duplicated(evidence: Evidence):
    more = Told({"success": 2}, 9_950.0, [bar(9.9, 10.0, success=2)])
    judged = judge(replace(evidence, told={**evidence.told, ("browse", "vip"): more}))
    assert "browse, vip, success: customers saw 1, the services wrote down 1, maibo counts 2" in judged.disagreements
    assert (judged.lost, judged.duplicated) == (0, 1)


def test_a_loss_and_a_duplicate_that_cancel_out_in_the_sum_are_both_found(evidence: Evidence):
    wrong = Told({"success": 1, "failure": 1}, 202_000.0, [bar(90, 92, success=1), bar(200, 205, failure=1)])
    judged = judge(replace(evidence, told={**evidence.told, ("checkout", "vip"): wrong}))
    assert (judged.lost, judged.duplicated) == (1, 1)
    assert any("distribution lacks 1 and has 1 too many" in each for each in judged.disagreements)


def test_a_whole_tier_that_maibo_does_not_know_is_found(evidence: Evidence):
    told = {place: each for place, each in evidence.told.items() if place != ("browse", "vip")}
    judged = judge(replace(evidence, told=told))
    assert not judged.agree
    assert judged.lost == 1
    assert any("P99 is 10000.0 us exactly, None us by maibo" in each for each in judged.disagreements)


def test_a_tier_that_nobody_belongs_to_is_found(evidence: Evidence):
    invented = Told({"success": 1}, 10_000.0, [bar(9.9, 10.0, success=1)])
    judged = judge(replace(evidence, told={**evidence.told, ("browse", "gold"): invented}))
    assert "browse, gold, success: customers saw 0, the services wrote down 0, maibo counts 1" in judged.disagreements
    assert judged.duplicated == 1


def test_an_outcome_told_wrongly_is_found_though_the_sums_are_right(evidence: Evidence):
    wrong = Told({"success": 2}, 202_000.0, [bar(98, 100, success=1), bar(200, 205, success=1)])
    judged = judge(replace(evidence, told={**evidence.told, ("checkout", "vip"): wrong}))
    assert "checkout, vip, failure: customers saw 1, the services wrote down 1, maibo counts 0" in judged.disagreements
    assert "checkout, vip, success: customers saw 1, the services wrote down 1, maibo counts 2" in judged.disagreements


def test_a_p99_further_off_than_promised_is_found(evidence: Evidence):
    wrong = replace(evidence.told["checkout", "vip"], p99_us=204_000.0)
    judged = judge(replace(evidence, told={**evidence.told, ("checkout", "vip"): wrong}))
    assert judged.p99_error_max == pytest.approx(0.0149, abs=0.0001)
    assert any("checkout, vip: maibo's P99 of 204000.0 us is 1.49% off" in each for each in judged.disagreements)


def test_customers_and_services_that_disagree_are_found(evidence: Evidence):
    judged = judge(replace(evidence, seen=evidence.seen[1:]))
    assert "browse, vip, success: customers saw 0, the services wrote down 1, maibo counts 1" in judged.disagreements


def test_a_journey_that_was_ended_twice_is_found(evidence: Evidence):
    judged = judge(replace(evidence, written=[*evidence.written, evidence.written[0]]))
    assert "browse: the services ended the journey browse-10.0 2 times" in judged.disagreements


def test_a_request_that_was_not_counted_is_found(evidence: Evidence):
    less = {**evidence.told_steps, ("checkout", "vip"): {"basket": 2, "payment": 1}}
    judged = judge(replace(evidence, told_steps=less))
    assert judged.disagreements == ("checkout, vip, step payment: customers sent 2 requests, maibo counts 1",)
    assert (judged.requests, judged.counted) == (7, 6)


def test_a_route_that_no_document_names_is_found(evidence: Evidence):
    judged = judge(replace(evidence, steps_of_routes={}))
    assert "GET /products: no step of browse has this route in the documents" in judged.disagreements


def test_an_answer_that_the_shop_does_not_promise_is_told_with_its_reason(evidence: Evidence):
    odd = seen("browse", "vip", "unknown", "ReadTimeout: ")
    judged = judge(replace(evidence, seen=[odd, *evidence.seen[1:]]))
    assert any("an answer that the shop does not promise: ReadTimeout" in each for each in judged.disagreements)


@pytest.mark.parametrize(
    ("spans", "lost", "duplicated", "told"),
    [
        (Spans(11, 0, 10, 10, 0), 1, 0, "the services ended 11 spans, maibo accepted 10"),
        (Spans(11, 0, 12, 12, 0), 0, 1, "the services ended 11 spans, maibo accepted 12"),
        (Spans(11, 0, 11, 9, 2), 2, 0, "maibo accepted 11 spans and counted 9 (2 rejected)"),
        (Spans(11, 3, 8, 8, 0), 3, 0, "the services' SDKs gave up 3 spans"),
    ],
)
def test_spans_that_do_not_arrive_once_are_found(
    evidence: Evidence, spans: Spans, lost: int, duplicated: int, told: str
):
    judged = judge(replace(evidence, spans=spans))
    assert (judged.lost, judged.duplicated) == (lost, duplicated)
    assert told in judged.disagreements


def test_the_exact_p99_is_the_nearest_rank_over_what_was_timed():
    durations = [written("checkout", "vip", milliseconds) for milliseconds in range(1, 201)]
    left = [written("checkout", "vip", 10_000.0, "abandoned")] * 50
    assert exact_p99_us([*durations, *left]) == 198_000.0
    assert exact_p99_us(left) is None
    assert exact_p99_us(durations) == np.quantile(range(1, 201), 0.99, method="inverted_cdf") * 1000
