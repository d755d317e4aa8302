"""``/v1/scaling`` beyond what every face does."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import anyio.to_thread
import httpx2
import jsonschema
import pytest

from maibo_slo.documents.scaling_kinds import ForecastSpec
from maibo_slo.engine.scaling.decide import Memory, decide
from maibo_slo.engine.scaling.inputs import Capacity, Demand, Forecast, Inputs, Lead, Replicas
from maibo_slo.engine.scaling.signal import Refusal, Signals
from maibo_slo.signals import plain


def test_one_target_is_explained(json_face, board, make_signal, make_signals, override) -> None:
    board.signals = make_signals(replace(make_signal(20), override=override, least=20))
    said = json_face.get("/v1/scaling/shop/checkout-api").json()
    assert said["workload"] == "shop/Deployment/checkout-api"
    assert (said["desired_replicas"], said["min_replicas"], said["max_replicas"]) == (20, 20, 40)
    assert said["reason"] == "20 replicas: 410 calls/s ÷ (45 a replica at 80%) (reactive)"
    assert [(wish["kind"], wish["replicas"]) for wish in said["wishes"]] == [("reactive", 20), ("predictive", None)]
    assert said["wishes"][0]["figures"] == {"demand": 410.0}  # JSON has no infinity
    assert said["inputs"]["demand_calls_per_second"] == 410.0
    assert (said["inputs"]["wanted_replicas"], said["inputs"]["ready_replicas"]) == (10, 9)
    assert said["age_seconds"] == 1.0
    assert (said["override"]["who"], said["override"]["min_replicas"]) == ("ana", 20)


def test_the_list_has_every_target_and_no_old_number(json_face, board, make_signal, make_signals) -> None:
    board.signals = make_signals(make_signal(3, target="b"), make_signal(9, target="a", age=100), refused="no demand")
    said = json_face.get("/v1/scaling").json()
    assert [(each["target"], each["desired_replicas"]) for each in said["targets"]] == [
        ("a", None),
        ("b", 3),
        ("checkout-api", None),
    ]
    stale, fresh, refused = said["targets"]
    assert "stale: what it follows is 100 s old" in stale["refused"]
    assert (stale["reason"], fresh["refused"]) == ("", "")
    assert (refused["refused"], refused["age_seconds"]) == ("no signal shop/checkout-api: no demand", None)
    assert board.served == []


@pytest.mark.parametrize("ticked", [False, True])
def test_before_the_first_decision_the_list_is_empty(json_face, board, make_signals, ticked) -> None:
    board.signals = make_signals(at=None) if ticked else None
    said = json_face.get("/v1/scaling").json()
    assert (said["decided_at"], said["targets"]) == (None, [])


def test_stale_is_503_and_unknown_is_404(json_face, board, make_signal, make_signals) -> None:
    board.signals = make_signals(make_signal(12, age=100))
    stale, unknown = (json_face.get(f"/v1/scaling/shop/{name}") for name in ("checkout-api", "other"))
    assert (stale.status_code, stale.headers["retry-after"], unknown.status_code) == (503, "5", 404)
    assert "desired_replicas" not in stale.text
    assert board.served == []


def test_a_refusal_tells_what_is_known_all_the_same(json_face, board, make_signal, override) -> None:
    inputs = replace(make_signal(12).inputs, capacity=None, override=override)
    workload = make_signal(12).workload
    refusal = Refusal(
        "checkout-api", workload, "no capacity", inputs, board.now - 3, 20, 40, ("checkout-api", "payments")
    )
    board.signals = Signals(board.now, {("shop", "checkout-api"): refusal})
    said = json_face.get("/v1/scaling/shop/checkout-api")
    assert (said.status_code, said.headers["retry-after"]) == (503, "5")
    assert said.headers["content-type"] == "application/problem+json"
    problem = said.json()
    assert (problem["title"], problem["status"]) == ("Service Unavailable", 503)
    assert problem["detail"] == "no signal shop/checkout-api: no capacity"
    assert problem["instance"] == "/v1/scaling/shop/checkout-api"
    known = problem["known"]
    assert known["services_heard"] == ["checkout-api", "payments"]
    assert (known["min_replicas"], known["max_replicas"], known["age_seconds"]) == (20, 40, 3.0)
    assert known["inputs"]["demand_calls_per_second"] == 410.0
    assert known["inputs"]["capacity_calls_per_second"] is None
    assert known["override"]["who"] == "ana"
    assert "desired_replicas" not in said.text


def test_who_asks_for_one_target_was_served(json_face, board, make_signal, make_signals) -> None:
    board.signals = make_signals(make_signal(12))
    json_face.get("/v1/scaling/shop/checkout-api")
    assert board.served == [("shop", "checkout-api", 12, "json")]


def test_openapi_has_a_valid_example_of_every_answer(json_face, board, make_signal, make_signals) -> None:
    board.signals = make_signals(make_signal(12))
    document = json_face.get("/openapi.json").json()
    assert sorted(document["paths"]) == ["/v1/scaling", "/v1/scaling/{namespace}/{target}"]
    for path, item in document["paths"].items():
        content = item["get"]["responses"]["200"]["content"]["application/json"]
        schema = {"components": document["components"], **content["schema"]}
        jsonschema.Draft202012Validator(schema).validate(content["example"])
        live = json_face.get(path.format(namespace="shop", target="checkout-api"))
        jsonschema.Draft202012Validator(schema).validate(live.json())
        assert "503" in item["get"]["responses"]


def test_the_example_is_worded_as_the_engine_does(make_target) -> None:
    now = plain.EXAMPLE.decided_at.timestamp()
    said = plain.EXAMPLE.inputs
    inputs = Inputs(
        now,
        demand=Demand(said.demand_calls_per_second or 0, now, 4100, 10.0),
        capacity=Capacity(said.capacity_calls_per_second or 0, 47.0, 49.0, learned=True, why=said.capacity_why),
        forecast=Forecast(now, now + 40, {0.6: 372.0}, "trend"),
        replicas=Replicas(10, 10, now),
        lead=Lead(40.0, "P90 of 14 scale-ups"),
    )
    target = make_target(least=10, most=40, forecast=ForecastSpec(quantile=0.6))
    decision, _ = decide(target, inputs, Memory())
    assert (decision.desired, decision.reason) == (plain.EXAMPLE.desired_replicas, plain.EXAMPLE.reason)
    wishes = {wish.kind: wish for wish in decision.wishes}
    for example in plain.EXAMPLE.wishes:
        wish = wishes[example.kind]
        assert (example.replicas, example.why) == (wish.replicas, wish.why)
        assert example.figures == pytest.approx(wish.figures, abs=0.01)


def test_it_answers_while_every_thread_waits_for_a_store_that_hangs(
    json_face, board, make_signal, make_signals
) -> None:
    board.signals = make_signals(make_signal(12))
    mended = threading.Event()

    async def scenario() -> int:
        anyio.to_thread.current_default_thread_limiter().total_tokens = 1
        hanging = asyncio.create_task(anyio.to_thread.run_sync(mended.wait))
        await asyncio.sleep(0)
        transport = httpx2.ASGITransport(json_face.app)
        async with asyncio.timeout(20), httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
            said = (await http.get("/v1/scaling/shop/checkout-api")).json()
        assert not hanging.done()
        mended.set()
        await hanging
        replicas: int = said["desired_replicas"]
        return replicas

    assert asyncio.run(scenario()) == 12
