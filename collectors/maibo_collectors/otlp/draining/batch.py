"""Batches: which log segments are counted together, under one token, written down before anything is done about them.

What an insert into the store costs hardly depends on how much is in it, so the drain takes all that is sealed as one batch. Its id is the
deduplication token of its counts and the owner of its claims; a replay under another id, or of other segments under the same id, would
count wrongly. Hence the manifest, a small file in the log's folder that names the batch and its segments: it is on the disk before the
first claim, and goes only when the segments' files have gone.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import threading
import time
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from maibo_collectors.otlp.segment import SEALED, UNNAMED, Kind, first_kind, fsync_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)

MANIFEST = ".batch"
RESERVE = "reserve"
"""A file beside the log's folder with room for a manifest: a log that fills its own disk must still be drained."""
_RESERVE_BYTES = 32 * 2**10
BATCH_BYTES = 16 * 2**20
BATCH_SEGMENTS = 256
"""A batch is in memory as a whole, and a stop waits for the one that is under way."""
_writing = threading.Lock()
"""The drain and the roll-up have one reserve, and each a thread."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Segments by their names without suffix, oldest first."""

    id: str
    segments: tuple[str, ...]
    whole: bool = False
    """There is no room to keep what is counted in minutes (`rollup`): it goes in with the batch, under its id."""


class _Manifest(msgspec.Struct):
    segments: tuple[str, ...]
    crc: int
    """Of the names: a manifest that lies would be worse than none."""
    whole: bool = True
    """Versions that did not say so inserted all with the batch, and may have begun to."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a log's folder holds for the drain."""

    batches: tuple[Batch, ...]
    """Those that were begun, oldest first."""
    segments: tuple[str, ...]
    """Sealed and in none of them, oldest first."""
    damaged: tuple[Path, ...]
    """Manifests that cannot be read."""


def begun_ms(batch: str) -> int:
    """When a batch was begun, unix ms, as its id tells."""
    return int(batch.split("-", maxsplit=1)[0]) // 1_000_000


def waiting(log: Path) -> Waiting:
    """Looks into a log's folder."""
    sealed: list[str] = []
    manifests: list[Path] = []
    with os.scandir(log) as entries:
        for entry in entries:
            if entry.name.endswith(SEALED):
                sealed.append(entry.name.removesuffix(SEALED))
            elif entry.name.endswith(MANIFEST):
                manifests.append(log / entry.name)
    batches: list[Batch] = []
    damaged: list[Path] = []
    for path in sorted(manifests):
        try:
            batches.append(_read(path))
        except ValueError:
            damaged.append(path)
    begun = {segment for each in batches for segment in each.segments}
    return Waiting(tuple(batches), tuple(segment for segment in sorted(sealed) if segment not in begun), tuple(damaged))


def choose(log: Path, segments: Sequence[str]) -> Batch:
    """The next batch out of these segments, of which there is one at least: the oldest, as many as a batch may hold.

    A segment of bodies as received was written by an older version, which drained each segment under its own name, and may have begun
    to: it goes on like that, as a batch of its own with its own name.
    """
    chosen: list[str] = []
    size = 0
    for segment in segments:
        path = log / f"{segment}{SEALED}"
        if (first_kind(path) or Kind.TALLY) < Kind.TALLY:
            if not chosen:
                return Batch(segment, (segment,), whole=True)
            break
        size += path.stat().st_size
        if chosen and (size > BATCH_BYTES or len(chosen) == BATCH_SEGMENTS):
            break
        chosen.append(segment)
    return Batch(f"{time.time_ns():020d}-batch-{secrets.token_hex(4)}", tuple(chosen))


def write(log: Path, batch: Batch) -> Batch:
    """Returns the batch as it is written down, when that survives a loss of power.

    On a full disk the manifest takes the reserve, and the batch is a whole one: nothing of it could be kept, and there is no second reserve
    to say so later.
    """
    path = log / f"{batch.id}{MANIFEST}"
    unnamed = path.with_suffix(UNNAMED)
    with _writing:
        try:
            keep_reserve(log)
            _write(unnamed, _manifest(batch))
        except OSError as error:
            unnamed.unlink(missing_ok=True)
            reserve = log.with_name(RESERVE)
            if error.errno != errno.ENOSPC or not reserve.exists():
                raise
            batch = replace(batch, whole=True)
            unnamed = reserve
            _write(unnamed, _manifest(batch))
        unnamed.rename(path)
    fsync_folder(log)
    return batch


def keep_reserve(log: Path) -> None:
    """Sees that there is a reserve. OSError where there is no room for it."""
    path = log.with_name(RESERVE)
    if not path.exists():
        unnamed = path.with_suffix(UNNAMED)
        try:
            _write(unnamed, bytes(_RESERVE_BYTES))
        except OSError:
            unnamed.unlink(missing_ok=True)
            raise
        unnamed.rename(path)


def _write(path: Path, data: bytes) -> None:
    """Over what is there, so that a file that has its room needs no more of it."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.ftruncate(descriptor, len(data))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(log: Path, batch: Batch) -> None:
    """Deletes the files of a batch that is in the store: its manifest last, and only once the others are gone for good."""
    for segment in batch.segments:
        (log / f"{segment}{SEALED}").unlink(missing_ok=True)
    fsync_folder(log)
    (log / f"{batch.id}{MANIFEST}").unlink(missing_ok=True)


def _manifest(batch: Batch) -> bytes:
    return msgspec.json.encode(_Manifest(batch.segments, _crc(batch.segments), batch.whole))


def _read(path: Path) -> Batch:
    manifest = msgspec.json.decode(path.read_bytes(), type=_Manifest)
    if manifest.crc != _crc(manifest.segments):
        raise ValueError("the names are not those that were written")
    return Batch(path.name.removesuffix(MANIFEST), manifest.segments, manifest.whole)


def _crc(segments: Sequence[str]) -> int:
    return zlib.crc32("\n".join(segments).encode())
