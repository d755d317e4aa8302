"""Slack, Feishu, DingTalk and WeCom: what arrives, field by field, and signatures computed here by each vendor's own rule."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from maibo_alerting.delivery.adapters import ADAPTERS
from maibo_alerting.delivery.destination import DeliveryError

NOW = 1_767_323_100.25
SECRET = b"SEC-signing-secret-1"
TITLE = "checkout (gold): the error budget burns 14.4 times as fast as the SLO allows"
LINES = ["1,234 of 58,700 failed or were too slow (2.1 %)", "Since 2026-01-02 03:04 (UTC)"]
PAGE = "https://maibo.example/slos/checkout-latency"
DASHBOARD = "https://grafana.example/d/checkout?var-tier=gold&from=now-6h"
RUNBOOK = "https://wiki.example/runbooks/checkout"


@pytest.fixture
def chat(vendor, secrets):
    def make(kind: str, **more: object):
        vendor.says(200, {"code": 0, "errcode": 0})
        return ADAPTERS[kind]({"name": kind, "url_env": f"{kind.upper()}_URL", **more}, secrets)

    return make


def test_slack_gets_blocks_and_a_text_for_notifications(chat, vendor, alert):
    chat("slack").send([alert()], now=NOW)
    assert vendor.request.path == "/services/T0SECRETKEY/B0SECRETKEY"
    links = f"<{PAGE}|Page> · <{DASHBOARD.replace('&', '&amp;')}|Dashboard> · <{RUNBOOK}|Runbook>"
    assert vendor.request.json == {
        "text": f"Page: {TITLE}",
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": f"Page: {TITLE}", "emoji": False}},
            {"type": "section", "text": {"type": "plain_text", "text": "\n".join(LINES), "emoji": False}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": links, "verbatim": True}]},
        ],
        "unfurl_links": False,
        "unfurl_media": False,
    }


def test_feishu_gets_a_card_signed_as_feishu_has_it(chat, vendor, alert):
    chat("feishu", secret_env="SECRET").send([alert()], now=NOW)
    said = vendor.request.json
    signed = hmac.new(b"1767323100\n" + SECRET, b"", hashlib.sha256).digest()
    assert (said.pop("timestamp"), said.pop("sign")) == ("1767323100", base64.b64encode(signed).decode())
    assert said == {
        "msg_type": "interactive",
        "card": {
            "config": {"wide_screen_mode": True},
            "header": {"title": {"tag": "plain_text", "content": f"Page: {TITLE}"}, "template": "red"},
            "elements": [
                {"tag": "div", "text": {"tag": "plain_text", "content": "\n".join(LINES)}},
                {
                    "tag": "action",
                    "actions": [
                        {"tag": "button", "text": {"tag": "plain_text", "content": "Page"}, "url": PAGE},
                        {"tag": "button", "text": {"tag": "plain_text", "content": "Dashboard"}, "url": DASHBOARD},
                        {"tag": "button", "text": {"tag": "plain_text", "content": "Runbook"}, "url": RUNBOOK},
                    ],
                },
            ],
        },
    }


def test_a_bot_of_feishu_without_a_secret_is_sent_no_signature(chat, vendor, alert):
    chat("feishu").send([alert()], now=NOW)
    assert vendor.request.json.keys() == {"msg_type", "card"}


@pytest.mark.parametrize(
    ("changed", "colour"),
    [
        ({}, "red"),
        ({"severity": "ticket"}, "orange"),
        ({"ends_at": NOW, "reason": "over"}, "green"),
        ({"ends_at": NOW, "reason": "no_data"}, "grey"),
        ({"test": True}, "blue"),
    ],
)
def test_a_card_has_the_colour_of_its_urgency(chat, vendor, alert, changed, colour):
    chat("feishu").send([alert(**changed)], now=NOW)
    assert vendor.request.json["card"]["header"]["template"] == colour


def test_dingtalk_gets_markdown_signed_in_the_query_in_milliseconds(chat, vendor, alert):
    chat("dingtalk", secret_env="SECRET").send([alert()], now=NOW)
    signed = hmac.new(SECRET, b"1767323100250\n" + SECRET, hashlib.sha256).digest()
    assert vendor.request.path == "/robot/send"
    assert vendor.request.query == {
        "access_token": "T0SECRETKEY-B0SECRETKEY",
        "timestamp": "1767323100250",
        "sign": base64.b64encode(signed).decode(),
    }
    links = f"[Page]({PAGE}) · [Dashboard]({DASHBOARD}) · [Runbook]({RUNBOOK})"
    assert vendor.request.json == {
        "msgtype": "markdown",
        "markdown": {"title": f"Page: {TITLE}", "text": "  \n".join([f"**Page: {TITLE}**", *LINES, links])},
        "at": {"isAtAll": False},
    }


def test_a_robot_of_dingtalk_without_a_secret_is_sent_no_signature(chat, vendor, alert):
    chat("dingtalk").send([alert()], now=NOW)
    assert vendor.request.query == {"access_token": "T0SECRETKEY-B0SECRETKEY"}


def test_wecom_gets_markdown(chat, vendor, alert):
    chat("wecom").send([alert()], now=NOW)
    assert vendor.request.query == {"key": "T0SECRETKEY-B0SECRETKEY"}
    links = f"[Page]({PAGE}) · [Dashboard]({DASHBOARD}) · [Runbook]({RUNBOOK})"
    assert vendor.request.json == {
        "msgtype": "markdown",
        "markdown": {"content": "  \n".join([f"**Page: {TITLE}**", *LINES, links])},
    }


@pytest.mark.parametrize("kind", ["slack", "feishu", "dingtalk", "wecom"])
def test_urgency_and_links_are_told_in_the_destinations_language(chat, vendor, alert, kind):
    chat(kind, locale="zh").send([alert(ends_at=NOW)], now=NOW)
    text = vendor.request.raw.decode()
    assert "已恢复" in text
    assert "处置手册" in text


@pytest.mark.parametrize("kind", ["slack", "feishu", "dingtalk", "wecom"])
def test_several_alerts_are_one_message_pages_first(chat, vendor, alert, kind):
    sent = [alert(slo="slow", severity="ticket", annotations={}), alert(slo="down", annotations={})]
    chat(kind).send(sent, now=NOW)
    text = vendor.request.raw.decode()
    assert 0 < text.index("Page: down 99.9") < text.index("Ticket: slow 99.9")


@pytest.mark.parametrize("kind", ["slack", "feishu", "dingtalk", "wecom"])
def test_an_address_in_the_configuration_itself_is_refused_and_not_repeated(secrets, kind):
    with pytest.raises(DeliveryError, match="url_file") as refused:
        ADAPTERS[kind]({"name": kind, "url": "https://hooks.example/T0SECRETKEY"}, secrets)
    assert "T0SECRETKEY" not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "tells"),
    [
        ({}, "url_file or url_env is needed"),
        ({"url_env": "NOWHERE"}, "url_env NOWHERE is empty or not set"),
        ({"url_env": "SLACK_URL", "locale": "fr"}, "locale must be one of en, zh"),
        ({"url_env": "SLACK_URL", "chanel": "#ops"}, "chanel: no such field"),
    ],
)
def test_settings_that_do_not_fit_are_told_at_the_start(secrets, settings, tells):
    with pytest.raises(DeliveryError, match=tells) as refused:
        ADAPTERS["slack"]({"name": "slack", **settings}, secrets)
    assert not refused.value.retry
