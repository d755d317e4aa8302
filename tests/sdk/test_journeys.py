import asyncio
import contextlib
import inspect
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import baggage, propagate, trace
from opentelemetry.sdk.trace import TracerProvider

import maibo
from maibo import carriers, runtime
from maibo.carriers import Identity
from maibo.testing import capture


@pytest.fixture(name="captured")
def _captured():
    with capture() as captured:
        yield captured


def outcomes(finished):
    return [(each.name, each.outcome, each.reason) for each in finished]


def test_a_block_is_a_journey_and_the_blocks_inside_are_its_steps(captured):
    with maibo.journey("checkout", tier="vip", variant="b") as journey:
        with maibo.step("basket"):
            pass
        with maibo.step("payment"):
            pass
    assert outcomes(captured.steps) == [("basket", "success", ""), ("payment", "success", "")]
    assert outcomes(captured.journeys) == [("checkout", "success", "")]
    assert {(step.journey, step.journey_id, step.tier, step.variant) for step in captured.steps} == {
        ("checkout", journey.id, "vip", "b")
    }
    whole = captured.journeys[0]
    assert (whole.id, whole.tier, whole.variant) == (journey.id, "vip", "b")
    assert sum(step.duration_ns for step in captured.steps) <= whole.duration_ns


def test_an_exception_that_leaves_a_block_is_a_failure_of_its_type_and_goes_on(captured):
    with pytest.raises(KeyError), maibo.journey("checkout"), maibo.step("payment"):
        raise KeyError("order-17")
    assert outcomes(captured.steps + captured.journeys) == [
        ("payment", "failure", "KeyError"),
        ("checkout", "failure", "KeyError"),
    ]


def test_what_is_said_on_the_journey_counts_for_the_open_step_too(captured):
    with maibo.journey("checkout"):
        with maibo.step("basket"):
            pass
        with maibo.step("payment"):
            maibo.current().fail("card_declined")
    assert outcomes(captured.steps) == [("basket", "success", ""), ("payment", "failure", "card_declined")]
    assert outcomes(captured.journeys) == [("checkout", "failure", "card_declined")]


def test_what_is_said_on_a_step_is_the_steps_alone(captured):
    with maibo.journey("checkout"), maibo.step("payment") as payment:
        payment.fail("card_declined")
    assert outcomes(captured.steps + captured.journeys) == [
        ("payment", "failure", "card_declined"),
        ("checkout", "success", ""),
    ]


def test_the_last_word_counts_even_against_an_exception(captured):
    with pytest.raises(ValueError), maibo.journey("checkout") as journey:
        journey.fail("first")
        journey.succeed()
        raise ValueError
    with maibo.journey("checkout") as journey:
        journey.abandon()
    assert outcomes(captured.journeys) == [("checkout", "success", ""), ("checkout", "abandoned", "")]


def test_a_decorated_function_is_a_journey_at_each_call(captured):
    @maibo.journey("search", tier="std")
    def search(words: str) -> str:
        """Find."""
        with maibo.step("index"):
            return words.upper()

    assert search("a") == "A"
    assert search("b") == "B"
    assert search.__doc__ == "Find."
    assert [each.tier for each in captured.journeys] == ["std", "std"]
    assert len({each.id for each in captured.journeys}) == 2


def test_one_block_object_entered_several_times_at_once_is_a_journey_and_a_step_each_time(captured):
    checkout, payment = maibo.journey("checkout"), maibo.step("payment")

    async def customer(first: float, last: float, *, fails: bool) -> str:
        await asyncio.sleep(first)
        with checkout as journey, payment as step:
            await asyncio.sleep(last)
            assert maibo.current() is journey
            if fails:
                step.fail("declined")
        assert not maibo.current()
        return journey.id

    async def main() -> list[str]:
        return await asyncio.gather(customer(0, 0.04, fails=True), customer(0.02, 0.08, fails=False))

    first, second = asyncio.run(main())
    with checkout as outer, checkout as inner, payment, payment:
        assert maibo.current() is inner is not outer
    assert [each.id for each in captured.journeys] == [first, second, inner.id, outer.id]
    assert [(each.journey_id, each.outcome) for each in captured.steps] == [
        (first, "failure"),
        (second, "success"),
        (inner.id, "success"),
        (inner.id, "success"),
    ]
    assert captured.journeys[1].duration_ns >= 75_000_000
    assert maibo.stats().internal_errors == 0


def test_a_block_object_used_around_and_inside_of_a_generator_keeps_its_journeys_apart(captured):
    checkout, payment = maibo.journey("checkout"), maibo.step("payment")

    def numbers():
        with checkout as inner:
            yield inner.id

    def parts():
        with payment:
            yield 1

    with checkout as outer, payment:
        (inner_id,) = numbers()
        assert maibo.current() is outer
        list(parts())
    assert [each.id for each in captured.journeys] == [inner_id, outer.id]
    first, last = captured.steps
    assert first.start_ns >= last.start_ns
    assert maibo.stats().internal_errors == 0


def test_several_tasks_in_blocks_of_one_journey_each_leave_their_own(captured, caplog):
    async def part(journey, seconds: float) -> None:
        with journey:
            await asyncio.sleep(seconds)
        assert not maibo.current()

    async def main() -> None:
        journey = maibo.begin("checkout")
        await asyncio.gather(part(journey, 0.01), part(journey, 0.03))

    asyncio.run(main())
    assert maibo.stats().internal_errors == 0
    assert not caplog.records, "nor has OpenTelemetry anything to complain of"


def test_what_users_get_has_nothing_more_than_they_have_a_use_for(captured):
    def public(handle) -> set[str]:
        return {name for name in dir(handle) if not name.startswith("_")}

    outcomes = {"succeed", "fail", "abandon"}
    about = {"active", "ended", "id", "name", "session", "start_ns", "tier", "user_hash", "variant"}
    assert public(maibo.begin("checkout")) == outcomes | about | {"step", "carrier", "cookie"}
    assert public(maibo.step("payment")) == outcomes | {"name", "journey"}
    assert public(maibo.journey("checkout")) == {"name"}
    assert isinstance(maibo.journey("checkout"), maibo.JourneyBlock)


def test_async_functions_are_decorated_too_and_do_not_mix(captured):
    @maibo.step("index")
    async def index(delay: float) -> str:
        await asyncio.sleep(delay)
        return maibo.current().id

    @maibo.journey("search")
    async def search(delay: float) -> bool:
        own = maibo.current().id
        return await index(delay) == own == maibo.current().id

    assert inspect.iscoroutinefunction(search)

    async def main() -> list[bool]:
        return await asyncio.gather(*(search(0.01 * n) for n in range(5)))

    assert asyncio.run(main()) == [True] * 5
    assert len(captured.journeys) == len(captured.steps) == 5


@pytest.mark.parametrize("block", [maibo.journey("stream"), maibo.step("stream")])
def test_generator_functions_cannot_be_decorated(block):
    def numbers():
        yield 1

    async def later():
        yield 1

    for function in (numbers, later):
        with pytest.raises(TypeError, match=r"generator function .*\. Use `with"):
            block(function)


def test_nothing_leaks_out_of_a_generator_that_is_suspended(captured):
    def numbers():
        with maibo.journey("inner") as inner, inner.step("count"):
            yield 1
            yield 2

    with maibo.journey("outer") as outer:
        for _ in numbers():
            assert maibo.current() is outer
            assert baggage.get_baggage("journey.ctx").startswith("outer")
    assert not maibo.current()
    assert outcomes(captured.journeys) == [("inner", "success", ""), ("outer", "success", "")]
    assert outcomes(captured.steps) == [("count", "success", "")]


def test_an_async_generator_closed_early_leaks_nothing_and_was_abandoned(captured, caplog):
    async def stream():
        with maibo.journey("export") as export, export.step("rows"):
            while True:
                yield maibo.current()

    async def main() -> None:
        rows = stream()
        assert not await anext(rows)
        assert not maibo.current()
        await asyncio.create_task(rows.aclose())  # another context than the one it began in

    asyncio.run(main())
    assert outcomes(captured.steps + captured.journeys) == [("rows", "abandoned", ""), ("export", "abandoned", "")]
    assert not caplog.records
    assert maibo.stats().internal_errors == 0


def test_a_generator_driven_by_contextlib_is_a_block_like_any_other(captured):
    @contextlib.contextmanager
    def checkout():
        with maibo.journey("checkout"):
            yield

    @contextlib.asynccontextmanager
    async def search():
        with maibo.journey("search"):
            yield

    async def main() -> None:
        async with search():
            with maibo.step("index"):
                pass

    with checkout(), maibo.step("payment"):
        pass
    asyncio.run(main())
    assert [(step.journey, step.name) for step in captured.steps] == [("checkout", "payment"), ("search", "index")]


def test_a_step_outside_of_any_journey_is_dropped_counted_and_told_once(captured, caplog):
    for _ in range(3):
        with maibo.step("payment"):
            pass
    assert captured.steps == []
    assert maibo.stats().steps_outside == 3
    assert len(caplog.records) == 1


def test_current_outside_of_any_journey_takes_everything_and_does_nothing(captured):
    nothing = maibo.current()
    assert not nothing
    nothing.fail("card_declined")
    nothing.succeed()
    nothing.abandon()
    with nothing, nothing.step("payment"):
        pass
    assert nothing.carrier() == {}
    assert nothing.cookie() == ""
    assert captured.journeys == captured.steps == []


def test_begin_does_not_end_and_an_outcome_said_outside_a_block_ends_at_once(captured):
    with maibo.begin("checkout", tier="vip") as journey, maibo.step("basket"):
        pass
    assert captured.journeys == []
    journey.fail("out_of_stock")
    journey.succeed()  # too late
    assert outcomes(captured.journeys) == [("checkout", "failure", "out_of_stock")]


def test_an_exception_that_leaves_the_block_of_a_begin_ends_it(captured):
    with pytest.raises(ValueError), maibo.begin("checkout"):
        raise ValueError
    assert outcomes(captured.journeys) == [("checkout", "failure", "ValueError")]


def test_a_begin_is_told_once_by_the_end_where_that_is_in_the_same_block_else_by_a_span_of_its_own():
    sent = []

    class Sink:
        def put(self, finished):
            sent.append((finished.step, finished.outcome, finished.started))

    runtime.activate(runtime.Runtime(sink=Sink()))
    try:
        with maibo.journey("search"):
            pass
        assert sent == [("", "success", True)]
        sent.clear()
        carrier = maibo.begin("checkout").carrier()
        assert sent == [("", "", True)]
        with maibo.resume(carrier, ends=True), maibo.step("payment"):
            pass
        assert sent[1:] == [("payment", "success", False), ("", "success", False)]
        sent.clear()
        with pytest.raises(ValueError), maibo.begin("checkout"):
            raise ValueError
        assert sent == [("", "", True), ("", "failure", False)]
    finally:
        runtime.activate(None)


@pytest.mark.parametrize("way", ["headers", "pairs", "cookie", "session", "cookies", "environ"])
def test_a_journey_resumes_from_whatever_carries_it(captured, way):
    handle = maibo.begin("a journey: ü", tier="vip", variant="b,c;d=e")
    baggage_header = handle.carrier()["baggage"]
    carrier = {
        "headers": {"Baggage": baggage_header},
        "pairs": [(b"host", b"x"), (b"baggage", b"other=1"), (b"baggage", baggage_header.encode())],
        "cookie": handle.cookie(),
        "session": {"cart": 3, "maibo-journey": handle.cookie()},
        "cookies": {"Cookie": f"a=b; maibo-journey={handle.cookie()}; c=d"},
        "environ": {"HTTP_COOKIE": f'maibo-journey="{handle.cookie()}"', "wsgi.version": (1, 0)},
    }[way]
    with maibo.resume(carrier) as journey, maibo.step("payment"):
        assert (journey.name, journey.id, journey.tier, journey.variant) == (
            "a journey: ü",
            handle.id,
            "vip",
            "b,c;d=e",
        )
    assert captured.journeys == []
    with maibo.resume(carrier):
        maibo.current().succeed()
    assert outcomes(captured.journeys) == [("a journey: ü", "success", "")]
    assert captured.journeys[0].start_ns == handle.start_ns
    assert captured.steps[0].journey_id == handle.id


def test_the_service_that_resumes_decides_whether_its_block_ends_the_journey(captured):
    carrier = maibo.begin("checkout").carrier()
    with maibo.resume(carrier, ends=False) as journey:
        journey.succeed()
    with pytest.raises(ValueError), maibo.resume(carrier):
        raise ValueError  # the service that called will hear of it
    assert captured.journeys == []
    with pytest.raises(ValueError), maibo.resume(carrier, ends=True):
        raise ValueError
    assert outcomes(captured.journeys) == [("checkout", "failure", "ValueError")]


def test_instrumented_clients_carry_the_journey_and_nothing_but_it_is_added():
    with capture():
        from opentelemetry import context as otel

        token = otel.attach(baggage.set_baggage("theirs", "1"))
        with maibo.journey("checkout", tier="vip") as journey:
            headers: dict[str, str] = {}
            propagate.inject(headers)
            extracted = baggage.get_all(propagate.extract(headers))
            assert set(extracted) == {"theirs", "journey.ctx", "journey.tier"}
            with maibo.resume(headers) as resumed:
                assert (resumed.id, resumed.tier) == (journey.id, "vip")
            with maibo.journey("other"):
                assert baggage.get_baggage("journey.tier") is None
        assert set(baggage.get_all()) == {"theirs"}
        otel.detach(token)


def test_a_step_finds_a_journey_that_a_framework_extracted(captured):
    from opentelemetry import context as otel

    headers = maibo.begin("checkout").carrier()
    token = otel.attach(propagate.extract(headers))
    with maibo.step("payment"):
        maibo.current().fail("card_declined")
    otel.detach(token)
    assert outcomes(captured.steps) == [("payment", "failure", "card_declined")]
    assert captured.journeys == [], "whoever began it ends it"


def test_threads_carry_the_journey_with_carry_several_at_once(captured):
    barrier = threading.Barrier(4, timeout=10)

    def work(n: int) -> str:
        barrier.wait()
        with maibo.step(f"part{n}"):
            return maibo.current().id

    with ThreadPoolExecutor(4) as pool, maibo.journey("checkout") as journey:
        assert set(pool.map(maibo.carry(work), range(4))) == {journey.id}
        assert not pool.submit(maibo.current).result()
    assert {step.name for step in captured.steps} == {"part0", "part1", "part2", "part3"}


def test_carry_refuses_what_it_cannot_carry():
    async def work() -> None: ...

    with pytest.raises(TypeError, match="its task carries its context"):
        maibo.carry(work)


def test_to_thread_and_tasks_carry_by_themselves(captured):
    async def main() -> None:
        with maibo.journey("checkout") as journey:
            assert await asyncio.to_thread(maibo.current) is journey
            assert await asyncio.create_task(asyncio.sleep(0, maibo.current())) is journey

    asyncio.run(main())


def test_the_hosts_current_span_stays_current_and_is_the_parent():
    records = []

    class Sink:
        put = staticmethod(records.append)

    from maibo import runtime

    runtime.activate(runtime.Runtime(sink=Sink()))
    tracer = TracerProvider().get_tracer("host")
    with tracer.start_as_current_span("request") as span, maibo.journey("checkout"), maibo.step("payment"):
        assert trace.get_current_span() is span
    assert [record.parent for record in records] == [span.get_span_context()] * 2


def test_users_become_pseudonyms_and_sessions_are_bounded():
    records = []

    class Sink:
        put = staticmethod(records.append)

    from maibo import runtime

    runtime.activate(runtime.Runtime(sink=Sink(), user_key=b"k" * 64))
    for _ in range(2):
        with maibo.journey("checkout", user="ann@example.org", session="s" * 500):
            pass
    hashes = {record.journey.user_hash for record in records}
    assert len(hashes) == 1
    assert "ann" not in hashes.pop()
    assert len(records[0].journey.session) == 128


def test_off_it_does_nothing_at_all():
    @maibo.journey("search")
    def search() -> str:
        return "found"

    with maibo.journey("checkout") as journey, maibo.step("payment") as step:
        step.fail("x")
        journey.fail("y")
        assert search() == "found"
        assert maibo.inject({"a": "b"}) == {"a": "b"}
    assert not maibo.resume({"baggage": "journey.ctx=x"})
    assert maibo.begin("x").cookie() == ""
    assert maibo.flush()
    assert maibo.stats() == maibo.Stats()


@pytest.mark.parametrize("variable", ["MAIBO_DISABLED", "OTEL_SDK_DISABLED"])
def test_the_environment_switches_it_off(monkeypatch, receiver, variable):
    monkeypatch.setenv(variable, "true")
    maibo.configure(endpoint=receiver.url)
    with maibo.journey("checkout"):
        assert not maibo.current()
    assert maibo.flush()
    assert receiver.bodies == []


def test_a_journey_that_ends_before_it_began_by_the_clocks_of_two_hosts_is_counted_and_never_looks_fast(
    captured, caplog
):
    ahead_us = time.time_ns() // 1000 + 5_000_000  # of the host that began it
    cookie = carriers.to_cookie(Identity("checkout", "a" * 32, ahead_us, "", ""))
    for _ in range(2):
        with maibo.resume(cookie, ends=True), maibo.step("payment"):
            pass
    assert all(-5_000_000_000 <= each.duration_ns < 0 for each in captured.journeys)
    assert [each.start_ns for each in captured.journeys] == [ahead_us * 1000] * 2
    assert all(each.duration_ns >= 0 for each in captured.steps), "a step has one clock"
    assert (maibo.stats().skewed, maibo.stats().internal_errors) == (2, 0)
    assert len(caplog.records) == 1
    assert "clock is behind" in caplog.text
