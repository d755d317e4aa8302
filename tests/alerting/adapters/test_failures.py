"""Vendors that fail: what may be tried again, when, and no secret in any word about it."""

from __future__ import annotations

import logging
import re
import socket

import pytest

from maibo_alerting.delivery import http
from maibo_alerting.delivery.adapters import ADAPTERS
from maibo_alerting.delivery.destination import DeliveryError, Secrets

NOW = 1_767_323_100.0
HIDDEN = ("T0SECRETKEY", "B0SECRETKEY", "SEC-signing-secret-1")
CODED = ("feishu", "dingtalk", "wecom")
EVERY = ("pagerduty", "slack", *CODED)


@pytest.fixture
def made(vendor, secrets):
    def make(kind: str, using: Secrets = secrets):
        if kind == "pagerduty":
            return ADAPTERS[kind]({"name": kind, "url": vendor.url, "secret_env": "SECRET"}, using)
        signed = {"secret_env": "SECRET"} if kind in ("feishu", "dingtalk") else {}
        return ADAPTERS[kind]({"name": kind, "url_env": f"{kind.upper()}_URL", **signed}, using)

    return make


@pytest.fixture
def failure(made, alert, caplog):
    """The error of sending one alert; no secret is in it, nor in its causes, the adapter's repr and the log at its loudest."""
    caplog.set_level(logging.DEBUG)

    def send(kind: str, using: Secrets | None = None) -> DeliveryError:
        adapter = made(kind, using) if using else made(kind)
        with pytest.raises(DeliveryError) as failed:
            adapter.send([alert()], now=NOW)
        assert failed.value.__cause__ is None
        assert failed.value.__suppress_context__ or failed.value.__context__ is None
        for text in (str(failed.value), repr(failed.value), repr(adapter), caplog.text):
            assert not [hidden for hidden in HIDDEN if hidden in text]
        return failed.value

    return send


@pytest.mark.parametrize("kind", EVERY)
def test_too_many_requests_are_tried_again_when_the_vendor_says(vendor, failure, kind):
    vendor.says(429, b"slow down", Retry_After="30")
    error = failure(kind)
    assert (error.retry, error.retry_after_seconds) == (True, 30.0)


@pytest.mark.parametrize("kind", EVERY)
def test_a_broken_vendor_is_tried_again(vendor, failure, kind):
    vendor.says(503, b"")
    assert failure(kind).retry


@pytest.mark.parametrize("kind", EVERY)
def test_a_refusal_is_final_and_keeps_the_secrets_that_it_repeats(vendor, failure, kind):
    repeated = {
        "slack": "T0SECRETKEY/B0SECRETKEY",
        "pagerduty": "SEC-signing-secret-1",
        "wecom": "T0SECRETKEY-B0SECRETKEY",
    }
    said = repeated.get(kind, "T0SECRETKEY-B0SECRETKEY SEC-signing-secret-1")
    vendor.says(403, f"no token {said}".encode())
    error = failure(kind)
    assert not error.retry
    assert "403: no token ***" in str(error)


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("before", [180, 190])
def test_a_secret_that_is_cut_off_in_a_long_answer_is_not_told_in_part(vendor, failure, kind, before):
    key = "SEC-signing-secret-1" if kind == "pagerduty" else "T0SECRETKEY-B0SECRETKEY"
    vendor.says(400, b"x" * before + key.encode() + b"y" * 100)
    assert not re.search("SEC-|T0SE", str(failure(kind)))


@pytest.mark.parametrize("kind", EVERY)
def test_a_redirect_is_not_followed(vendor, failure, kind):
    vendor.says(302, b"", Location=f"{vendor.url}/elsewhere")
    assert not failure(kind).retry
    assert len(vendor.requests) == 1


@pytest.mark.parametrize("kind", EVERY)
def test_a_vendor_that_hangs_is_given_up_and_tried_again(vendor, failure, monkeypatch, kind):
    monkeypatch.setattr(http, "DEADLINE_SECONDS", 0.2)
    vendor.hangs()
    assert failure(kind).retry


@pytest.mark.parametrize("kind", EVERY)
def test_a_vendor_that_is_away_is_tried_again(vendor, secrets, failure, kind):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        away = taken.getsockname()[1]
    moved = {
        name: value.replace(f":{vendor.server.server_port}/", f":{away}/")
        for name, value in secrets.environment.items()
    }
    vendor.says(500, b"")  # PagerDuty's address is no secret, so it stays
    assert failure(kind, Secrets(moved)).retry


@pytest.mark.parametrize(
    ("kind", "said", "retry", "after"),
    [
        ("feishu", {"code": 19021, "msg": "sign match fail or timestamp is not within one hour"}, False, None),
        ("feishu", {"code": 11232, "msg": "frequency limited"}, True, 60.0),
        ("dingtalk", {"errcode": 310000, "errmsg": "sign not match"}, False, None),
        ("dingtalk", {"errcode": 130101, "errmsg": "send too fast"}, True, 600.0),
        ("dingtalk", {"errcode": -1, "errmsg": "system busy"}, True, None),
        ("wecom", {"errcode": 93000, "errmsg": "invalid webhook url T0SECRETKEY-B0SECRETKEY"}, False, None),
        ("wecom", {"errcode": 45009, "errmsg": "api freq out of limit"}, True, 60.0),
    ],
)
def test_a_200_that_says_a_failure_is_one(vendor, failure, kind, said, retry, after):
    vendor.says(200, said)
    error = failure(kind)
    assert (error.retry, error.retry_after_seconds) == (retry, after)
    assert str(said.get("code", said.get("errcode"))) in str(error)


@pytest.mark.parametrize("kind", CODED)
@pytest.mark.parametrize("said", [b"<html>a login page</html>", b"", b"[]", b'{"code": null, "errcode": "0"}', b"\xff"])
def test_a_200_of_somebody_else_is_no_success(vendor, failure, kind, said):
    vendor.says(200, said)
    assert failure(kind).retry


@pytest.mark.parametrize("kind", EVERY)
def test_a_secret_that_is_gone_for_a_moment_is_waited_for(made, secrets, alert, vendor, kind):
    environment = dict(secrets.environment)
    adapter = made(kind, Secrets(environment))
    environment.clear()
    with pytest.raises(DeliveryError, match="empty or not set") as failed:
        adapter.send([alert()], now=NOW)
    assert failed.value.retry
    assert not vendor.requests
