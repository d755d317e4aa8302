"""From facts to words: everything known is told, and nothing else."""

# ruff: noqa: RUF001 -- Chinese has its own punctuation

from __future__ import annotations

import dataclasses
import math
import re
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_alerting.wording import LOCALES, Change, Facts, Locale, Waiting, tell
from maibo_alerting.wording.facts import ChangeKind, LinkKind, Wait

SINCE = 1_767_323_040.0  # 2026-01-02 03:04:00 UTC
DAY = 86_400


@pytest.fixture
def outage():
    """Everything is known. A budget of 0.1 % over 30 d that burns 14.4 times: 2 % an hour, so 43 % last 21.5 hours."""
    return Facts(
        now=SINCE + 1_200,
        slo="checkout-latency",
        objective="99.9",
        target=0.999,
        window_seconds=30 * DAY,
        journey="checkout",
        step="pay",
        tier="gold",
        since=SINCE,
        over_seconds=3_600,
        total=587_000,
        bad=8_453,
        customers=1,
        p99_seconds=1.8437,
        threshold_seconds=0.5,
        burn_rate=14.4,
        budget_remaining=0.43,
        age_seconds=35,
        changes=[
            Change(SINCE - 240, "version", "payment", "1.4.1", "1.4.2"),
            Change(SINCE - 60, "scale_up", "payment", "3", "12"),
            Change(SINCE - 300, "deployment", "cart"),
        ],
        page="https://maibo.example/slos/checkout-latency",
        dashboard="https://grafana.example/d/checkout",
        runbook="https://wiki.example/checkout",
    )


def test_an_outage_in_english(outage):
    message = tell(outage)
    assert message.title == "checkout, step pay (gold): the error budget burns 14.4 times as fast as the SLO allows"
    assert message.lines == (
        "8,453 of 587,000 failed or were too slow (1.4 %) in the last 1 h",
        "1 customer was affected",
        "99 % took at most 1.84 s (P99); 500 ms is the threshold",
        "SLO checkout-latency: 99.9 % are to be good over 30 d",
        "Since 2026-01-02 03:04 (UTC), for 20 min now",
        "43 % of the error budget is left; at this rate it is gone in 21 h 30 min, 2026-01-03 00:54 (UTC)",
        "The newest data is 35 s old",
        "Changed around that time:",
        "2026-01-02 03:03 (UTC): payment scaled up: 3 → 12",
        "2026-01-02 03:00 (UTC): version of payment: 1.4.1 → 1.4.2",
        "2026-01-02 02:59 (UTC): deployment of cart",
    )
    assert [(link.label, link.url) for link in message.links] == [
        ("Page", "https://maibo.example/slos/checkout-latency"),
        ("Dashboard", "https://grafana.example/d/checkout"),
        ("Runbook", "https://wiki.example/checkout"),
    ]


def test_an_outage_in_chinese(outage):
    message = tell(dataclasses.replace(outage, zone=ZoneInfo("Asia/Shanghai")), "zh")
    assert message.title == "checkout，步骤 pay（gold）：错误预算的消耗速度是 SLO 允许的 14.4 倍"
    assert message.lines == (
        "最近 1 小时，587,000 次中有 8,453 次失败或过慢（1.4%）",
        "1 位客户受到影响",
        "99% 的耗时不超过 1.84 秒（P99），阈值为 500 毫秒",
        "SLO checkout-latency：30 天内应有 99.9% 达标",
        "开始于 2026-01-02 11:04 (UTC+08:00)，已持续 20 分钟",
        "错误预算还剩 43%；照此速度将在 21 小时 30 分钟后耗尽，即 2026-01-03 08:54 (UTC+08:00)",
        "最新数据是 35 秒前的",
        "在此前后的变更：",
        "2026-01-02 11:03 (UTC+08:00)：payment 扩容：3 → 12",
        "2026-01-02 11:00 (UTC+08:00)：payment 版本：1.4.1 → 1.4.2",
        "2026-01-02 10:59 (UTC+08:00)：cart 部署",
    )
    assert [link.label for link in message.links] == ["详情页", "仪表盘", "处置手册"]


def test_what_is_not_known_is_left_out():
    message = tell(Facts(now=SINCE, slo="checkout-latency"))
    assert message.title == "checkout-latency: the error budget burns too fast"
    assert message.lines == ()
    assert message.links == ()


def test_the_end_is_told_without_a_forecast(outage):
    message = tell(dataclasses.replace(outage, until=SINCE + 1_140, changes=()))
    assert message.title == "checkout, step pay (gold): the error budget no longer burns too fast"
    assert "From 2026-01-02 03:04 (UTC) until 2026-01-02 03:23 (UTC): 19 min" in message.lines
    assert "43 % of the error budget is left" in message.lines


@pytest.mark.parametrize(
    ("remaining", "told"),
    [
        (0.0, "The error budget is spent"),
        (-0.25, "The error budget is spent, and 25 % of it once more"),
        (-12.0, "The error budget is spent, and 1,200 % of it once more"),
    ],
)
def test_a_spent_budget_is_not_told_to_last(outage, remaining, told):
    assert told in tell(dataclasses.replace(outage, budget_remaining=remaining)).lines


def test_a_budget_that_does_not_burn_has_no_end(outage):
    assert "43 % of the error budget is left" in tell(dataclasses.replace(outage, burn_rate=0.0)).lines


def test_no_data_is_neither_good_nor_bad():
    message = tell(Facts(now=SINCE, slo="checkout-latency", kind="no_data", age_seconds=1_800))
    assert message.title == "checkout-latency: no data"
    assert message.lines == (
        "No event has been counted for 30 min. That is neither good nor bad: see whether customers stayed away or the telemetry did",
    )


def test_plurals_follow_the_number_as_it_is_shown(outage):
    one = tell(dataclasses.replace(outage, bad=1, total=1, customers=2, burn_rate=1.004))
    assert one.title.endswith("burns as fast as the SLO allows")
    assert one.lines[:2] == ("1 of 1 failed or was too slow (100 %) in the last 1 h", "2 customers were affected")


def test_no_events_have_no_share(outage):
    lines = tell(dataclasses.replace(outage, bad=0, total=0)).lines
    assert not [line for line in lines if "failed" in line]


def test_of_many_changes_the_newest_are_told_and_the_rest_counted(outage):
    changes = [Change(SINCE - n, "version", f"service-{n}", "", "2") for n in range(9)]
    lines = tell(dataclasses.replace(outage, changes=changes)).lines
    assert lines[-6].endswith("version of service-0: 2")
    assert lines[-1] == "and 4 more"


def test_an_address_that_is_none_is_no_link(outage):
    message = tell(dataclasses.replace(outage, page="javascript:alert(1)", runbook="https://[", dashboard="/d/x"))
    assert message.links == ()


def test_names_of_strangers_stay_on_their_line_and_short(outage):
    hostile = "gold\r\n\u202e" + "x" * 10_000
    message = tell(dataclasses.replace(outage, tier=hostile, journey=hostile, slo=hostile))
    for line in (message.title, *message.lines):
        assert len(line) < 500
        assert line.isprintable()


NUMBERS = st.none() | st.floats(-1e6, 1e9, allow_nan=False)
COUNTS = st.none() | st.integers(0, 10**15)


@settings(max_examples=100, deadline=None)
@given(
    st.builds(
        Facts,
        now=st.floats(0, 4e9),
        slo=st.text("ab -", min_size=1, max_size=20),
        kind=st.sampled_from(["burn", "no_data"]),
        target=st.none() | st.floats(0.5, 0.999999),
        window_seconds=st.none() | st.floats(60, 1e8),
        since=st.none() | st.floats(0, 4e9),
        until=st.none() | st.floats(0, 4e9),
        over_seconds=st.none() | st.floats(1, 1e8),
        total=COUNTS,
        bad=COUNTS,
        customers=COUNTS,
        p99_seconds=st.none() | st.floats(0, 1e6),
        threshold_seconds=st.none() | st.floats(0, 1e6),
        burn_rate=st.none() | st.floats(0, 1e6),
        budget_remaining=st.none() | st.floats(-1e4, 1),
        age_seconds=st.none() | st.floats(0, 1e8),
        waiting=st.none()
        | st.builds(
            Waiting,
            factor=st.floats(1, 1e4),
            long_seconds=st.floats(60, 1e6),
            held_back_by=st.sampled_from(get_args(Wait)),
        ),
        zone=st.sampled_from([ZoneInfo("UTC"), ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/St_Johns")]),
    ),
    st.sampled_from(get_args(Locale)),
)
def test_whatever_is_known_can_be_told(facts, locale):
    message = tell(facts, locale)
    for line in (message.title, *message.lines):
        assert not re.search(r"[{}]|None|nan|inf\b|E[+-]\d", line.replace(facts.slo, ""))


def test_both_languages_have_every_phrase_with_the_same_places():
    english, chinese = (dataclasses.asdict(LOCALES[locale]) for locale in ("en", "zh"))
    assert english.keys() == chinese.keys()
    for name, phrase in english.items():
        assert _places(phrase) == _places(chinese[name]), name
        assert _said(phrase), name
        assert _said(chinese[name]), name


@pytest.mark.parametrize("locale", get_args(Locale))
def test_every_kind_of_change_and_link_has_its_words(locale):
    assert set(LOCALES[locale].changes) == set(get_args(ChangeKind))
    assert set(LOCALES[locale].links) == set(get_args(LinkKind))
    assert set(LOCALES[locale].waits) == set(get_args(Wait))


def _places(phrase: str | dict[str, str]) -> object:
    """Of a phrase that counts, those of the general form."""
    if isinstance(phrase, dict) and "other" in phrase:
        return _places(phrase["other"])
    if isinstance(phrase, dict):
        return {name: _places(text) for name, text in phrase.items()}
    return sorted(re.findall(r"\{(\w+)\}", phrase))


def _said(phrase: str | dict[str, str]) -> bool:
    return all(phrase.values()) if isinstance(phrase, dict) else bool(phrase)


def test_a_day_of_facts_reads_the_same_twice(outage):
    assert tell(outage) == tell(outage)
    assert math.isclose(outage.budget_lasts_seconds, 0.43 * 30 * DAY / 14.4)


def test_an_evaluation_that_stands_still_is_of_no_slo():
    stands = Facts(now=SINCE + 300, slo="", kind="standstill", since=SINCE, age_seconds=420)
    assert tell(stands).title == "maibo no longer evaluates: no other alert can fire"
    assert tell(stands).lines == (
        "Since 2026-01-02 03:04 (UTC), for 5 min now",
        "No SLO has been judged for 7 min: whatever burns now wakes nobody. See /readyz and the log of the service",
    )
    ended = dataclasses.replace(stands, until=SINCE + 300)
    assert tell(ended).title == "maibo evaluates again"
    assert tell(ended).lines == ("From 2026-01-02 03:04 (UTC) until 2026-01-02 03:09 (UTC): 5 min",)


@pytest.mark.parametrize(
    ("ended", "title"),
    [
        ("over", "checkout, step pay (gold): the error budget no longer burns too fast"),
        ("no_data", "checkout, step pay (gold): no data for so long that nobody knows whether the trouble is over"),
        ("withdrawn", "checkout, step pay (gold): no longer judged"),
    ],
)
def test_an_end_says_which_it_is(outage, ended, title):
    assert tell(dataclasses.replace(outage, until=SINCE + 900, ended=ended)).title == title


@pytest.mark.parametrize("ended", ["no_data", "withdrawn"])
def test_until_when_an_unhealed_trouble_lasted_nobody_knows(outage, ended):
    lines = tell(dataclasses.replace(outage, until=SINCE + 900, ended=ended)).lines
    assert "Since 2026-01-02 03:04 (UTC)" in lines
    assert "until" not in " ".join(lines)


def test_a_calendars_budget_is_forecast_within_its_period_alone(outage):
    """43 % of 31 days at a burn of 14.4 are 22 h 13 min."""
    begin = SINCE - 20 * DAY
    within = dataclasses.replace(outage, period=(begin, begin + 31 * DAY))
    assert tell(within).lines[3] == (
        "SLO checkout-latency: 99.9 % are to be good from 2025-12-13 03:04 (UTC) until 2026-01-13 03:04 (UTC)"
    )
    assert "43 % of the error budget is left; at this rate it is gone in 22 h 13 min" in tell(within).lines[5]
    turning = dataclasses.replace(outage, period=(SINCE - 31 * DAY + 7_200, SINCE + 7_200))
    assert tell(turning).lines[5] == "43 % of the error budget is left"
    assert "期间应有 99.9% 达标" in tell(turning, "zh").lines[3]


def test_of_what_somebody_else_counts_nobody_knows_whether_it_failed(outage):
    counted = dataclasses.replace(outage, is_felt=False)
    assert tell(counted).lines[0] == "8,453 of 587,000 were not good (1.4 %) in the last 1 h"
    assert tell(counted, "zh").lines[0] == "最近 1 小时，587,000 次中有 8,453 次未达标（1.4%）"
