"""The process that answers KEDA: ``python -m maibo_slo.signals.answerer``, started by supervisor.py.

A process of its own, since the service computes: while Python of another thread runs, a call waits for the interpreter's lock. With a thread that computes
for a third of the time, 1,000 calls a second to a bare `grpc.aio` server had a P99 of 47 ms in that process and of 3 ms in one of its own, and threads instead
of `grpc.aio` did no better. (In a process of its own they take half of the CPU, but each open stream would hold a thread.) Of the CPU of a call, some 350 µs,
5 are ours. It loads neither the store's client nor the engine's loops: whatever these do, KEDA has its answer, the newest signals while they are fresh, then
that they are stale.

It reads the address and signals from standard input, writes what became of it to standard output, and ends with its input.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from maibo_slo.errors import MaiboError
from maibo_slo.signals import keda, tls, wire
from maibo_slo.signals.reading import Latest, Reader

if TYPE_CHECKING:
    from collections.abc import Callable

TELL_AGAIN_SECONDS: Final = 10.0
TOLD_BYTES: Final = 2**20
"""Waiting for a service that does not read: beyond it, what was served is not told."""


class Served:
    """Tells the service what was answered: each new number at once, the same one every ten seconds. Words of a refusal every ten seconds: ages in them
    make each another.
    """

    def __init__(
        self,
        tell: Callable[[str, str, int], None],
        now: Callable[[], float] = time.monotonic,
        *,
        tell_refused: Callable[[str, str, str], None] = lambda *_: None,
    ) -> None:
        self._tell = tell
        self._tell_refused = tell_refused
        self._now = now
        self._told: dict[tuple[str, str], tuple[int | None, float]] = {}

    def __call__(self, namespace: str, target: str, replicas: int) -> None:
        if self._is_news(namespace, target, replicas):
            self._tell(namespace, target, replicas)

    def refused(self, namespace: str, target: str, words: str) -> None:
        if self._is_news(namespace, target, None):
            self._tell_refused(namespace, target, words)

    def _is_news(self, namespace: str, target: str, replicas: int | None) -> bool:
        now = self._now()
        told, at = self._told.get((namespace, target), (-1, 0.0))
        if told == replicas and now - at < TELL_AGAIN_SECONDS:
            return False
        self._told[namespace, target] = replicas, now
        return True


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve what is read until the end of it."""
    settings = await wire.read(reader)
    latest = Latest()

    def tell(what: str, namespace: str, target: str, said: int | str) -> None:
        if writer.transport.get_write_buffer_size() < TOLD_BYTES:
            writer.write(wire.framed({what: [namespace, target, said]}))

    try:
        door = tls.Door(**settings)
        served = Served(partial(tell, "served"), tell_refused=partial(tell, "refused"))
        scaler = keda.ExternalScaler(latest, Reader(latest), served, served.refused)
        server, port = keda.server(scaler, door.address, tls.credentials(door))
        await server.start()
    except MaiboError as error:
        await _say(writer, {"error": str(error)})
        return
    await _say(writer, {"port": port})
    gc.freeze()
    try:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                latest.put(wire.unpacked(await wire.read(reader)))
    finally:
        await keda.stop(server, latest)


async def _say(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    writer.write(wire.framed(message))
    await writer.drain()


async def _main() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sys.stdout)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    with contextlib.suppress(asyncio.IncompleteReadError):  # the service ended before it said anything
        await answer(reader, writer)
    writer.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s keda: %(message)s")
    for number in (signal.SIGINT, signal.SIGTERM):  # also go to the service, which says when it is over
        signal.signal(number, signal.SIG_IGN)
    asyncio.run(_main())
