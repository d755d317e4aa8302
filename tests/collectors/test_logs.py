"""Log records in, in the shape in which Fluent Bit's ``opentelemetry`` output sends them: which count, as what, and why others do not.

What its source (plugins/out_opentelemetry/opentelemetry_logs.c) makes of records that are not of OTLP's own origin:

* one ResourceLogs with an empty Resource and one ScopeLogs with an empty scope for all of a chunk;
* the body is the value of the first of ``logs_body_key`` (``$log``, ``$message``) that the record has, else the whole record as a map;
* attributes are the record's metadata and, with ``logs_body_key_attributes``, what of the record is not the body;
* ``time_unix_nano`` is the record's time, ``observed_time_unix_nano`` is 0, severity is not set;
* msgpack's integers, floats, booleans, nil, maps, arrays and binaries become the values of the same kinds.
"""

import json

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from maibo_collectors.otlp.body import BodyMalformed
from maibo_collectors.otlp.decoding.builder import CLOCK_SKEW
from maibo_collectors.otlp.decoding.classify import Classifier
from maibo_collectors.otlp.decoding.logs import NO_DURATION, Logs
from maibo_collectors.otlp.decoding.rules import Condition, Rule, Rules
from maibo_collectors.otlp.decoding.tally import CELL, EXEMPLAR, FLOW, SKEWED, Series, series_of
from maibo_collectors.otlp.segment import Kind
from maibo_slo.store.edges import bin_of

NOW = 1_700_000_000 * 10**9
MS = 10**6

CHECKOUT = Rule(
    journey="checkout",
    attributes=(Condition("method", ("POST",)), Condition("path", ("/checkout/*",))),
    failure=(Condition("code", ("5*",)),),
    reason="code",
    tier="tier",
    duration="request_time",
)
ACCESS = {
    "remote": "192.0.2.7",
    "host": "-",
    "user": "-",
    "method": "POST",
    "path": "/checkout/42",
    "code": "200",
    "size": "612",
    "referer": "-",
    "agent": "curl/8.5.0",
    "request_time": "0.123",
}
"""What Fluent Bit's parser ``nginx`` makes of a line with ``$request_time`` at its end: texts all of them, unless ``Types`` says else."""


def fill(value, told):
    """As Fluent Bit packs what msgpack holds."""
    if isinstance(told, bool):
        value.bool_value = told
    elif isinstance(told, str):
        value.string_value = told
    elif isinstance(told, int):
        value.int_value = told
    elif isinstance(told, float):
        value.double_value = told
    elif isinstance(told, bytes):
        value.bytes_value = told
    elif isinstance(told, dict):
        value.kvlist_value.SetInParent()
        for key, each in told.items():
            pair = value.kvlist_value.values.add(key=key)
            pair.value.SetInParent()
            fill(pair.value, each)
    elif isinstance(told, list):
        value.array_value.SetInParent()
        for each in told:
            fill(value.array_value.values.add(), each)


def fluent_bit(*records, time_ns=NOW, body_key_attributes=False, metadata=None, resource=None):
    """A chunk of records, as its output sends them."""
    made = ExportLogsServiceRequest()
    of_resource = made.resource_logs.add()
    of_resource.resource.SetInParent()
    for key, each in (resource or {}).items():
        fill(of_resource.resource.attributes.add(key=key).value, each)
    of_scope = of_resource.scope_logs.add()
    of_scope.scope.SetInParent()
    for record in records:
        of_record = of_scope.log_records.add(time_unix_nano=time_ns)
        key = next((key for key in ("log", "message") if key in record), None)
        of_record.body.SetInParent()
        fill(of_record.body, record if key is None else record[key])
        for name, each in (metadata or {}).items():
            fill(of_record.attributes.add(key=name).value, each)
        if body_key_attributes and key is not None:
            for name, each in record.items():
                if name != key:
                    fill(of_record.attributes.add(key=name).value, each)
    return made


@pytest.fixture
def tally():
    """``tally(request, rule, …)``: what protobuf and JSON of it both come to."""

    def tally(made, *rules, received_ns=NOW, **limits):
        in_json = json.dumps(MessageToDict(made, use_integers_for_enums=True)).encode()
        found = [
            Logs(Classifier(Rules(logs=rules, **limits))).tally(kind, body, received_ns=received_ns)
            for kind, body in ((Kind.LOGS_PROTOBUF, made.SerializeToString()), (Kind.LOGS_JSON, in_json))
        ]
        assert found[0] == found[1]
        rest = found[0].ignored + found[0].skewed + sum(found[0].rejected.values())
        assert found[0].total == found[0].counted + rest
        return found[0]

    return tally


def cells(found):
    return [(t, series_of(found.series[place]), index, n) for t, place, index, n in CELL.iter_unpack(found.cells)]


def test_an_access_log_counts_with_no_tracing_at_all(tally):
    found = tally(fluent_bit(ACCESS, {**ACCESS, "code": "503", "tier": "gold"}, {**ACCESS, "method": "GET"}), CHECKOUT)
    at = NOW // 10**9
    index = bin_of(123 * MS)
    assert cells(found) == [
        (at, Series("checkout", "", "", "", "", "", "", "", "", "success"), index, 1),
        (at, Series("checkout", "", "", "", "", "", "", "gold", "", "failure"), index, 1),
    ]
    assert [(each.reason, each.n) for each in found.reasons] == [("503", 1)]
    assert (found.total, found.counted, found.ignored) == (3, 2, 1)


def test_a_whole_journey_started_and_ended_and_a_step_did_neither(tally):
    slow = {**ACCESS, "request_time": "90.5"}
    step = Rule(journey="checkout", step="pay", attributes=CHECKOUT.attributes, duration="request_time")
    found = tally(fluent_bit(slow), CHECKOUT, step)
    begun = (NOW // 10**9 - 91) // 10 * 10
    assert list(FLOW.iter_unpack(found.flow)) == [(begun, 0, 1, 1)]
    assert [each[1].step for each in cells(found)] == ["", "pay"]
    assert (found.total, found.counted) == (1, 1)


@pytest.mark.parametrize(
    "told",
    ["0.25", 0.25, "2.5e-1", " 0.250 "],
    ids=["text", "float", "exponent", "spaces"],
)
def test_durations_are_numbers_or_texts_of_numbers(tally, told):
    found = tally(fluent_bit({**ACCESS, "request_time": told}), CHECKOUT)
    assert [each[2] for each in cells(found)] == [bin_of(250 * MS)]


@pytest.mark.parametrize(("unit_ns", "told"), [(10**9, 2), (10**6, 2_000), (10**3, 2_000_000), (1, 2 * 10**9)])
def test_durations_have_the_rules_unit(tally, unit_ns, told):
    rule = Rule(journey="checkout", duration="took", duration_unit_ns=unit_ns)
    found = tally(fluent_bit({"took": told}), rule)
    assert [each[2] for each in cells(found)] == [bin_of(2_000 * MS)]


@pytest.mark.parametrize("told", ["-", "", "fast", "nan", "inf", None, True, [1], {"s": 1}, b"1", "1e308"])
def test_a_record_without_a_number_as_its_duration_is_rejected(tally, told):
    found = tally(fluent_bit({**ACCESS, "request_time": told}), CHECKOUT)
    assert found.rejected == {NO_DURATION: 1}
    assert found.cells == b""


def test_a_record_without_its_duration_is_rejected(tally):
    without = {key: value for key, value in ACCESS.items() if key != "request_time"}
    assert tally(fluent_bit(without), CHECKOUT).rejected == {NO_DURATION: 1}


def test_a_negative_duration_is_skew(tally):
    found = tally(fluent_bit({**ACCESS, "request_time": "-0.003"}), CHECKOUT)
    assert (found.skewed, found.counted, found.cells) == (1, 0, b"")
    assert [n for *_, n in SKEWED.iter_unpack(found.skewed_rows)] == [1]


def test_a_record_as_a_line_of_text_is_ignored(tally):
    found = tally(fluent_bit({"log": '192.0.2.7 - - "POST /checkout/42" 200 0.123'}), CHECKOUT)
    assert (found.total, found.ignored) == (1, 1)


def test_fields_beside_the_body_key_are_attributes(tally):
    record = {**ACCESS, "message": "POST /checkout/42"}
    assert tally(fluent_bit(record), CHECKOUT).ignored == 1
    assert tally(fluent_bit(record, body_key_attributes=True), CHECKOUT).counted == 1


def test_the_body_goes_before_attributes(tally):
    found = tally(fluent_bit(ACCESS, metadata={"method": "GET", "tier": "from metadata"}), CHECKOUT)
    assert found.counted == 1
    assert cells(found)[0][1].tier == "from metadata"


def test_fields_in_maps_are_named_by_their_path(tally):
    rule = Rule(
        journey="checkout",
        attributes=(Condition("http.request.method", ("POST",)), Condition("http.status", ("200",))),
        duration="took.ms",
        duration_unit_ns=MS,
    )
    nested = {"http": {"request": {"method": "POST"}, "status": 200}, "took": {"ms": 12.5}}
    dotted = {"http.request.method": "POST", "http": {"status": 200}, "took.ms": "12.5"}
    mixed = {"http": {"request.method": "POST"}, "http.status": "200", "took": {"ms": "12.5"}}
    found = tally(fluent_bit(nested, dotted, mixed, {"http": "POST"}), rule)
    assert (found.counted, found.ignored) == (3, 1)
    assert {each[2] for each in cells(found)} == {bin_of(12_500_000)}


def test_numbers_and_booleans_are_matched_as_texts(tally):
    rule = Rule(
        journey="checkout",
        attributes=(Condition("code", ("200",)), Condition("cached", ("false",)), Condition("share", ("0.5",))),
        duration="took",
    )
    found = tally(fluent_bit({"code": 200, "cached": False, "share": 0.5, "took": 1, "none": None}), rule)
    assert found.counted == 1


def test_a_resource_gives_the_dimensions(tally):
    """Fluent Bit has one after its processor ``opentelemetry_envelope``."""
    resource = {"service.name": "shop", "service.version": "1.2", "deployment.environment.name": "production"}
    rule = Rule(journey="checkout", resource=(Condition("service.name", ("shop",)),), duration="request_time")
    found = tally(fluent_bit(ACCESS, resource=resource), rule)
    assert cells(found)[0][1] == Series("checkout", "", "production", "shop", "1.2", "", "", "", "", "success")
    assert tally(fluent_bit(ACCESS, resource={"service.name": "other"}), rule).ignored == 1


def test_without_a_resource_fields_of_the_same_name_stand_in(tally):
    """Which is what the filter ``record_modifier`` can do."""
    rule = Rule(journey="checkout", resource=(Condition("service.name", ("shop",)),), duration="request_time")
    found = tally(fluent_bit({**ACCESS, "service.name": "shop", "cloud": {"region": "eu-1"}}), rule)
    assert cells(found)[0][1] == Series("checkout", "", "", "shop", "", "", "eu-1", "", "", "success")
    assert tally(fluent_bit({**ACCESS, "service.name": "shop"}, resource={"service.name": "other"}), rule).ignored == 1


def test_two_durations_in_one_record_count_once_each(tally):
    upstream = Rule(journey="checkout", step="backend", duration="upstream_response_time")
    found = tally(fluent_bit({**ACCESS, "upstream_response_time": "0.1"}), CHECKOUT, upstream)
    assert [(each[1].step, each[2]) for each in cells(found)] == [("", bin_of(123 * MS)), ("backend", bin_of(100 * MS))]
    assert (found.total, found.counted) == (2, 2)
    without = tally(fluent_bit({**ACCESS, "upstream_response_time": "-"}), CHECKOUT, upstream)
    assert (without.counted, without.rejected) == (1, {NO_DURATION: 1})


def test_the_observed_time_is_taken_where_there_is_no_other(tally):
    made = fluent_bit(ACCESS)
    record = made.resource_logs[0].scope_logs[0].log_records[0]
    record.time_unix_nano, record.observed_time_unix_nano = 0, NOW - 20 * 10**9
    assert cells(tally(made, CHECKOUT))[0][0] == NOW // 10**9 - 20
    record.observed_time_unix_nano = 0
    assert tally(made, CHECKOUT).rejected == {CLOCK_SKEW: 1}


def test_times_far_from_now_are_rejected(tally):
    assert tally(fluent_bit(ACCESS, time_ns=NOW - 86_401 * 10**9), CHECKOUT).rejected == {CLOCK_SKEW: 1}
    assert tally(fluent_bit({**ACCESS, "request_time": 10**12}), CHECKOUT).rejected == {CLOCK_SKEW: 1}


def test_trace_ids_make_exemplars(tally):
    made = fluent_bit({**ACCESS, "code": "500"})
    record = made.resource_logs[0].scope_logs[0].log_records[0]
    record.trace_id, record.span_id = b"t" * 16, b"s" * 8
    logs = Logs(Classifier(Rules(logs=(CHECKOUT,))))
    found = logs.tally(Kind.LOGS_PROTOBUF, made.SerializeToString(), received_ns=NOW)
    (exemplar,) = EXEMPLAR.iter_unpack(found.exemplars)
    assert exemplar[-2:] == (b"t" * 16, b"s" * 8)


def test_over_the_cap_records_lose_their_dimensions_and_keep_their_counts(tally):
    found = tally(fluent_bit(*({**ACCESS, "tier": f"tier {number}"} for number in range(5))), CHECKOUT, series_limit=2)
    assert found.counted == 5
    assert found.overflowed == {"checkout": 3}
    assert [each[1].tier for each in cells(found)] == ["tier 0", "tier 1", "__overflow__"]


def test_judgements_are_forgotten_with_the_day(tally):
    logs = Logs(Classifier(Rules(logs=(CHECKOUT,), series_limit=1)))
    for day in range(2):
        now = NOW + day * 86_400 * 10**9
        body = fluent_bit({**ACCESS, "tier": f"tier {day}"}, time_ns=now).SerializeToString()
        assert logs.tally(Kind.LOGS_PROTOBUF, body, received_ns=now).overflowed == {}


def test_without_rules_everything_is_ignored(tally):
    assert tally(fluent_bit(ACCESS, ACCESS)).ignored == 2
    assert tally(ExportLogsServiceRequest()).total == 0


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_request_never_breaks_the_decoder(data):
    body = bytearray(fluent_bit({**ACCESS, "http": {"status": 200}}).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = Logs(Classifier(Rules(logs=(CHECKOUT,)))).tally(Kind.LOGS_PROTOBUF, bytes(body), received_ns=NOW)
    except BodyMalformed:
        return
    assert found.total == found.counted + found.ignored + found.skewed + sum(found.rejected.values())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"resourceLogs": 1}',
        b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": "soon"}]}]}]}',
        b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"intValue": "9999999999999999999"}}]}]}]}',
        b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": ' + b'{"arrayValue":{"values":[' * 20_000,
    ],
)
def test_json_that_is_no_request_is_malformed(body):
    with pytest.raises(BodyMalformed, match="not an ExportLogsServiceRequest"):
        Logs(Classifier(Rules(logs=(CHECKOUT,)))).tally(Kind.LOGS_JSON, body, received_ns=NOW)
