"""A served `maibo` and its targets, and when journeys begin that come in crowds: what `signal_latency.py` and `feed_forward.py` share."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from maibo_slo.demo.children import Children
    from maibo_slo.demo.server import Server

CAPACITY: Final = 10
"""Calls a second of a replica, of which 80 % are planned for."""
_JOURNEY: Final = """\
apiVersion: maibo.dev/v1
kind: Journey
metadata: {{name: {name}}}
spec: {{steps: [{steps}]}}
---
"""
_TARGET: Final = """\
apiVersion: maibo.dev/v1
kind: ScalingTarget
metadata: {{name: {service}}}
spec:
  workload: {{namespace: bench, name: {service}}}
  journeys: [{journey}]
  capacity: {{fixed: {capacity}}}
  replicas: {{min: 1, max: 100}}
  scaleDown: 5s
  forecast: false
---
"""


@dataclass(frozen=True, slots=True)
class Served:
    """A running service of one benchmark, and the processes beside it."""

    children: Children
    server: Server


def journey(name: str, *steps: str) -> str:
    """Its document."""
    return _JOURNEY.format(name=name, steps=", ".join(f"{{name: {step}}}" for step in steps))


def target(service: str, *, of: str) -> str:
    """The document of a workload that the calls of journey `of` come to."""
    return _TARGET.format(service=service, journey=of, capacity=CAPACITY)


@asynccontextmanager
async def served(
    documents: str, *options: str, before: Callable[[str], None] = lambda _: None
) -> AsyncIterator[Served]:
    """`maibo serve` of these documents, once it is ready. `before` it starts, the store's DSN is given away to be filled."""
    from maibo_slo.demo.children import Children, free_port
    from maibo_slo.demo.server import Server

    with tempfile.TemporaryDirectory(prefix="maibo-crowds-") as name:
        folder, store = Path(name), f"chdb://{name}/store"
        await asyncio.to_thread(Path(folder, "documents.yaml").write_text, documents)
        await asyncio.to_thread(before, store)
        api, otlp = free_port(0), free_port(0)
        with Children(folder) as children:
            children.start(
                "maibo",
                [
                    *(sys.executable, "-m", "maibo_slo.cli", "serve", f"{folder}/documents.yaml"),
                    *("--store", store, "--data-dir", f"{folder}/data"),
                    *("--listen", f"127.0.0.1:{api}", "--otlp-http", f"127.0.0.1:{otlp}", "--otlp-grpc", "off"),
                    *options,
                ],
            )
            server = Server(f"http://127.0.0.1:{api}", f"http://127.0.0.1:{otlp}")
            await server.ready(children)
            yield Served(children, server)


def paced(begin: float, crowds: Sequence[float], *, seconds: float, calm: float, crowd: float) -> Iterator[float]:
    """When a journey is due (unix s) from `begin` on: so many a second in a calm, and in the `seconds` from each of these moments; without end."""
    due = begin
    while True:
        yield due
        crowded = any(each <= due < each + seconds for each in crowds)
        coming = min((each for each in crowds if each > due), default=float("inf"))
        # A crowd does not wait for the next journey of the calm before it.
        due = min(due + 1 / (crowd if crowded else calm), coming)
