"""What stands beside the counts, asked over HTTP of a real store: flow, reasons, exemplars, skew, overflow, samples."""

import json
import time

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from maibo_slo.store import counts, segments
from maibo_slo.store.edges import bin_of
from maibo_slo.store.segments import SegmentRecord

AGO = 7 * 3600
"""Counted so long ago that nothing in another test's window changes."""
OVER = ("__overflow__",) * 7


def series(journey="checkout", step="", *, service="shop", version="v1", region="eu", tier="vip", outcome="success"):
    return (journey, step, "prod", service, version, "", region, tier, "", outcome)


SERIES = (
    series(),
    series(outcome="failure"),
    series(outcome="abandoned"),
    series(step="payment", service="payment", version="v9", outcome="failure"),
    ("promo", "", *OVER, "success"),
    series("promo"),
    ("promo", "__overflow__", *OVER, "failure"),
    series("untold"),
)
GOOD, BAD, LEFT, PAID, PROMO_OVER, PROMO, PROMO_STEP, UNTOLD = range(len(SERIES))


def rows(dtype, *told):
    return np.array(list(told), dtype=dtype)


@pytest.fixture(scope="module")
def then(service):
    """Ten minutes, hours ago, in which everything happened."""
    begin = (int(service.now) - AGO) // 600 * 600
    last = begin + 540
    slow = bin_of(2 * 10**9)
    batch = counts.Counts(
        series=SERIES,
        cells=rows(
            counts.CELL,
            *((begin, each, bin_of(10**8), n) for each, n in ((GOOD, 90), (BAD, 6), (LEFT, 2), (PAID, 5), (UNTOLD, 4))),
            *((begin, each, bin_of(10**8), n) for each, n in ((PROMO_OVER, 30), (PROMO, 70), (PROMO_STEP, 12))),
        ),
        # Of 100 that began in the first minute, two said that they left, and two never said anything.
        flow=rows(
            counts.FLOW,
            (begin, GOOD, 100, 90),
            (begin, BAD, 0, 6),
            (begin, LEFT, 0, 2),
            (last, GOOD, 10, 7),
            (begin, UNTOLD, 0, 4),
        ),
        reasons=[
            counts.ReasonCount(begin, BAD, "card_declined", 5),
            counts.ReasonCount(begin, BAD, "TimeoutError", 1),
            counts.ReasonCount(begin, PAID, "card_declined", 5),
        ],
        exemplars=rows(
            counts.EXEMPLAR,
            (begin * 10**9, BAD, 5, 0, 100_000_000, b"\x01" * 16, b"\x11" * 8),
            (last * 10**9 + 7_300_000_000, PAID, 6, 0, 300_000_000, b"\x02" * 16, b"\x12" * 8),
            (last * 10**9 + 7_200_000_000, PAID, 7, 0, 200_000_000, b"\x03" * 16, b"\x13" * 8),
            (begin * 10**9, GOOD, slow, 1, 2_000_000_000, b"\x04" * 16, b"\x14" * 8),
            (begin * 10**9, GOOD, slow + 1, 2, 2_100_000_000, b"\x05" * 16, b"\x15" * 8),
        ),
        sampled=rows(counts.SAMPLED, (begin, PROMO, 60, 6)),
        skewed=rows(counts.SKEWED, (begin, GOOD, 3), (begin, PAID, 1)),
    )
    counts.insert(service.store, batch, token="causes")
    segments.record(
        service.store,
        SegmentRecord("causes", int(time.time() * 1000), 1, 0, 223, 219, 0, 0, (begin,), skewed=4, overflowed=42),
    )
    return {"begin": begin, "end": begin + 600}


def get(service, path, **parameters):
    response = service.http.get(path, params=parameters)
    assert response.status_code == 200, response.text
    return json.loads(response.text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_what_became_of_those_that_began_is_told_by_the_minute_of_their_begin(service, then) -> None:
    flow = get(service, "/v1/journeys/checkout", **then)["flow"]
    assert (flow["started"], flow["succeeded"], flow["failed"]) == (110, 97, 6)
    assert (flow["abandoned"], flow["silent"], flow["in_progress"]) == (7, 5, 0)
    assert flow["timeout_seconds"] == 1800
    assert flow["started"] == flow["succeeded"] + flow["failed"] + flow["abandoned"] + flow["in_progress"]


def test_before_the_timeout_nobody_is_called_abandoned_who_has_not_said_so(service, then) -> None:
    before = service.now
    try:
        service.now = then["end"] + 30
        flow = get(service, "/v1/journeys/checkout", **then)["flow"]
        assert (flow["abandoned"], flow["silent"], flow["in_progress"]) == (2, 0, 5)
        service.now = then["begin"] + 60 + 1800
        flow = get(service, "/v1/journeys/checkout", **then)["flow"]
        assert (flow["abandoned"], flow["silent"], flow["in_progress"]) == (4, 2, 3)
    finally:
        service.now = before


def test_where_starts_are_not_told_nothing_is_made_up(service, then) -> None:
    flow = get(service, "/v1/journeys/untold", **then)["flow"]
    assert (flow["succeeded"], flow["abandoned"], flow["silent"]) == (4, None, None)


@pytest.mark.parametrize(
    ("choice", "told"),
    [({"tier": "vip"}, True), ({"environment": "prod"}, True), ({"region": "eu"}, False), ({"step": "payment"}, False)],
)
def test_flow_is_told_by_what_is_the_same_where_a_journey_begins_and_where_it_ends(service, then, choice, told) -> None:
    assert (get(service, "/v1/journeys/checkout", **then, **choice)["flow"] is not None) is told


def test_silence_stands_in_the_series_where_the_journeys_began(service, then) -> None:
    hour = {"begin": then["begin"] // 3600 * 3600, "end": then["begin"] // 3600 * 3600 + 3600}
    points = get(service, "/v1/journeys/checkout", **hour)["series"]
    silent = {point["at"]: point["silent"] for point in points}
    assert sum(silent.values()) == 5
    assert sorted(set(silent.values())) == [0, 2, 3]
    short = get(service, "/v1/journeys/checkout", begin=then["begin"], end=then["begin"] + 300)["series"]
    assert {point["silent"] for point in short} == {None}, "begins are told by the minute"


def test_the_list_tells_of_flow_and_of_skew(service, then) -> None:
    listed = {one["name"]: one for one in get(service, "/v1/journeys", **then)["journeys"]}
    assert listed["checkout"]["flow"]["abandoned"] == 7
    assert (listed["checkout"]["skewed"], listed["promo"]["skewed"]) == (4, 0)
    assert listed["silent"]["flow"] is None
    assert listed["untold"]["flow"]["abandoned"] is None


def test_reasons_are_told_by_step_the_most_frequent_first(service, then) -> None:
    told = [(r["step"], r["reason"], r["count"]) for r in get(service, "/v1/journeys/checkout", **then)["reasons"]]
    assert told == [("", "card_declined", 5), ("", "TimeoutError", 1), ("payment", "card_declined", 5)]
    of_step = get(service, "/v1/journeys/checkout", step="payment", **then)["reasons"]
    assert [(r["step"], r["reason"], r["count"]) for r in of_step] == [("payment", "card_declined", 5)]
    assert get(service, "/v1/journeys/checkout", region="eu", **then)["reasons"] == [], "they are not counted by region"


def test_what_ended_before_it_started_is_told_with_the_services_whose_clocks_disagree(service, then) -> None:
    said = get(service, "/v1/journeys/checkout", **then)
    assert said["skewed"] == 4
    assert {(each["step"], each["service"], each["count"]) for each in said["skewed_by"]} == {
        ("", "shop", 3),
        ("payment", "payment", 1),
    }
    assert get(service, "/v1/journeys/checkout", step="payment", **then)["skewed"] == 1
    assert get(service, "/v1/journeys/checkout", version="v9", **then)["skewed"] == 1
    assert get(service, "/v1/journeys/checkout", tier="gold", **then)["skewed"] == 4, "a warning is for every tier"


def test_what_is_over_a_limit_is_counted_and_comes_with_its_mend(service, then) -> None:
    said = get(service, "/v1/journeys/promo", **then)
    assert said["count"] == 100, "the journey as a whole is exact"
    assert said["overflow"]["count"] == 30 + 12
    assert "--otlp-series-limit" in said["overflow"]["mend"]
    assert get(service, "/v1/journeys/promo", **then, environment="prod")["overflow"]["count"] == 30 + 12, (
        "may be of any"
    )
    assert get(service, "/v1/journeys/checkout", **then)["overflow"] is None


def test_a_sample_is_told_by_the_spans_behind_the_counts(service, then) -> None:
    assert get(service, "/v1/journeys/promo", **then)["sampled"] == {"spans": 100 - 60 + 6, "count": 100}
    assert get(service, "/v1/journeys/checkout", **then)["sampled"] is None


def test_exemplars_come_the_newest_first_and_of_one_moment_the_slowest(service, then) -> None:
    said = get(service, "/v1/journeys/checkout/exemplars", **then)
    assert [(e["trace_id"][:2], e["why"], e["step"], e["version"], e["duration_us"]) for e in said["exemplars"]] == [
        ("02", "failed", "payment", "v9", 300_000),
        ("03", "failed", "payment", "v9", 200_000),
        ("05", "slowest", "", "v1", 2_100_000),
        ("04", "over_threshold", "", "v1", 2_000_000),
        ("01", "failed", "", "v1", 100_000),
    ]
    first = said["exemplars"][0]
    assert (first["trace_id"], first["span_id"], first["service"]) == ("02" * 16, "12" * 8, "payment")
    assert (first["outcome"], first["trace_url"]) == ("failure", None)
    assert first["at"].endswith("9:07Z"), "the second in which it ended"
    assert said["step"] is None


@pytest.mark.parametrize(
    ("choice", "traces"),
    [
        ({"step": "payment"}, ["02", "03"]),
        ({"step": ""}, ["05", "04", "01"]),
        ({"version": "v9"}, ["02", "03"]),
        ({"outcome": "success"}, ["05", "04"]),
        ({"outcome": ["success", "failure"], "limit": 1}, ["02", "05", "04"]),
        ({"tier": "gold"}, []),
    ],
)
def test_exemplars_by_step_version_and_outcome_so_many_of_each_kind(service, then, choice, traces) -> None:
    said = get(service, "/v1/journeys/checkout/exemplars", **then, **choice)
    assert [each["trace_id"][:2] for each in said["exemplars"]] == traces


def test_exemplars_of_nobody_are_a_404_and_wrong_parameters_a_422(service, then) -> None:
    assert service.http.get("/v1/journeys/nobody/exemplars").status_code == 404
    for query in ("outcome=lost", "limit=0", "limit=100000", "window=zz"):
        response = service.http.get(f"/v1/journeys/checkout/exemplars?{query}")
        assert response.status_code == 422
        assert query.split("=")[0] in response.json()["errors"][0]


def test_the_page_links_traces_by_the_template(service, then, monkeypatch) -> None:
    from maibo_slo.service.traces import trace_links

    monkeypatch.setattr(
        service.runtime.questions, "_traces", trace_links("https://jaeger.example/t?id={trace_id}&x=a b")
    )
    said = get(service, "/v1/journeys/checkout/exemplars", **then)
    assert said["exemplars"][0]["trace_url"] == f"https://jaeger.example/t?id={'02' * 16}&x=a%20b"
    html = service.http.get("/journeys/checkout?window=1d", headers={"accept": "*/*"}).text
    assert f'href="https://jaeger.example/t?id={"02" * 16}&amp;x=a%20b" rel="noreferrer"' in html
    assert "What became of those that began" in html
    assert "card_declined" in html


def test_ingest_and_metrics_tell_of_skew_and_overflow(service, then) -> None:
    said = get(service, "/v1/ingest")
    assert (said["skewed"], said["overflowed"]) == (4, 42)
    assert said["spans"] == said["counted"] + said["ignored"] + said["rejected"] + said["skewed"]
    samples = {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(service.http.get("/metrics").text)
        for sample in family.samples
    }
    assert samples["maibo_ingest_spans_total", ("skewed",)] == 4
    assert samples["maibo_ingest_overflowed_spans_total", ()] == 42
    assert samples["maibo_ingest_bodies_total", ("yes",)] == said["duplicate_bodies"]
    before = service.now
    try:
        service.now = then["end"] + 60
        text = service.http.get("/metrics").text
    finally:
        service.now = before
    assert 'maibo_journey_overflow_events{journey="promo"} 30.0' in text
    assert 'maibo_journey_overflow_events{journey="checkout"}' not in text
