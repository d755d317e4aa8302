"""The shop, wired in one process: what its customers see is what its tags say."""

import asyncio
import io
import json
import random
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

import maibo.testing
from maibo.testing import Captured
from maibo_slo.demo.account import Written
from maibo_slo.demo.load import UNKNOWN, Door, Seen, connect, play
from maibo_slo.demo.notebook import Notebook
from maibo_slo.demo.schedule import Intent, Phase, Visit, visits
from maibo_slo.demo.server import EXAMPLES
from maibo_slo.demo.shop import BAD_VERSION, GOOD_VERSION
from maibo_slo.demo.shop.__main__ import shop_app
from maibo_slo.demo.shop.notes import Notes
from maibo_slo.demo.watch import steps_of_routes
from maibo_slo.documents import load

BUYS = Visit(at=0.0, intent=Intent.BUYS, tier="vip", region="eu-central", pauses=(0.0, 0.0))


def run(*seen_by: Visit, version: str = GOOD_VERSION, notes: Notes) -> tuple[list[Seen], Captured]:
    """Let these customers in, all at once."""

    async def come() -> list[Seen]:
        async with AsyncExitStack() as stack:
            front = await stack.enter_async_context(storefront(stack, version=version, notes=notes))
            return await asyncio.gather(*(Door(front).play(visit) for visit in seen_by))

    with maibo.testing.capture(on_journey_end=notes.journey_ended) as captured:
        return asyncio.run(come()), captured


def storefront(stack: AsyncExitStack, *, version: str, notes: Notes) -> httpx2.AsyncClient:
    """A client of a storefront with its cart and payment behind it, all in this process."""
    client = httpx2.AsyncClient()
    for service, behind in (("payment", ""), ("cart", "http://payment"), ("storefront", "http://cart")):
        app = shop_app(service, client, version=version, next_url=behind, seed="1", notes=notes, documents=EXAMPLES)
        client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=f"http://{service}")
    return client


@pytest.fixture
def notes(tmp_path: Path):
    with Notes(tmp_path, "test") as opened:
        yield opened


def test_a_checkout_is_one_journey_over_three_requests_and_three_services(notes: Notes):
    (seen,), captured = run(BUYS, notes=notes)
    assert seen.outcome == "success"
    assert seen.requests == ("POST /checkout", "POST /checkout/{order}/address", "POST /checkout/{order}/pay")
    assert [step.name for step in captured.steps] == ["reserve", "basket", "address", "charge", "payment"]
    (journey,) = captured.journeys
    assert (journey.name, journey.tier, journey.outcome) == ("checkout", "vip", "success")
    assert {step.journey_id for step in captured.steps} == {journey.id}
    assert {step.tier for step in captured.steps} <= {"vip"}


@pytest.mark.parametrize(
    ("intent", "journey", "outcome", "reason"),
    [
        (Intent.BROWSES, "browse", "success", ""),
        (Intent.BUYS, "checkout", "success", ""),
        (Intent.CARD_IS_DECLINED, "checkout", "failure", "card_declined"),
        (Intent.CANCELS, "checkout", "abandoned", ""),
    ],
)
def test_what_the_customer_sees_is_what_the_journey_says(
    notes: Notes, intent: Intent, journey: str, outcome: str, reason: str
):
    (seen,), captured = run(replace(BUYS, intent=intent, tier="standard"), notes=notes)
    (ended,) = captured.journeys
    assert (seen.journey, seen.tier, seen.outcome) == (journey, "standard", outcome)
    assert (ended.name, ended.tier, ended.outcome, ended.reason) == (journey, "standard", outcome, reason)


def test_every_request_of_a_customer_is_a_step_that_the_documents_name(notes: Notes):
    came = [replace(BUYS, intent=intent) for intent in Intent]
    seen, captured = run(*came, notes=notes)
    routes = steps_of_routes(load([EXAMPLES]))
    sent = Counter(routes[route] for each in seen for route in each.requests)
    tagged = Counter((step.journey, step.name) for step in captured.steps)
    assert {step: tagged[step] for step in sent} == dict(sent)
    assert set(tagged) - set(sent) == {("checkout", "reserve"), ("checkout", "charge")}


def test_the_bad_release_is_slow_and_fails_at_times(notes: Notes):
    seen, captured = run(*[BUYS] * 100, version=BAD_VERSION, notes=notes)
    outcomes = Counter(each.outcome for each in seen)
    assert outcomes["failure"] >= 1
    assert outcomes == Counter(each.outcome for each in captured.journeys)
    assert {each.reason for each in captured.journeys} - {""} <= {"payment_unavailable", "card_declined"}
    charges = sorted(step.duration_ns for step in captured.steps if step.name == "charge")
    assert charges[len(charges) // 2] > 150e6


def test_services_write_down_exactly_what_the_sdk_exports(notes: Notes, tmp_path: Path):
    _, captured = run(BUYS, replace(BUYS, intent=Intent.BROWSES), notes=notes)
    assert Notebook(tmp_path).written() == [
        Written(
            journey=each.name,
            id=each.id,
            tier=each.tier,
            outcome=each.outcome,
            duration_ns=each.duration_ns,
            ended_at_ns=each.start_ns + each.duration_ns,
        )
        for each in captured.journeys
    ]


def test_what_became_of_the_spans_is_written_when_a_process_stops(tmp_path: Path):
    assert Notebook(tmp_path).spans("x") is None
    with Notes(tmp_path, "x"):
        pass
    found = Notebook(tmp_path).spans("x")
    assert found is not None
    assert (found.queued, found.lost) == (0, 0)


def customers(answer: Callable[[httpx2.Request], httpx2.Response], *came: Visit) -> list[Seen]:
    """What these customers see of a shop that answers so."""

    async def come() -> list[Seen]:
        async with connect("http://shop", httpx2.MockTransport(answer)) as client:
            return [await Door(client).play(visit) for visit in came]

    return asyncio.run(come())


def test_an_answer_that_is_not_promised_is_an_unknown_outcome_with_its_reason():
    (seen,) = customers(lambda _: httpx2.Response(500, text="out of tea"), BUYS)
    assert seen.outcome == UNKNOWN
    assert "POST /checkout answered 500: out of tea" in seen.detail
    assert seen.requests == ("POST /checkout",)


def test_a_connection_that_breaks_is_an_unknown_outcome_and_is_not_tried_again():
    asked = []

    def broken(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        raise httpx2.ReadError("gone")

    (seen,) = customers(broken, BUYS)
    assert (seen.outcome, seen.detail, len(asked)) == (UNKNOWN, "ReadError: gone", 1)


def test_customers_keep_their_cookies_to_themselves():
    cookies = []

    def shop(request: httpx2.Request) -> httpx2.Response:
        cookies.append(request.headers.get("cookie", ""))
        if request.url.path == "/checkout":
            order = str(len(cookies))
            return httpx2.Response(201, json={"order": order}, headers={"set-cookie": f"j={order}; Path=/"})
        return httpx2.Response(204 if request.url.path.endswith("address") else 200)

    customers(shop, BUYS, BUYS)
    assert cookies == ["", "j=1", "j=1", "", "j=4", "j=4"]


def test_the_schedule_is_played_in_time_and_noted_line_by_line():
    during = (Phase("short", 0.0, 0.5, 1.0),)
    came = list(visits(during, rate=40, seed=5))
    notes = io.StringIO()

    def shop(request: httpx2.Request) -> httpx2.Response:
        status = {"GET": 200, "DELETE": 204}.get(request.method) or (201 if request.url.path == "/checkout" else 0)
        return httpx2.Response(status or (204 if request.url.path.endswith("address") else 200), json={"order": "1"})

    async def go() -> None:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(shop), base_url="http://shop") as client:
            doors = {region: Door(client) for region in ("eu-central", "ap-southeast")}
            await play(iter(came), doors=doors, start_at=0.0, notes=notes, stop=asyncio.Event())

    asyncio.run(go())
    noted = [json.loads(line) for line in notes.getvalue().splitlines()]
    key = lambda journey, tier, region: (journey, tier, region)
    assert Counter(key(n["journey"], n["tier"], n["region"]) for n in noted) == Counter(
        key(v.journey, v.tier, v.region) for v in came
    )


def test_customers_that_are_told_to_stop_let_nobody_else_in():
    notes = io.StringIO()

    async def go() -> None:
        stop = asyncio.Event()
        stop.set()
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(500))) as client:
            doors = {region: Door(client) for region in ("eu-central", "ap-southeast")}
            schedule = visits((Phase("long", 0.0, 1e9, 1.0),), rate=1, seed=1)
            await play(schedule, doors=doors, start_at=0.0, notes=notes, stop=stop)

    asyncio.run(go())
    assert notes.getvalue() == ""


def test_notes_are_read_as_they_grow_and_half_a_line_waits(tmp_path: Path):
    notebook = Notebook(tmp_path)
    assert notebook.read_seen() == []
    (seen,) = customers(lambda _: httpx2.Response(200), replace(BUYS, intent=Intent.BROWSES))
    line = json.dumps({**{name: getattr(seen, name) for name in Seen.__slots__}})
    cut = random.Random(1).randrange(1, len(line))
    with notebook.customers.open("w") as lines:
        lines.write(line + "\n" + line[:cut])
        lines.flush()
        assert notebook.read_seen() == [seen]
        lines.write(line[cut:] + "\n")
        lines.flush()
        assert notebook.read_seen() == [seen, seen]
