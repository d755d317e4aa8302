"""What Alertmanager is sent, whatever an alert holds."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_alerting.alerts import Alert
from maibo_alerting.delivery.alertmanager import Alertmanager, posted
from maibo_alerting.delivery.destination import DeliveryError, Secrets

PASSWORD = Secrets({"P": "hunter22"})


def test_what_fires_lasts_for_four_resend_intervals(server, fired) -> None:
    Alertmanager.of({"name": "am", "url": server.url, "resend_seconds": 30}, PASSWORD).send(
        [fired(link="http://maibo/x", annotations={"summary": "it burns"})], now=1100.0
    )
    (said,) = server.said
    assert said.path == "/api/v2/alerts"
    assert said.json == [
        {
            "labels": {"alertname": "MaiboBudgetBurn", "slo": "checkout", "objective": "99.9", "severity": "page"},
            "annotations": {"summary": "it burns"},
            "startsAt": "1970-01-01T00:16:40.000Z",
            "endsAt": "1970-01-01T00:20:20.000Z",
            "generatorURL": "http://maibo/x",
        }
    ]


def test_what_is_over_ends_in_the_past(fired) -> None:
    said = posted(fired(ends_at=1200.0), now=1201.0, lasting_seconds=240)
    assert said["endsAt"] == "1970-01-01T00:20:00.000Z"
    assert said["labels"] == posted(fired(), now=1100.0, lasting_seconds=240)["labels"]


def test_a_password_goes_with_it(server, fired) -> None:
    way = Alertmanager.of(
        {"name": "am", "url": f"{server.url}/prefix/", "username": "u", "password_env": "P"}, PASSWORD
    )
    way.send([fired()], now=1100.0)
    (said,) = server.said
    assert said.path == "/prefix/api/v2/alerts"
    assert said.headers["authorization"] == "Basic dTpodW50ZXIyMg=="
    assert "hunter22" not in repr(way)


@pytest.mark.parametrize(
    "wrong", [{"url": "am:9093"}, {"url": "http://am/?x=1"}, {"resend_seconds": 0}, {"resend_second": 5}]
)
def test_settings_that_are_wrong_are_refused(wrong) -> None:
    with pytest.raises(DeliveryError):
        Alertmanager.of({"name": "am", "url": "http://am:9093", **wrong}, PASSWORD)


def test_labels_get_names_that_prometheus_has_and_its_own_names_win(fired) -> None:
    labels = {
        "k8s.pod": "a",
        "1st": "b",
        "": "c",
        "empty": "",
        "slo": "forged",
        "s-l-o": "d",
        "a_b": "right",
        "a.b": "wrong",
    }
    said = posted(fired(labels=labels), now=1100.0, lasting_seconds=240)["labels"]
    own = {"alertname": "MaiboBudgetBurn", "slo": "checkout", "objective": "99.9", "severity": "page"}
    assert said == {**own, "k8s_pod": "a", "_1st": "b", "_": "c", "s_l_o": "d", "a_b": "right"}


TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
TIMES = st.floats(-1e12, 1e13)


@settings(deadline=None)
@given(
    labels=st.dictionaries(TEXT, TEXT, max_size=4),
    annotations=st.dictionaries(TEXT, TEXT, max_size=4),
    starts_at=TIMES,
    ends_at=st.none() | TIMES,
    now=st.floats(0, 4e9),
    link=TEXT,
)
def test_whatever_an_alert_holds_alertmanager_takes_it(labels, annotations, starts_at, ends_at, now, link) -> None:
    """By its rules: a 400 would be of the whole batch."""
    alert = Alert("MaiboBudgetBurn", "checkout", "99.9", "page", starts_at, ends_at, "", labels, annotations, link)
    said = posted(alert, now=now, lasting_seconds=240)
    for named in (said["labels"], said["annotations"]):
        assert isinstance(named, dict)
        assert all(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) for name in named)
        assert all(value and value.encode() for value in named.values())
    assert said["labels"]["alertname"] == "MaiboBudgetBurn"
    starts, ends = (datetime.fromisoformat(str(said[name])) for name in ("startsAt", "endsAt"))
    assert starts <= ends
    assert (ends.timestamp() > now) == (ends_at is None)
