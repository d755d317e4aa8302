"""Beside a service: what the engine's ticks say becomes alerts, once, over restarts; and ``/v1/alerts`` tells them."""

from __future__ import annotations

import asyncio
import http.server
import json
import logging
import threading
import time
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from maibo_alerting.delivery.config import DestinationsError
from maibo_alerting.delivery.outbox import OutboxError
from maibo_alerting.delivery.send import Sender
from maibo_alerting.evaluating.evaluator import Evaluator
from maibo_alerting.service import DESTINATIONS, LOCALE, Alerting
from maibo_slo.documents import Catalogue
from maibo_slo.engine.burn import BURN_WINDOWS, Counts
from maibo_slo.engine.snapshot import Snapshot
from maibo_slo.engine.state import Observed
from maibo_slo.plugins import Context
from maibo_slo.service.listen import listen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from maibo_alerting.alerts import Alert
    from maibo_alerting.evaluating.step import Outcome
    from maibo_slo.documents import Slo

DAY = 86_400


@dataclass
class Hook:
    """A webhook on loopback: (status, SLO, severity) of each alert, in the order in which they came."""

    url: str
    told: list[tuple[str, str, str]] = field(default_factory=list)


@pytest.fixture
def hook() -> Iterator[Hook]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.extend(
                (one["status"], one["labels"].get("slo", ""), one["labels"]["severity"]) for one in said["alerts"]
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Hook(f"http://127.0.0.1:{server.server_address[1]}/hook")
        told = found.told
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def burning(slo: Slo, *, bad_share: float, at: float) -> Snapshot:
    """A thousand events a minute for 28 days, of which this share is bad in every window."""
    windows = {*BURN_WINDOWS.values(), slo.window_seconds}
    counts = {
        seconds: Counts(
            round(seconds / 60 * 1000 * (1 - bad_share)), round(seconds / 60 * 1000 * bad_share), seconds // 60
        )
        for seconds in windows
    }
    last = int(at) // 60 * 60
    return Snapshot(
        evaluated_at=at,
        observed=tuple(
            Observed(slo, each, counts, counts[slo.window_seconds], last - slo.window_seconds, last)
            for each in slo.objectives
        ),
    )


@dataclass
class Service:
    """A context whose engine says what the test says."""

    folder: Path
    options: dict[str, str]
    snapshot: Snapshot = field(default_factory=Snapshot)
    reports: list[tuple[str, str | None]] = field(default_factory=list)
    soon: list[tuple[Any, ...]] = field(default_factory=list)

    def run(self, alerting: Alerting, until: Callable[[], bool]) -> None:
        """The task, from a start to a stop in order."""

        async def scenario() -> None:
            stopping = asyncio.Event()
            context = Context(
                None,  # type: ignore[arg-type]  # nothing here asks the store
                self.folder,
                Catalogue,
                self.options,
                CollectorRegistry(),
                lambda part, error: self.reports.append((part, error)),
                stopping,
                listen,
                {}.__setitem__,
                lambda: self.snapshot,
                about_to_fire=lambda soon: self.soon.append(tuple(soon)),
            )
            task = asyncio.create_task(alerting.run(context))
            async with asyncio.timeout(20):
                while not until() and not task.done():
                    await asyncio.sleep(0.02)
            stopping.set()
            await task

        asyncio.run(scenario())


@pytest.fixture
def service(tmp_path: Path, hook: Hook) -> Service:
    file = tmp_path / "destinations.yaml"
    file.write_text(f"destinations:\n- {{name: hook, type: webhook, url: '{hook.url}'}}\n")
    return Service(tmp_path, {DESTINATIONS: str(file)})


def alerting(*, now: Callable[[], float] = time.time) -> Alerting:
    return Alerting(now=now, every_seconds=0.05)


def answered(one: Alerting) -> Any:
    app = FastAPI()
    app.include_router(one.routes(None))  # type: ignore[arg-type]  # routes ask the context nothing
    with TestClient(app) as client:
        return client.get("/v1/alerts").json()


def test_an_outage_is_told_once_over_a_restart_and_its_end_after_it(service: Service, hook: Hook, slo):
    checkout = slo("checkout", targets=[0.999], days=28)
    service.snapshot = burning(checkout, bad_share=0.5, at=time.time())
    first = alerting()
    service.run(first, lambda: len(hook.told) >= 2)
    assert sorted(hook.told) == [("firing", "checkout", "page"), ("firing", "checkout", "ticket")]
    assert ("alerting", None) in service.reports

    service.snapshot = burning(checkout, bad_share=0.5, at=time.time())
    second, before = alerting(), len(service.reports)
    service.run(second, lambda: len(service.reports) > before + 20)
    assert len(hook.told) == 2, "it was told again after a restart"

    service.snapshot = burning(checkout, bad_share=0.0, at=time.time())
    service.run(alerting(), lambda: len(hook.told) >= 4)
    assert sorted(hook.told[2:]) == [("resolved", "checkout", "page"), ("resolved", "checkout", "ticket")]


def test_the_log_names_the_objective_and_warns_of_what_fires_alone(
    service: Service, slo, caplog: pytest.LogCaptureFixture
):
    """What is about to fire comes and goes."""
    caplog.set_level(logging.INFO, "maibo_alerting.service")
    service.options = {}
    shot = burning(slo("checkout", targets=[0.999], days=28), bad_share=0.0, at=time.time())
    (calm,) = shot.observed
    spike = replace(calm, group="tier=gold", counts={**calm.counts, 300: Counts(4500, 500, 5)})
    for now in (spike, calm):
        service.snapshot, before = replace(shot, evaluated_at=time.time(), observed=(now,)), len(service.reports)
        service.run(alerting(), lambda before=before: len(service.reports) > before + 2)
    told = {(record.levelname, record.getMessage()) for record in caplog.records}
    about = "alert MaiboBudgetBurn (page) of checkout 0.999 tier=gold"
    assert {("INFO", f"{about}: pending, was inactive"), ("INFO", f"{about}: inactive, was pending")} <= told
    assert "WARNING" not in {level for level, _ in told}
    [pending] = next(soon for soon in service.soon if soon)
    assert (pending.slo, pending.group, pending.severity) == ("checkout", "tier=gold", "page")
    assert service.soon[-1] == (), "the page is told each time of all that there is"

    caplog.clear()
    service.snapshot = burning(slo("checkout", targets=[0.999], days=28), bad_share=0.5, at=time.time())
    service.run(alerting(), lambda: "firing" in caplog.text)
    assert ("WARNING", "alert MaiboBudgetBurn (page) of checkout 0.999: firing, was inactive") in {
        (record.levelname, record.getMessage()) for record in caplog.records
    }


def test_the_api_tells_what_fires_and_how_destinations_fare(service: Service, hook: Hook, slo):
    service.snapshot = burning(slo("checkout", targets=[0.999], days=28), bad_share=0.5, at=time.time())
    one = alerting()
    said: list[Any] = []

    def asked() -> bool:
        said[:] = [answered(one)]
        return len(hook.told) >= 2 and said[0]["destinations"][0]["last_taken_at"] is not None

    service.run(one, asked)
    assert {(each["slo"], each["severity"], each["state"]) for each in said[0]["alerts"]} == {
        ("checkout", "page", "firing"),
        ("checkout", "ticket", "firing"),
    }
    (destination,) = said[0]["destinations"]
    assert (destination["name"], destination["trouble"]) == ("hook", None)
    assert hook.url not in json.dumps(said)


def test_without_destinations_alerts_are_evaluated_and_shown(service: Service, slo):
    service.options = {}
    service.snapshot = burning(slo("checkout", targets=[0.999], days=28), bad_share=0.5, at=time.time())
    one = alerting()
    service.run(one, lambda: bool(answered(one)["alerts"]))
    assert answered(one)["destinations"] == []
    assert {each["severity"] for each in answered(one)["alerts"]} == {"page", "ticket"}


def test_before_the_engines_first_tick_nothing_is_said_to_be_over(service: Service, hook: Hook, slo):
    service.snapshot = burning(slo("checkout", targets=[0.999], days=28), bad_share=0.5, at=time.time())
    service.run(alerting(), lambda: len(hook.told) >= 2)
    service.snapshot, before = Snapshot(), len(service.reports)
    service.run(alerting(), lambda: len(service.reports) > before + 20)
    assert len(hook.told) == 2


def test_a_file_of_destinations_that_cannot_be_used_ends_the_task_with_its_place(service: Service, tmp_path: Path):
    (tmp_path / "destinations.yaml").write_text("destinations:\n- {name: hook, type: pigeon}\n")
    with pytest.raises(DestinationsError, match=r"destinations\.yaml:2:\d+: .*pigeon"):
        service.run(alerting(), lambda: False)


def test_an_evaluation_that_fails_is_reported_and_tried_again(service: Service, hook: Hook, slo):
    service.snapshot = "no snapshot"  # type: ignore[assignment]
    one = alerting()

    def heals() -> bool:
        if any(error for _, error in service.reports):
            service.snapshot = burning(slo("checkout", targets=[0.999], days=28), bad_share=0.5, at=time.time())
        return len(hook.told) >= 2

    service.run(one, heals)
    assert "cannot be evaluated" in str(service.reports[0][1])
    assert service.reports[-1] == ("alerting", None)


def test_what_did_not_change_is_not_put_again_between_ticks(
    service: Service, hook: Hook, slo, monkeypatch: pytest.MonkeyPatch
):
    puts: list[int] = []
    original = Sender.put

    def counting(self: Sender, alerts: Sequence[Alert], *, now: float) -> None:
        puts.append(len(alerts))
        original(self, alerts, now=now)

    monkeypatch.setattr(Sender, "put", counting)
    service.snapshot = burning(slo("checkout", targets=[0.999], days=28), bad_share=0.5, at=time.time())
    service.run(alerting(), lambda: len(service.reports) > 20)
    assert puts == [2]
    assert len(hook.told) == 2


def test_an_outbox_that_refuses_is_tried_again_until_it_takes(
    service: Service, hook: Hook, slo, monkeypatch: pytest.MonkeyPatch
):
    original, refused = Sender.put, [2]

    def refusing(self: Sender, alerts: Sequence[Alert], *, now: float) -> None:
        if refused[0]:
            refused[0] -= 1
            raise OutboxError("the disk is full")
        original(self, alerts, now=now)

    monkeypatch.setattr(Sender, "put", refusing)
    service.snapshot = burning(slo("checkout", targets=[0.999], days=28), bad_share=0.5, at=time.time())
    service.run(alerting(), lambda: len(hook.told) >= 2)
    assert [error for _, error in service.reports][:3] == ["alerts cannot be evaluated: the disk is full"] * 2 + [None]


def test_an_engine_that_stands_still_pages_by_the_same_way_and_its_end_is_told_after_a_restart(
    service: Service, hook: Hook
):
    """Each look is ten seconds after the one before."""
    clock = count(1_700_000_000, 10)
    service.snapshot = Snapshot(evaluated_at=1_700_000_000.0)
    service.run(alerting(now=lambda: float(next(clock))), lambda: bool(hook.told))
    assert hook.told == [("firing", "", "page")]
    ticked = float(next(clock))
    service.snapshot = Snapshot(evaluated_at=ticked)
    service.run(alerting(now=lambda: ticked + 1), lambda: len(hook.told) > 1)
    assert hook.told[1:] == [("resolved", "", "page")]


def test_the_services_language_is_an_option(service: Service, hook: Hook, slo):
    service.options |= {LOCALE: "zh"}
    service.snapshot = burning(slo("checkout", targets=[0.999], days=28), bad_share=0.5, at=time.time())
    one, said = alerting(), list[str]()

    def told() -> bool:
        said[:] = [each["annotations"]["summary"] for each in answered(one)["alerts"]]
        return len(hook.told) >= 2

    service.run(one, told)
    assert len(said) == 2
    assert all("错误预算" in summary for summary in said)


def test_an_engine_that_ends_its_counting_after_an_evaluation_does_not_have_what_this_missed_ended(
    service: Service, hook: Hook, slo, monkeypatch: pytest.MonkeyPatch
):
    settled = burning(slo("checkout", targets=[0.999], days=28), bad_share=0.5, at=time.time())
    service.snapshot = replace(settled, pending_minutes=9, evaluated_at=time.time() - 1)
    done: list[object] = []
    original = Evaluator.evaluate

    def meanwhile(self: Evaluator, snapshot: Snapshot, *, now: float) -> Outcome:
        outcome = original(self, snapshot, now=now)
        done.append(snapshot.pending_minutes)
        service.snapshot = settled
        return outcome

    monkeypatch.setattr(Evaluator, "evaluate", meanwhile)
    monkeypatch.setattr(Sender, "end_others", lambda *_, **__: done.append("ended"))
    service.run(alerting(), lambda: len(done) > 2)
    assert done[:3] == [9, 0, "ended"]
