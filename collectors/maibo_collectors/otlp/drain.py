"""The drain: sealed log segments into cells, each acknowledged body counted exactly once.

For each segment, oldest first: claim its bodies, insert its cells, record it, delete its file. The process may die between any two of
these, and the store may fail in any of them; then the segment is still there, and is drained again from the start:

* the claims come *before* the insert, and a segment that claims again is given what it was given before. So a replay decides as the
  first attempt did which bodies are its own and which are another segment's (a sender's retry);
* decoding depends on the record alone (its time of receipt is in it), so a replay makes the same cells;
* the cells go in under the segment's name as deduplication token, so that what is in already, fully or in some of the tables, does not
  go in twice;
* the file goes after the record, and a file whose segment is recorded is only deleted.

Not covered: a sender's retry after the claims of the store have expired (a day), and a replay after that time of a segment that
held such a retry.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from maibo_collectors.otlp.aggregate import Aggregate, aggregate
from maibo_collectors.otlp.log import folder_bytes
from maibo_collectors.otlp.segment import OPEN, SEALED, UNNAMED, Damage, Record, parse, recover
from maibo_collectors.otlp.spans import Decoder
from maibo_slo.store import Store, segments
from maibo_slo.store.cells import insert_cells

if TYPE_CHECKING:
    from pathlib import Path

    from maibo_collectors.otlp.metrics import CoreMetrics

logger = logging.getLogger(__name__)

_UNNAMED_SECONDS = 60


@dataclass(slots=True)
class Drain:
    """Drains one log folder into one store; runs in one thread."""

    store: Store
    log: Path
    corrupt: Path
    metrics: CoreMetrics
    _decoder: Decoder = field(default_factory=Decoder)
    _failed: set[str] = field(default_factory=set)

    def once(self) -> int:
        """Drains what is sealed now, and returns how many segments that were.

        Raises whatever the store or the disk raise; all that is not drained stays, and the segment that failed comes last next time
        so that it cannot hold up the others.
        """
        self._recover()
        waiting = sorted(path for path in self.log.iterdir() if path.suffix == SEALED)
        self.metrics.segments_waiting.set(len(waiting))
        self.metrics.log_bytes.set(folder_bytes(self.log))
        if not waiting:
            return 0
        done = segments.is_drained(self.store, [path.stem for path in waiting])
        waiting.sort(key=lambda path: (path.stem in self._failed, path.stem))
        for left, path in zip(range(len(waiting) - 1, -1, -1), waiting, strict=True):
            if path.stem not in done:
                self._drain(path)
            path.unlink()
            self._failed.discard(path.stem)
            self.metrics.segments_waiting.set(left)
        return len(waiting)

    def _drain(self, path: Path) -> None:
        segment = path.stem
        self._failed.add(segment)
        with self.metrics.drain_seconds.time():
            records = self._read(path)
            own = segments.claim(self.store, segment, [each.body_hash for each in records])
            result = aggregate(records, own, self._decoder)
            for each in result.unreadable:
                self._set_aside(f"{segment}-{each.body_hash.hex()}", each.body, "its format is not understood")
            if result.cells:
                insert_cells(self.store, result.cells, token=segment)
            segments.record(self.store, _segment_record(segment, result))
        self.metrics.duplicate_bodies.inc(result.duplicate_bodies)

    def _read(self, path: Path) -> list[Record]:
        """The segment's good records; the bytes of bad ones are set aside, for a person to look at."""
        data = path.read_bytes()
        records: list[Record] = []
        for item in parse(data):
            if isinstance(item, Damage):
                self._set_aside(f"{path.stem}-{item.begin}", data[item.begin : item.end], "its checksum is wrong")
            else:
                records.append(item)
        return records

    def _set_aside(self, name: str, data: bytes, reason: str) -> None:
        target = self.corrupt / name
        target.write_bytes(data)
        self.metrics.damaged_records.inc()
        logger.error("a record of %d bytes cannot be counted (%s): set aside as %s", len(data), reason, target)

    def _recover(self) -> None:
        """Seals what acceptors left behind that are no more."""
        for path in self.log.iterdir():
            if path.suffix == OPEN:
                cut = recover(path)
                if cut:
                    logger.warning("cut %d unacknowledged bytes from segment %s", cut, path.stem)
            elif path.suffix == UNNAMED and segment_age_seconds(path) > _UNNAMED_SECONDS:
                path.unlink(missing_ok=True)


def oldest_age_seconds(log: Path) -> float:
    """Age of the oldest segment, sealed or not; 0 when there is none."""
    return max((segment_age_seconds(path) for path in log.iterdir()), default=0.0)


def segment_age_seconds(path: Path) -> float:
    """Since the segment was begun, as its name tells."""
    return max(0.0, time.time() - int(path.name.split("-")[0]) / 1e9)


def _segment_record(segment: str, result: Aggregate) -> segments.SegmentRecord:
    return segments.SegmentRecord(
        segment=segment,
        drained_at_ms=time.time_ns() // 1_000_000,
        bodies=result.bodies,
        duplicate_bodies=result.duplicate_bodies,
        spans=result.spans,
        counted=result.counted,
        ignored=result.ignored,
        rejected=result.rejected,
        minutes=result.minutes,
    )
