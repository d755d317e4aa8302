"""E-mail, over a real SMTP conversation on loopback."""

from __future__ import annotations

import base64
import email
import email.policy
import logging
import socket

import pytest

from maibo_alerting.delivery import email as adapter
from maibo_alerting.delivery.adapters import ADAPTERS
from maibo_alerting.delivery.destination import DeliveryError

NOW = 1_767_323_100.0


@pytest.fixture
def to(ca_file, secrets):
    def make(mailbox, **changed: object):
        told = {
            "name": "mail",
            "host": "127.0.0.1",
            "port": mailbox.port,
            "from": "maibo@example.com",
            "to": ["ops@example.com", "sre@example.com"],
            "ca_file": str(ca_file),
            **changed,
        }
        return ADAPTERS["email"]({name: value for name, value in told.items() if value is not None}, secrets)

    return make


def test_a_mail_is_plain_text_and_html_over_starttls(mailbox, to, alert):
    box = mailbox()
    to(box, username="maibo", password_env="SECRET").send([alert()], now=NOW)
    ((sender, recipients, said),) = box.mails
    assert box.encrypted == [True]
    assert base64.b64decode(box.logins[0]) == b"\0maibo\0SEC-signing-secret-1"
    assert sender == "maibo@example.com"
    assert recipients == ["ops@example.com", "sre@example.com"]
    mail = email.message_from_bytes(said, policy=email.policy.default)
    assert mail["Subject"] == "Page: checkout (gold): the error budget burns 14.4 times as fast as the SLO allows"
    assert mail["To"] == "ops@example.com, sre@example.com"
    assert mail["Date"] == "Fri, 02 Jan 2026 03:05:00 +0000"
    assert mail["Auto-Submitted"] == "auto-generated"
    plain = mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert "1,234 of 58,700 failed or were too slow (2.1 %)\nSince 2026-01-02 03:04 (UTC)\n" in plain
    assert "Dashboard: https://grafana.example/d/checkout?var-tier=gold&from=now-6h" in plain
    page = mail.get_body(("html",)).get_content()
    assert '<a href="https://grafana.example/d/checkout?var-tier=gold&amp;from=now-6h">Dashboard</a>' in page


def test_tls_from_the_first_byte(mailbox, to, alert):
    box = mailbox(implicit=True)
    to(box, tls="tls").send([alert()], now=NOW)
    assert box.encrypted == [True]


def test_a_mail_without_tls_where_the_configuration_says_so(mailbox, to, alert):
    box = mailbox(starttls=False)
    to(box, tls="none").send([alert()], now=NOW)
    assert box.encrypted == [False]


def test_a_server_without_starttls_is_sent_nothing(mailbox, to, alert):
    box = mailbox(starttls=False)
    with pytest.raises(DeliveryError, match="offers no STARTTLS") as failed:
        to(box).send([alert()], now=NOW)
    assert not failed.value.retry
    assert not box.mails


def test_a_server_that_is_not_trusted_is_sent_nothing(mailbox, to, alert):
    box = mailbox()
    with pytest.raises(DeliveryError, match="TLS failed: CERTIFICATE_VERIFY_FAILED"):
        to(box, ca_file=None).send([alert()], now=NOW)
    assert not box.mails


def test_a_mail_sent_twice_is_the_same_message_and_the_end_answers_the_begin(mailbox, to, alert):
    box = mailbox()
    mail = to(box)
    mail.send([alert()], now=NOW)
    mail.send([alert()], now=NOW + 60)
    mail.send([alert(ends_at=NOW + 90)], now=NOW + 90)
    first, again, end = (email.message_from_bytes(said, policy=email.policy.default) for _, _, said in box.mails)
    assert first["Message-ID"] == again["Message-ID"] != end["Message-ID"]
    assert end["In-Reply-To"] == end["References"] == first["Message-ID"]
    assert end["Subject"].startswith("Resolved: ")


def test_a_second_fire_of_an_alert_is_a_message_of_its_own_that_answers_the_first(mailbox, to, alert):
    """Under the first one's id a mailbox would not show it."""
    box = mailbox()
    mail, since = to(box), alert().starts_at
    for changed in (
        {"changed_at": since},
        {"ends_at": NOW, "changed_at": NOW},
        {"changed_at": NOW + 60},
        {"changed_at": NOW + 60},
        {"ends_at": NOW + 90, "changed_at": NOW + 90},
    ):
        mail.send([alert(**changed)], now=NOW + 100)
    first, end, again, repeated, end_again = (
        email.message_from_bytes(said, policy=email.policy.default) for _, _, said in box.mails
    )
    assert again["Message-ID"] == repeated["Message-ID"]
    assert len({one["Message-ID"] for one in (first, end, again, end_again)}) == 4
    assert first["In-Reply-To"] is None
    assert {one["In-Reply-To"] for one in (end, again, end_again)} == {first["Message-ID"]}


@pytest.mark.parametrize(
    ("command", "answer", "retry"),
    [
        ("MAIL", "451 try again", True),
        ("MAIL", "550 not from you", False),
        ("AUTH", "535 wrong SEC-signing-secret-1", False),
        ("AUTH", "454 later", True),
        ("RCPT", "450 mailbox busy", True),
        ("RCPT", "550 nobody", False),
        ("DATA", "554 spam", False),
        ("CONNECT", "421 too many", True),
    ],
)
def test_what_a_server_refuses_for_now_is_tried_again_and_what_for_good_is_not(
    mailbox, to, alert, command, answer, retry
):
    box = mailbox()
    box.refuses[command] = answer
    with pytest.raises(DeliveryError) as failed:
        to(box, username="maibo", password_env="SECRET").send([alert()], now=NOW)
    assert failed.value.retry is retry
    assert "SEC-signing-secret-1" not in str(failed.value)
    assert not box.mails


def test_one_bad_recipient_does_not_keep_it_from_the_others(mailbox, to, alert, caplog):
    box = mailbox()
    box.refuses["RCPT TO:<OPS@EXAMPLE.COM>"] = "550 left the company"
    with caplog.at_level(logging.WARNING):
        to(box).send([alert()], now=NOW)
    assert [recipients for _, recipients, _ in box.mails] == [["sre@example.com"]]
    assert "does not take mail for ops@example.com (550)" in caplog.text


def test_a_server_that_hangs_or_is_away_is_tried_again(to, alert, monkeypatch):
    monkeypatch.setattr(adapter, "TIMEOUT_SECONDS", 0.2)

    class Silent:
        port = 0

    with socket.create_server(("127.0.0.1", 0)) as silent:
        Silent.port = silent.getsockname()[1]
        with pytest.raises(DeliveryError, match="did not answer") as hung:
            to(Silent).send([alert()], now=NOW)
    with pytest.raises(DeliveryError, match="Connection refused") as away:
        to(Silent).send([alert()], now=NOW)
    assert hung.value.retry
    assert away.value.retry


@pytest.mark.parametrize(
    ("changed", "tells"),
    [
        ({"host": None}, "host is needed"),
        ({"host": "mail:25/x"}, "host is needed"),
        ({"tls": "ssl"}, "tls must be one of starttls, tls, none"),
        ({"tls": "none", "username": "maibo", "password_env": "SECRET"}, "not sent without TLS"),
        ({"username": "maibo"}, "go together"),
        ({"password_env": "SECRET"}, "go together"),
        ({"port": 0}, "port must be a number"),
        ({"to": []}, "to is needed"),
        ({"to": ["ops@example.com\r\nBcc: x@example.com"]}, "to must be an address"),
        ({"from": "ops@example.com> SIZE=1"}, "from must be an address"),
        ({"ca_file": "/nowhere"}, "ca_file /nowhere: not usable"),
        ({"password": "hunter2"}, "password: no such field"),
    ],
)
def test_settings_that_do_not_fit_are_told_at_the_start(mailbox, to, changed, tells):
    with pytest.raises(DeliveryError, match=tells) as refused:
        to(mailbox(), **changed)
    assert "hunter2" not in str(refused.value)
