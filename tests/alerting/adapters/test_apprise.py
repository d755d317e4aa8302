"""Everything else, by Apprise where it is installed."""

from __future__ import annotations

import logging
import sys

import pytest

from maibo_alerting.delivery.adapters import ADAPTERS
from maibo_alerting.delivery.destination import DeliveryError, Secrets

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")  # Apprise's own import
NOW = 1_767_323_100.0


@pytest.fixture
def apprise(vendor):
    pytest.importorskip("apprise", reason="an extra: maibo-alerting[apprise]")

    def make(address: str = ""):
        used = address or vendor.url.replace("http://", "json://") + "/T0SECRETKEY"
        return ADAPTERS["apprise"]({"name": "rest", "url_env": "ADDRESS"}, Secrets({"ADDRESS": used}))

    return make


def test_it_tells_title_and_lines(apprise, vendor, alert):
    vendor.says(200, {})
    apprise().send([alert()], now=NOW)
    said = vendor.request.json
    assert said["title"].startswith("Page: checkout (gold): the error budget burns 14.4 times")
    assert said["message"].startswith("1,234 of 58,700 failed or were too slow (2.1 %)")
    assert "Runbook: https://wiki.example/runbooks/checkout" in said["message"]


def test_what_it_could_not_send_is_tried_again_and_no_address_is_told(apprise, vendor, alert, caplog):
    caplog.set_level(logging.DEBUG)
    vendor.says(500, b"")
    made = apprise()
    with pytest.raises(DeliveryError) as failed:
        made.send([alert()], now=NOW)
    assert failed.value.retry
    assert not [text for text in (str(failed.value), repr(made), caplog.text) if "T0SECRETKEY" in text]


def test_an_address_that_it_does_not_know_is_told_by_its_place(apprise):
    with pytest.raises(DeliveryError, match="address 1 of url is none") as refused:
        apprise("nothing://T0SECRETKEY")
    assert "T0SECRETKEY" not in str(refused.value)


def test_without_apprise_the_mend_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(DeliveryError, match=r"pip install 'maibo-alerting\[apprise\]'"):
        ADAPTERS["apprise"]({"name": "rest", "url_env": "ADDRESS"}, Secrets({"ADDRESS": "json://x"}))
