"""``maibo scaling list`` and ``explain`` against the real face over real HTTP."""

# ruff: noqa: RUF001 -- a dash for no data is typography, not a typing error
from __future__ import annotations

import json
import re
import socket
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
import uvicorn
from click.testing import CliRunner, Result
from fastapi import FastAPI

from maibo_slo import problems
from maibo_slo.cli import cli
from maibo_slo.documents import Origin
from maibo_slo.documents.scaling_kinds import CapacitySpec, ScalingTarget
from maibo_slo.engine.scaling.decide import Memory, decide
from maibo_slo.engine.scaling.inputs import Capacity, Demand, Inputs, Override, Replicas
from maibo_slo.engine.scaling.signal import Refusal, ScalingSignal, Signals
from maibo_slo.signals import plain
from maibo_slo.signals.reading import Reader
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_800_000_000.0
OVERRIDE = Override("o@1", "checkout-api", 20, None, NOW + 7200, "ana", "sale\x1b[2J at noon", NOW - 60)
INPUTS = Inputs(
    NOW,
    demand=Demand(400.0, NOW - 1.2, 12_000, 30.0),
    capacity=Capacity(50.0, 50.0, 50.0, learned=False, why="fixed"),
    replicas=Replicas(10, 9, NOW - 1),
)


def signal(name: str, namespace: str = "shop", inputs: Inputs = INPUTS) -> ScalingSignal:
    """As the engine decides it."""
    target = ScalingTarget(
        name,
        name,
        "",
        Workload(namespace, "Deployment", name),
        services=(name,),
        journeys=(),
        slos=(),
        environments=(),
        capacity=CapacitySpec(fixed=50.0),
        least=2,
        most=30,
        origin=Origin("shop.yaml", 1),
    )
    decision, _ = decide(target, inputs, Memory())
    return ScalingSignal(
        target=name,
        workload=target.workload,
        desired_replicas=decision.desired,
        lower=decision.lower,
        upper=decision.upper,
        least=target.least,
        most=target.most,
        reason=decision.reason,
        observed_at=NOW - 1.2,
        decided_at=NOW,
        max_age_seconds=60.0,
        decision=decision,
        inputs=inputs,
        override=inputs.override,
    )


@dataclass(slots=True)
class Service:
    """A service that answers for these signals."""

    url: str = ""
    signals: Signals | None = None

    def put(self, *found: ScalingSignal | Refusal) -> None:
        self.signals = Signals(NOW, {(each.workload.namespace, each.target): each for each in found})

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, ["scaling", *arguments, "--url", self.url])


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    made = Service()
    app = FastAPI()
    problems.install(app)
    app.include_router(plain.router(Reader(lambda: made.signals, now=lambda: NOW), lambda *_: None))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    made.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    yield made
    server.should_exit = True
    thread.join(10)
    listener.close()


def test_the_list_tells_desired_and_ready_replicas_and_why(service) -> None:
    service.put(signal("checkout-api"))
    listed = service.run("list")
    assert listed.exit_code == 0, listed.output
    assert re.search(
        r"shop/checkout-api +shop/Deployment/checkout-api +10 +9 +1\.2 s +10 replicas: 400 calls/s", listed.output
    )
    assert "override" not in listed.output


def test_the_list_tells_an_override_with_who_why_and_until_also_where_there_is_no_signal(service) -> None:
    said = replace(INPUTS, override=OVERRIDE)
    workload = Workload("shop", "Deployment", "search")
    service.put(
        signal("checkout-api", inputs=said),
        Refusal("search", workload, "nobody calls", Inputs(NOW, override=replace(OVERRIDE, least=3, most=5))),
    )
    listed = " ".join(service.run("list").output.split())
    assert "override: at least 20, until 2027-01-15 10:00 UTC, said by ana: sale�[2J at noon" in listed
    assert "– – – no signal shop/search: nobody calls" in listed
    assert "override: at least 3, at most 5, until" in listed
    refused, told = json.loads(service.run("list", "-o", "json").output)["targets"][::-1]
    assert (refused["override"]["max_replicas"], told["override"]["max_replicas"]) == (5, None)
    assert (refused["ready_replicas"], told["ready_replicas"]) == (None, 9)


def test_a_stale_signal_has_no_number_in_the_list(service) -> None:
    service.put(replace(signal("checkout-api"), observed_at=NOW - 90))
    listed = " ".join(service.run("list").output.split())
    assert "shop/Deployment/checkout-api – 9 90.0 s signal shop/checkout-api is stale" in listed


@pytest.mark.parametrize(
    ("signals", "text"),
    [
        (None, "nothing was decided yet"),
        (Signals(None, {}), "nothing was decided yet"),
        (Signals(NOW, {}), "no document of kind ScalingTarget is in force"),
    ],
    ids=["no engine", "no decision", "no document"],
)
def test_where_there_is_nothing_the_list_says_why(service, signals: Signals | None, text: str) -> None:
    service.signals = signals
    listed = service.run("list")
    assert (listed.exit_code, text in listed.output) == (0, True)


def test_explain_tells_every_wish_and_what_it_was_made_from(service) -> None:
    service.put(signal("checkout-api", inputs=replace(INPUTS, override=OVERRIDE)), signal("search"))
    shown = service.run("explain", "checkout-api")
    assert shown.exit_code == 0, shown.output
    told = " ".join(shown.output.split())
    assert "shop/checkout-api scales shop/Deployment/checkout-api 20 replicas (" in told
    assert "reactive 10 400 calls/s ÷ (50 a replica at 80.5%)" in told
    assert "demand 400 calls/s" in told
    assert "a replica carries 50 calls/s: fixed" in told
    assert "replicas 10 wanted, 9 ready" in told
    assert "held by: override" in told
    assert "override: at least 20, until 2027-01-15 10:00 UTC, said by ana" in told
    assert "\x1b[2J" not in shown.output
    assert json.loads(service.run("explain", "shop/search", "-o", "json").output)["desired_replicas"] == 10


def test_what_rounding_left_of_no_demand_is_told_as_none(service) -> None:
    service.put(signal("checkout-api", inputs=replace(INPUTS, demand=Demand(3.469e-18, NOW - 1.2, 1, 30.0))))
    assert " demand 0 calls/s " in " ".join(service.run("explain", "checkout-api").output.split())


def test_explain_of_a_refused_target_tells_what_is_known_all_the_same(service) -> None:
    workload = Workload("shop", "Deployment", "search")
    inputs = replace(INPUTS, capacity=None, override=replace(OVERRIDE, target="search", least=3))
    service.put(Refusal("search", workload, "no capacity", inputs, NOW - 2, 3, 30, ("checkout-api", "payments")))
    shown = service.run("explain", "search")
    told = " ".join(shown.output.split())
    assert shown.exit_code == 1
    assert "no signal shop/search: no capacity" in told
    assert "shop/search scales shop/Deployment/search no number of replicas demand 400 calls/s" in told
    assert "a replica carries –: not known" in told
    assert "bounds 3 to 30 services heard checkout-api, payments follows what is 2.0 s old" in told
    assert "override: at least 3" in told
    said = service.run("explain", "search", "-o", "json").stdout
    assert json.loads(said)["known"]["services_heard"] == ["checkout-api", "payments"]
    service.put(Refusal("search", workload, "nobody calls"))
    assert "bounds – to – follows what is –" in " ".join(service.run("explain", "search").output.split())


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("nobody", "no ScalingTarget is called nobody; there are: other/checkout-api, shop/checkout-api, shop/search"),
        ("checkout-api", "several are called checkout-api; there are: other/checkout-api, shop/checkout-api"),
        ("shop/nobody", "no ScalingTarget 'nobody' in namespace 'shop'"),
        ("search", "no signal shop/search: nobody calls"),
    ],
)
def test_what_cannot_be_explained_is_refused_and_says_why(service, asked: str, text: str) -> None:
    workload = Workload("shop", "Deployment", "search")
    service.put(
        signal("checkout-api"), signal("checkout-api", "other"), Refusal("search", workload, "nobody calls", None)
    )
    refused = service.run("explain", asked)
    assert refused.exit_code == 1
    assert text in " ".join(refused.output.split())
