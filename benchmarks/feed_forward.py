"""A crowd at the front, and how soon the workload behind it is told, before its first call comes.

    python benchmarks/feed_forward.py          # 8 crowds in 90 seconds; a table
    python benchmarks/feed_forward.py --json   # front_p50_s, back_p50_s, hop_by_hop_p50_s, ...

A real `maibo serve` on an embedded store, and paths of two services, each a process of its own that is tagged with the SDK: the front begins journeys and
does its step, the back gets each of them three seconds later and does the rest. At moments that no other part knows of, a crowd comes to a front. A client
asks for every target ten times a second, over JSON. Latencies are from the moment at which the crowd's first journey begins to the end of the first call
that answers more replicas than before: of the front, of the back, and of the back without feed-forward. That is the same target in the same answers, by what
its own calls alone ask for (the wish `reactive`); so three seconds of it are the crowd's way to the back, which is what feed-forward saves.

How many calls a journey makes is measured over half an hour, which is written into the store before it is served.

Fails when in the middle of all crowds the back was not told before its first call came.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import random
import socket
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crowds import journey, paced, served, target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATHS = 4
CALM_PER_SECOND, CROWD_PER_SECOND = 10, 50
"""A calm needs 2 replicas, a crowd 7."""
HOP_SECONDS = 3.0
CROWD_SECONDS = 6.0
FIRST_SECONDS, APART_SECONDS = (16.0, 26.0), 52.0
"""The first crowd of a path at random within these, the second so long after: by then nothing is left of the first in what demand is made of."""
PATIENCE_SECONDS = 10.0
ASK_SECONDS = 0.1
HISTORY_SECONDS = 1_800
ROLES = ("front", "back")


@dataclass(slots=True)
class Answers:
    """Each answer about one target: when it came, the number, and the number that its own calls alone ask for."""

    told: list[tuple[float, int, int]] = field(default_factory=list)

    def rise(self, begin: float, which: int) -> float | None:
        """Seconds from `begin` to the first answer of more than before; `which`: 1 the answer, 2 the one by its own calls."""
        before = [each[which] for each in self.told if begin - 1 <= each[0] < begin]
        if not before:
            return None
        after = (
            each[0] - begin
            for each in self.told
            if 0 <= each[0] - begin <= PATIENCE_SECONDS and each[which] > max(before)
        )
        return next(after, None)


def main() -> int:
    parser = argparse.ArgumentParser(description="How soon the workload behind a crowd's front is told.")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--front", nargs=4, metavar=("PATH", "ENDPOINT", "PORT", "SCHEDULE"), help=argparse.SUPPRESS)
    parser.add_argument("--back", nargs=3, metavar=("PATH", "ENDPOINT", "PORT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.front:
        path, endpoint, port, schedule = arguments.front
        serve_front(path, endpoint, int(port), json.loads(schedule))
    if arguments.back:
        path, endpoint, port = arguments.back
        serve_back(path, endpoint, int(port))
    result = asyncio.run(measure(random.Random(arguments.seed)))
    if arguments.json:
        print(json.dumps(result))
    else:
        show(result)
    middle = result["back_p50_s"]
    return 0 if middle is not None and middle < HOP_SECONDS else 1


def serve_front(path: str, endpoint: str, port: int, crowds: Sequence[float]) -> None:
    """Journeys begin at a steady rate, and at a crowd's from each of these moments (unix s) on; each goes on to the back later. Until it is ended."""
    import maibo

    maibo.configure(service=f"{path}-front", version="1", endpoint=endpoint)
    queue: list[tuple[float, str]] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as to_back:
        times = paced(time.time(), crowds, seconds=CROWD_SECONDS, calm=CALM_PER_SECOND, crowd=CROWD_PER_SECOND)
        due = next(times)
        while True:
            if queue and queue[0][0] < due:
                at, carried = heapq.heappop(queue)
                time.sleep(max(0.0, at - time.time()))
                to_back.sendto(carried.encode(), ("127.0.0.1", port))
                continue
            time.sleep(max(0.0, due - time.time()))
            with maibo.begin(path) as begun, maibo.step("front"):
                heapq.heappush(queue, (due + HOP_SECONDS, json.dumps(begun.carrier())))
            due = next(times)


def serve_back(path: str, endpoint: str, port: int) -> None:
    """The rest of each journey that comes. Until it is ended."""
    import maibo

    maibo.configure(service=f"{path}-back", version="1", endpoint=endpoint)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as from_front:
        from_front.bind(("127.0.0.1", port))
        while True:
            with maibo.resume(json.loads(from_front.recv(65_536))) as begun:
                with maibo.step("back"):
                    pass
                begun.succeed()


async def measure(chance: random.Random) -> dict[str, Any]:
    from maibo_slo.demo.children import free_port

    paths = [f"path-{number}" for number in range(PATHS)]
    services = [f"{path}-{role}" for path in paths for role in ROLES]
    async with served(documents(paths), "--keda", "off", before=lambda store: remember(store, paths)) as running:
        children, server = running.children, running.server
        origin = time.time()
        first = {path: origin + chance.uniform(*FIRST_SECONDS) for path in paths}
        begins = {path: [at, at + APART_SECONDS] for path, at in first.items()}
        for path, port in zip(paths, [free_port(0) for _ in paths], strict=True):
            program = [sys.executable, __file__]
            children.start(f"{path}-back", [*program, "--back", path, server.otlp, str(port)])
            schedule = json.dumps(begins[path])
            children.start(f"{path}-front", [*program, "--front", path, server.otlp, str(port), schedule])
        answers = {service: Answers() for service in services}
        end = max(max(each) for each in begins.values()) + PATIENCE_SECONDS
        await asyncio.gather(*(ask(server.url, service, each, end) for service, each in answers.items()))
        children.check()
    return figures(begins, answers)


def documents(paths: Sequence[str]) -> str:
    return "".join(
        journey(path, *ROLES) + "".join(target(f"{path}-{role}", of=path) for role in ROLES) for path in paths
    )


def remember(store: str, paths: Sequence[str]) -> None:
    """Half an hour of calm, as it would have been counted."""
    import numpy as np

    from maibo.semconv import SUCCESS
    from maibo_slo.store import counts, open_store

    now = int(time.time()) // 60 * 60
    # Until before what is looked at as now: of a minute, all would be in its first 10 s.
    minutes, n = range(now - HISTORY_SECONDS, now - 180, 60), 60 * CALM_PER_SECOND
    series = [(path, role, "", f"{path}-{role}", "1", "", "", "", "", SUCCESS) for path in paths for role in ROLES]
    series += [(path, "", "", f"{path}-front", "1", "", "", "", "", SUCCESS) for path in paths]
    steps, wholes = range(len(paths) * len(ROLES)), range(len(paths) * len(ROLES), len(series))
    cells = np.array([(t, place, 400, n) for t in minutes for place in steps], counts.CELL)
    flow = np.array([(t, place, n, n) for t in minutes for place in wholes], counts.FLOW)
    with open_store(store) as opened:
        counts.insert(opened, counts.Counts(series, cells, flow), token="history")


async def ask(url: str, service: str, answers: Answers, end: float) -> None:
    import httpx2

    async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=10) as http:
        while time.time() < end:
            said = await http.get(f"/v1/scaling/bench/{service}")
            if said.status_code == 200:
                told = said.json()
                wishes = {wish["kind"]: wish["replicas"] for wish in told["wishes"]}
                answers.told.append((time.time(), told["desired_replicas"], wishes["reactive"]))
            await asyncio.sleep(ASK_SECONDS)


def figures(begins: Mapping[str, Sequence[float]], answers: Mapping[str, Answers]) -> dict[str, Any]:
    crowds = [(path, begin) for path, each in begins.items() for begin in each]
    found = {
        "front": [answers[f"{path}-front"].rise(begin, 1) for path, begin in crowds],
        "back": [answers[f"{path}-back"].rise(begin, 1) for path, begin in crowds],
        "hop_by_hop": [answers[f"{path}-back"].rise(begin, 2) for path, begin in crowds],
    }
    result: dict[str, Any] = {"crowds": len(crowds), "hop_s": HOP_SECONDS}
    for name, seconds in found.items():
        # One that never came is later than all that did.
        known = [float("inf") if each is None else each for each in seconds]
        for what, value in (("p50", statistics.median_low(known)), ("max", max(known))):
            result[f"{name}_{what}_s"] = None if value == float("inf") else round(value, 2)
        result[f"{name}_never"] = sum(each is None for each in seconds)
    behind = [b - f for f, b in zip(found["front"], found["back"], strict=True) if f is not None and b is not None]
    earlier = [
        h - b for b, h in zip(found["back"], found["hop_by_hop"], strict=True) if b is not None and h is not None
    ]
    result["behind_front_p50_s"] = round(statistics.median_low(behind), 2) if behind else None
    result["earlier_p50_s"] = round(statistics.median_low(earlier), 2) if earlier else None
    return result


def show(result: Mapping[str, Any]) -> None:
    print(f"{result['crowds']} crowds at a front, whose calls come to the back {result['hop_s']:g} s later")
    print("seconds from the crowd's first journey to the changed answer")
    print(f"{'':34}{'P50':>8}{'most':>8}{'never':>8}")
    for name, words in (
        ("front", "the front"),
        ("back", "the back, fed forward"),
        ("hop_by_hop", "the back, by its own calls alone"),
    ):
        row = [result[f"{name}_{what}"] for what in ("p50_s", "max_s", "never")]
        print(f"{words:34}" + "".join(f"{'-' if each is None else each:>8}" for each in row))
    print(
        f"the back is told {result['behind_front_p50_s']} s after the front, {result['earlier_p50_s']} s earlier than hop by hop (P50)"
    )


if __name__ == "__main__":
    sys.exit(main())
