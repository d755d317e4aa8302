"""Log segments: files of records, readable after any crash.

A segment is written by one acceptor as ``NAME.open``, locked for as long as that acceptor lives, and becomes ``NAME.log`` when it
is sealed. Names begin with the time, sort by it, and are never used twice: a segment's name is the token under which its counts are
inserted. Of a segment whose acceptor died, `recover` cuts the torn tail (bytes that nobody was told are safe) and seals the rest.

A record is a fixed header and a body exactly as received. Header and body have a checksum each, so that damage to one record never
costs the next: a damaged body is skipped by its length, a damaged header by looking for the next good one.
"""

from __future__ import annotations

import fcntl
import logging
import os
import struct
import time
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from blake3 import blake3

from maibo_collectors.otlp.body import BODY_LIMIT, Encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

OPEN = ".open"
SEALED = ".log"
UNNAMED = ".new"
"""Made, and not locked yet."""


class Kind(IntEnum):
    """What a record's body holds; the value is what the log writes."""

    TRACES_PROTOBUF = 1
    """A request as it came; so are the others up to LOGS_JSON. For forwarding, and from before bodies were counted on arrival."""
    TRACES_JSON = 2
    METRICS_PROTOBUF = 3
    METRICS_JSON = 4
    LOGS_PROTOBUF = 5
    LOGS_JSON = 6
    TALLY = 16
    """`maibo_collectors.otlp.decoding.tally.Tally`: what a request of traces or logs comes to."""
    POINTS = 17
    """`maibo_collectors.otlp.decoding.points.Points`: the histograms of a request of metrics."""
    BATCH = 18
    """`maibo_slo.store.segments.SegmentRecord`: what the drain notes of a batch."""

    @property
    def signal(self) -> str:
        """Of a request as it came: ``traces``, ``metrics`` or ``logs``."""
        return self.name.partition("_")[0].lower()

    @property
    def is_json(self) -> bool:
        return self.name.endswith("_JSON")


_UNNAMED_SECONDS = 60
"""After which nobody is about to lock a file that has no name yet."""
_MAGIC = b"mbo1"
_ENCODINGS = frozenset(map(int, Encoding))
_FIELDS = struct.Struct(
    "<4sIQIBBH16sI"
)  # magic, body length, received, spans, kind, encoding, reserved, hash, body's crc
_CHECK = struct.Struct("<I")
HEADER_BYTES = _FIELDS.size + _CHECK.size


@dataclass(frozen=True, slots=True)
class Record:
    """One accepted body."""

    body_hash: bytes
    """`body_hash` of the unpacked body: the same spans sent again have the same hash."""
    received_ns: int
    spans: int
    encoding: Encoding
    body: bytes
    kind: int = Kind.TRACES_PROTOBUF


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes [begin, end) of a segment that are no record; `torn` when they reach to the end of the file."""

    begin: int
    end: int
    torn: bool


def body_hash(unpacked: bytes) -> bytes:
    """What a retry is recognised by, in every log and store: 16 bytes of its BLAKE3, at less than half of SHA-256's cost."""
    return blake3(unpacked).digest(length=16)


def header(record: Record) -> bytes:
    """The header to be written before the record's body. ValueError when that is larger than a record that `parse` would read."""
    if len(record.body) > BODY_LIMIT:
        raise ValueError(f"a record of {len(record.body)} bytes is larger than {BODY_LIMIT}")
    fields = _FIELDS.pack(
        _MAGIC,
        len(record.body),
        record.received_ns,
        record.spans,
        record.kind,
        record.encoding,
        0,
        record.body_hash,
        zlib.crc32(record.body),
    )
    return fields + _CHECK.pack(zlib.crc32(fields))


def parse(data: bytes) -> Iterator[Record | Damage]:
    """Every whole record of a segment, and what lies between them."""
    position = 0
    while position < len(data):
        fields = _header_at(data, position)
        if fields is None:
            end = _next_header(data, position + 1)
            yield Damage(position, end, torn=end == len(data))
            position = end
            continue
        length, received_ns, spans, kind, encoding, digest, crc = fields
        begin = position + HEADER_BYTES
        end = begin + length
        if end > len(data):
            # The length is not to be doubted (the header has its checksum), yet records may follow where pages were lost.
            end = _next_header(data, begin)
            yield Damage(position, end, torn=end == len(data))
        elif zlib.crc32(body := data[begin:end]) != crc:
            yield Damage(position, end, torn=end == len(data))
        else:
            yield Record(digest, received_ns, spans, Encoding(encoding), body, kind)
        position = end


def records(path: Path, damaged: Callable[[str, bytes, str], None]) -> Iterator[Record]:
    """A sealed segment's whole records. `damaged` is given the name, bytes and reason of what is to be set aside; a segment that has been taken away
    is logged.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        logger.error("%s has been taken away: what is in it is not counted", path)  # noqa: TRY400 -- the path says it all
        return
    for item in parse(data):
        if isinstance(item, Damage):
            damaged(f"{path.stem}-{item.begin}", data[item.begin : item.end], "its checksum is wrong")
        else:
            yield item


def first_kind(path: Path) -> int | None:
    """The kind of a segment's first record; None when that is damaged, or there is none."""
    with path.open("rb") as file:
        fields = _header_at(file.read(HEADER_BYTES), 0)
    return None if fields is None else fields[3]


def recover(path: Path) -> int | None:
    """Seals the ``.open`` segment of an acceptor that is gone. Returns how many torn bytes were cut; None: its acceptor lives.

    Raises OSError when the disk refuses; the segment stays as it is and can be recovered later.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None  # sealed in this very moment
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read()
        keep = _whole_bytes(data)
        if keep < len(data):
            os.ftruncate(descriptor, keep)
        # A whole record may not be on the disk yet: claimed and then lost with the power, its sender's retry would be dropped.
        os.fsync(descriptor)
        try:
            if keep:
                path.rename(path.with_suffix(SEALED))
            else:
                path.unlink()
        except FileNotFoundError:
            return None  # its acceptor sealed it between our opening and our locking it
        fsync_folder(path.parent)
        return len(data) - keep
    finally:
        os.close(descriptor)


def recover_all(folder: Path) -> None:
    """Seals what acceptors left behind that are no more, and deletes what they had not begun."""
    for path in folder.iterdir():
        if path.suffix == OPEN:
            cut = recover(path)
            if cut:
                logger.warning("cut %d unacknowledged bytes from segment %s", cut, path.stem)
        elif path.suffix == UNNAMED and age_seconds(path) > _UNNAMED_SECONDS:
            path.unlink(missing_ok=True)


def age_seconds(path: Path) -> float:
    """Since a segment was begun, as its name tells."""
    return max(0.0, time.time() - int(path.name.split("-")[0]) / 1e9)


def set_aside(path: Path, data: bytes) -> None:
    """Keeps bytes for a person to look at; returns when they survive a loss of power, since what they are from is deleted next."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Makes the names in a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _whole_bytes(data: bytes) -> int:
    """How much of a segment is left when its torn tail is cut."""
    for item in parse(data):
        if isinstance(item, Damage) and item.torn:
            return item.begin
    return len(data)


def _header_at(data: bytes, position: int) -> tuple[int, int, int, int, int, bytes, int] | None:
    end = position + HEADER_BYTES
    if end > len(data) or data[position : position + 4] != _MAGIC:
        return None
    fields = data[position : position + _FIELDS.size]
    if _CHECK.unpack_from(data, position + _FIELDS.size)[0] != zlib.crc32(fields):
        return None
    _, length, received_ns, spans, kind, encoding, _, digest, crc = _FIELDS.unpack(fields)
    if length > BODY_LIMIT or encoding not in _ENCODINGS:
        return None
    return length, received_ns, spans, kind, encoding, digest, crc


def _next_header(data: bytes, position: int) -> int:
    while (position := data.find(_MAGIC, position)) >= 0:
        if _header_at(data, position) is not None:
            return position
        position += 1
    return len(data)
