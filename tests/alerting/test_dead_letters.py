"""What destinations did not take: over HTTP, and on the command line against a service that runs."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from click.testing import CliRunner, Result
from fastapi import FastAPI
from fastapi.testclient import TestClient

from maibo_alerting.alerts import Alert
from maibo_alerting.api import router
from maibo_alerting.commands import alert as command
from maibo_alerting.delivery.destination import DeliveryError
from maibo_alerting.delivery.outbox import Outbox
from maibo_alerting.delivery.route import Route
from maibo_alerting.delivery.send import Sender
from maibo_slo import problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

NOW = 1_700_000_000.0


class Picky:
    """A destination that refuses for good whatever it is told, until it is mended."""

    name = "chat"

    def __init__(self) -> None:
        self.broken = True
        self.told: deque[tuple[str, str]] = deque()

    def send(self, alerts: Sequence[Alert], *, now: float) -> None:
        del now
        if self.broken:
            raise DeliveryError("the channel is archived", retry=False)
        self.told.extend((alert.slo, alert.status) for alert in alerts)


@pytest.fixture
def chat() -> Picky:
    return Picky()


@pytest.fixture
def sender(tmp_path: Path, chat: Picky) -> Iterator[Sender]:
    """It has given up a page about each of two SLOs."""
    with Outbox(tmp_path / "outbox") as outbox:
        made = Sender(outbox, [Route(chat)], clock=lambda: NOW)
        for slo in ("checkout", "search"):
            made.put([Alert("MaiboBudgetBurn", slo, "99.9", "page", NOW)], now=NOW)
            while made.step("chat", now=NOW):
                pass
        yield made


@pytest.fixture
def app(sender: Sender) -> FastAPI:
    made = FastAPI()
    problems.install(made)
    made.include_router(router(lambda: None, lambda: sender, now=lambda: NOW + 60))
    return made


@pytest.fixture
def http(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def dead(http: TestClient) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = http.get("/v1/alerts/dead").json()["dead"]
    return said


def test_they_are_told_with_the_reason_the_newest_first_and_counted(http: TestClient) -> None:
    assert [(one["slo"], one["destination"], one["status"], one["reason"]) for one in dead(http)] == [
        ("search", "chat", "firing", "the channel is archived"),
        ("checkout", "chat", "firing", "the channel is archived"),
    ]
    assert dead(http)[0]["summary"] == "search 99.9: MaiboBudgetBurn"
    assert [one["dead"] for one in http.get("/v1/alerts").json()["destinations"]] == [2]
    assert len(http.get("/v1/alerts/dead", params={"limit": 1}).json()["dead"]) == 1


def test_one_is_sent_after_all_once_its_destination_is_mended(http: TestClient, sender: Sender, chat: Picky) -> None:
    chat.broken = False
    last = dead(http)[0]["id"]
    assert http.post(f"/v1/alerts/dead/{last}/replay", json={}).json() == {"id": last, "done": "replayed"}
    sender.step("chat", now=NOW + 61)
    assert list(chat.told) == [("search", "firing")]
    assert [one["slo"] for one in dead(http)] == ["checkout"]
    assert http.post(f"/v1/alerts/dead/{last}/replay", json={}).status_code == 404


def test_one_is_forgotten(http: TestClient) -> None:
    first = dead(http)[-1]["id"]
    assert http.post(f"/v1/alerts/dead/{first}/discard", json={}).json() == {"id": first, "done": "discarded"}
    assert [one["slo"] for one in dead(http)] == ["search"]
    answer = http.post(f"/v1/alerts/dead/{first}/discard", json={})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(
    "request_",
    [
        {"content": "{}", "headers": {"Content-Type": "text/plain"}},
        {"json": {}, "headers": {"Sec-Fetch-Site": "cross-site"}},
        {"json": {}, "headers": {"Origin": "https://elsewhere.example"}},
    ],
)
def test_a_page_of_another_site_changes_nothing(http: TestClient, request_: dict[str, Any]) -> None:
    answer = http.post(f"/v1/alerts/dead/{dead(http)[0]['id']}/discard", **request_)
    assert answer.status_code in {403, 415}
    assert len(dead(http)) == 2


def test_without_destinations_there_are_none() -> None:
    app = FastAPI()
    problems.install(app)
    app.include_router(router(lambda: None, lambda: None, now=lambda: NOW))
    with TestClient(app) as client:
        assert dead(client) == []
        assert client.post("/v1/alerts/dead/1/replay", json={}).status_code == 404


@pytest.fixture
def run(app: FastAPI) -> Iterator[Callable[..., Result]]:
    """``run("dead", "list")``: `maibo alert` against the application on loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    yield lambda *given: CliRunner().invoke(command, [*given, "--url", url])
    server.should_exit = True
    thread.join(10)
    listener.close()


def test_the_command_lists_replays_and_discards(run: Callable[..., Result], sender: Sender, chat: Picky) -> None:
    told = json.loads(run("dead", "list", "--output", "json").stdout)["dead"]
    shown = run("dead", "list").stdout
    assert "the channel is archived" in shown
    assert "checkout 99.9" in shown
    assert "maibo alert dead list" in run("list").stdout
    newest, oldest = (str(one["id"]) for one in told)
    done = run("dead", "discard", newest)
    assert (done.exit_code, done.stdout) == (0, f"{newest}: discarded\n")
    chat.broken = False
    assert run("dead", "replay", "--all").stdout == f"{oldest}: replayed\n"
    sender.step("chat", now=NOW + 61)
    assert list(chat.told) == [("checkout", "firing")]
    assert run("dead", "list").stdout == run("dead", "replay", "--all").stdout == "no dead letters\n"


def test_an_id_that_is_none_is_said_and_is_a_failure(run: Callable[..., Result]) -> None:
    done = run("dead", "replay", "999")
    assert done.exit_code == 1
    assert "no dead letter 999" in done.output
    assert run("dead", "discard").exit_code == run("dead", "discard", "1", "--all").exit_code == 2
