"""The customers: they play the schedule against the shop over HTTP, and write down what they sent and what they got back.

Run in a process of its own (``python -m maibo_slo.demo.load``), so that neither the shop nor the watcher slows them down. Their
notes, one JSON line a visit, are one of the two accounts: nothing in them comes from maibo. Nothing is retried: a request sent
twice would be counted twice, and rightly so.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import TextIO
from uuid import uuid4

import click
import httpx2

from maibo_slo.demo.schedule import Intent, Phase, Visit, ordinary, phases, visits
from maibo_slo.demo.shop import DECLINED_CARD, GOOD_CARD, TIER_HEADER, VISIT_HEADER

PATIENCE_SECONDS = 30.0
UNKNOWN = "unknown"
"""The outcome of a visit whose answer never came or was none that the shop's paths promise."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One visit as its customer saw it."""

    visit: str
    """Its number, which the customer tells the shop with every request."""
    journey: str
    tier: str
    region: str
    outcome: str
    requests: tuple[str, ...]
    """HTTP requests sent: ``METHOD /path``, an order's number told as ``{order}``."""
    began_ns: int
    """Unix time before the first request was sent."""
    ended_ns: int
    """Unix time when the last answer had come."""
    detail: str = ""
    """What was unexpected, when something was."""

    @property
    def ended_at(self) -> float:
        """Unix seconds."""
        return self.ended_ns / 1e9


class Door:
    """One storefront, as its customers reach it; their cookies are their own, not the connection's."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client

    async def play(self, visit: Visit) -> Seen:
        """Do what the customer came for."""
        customer = _Customer(self.client, visit)
        began_ns = time.time_ns()
        try:
            outcome, detail = await customer.go(), ""
        except (_Unexpected, httpx2.HTTPError) as error:
            outcome, detail = UNKNOWN, f"{type(error).__name__}: {error}"
        return Seen(
            visit=customer.id,
            journey=visit.journey,
            tier=visit.tier,
            region=visit.region,
            outcome=outcome,
            requests=tuple(customer.requests),
            began_ns=began_ns,
            ended_ns=time.time_ns(),
            detail=detail,
        )


class _Unexpected(Exception):  # noqa: N818 -- it is an answer, not an error of ours
    """The shop answered with a status that its path does not promise."""


class _Customer:
    """One visit under way."""

    def __init__(self, client: httpx2.AsyncClient, visit: Visit) -> None:
        self.client = client
        self.visit = visit
        self.id = uuid4().hex
        self.requests: list[str] = []
        self.order = ""
        self.cookies: dict[str, str] = {}

    async def go(self) -> str:
        if self.visit.intent is Intent.BROWSES:
            await self._ask("GET", "/products", promised=(200,))
            return "success"
        self.order = str((await self._ask("POST", "/checkout", promised=(201,))).json()["order"])
        await asyncio.sleep(self.visit.pauses[0])
        await self._ask("POST", "/checkout/{order}/address", promised=(204,))
        await asyncio.sleep(self.visit.pauses[1])
        if self.visit.intent is Intent.CANCELS:
            await self._ask("DELETE", "/checkout/{order}", promised=(204,))
            return "abandoned"
        card = DECLINED_CARD if self.visit.intent is Intent.CARD_IS_DECLINED else GOOD_CARD
        paid = await self._ask("POST", "/checkout/{order}/pay", promised=(200, 402, 503), body={"card": card})
        return "success" if paid.status_code == 200 else "failure"

    async def _ask(
        self, method: str, route: str, *, promised: Sequence[int], body: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        headers = {VISIT_HEADER: self.id, TIER_HEADER: self.visit.tier}
        if self.cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        self.requests.append(f"{method} {route}")
        answer = await self.client.request(method, route.replace("{order}", self.order), headers=headers, json=body)
        if answer.status_code not in promised:
            raise _Unexpected(f"{method} {route} answered {answer.status_code}: {answer.text[:200]}")
        for each in answer.headers.get_list("set-cookie"):
            name, _, value = each.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer


async def play(
    schedule: Iterator[Visit], *, doors: Mapping[str, Door], start_at: float, notes: TextIO, stop: asyncio.Event
) -> None:
    """Play `schedule` from `start_at` (unix seconds) on, through the door of each visit's region. Ends when all have left."""

    async def come(visit: Visit) -> None:
        seen = await doors[visit.region].play(visit)
        notes.write(json.dumps(asdict(seen)) + "\n")
        notes.flush()

    async with asyncio.TaskGroup() as customers:
        for visit in schedule:
            if await _stops(stop, within=start_at + visit.at - time.time()):
                break
            customers.create_task(come(visit))


async def _stops(stop: asyncio.Event, *, within: float) -> bool:
    if within <= 0:  # late already: let the others go on, and do not wait
        await asyncio.sleep(0)
        return stop.is_set()
    try:
        await asyncio.wait_for(stop.wait(), within)
    except TimeoutError:
        return False
    return True


def connect(url: str, transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    """A client that keeps no cookies: one connection serves many customers."""
    return httpx2.AsyncClient(
        transport=transport,
        base_url=url,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=64),
        timeout=PATIENCE_SECONDS,
        trust_env=False,
    )


@click.command()
@click.option("--shop", "shops", type=(str, str), multiple=True, required=True, help="region and base URL")
@click.option("--start-at", type=float, required=True, help="unix seconds")
@click.option("--duration", type=float, default=None, help="seconds of the demo's story; without it: ordinary, endless")
@click.option("--rate", type=float, required=True)
@click.option("--seed", type=int, required=True)
@click.option("--notes", type=click.Path(path_type=Path), required=True)
def main(
    shops: Sequence[tuple[str, str]], start_at: float, duration: float | None, rate: float, seed: int, notes: Path
) -> None:
    """Play the demo's customers; SIGTERM lets those inside finish."""
    during: tuple[Phase, ...] = phases(duration) if duration is not None else ordinary()

    async def run() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        async with AsyncExitStack() as stack:
            lines = stack.enter_context(notes.open("a"))
            doors = {region: Door(await stack.enter_async_context(connect(url))) for region, url in shops}
            schedule = visits(during, rate=rate, seed=seed)
            await play(schedule, doors=doors, start_at=start_at, notes=lines, stop=stop)

    asyncio.run(run())


if __name__ == "__main__":
    main()
