"""What is said, in each language. A phrase that one of them lacks is an error of types."""

# ruff: noqa: RUF001 -- Chinese has its own punctuation

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_alerting.wording.facts import Wait

Locale = Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class Counted:
    """A phrase that depends on a number. Chinese says both alike."""

    one: str
    other: str

    def of(self, shown: str) -> str:
        """By the number as it is shown: 1.02 that reads "1" is one."""
        return self.one if shown == "1" else self.other


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    page: str
    ticket: str
    resolved: str
    closed: str
    """Instead of `resolved`, where the trouble may go on."""
    test: str
    test_line: str
    more: Counted
    several: Counted
    burning: Counted
    burning_too_fast: str
    burning_waits: str
    waits: Mapping[Wait, str]
    burns_no_more: str
    no_data: str
    data_again: str
    unknown: str
    withdrawn: str
    stands_still: str
    evaluates_again: str
    wakes_nobody: str
    wakes_nobody_for: str
    place: str
    place_step: str
    objective: str
    promise: str
    promise_over: str
    promise_period: str
    bad: Counted
    bad_over: Counted
    not_good: Counted
    not_good_over: Counted
    customers: Counted
    p99: str
    p99_threshold: str
    since: str
    since_for: str
    from_until: str
    left: str
    lasts: str
    spent: str
    overspent: str
    quiet: str
    quiet_for: str
    newest: str
    around: str
    changes: Mapping[str, str]
    change_to: str
    change_from_to: str
    links: Mapping[str, str]
    days: str
    hours: str
    minutes: str
    seconds: str
    milliseconds: str
    percent: str
    separator: str


EN: Final = Phrases(
    page="Page",
    ticket="Ticket",
    resolved="Resolved",
    closed="Closed",
    test="Test",
    test_line="This is a test of the way out: there is no trouble.",
    more=Counted("and {n} more", "and {n} more"),
    several=Counted("{n} alert", "{n} alerts"),
    burning=Counted(
        "{what}: the error budget burns as fast as the SLO allows",
        "{what}: the error budget burns {rate} times as fast as the SLO allows",
    ),
    burning_too_fast="{what}: the error budget burns too fast",
    burning_waits="{what}: over {short} the error budget burns {rate} times as fast as the SLO allows, above {factor}; over {long} {waits}",
    waits={
        "below": "it does not yet",
        "too_few": "there are too few bad events yet",
        "too_soon": "too little time has passed since the first event",
        "not_whole": "it does too, but too little of that time has been observed to fire",
        "chance": "it may still be chance",
    },
    burns_no_more="{what}: the error budget no longer burns too fast",
    no_data="{what}: no data",
    data_again="{what}: there is data again",
    unknown="{what}: no data for so long that nobody knows whether the trouble is over",
    withdrawn="{what}: no longer judged",
    stands_still="maibo no longer evaluates: no other alert can fire",
    evaluates_again="maibo evaluates again",
    wakes_nobody="No SLO has been judged: whatever burns now wakes nobody. See /readyz and the log of the service",
    wakes_nobody_for="No SLO has been judged for {age}: whatever burns now wakes nobody. See /readyz and the log of the service",
    place="{where} ({whom})",
    place_step="{journey}, step {step}",
    objective="SLO {slo}, objective {objective}",
    promise="SLO {slo}: {target} are to be good",
    promise_over="SLO {slo}: {target} are to be good over {window}",
    promise_period="SLO {slo}: {target} are to be good from {begin} until {end}",
    bad=Counted(
        "{bad} of {total} failed or was too slow ({share})", "{bad} of {total} failed or were too slow ({share})"
    ),
    bad_over=Counted(
        "{bad} of {total} failed or was too slow ({share}) in the last {over}",
        "{bad} of {total} failed or were too slow ({share}) in the last {over}",
    ),
    not_good=Counted("{bad} of {total} was not good ({share})", "{bad} of {total} were not good ({share})"),
    not_good_over=Counted(
        "{bad} of {total} was not good ({share}) in the last {over}",
        "{bad} of {total} were not good ({share}) in the last {over}",
    ),
    customers=Counted("{n} customer was affected", "{n} customers were affected"),
    p99="99 % took at most {p99} (P99)",
    p99_threshold="99 % took at most {p99} (P99); {threshold} is the threshold",
    since="Since {since}",
    since_for="Since {since}, for {duration} now",
    from_until="From {since} until {until}: {duration}",
    left="{share} of the error budget is left",
    lasts="{share} of the error budget is left; at this rate it is gone in {duration}, {at}",
    spent="The error budget is spent",
    overspent="The error budget is spent, and {share} of it once more",
    quiet="No event is counted. That is neither good nor bad: see whether customers stayed away or the telemetry did",
    quiet_for="No event has been counted for {age}. That is neither good nor bad: see whether customers stayed away or the telemetry did",
    newest="The newest data is {age} old",
    around="Changed around that time:",
    changes={
        "version": "version of {what}",
        "deployment": "deployment of {what}",
        "scale_up": "{what} scaled up",
        "scale_down": "{what} scaled down",
    },
    change_to="{at}: {change}: {after}",
    change_from_to="{at}: {change}: {before} → {after}",
    links={"page": "Page", "dashboard": "Dashboard", "runbook": "Runbook"},
    days="{n} d",
    hours="{n} h",
    minutes="{n} min",
    seconds="{n} s",
    milliseconds="{n} ms",
    percent="{n} %",
    separator=": ",
)

ZH: Final = Phrases(
    page="紧急",
    ticket="工单",
    resolved="已恢复",
    closed="已关闭",
    test="测试",
    test_line="这是一条测试消息，没有任何故障。",
    more=Counted("还有 {n} 条", "还有 {n} 条"),
    several=Counted("{n} 条告警", "{n} 条告警"),
    burning=Counted("{what}：错误预算正以 SLO 允许的速度消耗", "{what}：错误预算的消耗速度是 SLO 允许的 {rate} 倍"),
    burning_too_fast="{what}：错误预算消耗过快",
    burning_waits="{what}：{short}内错误预算的消耗速度是 SLO 允许的 {rate} 倍，高于 {factor}；{long}内{waits}",
    waits={
        "below": "尚未超过",
        "too_few": "失败的次数还太少",
        "too_soon": "距第一个事件的时间还太短",
        "not_whole": "也已超过，但其中有数据的时间还太少，尚不触发",
        "chance": "仍可能只是偶然",
    },
    burns_no_more="{what}：错误预算的消耗已恢复正常",
    no_data="{what}：没有数据",
    data_again="{what}：数据已恢复",
    unknown="{what}：长时间没有数据，无法确认故障是否已经结束",
    withdrawn="{what}：不再评估",
    stands_still="maibo 已停止评估：其他告警都无法触发",
    evaluates_again="maibo 已恢复评估",
    wakes_nobody="没有任何 SLO 得到评估：此刻的故障不会唤醒任何人。请查看 /readyz 和服务日志",
    wakes_nobody_for="已有 {age}没有任何 SLO 得到评估：此刻的故障不会唤醒任何人。请查看 /readyz 和服务日志",
    place="{where}（{whom}）",
    place_step="{journey}，步骤 {step}",
    objective="SLO {slo}，目标 {objective}",
    promise="SLO {slo}：应有 {target} 达标",
    promise_over="SLO {slo}：{window}内应有 {target} 达标",
    promise_period="SLO {slo}：{begin} 至 {end} 期间应有 {target} 达标",
    bad=Counted("{total} 次中有 {bad} 次失败或过慢（{share}）", "{total} 次中有 {bad} 次失败或过慢（{share}）"),
    bad_over=Counted(
        "最近 {over}，{total} 次中有 {bad} 次失败或过慢（{share}）",
        "最近 {over}，{total} 次中有 {bad} 次失败或过慢（{share}）",
    ),
    not_good=Counted("{total} 次中有 {bad} 次未达标（{share}）", "{total} 次中有 {bad} 次未达标（{share}）"),
    not_good_over=Counted(
        "最近 {over}，{total} 次中有 {bad} 次未达标（{share}）", "最近 {over}，{total} 次中有 {bad} 次未达标（{share}）"
    ),
    customers=Counted("{n} 位客户受到影响", "{n} 位客户受到影响"),
    p99="99% 的耗时不超过 {p99}（P99）",
    p99_threshold="99% 的耗时不超过 {p99}（P99），阈值为 {threshold}",
    since="开始于 {since}",
    since_for="开始于 {since}，已持续 {duration}",
    from_until="{since} 至 {until}，持续 {duration}",
    left="错误预算还剩 {share}",
    lasts="错误预算还剩 {share}；照此速度将在 {duration}后耗尽，即 {at}",
    spent="错误预算已耗尽",
    overspent="错误预算已耗尽，并超支 {share}",
    quiet="没有任何事件被计数。这既不算好也不算坏：请确认是没有客户，还是遥测中断",
    quiet_for="已有 {age}没有任何事件被计数。这既不算好也不算坏：请确认是没有客户，还是遥测中断",
    newest="最新数据是 {age}前的",
    around="在此前后的变更：",
    changes={
        "version": "{what} 版本",
        "deployment": "{what} 部署",
        "scale_up": "{what} 扩容",
        "scale_down": "{what} 缩容",
    },
    change_to="{at}：{change}：{after}",
    change_from_to="{at}：{change}：{before} → {after}",
    links={"page": "详情页", "dashboard": "仪表盘", "runbook": "处置手册"},
    days="{n} 天",
    hours="{n} 小时",
    minutes="{n} 分钟",
    seconds="{n} 秒",
    milliseconds="{n} 毫秒",
    percent="{n}%",
    separator="：",
)

LOCALES: Final[Mapping[Locale, Phrases]] = {"en": EN, "zh": ZH}


def phrases(locale: Locale) -> Phrases:
    return LOCALES[locale]
