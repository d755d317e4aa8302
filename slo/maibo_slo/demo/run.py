"""One demo, from an empty folder to a report.

The order matters at the end: customers leave, then the shop stops (its SDKs send what they still hold), then maibo is asked until
its counts have settled, and only then are the two accounts compared.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from maibo_slo.demo.account import judge
from maibo_slo.demo.children import Child, Children, DemoError
from maibo_slo.demo.evidence import Evidence, SdkCounts, Series
from maibo_slo.demo.expected import begins, expected
from maibo_slo.demo.load import Seen
from maibo_slo.demo.notebook import Notebook, requests_per_second
from maibo_slo.demo.report import Report
from maibo_slo.demo.schedule import REGIONS, TIERS, Phase, phases
from maibo_slo.demo.server import EXAMPLES, Server
from maibo_slo.demo.server import start as start_server
from maibo_slo.demo.shopkeeper import Shop
from maibo_slo.demo.shopkeeper import start as start_shop
from maibo_slo.demo.show import Moment, Screen
from maibo_slo.demo.watch import Watch, freshness_seconds, tags
from maibo_slo.documents import load

SHOW_SECONDS = 0.5
SETTLE_SECONDS = 15.0
"""How long after the last customer maibo's counts may still change; they are visible after two, usually."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for on the command line."""

    folder: Path
    duration: float
    rate: float
    seed: int
    keep: bool


@dataclass(frozen=True, slots=True)
class _Stage:
    """Everything that runs."""

    plan: Plan
    screen: Screen
    children: Children
    notebook: Notebook
    server: Server
    shop: Shop
    watch: Watch


async def run(plan: Plan, screen: Screen, done: Callable[[Report], None]) -> None:
    """Tell `done` the report; with ``keep`` then go on with ordinary traffic until cancelled. Raises DemoError, or a group of them."""
    async with _stage(plan, screen) as stage:
        with screen:
            report = await _perform(stage)
        done(report)
        if plan.keep:
            await _go_on(stage)


@asynccontextmanager
async def _stage(plan: Plan, screen: Screen) -> AsyncIterator[_Stage]:
    logs, notebook = plan.folder / "logs", Notebook(plan.folder / "notes")
    for folder in (logs, notebook.folder):
        folder.mkdir(parents=True)
    with Children(logs) as children:
        screen.say("starting maibo with an embedded store, and the shop")
        server = start_server(children, plan.folder)
        shop = start_shop(children, server=server, notebook=notebook, seed=plan.seed)
        await server.ready(children)
        screen.say(f"maibo is at {server.url}/")
        if not server.on_usual_ports:
            screen.say(f"(port 8080 or 4318 was taken; traces go to {server.otlp})")
        await shop.opened()
        screen.say("the shop is open: two storefronts, cart, payment 1.0.0, and payment 1.1.0 waiting to be released")
        async with httpx2.AsyncClient(base_url=server.url, trust_env=False, timeout=10) as client:
            watch = Watch(client, begin=int(time.time()) - 1, regions=REGIONS)
            yield _Stage(plan, screen, children, notebook, server, shop, watch)


async def _perform(stage: _Stage) -> Report:
    """The demo's story, and the two accounts of it."""
    plan, told = stage.plan, phases(stage.plan.duration)
    start_at = time.time() + 1.0
    customers = _let_in(stage, start_at=start_at, duration=plan.duration)
    async with _watched(stage.children), asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(each) for each in (stage.watch.journeys(), stage.watch.slos())]
        rollout = tasks.create_task(_roll_out(stage, told, start_at=start_at))
        await _until_gone(stage, customers, told, start_at=start_at)
        await rollout
        stage.screen.say("the last customer has left; waiting for the last counts")
        sdks = await _settle(stage)
        for each in watching:
            each.cancel()
    return await _report(stage, sdks, told, start_at=start_at)


@asynccontextmanager
async def _watched(children: Children) -> AsyncIterator[None]:
    """When something fails because a process died, say that instead."""
    try:
        yield
    except* DemoError:
        await asyncio.sleep(0.2)  # a process that was killed takes a moment to be gone
        children.check()
        raise


def _let_in(stage: _Stage, *, start_at: float, duration: float | None) -> Child:
    """Start the customers' process: the demo's story, or ordinary traffic without an end."""
    shops = [part for region, door in stage.shop.storefronts.items() for part in ("--shop", region, door.url)]
    story = [] if duration is None else ["--duration", str(duration)]
    return stage.children.start(
        "customers" if duration is not None else "more-customers",
        [
            *(sys.executable, "-m", "maibo_slo.demo.load", *shops, *story, "--start-at", str(start_at)),
            *("--rate", str(stage.plan.rate), "--seed", str(stage.plan.seed), "--notes", str(stage.notebook.customers)),
        ],
        ends=True,
    )


async def _roll_out(stage: _Stage, told: Sequence[Phase], *, start_at: float) -> None:
    """Release the bad payment at its time, and roll it back at its end: its process stops as a pod would."""
    bad = next(each for each in told if each.bad_release)
    await asyncio.sleep(max(0.0, start_at + bad.begin - time.time()))
    await stage.shop.release(stage.shop.bad_payment)
    await asyncio.sleep(max(0.0, start_at + bad.end - time.time()))
    await stage.shop.release(stage.shop.payment)
    await asyncio.to_thread(stage.children.stop, stage.shop.bad_payment.child)


async def _until_gone(stage: _Stage, customers: Child, told: Sequence[Phase], *, start_at: float) -> None:
    """Show progress until the last customer has left. Raises DemoError when something breaks."""
    while customers.process.poll() is None:
        stage.children.check()
        stage.screen.show(_moment(stage, told, start_at=start_at))
        await asyncio.sleep(SHOW_SECONDS)
    stage.children.check()


def _moment(stage: _Stage, told: Sequence[Phase], *, start_at: float) -> Moment:
    now = time.time()
    elapsed = max(0.0, now - start_at)
    seen = stage.notebook.read_seen()
    begun = next((each for each in told if elapsed < each.end), None)
    begin = told[-1].end if begun is None else begun.begin
    return Moment(
        phase="last customers" if begun is None else begun.name,
        elapsed=elapsed,
        duration=told[-1].end,
        requests_per_second=requests_per_second(seen, begin=start_at + begin, now=now),
        journeys=len(seen),
        failures=sum(each.outcome == "failure" for each in seen),
        counted=stage.watch.counted,
        p99_us=stage.watch.p99_us,
        states=stage.watch.states,
    )


async def _settle(stage: _Stage) -> dict[str, SdkCounts]:
    """Let the shop send its last spans, then wait until maibo has counted what it should or has had its time; what the SDKs say."""
    sdks = await (stage.shop.flushed() if stage.plan.keep else asyncio.to_thread(stage.shop.close))
    requests, known = stage.notebook.requests(), tags(load([EXAMPLES]))
    should = len(expected(requests, known)) + sum(each.by_itself for each in begins(requests, known))
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        if (await stage.watch.ingest()).counted >= should or time.monotonic() > until:
            break
        await asyncio.sleep(0.2)
    await asyncio.sleep(1.5)  # a duplicate would come now
    return sdks


async def _report(stage: _Stage, sdks: Mapping[str, SdkCounts], told: Sequence[Phase], *, start_at: float) -> Report:
    seen = stage.notebook.read_seen()
    evidence = await _evidence(stage, sdks)
    return Report(
        judgement=judge(evidence),
        freshness_seconds=freshness_seconds(_ends(seen), stage.watch.sightings),
        burnt=sorted(stage.watch.burnt.values(), key=lambda each: each.first_seen_at),
        released_at=start_at + next(each.begin for each in told if each.bad_release),
        seconds=stage.plan.duration,
        seed=stage.plan.seed,
        address=stage.server.url,
    )


async def _evidence(stage: _Stage, sdks: Mapping[str, SdkCounts]) -> Evidence:
    watch, notebook, catalogue = stage.watch, stage.notebook, load([EXAMPLES])
    journeys = sorted({*catalogue.journeys, *await watch.journey_names()})
    processes = {(each.service, each.version, each.region) for each in stage.shop.processes}
    return Evidence(
        tags=tags(catalogue),
        seen=notebook.read_seen(),
        requests=notebook.requests(),
        written=notebook.written(),
        sdks=sdks,
        told={(journey, tier): await watch.told(journey, tier) for journey in journeys for tier in TIERS},
        told_series={
            Series(journey, step, tier, service, version, region): flow.outcomes
            for journey in journeys
            for tier in TIERS
            for service, version, region in processes
            for step, flow in (
                await watch.flows(journey, tier=tier, service=service, version=version, region=region)
            ).items()
        },
        told_steps={
            (journey, step, service, version): flow
            for journey in journeys
            for service, version in {(service, version) for service, version, _ in processes}
            for step, flow in (await watch.flows(journey, service=service, version=version)).items()
            if step
        },
        told_totals={
            (journey, step): flow.outcomes
            for journey in journeys
            for step, flow in (await watch.flows(journey)).items()
        },
        told_begun={
            (journey, tier): begun
            for journey in journeys
            for tier in TIERS
            if (begun := await watch.begun(journey, tier))
        },
        ingest=await watch.ingest(),
    )


def _ends(seen: Sequence[Seen]) -> dict[tuple[str, str], list[float]]:
    ends: dict[tuple[str, str], list[float]] = {}
    for each in seen:
        ends.setdefault((each.journey, each.region), []).append(each.ended_at)
    return ends


async def _go_on(stage: _Stage) -> None:
    _let_in(stage, start_at=time.time(), duration=None)
    while True:
        stage.children.check()
        await asyncio.sleep(SHOW_SECONDS)
