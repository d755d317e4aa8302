"""Opens the shop (five processes on loopback), turns the rollout's switch, and closes it again."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass

import httpx2

from maibo_slo.demo.children import Child, Children, DemoError, listen
from maibo_slo.demo.evidence import SdkCounts
from maibo_slo.demo.notebook import Notebook
from maibo_slo.demo.schedule import REGIONS
from maibo_slo.demo.server import EXAMPLES, Server, answers
from maibo_slo.demo.shop import BAD_VERSION, GOOD_VERSION

OPENING_SECONDS = 30.0
FLUSH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the shop."""

    child: Child
    url: str
    service: str
    version: str
    region: str

    @property
    def spans(self) -> str:
        """Where it tells what became of its spans so far."""
        return f"{self.url}/-/spans"


@dataclass(frozen=True, slots=True)
class Shop:
    """The open shop: a storefront in each region, one cart, and payment in two versions."""

    children: Children
    notebook: Notebook
    storefronts: dict[str, Process]
    cart: Process
    payment: Process
    bad_payment: Process

    async def opened(self) -> None:
        """Wait until every process answers. Raises DemoError."""
        for each in self.processes:
            await answers(each.spans, self.children, within=OPENING_SECONDS)

    async def release(self, payment: Process) -> None:
        """Send the customers' money there from now on."""
        async with httpx2.AsyncClient(trust_env=False) as client:
            (await client.put(f"{self.cart.url}/-/payment", json={"url": payment.url})).raise_for_status()

    @property
    def processes(self) -> tuple[Process, ...]:
        """All of them, those that customers talk to first."""
        return (*self.storefronts.values(), self.cart, self.payment, self.bad_payment)

    def close(self) -> dict[str, SdkCounts]:
        """Stop every process as a pod is stopped, which makes its SDK send what it still holds; what each SDK says. Raises DemoError."""
        self.children.stop(*(each.child for each in self.storefronts.values()))
        self.children.stop(*(each.child for each in self.processes))
        return {each.child.name: self._written(each) for each in self.processes}

    async def flushed(self) -> dict[str, SdkCounts]:
        """Wait until the SDKs of those that still run hold nothing back, without stopping them; what each SDK says."""
        until = time.monotonic() + FLUSH_SECONDS
        async with httpx2.AsyncClient(trust_env=False) as client:
            while True:
                found = {
                    each.child.name: self._written(each)
                    if each.child.name in self.children.stopped
                    else await _told(client, each)
                    for each in self.processes
                }
                if not any(each.queued for each in found.values()) or time.monotonic() > until:
                    return found
                await asyncio.sleep(0.2)

    def _written(self, process: Process) -> SdkCounts:
        found = self.notebook.spans(process.child.name)
        if found is None:
            raise DemoError(f"{process.child.name} did not stop in order; its last lines:\n{process.child.tail}")
        return found


async def _told(client: httpx2.AsyncClient, process: Process) -> SdkCounts:
    return SdkCounts.of((await client.get(process.spans)).raise_for_status().json())


def start(children: Children, *, server: Server, notebook: Notebook, seed: int) -> Shop:
    """Start all processes; `Shop.opened` waits for them."""

    def run(name: str, service: str, *options: str, region: str = REGIONS[0], version: str = GOOD_VERSION) -> Process:
        with listen() as door:
            child = children.start(
                name,
                [
                    *(sys.executable, "-m", "maibo_slo.demo.shop", service, "--fd", str(door.fileno())),
                    *("--name", name, "--version", version, "--region", region, "--seed", str(seed)),
                    *("--otlp", server.otlp, "--documents", str(EXAMPLES), "--notes", str(notebook.folder), *options),
                ],
                sockets=[door],
            )
            return Process(child, f"http://127.0.0.1:{door.getsockname()[1]}", service, version, region)

    payment = run("payment", "payment")
    bad_payment = run("payment-bad", "payment", version=BAD_VERSION)
    cart = run("cart", "cart", "--next", payment.url)
    storefronts = {
        region: run(f"storefront-{region}", "storefront", "--next", cart.url, region=region) for region in REGIONS
    }
    return Shop(children, notebook, storefronts, cart, payment, bad_payment)
