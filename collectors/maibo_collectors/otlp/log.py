"""The write-ahead log of one acceptor: what `Log.append` returned from survives kill -9 and a loss of power.

The event loop hands records to one writer thread; the thread writes all that wait as one group, calls fdatasync once, and only then
are their senders answered (group commit: on a disk that syncs in 2 ms, sixteen senders wait 3 ms each and not 32). The thread is woken
when the loop has read what it found waiting, so that what came together is one group: on a quick disk, too, and nobody alone waits for it.

When the disk refuses, everybody in the group gets `LogUnavailable`, the segment is cut back to its last synced byte and sealed, and
the next group tries a new one. After a failed fdatasync the kernel may have dropped the pages (they are *not* written by a second
attempt), which is why no segment is written further once it failed. If even cutting fails, the file is left behind unlocked, and the
core recovers it as that of a dead acceptor. Records of a refused group which are on the disk all the same do no harm: their sender
comes again with the same bytes, and these are counted once.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import math
import os
import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo_collectors.errors import LogUnavailable
from maibo_collectors.otlp.segment import OPEN, SEALED, UNNAMED, Record, fsync_folder, header

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

QUOTA_BYTES = 4 * 2**30
SEGMENT_BYTES = 16 * 2**20
SEGMENT_SECONDS = 0.1
"""Segments are sealed at multiples of this on the machine's clock: all acceptors at once, so that the drain finds all there is."""
_MEASURE_SECONDS = 1.0
_LEFT_BYTES = 16 * 2**20
"""Of a disk, or a twentieth of it, is not written: the drain and the store need room too."""


@dataclass(slots=True)
class _Waiting:
    """A record that waits to be written, and whoever waits for that."""

    record: Record
    done: asyncio.Future[None]


@dataclass(slots=True)
class _Segment:
    """The segment being written."""

    path: Path
    descriptor: int
    seal_at: float
    """Monotonic seconds."""
    synced: int = 0
    """Bytes that are safe."""


class Log:
    """Appends records to segments in a folder that several acceptors share."""

    def __init__(
        self,
        folder: Path,
        *,
        acceptor: int,
        quota_bytes: int = QUOTA_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        segment_seconds: float = SEGMENT_SECONDS,
    ) -> None:
        self._folder = folder
        self._suffix = f"{acceptor}-{secrets.token_hex(4)}"
        self._quota_bytes = quota_bytes
        self._segment_bytes = segment_bytes
        self._segment_seconds = segment_seconds
        self._segment: _Segment | None = None
        self._last_name_ns = 0
        self._wake = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._closing = False
        self._folder_bytes = 0
        self._spare_bytes: float = math.inf
        self._measure_at = 0.0
        self._thread = threading.Thread(target=self._run, name="maibo-log", daemon=True)
        self._thread.start()

    async def append(self, record: Record) -> None:
        """Returns when the record is on the disk. Raises LogUnavailable when it may not be; the sender keeps it."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(record, loop.create_future())
        with self._wake:
            if self._closing:
                raise LogUnavailable("the collector is stopping")
            full = self._full()
            if full:
                if time.monotonic() >= self._measure_at:
                    self._wake.notify()
                raise LogUnavailable(full)
            self._waiting.append(waiting)
            first = len(self._waiting) == 1
        if first:
            loop.call_soon(self._notify)  # after the requests that are there already
        await waiting.done

    def _notify(self) -> None:
        with self._wake:
            self._wake.notify()

    def _full(self) -> str:
        """Why nothing more is taken; '' it is."""
        if self._folder_bytes >= self._quota_bytes:
            return f"the log holds more than {self._quota_bytes} bytes that are not counted yet"
        return "the log's disk is nearly full" if self._spare_bytes <= 0 else ""

    def close(self) -> None:
        """Writes what waits, seals the segment and ends the thread."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                if not self._waiting and not self._closing:
                    self._wake.wait(self._seconds_to_seal())
                group, self._waiting = self._waiting, []
                closing = self._closing
            if group:
                self._commit(group)
            if self._segment is not None and (closing or self._seconds_to_seal() == 0):
                self._seal()
            self._measure()
            if closing:
                return

    def _seconds_to_seal(self) -> float | None:
        segment = self._segment
        if segment is None:
            return None
        if segment.synced >= self._segment_bytes:
            return 0
        return max(0, segment.seal_at - time.monotonic())

    def _commit(self, group: list[_Waiting]) -> None:
        try:
            self._write(b"".join(part for each in group for part in (header(each.record), each.record.body)))
        except OSError as error:
            logger.error("the log cannot be written: %s", error)  # noqa: TRY400 -- the reason is the disk's, not a trace's
            self._abandon()
            self._settle(group, f"the log cannot be written: {error.strerror}")
        except Exception as error:  # a writer thread that died would let every sender wait for ever
            logger.exception("the log cannot be written")
            self._abandon()
            self._settle(group, f"the log cannot be written: {type(error).__name__}")
        else:
            self._settle(group, None)

    def _write(self, data: bytes) -> None:
        if self._segment is None:
            self._segment = self._open()
        segment = self._segment
        rest = memoryview(data)
        position = segment.synced
        while rest:
            written = os.pwrite(segment.descriptor, rest, position)
            position += written
            rest = rest[written:]
        os.fdatasync(segment.descriptor)
        segment.synced = position
        self._folder_bytes += len(data)

    def _open(self) -> _Segment:
        """A new segment. It gets its name only once it is locked, so that an unlocked ``.open`` always is a dead acceptor's."""
        self._last_name_ns = max(time.time_ns(), self._last_name_ns + 1)
        path = self._folder / f"{self._last_name_ns:020d}-{self._suffix}{OPEN}"
        unnamed = path.with_suffix(UNNAMED)
        descriptor = os.open(unnamed, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unnamed.rename(path)
            fsync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            raise
        return _Segment(
            path, descriptor, seal_at=(time.monotonic() // self._segment_seconds + 1) * self._segment_seconds
        )

    def _seal(self) -> None:
        """Hands the segment over to the drain. The new name need not be synced: under the old one it is found as well."""
        segment, self._segment = self._segment, None
        if segment is None:
            return
        try:
            if segment.synced:
                segment.path.rename(segment.path.with_suffix(SEALED))
            else:
                segment.path.unlink()
        except OSError as error:
            logger.warning("segment %s is left to be recovered: %s", segment.path.name, error)
        finally:
            os.close(segment.descriptor)

    def _abandon(self) -> None:
        """Cuts the segment that failed back to what is safe, and seals it."""
        segment = self._segment
        if segment is None:
            return
        try:
            os.ftruncate(segment.descriptor, segment.synced)
        except OSError as error:
            logger.warning("segment %s is left to be recovered: %s", segment.path.name, error)
            self._segment = None
            os.close(segment.descriptor)
        else:
            self._seal()

    def _settle(self, group: list[_Waiting], refusal: str | None) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for each in group:
            by_loop.setdefault(each.done.get_loop(), []).append(each.done)
        for loop, futures in by_loop.items():
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_resolve, futures, refusal)

    def _measure(self) -> None:
        """How far the drain is behind, all acceptors together; not more often than it is cheap."""
        begin = time.monotonic()
        if begin < self._measure_at:
            return
        try:
            self._folder_bytes = folder_bytes(self._folder)
            self._spare_bytes = _spare_bytes(self._folder)
        except OSError as error:
            logger.warning("the log's folder cannot be read: %s", error)
        self._measure_at = time.monotonic() + max(_MEASURE_SECONDS, 20 * (time.monotonic() - begin))


def _spare_bytes(folder: Path) -> int:
    """How much of the folder's disk may still be written; what is left then is for what else is on it."""
    disk = os.statvfs(folder)
    return disk.f_frsize * (disk.f_bavail - min(disk.f_blocks // 20, _LEFT_BYTES // disk.f_frsize))


def folder_bytes(folder: Path) -> int:
    """The size of all segments in a folder."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # drained meanwhile
                total += entry.stat().st_size
    return total


def _resolve(futures: list[asyncio.Future[None]], refusal: str | None) -> None:
    for future in futures:
        if future.done():
            continue  # its sender has gone
        if refusal is None:
            future.set_result(None)
        else:
            future.set_exception(LogUnavailable(refusal))
