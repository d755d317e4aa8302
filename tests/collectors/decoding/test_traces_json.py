"""OTLP's JSON counts as the same request in protobuf does."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_collectors.otlp.body import BodyMalformed
from maibo_collectors.otlp.decoding.classify import Classifier
from maibo_collectors.otlp.decoding.decoders import Decoders
from maibo_collectors.otlp.decoding.rules import Rules
from maibo_collectors.otlp.decoding.tally import EXEMPLAR
from maibo_collectors.otlp.decoding.traces import PythonTraces
from maibo_collectors.otlp.decoding.traces_json import JsonTraces
from maibo_collectors.otlp.segment import Kind

NOW_NS = 1_800_000_005_000_000_000


def tally(body, rules=None):
    return JsonTraces(Classifier(rules or Rules())).tally(body, received_ns=NOW_NS)


def span(**fields):
    """A body of one span that counts, with other fields."""
    attributes = [{"key": "journey.name", "value": {"stringValue": "checkout"}}]
    whole = {
        "traceId": "0A" * 16,
        "spanId": "0b" * 8,
        "startTimeUnixNano": str(NOW_NS - 5),
        "endTimeUnixNano": str(NOW_NS),
    }
    one = whole | {"attributes": attributes} | fields
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [one]}]}]}).encode()


def value(**content):
    return span(
        attributes=[{"key": "journey.name", "value": {"stringValue": "a"}}, {"key": "journey.tier", "value": content}]
    )


@given(data=st.data(), numbers=st.booleans())
@settings(max_examples=50, deadline=None)
def test_a_request_in_json_counts_as_in_protobuf(requests, rules, to_json, data, numbers):
    request = data.draw(requests)
    protobuf = PythonTraces(Classifier(rules)).tally(request.SerializeToString(), received_ns=NOW_NS)
    assert tally(to_json(request, numbers=numbers), rules) == protobuf


def test_ids_are_hex_in_either_case():
    (exemplar,) = EXEMPLAR.iter_unpack(tally(span()).exemplars)
    assert exemplar[-2:] == (b"\x0a" * 16, b"\x0b" * 8)


def test_numbers_of_64_bits_are_strings_or_numbers():
    assert tally(span(startTimeUnixNano=NOW_NS - 5, endTimeUnixNano=NOW_NS)) == tally(span())
    assert tally(value(intValue="7")).series == tally(value(intValue=7)).series


@pytest.mark.parametrize(
    ("body", "tells"),
    [
        (b"", "truncated"),
        (b"[]", "Expected `object`"),
        (b"{} {}", "trailing"),
        (b"\xff", "malformed"),
        (b'{"resourceSpans": [{"resource": {"attributes": [{"key": "a\xff"}]}}]}', "utf-8"),
        (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (span(kind="SPAN_KIND_SERVER"), r"\$.resourceSpans\[0\].scopeSpans\[0\].spans\[0\].kind"),
        (span(status={"code": "STATUS_CODE_ERROR"}), r"spans\[0\].status.code"),
        (span(traceId="xyz"), r"traceId is 'xyz', and not hex - at `\$.resourceSpans\[0\].scopeSpans\[0\].spans\[0\]`"),
        (span(traceId="0a 0b"), "not hex"),
        (span(spanId="\u0661\u0662"), "not hex"),
        (span(endTimeUnixNano="soon"), "endTimeUnixNano is 'soon', and no integer"),
        (span(endTimeUnixNano="1_000"), "no integer"),
        (span(endTimeUnixNano=-1), "not within 0"),
        (span(endTimeUnixNano=2**64), "not within"),
        (span(endTimeUnixNano=1.5), "float"),
        (span(startTimeUnixNano=True), "bool"),
        (value(intValue=2**63), "not within"),
        (value(intValue="9" * 5000), "no integer"),
        (value(doubleValue="much"), "doubleValue is 'much'"),
        (value(stringValue=7), r"attributes\[1\].value.stringValue"),
    ],
)
def test_what_is_malformed_is_told_with_its_place(body, tells):
    with pytest.raises(BodyMalformed, match=tells):
        tally(body)


def test_a_number_that_nobody_asks_for_must_be_one_too():
    with pytest.raises(BodyMalformed, match="intValue"):
        tally(span(attributes=[{"key": "x", "value": {"intValue": "y"}}]))


@pytest.mark.parametrize(
    "body", [b"{}", b'{"resourceSpans": null}', b'{"resource_spans": [{}]}', b'{"resourceSpans": [{}]}']
)
def test_null_is_what_was_left_out_and_names_are_lower_camel_case_only(body):
    assert tally(body).total == 0


def test_what_is_left_out_of_a_span_is_its_default():
    found = tally(b'{"resourceSpans": [{"resource": null, "scopeSpans": [{"spans": [{}, {"attributes": [{}]}]}]}]}')
    assert (found.total, found.ignored) == (2, 2)


@given(st.binary(max_size=100) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_either_decoded_or_malformed(body):
    with contextlib.suppress(BodyMalformed):
        tally(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["resourceSpans", "scopeSpans", "spans", "attributes", "key", "value", "intValue"]),
                inner,
            )
        ),
    )
)
def test_any_json_is_either_decoded_or_malformed(document):
    with contextlib.suppress(BodyMalformed):
        tally(json.dumps({"resourceSpans": document}).encode())


def test_lone_surrogates_never_reach_the_log():
    body = value(stringValue="x").replace(b'"x"', b'"\\ud800\\u0041"')
    try:
        series = tally(body).series
    except BodyMalformed:
        return
    assert all(each.decode("utf-8", "strict") is not None for each in series)


def test_decoders_know_json():
    assert Decoders(Rules()).tally(Kind.TRACES_JSON, span(), received_ns=NOW_NS).counted == 1
