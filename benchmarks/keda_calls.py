"""What does KEDA wait for maibo? 1,000 calls a second against the process that answers it, while a service works beside it.

A KEDA-shaped client asks three calls a poll (GetMetricSpec, GetMetrics, IsActive) of 200 ScaledObjects over one connection, and a failing one again at once. The
service ticks twice a second and computes in between, as an engine does. Half-way its store hangs: no tick ends any more, so targets with a short ``maxAge`` go
stale, and are refused, while the rest are answered from memory. Each answer is checked: a number that the engine decided, or UNAVAILABLE.

The same client asks a bare gRPC echo at the same time (a tenth of the calls): `ratio` is how much of the time is maibo's. Fails on a wrong answer, and where no signal went stale.

    python benchmarks/keda_calls.py --json
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import grpc
import grpc.aio
from prometheus_client import CollectorRegistry

from maibo_slo.documents import Catalogue
from maibo_slo.documents.scaling_kinds import CapacitySpec, ScalingTarget
from maibo_slo.engine.scaling.inputs import Decision, Inputs
from maibo_slo.engine.scaling.signal import ScalingSignal, Signals
from maibo_slo.plugins import Context
from maibo_slo.service import listen
from maibo_slo.signals import proto, supervisor
from maibo_slo.signals.plugin import plugin
from maibo_slo.store import open_store, segments
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from maibo_slo.store import Store

TARGETS: Final = 200
TICK_SECONDS: Final = 0.5
BUSY: Final = 0.3
"""Share of a core that the service's own Python takes."""
TARGET_P99_MS: Final = 5.0
METHODS: Final = ("GetMetricSpec", "GetMetrics", "IsActive")
ECHO: Final = "/bare/Echo"


@dataclass(slots=True)
class Outcome:
    """Of one load."""

    milliseconds: list[float] = field(default_factory=list)
    refused: int = 0
    retried: int = 0
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def quantile(self, level: float) -> float:
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(level * len(ordered)))]


def desired_of(target: str, tick: int) -> int:
    """What the engine decides: known to both sides, so that no answer goes unchecked."""
    return 1 + (int(target.rpartition("-")[2]) + tick) % 40


def right(target: str, replicas: int) -> bool:
    return 1 <= replicas <= 40 and target.startswith("target-")


# --- the service


class Engine(threading.Thread):
    """Decides twice a second from a store, and computes; until the store hangs."""

    def __init__(self, folder: Path, short_age: float) -> None:
        super().__init__(daemon=True)
        self.folder = folder
        self.short_age = short_age
        self.signals: Signals | None = None
        self.hangs = threading.Event()

    def run(self) -> None:
        tick = 0
        with open_store(f"chdb://{self.folder / 'store'}") as store:
            while True:
                if self.hangs.is_set():
                    threading.Event().wait()  # as a call into a store that does not answer
                segments.totals(store)
                at = time.time()
                targets = [f"target-{n}" for n in range(TARGETS)]
                self.signals = Signals(at, {("shop", name): self._signal(name, tick, at) for name in targets})
                tick += 1
                computed = time.thread_time() + BUSY * TICK_SECONDS
                while time.thread_time() < computed:
                    sum(range(1000))
                time.sleep(max(0.0, at + TICK_SECONDS - time.time()))

    def _signal(self, name: str, tick: int, at: float) -> ScalingSignal:
        desired = desired_of(name, tick)
        return ScalingSignal(
            target=name,
            workload=Workload("shop", "Deployment", name),
            desired_replicas=desired,
            lower=desired,
            upper=desired,
            least=1,
            most=40,
            reason="",
            observed_at=at,
            decided_at=at,
            max_age_seconds=self.short_age if name.endswith("0") else 60.0,
            decision=Decision(desired, desired, desired, (), "", ""),
            inputs=Inputs(at),
        )


def serve(told: Connection, short_age: float) -> None:
    """The service's process: says its address, is told when the store hangs, and when it is over."""

    async def main(folder: Path) -> None:
        engine, stopping, served = Engine(folder, short_age), asyncio.Event(), 0
        engine.start()

        def note(*_: object) -> None:
            nonlocal served
            served += 1

        target = ScalingTarget(
            "any", "", "", Workload("shop", "Deployment", "any"), ("any",), (), (), (), CapacitySpec(fixed=1.0), 1, 40
        )
        context = Context(
            store=cast("Store", None),  # nothing of the face may ask it
            data_dir=folder,
            catalogue=lambda: Catalogue(scaling_targets={"any": target}),
            options={option.name: option.default for option in plugin().options} | {"keda": "127.0.0.1:0"},
            registry=CollectorRegistry(),
            report=lambda *_: None,
            stopping=stopping,
            listen=listen.listen,
            announce=lambda _, address: told.send(address),
            signals=lambda: engine.signals,
            served=note,
        )
        task = asyncio.create_task(supervisor.run(context))
        while (said := await asyncio.to_thread(told.recv)) != "stop":
            if said == "hang":
                engine.hangs.set()
        stopping.set()
        await task
        told.send(served)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder)))


def echo(told: Connection, _: float) -> None:
    """A bare server: what gRPC and this client alone cost."""

    async def main() -> None:
        async def back(request: bytes, _: object) -> bytes:
            return request

        server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(back)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bare", {"Echo": handler}),))
        told.send(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
        await server.start()
        await asyncio.to_thread(told.recv)
        await server.stop(0)

    asyncio.run(main())


# --- the client


def ref_of(target: str) -> bytes:
    metadata = {"scalerAddress": "maibo.monitoring.svc:6000", "target": target}
    made = proto.message("ScaledObjectRef")(name=target, namespace="shop", scalerMetadata=metadata)
    written: bytes = made.SerializeToString()
    return written


def request_of(method: str, target: str) -> bytes:
    if method != "GetMetrics":
        return ref_of(target)
    made = proto.message("GetMetricsRequest")(metricName=f"maibo-{target}")
    made.scaledObjectRef.ParseFromString(ref_of(target))
    written: bytes = made.SerializeToString()
    return written


async def load(address: str, *, rate: int, seconds: float, bare: bool = False, half_way: Any = None) -> Outcome:
    """So many calls a second, begun on time whatever became of those before."""
    outcome = Outcome()
    asked = [(method, f"target-{n}") for n in range(TARGETS) for method in METHODS]
    requests = [(method, target, request_of(method, target)) for method, target in asked]
    async with grpc.aio.insecure_channel(address) as channel:
        call = {method: channel.unary_unary(ECHO if bare else f"/{proto.SERVICE}/{method}") for method in METHODS}

        async def one(method: str, target: str, request: bytes) -> None:
            for attempt in range(2):
                begun = time.perf_counter()
                try:
                    said = await call[method](request)  # KEDA sets no deadline either
                except grpc.aio.AioRpcError as error:
                    outcome.milliseconds.append((time.perf_counter() - begun) * 1000)
                    outcome.refused += 1
                    outcome.retried += attempt == 0
                    if error.code() is not grpc.StatusCode.UNAVAILABLE or not target.endswith("0"):
                        outcome.wrong.append(f"{method} {target}: {error.code()} {error.details()}")
                    continue
                outcome.milliseconds.append((time.perf_counter() - begun) * 1000)
                if not bare and method == "GetMetrics":
                    (value,) = proto.message("GetMetricsResponse").FromString(said).metricValues
                    if not right(target, value.metricValue):
                        outcome.wrong.append(f"{target}: {value.metricValue}")
                return

        for method in METHODS:  # the connection is there before it is timed
            await call[method](request_of(method, "target-1"), timeout=30, wait_for_ready=True)
        loop, running = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        begun = loop.time()
        total = int(rate * seconds)
        for number in range(total):
            wait = begun + number / rate - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            if half_way is not None and number == total // 2:
                half_way()
            task = asyncio.create_task(one(*requests[number % len(requests)]))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)
        outcome.seconds = loop.time() - begun
    return outcome


async def until_decided(address: str) -> None:
    """The first tick is a moment after the start."""
    async with grpc.aio.insecure_channel(address) as channel, asyncio.timeout(60):
        while True:
            try:
                await channel.unary_unary(f"/{proto.SERVICE}/IsActive")(ref_of("target-1"), timeout=5)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.05)
            else:
                return


async def both(
    echo_address: str, address: str, service: Connection, *, rate: int, seconds: float
) -> tuple[Outcome, Outcome]:
    """At the same time, so that both bear the same company; the echo gets a tenth of the calls."""
    await until_decided(address)
    return await asyncio.gather(
        load(echo_address, rate=max(1, rate // 10), seconds=seconds, bare=True),
        load(address, rate=rate, seconds=seconds, half_way=lambda: service.send("hang")),
    )


def measure(rate: int, seconds: float, short_age: float) -> dict[str, Any]:
    spawn = multiprocessing.get_context("spawn")
    ends, processes = [], []
    try:
        for target in (echo, serve):
            ours, theirs = spawn.Pipe()
            processes.append(spawn.Process(target=target, args=(theirs, short_age)))
            processes[-1].start()
            ends.append(ours)
        of_echo, of_service = ends
        bare, keda = asyncio.run(both(of_echo.recv(), of_service.recv(), of_service, rate=rate, seconds=seconds))
        for end in ends:
            end.send("stop")
        served = of_service.recv()
        for process in processes:
            process.join(30)
    finally:
        for process in processes:
            process.kill()
    return {
        "calls": len(keda.milliseconds),
        "calls_per_s": round(len(keda.milliseconds) / keda.seconds, 1),
        "p50_ms": round(keda.quantile(0.5), 3),
        "p99_ms": round(keda.quantile(0.99), 3),
        "echo_p50_ms": round(bare.quantile(0.5), 3),
        "echo_p99_ms": round(bare.quantile(0.99), 3),
        "p50_ratio": round(keda.quantile(0.5) / bare.quantile(0.5), 2),
        "p99_ratio": round(keda.quantile(0.99) / bare.quantile(0.99), 2),
        "refused": keda.refused,
        "retried": keda.retried,
        "served_told": served,
        "wrong": len(keda.wrong),
        "first_wrong": keda.wrong[:3],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=1000, help="calls a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--max-age", type=float, default=2.0, help="seconds, of every tenth target; the others' is 60")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measure(arguments.rate, arguments.seconds, arguments.max_age)
    if arguments.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:>14}  {value}")
        print(f"{'target':>14}  p99_ms ≤ {TARGET_P99_MS:g}")
    if found["wrong"] or not found["refused"]:
        sys.exit("wrong answers" if found["wrong"] else "no signal went stale: nothing was tried")


if __name__ == "__main__":
    main()
