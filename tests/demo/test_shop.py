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
from maibo_slo.demo.evidence import Written
from maibo_slo.demo.expected import Event, expected
from maibo_slo.demo.load import UNKNOWN, Door, Seen, connect, play
from maibo_slo.demo.notebook import Notebook
from maibo_slo.demo.schedule import Intent, Phase, Visit, visits
from maibo_slo.demo.server import EXAMPLES
from maibo_slo.demo.shop import BAD_VERSION, GOOD_VERSION
from maibo_slo.demo.shop.__main__ import shop_app
from maibo_slo.demo.shop.notes import Identity, Notes
from maibo_slo.demo.watch import tags
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
        identity = Identity(f"{service}-1", service, version, "eu-central")
        app = shop_app(identity, client, next_url=behind, seed="1", notes=notes, documents=EXAMPLES)
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
    routes = tags(load([EXAMPLES]))
    sent = Counter((routes[route].journey, routes[route].step) for each in seen for route in each.requests)
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


def events(folder: Path) -> list[Event]:
    """What the services' own request lines make."""
    return expected(Notebook(folder).requests(), tags(load([EXAMPLES])))


def test_services_write_down_what_the_sdk_says_of_journeys(notes: Notes, tmp_path: Path):
    seen, captured = run(BUYS, replace(BUYS, intent=Intent.BROWSES), notes=notes)
    visits = {each.journey: each.visit for each in seen}
    assert Notebook(tmp_path).written() == [
        Written(visits[each.name], each.name, each.tier, each.outcome, each.duration_ns) for each in captured.journeys
    ]


@pytest.mark.parametrize("version", [GOOD_VERSION, BAD_VERSION])
def test_the_services_own_lines_make_the_events_that_the_sdk_tells(notes: Notes, tmp_path: Path, version: str):
    came = [replace(BUYS, intent=intent, tier=tier) for intent in Intent for tier in ("vip", "standard")]
    _, captured = run(*came, *[BUYS] * 20, version=version, notes=notes)
    told = [(each.journey, each.name, each.tier, each.outcome) for each in captured.steps]
    told += [(each.name, "", each.tier, each.outcome) for each in captured.journeys]
    own = [(*(getattr(each.series, x) for x in ("journey", "step", "tier")), each.outcome) for each in events(tmp_path)]
    assert Counter(own) == Counter(told)


def test_the_services_own_clocks_enclose_the_sdks(notes: Notes, tmp_path: Path):
    seen, captured = run(BUYS, replace(BUYS, intent=Intent.BROWSES), notes=notes)
    own = {(each.series.journey, each.series.step): each.duration for each in events(tmp_path)}
    told = {(each.journey, each.name): each.duration_ns for each in captured.steps}
    told |= {(each.name, ""): each.duration_ns for each in captured.journeys}
    assert set(own) == set(told)
    slack = 20_000  # unix time is cut to microseconds where a journey crosses requests
    assert all(own[place].low_ns - slack <= told[place] <= own[place].high_ns + slack for place in own)
    assert all(each.high_ns - each.low_ns < 50_000_000 for each in own.values())
    requests = {each.visit: each for each in Notebook(tmp_path).requests()}
    assert all(each.began_ns <= requests[each.visit].answered_ns <= each.ended_ns for each in seen)


def test_services_write_down_the_same_when_nothing_is_carried(
    notes: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(maibo, "inject", lambda carrier: carrier)
    _, captured = run(BUYS, notes=notes)
    assert [each.name for each in captured.steps] == ["basket", "address", "payment"]
    assert [each.series.step for each in events(tmp_path)] == [
        *("reserve", "basket", "address", "charge", "payment", ""),
    ]
    assert {each.series.tier for each in events(tmp_path)} == {"vip"}


def test_a_request_that_breaks_is_written_down_as_a_failure(notes: Notes, tmp_path: Path):
    async def ask() -> None:
        broken = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(500)))
        identity = Identity("storefront-eu", "storefront", GOOD_VERSION, "eu-central")
        app = shop_app(identity, broken, next_url="http://cart", seed="1", notes=notes, documents=EXAMPLES)
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://shop") as client:
            answer = await client.post("/checkout", headers={"x-visit": "v", "x-customer-tier": "vip"})
            assert answer.status_code == 500
            await client.get("/-/spans")

    with maibo.testing.capture(on_journey_end=notes.journey_ended):
        asyncio.run(ask())
    (request,) = Notebook(tmp_path).requests()
    assert (request.visit, request.tier, request.route, request.status) == ("v", "vip", "POST /checkout", 500)
    assert request.came_ns <= request.entered_ns <= request.left_ns <= request.sent_ns
    step, journey = events(tmp_path)
    assert (step.outcome, journey.outcome, journey.series.step) == ("failure", "failure", "")
    (told,) = Notebook(tmp_path).written()
    assert journey.duration.low_ns <= told.duration_ns <= journey.duration.high_ns


def test_what_became_of_the_spans_is_written_when_a_process_stops(tmp_path: Path):
    assert Notebook(tmp_path).spans("x") is None
    with Notes(tmp_path, "x"):
        pass
    found = Notebook(tmp_path).spans("x")
    assert found is not None
    assert (found.queued, found.problems["lost"]) == (0, 0)


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
