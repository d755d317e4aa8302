"""What HTTP and gRPC share: bodies are held within bounds, read, and written to the log before they are acknowledged.

Reading is quick (a millisecond for 500 spans) and done where requests are served; a large body is read in a thread of its own, one after
the other, so that a sender of 64 MiB does not hold up the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from maibo_collectors.errors import LogUnavailable
from maibo_collectors.otlp.answers import malformed, too_large, unavailable
from maibo_collectors.otlp.body import BODY_LIMIT, BodyMalformed, BodyTooLarge, Encoding, unpack
from maibo_collectors.otlp.segment import Kind, Record, body_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from maibo_collectors.otlp.access import Door
    from maibo_collectors.otlp.answers import Signal
    from maibo_collectors.otlp.log import Log
    from maibo_collectors.otlp.metrics import AcceptorMetrics
    from maibo_collectors.otlp.reading import Reader, Reading
    from maibo_collectors.otlp.rules import Rules

IN_FLIGHT_LIMIT: Final = 4 * BODY_LIMIT
"""Bytes of bodies that one acceptor holds while they come in and are written."""
UPLOAD_SECONDS: Final = 60
LARGE: Final = 2**20
"""Bytes, unpacked, from which on a body is read in the other thread."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A body and its reading."""

    hash: bytes
    size: int
    """Bytes, unpacked."""
    reading: Reading


class Receiver:
    """Takes bodies, from whichever protocol they come."""

    def __init__(
        self,
        log: Log,
        metrics: AcceptorMetrics,
        door: Door,
        make_reader: Callable[[Rules], Reader],
        rules: Rules,
        *,
        body_limit: int = BODY_LIMIT,
        in_flight_limit: int = IN_FLIGHT_LIMIT,
        upload_seconds: float = UPLOAD_SECONDS,
    ) -> None:
        self.door = door
        self.metrics = metrics
        self.body_limit = body_limit
        self.upload_seconds = upload_seconds
        self._log = log
        self._in_flight_limit = in_flight_limit
        self._in_flight = 0
        self._reader = make_reader(rules)
        self._large = _LargeBodies(make_reader, rules)

    def replace_rules(self, rules: Rules) -> None:
        """For bodies read from now on."""
        self._reader.replace_rules(rules)
        self._large.rules = rules

    @contextlib.contextmanager
    def holding(self) -> Iterator[Callable[[int], None]]:
        """What it gives is to be told of each piece of a body; it refuses the one that is too much for this process."""
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            if self._in_flight + size > self._in_flight_limit:
                raise unavailable("too many bytes in flight", retry_after=1)
            self._in_flight += size
            held += size

        try:
            yield hold
        finally:
            self._in_flight -= held

    async def keep(self, signal: Signal, kind: Kind, data: bytes, encoding: Encoding, *, sender: str) -> Reading:
        """Reads a body and writes it to the log. Refused, when it is no good or cannot be written."""
        self.metrics.bytes.inc(len(data))
        received_ns = time.time_ns()
        try:
            read = await self._read(kind, data, encoding, received_ns)
        except BodyTooLarge as error:
            self.door.took(sender, self.body_limit, now=time.monotonic())
            raise too_large(str(error)) from None
        except BodyMalformed as error:
            self.door.took(sender, len(data), now=time.monotonic())
            raise malformed(str(error)) from None
        self.door.took(sender, read.size, now=time.monotonic())
        reading = read.reading
        if reading.record is not None:
            record = Record(read.hash, received_ns, reading.items, reading.encoding, reading.record, reading.kind)
            try:
                await self._log.append(record)
            except LogUnavailable as error:
                raise unavailable(str(error)) from None
        self.metrics.took(signal.name, reading.results)
        return reading

    async def _read(self, kind: Kind, data: bytes, encoding: Encoding, received_ns: int) -> _Read:
        try:
            body = unpack(data, encoding, limit=min(LARGE, self.body_limit))
        except BodyTooLarge:
            return await self._large.read(partial(self._read_large, kind, data, encoding, received_ns))
        return _read(self._reader, kind, body, data, encoding, received_ns)

    def _read_large(self, kind: Kind, data: bytes, encoding: Encoding, received_ns: int, reader: Reader) -> _Read:
        body = unpack(data, encoding, limit=self.body_limit)
        return _read(reader, kind, body, data, encoding, received_ns)


def _read(reader: Reader, kind: Kind, body: bytes, sent: bytes, encoding: Encoding, received_ns: int) -> _Read:
    reading = reader.read(kind, body, sent=sent, encoding=encoding, received_ns=received_ns)
    return _Read(body_hash(body), len(body), reading)


class _LargeBodies:
    """A thread with a reader of its own, made when the first large body comes."""

    def __init__(self, make_reader: Callable[[Rules], Reader], rules: Rules) -> None:
        self.rules = rules
        """In force from the next body on."""
        self._make_reader = make_reader
        self._reader: Reader | None = None
        self._used = rules
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="maibo-large")

    async def read(self, use: Callable[[Reader], _Read]) -> _Read:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, use)

    def _read(self, use: Callable[[Reader], _Read]) -> _Read:
        rules = self.rules
        if self._reader is None:
            self._reader = self._make_reader(rules)
        elif rules is not self._used:
            self._reader.replace_rules(rules)
        self._used = rules
        return use(self._reader)
