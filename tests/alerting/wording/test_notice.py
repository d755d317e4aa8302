"""Words as an alert's annotations, and an alert as words again."""

# ruff: noqa: RUF001 -- Chinese has its own punctuation

from __future__ import annotations

import pytest

from maibo_alerting.alerts import Alert
from maibo_alerting.wording import Facts, as_annotations, message_of, tell

FACTS = Facts(
    now=1_200,
    slo="checkout-latency",
    tier="gold",
    burn_rate=14.4,
    since=0,
    page="https://maibo.example/slos/checkout-latency",
    dashboard="https://grafana.example/d/1",
    runbook="https://wiki.example/checkout",
)
TITLE = "checkout-latency (gold): the error budget burns 14.4 times as fast as the SLO allows"


@pytest.fixture
def alert():
    def make(**changed: object) -> Alert:
        told = {"severity": "page", "annotations": as_annotations(tell(FACTS)), "link": FACTS.page, **changed}
        return Alert(name="MaiboBudgetBurn", slo="checkout-latency", objective="99.9", starts_at=0, **told)

    return make


def test_annotations_have_the_names_that_prometheus_users_know():
    assert as_annotations(tell(FACTS)) == {
        "summary": TITLE,
        "description": "Since 1970-01-01 00:00 (UTC), for 20 min now",
        "dashboard_url": "https://grafana.example/d/1",
        "runbook_url": "https://wiki.example/checkout",
    }


def test_an_alert_is_told_with_its_urgency_before_the_same_words_and_links(alert):
    message = message_of(alert())
    assert message.title == f"Page: {TITLE}"
    assert message.lines == tell(FACTS).lines
    assert message.links == tell(FACTS).links


@pytest.mark.parametrize(
    ("changed", "begins"),
    [
        ({"severity": "ticket"}, "Ticket: checkout"),
        ({"ends_at": 9.0}, "Resolved: checkout"),
        ({"test": True}, "Page: Test: checkout"),
        ({"test": True, "ends_at": 9.0}, "Resolved: Test: checkout"),
    ],
)
def test_its_title_begins_with_what_to_do_about_it(alert, changed, begins):
    assert message_of(alert(**changed)).title.startswith(begins)


@pytest.mark.parametrize("reason", ["no_data", "withdrawn"])
def test_an_end_that_is_no_healing_is_not_called_one(alert, reason):
    ended = alert(ends_at=9.0, reason=reason)
    assert message_of(ended).title.startswith("Closed: checkout")
    assert message_of(ended, "zh").title.startswith("已关闭：")
    assert message_of(alert(ends_at=9.0, reason="over"), "zh").title.startswith("已恢复：")


def test_a_test_says_that_there_is_no_trouble(alert):
    assert message_of(alert(test=True)).lines[0] == "This is a test of the way out: there is no trouble."
    assert message_of(alert(test=True), "zh").lines[0] == "这是一条测试消息，没有任何故障。"


def test_an_alert_without_words_is_told_by_its_names_and_times(alert):
    message = message_of(alert(annotations={}, ends_at=5_400, group="free"))
    assert message.title == "Resolved: checkout-latency 99.9 free: MaiboBudgetBurn"
    assert message.lines == ("From 1970-01-01 00:00 (UTC) until 1970-01-01 01:30 (UTC): 1 h 30 min",)


def test_annotations_of_a_stranger_are_cut_and_cleaned(alert):
    hostile = {
        "summary": "a\nb\x00" + "x" * 9_999,
        "description": "\n".join(["y" * 9_999] * 99),
        "runbook_url": "file:///etc",
    }
    message = message_of(alert(annotations=hostile, link="https://x.example/" + "z" * 9_999))
    assert message.title.startswith("Page: a b\ufffdx")
    assert len(message.title) == 300
    assert len(message.lines) == 30
    assert {len(line) for line in message.lines} == {500}
    assert message.links == ()


def test_a_destination_reads_it_in_its_own_language_where_it_was_told_in_it(alert):
    both = alert(translations={"zh": as_annotations(tell(FACTS, "zh"))})
    assert message_of(both, "zh").title.startswith("紧急：checkout-latency（gold）：错误预算")
    assert message_of(both, "en").title == f"Page: {TITLE}"
    assert message_of(alert(), "zh").title == f"紧急：{TITLE}"
