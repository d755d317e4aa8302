"""Which spans count, as what, and which are told to be rejected."""

import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from maibo_collectors.otlp.body import BodyMalformed
from maibo_collectors.otlp.spans import (
    CLOCK_SKEW,
    EMPTY_NAME,
    NEGATIVE_DURATION,
    UNKNOWN_OUTCOME,
    VALUE_LIMIT,
    Decoded,
    Decoder,
    Series,
    rejections,
    validate,
)
from maibo_slo.store.cells import CellKey

NOW_NS = 1_800_000_005_000_000_000
DAY_NS = 86_400 * 10**9


@pytest.fixture
def decode(otlp_request):
    def decode(*spans, resource=None) -> Decoded:
        body = otlp_request(*spans, resource=resource, now_ns=NOW_NS).SerializeToString()
        return Decoder().decode(body, received_ns=NOW_NS)

    return decode


def test_a_span_counts_under_all_its_dimensions_at_the_10_s_it_ended_in(decode):
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
    (counted,) = decode(span, resource=resource).counted
    assert counted.series == Series("checkout", "payment", "prod", "cart", "1.2", "west", "eu-1", "vip", "b", "failure")
    assert counted.t == 1_799_999_990
    assert counted.duration_ns == 1_234_567


def test_what_a_span_does_not_tell_is_empty(decode):
    (counted,) = decode({"journey.name": "checkout"}, resource={}).counted
    assert counted.series == Series("checkout", *[""] * 8, "success")


@pytest.mark.parametrize(
    ("span", "outcome"),
    [
        ({}, "success"),
        ({"error": True}, "failure"),
        ({"journey.outcome": "success", "error": True}, "success"),
        ({"journey.outcome": "failure"}, "failure"),
        ({"journey.outcome": "abandoned"}, "abandoned"),
    ],
)
def test_the_outcome_is_what_the_journey_says_else_what_the_status_says(decode, span, outcome):
    (counted,) = decode({"journey.name": "checkout"} | span).counted
    assert counted.series.outcome == outcome


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        ({"journey.outcome": "great"}, UNKNOWN_OUTCOME),
        ({"journey.outcome": ""}, UNKNOWN_OUTCOME),
        ({"journey.outcome": b"success"}, UNKNOWN_OUTCOME),
        ({"duration": -1}, NEGATIVE_DURATION),
        ({"end": NOW_NS - DAY_NS - 1}, CLOCK_SKEW),
        ({"end": NOW_NS + DAY_NS + 1}, CLOCK_SKEW),
        ({"end": 0, "duration": 0}, CLOCK_SKEW),
        ({"end": 2**64 - 1}, CLOCK_SKEW),
        ({"journey.name": ""}, EMPTY_NAME),
        ({"journey.name": "  "}, EMPTY_NAME),
        ({"journey.name": b"bytes"}, EMPTY_NAME),
    ],
)
def test_a_span_that_cannot_be_counted_is_rejected_with_its_reason(decode, span, reason):
    decoded = decode({"journey.name": "checkout"} | span, {"journey.name": "checkout"})
    assert decoded.rejected == {reason: 1}
    assert len(decoded.counted) == 1


def test_up_to_a_day_from_now_a_span_counts_and_a_duration_may_be_zero(decode):
    ends = [NOW_NS - DAY_NS, NOW_NS + DAY_NS]
    decoded = decode(*({"journey.name": "checkout", "end": end, "duration": 0} for end in ends))
    assert [span.t for span in decoded.counted] == [end // 10**10 * 10 for end in ends]


def test_spans_of_no_journey_are_ignored_whatever_they_are(decode):
    decoded = decode(
        {}, {"http.route": "/"}, {"journey.step": "cart", "journey.outcome": "great", "end": 0, "duration": 0}
    )
    assert (decoded.total, decoded.ignored, decoded.rejected, decoded.counted) == (3, 3, {}, [])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\0b\x1f\x7f\x85", "a\ufffdb\ufffd\ufffd\ufffd"),
        (" padded\n", "padded\ufffd"),
        ("\u202egpj.exe", "\ufffdgpj.exe"),
        ("x" * 10_000, "x" * (VALUE_LIMIT - 1) + "…"),
        ("结" * VALUE_LIMIT, "结" * VALUE_LIMIT),
        (True, "true"),
        (7, "7"),
        (b"\xff", ""),
    ],
)
def test_values_become_short_printable_texts(decode, value, text):
    (counted,) = decode({"journey.name": "checkout", "journey.tier": value}).counted
    assert counted.series.tier == text


def test_of_an_attribute_given_twice_the_last_one_counts(otlp_request):
    request = otlp_request({"journey.name": "first"}, now_ns=NOW_NS)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="journey.name").value.string_value = "last"
    (counted,) = Decoder().decode(request.SerializeToString(), received_ns=NOW_NS).counted
    assert counted.series.journey == "last"


def test_a_key_that_comes_after_its_value_on_the_wire_is_read_too(otlp_request):
    body = otlp_request({"journey.name": "a" * 20}, now_ns=NOW_NS).SerializeToString()
    key, value = b"\x0a\x0cjourney.name", b"\x12\x16\x0a\x14" + b"a" * 20
    assert key + value in body
    (counted,) = Decoder().decode(body.replace(key + value, value + key), received_ns=NOW_NS).counted
    assert counted.series.journey == "a" * 20


def test_a_sender_with_ever_new_values_does_not_fill_the_memory(otlp_request):
    decoder = Decoder()
    for batch in range(25):
        spans = ({"journey.name": f"{batch}-{number}"} for number in range(1000))
        decoder.decode(otlp_request(*spans, now_ns=NOW_NS).SerializeToString(), received_ns=NOW_NS)
    assert max(map(len, (decoder._values, decoder._series, decoder._resources))) <= 20_000


def test_the_text_of_a_partial_success_tells_each_reason():
    assert rejections({UNKNOWN_OUTCOME: 1}) == "1 span rejected: 1 unknown outcome"
    assert rejections({UNKNOWN_OUTCOME: 2, CLOCK_SKEW: 1}) == (
        "3 spans rejected: 1 ends more than a day from now, 2 unknown outcome"
    )


VALUES = st.one_of(
    st.text(max_size=8), st.sampled_from(["success", "failure", "abandoned"]), st.booleans(), st.integers(-5, 5)
)
SPANS = st.fixed_dictionaries(
    {"journey.name": VALUES},
    optional={
        "journey.step": VALUES,
        "journey.tier": VALUES,
        "journey.variant": VALUES,
        "journey.outcome": VALUES,
        "other": VALUES,
        "error": st.booleans(),
        "duration": st.integers(-10, 10**12),
        "end": st.integers(NOW_NS - 2 * DAY_NS, NOW_NS + 2 * DAY_NS),
    },
) | st.fixed_dictionaries({"other": VALUES})


@given(st.lists(SPANS, max_size=8))
def test_the_quick_decoder_agrees_with_one_that_reads_otlps_own_schema(otlp_request, spans):
    body = otlp_request(*spans, now_ns=NOW_NS).SerializeToString()
    decoded = Decoder().decode(body, received_ns=NOW_NS)
    assert decoded.total == len(spans)
    assert [(span.t, span.series.journey, span.series.outcome, span.duration_ns) for span in decoded.counted] == [
        found for span in spans if (found := plainly(span))
    ]
    assert decoded.ignored == sum("journey.name" not in span for span in spans)
    assert decoded.total == decoded.ignored + decoded.rejected.total() + len(decoded.counted)


def plainly(span):
    """One span, decoded without any trick."""
    end, duration = span.get("end", NOW_NS), span.get("duration", 50_000_000)
    default = "failure" if span.get("error") else "success"
    name, outcome = (
        _plain_text(span.get(key, other)) for key, other in (("journey.name", ""), ("journey.outcome", default))
    )
    if not name or outcome not in {"success", "failure", "abandoned"} or abs(end - NOW_NS) > DAY_NS or duration < 0:
        return None
    return end // 10**10 * 10, name, outcome, duration


def _plain_text(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    spoilt = {*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
    return "".join("\ufffd" if ord(each) in spoilt else each for each in str(value)).strip()


@given(st.binary(max_size=200))
def test_any_bytes_are_either_decoded_or_malformed(body):
    for check in (validate, lambda data: Decoder().decode(data, received_ns=NOW_NS)):
        try:
            check(body)
        except BodyMalformed:
            continue


@given(st.data())
def test_a_good_body_with_any_byte_changed_is_either_decoded_or_malformed(otlp_request, data):
    body = bytearray(
        otlp_request({"journey.name": "checkout", "journey.tier": "vip"}, now_ns=NOW_NS).SerializeToString()
    )
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        validate(bytes(body))
    except BodyMalformed:
        return
    decoded = Decoder().decode(bytes(body), received_ns=NOW_NS)
    assert decoded.total == decoded.ignored + decoded.rejected.total() + len(decoded.counted)


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
    assert time.perf_counter() - begin < 5


def _field(number: int, content: bytes) -> bytes:
    length, size = b"", len(content)
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def test_an_empty_body_is_a_request_without_spans():
    validate(b"")
    assert Decoder().decode(b"", received_ns=NOW_NS).total == 0
    assert ExportTraceServiceRequest().SerializeToString() == b""


@pytest.mark.parametrize(
    ("size", "count"), [(2**25, 1), (2**20, 32), (6_000, 5_000)], ids=["a huge one", "long ones", "many"]
)
@pytest.mark.parametrize("where", ["resource", "span"])
def test_what_a_decoder_remembers_is_bounded_in_bytes(otlp_request, where, size, count):
    decoder = Decoder()

    def decode_one(number: int) -> None:
        long = f"{number:08}" + "x" * size
        resource = {"service.name": "shop", "stack": long} if where == "resource" else None
        span = {"journey.name": "checkout"} | ({"journey.tier": long} if where == "span" else {})
        body = otlp_request(span, resource=resource, now_ns=NOW_NS).SerializeToString()
        assert len(decoder.decode(body, received_ns=NOW_NS).counted) == 1

    tracemalloc.start()
    try:
        for number in range(count):
            decode_one(number)
        remembered, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert remembered < 16 * 2**20


def test_a_series_has_the_fields_of_a_cell_but_its_time_and_bin():
    assert CellKey._fields == ("t", *Series._fields, "bin")
