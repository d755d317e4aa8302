"""How many events a sampled span stands for."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_collectors.otlp.decoding.sampling import HEAVIEST, ONE, Weight, threshold, weight


@pytest.mark.parametrize(
    ("trace_state", "digits"),
    [
        ("", ""),
        ("ot=th:8", "8"),
        ("ot=rv:abcdef;th:c", "c"),
        ("vendor=x,ot=th:fd70a4", "fd70a4"),
        ("vendor=x , \tot=th:8\t,z=1", "8"),
        ("ot=th:0", "0"),
        ("ot=th:", ""),
        ("ot=th:8;th:c", "8"),
        ("ot=rv:1,ot=th:8", ""),
        ("ot=th:C", ""),
        ("ot=th:8 ", "8"),
        ("ot=th: 8", ""),
        ("ot=th:123456789abcdef", ""),
        ("ot=th:12345678901234", "12345678901234"),
        ("not=th:8", ""),
        ("OT=th:8", ""),
        ("ot=mth:8", ""),
        ("ot=th:\uff18", ""),
    ],
)
def test_the_threshold_is_read_from_tracestate(trace_state, digits):
    assert threshold(trace_state) == digits


@pytest.mark.parametrize(
    ("digits", "of"),
    [("", ONE), ("0", ONE), ("8", Weight(2, 0)), ("c", Weight(4, 0)), ("4", Weight(1, -(-(2**32) // 3)))],
)
def test_the_weight_is_one_over_the_probability(digits, of):
    assert weight(digits) == of


def test_what_is_not_sampled_is_one_and_the_same():
    assert weight("") is ONE
    assert weight("000") is ONE


@given(st.text("0123456789abcdef", min_size=1, max_size=14))
def test_weights_are_unbiased(digits):
    kept = 1 - Fraction(int(digits.ljust(14, "0"), 16), 2**56)
    found = weight(digits)
    if found is None:
        assert 1 / kept > HEAVIEST
        return
    assert 0 <= found.rest <= 2**32
    mean = found.whole + Fraction(found.rest, 2**32)
    assert 0 <= mean - 1 / kept <= Fraction(1, 2**32)
    assert 1 / kept <= HEAVIEST


def test_the_rest_is_drawn_from_the_span_id_the_same_each_time():
    one_in_three = Weight(1, 2**32 // 2)
    assert one_in_three.of(b"\0\0\0\0\x7f\xff\xff\xff") == 2
    assert one_in_three.of(b"\xff\xff\xff\xff\x80\0\0\0") == 1
    assert one_in_three.of(b"") == 2
    assert one_in_three.of(b"\x80") == 2
    assert Weight(1, 2**32).of(b"\xff" * 8) == 2


def test_more_than_can_be_believed_has_no_weight():
    assert weight("f" * 14) is None
