import asyncio
import contextlib
import time
from typing import Annotated

import httpx2
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import maibo
from maibo import runtime
from maibo.asgi import JourneyMiddleware, Route
from maibo.testing import capture

DOCUMENT = {
    "kind": "Journey",
    "metadata": {"name": "checkout"},
    "spec": {
        "timeout": "10m",
        "steps": [
            {"name": "basket", "routes": ["POST /checkout"], "begins": True},
            {"name": "address", "routes": ["POST /checkout/address"]},
            {"name": "payment", "routes": ["POST /checkout/pay/{what}"], "ends": True},
        ],
    },
}
SEARCH = {"GET /search/{what}": Route(journey="search", step="find", begins=True, ends=True)}
STEP_ONLY = {"POST /charge": Route(step="charge")}


def shop() -> FastAPI:
    app = FastAPI()

    @app.post("/checkout")
    async def checkout(status: int = 200):
        if status != 200:
            raise HTTPException(status)
        with maibo.step("reserve"):
            return {"journey": maibo.current().name, "baggage": dict(baggage.get_all())}

    @app.post("/checkout/address")
    def address():
        maibo.current().fail("unknown_street")

    @app.post("/checkout/pay/{what}")
    def pay(what: str):
        if what == "broken":
            raise ValueError(what)
        if what == "declined":
            maibo.current().fail("card_declined")
            raise HTTPException(402)
        if what.isdigit():
            raise HTTPException(int(what))

    @app.get("/search/{what}")
    async def search(what: str, tasks: BackgroundTasks):
        async def chunks():
            for _ in range(3):
                await asyncio.sleep(0.02)
                yield b"x"
                if what == "broken":
                    raise ValueError

        if what == "background":
            tasks.add_task(asyncio.sleep, 0.5)
        if what == "404":
            raise HTTPException(404)
        return StreamingResponse(chunks()) if what in {"stream", "broken"} else {}

    @app.post("/charge")
    def charge():
        maibo.current().fail("declined")

    app.add_middleware(JourneyMiddleware, routes=SEARCH | STEP_ONLY, documents=[DOCUMENT])
    return app


def client(app, base_url="http://shop"):
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url=base_url)


@pytest.fixture(name="captured")
def _captured():
    with capture() as captured:
        yield captured


def outcomes(finished):
    return [(each.name, each.outcome, each.reason) for each in finished]


async def visit(*paths: str, base_url="http://shop", app=None):
    async with client(app or shop(), base_url) as customer:
        return [await customer.request(*path.split(" ")) for path in paths]


def test_a_journey_of_several_requests_travels_in_a_cookie_and_ends_with_the_last(captured):
    first, _, last = asyncio.run(visit("POST /checkout", "POST /checkout/address", "POST /checkout/pay/card"))
    assert first.json()["journey"] == "checkout"
    assert set(first.json()["baggage"]) == {"journey.ctx"}
    assert outcomes(captured.steps) == [
        ("reserve", "success", ""),
        ("basket", "success", ""),
        ("address", "failure", "unknown_street"),
        ("payment", "success", ""),
    ]
    assert outcomes(captured.journeys) == [("checkout", "success", "")]
    assert {step.journey_id for step in captured.steps} == {captured.journeys[0].id}
    whole, last_step = captured.journeys[0], captured.steps[-1]
    assert whole.start_ns + whole.duration_ns >= last_step.start_ns + last_step.duration_ns - 1_000_000
    set_cookie = first.headers["set-cookie"]
    assert set_cookie.startswith(f"maibo-journey=checkout:{whole.id}:")
    assert set_cookie.endswith("; Max-Age=600; Path=/; HttpOnly; SameSite=Lax")
    assert last.headers["set-cookie"].startswith("maibo-journey=; Max-Age=0")
    assert "maibo-journey" not in last.cookies


def test_on_https_the_cookie_is_secure(captured):
    (answer,) = asyncio.run(visit("POST /checkout", base_url="https://shop"))
    assert answer.headers["set-cookie"].endswith("SameSite=Lax; Secure")


@pytest.mark.parametrize(
    ("secure_cookie", "scheme", "secure"),
    [(None, "http", False), (None, "https", True), (True, "http", True), (False, "https", False)],
)
def test_behind_a_proxy_that_ends_tls_the_cookie_is_as_secure_as_one_says(captured, secure_cookie, scheme, secure):
    app = JourneyMiddleware(shop_without_middleware(), documents=[DOCUMENT], secure_cookie=secure_cookie)

    async def main():
        async with client(app, f"{scheme}://shop") as customer:
            return await customer.post("/checkout", headers={"x-forwarded-proto": "https"})

    assert asyncio.run(main()).headers["set-cookie"].endswith("; Secure") == secure


@pytest.mark.parametrize("carrier", ["baggage", "cookie"])
def test_a_journey_that_is_over_its_timeout_ends_nothing_however_it_came(captured, carrier):
    hours_ago = time.time_ns() // 1000 - 20 * 3600 * 1_000_000
    headers = {
        "baggage": f"journey.ctx=checkout%3A{'a' * 32}%3A{hours_ago}",
        "cookie": f"maibo-journey=checkout:{'a' * 32}:{hours_ago}::",
    }

    async def main():
        async with client(shop()) as stranger:
            await stranger.post("/checkout/pay/card", headers={carrier: headers[carrier]})
            await stranger.post("/checkout", headers={carrier: headers[carrier]})

    asyncio.run(main())
    assert captured.journeys == []
    assert [step.name for step in captured.steps] == ["reserve", "basket"]
    assert "a" * 32 not in {step.journey_id for step in captured.steps}, "a new one began"


def test_a_service_in_the_middle_adds_its_steps_to_long_journeys_too(captured):
    hours_ago = time.time_ns() // 1000 - 2 * 3600 * 1_000_000

    async def main():
        async with client(shop()) as upstream:
            await upstream.post("/charge", headers={"baggage": f"journey.ctx=loan%3A{'a' * 32}%3A{hours_ago}"})

    asyncio.run(main())
    assert [(step.journey, step.name) for step in captured.steps] == [("loan", "charge")]


FORGED = f"journey.ctx=forged%3A{'a' * 32}%3A{{now}},theirs=1,journey%2Etier=vip"


@pytest.mark.parametrize("tracing", ["none", "outside", "inside"])
@pytest.mark.parametrize("path", ["/checkout", "/elsewhere"])
def test_an_edge_lets_no_journey_of_a_strangers_through(captured, tracing, path):
    from opentelemetry import context as otel
    from opentelemetry import propagate

    seen = {}

    def traced(app):
        """What an instrumentation does: the context of the headers, around the app."""

        async def tracing_app(scope, receive, send):
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            token = otel.attach(propagate.extract(headers))
            await app(scope, receive, send)
            otel.detach(token)

        return tracing_app

    async def handler(scope, receive, send):
        seen["baggage"] = dict(scope["headers"]).get(b"baggage")
        seen["journey"] = maibo.current().name
        seen["out"] = {}
        propagate.inject(seen["out"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = JourneyMiddleware(
        traced(handler) if tracing == "inside" else handler, documents=[DOCUMENT], trust_baggage=False
    )

    async def main():
        async with client(traced(app) if tracing == "outside" else app) as stranger:
            await stranger.post(path, headers={"baggage": FORGED.format(now=time.time_ns() // 1000)})

    asyncio.run(main())
    assert seen["baggage"] == b"theirs=1"
    assert seen["journey"] == ("checkout" if path == "/checkout" else "")
    assert "forged" not in str(seen["out"])
    assert ("theirs=1" in str(seen["out"])) == (tracing != "none"), "everybody else's baggage goes on"
    assert [step.journey for step in captured.steps] == (["checkout"] if path == "/checkout" else [])
    assert {step.tier for step in captured.steps} <= {""}


def test_an_edge_lets_no_journey_of_a_strangers_through_while_maibo_is_off():
    seen = []

    async def handler(scope, receive, send):
        seen.append(scope["headers"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def main():
        async with client(JourneyMiddleware(handler, trust_baggage=False)) as stranger:
            await stranger.get("/", headers={"baggage": "journey.ctx=forged"})

    asyncio.run(main())
    assert b"baggage" not in dict(seen[0])


@pytest.mark.parametrize(
    ("what", "step", "journey", "cookie_goes"),
    [
        ("503", ("payment", "failure", "http_503"), ("checkout", "failure", "http_503"), True),
        ("broken", ("payment", "failure", "ValueError"), ("checkout", "failure", "ValueError"), False),
        ("declined", ("payment", "failure", "card_declined"), ("checkout", "failure", "card_declined"), True),
        ("422", ("payment", "success", ""), None, False),
    ],
)
def test_the_last_step_decides_how_the_journey_ends(captured, what, step, journey, cookie_goes):
    _, answer = asyncio.run(visit("POST /checkout", f"POST /checkout/pay/{what}"))
    assert outcomes(captured.steps)[-1] == step
    assert outcomes(captured.journeys) == ([] if journey is None else [journey])
    assert ("set-cookie" in answer.headers) == cookie_goes


def test_after_a_mistake_the_customer_tries_again_on_the_same_journey(captured):
    asyncio.run(visit("POST /checkout", "POST /checkout/pay/422", "POST /checkout/pay/card"))
    assert outcomes(captured.journeys) == [("checkout", "success", "")]
    assert len({step.journey_id for step in captured.steps}) == 1


def test_a_begin_that_fails_ends_the_journey_and_one_that_is_refused_begins_none(captured):
    failed, refused = asyncio.run(visit("POST /checkout?status=503", "POST /checkout?status=400"))
    assert outcomes(captured.steps) == [("basket", "failure", "http_503"), ("basket", "success", "")]
    assert outcomes(captured.journeys) == [("checkout", "failure", "http_503")]
    assert "set-cookie" not in failed.headers
    assert "set-cookie" not in refused.headers
    assert captured.started == []


def test_a_begin_is_told_by_itself_when_its_request_does_not_end_the_journey(captured):
    asyncio.run(visit("POST /checkout", "POST /checkout/address", "GET /search/x"))
    (begun,) = captured.started
    assert (begun.name, begun.outcome) == ("checkout", "")
    assert begun.id == captured.steps[0].journey_id


def test_a_begin_goes_on_with_the_journey_under_way_until_its_timeout(captured, monkeypatch):
    async def main():
        async with client(shop()) as customer:
            await customer.post("/checkout")
            await customer.post("/checkout")
            real = time.time_ns
            monkeypatch.setattr(time, "time_ns", lambda: real() + 601 * 10**9)
            await customer.post("/checkout")

    asyncio.run(main())
    first, second, third = (step.journey_id for step in captured.steps if step.name == "basket")
    assert first == second != third


def test_a_journey_of_one_request_needs_no_cookie(captured):
    answers = asyncio.run(visit("GET /search/x", "GET /search/404"))
    assert [answer.headers.get("set-cookie") for answer in answers] == [None, None]
    assert outcomes(captured.journeys) == [("search", "success", "")] * 2


def test_a_step_lasts_until_the_response_is_complete_but_not_for_background_work(captured):
    asyncio.run(visit("GET /search/stream", "GET /search/background"))
    stream, background = captured.steps
    assert stream.duration_ns >= 60_000_000
    assert background.duration_ns < 400_000_000


def test_a_stream_that_breaks_is_a_failure(captured):
    with contextlib.suppress(Exception):  # whatever the framework makes of it
        asyncio.run(drive(shop(), "GET", "/search/broken"))
    assert [(step.name, step.outcome) for step in captured.steps] == [("find", "failure")]
    assert [journey.outcome for journey in captured.journeys] == ["failure"]


def test_a_client_that_leaves_before_the_end_has_abandoned(captured):
    async def leaves(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})

    asyncio.run(drive(JourneyMiddleware(leaves, routes=SEARCH), "GET", "/search/x"))
    assert outcomes(captured.steps + captured.journeys) == [("find", "abandoned", ""), ("search", "abandoned", "")]


def test_a_service_in_the_middle_adds_its_steps_and_nothing_else(captured):
    headers = maibo.begin("checkout", tier="vip").carrier()

    async def main():
        async with client(shop()) as upstream:
            return await upstream.post("/charge", headers=headers), await upstream.post(
                "/checkout/address", headers=headers
            )

    answers = asyncio.run(main())
    assert all("set-cookie" not in answer.headers for answer in answers)
    assert [(step.journey, step.name, step.outcome, step.tier) for step in captured.steps] == [
        ("checkout", "charge", "failure", "vip"),
        ("checkout", "address", "failure", "vip"),
    ]
    assert captured.journeys == []


def test_a_step_without_its_journey_is_dropped_and_counted(captured):
    asyncio.run(visit("POST /charge"))
    assert captured.steps == []
    assert maibo.stats().steps_outside == 1


def test_hostile_requests_are_answered_as_ever(captured):
    async def main():
        async with client(shop()) as stranger:
            for headers in (
                {"baggage": "journey.ctx=" + "%" * 5000},
                {"baggage": "journey.ctx=x:" + "a" * 32 + ":99999999999999999"},
                {"cookie": "maibo-journey=" + ":" * 100},
                {"cookie": b"maibo-journey=\xff\xfe;" * 50},
            ):
                assert (await stranger.post("/checkout", headers=headers)).status_code == 200

    asyncio.run(main())
    assert maibo.stats().internal_errors == 0
    assert maibo.stats().carriers_ignored >= 3


def test_many_requests_at_once_do_not_mix(captured):
    async def main():
        app = shop()

        async def customer():
            async with client(app) as each:
                await each.post("/checkout")
                await each.get("/search/stream")
                await each.post("/checkout/pay/card")

        await asyncio.gather(*(customer() for _ in range(20)))

    asyncio.run(main())
    checkouts = [journey.id for journey in captured.journeys if journey.name == "checkout"]
    assert len(set(checkouts)) == 20
    for id_ in checkouts:
        assert [step.name for step in captured.steps if step.journey_id == id_] == ["reserve", "basket", "payment"]


def test_frameworks_own_server_spans_are_shared_not_doubled():
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    records = []

    class Sink:
        put = staticmethod(records.append)

    runtime.activate(runtime.Runtime(sink=Sink()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace, "_TRACER_PROVIDER", provider)
        for app in (shop(), JourneyMiddleware(shop_without_middleware(), routes=SEARCH)):
            records.clear()
            exporter.clear()
            asyncio.run(visit("GET /search/x", app=app))
            servers = [span for span in exporter.get_finished_spans() if span.kind is trace.SpanKind.SERVER]
            assert len(servers) == 1
            assert {record.parent.trace_id for record in records} == {servers[0].context.trace_id}


def test_an_incoming_trace_is_joined_where_the_service_has_no_tracing():
    records = []

    class Sink:
        put = staticmethod(records.append)

    runtime.activate(runtime.Runtime(sink=Sink()))

    async def main():
        async with client(shop()) as upstream:
            await upstream.get("/search/x", headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
            await upstream.get("/search/x", headers={"traceparent": "garbage"})

    asyncio.run(main())
    assert [record.parent and f"{record.parent.trace_id:032x}" for record in records] == [
        "a" * 32,
        "a" * 32,
        None,
        None,
    ]


def test_off_requests_pass_through():
    (answer,) = asyncio.run(visit("POST /checkout"))
    assert answer.json() == {"journey": "", "baggage": {}}
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("where", ["visit", "answered", "done", "current"])
def test_an_error_of_our_own_never_reaches_the_customer(captured, monkeypatch, where):
    from maibo import asgi, blocks, steps, visits

    def broken(*_, **__):
        raise RuntimeError("ours")

    if where == "visit":
        monkeypatch.setattr(asgi, "visit", broken)
    elif where == "answered":
        monkeypatch.setattr(visits.Visit, "_find_parent", broken)
    elif where == "done":
        monkeypatch.setattr(steps.Step, "_finish", broken)
    else:
        monkeypatch.setattr(blocks, "_with_baggage", broken)
    answers = asyncio.run(visit("POST /checkout", "POST /checkout/pay/card"))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert maibo.stats().internal_errors > 0


@pytest.mark.parametrize("kind", ["silent", "refusing", "its own"])
def test_the_lifespan_flushes_whether_the_app_has_one_or_not(kind, receiver):
    maibo.configure(endpoint=receiver.url)
    with maibo.journey("checkout"):
        pass
    heard = []

    async def app(scope, receive, send):
        if kind == "refusing":
            raise RuntimeError("only http")
        if kind == "its own":
            for name in ("startup", "shutdown"):
                heard.append((await receive())["type"])
                with maibo.journey("lifespan"):
                    pass
                await send({"type": f"lifespan.{name}.complete"})

    async def main():
        messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        sent = []

        async def receive():
            return messages.pop(0)

        async def send(message):
            sent.append(message["type"])
            if message["type"] == "lifespan.shutdown.complete":
                assert len(receiver.journeys) == (3 if kind == "its own" else 1), "flushed before it is complete"

        await JourneyMiddleware(app)({"type": "lifespan"}, receive, send)
        return sent

    assert asyncio.run(main()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert heard == (["lifespan.startup", "lifespan.shutdown"] if kind == "its own" else [])


def test_an_error_in_the_apps_own_start_up_is_the_apps():
    async def app(scope, receive, send):
        await receive()
        raise RuntimeError("no database")

    async def receive():
        return {"type": "lifespan.startup"}

    async def send(message):
        raise AssertionError(message)

    with pytest.raises(RuntimeError, match="no database"):
        asyncio.run(JourneyMiddleware(app)({"type": "lifespan"}, receive, send))


def shop_without_middleware() -> FastAPI:
    app = FastAPI()

    @app.post("/checkout")
    def checkout(): ...

    @app.get("/search/{what}")
    async def search(what: str):
        return {}

    return app


async def drive(app, method, path):
    """One request by hand: httpx's transport hides what happens after the response has started."""
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [], "scheme": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "server": ("shop", 80), "client": ("c", 1)}  # fmt: skip

    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        return messages.pop() if messages else await asyncio.Event().wait()

    async def send(message): ...

    await app(scope, receive, send)


def db_sync():
    with maibo.step("db"):
        yield maibo.current().name


async def db_async():
    with maibo.step("db"):
        yield maibo.current().name


def export_sync():
    with maibo.journey("export", tier="vip"), maibo.step("rows"):
        yield


async def export_async():
    with maibo.journey("export", tier="vip"), maibo.step("rows"):
        yield


@pytest.mark.parametrize(("db", "export"), [(db_sync, export_sync), (db_async, export_async)])
def test_blocks_in_a_dependency_with_yield_count_even_when_threads_of_other_contexts_run_its_two_ends(
    captured, caplog, db, export
):
    app = FastAPI()

    @app.get("/search/{what}")
    async def search(name: Annotated[str, Depends(db)]):
        return name

    @app.get("/export")
    def rows(_: Annotated[None, Depends(export)]):
        return maibo.current().name

    async def main():
        found = await visit("GET /search/x", app=JourneyMiddleware(app, routes=SEARCH))
        exported = await visit("GET /export", app=app)
        assert not maibo.current(), "nothing of it stays"
        assert not baggage.get_all()
        return [answer.json() for answer in found + exported]

    name, inside = asyncio.run(main())
    assert name == "search"
    assert inside == ("export" if export is export_async else ""), "as the guide says"
    assert sorted(outcomes(captured.steps)) == [("db", "success", ""), ("find", "success", ""), ("rows", "success", "")]
    assert outcomes(captured.journeys) == [("search", "success", ""), ("export", "success", "")]
    assert maibo.stats().internal_errors == 0
    assert not caplog.records, "nor has OpenTelemetry anything to complain of"


def test_two_requests_at_once_that_end_one_journey_count_it_twice_as_the_guide_says(captured):
    async def main():
        app = shop()
        (first,) = await visit("POST /checkout", app=app)
        cookies = {"cookie": f"maibo-journey={first.cookies['maibo-journey']}"}
        async with client(app) as one, client(app) as other:
            await asyncio.gather(*(each.post("/checkout/pay/card", headers=cookies) for each in (one, other)))

    asyncio.run(main())
    assert [each.outcome for each in captured.journeys] == ["success", "success"]
    assert len({each.id for each in captured.journeys}) == 1
