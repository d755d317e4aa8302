"""The drain: sealed log segments into cells, each acknowledged body counted exactly once.

For each segment, oldest first: claim its bodies, insert its cells, record it, delete its file. The process may die between any two of
these, and the store may fail in any of them; then the segment is still there, and is drained again from the start:

* the claims come *before* the insert, and a segment that claims again is given what it was given before. So a replay decides as the
  first attempt did which bodies are its own and which are another segment's (a sender's retry);
* decoding depends on the record alone (its time of receipt is in it), so a replay makes the same cells;
* the cells go in under the segment's name as deduplication token, so that what is in already, fully or in some of the tables, does not
  go in twice;
* the file goes after the record, and a file whose segment is recorded is only deleted.

What fails waits longer each time: a segment on its own account while others are drained, the whole drain when nothing is.

Not covered: a sender's retry after the claims of the store have expired (a day), and a replay after that time of a segment that
held such a retry.
"""

from __future__ import annotations

import logging
import math
import threading
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
    from collections.abc import Callable
    from pathlib import Path

    from maibo_collectors.otlp.metrics import CoreMetrics

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 0.25
"""Between looks into the log's folder; a look costs less than a millisecond."""
_LONGEST_PAUSE_SECONDS = 5.0
"""Between attempts while nothing can be drained."""
_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 60.0
"""Between attempts at a segment that fails while others do not."""
_UNNAMED_SECONDS = 60


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a segment could not be drained, and when it is tried again."""

    error: Exception
    pause_seconds: float
    retry_at: float
    """Monotonic seconds."""


@dataclass(slots=True)
class Drain:
    """Drains one log folder into one store; runs in one thread."""

    store: Store
    log: Path
    corrupt: Path
    metrics: CoreMetrics
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set: no other segment is begun."""
    _decoder: Decoder = field(default_factory=Decoder)
    _failures: dict[str, _Failure] = field(default_factory=dict)

    @property
    def failure(self) -> Exception | None:
        """Why segments wait that were tried, told of the last one; None: there are none."""
        return next((failure.error for failure in reversed(self._failures.values())), None)

    def once(self, *, now: float) -> int:
        """Drains what is sealed and due `now` (monotonic seconds), and returns how many segments that were.

        All that is not drained stays. A segment that fails ends the pass, since the store may be at fault; next time it comes last, and
        only after a pause of its own, so that it cannot hold up the others. Raises whatever the store or the disk raise, unless
        something was drained.
        """
        self._recover()
        waiting = {path.stem: path for path in self.log.iterdir() if path.suffix == SEALED}
        self.metrics.log_bytes.set(folder_bytes(self.log))
        self._failures = {segment: failure for segment, failure in self._failures.items() if segment in waiting}
        due = sorted(
            (
                segment
                for segment in waiting
                if segment not in self._failures or self._failures[segment].retry_at <= now
            ),
            key=lambda segment: (segment in self._failures, segment),
        )
        if not due:
            return 0
        done = segments.is_drained(self.store, due)
        for drained, segment in enumerate(due):
            if self.stopping.is_set():
                return drained
            try:
                if segment not in done:
                    self._drain(waiting[segment])
                waiting[segment].unlink()
            except Exception as error:
                self._postpone(segment, error, now)
                if drained:
                    return drained
                raise
            self._failures.pop(segment, None)
        return len(due)

    def _postpone(self, segment: str, error: Exception, now: float) -> None:
        before = self._failures.pop(segment, None)
        pause = _FIRST_RETRY_SECONDS if before is None else min(2 * before.pause_seconds, _LONGEST_RETRY_SECONDS)
        self._failures[segment] = _Failure(error, pause, now + pause)
        logger.warning("segment %s cannot be counted and is tried again in %g s or later: %s", segment, pause, error)

    def _drain(self, path: Path) -> None:
        segment = path.stem
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


class DrainThread(threading.Thread):
    """Drains until it is told to finish or to stop.

    One thread, since the store's connections belong to threads; and a daemon, so that a store that hangs does not keep the process.
    """

    def __init__(self, drain: Drain, *, tell: Callable[[str | None], object], on_end: Callable[[], object]) -> None:
        """`tell` hears what is wrong when that changes, `on_end` comes last; both in this thread."""
        super().__init__(name="maibo-drain", daemon=True)
        self._drain = drain
        self._tell = tell
        self._on_end = on_end
        self._finishing = threading.Event()

    def finish(self) -> None:
        """No more is sealed: the thread ends when it has drained what can be drained."""
        self._finishing.set()

    def stop(self) -> None:
        """The thread ends after the segment it is at."""
        self._drain.stopping.set()
        self._finishing.set()

    def run(self) -> None:
        try:
            self._run()
        finally:
            self._on_end()

    def _run(self) -> None:
        told: str | None = None
        pause = DRAIN_SECONDS
        while not self._drain.stopping.is_set():
            last = self._finishing.is_set()
            try:
                drained = self._drain.once(now=math.inf if last else time.monotonic())
                failure = self._drain.failure
            except Exception as error:  # noqa: BLE001 -- whatever it is, it is told, and the log is still there
                drained, failure = None, error
            problem = None
            if failure is not None:
                problem = f"the log cannot be drained, or not all of it: {str(failure) or type(failure).__name__}"
            if problem != told:
                told = problem
                self._tell(problem)
                if failure is not None:
                    logger.error("%s; nothing is lost, it is tried again", problem, exc_info=failure)
            if last and not drained:
                return
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS) if drained is None else DRAIN_SECONDS
            if not last:
                self._finishing.wait(pause)


def waiting_segments(log: Path) -> int:
    """Segments with records that are not drained: those that are sealed, and those being written that are not empty."""
    waiting = 0
    for path in log.iterdir():
        try:
            waiting += path.suffix == SEALED or (path.suffix == OPEN and path.stat().st_size > 0)
        except FileNotFoundError:  # sealed in this very moment
            waiting += 1
    return waiting


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
