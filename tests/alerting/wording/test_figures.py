"""Numbers as people read them."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_alerting.wording import figures, phrases

EN, ZH = phrases("en"), phrases("zh")


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [
        (0, "0 %"),
        (0.0021, "0.21 %"),
        (0.00213, "0.21 %"),
        (0.005, "0.5 %"),
        (0.1234, "12 %"),
        (0.5, "50 %"),
        (0.9995, "99.95 %"),
        (0.99996, "99.996 %"),
        (1, "100 %"),
        (1 - 1e-9, "> 99.9999 %"),
        (1e-9, "< 0.0001 %"),
        (0.995, "99.5 %"),
        (2.5, "250 %"),
    ],
)
def test_a_percentage_has_two_digits_that_matter(ratio, shown):
    assert figures.percent(ratio, EN) == shown
    assert figures.percent(ratio, ZH) == shown.replace(" %", "%")


@given(st.floats(0, 1))
def test_only_nothing_reads_0_percent_and_only_all_reads_100(ratio):
    shown = figures.percent(ratio, EN)
    assert (shown == "0 %") == (ratio == 0)
    assert (shown == "100 %") == (ratio == 1)


@pytest.mark.parametrize(("target", "shown"), [(0.999, "99.9 %"), (0.9995, "99.95 %"), (0.99, "99 %"), (0.29, "29 %")])
def test_a_target_reads_as_it_was_written(target, shown):
    assert figures.exact_percent(target, EN) == shown


@pytest.mark.parametrize(
    ("times", "shown"),
    [
        (14.4, "14.4"),
        (12.44, "12.4"),
        (6.0, "6"),
        (1.004, "1"),
        (0.25, "0.25"),
        (0, "0"),
        (1_234.5, "1,234"),
        (99.96, "100"),
    ],
)
def test_a_burn_rate_has_at_most_three_digits(times, shown):
    assert figures.rate(times) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (45, "45 s"),
        (90, "1 min 30 s"),
        (1_200, "20 min"),
        (12_000, "3 h 20 min"),
        (3_599.6, "1 h"),
        (86_399, "1 d"),
        (2 * 86_400 + 4 * 3_600, "2 d 4 h"),
        (30 * 86_400, "30 d"),
        (-5, "0 s"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds, shown):
    assert figures.duration(seconds, EN) == shown


def test_a_duration_in_chinese():
    assert figures.duration(12_000, ZH) == "3 小时 20 分钟"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 ms"),
        (0.0004, "0.4 ms"),
        (0.34, "340 ms"),
        (0.9996, "1 s"),
        (1.2, "1.2 s"),
        (12, "12 s"),
        (123.4, "123 s"),
        (1_200, "20 min"),
    ],
)
def test_a_latency_has_the_unit_that_suits_it(seconds, shown):
    assert figures.latency(seconds, EN) == shown


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("UTC", "2026-07-02 03:04 (UTC)"),
        ("Asia/Shanghai", "2026-07-02 11:04 (UTC+08:00)"),
        ("America/St_Johns", "2026-07-02 00:34 (UTC-02:30)"),
        ("Europe/London", "2026-07-02 04:04 (UTC+01:00)"),
    ],
)
def test_a_time_has_its_zone(zone, shown):
    assert figures.moment(1_782_961_440, ZoneInfo(zone)) == shown
