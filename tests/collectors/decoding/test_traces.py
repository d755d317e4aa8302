"""From bodies of spans in protobuf to tallies: what counts, as what, and what is told to be rejected."""

import subprocess
import sys
import time
import tracemalloc
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from maibo.semconv import OVERFLOW
from maibo_collectors.otlp.body import BodyMalformed
from maibo_collectors.otlp.decoding.builder import CLOCK_SKEW
from maibo_collectors.otlp.decoding.classify import EMPTY_NAME, TOO_THIN, UNKNOWN_OUTCOME, Classifier
from maibo_collectors.otlp.decoding.decoders import Decoders, decoder_in_use
from maibo_collectors.otlp.decoding.rules import Rules
from maibo_collectors.otlp.decoding.tally import (
    EXEMPLAR,
    FAILED,
    OVER_THRESHOLD,
    SLOWEST,
    Exemplar,
    Series,
    decode,
    encode,
)
from maibo_collectors.otlp.decoding.traces import PythonTraces, validate
from maibo_collectors.otlp.segment import Kind
from maibo_slo.store.cells import CellKey
from maibo_slo.store.edges import bin_of

NOW_NS = 1_800_000_005_000_000_000
SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS
CHECKOUT = {"journey.name": "checkout", "journey.outcome": "success"}
BUCKET = NOW_NS // (10 * SECOND_NS) * 10
MINUTE = NOW_NS // (60 * SECOND_NS) * 60


@pytest.fixture
def tally(otlp_request):
    def tally(*spans, resource=None, rules=None):
        body = otlp_request(*spans, resource=resource, now_ns=NOW_NS).SerializeToString()
        return PythonTraces(Classifier(rules or Rules())).tally(body, received_ns=NOW_NS)

    return tally


@pytest.fixture
def counts(tally, plain):
    return lambda *spans, **options: plain(tally(*spans, **options))


def a(journey="checkout", outcome="success", step=""):
    return (journey, step, "", "shop", *[""] * 5, outcome)


def test_a_span_counts_under_all_its_dimensions_at_the_10_s_it_ended_in(counts):
    resource = {
        "service.name": "cart",
        "service.version": "1.2",
        "deployment.environment.name": "prod",
        "k8s.cluster.name": "west",
        "cloud.region": "eu-1",
        "host.name": "ignored",
    }
    span = {
        "journey.name": "checkout",
        "journey.step": "payment",
        "journey.tier": "vip",
        "journey.variant": "b",
        "journey.outcome": "failure",
        "journey.id": "0af7",
        "duration": 1_234_567,
        "end": 1_799_999_999_999_999_999,
    }
    series = ("checkout", "payment", "prod", "cart", "1.2", "west", "eu-1", "vip", "b", "failure")
    found = counts(span, resource=resource)
    assert found["cells"] == {(1_799_999_990, series, bin_of(1_234_567)): 1}
    assert (found["started"], found["ended"], found["is"]) == ({}, {}, {"counted": 1})


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        ({"journey.outcome": "great"}, f"{UNKNOWN_OUTCOME} 'great'"),
        ({"journey.outcome": ""}, f"{UNKNOWN_OUTCOME} ''"),
        ({"journey.outcome": b"success"}, f"{UNKNOWN_OUTCOME} ''"),
        ({"end": NOW_NS - DAY_NS - 1}, CLOCK_SKEW),
        ({"end": NOW_NS + DAY_NS + 1}, CLOCK_SKEW),
        ({"end": 0, "duration": 0}, CLOCK_SKEW),
        ({"end": 2**64 - 1}, CLOCK_SKEW),
        ({"duration": 35 * DAY_NS + 1}, CLOCK_SKEW),
        ({"journey.start_time": (NOW_NS - 35 * DAY_NS) // 1000 - 1}, CLOCK_SKEW),
        ({"journey.start_time": (NOW_NS + DAY_NS) // 1000 + 1}, CLOCK_SKEW),
        ({"journey.name": ""}, EMPTY_NAME),
        ({"journey.name": "  "}, EMPTY_NAME),
        ({"journey.name": b"bytes"}, EMPTY_NAME),
    ],
)
def test_a_span_that_cannot_be_counted_is_rejected_with_its_reason(tally, span, reason):
    found = tally({"journey.name": "checkout"} | span, {"journey.name": "checkout"})
    assert (found.total, found.counted, found.rejected) == (2, 1, {reason: 1})


def test_a_step_may_have_begun_whenever_it_says(counts):
    span = CHECKOUT | {"journey.step": "pay", "duration": 40 * DAY_NS, "journey.start_time": 1}
    assert counts(span)["is"] == {"counted": 1}


def test_up_to_a_day_from_now_a_span_counts_and_a_duration_may_be_zero(counts):
    ends = [NOW_NS - DAY_NS, NOW_NS + DAY_NS]
    found = counts(*(CHECKOUT | {"end": end, "duration": 0} for end in ends))
    assert sorted(found["cells"]) == [(end // 10**10 * 10, a(), 0) for end in ends]


def test_spans_of_no_journey_are_ignored_whatever_they_are(counts):
    found = counts(
        {}, {"http.route": "/"}, {"journey.step": "cart", "journey.outcome": "great", "end": 0, "duration": 0}
    )
    assert (found["is"], found["rejected"], found["cells"]) == ({"ignored": 3}, {}, {})


def test_a_negative_duration_is_counted_as_skew_and_kept_out_of_the_bins(counts):
    found = counts(CHECKOUT | {"duration": -1}, CHECKOUT | {"duration": 0})
    assert found["skewed"] == {(BUCKET, a()): 1}
    assert sum(found["cells"].values()) == 1
    assert found["is"] == {"counted": 1, "skewed": 1}
    assert found["ended"] == {(MINUTE, a()): 2}, "a journey ended, however long it took"


def test_a_start_is_counted_in_the_minute_the_journey_began_in_by_a_marker_or_by_the_end_itself(counts):
    began = NOW_NS - 300 * SECOND_NS
    start_time = {"journey.start_time": began // 1000}
    minute = began // (60 * SECOND_NS) * 60
    marker = {"journey.name": "checkout", "journey.started": True, "end": began, "duration": 0} | start_time
    found = counts(marker, CHECKOUT | start_time)
    assert found["started"] == {(minute, a(outcome="")): 1}
    assert found["ended"] == {(minute, a()): 1}
    assert found["is"] == {"counted": 2}
    assert sum(found["cells"].values()) == 1, "a marker is in no cell"
    assert counts(CHECKOUT | start_time | {"journey.started": True})["started"] == {(minute, a()): 1}
    assert counts(CHECKOUT)["started"] == {(MINUTE, a()): 1}, "a journey of one span is its own start"


@pytest.mark.parametrize("start_time", ["soon", "1799999700000000", True, 1.5, -1, 0, b"x"])
def test_a_start_time_that_is_no_positive_integer_leaves_the_spans_own(counts, start_time):
    found = counts(CHECKOUT | {"duration": 120 * SECOND_NS, "journey.start_time": str(start_time)})
    assert found["ended"] == {(MINUTE - 120, a()): 1}
    assert found["started"] == {}, "somebody else tells of the start"


def test_a_failure_has_the_place_that_a_success_of_the_same_dimensions_took(otlp_request, reference, plain):
    spans = [CHECKOUT, CHECKOUT | {"journey.tier": "vip"}, CHECKOUT | {"journey.outcome": "failure"}]
    request, rules = otlp_request(*spans, now_ns=NOW_NS), Rules(series_limit=1)
    found = plain(PythonTraces(Classifier(rules)).tally(request.SerializeToString(), received_ns=NOW_NS))
    assert found == reference(rules).tally(request)
    overflow = ("checkout", "", *[OVERFLOW] * 7, "success")
    assert {series for _, series, _ in found["cells"]} == {a(), overflow, a(outcome="failure")}


def test_failures_count_by_reason(counts):
    failed = {"journey.name": "checkout", "journey.outcome": "failure", "journey.failure_reason": "declined"}
    found = counts(failed, failed, failed | {"journey.failure_reason": ""}, failed | {"journey.outcome": "success"})
    assert found["reasons"] == {(BUCKET, a(outcome="failure"), "declined"): 2}


def test_a_sampled_span_counts_as_all_it_stands_for_and_the_thin_evidence_is_told(otlp_request, plain):
    request = otlp_request(*[CHECKOUT] * 4000, now_ns=NOW_NS)
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.trace_state = "vendor=1,ot=th:5"  # kept with probability 11/16
    traces = PythonTraces(Classifier(Rules()))
    found = plain(traces.tally(request.SerializeToString(), received_ns=NOW_NS))
    (n,) = found["cells"].values()
    assert n == pytest.approx(4000 * 16 / 11, rel=0.03)
    assert found["sampled"] == {(BUCKET, a()): n}
    assert found["sampled spans"] == {(BUCKET, a()): 4000}
    assert found["ended"] == {(MINUTE, a()): n}
    assert found == plain(traces.tally(request.SerializeToString(), received_ns=NOW_NS))


def test_a_span_that_says_it_was_kept_for_certain_counts_once_and_is_no_sample(otlp_request, plain):
    request = otlp_request(CHECKOUT, now_ns=NOW_NS)
    (span,) = request.resource_spans[0].scope_spans[0].spans
    span.trace_state = "ot=th:0"
    found = plain(PythonTraces(Classifier(Rules())).tally(request.SerializeToString(), received_ns=NOW_NS))
    assert list(found["cells"].values()) == [1]
    assert (found["sampled"], found["sampled spans"]) == ({}, {})


def test_a_span_that_claims_to_stand_for_millions_is_rejected(otlp_request):
    request = otlp_request(CHECKOUT, now_ns=NOW_NS)
    request.resource_spans[0].scope_spans[0].spans[0].trace_state = "ot=th:" + "f" * 14
    found = PythonTraces(Classifier(Rules())).tally(request.SerializeToString(), received_ns=NOW_NS)
    assert found.rejected == {TOO_THIN: 1}


def test_exemplars_are_the_first_failed_and_slow_ones_of_each_bin_and_the_longest(tally):
    spans = [
        CHECKOUT | {"duration": 10_000_000},
        CHECKOUT | {"duration": 20_000_000},
        CHECKOUT | {"duration": 20_000_000},
        CHECKOUT | {"duration": 401_000_000, "journey.tier": "vip"},
        CHECKOUT | {"duration": 402_000_000, "journey.tier": "vip"},
        CHECKOUT | {"duration": 30_000_000, "journey.outcome": "failure"},
        CHECKOUT | {"duration": 10_000_000, "journey.outcome": "failure"},
        CHECKOUT | {"journey.step": "pay", "duration": 900_000_000},
    ]
    found = tally(*spans, rules=Rules(thresholds_us={"checkout": 300_000}))
    exemplars = [Exemplar(*each) for each in EXEMPLAR.iter_unpack(found.exemplars)]
    assert [(each.why, each.duration_ns) for each in exemplars] == [
        (OVER_THRESHOLD, 401_000_000),
        (FAILED, 30_000_000),
        (FAILED, 10_000_000),
        (SLOWEST, 20_000_000),
        (SLOWEST, 900_000_000),
    ]
    assert {each.end_ns for each in exemplars} == {NOW_NS}, "to the nanosecond"


def test_of_an_attribute_given_twice_the_last_one_counts(otlp_request, plain):
    request = otlp_request({"journey.name": "first"}, now_ns=NOW_NS)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="journey.name").value.string_value = "last"
    found = PythonTraces(Classifier(Rules())).tally(request.SerializeToString(), received_ns=NOW_NS)
    assert [series[0] for _, series, _ in plain(found)["cells"]] == ["last"]


def test_a_key_that_comes_after_its_value_on_the_wire_is_read_too(otlp_request, plain):
    body = otlp_request({"journey.name": "a" * 20}, now_ns=NOW_NS).SerializeToString()
    key, value = b"\x0a\x0cjourney.name", b"\x12\x16\x0a\x14" + b"a" * 20
    assert key + value in body
    found = PythonTraces(Classifier(Rules())).tally(body.replace(key + value, value + key), received_ns=NOW_NS)
    assert [series[0] for _, series, _ in plain(found)["cells"]] == ["a" * 20]


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_every_request_counts_as_one_span_after_the_other_does(requests, rules, reference, plain, data):
    decoder, slow = PythonTraces(Classifier(rules)), reference(rules)
    for day in (0, 0, DAY_NS):
        request = data.draw(requests)
        body = request.SerializeToString()
        validate(body)
        assert plain(decoder.tally(body, received_ns=NOW_NS + day)) == slow.tally(request, received_ns=NOW_NS + day)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_what_is_written_oddly_counts_as_protobuf_reads_it(requests, rules, reference, plain, oddly, data):
    body = oddly(data.draw(requests).SerializeToString(), data.draw(st.integers(0, 2**32)))
    validate(body)
    request = ExportTraceServiceRequest.FromString(body)
    found = PythonTraces(Classifier(rules)).tally(body, received_ns=NOW_NS)
    assert plain(found) == reference(rules).tally(request)


@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_a_tally_is_read_back_from_the_log_as_it_was_written(requests, rules, data):
    found = PythonTraces(Classifier(rules)).tally(data.draw(requests).SerializeToString(), received_ns=NOW_NS)
    assert decode(encode(found)) == found


@given(
    spans=st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["success", "failure"]), st.integers(0, 50)), max_size=200
    ),
    limit=st.integers(0, 20),
)
@settings(max_examples=50, deadline=None)
def test_whatever_the_cap_a_journey_as_a_whole_is_counted_exactly(otlp_request, plain, spans, limit):
    body = otlp_request(
        *({"journey.name": name, "journey.outcome": outcome, "journey.tier": tier} for name, outcome, tier in spans),
        now_ns=NOW_NS,
    ).SerializeToString()
    found = PythonTraces(Classifier(Rules(series_limit=limit))).tally(body, received_ns=NOW_NS)
    counted = Counter()
    for (_, series, _), n in plain(found)["cells"].items():
        counted[series[0], series[9]] += n
    assert counted == Counter((name, outcome) for name, outcome, _ in spans)
    assert found.counted == len(spans)


@pytest.mark.parametrize("key", ["journey.name", "journey.tier", "journey.failure_reason"])
def test_a_sender_with_ever_new_values_does_not_fill_the_memory(otlp_request, key):
    decoder = PythonTraces(Classifier(Rules(series_limit=100, journey_limit=100)))

    def batch(number):
        spans = (
            CHECKOUT | {"journey.outcome": "failure", key: f"{number}-{each}-" + "v" * 150} for each in range(1000)
        )
        return otlp_request(*spans, now_ns=NOW_NS).SerializeToString()

    bodies = list(map(batch, range(26)))
    tracemalloc.start()
    try:
        for number, body in enumerate(bodies):
            found = decoder.tally(body, received_ns=NOW_NS)
            if number == 22:
                half, _ = tracemalloc.get_traced_memory()
        whole, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.counted == 1000
    assert whole < 48 * 2**20
    assert whole - half < 24 * 2**20
    if key != "journey.failure_reason":
        assert found.overflowed == {OVERFLOW if key == "journey.name" else "checkout": 1000}


@pytest.mark.parametrize(
    ("size", "count"), [(2**25, 1), (2**20, 32), (6_000, 5_000)], ids=["a huge one", "long ones", "many"]
)
@pytest.mark.parametrize("where", ["resource", "span"])
def test_what_a_decoder_remembers_is_bounded_in_bytes(otlp_request, where, size, count):
    decoder = PythonTraces(Classifier(Rules()))

    def decode_one(number: int) -> None:
        long = f"{number:08}" + "x" * size
        resource = {"service.name": "shop", "stack": long} if where == "resource" else None
        span = CHECKOUT | ({"journey.tier": long} if where == "span" else {})
        body = otlp_request(span, resource=resource, now_ns=NOW_NS).SerializeToString()
        assert decoder.tally(body, received_ns=NOW_NS).counted == 1

    tracemalloc.start()
    try:
        for number in range(count):
            decode_one(number)
        remembered, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert remembered < 20 * 2**20


@given(st.binary(max_size=200))
def test_any_bytes_are_either_decoded_or_malformed(body):
    for check in (validate, lambda data: PythonTraces(Classifier(Rules())).tally(data, received_ns=NOW_NS)):
        try:
            check(body)
        except BodyMalformed:
            continue


@given(st.data())
def test_a_good_body_with_any_byte_changed_counts_as_protobuf_reads_it(otlp_request, reference, plain, data):
    whole = CHECKOUT | {"journey.tier": "vip"}
    body = bytearray(otlp_request(whole, now_ns=NOW_NS).SerializeToString())
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        validate(bytes(body))
    except BodyMalformed:
        return
    found = PythonTraces(Classifier(Rules())).tally(bytes(body), received_ns=NOW_NS)
    assert plain(found) == reference(Rules()).tally(ExportTraceServiceRequest.FromString(bytes(body)))


def test_a_body_that_unfolds_to_more_than_the_process_may_hold_is_too_large():
    """In a process of its own, which may hold 1 GiB."""
    body = _field(1, _field(2, _field(2, b"") * 16 * 2**20))
    code = (
        "import resource, sys\n"
        "from maibo_collectors.otlp.body import BodyTooLarge\n"
        "from maibo_collectors.otlp.decoding.traces import validate\n"
        "body = sys.stdin.buffer.read()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**30, resource.RLIM_INFINITY))\n"
        "try: validate(body)\n"
        "except BodyTooLarge as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=body, capture_output=True, timeout=100, check=True)
    assert done.stdout == b"the body unfolds to too many messages; send smaller batches\n"


def test_text_that_is_no_utf8_is_malformed(otlp_request):
    body = otlp_request({"journey.name": "abcd"}).SerializeToString().replace(b"abcd", b"ab\xff\xfe")
    with pytest.raises(BodyMalformed, match="UTF-8"):
        validate(body)


def test_a_value_nested_without_end_is_malformed_and_quickly_so():
    value = b""
    for _ in range(5000):
        value = _field(5, _field(1, value))  # AnyValue.array_value.values
    body = _field(1, _field(2, _field(2, _field(9, _field(1, b"k") + _field(2, value)))))
    begin = time.perf_counter()
    with pytest.raises(BodyMalformed):
        validate(body)
    assert time.perf_counter() - begin < 20


def _field(number: int, content: bytes) -> bytes:
    length, size = b"", len(content)
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def test_an_empty_body_is_a_request_without_spans():
    found = Decoders(Rules()).tally(Kind.TRACES_PROTOBUF, b"", received_ns=NOW_NS)
    assert (found.total, found.series) == (0, [])


def test_a_series_has_the_fields_of_a_cell_but_its_time_and_bin():
    assert CellKey._fields == ("t", *Series._fields, "bin")


def test_python_decodes_when_it_is_told_to(monkeypatch):
    monkeypatch.setenv("MAIBO_OTLP_DECODER", "python")
    assert decoder_in_use() == "python: MAIBO_OTLP_DECODER=python"
    assert isinstance(Decoders(Rules())._traces, PythonTraces)


def test_new_rules_count_from_the_next_body_and_keep_the_cap(otlp_request):
    decoders = Decoders(Rules(series_limit=1))

    def count(tier):
        body = otlp_request(CHECKOUT | {"journey.tier": tier}, now_ns=NOW_NS).SerializeToString()
        return decoders.tally(Kind.TRACES_PROTOBUF, body, received_ns=NOW_NS).overflowed

    assert count("a") == {}
    assert count("b") == {"checkout": 1}
    decoders.replace_rules(Rules(series_limit=1))
    assert (count("a"), count("b")) == ({}, {"checkout": 1})
    decoders.replace_rules(Rules(series_limit=2))
    assert count("b") == {}
