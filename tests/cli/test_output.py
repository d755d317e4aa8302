"""How numbers are spelled on the terminal."""
# ruff: noqa: RUF001 -- a dash for nothing is typography

import pytest

from maibo_slo.cli.output import ago, duration, percent, sparkline


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (None, "–"),
        (0.5, "0.500 µs"),
        (999, "999 µs"),
        (1_250, "1.25 ms"),
        (467_474.7, "467 ms"),
        (12_500_000, "12.5 s"),
    ],
)
def test_durations_have_three_digits(us: float | None, text: str) -> None:
    assert duration(us) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (None, "–"),
        (1.0, "100 %"),
        (0.999999, "99.99 %"),
        (0.5, "50.00 %"),
        (-0.0, "0.00 %"),
        (-0.25, "-25.00 %"),
        (-1e-9, "0.00 %"),
    ],
)
def test_percents_are_never_rounded_up_to_a_hundred_nor_minus_zero(ratio: float | None, text: str) -> None:
    assert percent(ratio) == text


def test_ages() -> None:
    assert [ago(seconds) for seconds in (None, 0, 59.4, 320, 7_300, 200_000)] == [
        "–",
        "0 s",
        "59 s",
        "5 min",
        "2 h",
        "2 d",
    ]


def test_a_sparkline_has_gaps_where_there_is_no_data() -> None:
    assert sparkline([0, 1, None, 2]) == "▁▄ █"
    assert sparkline([]) == ""
    assert sparkline([0, 0]) == "▁▁"


def test_a_sparkline_of_many_values_fits_one_line_and_keeps_its_peaks() -> None:
    many = sparkline([0.0] * 398 + [9.0])
    assert len(many) == 57
    assert many.endswith("█")
    assert len(sparkline([1.0] * 60)) == 60
    assert sparkline([None, None, 1, None], most=2) == " █"
