"""The comparison of the two accounts: it must find every kind of disagreement, since a demo that cannot fail shows nothing."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from maibo_slo.demo.account import judge
from maibo_slo.demo.evidence import (
    Bar,
    Evidence,
    Flow,
    Ingest,
    Request,
    SdkCounts,
    Series,
    Tag,
    Told,
    Written,
)
from maibo_slo.demo.expected import Bounds, p99_us
from maibo_slo.demo.load import Seen

TAGS = {
    "GET /products": Tag("browse", "products", ends=True),
    "POST /checkout": Tag("checkout", "basket"),
    "POST /checkout/{order}/pay": Tag("checkout", "payment", ends=True),
    "DELETE /checkout/{order}": Tag("checkout", "cancel", ends=True),
    "POST /reserve": Tag("checkout", "reserve"),
    "POST /charge": Tag("checkout", "charge"),
}
FRONT = ("storefront-eu", "storefront", "1.0.0", "eu")
CART = ("cart", "cart", "1.0.0", "eu")
PAYMENT = ("payment", "payment", "1.1.0", "eu")
MS = 1_000_000
APART = 100_000
"""Between the readings outside and inside of the SDK's middleware."""


def request(process, visit: str, tier: str, route: str, status: int, begin_ms: float, end_ms: float) -> Request:
    begin, end = round(begin_ms * MS), round(end_ms * MS)
    return Request(*process, visit, tier, route, status, begin, begin + APART, end - APART, end, end + APART)


def browse(visit: str, milliseconds: float) -> list[Request]:
    return [request(FRONT, visit, "vip", "GET /products", 200, 0, milliseconds)]


def checkout(visit: str, tier: str, milliseconds: float, *, status: int = 200) -> list[Request]:
    """Half of the time is spent on the first request, a fifth in each of the services behind."""
    half, fifth = milliseconds / 2, milliseconds / 5
    charged = 200 if status == 200 else 503
    return [
        request(CART, visit, tier, "POST /reserve", 204, 1, 1 + fifth),
        request(FRONT, visit, tier, "POST /checkout", 201, 0, half),
        request(PAYMENT, visit, tier, "POST /charge", charged, half + 1, half + 1 + fifth),
        request(FRONT, visit, tier, "POST /checkout/{order}/pay", status, half + 0.5, milliseconds),
    ]


def cancelled(visit: str, milliseconds: float) -> list[Request]:
    begun = checkout(visit, "standard", milliseconds)[:2]
    end = request(FRONT, visit, "standard", "DELETE /checkout/{order}", 204, milliseconds - 5, milliseconds)
    return [*begun, end]


def seen(visit: str, journey: str, tier: str, outcome: str, requests: list[Request]) -> Seen:
    mine = [each for each in requests if each.visit == visit and each.service == "storefront"]
    return Seen(
        visit=visit,
        journey=journey,
        tier=tier,
        region="eu",
        outcome=outcome,
        requests=tuple(each.route for each in mine),
        began_ns=min(each.came_ns for each in mine) - 2 * MS,
        ended_ns=max(each.sent_ns for each in mine) + 2 * MS,
    )


def written(visit: str, journey: str, tier: str, milliseconds: float, outcome: str = "success") -> Written:
    return Written(visit, journey, tier, outcome, round(milliseconds * MS))


def bar(lower_ms: float, upper_ms: float, **outcomes: int) -> Bar:
    return Bar(lower_ms * 1000, upper_ms * 1000, outcomes)


def series(journey: str, step: str, tier: str, process) -> Series:
    return Series(journey, step, tier, *process[1:])


BEGUN = 3
"""Checkouts, whose begin is told by a span of its own."""
RESERVED = series("checkout", "reserve", "vip", CART)
CHARGED = series("checkout", "charge", "vip", PAYMENT)
CHECKED_OUT = series("checkout", "", "vip", FRONT)


@pytest.fixture
def evidence() -> Evidence:
    """Three VIPs and one standard customer, told rightly."""
    requests = [
        *browse("a", 10.0),
        *checkout("b", "vip", 100.0),
        *checkout("c", "vip", 200.0, status=503),
        *cancelled("d", 50.0),
    ]
    told_series = {
        series("browse", "", "vip", FRONT): {"success": 1},
        series("browse", "products", "vip", FRONT): {"success": 1},
        CHECKED_OUT: {"success": 1, "failure": 1},
        series("checkout", "basket", "vip", FRONT): {"success": 2},
        series("checkout", "payment", "vip", FRONT): {"success": 1, "failure": 1},
        RESERVED: {"success": 2},
        CHARGED: {"success": 1, "failure": 1},
        series("checkout", "", "standard", FRONT): {"abandoned": 1},
        series("checkout", "basket", "standard", FRONT): {"success": 1},
        series("checkout", "cancel", "standard", FRONT): {"abandoned": 1},
        series("checkout", "reserve", "standard", CART): {"success": 1},
    }
    totals: dict[tuple[str, str], Counter[str]] = {}
    for each, outcomes in told_series.items():
        totals.setdefault((each.journey, each.step), Counter()).update(outcomes)
    return Evidence(
        tags=TAGS,
        seen=[
            seen("a", "browse", "vip", "success", requests),
            seen("b", "checkout", "vip", "success", requests),
            seen("c", "checkout", "vip", "failure", requests),
            seen("d", "checkout", "standard", "abandoned", requests),
        ],
        requests=requests,
        written=[
            written("a", "browse", "vip", 10.0),
            written("b", "checkout", "vip", 100.0),
            written("c", "checkout", "vip", 200.0, "failure"),
            written("d", "checkout", "standard", 50.0, "abandoned"),
        ],
        sdks={
            "storefront-eu": SdkCounts(exported=11 + BEGUN),
            "cart": SdkCounts(exported=3),
            "payment": SdkCounts(exported=2),
        },
        told={
            ("browse", "vip"): Told({"success": 1}, 9_950.0, [bar(9.9, 10.0, success=1)]),
            ("checkout", "vip"): Told(
                {"success": 1, "failure": 1}, 201_000.0, [bar(98, 100, success=1), bar(195, 200, failure=1)]
            ),
            ("checkout", "standard"): Told({"abandoned": 1}, None, [bar(49, 50, abandoned=1)]),
        },
        told_series=told_series,
        told_steps={
            ("browse", "products", *FRONT[1:3]): Flow({"success": 1}, 10_000.0),
            ("checkout", "basket", *FRONT[1:3]): Flow({"success": 3}, 100_000.0),
            ("checkout", "payment", *FRONT[1:3]): Flow({"success": 1, "failure": 1}, 99_500.0),
            ("checkout", "cancel", *FRONT[1:3]): Flow({"abandoned": 1}, None),
            ("checkout", "reserve", *CART[1:3]): Flow({"success": 3}, 40_000.0),
            ("checkout", "charge", *PAYMENT[1:3]): Flow({"success": 1, "failure": 1}, 40_000.0),
        },
        told_totals=totals,
        told_begun={("browse", "vip"): 1, ("checkout", "vip"): 2, ("checkout", "standard"): 1},
        ingest=Ingest(accepted=16 + BEGUN, counted=16 + BEGUN, rejected=0),
    )


def recount(evidence: Evidence, change: dict[Series, dict[str, int]]) -> Evidence:
    """maibo counts these instead, and its totals and spans follow."""
    told = {**evidence.told_series, **change}
    totals: dict[tuple[str, str], Counter[str]] = {}
    for each, outcomes in told.items():
        totals.setdefault((each.journey, each.step), Counter()).update(outcomes)
    spans = sum(sum(outcomes.values()) for outcomes in told.values()) + BEGUN
    return replace(evidence, told_series=told, told_totals=totals, ingest=Ingest(spans, spans, 0))


def test_equal_accounts_agree(evidence: Evidence):
    judged = judge(evidence)
    assert judged.agree, judged.disagreements
    assert (judged.requests, judged.counted) == (7, 7)
    assert (judged.spans.expected, judged.spans.lost, judged.spans.duplicated) == (16 + BEGUN, 0, 0)
    assert judged.p99_error_max == pytest.approx(0.005, rel=0.01)
    assert [(row.journey, row.tier) for row in judged.rows] == [
        ("browse", "vip"),
        ("checkout", "standard"),
        ("checkout", "vip"),
    ]
    assert [(row.service, row.version, row.step) for row in judged.steps] == [
        ("storefront", "1.0.0", "products"),
        ("storefront", "1.0.0", "basket"),
        ("storefront", "1.0.0", "payment"),
        ("storefront", "1.0.0", "cancel"),
        ("cart", "1.0.0", "reserve"),
        ("payment", "1.1.0", "charge"),
    ]


def test_journeys_that_maibo_did_not_see_begin_are_missed(evidence: Evidence):
    judged = judge(replace(evidence, told_begun={**evidence.told_begun, ("checkout", "vip"): 1}))
    assert judged.disagreements == ("checkout, vip: 2 journeys began, maibo counts 1",)


def test_evidence_of_nothing_is_no_agreement():
    judged = judge(
        Evidence(
            tags=TAGS,
            seen=[],
            requests=[],
            written=[],
            sdks={},
            told={},
            told_series={},
            told_steps={},
            told_totals={},
            told_begun={},
            ingest=Ingest(0, 0, 0),
        )
    )
    assert not judged.agree
    assert judged.disagreements == (
        "no customer sent a request: nothing was compared",
        "the services wrote down no step: nothing was compared",
        "no P99 was compared",
    )


def test_services_that_write_nothing_down_are_no_agreement(evidence: Evidence):
    judged = judge(replace(evidence, requests=[], written=[]))
    assert "the services wrote down no step: nothing was compared" in judged.disagreements
    assert "no P99 was compared" in judged.disagreements


def test_a_service_that_no_journey_is_carried_to_is_found(evidence: Evidence):
    """Its SDK then exports nothing, and its own numbers are perfectly consistent."""
    deaf = recount(evidence, {RESERVED: {}, series("checkout", "reserve", "standard", CART): {}})
    judged = judge(replace(deaf, sdks={**deaf.sdks, "cart": SdkCounts(problems={"steps_outside": 3})}))
    assert (
        "checkout, step reserve, vip, cart 1.0.0 eu, success: the service wrote down 2, maibo counts 0"
        in judged.disagreements
    )
    assert "cart: its own notes make 3 spans, its SDK ended 0" in judged.disagreements
    assert "cart: steps outside, by its SDK: 3" in judged.disagreements
    assert (judged.spans.lost, judged.spans.duplicated) == (3, 0)


def test_an_exporter_that_says_it_delivered_and_did_not_is_found(evidence: Evidence):
    judged = judge(recount(evidence, {CHARGED: {}}))
    assert (
        "checkout, step charge, vip, payment 1.1.0 eu, failure: the service wrote down 1, maibo counts 0"
        in judged.disagreements
    )
    assert "the services' own notes make 19 spans, maibo accepted 17" in judged.disagreements
    assert judged.spans.lost == 2


def test_a_body_that_was_counted_twice_is_found(evidence: Evidence):
    """Delivered again with other bytes, so that no token gives it away."""
    twice = {
        each: {outcome: 2 * n for outcome, n in evidence.told_series[each].items()} for each in (RESERVED, CHARGED)
    }
    judged = judge(recount(evidence, twice))
    assert (judged.spans.lost, judged.spans.duplicated) == (0, 4)
    assert (
        "checkout, step reserve, vip, cart 1.0.0 eu, success: the service wrote down 2, maibo counts 4"
        in judged.disagreements
    )


def test_what_is_lost_in_one_service_and_counted_twice_in_another_does_not_cancel(evidence: Evidence):
    judged = judge(recount(evidence, {RESERVED: {"success": 1}, CHARGED: {"success": 2, "failure": 1}}))
    assert (judged.spans.expected, judged.spans.counted) == (19, 19)
    assert (judged.spans.lost, judged.spans.duplicated) == (1, 1)
    assert "1 spans were lost, 1 duplicated" in judged.disagreements


@pytest.mark.parametrize("share", [0.5, 0.97, 1.03])
def test_durations_that_the_sdk_tells_wrongly_to_everybody_are_found(evidence: Evidence, share: float):
    """The pipeline then tells them faithfully: bars and P99 are those of the SDK."""
    told = {
        place: Told(
            each.outcomes,
            None if each.p99_us is None else each.p99_us * share,
            [Bar(one.lower_us * share, one.upper_us * share, one.outcomes) for one in each.bars],
        )
        for place, each in evidence.told.items()
    }
    half = [replace(each, duration_ns=round(each.duration_ns * share)) for each in evidence.written]
    judged = judge(replace(evidence, told=told, written=half))
    assert not any("distribution" in each for each in judged.disagreements)
    assert any(
        "checkout, vip: 2 durations by the SDK are not those of the services' own clocks" in each
        for each in judged.disagreements
    )
    assert judged.p99_error_max is not None
    assert judged.p99_error_max > 0.0125


def test_a_single_journey_that_the_sdk_timed_wrongly_is_found(evidence: Evidence):
    wrong = [each if each.visit != "b" else replace(each, duration_ns=98 * MS) for each in evidence.written]
    judged = judge(replace(evidence, written=wrong))
    assert any("checkout, vip: 1 durations by the SDK are not" in each for each in judged.disagreements)


def test_durations_of_steps_that_are_told_wrongly_are_found(evidence: Evidence):
    place = ("checkout", "charge", *PAYMENT[1:3])
    judged = judge(
        replace(evidence, told_steps={**evidence.told_steps, place: Flow({"success": 1, "failure": 1}, 20_000.0)})
    )
    (found,) = judged.disagreements
    assert "payment 1.1.0, step charge: maibo's P99 of 20000.0 us is 49" in found


def test_clocks_that_are_too_far_apart_measure_nothing(evidence: Evidence):
    vague = [replace(each, left_ns=each.sent_ns + 30 * MS) for each in evidence.requests]
    judged = judge(replace(evidence, requests=vague))
    assert [each.partition(":")[0] for each in judged.disagreements] == ["cart", "payment", "storefront-eu"]
    assert all("nothing was measured" in each for each in judged.disagreements)


def test_a_storefront_whose_clock_says_more_than_the_customers_is_found(evidence: Evidence):
    hasty = [replace(each, ended_ns=each.ended_ns - 20 * MS) for each in evidence.seen]
    judged = judge(replace(evidence, seen=hasty))
    assert (
        "browse, vip, visit a: by the storefront's clock it was longer than the customer was there"
        in judged.disagreements
    )


def test_a_journey_that_maibo_lost_is_told_and_counted_as_lost(evidence: Evidence):
    less = Told({"failure": 1}, 201_000.0, [bar(195, 200, failure=1)])
    judged = judge(
        replace(recount(evidence, {CHECKED_OUT: {"failure": 1}}), told={**evidence.told, ("checkout", "vip"): less})
    )
    assert "checkout, vip, success: customers saw 1, the services ended 1, maibo counts 0" in judged.disagreements
    assert (judged.spans.lost, judged.spans.duplicated) == (1, 0)


def test_a_duration_in_the_wrong_bar_is_found_though_the_sums_are_right(evidence: Evidence):
    wrong = Told({"success": 1, "failure": 1}, 201_000.0, [bar(90, 92, success=1), bar(195, 200, failure=1)])
    judged = judge(replace(evidence, told={**evidence.told, ("checkout", "vip"): wrong}))
    assert (judged.spans.lost, judged.spans.duplicated) == (1, 1)
    assert any("distribution lacks 1 and has 1 too many" in each for each in judged.disagreements)


def test_a_whole_tier_that_maibo_does_not_know_is_found(evidence: Evidence):
    told = {place: each for place, each in evidence.told.items() if place != ("browse", "vip")}
    judged = judge(replace(evidence, told=told))
    assert "browse, vip: P99 is 10000.0 us exactly, nothing by maibo" in judged.disagreements
    assert "browse, vip, success: customers saw 1, the services ended 1, maibo counts 0" in judged.disagreements


def test_events_of_a_tier_or_a_service_that_nobody_asked_about_are_found(evidence: Evidence):
    totals = {**evidence.told_totals, ("checkout", "charge"): Counter(success=2, failure=1)}
    judged = judge(replace(evidence, told_totals=totals))
    assert (
        "checkout, step charge, another tier or process, success: the service wrote down 0, maibo counts 1"
        in judged.disagreements
    )
    assert (judged.spans.lost, judged.spans.duplicated) == (0, 1)


def test_an_outcome_told_wrongly_is_found_though_the_sums_are_right(evidence: Evidence):
    judged = judge(recount(evidence, {CHARGED: {"success": 2}}))
    assert {each for each in judged.disagreements if "charge" in each} == {
        "checkout, step charge, vip, payment 1.1.0 eu, failure: the service wrote down 1, maibo counts 0",
        "checkout, step charge, vip, payment 1.1.0 eu, success: the service wrote down 1, maibo counts 2",
    }


def test_a_p99_further_off_than_promised_is_found(evidence: Evidence):
    wrong = replace(evidence.told["checkout", "vip"], p99_us=203_000.0)
    judged = judge(replace(evidence, told={**evidence.told, ("checkout", "vip"): wrong}))
    assert judged.p99_error_max == pytest.approx(0.015, abs=0.0001)
    assert any("checkout, vip: maibo's P99 of 203000.0 us is 1.50% off" in each for each in judged.disagreements)


def test_customers_and_services_that_disagree_are_found(evidence: Evidence):
    judged = judge(replace(evidence, seen=evidence.seen[1:]))
    assert "browse, vip, success: customers saw 0, the services ended 1, maibo counts 1" in judged.disagreements
    assert (
        "GET /products: a storefront answered 1 requests of a visit 'a' that no customer made" in judged.disagreements
    )


def test_a_customer_that_was_taken_for_another_is_found(evidence: Evidence):
    requests = [replace(each, region="ap") if each.visit == "a" else each for each in evidence.requests]
    judged = judge(replace(evidence, requests=requests))
    assert "browse, vip, visit a: a storefront took the customer for another" in judged.disagreements


def test_a_journey_that_was_ended_twice_is_found(evidence: Evidence):
    judged = judge(replace(evidence, written=[*evidence.written, evidence.written[0]]))
    assert "browse: the SDK ended the journey of visit 'a' 2 times" in judged.disagreements


def test_a_journey_that_only_the_sdk_ended_is_found(evidence: Evidence):
    judged = judge(replace(evidence, written=[*evidence.written, written("x", "browse", "vip", 10.0)]))
    assert "browse, vip: the SDK ended a journey of visit 'x', which the services did not" in judged.disagreements


def test_a_request_that_was_not_counted_is_found(evidence: Evidence):
    judged = judge(recount(evidence, {series("checkout", "payment", "vip", FRONT): {"failure": 1}}))
    assert "checkout, vip, step payment: customers sent 2 requests, maibo counts 1" in judged.disagreements
    assert (judged.requests, judged.counted) == (7, 6)


def test_a_route_that_no_document_names_is_found(evidence: Evidence):
    judged = judge(replace(evidence, tags={}))
    assert "GET /products: no step of browse has this route in the documents" in judged.disagreements


def test_an_answer_that_the_shop_does_not_promise_is_told_with_its_reason(evidence: Evidence):
    odd = replace(evidence.seen[0], outcome="unknown", detail="ReadTimeout: ")
    judged = judge(replace(evidence, seen=[odd, *evidence.seen[1:]]))
    assert any("an answer that the shop does not promise: ReadTimeout" in each for each in judged.disagreements)


@pytest.mark.parametrize(
    ("ingest", "lost", "duplicated", "told"),
    [
        (Ingest(18, 18, 0), 1, 0, "the services' own notes make 19 spans, maibo accepted 18"),
        (Ingest(20, 20, 0), 0, 1, "the services' own notes make 19 spans, maibo accepted 20"),
        (Ingest(19, 17, 2), 2, 0, "maibo accepted 19 spans and counted 17 (2 rejected)"),
        (Ingest(19, 19, 1), 0, 0, "maibo accepted 19 spans and counted 19 (1 rejected)"),
    ],
)
def test_spans_that_do_not_arrive_once_are_found(
    evidence: Evidence, ingest: Ingest, lost: int, duplicated: int, told: str
):
    judged = judge(replace(evidence, ingest=ingest))
    assert (judged.spans.lost, judged.spans.duplicated) == (lost, duplicated)
    assert told in judged.disagreements


@pytest.mark.parametrize(
    "what", ["carriers_ignored", "steps_outside", "internal_errors", "what_the_next_version_counts"]
)
def test_what_an_sdk_says_it_dropped_is_a_disagreement(evidence: Evidence, what: str):
    sdks = {**evidence.sdks, "cart": SdkCounts.of({"exported": 3, "lost": 0, what: 2})}
    (found,) = judge(replace(evidence, sdks=sdks)).disagreements
    assert found == f"cart: {what.replace('_', ' ')}, by its SDK: 2"


@pytest.mark.parametrize("what", ["lost", "rejected", "queued"])
def test_spans_that_an_sdk_could_not_deliver_are_a_disagreement(evidence: Evidence, what: str):
    sdks = {**evidence.sdks, "cart": SdkCounts.of({"exported": 2, what: 1})}
    (found,) = judge(replace(evidence, sdks=sdks)).disagreements
    assert found == f"cart: {what}, by its SDK: 1"


def test_the_p99_is_the_nearest_rank_of_either_bound():
    durations = [Bounds(n * MS, n * MS + 5_000) for n in range(1, 201)]
    assert p99_us(durations) == (198_000.0, 198_005.0)
    assert p99_us([]) is None
    assert p99_us(durations)[0] == np.quantile(range(1, 201), 0.99, method="inverted_cdf") * 1000
