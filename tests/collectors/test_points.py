"""Metrics in: which points count, as what, and why the others do not; a stock SDK's histograms through all of it."""

import json
from collections import Counter

import msgspec
import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.sdk.metrics import Histogram as HistogramInstrument
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import (
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    View,
)
from opentelemetry.sdk.resources import Resource

from maibo_collectors.otlp.body import BodyMalformed, Encoding
from maibo_collectors.otlp.decoding import points
from maibo_collectors.otlp.decoding.buckets import Explicit, Exponential
from maibo_collectors.otlp.decoding.classify import EMPTY_NAME, UNKNOWN_OUTCOME, Classifier
from maibo_collectors.otlp.decoding.rules import Condition, Rule, Rules
from maibo_collectors.otlp.decoding.tally import CELL, Series, series_of
from maibo_collectors.otlp.draining.streams import settle
from maibo_collectors.otlp.receiving import partial
from maibo_collectors.otlp.receiving.reading import CountingReader
from maibo_collectors.otlp.segment import Kind
from maibo_slo.store.histogram import Histogram

NOW = 1_700_000_000 * 10**9
SECOND = 10**9
DELTA, CUMULATIVE = 1, 2
HTTP_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
CHECKOUT = Rule(
    journey="checkout",
    name=("http.server.request.duration",),
    resource=(Condition("service.name", ("shop",)),),
    attributes=(Condition("http.route", ("/checkout/*",)), Condition("http.request.method", ("POST",))),
    tier="app.tier",
)


def fill(attributes, values):
    for key, value in values.items():
        attribute = attributes.add(key=key)
        if isinstance(value, str):
            attribute.value.string_value = value
        elif isinstance(value, bool):
            attribute.value.bool_value = value
        elif isinstance(value, int):
            attribute.value.int_value = value
        elif isinstance(value, list):
            attribute.value.array_value.values.add(string_value=value[0])
        else:
            attribute.value.double_value = value


def request(*told, name="journey.duration", unit="s", temporality=DELTA, resource=None, kind="histogram"):
    """A request of one metric; each of `told` is a point's attributes, and its fields in `point`."""
    made = ExportMetricsServiceRequest()
    of_resource = made.resource_metrics.add()
    fill(of_resource.resource.attributes, {"service.name": "shop"} if resource is None else resource)
    metric = of_resource.scope_metrics.add().metrics.add(name=name, unit=unit)
    data = getattr(metric, kind)
    if kind not in {"gauge", "summary"}:
        data.aggregation_temporality = temporality
    for attributes in told:
        rest = dict(attributes)
        fields = {"time_unix_nano": NOW, "start_time_unix_nano": NOW - SECOND, **rest.pop("point", {})}
        if kind == "histogram":
            fields = {"count": 7, "bucket_counts": [3, 4], "explicit_bounds": [0.1], **fields}
        elif kind == "exponential_histogram":
            fields = {"count": 7, "scale": 3, "positive": {"offset": -4, "bucket_counts": [3, 4]}, **fields}
        point = data.data_points.add(**fields)
        fill(point.attributes, rest)
    return made


@pytest.fixture
def decode():
    """``decode(request)``: the points of a request in protobuf; and the same of it in JSON."""
    classifiers = {}

    def decode(made, rules=None, received_ns=NOW):
        rules = Rules() if rules is None else rules
        in_json = json.dumps(MessageToDict(made, use_integers_for_enums=True)).encode()
        found = []
        for kind, body in ((Kind.METRICS_PROTOBUF, made.SerializeToString()), (Kind.METRICS_JSON, in_json)):
            key = (kind, msgspec.msgpack.encode(rules))
            classifier = classifiers.setdefault(key, Classifier(rules))
            found.append(points.decode(kind, body, classifier, received_ns=received_ns))
        assert found[0] == found[1]
        assert points.decode_points(points.encode(found[0])) == found[0]
        total = found[0].counted + found[0].ignored + sum(found[0].rejected.values())
        assert found[0].total == total
        return found[0]

    return decode


def series(found):
    return [series_of(found.series[counting.series]) for point in found.points for counting in point.countings]


def test_a_journeys_duration_says_itself_what_it_is(decode):
    resource = {
        "service.name": "shop",
        "service.version": "1.2",
        "deployment.environment.name": "production",
        "k8s.cluster.name": "blue",
        "cloud.region": "eu-1",
    }
    found = decode(
        request(
            {
                "journey.name": "checkout",
                "journey.step": "pay",
                "journey.outcome": "failure",
                "journey.failure_reason": "card declined",
                "journey.tier": "gold",
                "journey.variant": "b",
            },
            {"journey.name": "checkout"},
            resource=resource,
        )
    )
    origin = ("production", "shop", "1.2", "blue", "eu-1")
    assert series(found) == [
        Series("checkout", "pay", *origin, "gold", "b", "failure"),
        Series("checkout", "", *origin, "", "", "success"),
    ]
    assert [(each.whole, each.reason) for point in found.points for each in point.countings] == [
        (False, "card declined"),
        (True, ""),
    ]
    assert (found.total, found.counted) == (2, 2)


def test_an_error_type_makes_a_journey_without_outcome_a_failure(decode):
    (only,) = series(decode(request({"journey.name": "checkout", "error.type": "timeout"})))
    assert only.outcome == "failure"


def test_a_start_is_told_by_spans_and_not_by_metrics(decode):
    found = decode(request({"journey.name": "checkout", "journey.started": True}))
    assert series(found)[0].outcome == "success"


def test_rules_turn_other_metrics_into_journeys_and_steps(decode):
    rules = Rules(metrics=(CHECKOUT, msgspec.structs.replace(CHECKOUT, step="pay")))
    asked = {"http.route": "/checkout/{id}", "http.request.method": "POST"}
    made = request(
        {**asked, "http.response.status_code": 200, "app.tier": "gold"},
        {**asked, "http.response.status_code": 503, "error.type": "503"},
        {**asked, "http.response.status_code": 404},
        {**asked, "http.request.method": "GET"},
        name="http.server.request.duration",
    )
    found = decode(made, rules)
    assert [(each.step, each.tier, each.outcome) for each in series(found)] == [
        ("", "gold", "success"),
        ("pay", "gold", "success"),
        ("", "", "failure"),
        ("pay", "", "failure"),
        ("", "", "success"),
        ("pay", "", "success"),
    ]
    assert found.points[1].countings[0].reason == "503"
    assert (found.total, found.counted, found.ignored) == (4, 3, 1)
    assert decode(made).ignored == 4


def test_a_rules_own_failures_decide_alone(decode):
    rule = msgspec.structs.replace(CHECKOUT, failure=(Condition("http.response.status_code", ("4*",)),), attributes=())
    found = decode(
        request(
            {"http.response.status_code": 503},
            {"http.response.status_code": 404},
            name="http.server.request.duration",
        ),
        Rules(metrics=(rule,)),
    )
    assert [each.outcome for each in series(found)] == ["success", "failure"]


@pytest.mark.parametrize("kind", ["gauge", "sum", "summary"])
def test_what_is_no_histogram_is_ignored(decode, kind):
    found = decode(request({"journey.name": "checkout"}, {"journey.name": "checkout"}, kind=kind))
    assert (found.total, found.ignored, found.points) == (2, 2, [])


def test_a_point_without_a_value_is_ignored(decode):
    found = decode(request({"journey.name": "checkout", "point": {"flags": 1}}))
    assert (found.total, found.ignored) == (1, 1)


@pytest.mark.parametrize(("unit", "unit_ns"), [("s", SECOND), ("ms", 10**6), ("us", 1000), ("ns", 1)])
def test_units(decode, unit, unit_ns):
    (point,) = decode(request({"journey.name": "checkout"}, unit=unit)).points
    assert point.unit_ns == unit_ns


def test_streams_over_the_days_limit_are_rejected_and_their_sender_is_told(decode):
    """A user's id as an attribute: no series more, and a state in the store for every user."""
    limits = Rules(series_limit=1)
    users = [{"journey.name": "checkout", "user": str(number)} for number in range(25)]
    wrong = [{"journey.name": "checkout", "user": f"w{number}", "point": {"count": 8}} for number in range(25)]
    found = decode(request(*wrong, *users, temporality=CUMULATIVE), limits)
    assert (found.counted, found.rejected) == (20, {points.MISCOUNTED: 25, points.TOO_MANY_STREAMS: 5})
    assert len({point.stream for point in found.points}) == 20
    assert len(found.stream_ids()) == 21
    assert decode(request(*users[::-1], temporality=CUMULATIVE), limits).points[::-1] == found.points
    other = decode(request(users[24] | {"journey.name": "search"}), limits)
    assert (other.counted, other.rejected) == (1, {})
    tomorrow = {"time_unix_nano": NOW + 86_400 * SECOND, "start_time_unix_nano": 0}
    next_day = request(users[24] | {"point": tomorrow})
    assert decode(next_day, limits, received_ns=NOW + 86_400 * SECOND).counted == 1

    body = request(*users).SerializeToString()
    read = CountingReader(limits).read(
        Kind.METRICS_PROTOBUF, body, sent=body, encoding=Encoding.IDENTITY, received_ns=NOW
    )
    assert (read.rejected, read.message) == (5, "5 data points rejected: 5 too many streams")


def test_what_one_request_may_have_is_bounded_and_its_sender_is_told(decode, monkeypatch):
    """Sixty bytes each: a body of 64 MiB has close to a million of them."""
    monkeypatch.setattr(points, "POINTS_LIMIT", 3)
    many = [{"journey.name": "checkout", "point": {"time_unix_nano": NOW + number}} for number in range(8)]
    found = decode(request(*many, {"no": "journey"}, name="journey.duration"))
    assert len(found.points) == 3
    assert (found.counted, found.rejected) == (3, {points.TOO_MANY_POINTS: 5, EMPTY_NAME: 1})
    told = partial.message(found, Rules(), unit="data point")
    assert told == f"6 data points rejected: 1 {EMPTY_NAME}, 5 over the 50000 that one request may have"


REJECTED = {
    "no journey": ({}, {}, EMPTY_NAME),
    "an empty journey": ({"journey.name": ""}, {}, EMPTY_NAME),
    "an outcome of its own": ({"journey.outcome": "fine"}, {}, f"{UNKNOWN_OUTCOME} 'fine'"),
    "another unit": ({}, {"unit": "h"}, points.UNKNOWN_UNIT),
    "no unit": ({}, {"unit": ""}, points.UNKNOWN_UNIT),
    "no temporality": ({}, {"temporality": 0}, points.NO_TEMPORALITY),
    "long ago": ({"point": {"time_unix_nano": NOW - 86_401 * SECOND}}, {}, points.CLOCK_SKEW),
    "tomorrow": ({"point": {"time_unix_nano": NOW + 86_401 * SECOND}}, {}, points.CLOCK_SKEW),
    "no time": ({"point": {"time_unix_nano": 0}}, {}, points.CLOCK_SKEW),
    "starts after its time": ({"point": {"start_time_unix_nano": NOW + 1}}, {}, points.BACKWARDS),
    "no buckets": ({"point": {"bucket_counts": [], "explicit_bounds": []}}, {}, points.NO_BUCKETS),
    "one bucket": ({"point": {"bucket_counts": [7], "explicit_bounds": []}}, {}, points.NO_BUCKETS),
    "too few buckets": ({"point": {"bucket_counts": [7]}}, {}, points.UNEVEN),
    "bounds that fall": (
        {"point": {"bucket_counts": [1, 2, 4], "explicit_bounds": [2, 1]}},
        {},
        points.DISORDERED,
    ),
    "equal bounds": ({"point": {"bucket_counts": [1, 2, 4], "explicit_bounds": [1, 1]}}, {}, points.DISORDERED),
    "no number": ({"point": {"explicit_bounds": [float("nan")]}}, {}, points.DISORDERED),
    "negative": ({"point": {"explicit_bounds": [-1.0]}}, {}, points.NEGATIVE),
    "miscounted": ({"point": {"count": 8}}, {}, points.MISCOUNTED),
    "beyond all customers": ({"point": {"count": 10**13}}, {}, points.TOO_LARGE),
    "too many buckets": (
        {"point": {"bucket_counts": [0] * 10_001, "explicit_bounds": list(range(10_000)), "count": 0}},
        {},
        points.TOO_MANY_BUCKETS,
    ),
    "scale": ({"point": {"scale": 21}}, {"kind": "exponential_histogram"}, points.SCALE),
    "negative buckets": (
        {"point": {"negative": {"offset": 0, "bucket_counts": [1]}, "count": 8}},
        {"kind": "exponential_histogram"},
        points.NEGATIVE,
    ),
    "zero counted twice": (
        {"point": {"zero_count": 1}},
        {"kind": "exponential_histogram"},
        points.MISCOUNTED,
    ),
    "too many exponential buckets": (
        {"point": {"positive": {"bucket_counts": [0] * 10_001}, "count": 0}},
        {"kind": "exponential_histogram"},
        points.TOO_MANY_BUCKETS,
    ),
    "a threshold that is none": (
        {"point": {"zero_threshold": float("nan")}},
        {"kind": "exponential_histogram"},
        points.DISORDERED,
    ),
}


@pytest.mark.parametrize("case", REJECTED)
def test_what_cannot_be_counted_is_rejected_and_told_why(decode, case):
    attributes, of_metric, reason = REJECTED[case]
    named = {} if case == "no journey" else {"journey.name": "checkout"}
    found = decode(request({**named, **attributes}, {"journey.name": "other"}, **of_metric))
    whole = reason in {points.UNKNOWN_UNIT, points.NO_TEMPORALITY}
    assert found.rejected == {reason: 2 if whole else 1}
    assert found.counted == (0 if whole else 1)


def test_buckets_are_kept_as_they_were_sent(decode):
    (point,) = decode(request({"journey.name": "checkout", "point": {"min": 0.01, "max": 3.0}})).points
    assert point.buckets == Explicit((0.1,), (3, 4))
    assert (point.shortest, point.longest) == (0.01, 3.0)
    told = {"zero_count": 2, "zero_threshold": 0.001, "count": 9}
    (point,) = decode(request({"journey.name": "a", "point": told}, kind="exponential_histogram")).points
    assert point.buckets == Exponential(3, 2, 0.001, -4, (3, 4))
    assert (point.shortest, point.longest) == (None, None)


def test_a_stream_is_known_whatever_the_order_of_its_attributes(decode):
    one = request({"journey.name": "checkout", "pod": "a", "list": ["x"]}, resource={"service.name": "shop", "zone": 1})
    other = request(
        {"list": ["x"], "pod": "a", "journey.name": "checkout"}, resource={"zone": 1, "service.name": "shop"}
    )
    assert decode(one).stream_ids() == decode(other).stream_ids()


@pytest.mark.parametrize(
    "change",
    [
        {"unit": "ms"},
        {"resource": {"service.name": "other"}},
        {"told": {"journey.name": "checkout", "pod": "b"}},
        {"told": {"journey.name": "checkout", "pod": "a", "list": ["y"]}},
        {"told": {"journey.name": "checkout", "pod": 1}},
    ],
)
def test_another_resource_unit_or_attribute_is_another_stream(decode, change):
    told = {"journey.name": "checkout", "pod": "a", "list": ["x"]}
    changed = dict(change)
    other = decode(request(changed.pop("told", told), **changed))
    assert decode(request(told)).points[0].stream != other.points[0].stream


def test_streams_of_one_metric_are_of_one_instrument_but_not_those_of_another_rule(decode):
    asked = {"http.route": "/checkout/1", "http.request.method": "POST"}
    made = request(asked, {**asked, "error.type": "x"}, {"http.route": "/cart"}, name="http.server.request.duration")
    cart = msgspec.structs.replace(CHECKOUT, journey="cart", attributes=(Condition("http.route", ("/cart",)),))
    first, second, third = decode(made, Rules(metrics=(CHECKOUT, cart))).points
    assert first.stream != second.stream
    assert first.instrument == second.instrument != third.instrument


def test_over_the_cap_points_lose_their_dimensions_and_keep_their_counts(decode):
    told = [{"journey.name": "checkout", "journey.tier": f"tier {number}"} for number in range(5)]
    found = decode(request(*told), Rules(series_limit=2))
    assert found.overflowed == {"checkout": 3}
    assert [each.tier for each in series(found)] == ["tier 0", "tier 1", *["__overflow__"] * 3]
    assert found.counted == 5
    assert len(found.series) == 3


def test_hostile_texts_are_made_harmless(decode):
    found = decode(request({"journey.name": "check\x00out\u202e", "journey.tier": "x" * 10_000}))
    (only,) = series(found)
    assert "\x00" not in only.journey
    assert len(only.tier) == 200


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_what_is_no_request_is_malformed(body):
    for kind in (Kind.METRICS_PROTOBUF, Kind.METRICS_JSON):
        try:
            found = points.decode(kind, body, Classifier(Rules()), received_ns=NOW)
        except BodyMalformed:
            continue
        assert found.total == found.counted + found.ignored + sum(found.rejected.values())


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_request_never_breaks_the_decoder(data):
    body = bytearray(
        request(
            {"journey.name": "checkout", "point": {"min": 0.1}},
            kind=data.draw(st.sampled_from(["histogram", "exponential_histogram"])),
        ).SerializeToString()
    )
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = points.decode(Kind.METRICS_PROTOBUF, bytes(body), Classifier(Rules()), received_ns=NOW)
    except BodyMalformed:
        return
    made = settle({}, points.decode_points(points.encode(found)))
    assert made.tally.total == found.total


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceMetrics": 1}',
        b'{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"histogram": {"aggregationTemporality": "DELTA"}}]}]}]}',
        b'{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"histogram": {"dataPoints": [{"count": "x"}]}}]}]}]}',
        b'{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"histogram": {"dataPoints": [{"explicitBounds": ["x"]}]}}]}]}]}',
        b'{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"histogram": {"dataPoints": [{"min": ""}]}}]}]}]}',
        b'{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"exponentialHistogram": {"dataPoints": [{"scale": 3000000000}]}}]}]}]}',
        b"[" * 100_000,
    ],
)
def test_json_that_is_no_request_is_malformed(body):
    with pytest.raises(BodyMalformed, match="not an ExportMetricsServiceRequest"):
        points.decode(Kind.METRICS_JSON, body, Classifier(Rules()), received_ns=NOW)


def test_json_may_have_numbers_as_numbers_and_what_nobody_knows():
    point = {"timeUnixNano": NOW, "startTimeUnixNano": str(NOW - 1), "count": 7, "bucketCounts": [3, "4"]}
    point |= {"explicitBounds": [0.1], "attributes": [{"key": "journey.name", "value": {"stringValue": "a"}}]}
    metric = {
        "name": "journey.duration",
        "unit": "s",
        "histogram": {"dataPoints": [point], "aggregationTemporality": 1},
    }
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric], "later": {}}], "resource": None}], "new": [1]}
    found = points.decode(Kind.METRICS_JSON, json.dumps(body).encode(), Classifier(Rules()), received_ns=NOW)
    assert found.counted == 1


AGGREGATIONS = {
    "explicit": ExplicitBucketHistogramAggregation(HTTP_BOUNDS),
    "exponential": ExponentialBucketHistogramAggregation(),
}


@pytest.mark.parametrize("temporality", [AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE])
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("kind", [Kind.METRICS_PROTOBUF, Kind.METRICS_JSON])
def test_a_stock_sdks_histograms_count_as_what_it_recorded(aggregation, temporality, kind):
    reader = InMemoryMetricReader(preferred_temporality={HistogramInstrument: temporality})
    view = View(instrument_name="journey.duration", aggregation=AGGREGATIONS[aggregation])
    provider = MeterProvider([reader], resource=Resource({"service.name": "shop"}), views=[view])
    histogram = provider.get_meter("shop").create_histogram("journey.duration", unit="s")
    random = np.random.default_rng(7)
    classifier = Classifier(Rules())
    states, cells, recorded = {}, Counter(), {"success": [], "failure": []}
    for _ in range(4):
        for outcome, count in (("success", 1500), ("failure", 300)):
            for duration in random.lognormal(-1.6, 0.8, count):
                histogram.record(float(duration), {"journey.name": "checkout", "journey.outcome": outcome})
                recorded[outcome].append(duration)
        made = encode_metrics(reader.get_metrics_data())
        body = made.SerializeToString()
        if kind == Kind.METRICS_JSON:
            body = json.dumps(MessageToDict(made, use_integers_for_enums=True)).encode()
        now = made.resource_metrics[0].scope_metrics[0].metrics[0]
        received_ns = getattr(now, now.WhichOneof("data")).data_points[0].time_unix_nano
        found = points.decode_points(points.encode(points.decode(kind, body, classifier, received_ns=received_ns)))
        settled = settle({name: states[name] for name in found.stream_ids() if name in states}, found)
        assert not settled.notes
        states |= settled.states
        for _, place, index, n in CELL.iter_unpack(settled.tally.cells):
            cells[series_of(settled.tally.series[place]).outcome, index] += n
    provider.shutdown()
    for outcome, durations in recorded.items():
        bins = {index: n for (of, index), n in cells.items() if of == outcome}
        mine = Histogram.from_bins(list(bins), list(bins.values()))
        assert mine.total == len(durations)
        for q in (0.5, 0.9, 0.99):
            exact = np.quantile(durations, q, method="inverted_cdf")
            if aggregation == "explicit":
                lower = max(bound for bound in (0, *HTTP_BOUNDS) if bound < exact)
                upper = min(bound for bound in HTTP_BOUNDS if bound >= exact)
                assert lower * 0.9875 <= mine.quantile(q) / 1e6 <= upper * 1.0125
            else:
                assert abs(mine.quantile(q) / 1e6 - exact) / exact <= 2**2**-3 - 1 + 0.0125
        if aggregation == "explicit":
            for bound in HTTP_BOUNDS:
                assert mine.within(round(bound * 1e6)) == sum(duration <= bound for duration in durations)


def test_an_attribute_given_twice_counts_as_its_last(decode):
    made = request({"journey.name": "first"})
    point = made.resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points[0]
    again = KeyValue(key="journey.name")
    again.value.string_value = "second"
    point.attributes.append(again)
    assert series(decode(made))[0].journey == "second"


def test_buckets_with_events_are_bounded_too_and_empty_ones_cost_nothing(decode, monkeypatch):
    monkeypatch.setattr(points, "BUCKETS_LIMIT", 5)
    buckets = {"explicit_bounds": [1.0, 2.0, 3.0], "bucket_counts": [1, 1, 0, 0], "count": 2}
    many = [{"journey.name": "checkout", "point": buckets | {"time_unix_nano": NOW + number}} for number in range(4)]
    found = decode(request(*many, name="journey.duration"))
    assert (found.counted, found.rejected) == (2, {points.TOO_MANY_FILLED: 2})
