"""maibo -> the real Alertmanager -> a webhook: inhibition, silence, expiry, restart."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from maibo_alerting.delivery.alertmanager import Alertmanager
from maibo_alerting.delivery.destination import Secrets
from maibo_alerting.delivery.route import Route
from maibo_alerting.delivery.send import Sender
from maibo_alerting.delivery.webhook import Webhook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

program = shutil.which("prometheus-alertmanager")
# Without group_wait, Alertmanager may tell a ticket before it has seen the page that inhibits it.
CONFIG = """
route:
  receiver: hook
  group_by: [alertname, slo, severity]
  group_wait: 1s
  group_interval: 1s
  repeat_interval: 1h
inhibit_rules:
- source_matchers: [severity="page"]
  target_matchers: [severity="ticket"]
  equal: [slo]
receivers:
- name: hook
  webhook_configs: [{url: "URL/hook", send_resolved: true}]
"""


@dataclass
class Running:
    url: str
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes]

    def ask(self, path: str, said: Any = None) -> Any:
        body = None if said is None else json.dumps(said).encode()
        asked = urllib.request.Request(self.url + path, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=5) as answer:
            return json.load(answer)

    def states(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What is active now, by SLO and severity."""
        found = self.ask("/api/v2/alerts")
        return {(one["labels"]["slo"], one["labels"]["severity"]): one["status"] for one in found}

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def alertmanager(tmp_path: Path, server) -> Iterator[Running]:
    if program is None:
        pytest.fail("prometheus-alertmanager is missing: install Debian's package of that name")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    (tmp_path / "am.yml").write_text(CONFIG.replace("URL", server.url))

    def start() -> subprocess.Popen[bytes]:
        command = [str(program), f"--config.file={tmp_path / 'am.yml'}", f"--storage.path={tmp_path / 'am'}"]
        log = (tmp_path / "am.log").open("ab")
        process = subprocess.Popen(
            [*command, f"--web.listen-address={address}", "--cluster.listen-address="], stdout=log, stderr=log
        )
        log.close()
        wait_until(lambda: is_ready(f"http://{address}"), (tmp_path / "am.log").read_text)
        return process

    running = Running(f"http://{address}", start, start())
    yield running
    running.stop()


@pytest.fixture
def sender(alertmanager, outbox) -> Sender:
    way = Alertmanager.of({"name": "am", "url": alertmanager.url, "resend_seconds": 1}, Secrets({}))
    return Sender(outbox, [Route(way, batch=64, per_minute=10_000, resend_seconds=way.resend_seconds)])


def test_a_page_inhibits_its_ticket_until_it_is_over(alertmanager, sender, server, fired) -> None:
    began = time.time()
    page, ticket = fired(starts_at=began), fired(severity="ticket", starts_at=began)
    sender.put([page, ticket], now=began)
    stepping(sender, lambda: len(server.said) >= 1)
    states = alertmanager.states()
    assert states["checkout", "page"]["state"] == "active"
    assert states["checkout", "ticket"]["state"] == "suppressed"
    assert len(states["checkout", "ticket"]["inhibitedBy"]) == 1

    sender.put([replace(page, ends_at=time.time())], now=time.time())
    stepping(sender, lambda: len(server.said) >= 3)
    told = [(said.json["commonLabels"]["severity"], said.json["status"]) for said in server.said]
    assert told[0] == ("page", "firing")
    assert sorted(told[1:]) == [("page", "resolved"), ("ticket", "firing")]


def test_a_silence_holds_back_what_it_matches_and_nothing_else(alertmanager, sender, server, fired) -> None:
    now = time.time()
    stamps = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) for at in (now - 5, now + 600)]
    matcher = {"name": "slo", "value": "search", "isRegex": False, "isEqual": True}
    silence = {"matchers": [matcher], "startsAt": stamps[0], "endsAt": stamps[1], "createdBy": "me", "comment": "known"}
    alertmanager.ask("/api/v2/silences", silence)
    sender.put([fired("search", starts_at=now), fired("cart", starts_at=now)], now=now)
    stepping(sender, lambda: len(server.said) >= 1 and len(alertmanager.states()) == 2)
    assert alertmanager.states()["search", "page"]["state"] == "suppressed"
    assert [said.json["commonLabels"]["slo"] for said in server.said] == ["cart"]


def test_what_fires_stays_as_long_as_it_is_told_again_even_over_a_restart_and_ends_when_nobody_tells(
    alertmanager, sender, server, fired
) -> None:
    began = time.time()
    sender.put([fired(starts_at=began, labels={"k8s.pod": "cart-0"})], now=began)
    stepping(sender, lambda: time.time() > began + 5.5)  # it lasts for 4 s only
    assert list(alertmanager.states()) == [("checkout", "page")]
    assert [said.json["status"] for said in server.said] == ["firing"]

    alertmanager.stop()  # it keeps no alerts
    stepping(sender, lambda: sender.conditions()[0].trouble is not None)
    alertmanager.process = alertmanager.start()
    stepping(sender, lambda: ("checkout", "page") in alertmanager.states())

    wait_until(lambda: server.said[-1].json["status"] == "resolved")
    assert alertmanager.states() == {}


def test_our_webhook_has_the_fields_of_its_own(alertmanager, sender, server, fired) -> None:
    now = int(time.time()) - 0.875  # it leaves zeros at the end of a fraction out
    alert = fired(starts_at=now, annotations={"summary": "it burns"}, link="http://maibo/x")
    sender.put([alert], now=now)
    stepping(sender, lambda: len(server.said) >= 1)
    Webhook.of({"name": "hook", "url": server.url}, Secrets({})).send([alert], now=now)
    theirs, ours = (said.json for said in server.said[:2])
    assert shape(ours) == shape(theirs)
    own = (
        "externalURL",
        "groupKey",
        "groupLabels",
        "alerts",
    )  # groups are its own; so are externalURL and fingerprints
    assert {name: value for name, value in ours.items() if name not in own} == {
        name: value for name, value in theirs.items() if name not in own
    }
    assert {**ours["alerts"][0], "fingerprint": ""} == {**theirs["alerts"][0], "fingerprint": ""}


def shape(said: Any) -> Any:
    """Names and types; labels by their kind alone."""
    if isinstance(said, dict):
        return {
            name: "labels" if name.endswith(("abels", "nnotations")) else shape(value) for name, value in said.items()
        }
    return [shape(one) for one in said] if isinstance(said, list) else type(said).__name__


def stepping(sender: Sender, until: Callable[[], bool]) -> None:
    def step() -> bool:
        sender.step("am", now=time.time())
        return until()

    wait_until(step)


def is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=1) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def wait_until(holds: Callable[[], bool], why: Callable[[], str] = str, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, why()
        time.sleep(0.05)
