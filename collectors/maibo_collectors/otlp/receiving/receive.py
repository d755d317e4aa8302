"""What HTTP and gRPC share: bodies are held within bounds, read, and written to the log before they are acknowledged.

Reading is quick (a millisecond for 500 spans) and done where requests are served; a large body is read in a thread of its own, one after
the other, so that a sender of 64 MiB does not hold up the others. Few of them may wait for that, and those whose sender has gone meanwhile
are not read.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError

from maibo_collectors.errors import LogUnavailable
from maibo_collectors.otlp.body import BODY_LIMIT, BodyMalformed, BodyTooLarge, Encoding, unpack
from maibo_collectors.otlp.decoding.decoders import COMPILED, decoder_in_use
from maibo_collectors.otlp.receiving.answers import malformed, too_large, unavailable
from maibo_collectors.otlp.segment import Kind, Record, body_hash

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from maibo_collectors.otlp.decoding.rules import Rules
    from maibo_collectors.otlp.log import Log
    from maibo_collectors.otlp.metrics import AcceptorMetrics
    from maibo_collectors.otlp.receiving.access import Door
    from maibo_collectors.otlp.receiving.answers import Signal
    from maibo_collectors.otlp.receiving.reading import Reader, Reading

IN_FLIGHT_LIMIT: Final = 4 * BODY_LIMIT
"""Bytes of bodies that one acceptor holds while they come in and are written."""
UPLOAD_SECONDS: Final = 60
RECORD_LIMIT: Final = BODY_LIMIT
"""Bytes that one body may come to in the log; with many rules that can be more than it has itself."""
LARGE: Final = 2**20
"""Bytes, unpacked, from which on traces in protobuf are read in the other thread, where the compiled decoder reads them (20 ms)."""
_LARGE_IN_PYTHON: Final = 2**18
_LARGE_OTHERWISE: Final = 2**17
"""JSON, metrics and logs, which Python reads."""
LARGE_WAITING: Final = 8
"""Large bodies that may wait for the one being read."""


class Disconnected(Exception):  # noqa: N818 -- the sender's doing
    """The sender went away before it was answered; it comes again."""


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
        self._large_traces = LARGE if decoder_in_use() == COMPILED else _LARGE_IN_PYTHON

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

    async def keep(
        self,
        signal: Signal,
        kind: Kind,
        data: bytes,
        encoding: Encoding,
        *,
        sender: str,
        gone: Callable[[], Awaitable[bool]] | None = None,
    ) -> Reading:
        """Reads a body and writes it to the log. Refused, when it is no good or cannot be written.

        `gone` tells whether the sender has gone, where that does not cancel this call: Disconnected, if nothing was done yet.
        """
        self.metrics.bytes.inc(len(data))
        received_ns = time.time_ns()
        try:
            read = await self._read(kind, data, encoding, received_ns, gone)
        except BodyTooLarge as error:
            self.door.took(sender, self.body_limit, now=time.monotonic())
            raise too_large(str(error)) from None
        except BodyMalformed as error:
            self.door.took(sender, len(data), now=time.monotonic())
            raise malformed(str(error)) from None
        self.door.took(sender, max(len(data), read.size), now=time.monotonic())
        reading = read.reading
        if reading.record is not None:
            if len(reading.record) > RECORD_LIMIT:
                raise too_large("the body comes to more counts than one record holds; send smaller batches")
            record = Record(read.hash, received_ns, reading.items, reading.encoding, reading.record, reading.kind)
            try:
                await self._log.append(record)
            except LogUnavailable as error:
                raise unavailable(str(error)) from None
        self.metrics.took(signal.name, reading.results)
        return reading

    async def _read(
        self, kind: Kind, data: bytes, encoding: Encoding, received_ns: int, gone: Callable[[], Awaitable[bool]] | None
    ) -> _Read:
        large = self._large_traces if kind == Kind.TRACES_PROTOBUF else _LARGE_OTHERWISE
        in_turn = partial(self._read_large, kind, data, encoding, received_ns)
        if len(data) > large:  # also what unpacks to nothing: unpacking takes its time
            return await self._large.read(in_turn, gone)
        try:
            body = unpack(data, encoding, limit=min(large, self.body_limit))
        except BodyTooLarge:
            return await self._large.read(in_turn, gone)
        return _read(self._reader, kind, body, data, encoding, received_ns)

    def _read_large(self, kind: Kind, data: bytes, encoding: Encoding, received_ns: int, reader: Reader) -> _Read:
        body = unpack(data, encoding, limit=self.body_limit)
        return _read(reader, kind, body, data, encoding, received_ns)


def _read(reader: Reader, kind: Kind, body: bytes, sent: bytes, encoding: Encoding, received_ns: int) -> _Read:
    try:
        reading = reader.read(kind, body, sent=sent, encoding=encoding, received_ns=received_ns)
    except MemoryError:
        raise BodyTooLarge("the body unfolds to more than this collector may hold; send smaller batches") from None
    except (DecodeError, RecursionError) as error:  # told to come again with it, the sender would do so for ever
        raise BodyMalformed(f"the body is nested too deeply, or cannot be decoded: {error}") from error
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
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def read(self, use: Callable[[Reader], _Read], gone: Callable[[], Awaitable[bool]] | None) -> _Read:
        """When it is its turn. Refused, when too many wait already."""
        if self._turn.locked() and self._waiting >= LARGE_WAITING:
            raise unavailable("too many large bodies wait to be read", retry_after=1)
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            if gone is not None and await gone():
                raise Disconnected
            reading = asyncio.get_running_loop().run_in_executor(self._thread, self._read, use)
            try:
                return await asyncio.shield(reading)
            except asyncio.CancelledError:
                await asyncio.wait({reading})  # it holds its bytes, and the thread, until then
                raise
            finally:
                # With its error, whose frame is this one, it would hold the body until garbage is collected.
                del reading
        finally:
            self._turn.release()

    def _read(self, use: Callable[[Reader], _Read]) -> _Read:
        rules = self.rules
        if self._reader is None:
            self._reader = self._make_reader(rules)
        elif rules is not self._used:
            self._reader.replace_rules(rules)
        self._used = rules
        return use(self._reader)
