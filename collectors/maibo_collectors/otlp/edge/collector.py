"""The edge: acceptors that log bodies as they come, and a forwarder that sends them on; no store, no documents, nothing is counted."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from prometheus_client import Counter

from maibo_collectors.otlp.collector import NAME, Settings, open_folders, open_metrics
from maibo_collectors.otlp.doors import open_doors
from maibo_collectors.otlp.edge.forward import Forwarder
from maibo_collectors.otlp.metrics import CoreMetrics
from maibo_collectors.otlp.supervisor import Acceptors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from prometheus_client import CollectorRegistry

    from maibo_collectors.otlp.edge.upstream import Upstream
    from maibo_slo.plugins import Listen

logger = logging.getLogger(__name__)

_LAST_FORWARD_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 2.0
_REMIND_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a command lends to the edge."""

    data_dir: Path
    options: Mapping[str, str]
    """The plugin's."""
    registry: CollectorRegistry
    stopping: asyncio.Event
    listen: Listen
    announce: Callable[[str, str], None]
    report: Callable[[str | None], object]
    """Told what is wrong with the acceptors, and None when they work."""


async def run(upstream: Upstream, around: Surroundings) -> None:
    """Collects and forwards until told to stop; then stops the acceptors, and forwards what they left for 10 s at most.

    What is not forwarded then is at the next start.
    """
    settings = Settings.of(around.options)
    async with contextlib.AsyncExitStack() as stack:
        folders = stack.enter_context(open_folders(around.data_dir / NAME))
        doors = await stack.enter_async_context(open_doors(around.options, around.listen, around.announce))
        metrics = stack.enter_context(open_metrics(around.registry, folders))
        forwarded = Counter(
            "maibo_otlp_forwarded_bodies", "Bodies that upstream answered", ["result"], registry=around.registry
        )
        stack.callback(around.registry.unregister, forwarded)
        await stack.enter_async_context(upstream)
        contact = _Contact()
        forwarder = Forwarder(folders.log, folders.corrupt, upstream, contact.tell, forwarded)
        contact.forwarder = forwarder
        acceptors = Acceptors(
            listening=doors.http,
            count=settings.acceptors,
            log=folders.log,
            metrics=folders.metrics,
            quota_bytes=settings.log_bytes,
            on_change=around.report,
            on_restart=metrics.acceptor_restarts.inc,
            grpc=doors.grpc,
            access=doors.access,
            token_bytes_per_second=settings.token_bytes_per_second,
            raw=True,
        )
        reminding = asyncio.create_task(contact.remind(metrics))
        stack.callback(reminding.cancel)
        await _collect(acceptors, forwarder, around.stopping)
        contact.rest()


async def _collect(acceptors: Acceptors, forwarder: Forwarder, stopping: asyncio.Event) -> None:
    forwarding = asyncio.create_task(forwarder.run())
    forwarding.add_done_callback(lambda _: stopping.set())  # it ends before by an error only
    try:
        await acceptors.run(stopping)
        forwarder.finishing.set()
        await asyncio.wait({forwarding}, timeout=_LAST_FORWARD_SECONDS)
    finally:
        forwarder.stopping.set()
        await asyncio.wait({forwarding}, timeout=_STOP_SECONDS)
        forwarding.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await forwarding


class _Contact:
    """What the log says of the upstream: that it was lost, why, what waits meanwhile, and that it is back."""

    def __init__(self) -> None:
        self.forwarder: Forwarder | None = None
        self._problem: str | None = None
        self._lost_at = 0.0

    def tell(self, problem: str | None) -> None:
        if problem is None:
            logger.info("forwarding again, after %.0f s: %s", time.monotonic() - self._lost_at, self._backlog())
        else:
            if self._problem is None:
                self._lost_at = time.monotonic()
            logger.warning("not forwarding: %s; nothing is lost: %s", problem, self._backlog())
        self._problem = problem

    async def remind(self, metrics: CoreMetrics) -> None:
        """Says once a minute what waits, while it does not go on; and keeps the size of the log up to date."""
        said_at = time.monotonic()
        while True:
            await asyncio.sleep(1)
            if self.forwarder is not None:
                metrics.log_bytes.set(self.forwarder.backlog().bytes)
            if self._problem is None:
                said_at = time.monotonic()
            elif time.monotonic() - said_at >= _REMIND_SECONDS:
                said_at = time.monotonic()
                logger.warning("still not forwarding: %s; %s", self._problem, self._backlog())

    def rest(self) -> None:
        """Says what is left at the end, if anything is."""
        if self.forwarder is not None and self.forwarder.backlog().segments:
            logger.warning("stopped; forwarded at the next start: %s", self._backlog())

    def _backlog(self) -> str:
        return "" if self.forwarder is None else str(self.forwarder.backlog())
