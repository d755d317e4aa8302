"""PagerDuty's Events API v2, field by field."""

from __future__ import annotations

import json

import pytest

from maibo_alerting.delivery.adapters import ADAPTERS
from maibo_alerting.delivery.destination import DeliveryError, Secrets

NOW = 1_767_323_100.0


@pytest.fixture
def pagerduty(vendor, secrets):
    vendor.says(202, {"status": "success"})
    settings = {"name": "on-call", "url": f"{vendor.url}/v2/enqueue", "secret_env": "SECRET"}
    return ADAPTERS["pagerduty"](settings, secrets)


def test_a_firing_alert_triggers_an_incident_under_its_own_key(pagerduty, vendor, alert):
    pagerduty.send([alert()], now=NOW)
    assert vendor.request.path == "/v2/enqueue"
    assert vendor.request.headers["Content-Type"] == "application/json"
    assert vendor.request.json == {
        "routing_key": "SEC-signing-secret-1",
        "event_action": "trigger",
        "dedup_key": alert().key,
        "payload": {
            "summary": "checkout (gold): the error budget burns 14.4 times as fast as the SLO allows",
            "source": "shop",
            "severity": "critical",
            "timestamp": "2026-01-02T03:04:00.000+00:00",
            "class": "MaiboBudgetBurn",
            "component": "checkout",
            "custom_details": {
                "description": "1,234 of 58,700 failed or were too slow (2.1 %)\nSince 2026-01-02 03:04 (UTC)",
                "alertname": "MaiboBudgetBurn",
                "journey": "checkout",
                "objective": "99.9",
                "service": "shop",
                "severity": "page",
                "slo": "checkout-latency",
            },
        },
        "links": [
            {"href": "https://maibo.example/slos/checkout-latency", "text": "Page"},
            {"href": "https://grafana.example/d/checkout?var-tier=gold&from=now-6h", "text": "Dashboard"},
            {"href": "https://wiki.example/runbooks/checkout", "text": "Runbook"},
        ],
        "client": "maibo",
        "client_url": "https://maibo.example/slos/checkout-latency",
    }


def test_its_end_resolves_the_same_incident(pagerduty, vendor, alert):
    pagerduty.send([alert(ends_at=NOW)], now=NOW)
    assert vendor.request.json == {
        "routing_key": "SEC-signing-secret-1",
        "event_action": "resolve",
        "dedup_key": alert().key,
    }


@pytest.mark.parametrize(
    ("changed", "severity"),
    [({}, "critical"), ({"severity": "ticket"}, "warning"), ({"test": True}, "info")],
)
def test_a_page_is_critical_a_ticket_a_warning_and_a_test_wakes_nobody(pagerduty, vendor, alert, changed, severity):
    pagerduty.send([alert(**changed)], now=NOW)
    assert vendor.request.json["payload"]["severity"] == severity


def test_a_test_is_called_one_and_has_an_incident_of_its_own(pagerduty, vendor, alert):
    pagerduty.send([alert(test=True)], now=NOW)
    assert vendor.request.json["payload"]["summary"].startswith("Test: ")
    assert vendor.request.json["payload"]["custom_details"]["description"].startswith("This is a test")
    assert vendor.request.json["dedup_key"] != alert().key


def test_each_alert_is_an_event_and_the_group_is_told(pagerduty, vendor, alert):
    pagerduty.send([alert(group="gold"), alert(group="free")], now=NOW)
    assert [each.json["payload"]["group"] for each in vendor.requests] == ["gold", "free"]
    assert len({each.json["dedup_key"] for each in vendor.requests}) == 2


def test_whatever_an_alert_holds_the_event_is_within_pagerdutys_limits(pagerduty, vendor, alert):
    long = "\u0000<b>🔥\u202e" * 5_000
    labels = {f"label{n}": long for n in range(500)}
    annotations = {"summary": long, "description": "\n".join([long] * 500), "runbook_url": "https://x/" + "y" * 9_999}
    pagerduty.send([alert(labels=labels, annotations=annotations, group=long, name=long)], now=NOW)
    payload = vendor.request.json["payload"]
    assert len(vendor.request.raw) <= 512_000
    assert len(payload["summary"]) <= 1_024
    assert "\u0000" not in json.dumps(payload, ensure_ascii=False)
    assert [link["text"] for link in vendor.request.json["links"]] == ["Page"]


def test_without_a_routing_key_it_is_refused_at_the_start():
    with pytest.raises(DeliveryError, match="secret_file or secret_env is needed"):
        ADAPTERS["pagerduty"]({"name": "on-call"}, Secrets({}))


def test_a_rotated_key_is_used_at_once(vendor, alert, tmp_path):
    vendor.says(202, {})
    (tmp_path / "key").write_text("old-key\n")
    settings = {"name": "on-call", "url": vendor.url, "secret_file": str(tmp_path / "key")}
    made = ADAPTERS["pagerduty"](settings, Secrets({}))
    (tmp_path / "key").write_text("new-key\n")
    made.send([alert()], now=NOW)
    assert vendor.request.json["routing_key"] == "new-key"
