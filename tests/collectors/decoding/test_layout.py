"""Spans that are like earlier ones are judged without being parsed, and never otherwise than if they had been."""

import random
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from maibo_collectors.otlp.body import BodyMalformed
from maibo_collectors.otlp.decoding import memo, traces
from maibo_collectors.otlp.decoding.classify import Classifier
from maibo_collectors.otlp.decoding.layout import Ids, layout_of, times_at
from maibo_collectors.otlp.decoding.rules import Rules
from maibo_collectors.otlp.decoding.traces import PythonTraces, validate

NOW_NS = 1_800_000_005_000_000_000
DAY_NS = 86_400 * 10**9
ASKED = {b"journey.name", b"journey.step", b"journey.outcome", b"journey.start_time"}
CHECKOUT = {"journey.name": "checkout", "journey.id": "0af7651916cd43dd8448eb211c80319c", "journey.outcome": "success"}


def span(**fields):
    """A span as SDKs write it; `attributes` are added to, or replace, its own."""
    attributes = {**CHECKOUT, "journey.start_time": NOW_NS // 1000, "http.route": "/pay"} | fields.pop("attributes", {})
    told = {
        "trace_id": b"t" * 16,
        "span_id": b"s" * 8,
        "parent_span_id": b"p" * 8,
        "name": "pay",
        "kind": 2,
        "start_time_unix_nano": NOW_NS - 5,
        "end_time_unix_nano": NOW_NS,
    }
    made = Span(**(told | fields))
    for key, content in attributes.items():
        value = made.attributes.add(key=key).value
        setattr(value, "int_value" if isinstance(content, int) else "string_value", content)
    return made.SerializeToString()


def fixed(raw):
    return layout_of(span(), asked=ASKED).fixed(raw)


@pytest.mark.parametrize(
    "fields",
    [
        {"trace_id": b"u" * 16},
        {"span_id": b"v" * 8},
        {"parent_span_id": b"q" * 8},
        {"start_time_unix_nano": 1, "end_time_unix_nano": 2**64 - 1},
        {"attributes": {"journey.id": "f" * 32}},
        {"attributes": {"journey.start_time": NOW_NS // 1000 - 10**9}},
        {"attributes": {"http.route": "/buy"}},
    ],
)
def test_ids_times_and_what_nobody_asks_for_are_no_fixed_bytes(fields):
    assert span(**fields) != span()
    assert fixed(span(**fields)) == fixed(span())


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "buy"},
        {"kind": 3},
        {"attributes": {"journey.name": "checking"}},
        {"attributes": {"journey.outcome": "failure"}},
    ],
)
def test_what_decides_how_a_span_counts_is_fixed(fields):
    assert len(span(**fields)) == len(span())
    assert fixed(span(**fields)) != fixed(span())


def test_another_key_of_the_same_length_is_fixed_too():
    other = span().replace(b"http.route", b"http.rout2")
    assert fixed(other) != fixed(span())


def test_a_layout_tells_where_ids_times_and_the_begin_are():
    raw = span(status={"code": 2, "message": "no"}, trace_state="ot=th:8")
    layout = layout_of(raw, asked=ASKED)
    assert times_at(raw, layout.times)[::2] == (NOW_NS - 5, NOW_NS)
    assert AnyValue.FromString(raw[layout.start_time]).int_value == NOW_NS // 1000
    ids = Ids()
    ids.span = raw
    assert (ids.trace_id, ids.span_id) == (b"t" * 16, b"s" * 8)
    assert b"ot=th:8" in b"".join(layout.fixed(raw))


def test_layouts_are_equal_when_they_cut_alike():
    assert layout_of(span(), asked=ASKED) == layout_of(span(trace_id=b"u" * 16), asked=ASKED)
    assert layout_of(span(), asked=ASKED) != layout_of(span(), asked=ASKED | {b"http.route"})


TWICE = b"\x39" + bytes(8) + b"\x41" + bytes(8)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(span(trace_id=b"short"), id="a short id"),
        pytest.param(span(span_id=b""), id="no span id"),
        pytest.param(span(start_time_unix_nano=0), id="no start"),
        pytest.param(span(end_time_unix_nano=0), id="no end"),
        pytest.param(span() + TWICE, id="times twice"),
        pytest.param(span(end_time_unix_nano=0) + b"\x41" + bytes(8), id="times apart"),
        pytest.param(span() + b"\x12\x08" + b"x" * 8, id="an id twice"),
        pytest.param(span() + b"\xa3\x06\xa4\x06", id="a group"),
        pytest.param(span() + b"\x4a\x00", id="an attribute of nothing"),
        pytest.param(span() + b"\x4a\x03\x0a\x01x", id="no value"),
        pytest.param(span() + b"\x4a\x05\x12\x00\x0a\x01x", id="the value before its key"),
        pytest.param(span() + b"\x4a\x07\x0a\x01x\x12\x00\x12\x00", id="a value in pieces"),
        pytest.param(span(attributes={"k" * 200: "x"}), id="a long key"),
    ],
)
def test_what_is_written_oddly_has_no_layout(raw):
    Span.FromString(raw)
    assert layout_of(raw, asked=ASKED) is None


# --- in the decoder


@pytest.fixture
def eager(monkeypatch):
    """``eager(rules)``: a decoder that learns from every span, from the first one on, and never gives up."""
    monkeypatch.setattr(traces, "_FIRST_REST", 0)
    monkeypatch.setattr(traces, "_LEARN_EVERY", 1)
    monkeypatch.setattr(traces, "_PATIENCE", 10**9)
    return lambda rules=None: PythonTraces(Classifier(rules or Rules()))


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_learned_of_one_request_holds_for_others(eager, requests, rules, reference, plain, oddly, data):
    decoder, slow = eager(rules), reference(rules)
    first, second = (data.draw(requests).SerializeToString() for _ in range(2))
    odd = oddly(first, data.draw(st.integers(0, 2**32)))
    for body, day in ((first, 0), (first, 0), (odd, 0), (second, 0), (first, DAY_NS), (second, DAY_NS)):
        request = ExportTraceServiceRequest.FromString(body)
        found = decoder.tally(body, received_ns=NOW_NS + day)
        assert plain(found) == slow.tally(request, received_ns=NOW_NS + day)


def test_a_learned_body_with_any_byte_changed_counts_as_protobuf_reads_it(eager, otlp_request, reference, plain):
    rng = random.Random(7)
    whole = CHECKOUT | {"journey.start_time": NOW_NS // 1000 - 10**9, "http.route": "/pay", "journey.started": True}
    good = otlp_request(whole, whole | {"journey.step": "pay"}, now_ns=NOW_NS).SerializeToString()
    decoder = eager()
    read = 0
    for at in range(len(good)):
        for changed in {good[at] ^ 1 << rng.randrange(8), (good[at] + rng.choice([-1, 1])) % 256, rng.randrange(256)}:
            body = good[:at] + bytes([changed]) + good[at + 1 :]
            try:
                validate(body)
            except BodyMalformed:
                continue
            decoder.tally(good, received_ns=NOW_NS)
            request = ExportTraceServiceRequest.FromString(body)
            found, expected = plain(decoder.tally(body, received_ns=NOW_NS)), reference(Rules()).tally(request)
            for each in (found, expected):
                each["rejected"] = sum(each["rejected"].values())  # only the first unknown outcomes of a day are named
            assert found == expected, (at, changed)
            read += 1
    assert read > len(good) // 2


def test_a_span_like_an_earlier_one_is_not_parsed(eager, otlp_request, monkeypatch):
    decoder = eager()
    steps = [CHECKOUT | {"journey.step": step} for step in ("cart", "pay", "ship")]
    bodies = [otlp_request(*steps, {}, now_ns=NOW_NS - ago).SerializeToString() for ago in (0, 10**9)]
    decoder.tally(bodies[0], received_ns=NOW_NS)
    monkeypatch.setattr(traces, "_PrunedSpan", None)
    found = decoder.tally(bodies[1], received_ns=NOW_NS)
    assert (found.counted, found.ignored) == (3, 1)


def test_a_sender_is_learned_in_a_few_requests_and_one_that_never_repeats_is_left_alone(otlp_request, monkeypatch):
    learned = count()
    looked = traces.layout_of
    monkeypatch.setattr(traces, "layout_of", lambda *given_, **named: (next(learned), looked(*given_, **named))[1])
    parsed = count()
    pruned = traces._PrunedSpan
    monkeypatch.setattr(traces, "_PrunedSpan", lambda: (next(parsed), pruned())[1])
    usual = otlp_request(*[CHECKOUT] * 500, now_ns=NOW_NS).SerializeToString()
    decoder = PythonTraces(Classifier(Rules()))
    for _ in range(10):
        decoder.tally(usual, received_ns=NOW_NS)
    assert next(parsed) < 600
    assert next(learned) < 5
    strange = PythonTraces(Classifier(Rules(series_limit=10)))
    for number in range(40):
        spans = (CHECKOUT | {"journey.tier": f"{number:02}-{each:03}"} for each in range(500))
        strange.tally(otlp_request(*spans, now_ns=NOW_NS).SerializeToString(), received_ns=NOW_NS)
    assert next(learned) < 20_000 // 25, "a trial costs, and the next one is ever later"


def test_what_is_learned_is_bounded_and_learned_again(eager, otlp_request, monkeypatch):
    monkeypatch.setattr(memo, "HELD_BYTES", 50_000)
    decoder = eager()
    most = 0
    for number in range(300):
        body = otlp_request(CHECKOUT | {"journey.tier": f"{number}"}, now_ns=NOW_NS).SerializeToString()
        assert decoder.tally(body, received_ns=NOW_NS).counted == 1
        layouts = [each for sender in decoder._senders.values() for some in sender.layouts.values() for each in some]
        most = max(most, sum(len(each.judgements) for each in layouts))
    assert 10 < most < 50


def test_of_spans_of_one_length_few_layouts_are_kept(eager, otlp_request):
    decoder = eager()
    for size in range(1, 60):
        texts = {"a": "x" * size, "b": "x" * (60 - size)}
        decoder.tally(otlp_request(CHECKOUT | texts, now_ns=NOW_NS).SerializeToString(), received_ns=NOW_NS)
    (sender,) = decoder._senders.values()
    assert [len(layouts) for layouts in sender.layouts.values()] == [traces._LAYOUTS]


def test_spans_in_very_many_pieces_are_not_learned(eager, otlp_request):
    """Their layouts would take forty times the room of their bytes."""
    decoder = eager()
    decoder.tally(
        otlp_request(CHECKOUT | {f"{n}": "" for n in range(400)}, now_ns=NOW_NS).SerializeToString(), received_ns=NOW_NS
    )
    (sender,) = decoder._senders.values()
    assert sender.layouts == {}
