"""KEDA's external scaler over gRPC: in this process, and as a service runs it, in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import threading
import time
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest
from prometheus_client import CollectorRegistry

from maibo_slo.documents import Catalogue
from maibo_slo.errors import MaiboError
from maibo_slo.plugins import Context
from maibo_slo.service import listen
from maibo_slo.signals import proto, supervisor
from maibo_slo.signals.answerer import Served
from maibo_slo.signals.plugin import plugin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from maibo_slo.engine.scaling.signal import Signals

SERVICE = f"/{proto.SERVICE}/"
PACKAGE = "maibo_slo.signals"


def metrics_request(ref: bytes, metric: str = "maibo-checkout-api") -> bytes:
    made = proto.message("GetMetricsRequest")(metricName=metric)
    made.scaledObjectRef.ParseFromString(ref)
    written: bytes = made.SerializeToString()
    return written


def refused(error: pytest.ExceptionInfo[grpc.RpcError]) -> tuple[grpc.StatusCode, str]:
    return error.value.code(), error.value.details()  # type: ignore[attr-defined] -- of a call that failed


# --- the messages


def test_the_messages_are_those_of_the_proto_file() -> None:
    text = (files(PACKAGE) / "externalscaler.proto").read_text()
    written = {
        name: tuple((field, kind) for kind, field in re.findall(r"^\s+(.+) (\w+) = \d+;$", body, re.MULTILINE))
        for name, body in re.findall(r"^message (\w+) \{\n(.*?)^\}$", text, re.MULTILINE | re.DOTALL)
    }
    assert written == proto.MESSAGES
    numbers = re.findall(r"= (\d+);", text.partition("message")[2])
    assert numbers == [str(n) for fields in proto.MESSAGES.values() for n, _ in enumerate(fields, 1)]


def test_numbers_and_wire_types_are_kedas() -> None:
    """Bytes as they were written by hand from the protocol: field number << 3 | wire type."""
    ref = b"\x0a\x02so" + b"\x12\x04shop" + b"\x1a\x10\x0a\x06target\x12\x06orders"
    assert proto.asked(ref) == proto.Asked("shop", "orders")
    assert proto.asked_metrics(b"\x0a" + bytes([len(ref)]) + ref + b"\x12\x01m") == proto.Asked("shop", "orders")
    assert proto.is_active(True) == b"\x08\x01"
    assert proto.metrics("m", 2) == b"\x0a\x0e" + b"\x0a\x01m" + b"\x10\x02" + b"\x19" + b"\0\0\0\0\0\0\0\x40"
    assert proto.metric_spec("m") == b"\x0a\x0e" + b"\x0a\x01m" + b"\x10\x01" + b"\x19" + b"\0\0\0\0\0\0\xf0\x3f"


# --- calls


def test_the_metric_is_one_for_each_replica(keda_face, make_signal, make_signals, keda_ref) -> None:
    keda_face.put(make_signals(make_signal(12)))
    said = proto.message("GetMetricSpecResponse").FromString(keda_face.call("GetMetricSpec", keda_ref()))
    assert [(s.metricName, s.targetSize, s.targetSizeFloat) for s in said.metricSpecs] == [("maibo-checkout-api", 1, 1)]


def test_a_stale_signal_still_has_its_metric(keda_face, make_signal, make_signals, keda_ref) -> None:
    """An HPA that is made meanwhile must not be made without it: Kubernetes would scale it by CPU."""
    keda_face.put(make_signals(make_signal(12, age=1000)))
    assert keda_face.call("GetMetricSpec", keda_ref())
    with pytest.raises(grpc.RpcError) as error:
        keda_face.call("IsActive", keda_ref())
    assert refused(error) == (
        grpc.StatusCode.UNAVAILABLE,
        "signal shop/checkout-api is stale: what it follows is 1000 s old, over 60 s",
    )
    with pytest.raises(grpc.RpcError) as error:
        keda_face.call("GetMetricSpec", keda_ref(name="other"))
    assert refused(error)[0] is grpc.StatusCode.UNAVAILABLE


def test_the_triggers_metadata_name_target_and_namespace(keda_face, make_signal, make_signals, keda_ref) -> None:
    keda_face.put(make_signals(make_signal(12)))
    ref = keda_ref(name="another", namespace="keda", target="checkout-api", namespace_="x")
    with pytest.raises(grpc.RpcError):
        keda_face.call("GetMetrics", metrics_request(ref))
    made = proto.message("ScaledObjectRef").FromString(ref)
    made.scalerMetadata["namespace"] = "shop"
    said = keda_face.call("GetMetrics", metrics_request(made.SerializeToString(), "s0-anything"))
    assert proto.message("GetMetricsResponse").FromString(said).metricValues[0].metricValue == 12
    assert keda_face.board.served == [("shop", "checkout-api", 12, "keda")]


@pytest.mark.parametrize(
    ("name", "namespace"),
    [
        ("", ""),
        ("../../etc/passwd", "shop"),
        ("checkout-api\n\x00", "shop"),
        ("'; DROP TABLE cells; --", "шоп 🛒"),
        ("x" * 50_000, "shop"),
    ],
    ids=["empty", "path", "control", "odd", "long"],
)
def test_odd_names_are_refused_with_words_of_bounded_length(
    keda_face, make_signal, make_signals, keda_ref, name, namespace
) -> None:
    keda_face.put(make_signals(make_signal(12)))
    with pytest.raises(grpc.RpcError) as error:
        keda_face.call("IsActive", keda_ref(name, namespace))
    code, words = refused(error)
    assert code is grpc.StatusCode.UNAVAILABLE
    assert words.startswith("no ScalingTarget ")
    assert len(words) < 500


def test_hostile_requests_are_refused_and_the_next_is_answered(keda_face, make_signal, make_signals, keda_ref) -> None:
    keda_face.put(make_signals(make_signal(12)))
    for request, expected in (
        (b"\xff\xff\xff", grpc.StatusCode.INVALID_ARGUMENT),
        (b"\x0a\x02\xff\xfe", grpc.StatusCode.INVALID_ARGUMENT),  # no UTF-8
        (keda_ref(huge="x" * 2**20), grpc.StatusCode.RESOURCE_EXHAUSTED),
    ):
        with pytest.raises(grpc.RpcError) as error:
            keda_face.call("IsActive", request)
        assert refused(error)[0] is expected
    with pytest.raises(grpc.RpcError) as error:
        keda_face.call("Nothing", b"")
    assert refused(error)[0] is grpc.StatusCode.UNIMPLEMENTED
    many = keda_ref(**{f"key{n}": "x" * 20 for n in range(1500)})
    assert keda_face.call("IsActive", many) == proto.is_active(True)


# --- streams


def test_a_stream_tells_transitions_alone_and_nothing_while_nobody_knows(
    keda_face, make_signal, make_signals, keda_ref
) -> None:
    keda_face.put(make_signals(make_signal(0)))
    stream = keda_face.stream("StreamIsActive", keda_ref())
    told: list[bytes] = []
    reading = threading.Thread(target=lambda: told.extend(stream))
    reading.start()
    wait_for(lambda: keda_face.call("IsActive", keda_ref()) == proto.is_active(False))
    for desired, seen in ((3, 1), (5, 1), (None, 1), (4, 1), (0, 2), (0, 2), (1, 3)):
        keda_face.put(make_signals(make_signal(4 if desired is None else desired, age=100 if desired is None else 1)))
        wait_for(lambda seen=seen: len(told) >= seen)
    keda_face.stop()
    reading.join(20)
    assert told == [proto.is_active(True), proto.is_active(False), proto.is_active(True)]
    assert stream.code() is grpc.StatusCode.OK


def test_streams_before_the_first_decision_wait_for_it(keda_face, make_signal, make_signals, keda_ref) -> None:
    keda_face.put(make_signals(at=None))
    active, spec = (keda_face.stream(name, keda_ref()) for name in ("StreamIsActive", "StreamMetricSpec"))
    keda_face.put(make_signals(make_signal(12)))
    assert next(active) == proto.is_active(True)
    assert next(spec) == keda_face.call("GetMetricSpec", keda_ref())
    keda_face.stop()
    assert [*active, *spec] == []
    assert (active.code(), spec.code()) == (grpc.StatusCode.OK, grpc.StatusCode.OK)


@pytest.mark.parametrize("method", ["StreamIsActive", "StreamMetricSpec"])
def test_a_stream_of_a_target_that_is_not_known_or_no_more_ends_with_words(
    keda_face, make_signal, make_signals, keda_ref, method
) -> None:
    keda_face.put(make_signals(make_signal(12)))
    known, unknown = (keda_face.stream(method, keda_ref(name)) for name in ("checkout-api", "ghost"))
    with pytest.raises(grpc.RpcError) as error:
        next(unknown)
    said = grpc.StatusCode.UNAVAILABLE, "no ScalingTarget 'ghost' in namespace 'shop'; there are: shop/checkout-api"
    assert refused(error) == said
    assert next(known)
    if method == "StreamIsActive":
        keda_face.put(make_signals(make_signal(12, target="other")))
        with pytest.raises(grpc.RpcError) as error:
            next(known)
        assert refused(error)[0] is grpc.StatusCode.UNAVAILABLE


def wait_for(true: Callable[[], bool], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.005)


# --- as a service runs it


class Hanging:
    """A store that never answers: whoever touches it hangs with it."""

    def __getattr__(self, name: str) -> Any:
        threading.Event().wait(60)
        raise AssertionError(f"store.{name} was asked")


@dataclass
class Service:
    """The plugin's task, in a service whose store hangs."""

    folder: Path
    options: dict[str, str]
    targets: dict[str, Any] = field(default_factory=dict)
    signals: Signals | None = None
    parts: list[tuple[str, str | None]] = field(default_factory=list)
    announced: dict[str, str] = field(default_factory=dict)
    served: list[tuple[str, str, int, str]] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        self.stopping = asyncio.Event()
        context = Context(
            store=Hanging(),  # type: ignore[arg-type] -- it stands for one that nothing reaches
            data_dir=self.folder,
            catalogue=lambda: Catalogue(scaling_targets=self.targets),
            options={option.name: option.default for option in plugin().options} | self.options,
            registry=CollectorRegistry(),
            report=lambda part, error: self.parts.append((part, error)),
            stopping=self.stopping,
            listen=lambda *told, **more: listen.listen(*told, **more, patience=0.0),
            announce=self.announced.__setitem__,
            signals=lambda: self.signals,
            served=lambda *told: self.served.append(told),
        )
        task = asyncio.create_task(supervisor.run(context))
        try:
            while not self.parts and not task.done():
                await asyncio.sleep(0.01)
            if task.done():
                await task
            yield task
        finally:
            self.stopping.set()
            with contextlib.suppress(MaiboError):
                await asyncio.wait_for(task, 20)


@pytest.fixture
def service(tmp_path: Path, make_target: Callable[..., Any]) -> Service:
    return Service(tmp_path, {"keda": "127.0.0.1:0"}, {"checkout-api": make_target()})


async def until(true: Callable[[], Any], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


async def answered(channel: grpc.aio.Channel, ref: bytes, replicas: int) -> None:
    """Ask until it is this: signals are on their way to the answerer."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(grpc.RpcError):
                said = await channel.unary_unary(f"{SERVICE}GetMetrics")(metrics_request(ref), timeout=5)
                if said == proto.metrics("maibo-checkout-api", replicas):
                    return
            await asyncio.sleep(0.01)


def test_a_service_whose_store_hangs_answers_while_fresh_then_refuses(
    service, make_signal, make_signals, keda_ref
) -> None:
    async def scenario() -> tuple[grpc.StatusCode, str, float]:
        async with service.running(), grpc.aio.insecure_channel(service.announced["keda"]) as channel:
            at = time.time()
            service.signals = make_signals(make_signal(12, at=at, age=0.0, max_age_seconds=1.5), at=at)
            await answered(channel, keda_ref(), 12)
            await until(lambda: service.served)
            active = channel.unary_unary(f"{SERVICE}IsActive")
            assert await active(keda_ref(), timeout=5) == proto.is_active(True)
            await asyncio.sleep(max(0.0, at + 1.6 - time.time()))  # the process's own clock
            begun = time.perf_counter()
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await active(keda_ref(), timeout=5)
            return error.value.code(), error.value.details() or "", time.perf_counter() - begun

    code, words, seconds = asyncio.run(scenario())
    assert code is grpc.StatusCode.UNAVAILABLE
    assert words.startswith("signal shop/checkout-api is stale: what it follows is ")
    assert seconds < 1
    assert service.served[0] == ("shop", "checkout-api", 12, "keda")
    assert set(service.parts) == {("signals", None)}


def test_streams_end_with_ok_when_the_service_stops(service, make_signal, make_signals, keda_ref) -> None:
    async def scenario() -> grpc.StatusCode:
        async with service.running():
            at = time.time()
            service.signals = make_signals(make_signal(3, at=at), at=at)
            channel = grpc.aio.insecure_channel(service.announced["keda"])
            stream = channel.unary_stream(f"{SERVICE}StreamIsActive")(keda_ref(), timeout=20)
            told = aiter(stream)
            assert await anext(told) == proto.is_active(True)
        assert [each async for each in told] == []
        code: grpc.StatusCode = await stream.code()
        await channel.close()
        return code

    assert asyncio.run(scenario()) is grpc.StatusCode.OK


def test_keda_polls_while_targets_come_and_go(service, make_signal, make_signals, keda_ref) -> None:
    """A KEDA of 20 ScaledObjects: three calls a poll, a failing one again at once; every answer is a number that was decided, or a refusal."""
    names = [f"target-{n}" for n in range(20)]
    decided = {name: {0} for name in names}
    wrong: list[tuple[str, int]] = []
    counts = {"ok": 0, "refused": 0, "failed": 0}

    def decide(number: int) -> None:
        at = time.time()
        found = [
            make_signal(number * 7 % 50, at=at, age=1.0 if n % 5 else 100.0, target=name)
            for n, name in enumerate(names)
        ]
        for each in found:
            decided[each.target].add(each.desired_replicas)
        service.signals = make_signals(*found, at=at)

    async def poll(channel: grpc.aio.Channel, name: str) -> None:
        ref = keda_ref(name)
        for method, request in (("GetMetricSpec", ref), ("GetMetrics", metrics_request(ref)), ("IsActive", ref)):
            for _ in range(2):
                try:
                    said = await channel.unary_unary(SERVICE + method)(request, timeout=5)
                except grpc.aio.AioRpcError as error:
                    counts["refused" if error.code() is grpc.StatusCode.UNAVAILABLE else "failed"] += 1
                    continue
                counts["ok"] += 1
                if method == "GetMetrics":
                    (value,) = proto.message("GetMetricsResponse").FromString(said).metricValues
                    if value.metricValue not in decided[name]:
                        wrong.append((name, value.metricValue))
                break

    async def scenario() -> None:
        async with service.running(), grpc.aio.insecure_channel(service.announced["keda"]) as channel:
            for number in range(1, 9):
                decide(number)
                await asyncio.gather(*(poll(channel, name) for name in names))

    asyncio.run(scenario())
    assert (wrong, counts["failed"]) == ([], 0)
    assert counts["ok"] + counts["refused"] >= 8 * 20 * 3
    assert counts["ok"] > 100
    assert counts["refused"] > 0


def test_without_targets_no_port_is_taken_until_there_is_one(service, make_target) -> None:
    async def scenario() -> None:
        service.targets = {}
        with socket.create_server(("127.0.0.1", 0)) as taken:
            service.options["keda"] = f"127.0.0.1:{taken.getsockname()[1]}"
            async with service.running() as task:
                assert service.parts[0] == ("signals", None)
                taken.close()
                service.targets = {"checkout-api": make_target()}
                await until(lambda: service.announced or task.done())
                assert service.announced == service.options

    asyncio.run(scenario())


def test_a_port_that_is_taken_is_told_with_the_setting(service) -> None:
    async def scenario(address: str) -> None:
        service.options["keda"] = address
        async with service.running():
            pass

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(MaiboError, match="choose another with --keda"):
        asyncio.run(scenario(f"127.0.0.1:{taken.getsockname()[1]}"))


@pytest.mark.parametrize("off", ["", "off"])
def test_it_can_be_turned_off(service, off) -> None:
    async def scenario() -> None:
        service.options["keda"] = off
        async with service.running():
            assert service.parts == [("signals", None)]
        assert service.announced == {}

    asyncio.run(scenario())


def test_an_answerer_that_is_killed_ends_the_task_so_that_it_is_started_again(service, monkeypatch) -> None:
    started: list[int] = []
    real = supervisor._started

    async def noted(process: Any) -> int:
        started.append(process.pid)
        return await real(process)

    monkeypatch.setattr(supervisor, "_started", noted)

    async def scenario() -> None:
        async with service.running() as task:
            os.kill(started[0], signal.SIGKILL)
            with pytest.raises(MaiboError, match=r"the process that answers KEDA ended \(-9\)"):
                await asyncio.wait_for(asyncio.shield(task), 20)

    asyncio.run(scenario())


def test_what_is_served_is_told_when_it_is_new_and_every_ten_seconds() -> None:
    now, told = [0.0], []
    served = Served(lambda *what: told.append((now[0], *what)), lambda: now[0])
    for at, replicas in ((0.0, 3), (1.0, 3), (2.0, 4), (3.0, 3), (12.9, 3), (13.0, 3)):
        now[0] = at
        served("shop", "checkout-api", replicas)
    assert [(at, replicas) for at, _, _, replicas in told] == [(0.0, 3), (2.0, 4), (3.0, 3), (13.0, 3)]
    served("shop", "other", 3)
    assert told[-1][2] == "other"


def test_a_signal_keeps_on_the_pipe_what_its_freshness_hangs_on(make_signal, make_signals) -> None:
    from maibo_slo.signals import wire

    sent = make_signals(make_signal(12, target="a"), refused="no demand")
    got = wire.unpacked(wire.packed(sent))
    assert got is not None
    kept = {
        name: getattr(sent.by_target["shop", "a"], name)
        for name in ("desired_replicas", "observed_at", "max_age_seconds")
    }
    assert {name: getattr(got.by_target["shop", "a"], name) for name in kept} == kept
    assert replace(got, by_target={}) == replace(sent, by_target={})
    assert getattr(got.by_target["shop", "checkout-api"], "why", None) == "no demand"
    assert wire.unpacked(wire.packed(None)) is None
