"""From the start of a flash crowd to the changed answer, through everything: SDK, OTLP, log, cells, engine, gRPC.

    python benchmarks/signal_latency.py                  # 60 crowds in six and a half minutes; a table
    python benchmarks/signal_latency.py --crowds 20      # sooner
    python benchmarks/signal_latency.py --json           # p50_s, p99_s, keda_call_p99_ms, ...

A real `maibo serve` on an embedded store, and services in processes of their own, each tagged with the SDK. Each serves a few journeys a second, which
one replica carries; at moments that no other part knows of it serves a crowd for some seconds. A client like KEDA's asks for every target's metric 25
times a second, and others ask the JSON and /metrics. A latency is from the moment at which the crowd's first journey begins to the end of the first call that
answers more replicas than before; `settled` to the first that answers nine tenths of what the crowd needs; `peak` is the highest answer that a crowd got, in
what it needs: over 1 is too high. `baseline` is what a scaler would need that
polls a rate over whole 10 s buckets once they are closed, from the same crowds: the least that it could. After the crowds, while the services go on, the
client asks 1,000 times a second, evenly and over one connection, as KEDA has one: keda_call_p99_ms.
A tenth as often it asks a bare gRPC echo at the same time: echo_call_p99_ms is what gRPC, this client and cores that all share cost by themselves.

Target: p99_s of every face at most 2, keda_call_p99_ms at most 5, peak_max at most 1.2. The exit code says whether they hold.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import multiprocessing
import random
import sys
import time
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from crowds import CAPACITY, journey, paced, served, target

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

SERVICES = 10
CALM_PER_SECOND, CROWD_PER_SECOND = 5, 80
"""A calm needs 1 replica, a crowd 10."""
CROWD_SECONDS = 4.0
CALM_SECONDS = (44.0, 50.0)
"""Between two crowds of a service, at random: long enough for the one before to have left what demand is made of, three whole buckets, up to 42 s."""
WARM_UP_SECONDS = 45.0
BUCKET_SECONDS = 10
PATIENCE_SECONDS = 15.0
KEDA_SECONDS = 0.04
LOAD_CALLS_PER_SECOND, LOAD_SECONDS = 1000, 10.0
PLAIN_SECONDS, METRICS_SECONDS = 0.05, 0.25
LIMITS = {"p99_s": 2.0, "json_p99_s": 2.0, "prometheus_p99_s": 2.0, "keda_call_p99_ms": 5.0, "peak_max": 1.2}
METHOD = "/externalscaler.ExternalScaler/GetMetrics"


@dataclass(slots=True)
class Answers:
    """Each answer of one face about one target: when it came, and the number."""

    at: list[float] = field(default_factory=list)
    replicas: list[int] = field(default_factory=list)

    def put(self, replicas: int) -> None:
        self.at.append(time.time())
        self.replicas.append(replicas)

    def first_over(self, least: float, begin: float, *, until: float) -> float | None:
        """Seconds from `begin` to the first answer over `least`."""
        first = int(np.searchsorted(self.at, begin))
        for at, replicas in zip(self.at[first:], self.replicas[first:], strict=True):
            if at > until:
                return None
            if replicas > least:
                return at - begin
        return None

    def peak(self, begin: float, *, until: float) -> int:
        """The highest answer between."""
        first, last = np.searchsorted(self.at, (begin, until))
        return max(self.replicas[first:last], default=0)

    def before(self, begin: float) -> int:
        """What was answered last before."""
        last = int(np.searchsorted(self.at, begin)) - 1
        return self.replicas[last] if last >= 0 else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="How soon a flash crowd changes what scalers are told.")
    parser.add_argument("--crowds", type=int, default=60, help="at least so many [default: 60]")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--serve-journeys", nargs=3, metavar=("NAME", "ENDPOINT", "SCHEDULE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve_journeys:
        name, endpoint, schedule = arguments.serve_journeys
        serve_journeys(name, endpoint, json.loads(schedule))
        return 0
    result = asyncio.run(measure(arguments.crowds, arguments.seed))
    if arguments.json:
        print(json.dumps(result))
    else:
        show(result)
    return 0 if all(result[name] is not None and result[name] <= limit for name, limit in LIMITS.items()) else 1


def serve_journeys(name: str, endpoint: str, crowds: Sequence[float]) -> None:
    """A service: journeys at a steady rate, and at a crowd's from each of these moments (unix s) on. Runs until it is ended."""
    import maibo

    maibo.configure(service=name, version="1", endpoint=endpoint)
    for due in paced(time.time(), crowds, seconds=CROWD_SECONDS, calm=CALM_PER_SECOND, crowd=CROWD_PER_SECOND):
        time.sleep(max(0.0, due - time.time()))
        with maibo.journey(name), maibo.step("work"):
            pass


async def measure(crowds: int, seed: int) -> dict[str, Any]:
    import httpx2
    import keda_calls

    from maibo_slo.demo.children import free_port

    names = [f"service-{number}" for number in range(SERVICES)]
    schedule = moments(names, crowds, random.Random(seed))
    last = max(begin for begins in schedule.values() for begin in begins) + CROWD_SECONDS + PATIENCE_SECONDS
    documents = "".join(journey(name, "work") + target(name, of=name) for name in names)
    keda = free_port(0)
    async with served(documents, "--keda", f"127.0.0.1:{keda}") as running:
        children, server = running.children, running.server
        origin = time.time() + WARM_UP_SECONDS
        begins = {name: [origin + each for each in schedule[name]] for name in names}
        for name in names:
            own = [sys.executable, __file__, "--serve-journeys", name, server.otlp, json.dumps(begins[name])]
            children.start(name, own)
        faces: dict[str, dict[str, Answers]] = {
            face: {name: Answers() for name in names} for face in ("keda", "json", "prometheus")
        }
        calls: list[float] = []
        bare: list[float] = []
        async with httpx2.AsyncClient(base_url=server.url, trust_env=False, timeout=10) as http:
            address = f"127.0.0.1:{keda}"
            asking = [
                *(ask_keda(address, name, KEDA_SECONDS, faces["keda"][name]) for name in names),
                *(ask_json(http, name, faces["json"][name]) for name in names),
                ask_metrics(http, faces["prometheus"]),
            ]
            await until(origin + last, asking, children.check)
        gc.collect()
        gc.freeze()  # a pause of the client's own is none of maibo's
        with echoing() as echo:
            asking = [
                ask_evenly(address, METHOD, [keda_request(name) for name in names], LOAD_CALLS_PER_SECOND, calls),
                ask_evenly(echo, keda_calls.ECHO, [b""], LOAD_CALLS_PER_SECOND / 10, bare),
            ]
            await until(time.time() + LOAD_SECONDS, asking, children.check)
    return figures(begins, faces) | of_calls("keda", calls) | of_calls("echo", bare)


@contextlib.contextmanager
def echoing() -> Iterator[str]:
    """A bare server in a process of its own: its address."""
    import keda_calls

    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=keda_calls.echo, args=(theirs, 0.0))
    process.start()
    try:
        yield ours.recv()
        ours.send("stop")
        process.join(10)
    finally:
        process.kill()


def moments(names: Sequence[str], crowds: int, chance: random.Random) -> dict[str, list[float]]:
    """When each service has its crowds, seconds from the first."""
    rounds = -(-crowds // len(names))
    found: dict[str, list[float]] = {}
    for name in names:
        at = chance.uniform(0, CALM_SECONDS[1])
        found[name] = []
        for _ in range(rounds):
            found[name].append(at)
            at += CROWD_SECONDS + chance.uniform(*CALM_SECONDS)
    return found


async def until(moment: float, asking: Sequence[Coroutine[Any, Any, None]], check: Callable[[], None]) -> None:
    """Let them ask until then."""
    tasks = [asyncio.create_task(each) for each in asking]
    shown = 0.0
    while time.time() < moment:
        check()
        for task in tasks:
            if task.done():
                task.result()
        if time.time() - shown > 10:
            shown = time.time()
            print(f"\r{moment - shown:4.0f} s to go ", end="", file=sys.stderr, flush=True)
        await asyncio.sleep(0.2)
    print("\r" + " " * 20, end="\r", file=sys.stderr)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def keda_request(name: str) -> bytes:
    from maibo_slo.signals import proto

    ref = proto.message("ScaledObjectRef")(name=name, namespace="bench")
    written: bytes = proto.message("GetMetricsRequest")(scaledObjectRef=ref, metricName=name).SerializeToString()
    return written


async def ask_evenly(address: str, method: str, requests: Sequence[bytes], rate: float, calls: list[float]) -> None:
    """So many a second, each begun on time whatever became of those before; how long each took."""
    import grpc.aio

    async with grpc.aio.insecure_channel(address) as channel, asyncio.TaskGroup() as group:
        call = channel.unary_unary(method)

        async def ask(request: bytes) -> None:
            began = time.perf_counter()
            await call(request, timeout=5)
            calls.append(time.perf_counter() - began)

        await call(requests[0], timeout=5, wait_for_ready=True)  # the connection is there before it is timed
        begun = time.perf_counter()
        for number in count():
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            group.create_task(ask(requests[number % len(requests)]))


async def ask_keda(address: str, name: str, period: float, answers: Answers) -> None:
    """As an HPA's sync does through KEDA, but all the time."""
    import grpc.aio

    from maibo_slo.signals import proto

    request = keda_request(name)
    response = proto.message("GetMetricsResponse")
    async with grpc.aio.insecure_channel(address) as channel:
        get_metrics = channel.unary_unary(METHOD)
        due = time.perf_counter()
        while True:
            try:
                said = await get_metrics(request, timeout=5)
            except grpc.aio.AioRpcError:  # no signal yet
                await asyncio.sleep(0.1)
                due = time.perf_counter()
                continue
            answers.put(int(response.FromString(said).metricValues[0].metricValueFloat))
            due += period
            await asyncio.sleep(max(0.0, due - time.perf_counter()))


async def ask_json(http: Any, name: str, answers: Answers) -> None:
    while True:
        said = await http.get(f"/v1/scaling/bench/{name}")
        if said.status_code == 200:
            answers.put(said.json()["desired_replicas"])
        await asyncio.sleep(PLAIN_SECONDS)


async def ask_metrics(http: Any, answers: dict[str, Answers]) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    while True:
        said = await http.get("/metrics")
        for family in text_string_to_metric_families(said.text):
            if family.name == "maibo_scaling_desired_replicas":
                for sample in family.samples:
                    answers[sample.labels["target"]].put(int(sample.value))
        await asyncio.sleep(METRICS_SECONDS)


def figures(begins: dict[str, list[float]], faces: dict[str, dict[str, Answers]]) -> dict[str, Any]:
    crowds = [(name, begin) for name, each in begins.items() for begin in each]
    needed = CROWD_PER_SECOND / (CAPACITY * 0.8)
    result: dict[str, Any] = {"crowds": len(crowds)}
    for face, answers in faces.items():
        prefix = "" if face == "keda" else f"{face}_"
        changed = [
            answers[name].first_over(answers[name].before(begin), begin, until=begin + PATIENCE_SECONDS)
            for name, begin in crowds
        ]
        result |= {f"{prefix}{key}": value for key, value in quantiles(changed).items()}
    settled = [
        faces["keda"][name].first_over(0.9 * needed - 1, begin, until=begin + PATIENCE_SECONDS)
        for name, begin in crowds
    ]
    result |= {f"settled_{key}": value for key, value in quantiles(settled).items()}
    peaks = [faces["keda"][name].peak(begin, until=begin + PATIENCE_SECONDS) / needed for name, begin in crowds]
    result |= {"peak_p50": round(float(np.median(peaks)), 2), "peak_max": round(max(peaks), 2)}
    # The bucket in which a crowd begins is closed at its end; had it nothing else to wait for, a scaler would know then.
    buckets = [BUCKET_SECONDS - begin % BUCKET_SECONDS for _, begin in crowds]
    result |= {f"baseline_{key}": value for key, value in quantiles(buckets).items()}
    result["baseline_ratio"] = round(result["baseline_p50_s"] / result["p50_s"], 2) if result["p50_s"] else None
    result["before"] = {
        str(n): c
        for n, c in zip(*np.unique([faces["keda"][n].before(b) for n, b in crowds], return_counts=True), strict=True)
    }
    result["before"] = {replicas: int(count) for replicas, count in result["before"].items()}
    return result


def of_calls(who: str, seconds: Sequence[float]) -> dict[str, Any]:
    p50, p99 = (round(float(each) * 1000, 2) for each in np.quantile(seconds, (0.5, 0.99)))
    return {f"{who}_calls": len(seconds), f"{who}_call_p50_ms": p50, f"{who}_call_p99_ms": p99}


def quantiles(seconds: Sequence[float | None]) -> dict[str, float | int | None]:
    """One that never came is later than all that did: where it would be the quantile, there is none."""
    known = sorted(float("inf") if each is None else each for each in seconds)
    picked = {level: known[min(len(known) - 1, int(np.ceil(level * len(known))) - 1)] for level in (0.5, 0.99)}
    return {
        "p50_s": None if picked[0.5] == float("inf") else round(picked[0.5], 3),
        "p99_s": None if picked[0.99] == float("inf") else round(picked[0.99], 3),
        "never": sum(each is None for each in seconds),
    }


def show(result: dict[str, Any]) -> None:
    print(f"{result['crowds']} flash crowds: seconds from the first journey to the changed answer")
    print(f"{'':24}{'P50':>8}{'P99':>8}{'never':>8}")
    for prefix, name in (
        ("", "KEDA gRPC"),
        ("json_", "JSON"),
        ("prometheus_", "/metrics"),
        ("settled_", "KEDA, 9/10 of the need"),
        ("baseline_", "closed 10 s buckets"),
    ):
        row = [result[f"{prefix}{key}"] for key in ("p50_s", "p99_s", "never")]
        print(f"{name:24}" + "".join(f"{'-' if each is None else each:>8}" for each in row))
    print(
        f"answers before the crowds: {result['before']}; their peaks, in what a crowd needs: {result['peak_p50']} (median), {result['peak_max']} (most)"
    )
    print(
        f"GetMetrics: {result['keda_calls']:,} calls, P50 {result['keda_call_p50_ms']} ms, P99 {result['keda_call_p99_ms']} ms; "
        f"a bare echo: P50 {result['echo_call_p50_ms']} ms, P99 {result['echo_call_p99_ms']} ms"
    )
    for name, limit in LIMITS.items():
        met = result[name] is not None and result[name] <= limit
        print(f"{name} {result[name]}: {'within' if met else 'OVER'} {limit:g}")


if __name__ == "__main__":
    sys.exit(main())
