"""The shape of Alertmanager's webhook, signed."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import replace
from pathlib import Path

import pytest

from maibo_alerting.delivery.destination import DeliveryError, Secrets
from maibo_alerting.delivery.webhook import Webhook, transition

PAGE = Path(__file__).parents[3] / "docs" / "delivery-of-alerts.md"


def webhook(server, **settings) -> Webhook:
    return Webhook.of({"name": "robots", "url": f"{server.url}/hook", **settings}, Secrets({"SECRET": "s3cret"}))


def test_the_payload_is_alertmanagers_version_4(server, fired) -> None:
    alert = fired(labels={"team": "shop"}, annotations={"summary": "it burns"}, link="http://maibo/slos/checkout")
    webhook(server, external_url="http://maibo").send([alert], now=1100.0)
    labels = {
        "alertname": "MaiboBudgetBurn",
        "slo": "checkout",
        "objective": "99.9",
        "severity": "page",
        "team": "shop",
    }
    assert server.said[0].json == {
        "receiver": "robots",
        "status": "firing",
        "alerts": [
            {
                "status": "firing",
                "labels": labels,
                "annotations": {"summary": "it burns"},
                "startsAt": "1970-01-01T00:16:40.000Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://maibo/slos/checkout",
                "fingerprint": alert.key[:16],
            }
        ],
        "groupLabels": labels,
        "commonLabels": labels,
        "commonAnnotations": {"summary": "it burns"},
        "externalURL": "http://maibo",
        "version": "4",
        "groupKey": alert.key,
        "truncatedAlerts": 0,
    }


def test_a_resolve_has_its_end_and_the_key_of_its_fire(server, fired) -> None:
    way = webhook(server)
    way.send([fired()], now=1100.0)
    way.send([fired(ends_at=1200.0)], now=1200.0)
    fire, resolve = (said.json for said in server.said)
    assert resolve["status"] == resolve["alerts"][0]["status"] == "resolved"
    assert resolve["alerts"][0]["endsAt"] == "1970-01-01T00:20:00.000Z"
    assert fire["groupKey"] == resolve["groupKey"]
    keys = [said.headers["idempotency-key"] for said in server.said]
    assert len(set(keys)) == 2


def test_a_repetition_has_the_same_idempotency_key_even_with_other_words(server, fired) -> None:
    way = webhook(server)
    way.send([fired(annotations={"summary": "a"})], now=1100.0)
    way.send([fired(annotations={"summary": "b"})], now=1160.0)
    assert len({said.headers["idempotency-key"] for said in server.said}) == 1
    way.send([replace(fired(), starts_at=2000.0)], now=2000.0)
    assert len({said.headers["idempotency-key"] for said in server.said}) == 2


def test_the_signature_is_an_hmac_of_time_and_body(server, fired) -> None:
    webhook(server, secret_env="SECRET").send([fired()], now=1700000000.9)
    said = server.said[0]
    expected = hmac.new(b"s3cret", b"1700000000." + said.body, hashlib.sha256).hexdigest()
    assert said.headers["maibo-signature"] == f"t=1700000000,v1={expected}"


def test_the_receiver_in_the_documentation_takes_what_is_ours_and_refuses_all_else(server, fired) -> None:
    webhook(server, secret_env="SECRET").send([fired()], now=1700000000.0)
    said = server.said[0]
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict = {}
    exec(code, names)
    genuine, header = names["genuine"], said.headers["maibo-signature"]
    assert genuine(b"s3cret", header, said.body, now=1700000010)
    assert not genuine(b"s3cret", header, said.body, now=1700009999)
    assert not genuine(b"s3cret", header, said.body + b" ", now=1700000010)
    assert not genuine(b"other", header, said.body, now=1700000010)


def test_without_a_secret_there_is_no_signature(server, fired) -> None:
    webhook(server).send([fired()], now=1.0)
    assert "maibo-signature" not in server.said[0].headers


def test_nothing_shown_of_it_tells_its_address_or_secret(server, fired) -> None:
    way = webhook(server, secret_env="SECRET")
    assert "s3cret" not in repr(way)
    assert "/hook" not in repr(way)
    server.answers.append((400, {}, b"wrong"))
    with pytest.raises(DeliveryError) as caught:
        way.send([fired()], now=1.0)
    assert "s3cret" not in str(caught.value)


def test_a_second_fire_is_another_transition_than_the_first(fired) -> None:
    first, again = fired(changed_at=1000.0), fired(changed_at=1600.0)
    assert transition(first) == transition(fired(changed_at=1000.0))
    assert transition(first) != transition(again)
