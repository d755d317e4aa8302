"""Texts of strangers: markup, control characters, emoji, too much of everything. They arrive as text, and never as more."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_alerting.alerts import Alert
from maibo_alerting.delivery import dingtalk, email, feishu, pagerduty, slack, wecom

HOSTILE = (
    "<!channel> <@U123> <https://evil.example|click> **bold** [free](https://evil.example) `x` # top\n"
    "> quoted <at id=all></at> <font color=warning>x</font> <script>alert(1)</script> &amp; \u202etxt\u0007 🔥"
)
TEXTS = st.one_of(
    st.sampled_from([HOSTILE, HOSTILE * 100, "🔥" * 10_000, "\r\nBcc: evil@example.com", "a\x00b", ""]),
    st.text(max_size=300),
    st.text(alphabet="<>&*[]()`|\\\"'\r\n🔥錯", max_size=3_000),
)
ALERTS = st.lists(
    st.builds(
        Alert,
        name=TEXTS,
        slo=TEXTS,
        objective=TEXTS,
        group=TEXTS,
        severity=st.sampled_from(["page", "ticket"]),
        starts_at=st.floats(0, 4e9),
        ends_at=st.none() | st.floats(0, 4e9),
        labels=st.dictionaries(TEXTS, TEXTS, max_size=3),
        annotations=st.fixed_dictionaries(
            {},
            optional={"summary": TEXTS, "description": TEXTS, "runbook_url": TEXTS.map("https://x.example/".__add__)},
        ),
        link=st.one_of(TEXTS, st.sampled_from(["javascript:alert(1)", 'https://x.example/a)b|c>d"e f', "http://[::1"])),
        test=st.booleans(),
    ),
    min_size=1,
    max_size=20,
)
LINK = re.compile(r"\[(?:Page|Dashboard|Runbook)\]\(https?://[^()\s<>\[\]|\"'`*\\]+\)")


@pytest.fixture
def hostile(alert):
    return alert(annotations={"summary": HOSTILE, "description": HOSTILE}, link="")


def test_slack_is_sent_its_markup_as_text(hostile):
    said = slack.payload([hostile], "en")
    for block in said["blocks"]:
        assert block["text"]["type"] == "plain_text"
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", block["text"]["text"])
    assert said["text"].startswith("Page: &lt;!channel&gt; &lt;@U123&gt;")


def test_feishu_is_sent_plain_text_which_mentions_nobody(hostile):
    card = feishu.payload([hostile], "en")["card"]
    assert "lark_md" not in json.dumps(card)
    assert card["header"]["title"]["content"].startswith("Page: <!channel> <@U123>")
    assert {element["text"]["tag"] for element in card["elements"]} == {"plain_text"}


@pytest.mark.parametrize("adapter", [dingtalk, wecom])
def test_markdown_of_a_stranger_is_no_markdown(hostile, adapter):
    markdown = adapter.payload([hostile], "en")["markdown"]
    text = markdown.get("content") or markdown["text"]
    assert not set("[]<>#`|&\\") & set(text)
    assert text.count("*") == 4, "those of the title's own bold"
    assert "［free］(https://evil.example)" in text  # noqa: RUF001 -- look-alikes are the point


@settings(max_examples=30, deadline=None)
@given(ALERTS)
def test_whatever_alerts_hold_slack_takes_the_message(alerts):
    said = slack.payload(alerts, "en")
    json.dumps(said, ensure_ascii=False).encode()
    assert 1 <= len(said["blocks"]) <= 50
    for block in said["blocks"]:
        if block["type"] == "header":
            assert 1 <= len(block["text"]["text"]) <= 150
        if block["type"] == "section":
            assert 1 <= len(block["text"]["text"]) <= 3_000
        for text in block.get("elements", [block.get("text")]):
            assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]|&(?!amp;|lt;|gt;)", text["text"])
            if text["type"] == "mrkdwn":
                assert not re.sub(r"<https?://[^<>|\s]+\|(Page|Dashboard|Runbook)>( · )?", "", text["text"])
            else:
                assert not set("<>") & set(text["text"])


@settings(max_examples=30, deadline=None)
@given(ALERTS)
def test_whatever_alerts_hold_feishu_and_dingtalk_take_20_kb(alerts):
    for said in (feishu.signature("s" * 64, at=10**10) | feishu.payload(alerts, "zh"), dingtalk.payload(alerts, "zh")):
        assert len(json.dumps(said, ensure_ascii=False).encode()) <= 20_000


@settings(max_examples=30, deadline=None)
@given(ALERTS)
def test_whatever_alerts_hold_wecom_takes_4096_bytes_and_only_our_links(alerts):
    content = wecom.payload(alerts, "en")["markdown"]["content"]
    assert 1 <= len(content.encode()) <= 4_096
    assert not set("[]<>#`|&\\") & set(LINK.sub("", content))


@settings(max_examples=30, deadline=None)
@given(ALERTS)
def test_whatever_an_alert_holds_pagerduty_takes_the_event(alerts):
    for each in alerts:
        said = pagerduty.event(each, "en")
        assert len(json.dumps(said, ensure_ascii=False).encode()) < 500_000
        if said["event_action"] == "trigger":
            assert 1 <= len(said["payload"]["summary"]) <= 1_024
            assert len(said["payload"]["source"]) >= 1


@settings(max_examples=30, deadline=None)
@given(ALERTS)
def test_whatever_alerts_hold_a_mail_has_our_headers_and_recipients_only(alerts):
    mail = email.mail(alerts, "en", sender="maibo@example.com", recipients=["a@example.com"], now=1e9)
    names = {"Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"}
    assert set(mail.keys()) - {"In-Reply-To", "References"} == names
    assert mail["To"] == "a@example.com"
    head = mail.as_bytes().split(b"\n\n", 1)[0]
    assert b"\nBcc" not in head
    page = mail.get_body(("html",)).get_content()
    assert "<script" not in page
    assert set(re.findall(r"<(\w+)", page)) <= {"html", "body", "h2", "p", "br", "a"}


def test_a_storm_names_what_fits_and_counts_the_rest(alert):
    storm = [alert(slo=f"slo-{n}", severity="ticket", annotations={}) for n in range(500)]
    storm.append(alert(slo="the-page", annotations={}))
    content = wecom.payload(storm, "en")["markdown"]["content"]
    assert content.startswith("**Page: the-page 99.9: MaiboBudgetBurn**")
    named = content.count("MaiboBudgetBurn")
    assert named > 20
    assert content.endswith(f"**and {501 - named} more**")


def test_what_is_too_long_loses_lines_before_it_loses_alerts(alert):
    long = [alert(slo=f"slo-{n}", annotations={"summary": f"slo-{n}", "description": "line\n" * 30}) for n in range(20)]
    content = wecom.payload(long, "en")["markdown"]["content"]
    assert all(f"Page: slo-{n}**" in content for n in range(20))
    assert content.count("line") == 20 * 8
