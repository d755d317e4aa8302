"""Values as texts: what a dimension may hold."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValueList

from maibo_collectors.otlp.decoding.attributes import VALUE_LIMIT, clean, text, text_of_bytes


@pytest.mark.parametrize(
    ("told", "cleaned"),
    [
        ("a\0b\x1f\x7f\x85", "a\ufffdb\ufffd\ufffd\ufffd"),
        (" padded\n", "padded\ufffd"),
        ("  padded ", "padded"),
        ("\u202egpj.exe", "\ufffdgpj.exe"),
        ("\ud800", "\ufffd"),
        ("x" * 10_000, "x" * (VALUE_LIMIT - 1) + "…"),
        ("结" * VALUE_LIMIT, "结" * VALUE_LIMIT),
        ("结" * (VALUE_LIMIT + 1), "结" * (VALUE_LIMIT - 1) + "…"),
    ],
)
def test_texts_are_short_and_printable(told, cleaned):
    assert clean(told) == cleaned


def test_no_character_that_moves_a_cursor_or_turns_a_line_is_left():
    turns = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
    for point in range(sys.maxunicode + 1):
        if unicodedata.category(chr(point)) in {"Cc", "Cs", "Zl", "Zp"} or point in turns:
            assert clean(f"a{chr(point)}b") == "a\ufffdb", hex(point)


@given(st.text())
def test_what_is_clean_stays_as_it_is(told):
    once = clean(told)
    assert len(once) <= VALUE_LIMIT
    assert clean(once) == once
    once.encode()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (AnyValue(string_value="a\0"), "a\ufffd"),
        (AnyValue(bool_value=True), "true"),
        (AnyValue(bool_value=False), "false"),
        (AnyValue(int_value=-7), "-7"),
        (AnyValue(int_value=0), "0"),
        (AnyValue(double_value=0.5), "0.5"),
        (AnyValue(double_value=float("nan")), "nan"),
        (AnyValue(bytes_value=b"\xff"), ""),
        (AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1)])), ""),
        (AnyValue(kvlist_value=KeyValueList()), ""),
        (AnyValue(), ""),
    ],
)
def test_numbers_and_booleans_are_texts_too_and_what_has_none_is_empty(value, told):
    assert text(value) == told
    assert text_of_bytes(value.SerializeToString()) == told


def test_of_a_value_in_several_pieces_the_last_counts():
    pieces = AnyValue(string_value="a"), AnyValue(int_value=7)
    assert text_of_bytes(b"".join(each.SerializeToString() for each in pieces)) == "7"
