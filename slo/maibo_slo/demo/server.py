"""`maibo serve` as the demo runs it: a child process with an embedded store in the demo's folder."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx2

from maibo_slo.demo.children import Children, DemoError, free_port
from maibo_slo.plugins import plugins

EXAMPLES = Path(__file__).with_name("examples") / "shop"
"""The shop's documents."""
API_PORT, OTLP_PORT = 8080, 4318
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running service, and where it listens."""

    url: str
    otlp: str

    @property
    def on_usual_ports(self) -> bool:
        """Whether the addresses are those of the documentation."""
        return self.url.endswith(f":{API_PORT}") and self.otlp.endswith(f":{OTLP_PORT}")

    async def ready(self, children: Children) -> None:
        """Wait until it takes traces and questions. Raises DemoError."""
        await answers(f"{self.url}/readyz", children, within=START_SECONDS)


def start(children: Children, folder: Path) -> Server:
    """Start it, on the usual ports where they are free. Raises DemoError."""
    if not any(plugin.name == "otlp" for plugin in plugins()):
        raise DemoError("the demo needs the OTLP collector, which is not installed (pip install ./collectors)")
    api, otlp = free_port(API_PORT), free_port(OTLP_PORT)
    children.start(
        "maibo",
        [
            *(sys.executable, "-m", "maibo_slo.cli", "serve", str(EXAMPLES)),
            *("--store", f"chdb://{folder / 'store'}", "--data-dir", str(folder / "data")),
            *("--listen", f"127.0.0.1:{api}", "--otlp-http", f"127.0.0.1:{otlp}"),
            *("--otlp-grpc", "off"),
        ],
    )
    return Server(f"http://127.0.0.1:{api}", f"http://127.0.0.1:{otlp}")


async def answers(url: str, children: Children, *, within: float) -> None:
    """Wait until `url` answers 200. Raises DemoError when a child dies meanwhile, or it takes too long."""
    last, until = "no answer yet", time.monotonic() + within
    async with httpx2.AsyncClient(trust_env=False, timeout=within) as client:
        while time.monotonic() < until:
            children.check()
            try:
                answer = await client.get(url)
            except httpx2.TransportError as error:
                last = f"{type(error).__name__}: {error}"
            else:
                if answer.status_code == 200:
                    return
                last = f"{answer.status_code}: {answer.text[:500]}"
            await asyncio.sleep(0.1)
    raise DemoError(f"{url} was not ready within {within:.0f} s; last: {last}")
