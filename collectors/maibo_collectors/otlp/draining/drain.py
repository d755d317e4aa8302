"""The drain: sealed log segments into the store's counts, each acknowledged body counted exactly once.

Each pass takes all that is sealed as one batch: writes down which segments that are, claims their bodies, inserts what they have of
10 s (cells, starts of journeys), keeps all else that they come to, deletes the files. The process may die between any two of these, and the
store may fail in any of them; then the batch's manifest is still there, and the batch is drained again, as it was written down, from the start:

* the claims come *before* the insert, and a batch that claims again is given what it was given before. So a replay decides as the
  first attempt did which bodies are its own and which are another batch's (a sender's retry);
* what a body counts depends on its record alone, and the states of metrics' streams are kept as they were before the batch until it is
  through (`settlement`). So a replay makes the same counts;
* what is of 10 s goes in under the batch's id as deduplication token, so that what is in already does not go in twice;
* all else is kept in one file, which is inserted later, and once (`rollup`); where there is no room for it, it is inserted as that is;
* the log's files go last, and those of a batch that is kept or recorded are only deleted.

What fails waits longer each time: a batch on its own account while others are drained, the whole drain when nothing is. No batch is
begun while the store does not answer, and few while it answers and does not take them, so that it has few to do when it does again.

Not covered: a sender's retry after the claims of the store have expired (a day), and a replay after that time of a batch that
held such a retry.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import threading
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from maibo_collectors.otlp.draining import batch as batches
from maibo_collectors.otlp.draining.batch import Batch
from maibo_collectors.otlp.draining.content import Contents
from maibo_collectors.otlp.draining.rollup import Rollup
from maibo_collectors.otlp.draining.settlement import settled
from maibo_collectors.otlp.log import folder_bytes
from maibo_collectors.otlp.segment import OPEN, SEALED, age_seconds, records, recover_all, set_aside
from maibo_slo.store import Store, counts, segments
from maibo_slo.store.tables import DEDUPLICATION_WINDOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from maibo_collectors.otlp.decoding.points import Points
    from maibo_collectors.otlp.decoding.tally import Tally
    from maibo_collectors.otlp.metrics import CoreMetrics
    from maibo_slo.store.counts import Counts
    from maibo_slo.store.segments import SegmentRecord

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.05
"""Between looks into the log's folder, which cost some 0.1 ms each."""
_LONGEST_REST_SECONDS = 0.3
_REST = 1.5
"""After a pass the drain rests half as long again as that took, up to 0.3 s. What a pass costs grows slower than what is in it, so that few
large ones leave the cores to those who take spans.
"""
_ROLL_UP_REST = 20.0
_LONGEST_ROLL_UP_REST_SECONDS = 5.0
"""What is counted in minutes goes in twenty times as long after the last time as that took, up to 5 s: at once where little comes."""
_LONGEST_PAUSE_SECONDS = 5.0
"""Between attempts while nothing can be drained."""
_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 60.0
"""Between attempts at a batch that fails."""
_LONGEST_BEGIN_SECONDS = 10.0
"""Between batches that are begun while each of them fails."""
OVERTAKEN = DEDUPLICATION_WINDOW // 4
"""Batches recorded since one that failed was begun. A batch is one insert into a table, and others may insert too."""
_CLAIMS = 2_000
"""Bodies claimed with one query: their hashes are one form field, of which a server takes 128 KiB."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why something could not be done, and when it is tried again."""

    error: Exception
    pause_seconds: float
    retry_at: float
    """Monotonic seconds."""


@dataclass(slots=True)
class Drain:
    """Drains one log folder into one store; runs in one thread."""

    store: Store
    log: Path
    kept: Path
    """Where what is counted in minutes is kept until several batches' are inserted together."""
    corrupt: Path
    metrics: CoreMetrics
    counted: Callable[[], object] = lambda: None
    """Told when a batch's 10 s cells are in."""
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set: no other batch is begun."""
    behind: bool = False
    """More was waiting at the last pass than one batch holds."""
    _contents: Contents = field(default_factory=Contents)
    _rollup: Rollup = field(init=False)
    _rolling_up: threading.Lock = field(default_factory=threading.Lock)
    _lagging: _Failure | None = None
    """What is kept cannot be inserted."""
    _failures: dict[str, _Failure] = field(default_factory=dict)
    """By batch."""
    _begun: set[str] = field(default_factory=set)
    """Batches that may come again."""
    _beginning: _Failure | None = None
    """The last batch that was begun failed."""

    def __post_init__(self) -> None:
        self._rollup = Rollup(self.store, self.kept, self.log, self._set_aside)

    @property
    def failure(self) -> Exception | None:
        """Why batches wait that were tried, told of the last one; None: there are none."""
        failures = (*self._failures.values(), *filter(None, [self._lagging]))
        return failures[-1].error if failures else None

    def once(self, *, now: float, roll_up: bool = True) -> int:
        """Drains what is sealed and due `now` (monotonic seconds), and returns how many segments that were.

        All that is not drained stays. A batch that fails ends the pass, since the store may be at fault; next time it comes last, and
        only after a pause of its own, so that it cannot hold up the others. Raises whatever the store or the disk raise, unless
        something was drained. With `roll_up`, what is counted in minutes goes in as well.
        """
        recover_all(self.log)
        self.metrics.log_bytes.set(folder_bytes(self.log))
        drained = 0
        try:
            for batch, fresh in self._due(now):
                if self.stopping.is_set():
                    return drained
                self._attempt(batch, now, fresh=fresh)
                drained += len(batch.segments)
        except Exception:
            if not drained:
                raise
        if roll_up and not self.stopping.is_set():
            try:
                self.roll_up(now=now)
            except Exception:
                if not drained:
                    raise
        return drained

    def roll_up(self, *, now: float) -> None:
        """Inserts what is kept, unless that failed and is not due `now` (monotonic seconds). May run beside `once`, in another thread.

        Raises whatever the store or the disk raise, which `failure` then tells.
        """
        with self._rolling_up:
            if self._lagging is not None and self._lagging.retry_at > now:
                return
            begin = time.monotonic()
            try:
                if self._rollup.once():
                    self.metrics.rollup_seconds.observe(time.monotonic() - begin)
            except Exception as error:
                self._lagging = _next(self._lagging, error, now, longest=_LONGEST_BEGIN_SECONDS)
                logger.warning("what is counted in minutes cannot be inserted and waits: %s", error)
                raise
            self._lagging = None

    def _due(self, now: float) -> Iterator[tuple[Batch, bool]]:
        """What a crash left behind, then what is new (and told to be), then what failed before and is due."""
        waiting = batches.waiting(self.log)
        for path in waiting.damaged:
            self._set_aside_manifest(path)
        begun = {batch.id: batch for batch in waiting.batches}
        self._begun = set(begun)
        self._failures = {each: failure for each, failure in self._failures.items() if each in begun}
        yield from ((batch, False) for each, batch in begun.items() if each not in self._failures)
        if not self._overtaken() and not self._rollup.is_full():
            yield from ((batch, True) for batch in self._new(list(waiting.segments), now))
        for each, failure in list(self._failures.items()):
            if failure.retry_at <= now and each in begun:
                yield begun[each], False

    def _overtaken(self) -> bool:
        """Whether a batch that may be in the store in part has been overtaken by as many as the store's tables remember tokens for, or
        soon: then it comes first, or trying it again would count it again.
        """
        if not self._failures:
            return False
        oldest = min(self._failures)
        return segments.recorded_since(self.store, batches.begun_ms(oldest)) >= OVERTAKEN

    def _new(self, waiting: list[str], now: float) -> Iterator[Batch]:
        if self._beginning is not None and self._beginning.retry_at > now:
            return
        self.behind = False
        while waiting and not self.stopping.is_set():
            batch = batches.choose(self.log, waiting)
            # An older version recorded segments by name. And a store that does not answer this is not to be asked for more.
            done = segments.is_drained(self.store, batch.segments)
            waiting = waiting[len(batch.segments) :]
            self.behind = self.behind or bool(waiting)
            for segment in done:
                (self.log / f"{segment}{SEALED}").unlink()
            batch = replace(batch, segments=tuple(segment for segment in batch.segments if segment not in done))
            if batch.segments:
                batch = batches.write(self.log, batch)
                self._begun.add(batch.id)
                yield batch

    def _attempt(self, batch: Batch, now: float, *, fresh: bool) -> None:
        try:
            if fresh or not (self._rollup.has(batch.id) or segments.is_drained(self.store, [batch.id])):
                self._drain(batch)
            batches.remove(self.log, batch)
        except Exception as error:
            self._postpone(batch, error, now)
            raise
        self._failures.pop(batch.id, None)
        self._beginning = None

    def _postpone(self, batch: Batch, error: Exception, now: float) -> None:
        before = self._failures.pop(batch.id, None)
        self._failures[batch.id] = failure = _next(before, error, now, longest=_LONGEST_RETRY_SECONDS)
        if before is None:
            self._beginning = _next(self._beginning, error, now, longest=_LONGEST_BEGIN_SECONDS)
        logger.warning(
            "batch %s (%d segments) cannot be counted and is tried again in %g s or later: %s",
            batch.id,
            len(batch.segments),
            failure.pause_seconds,
            error,
        )

    def _drain(self, batch: Batch) -> None:
        with self.metrics.drain_seconds.time():
            paths = [self.log / f"{segment}{SEALED}" for segment in batch.segments]
            found = [record for path in paths for record in records(path, self._set_aside)]
            own = self._claim(batch, [each.body_hash for each in found])
            content = self._contents.read(found, own, settle=partial(self._settle, batch))
            for each in content.unreadable:
                self._set_aside(f"{batch.id}-{each.body_hash.hex()}", each.body, "its format is not understood")
            counts.insert_cells(self.store, content.counts, token=batch.id)
            self.counted()
            record = content.record(batch.id, drained_at_ms=time.time_ns() // 1_000_000)
            if not self._keep(batch, content.counts, record):
                counts.insert_minutes(self.store, content.counts, token=batch.id)
                segments.record(self.store, record)
        self.metrics.drained(
            content.became(),
            duplicate_bodies=content.duplicate_bodies,
            received_ns=content.received_ns,
            now_ns=time.time_ns(),
        )

    def _keep(self, batch: Batch, content: Counts, record: SegmentRecord) -> bool:
        """False: there is no room, and as it is written down now there will be none when the batch comes again."""
        if batch.whole:
            return False
        try:
            self._rollup.keep(content, record)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            batches.write(self.log, replace(batch, whole=True))
            return False
        return True

    def _settle(self, batch: Batch, bodies: Sequence[Points]) -> list[Tally]:
        tallies, notes = settled(self.store, bodies, batch=batch.id, begun=self._begun)
        self.metrics.settled(notes)
        return tallies

    def _claim(self, batch: Batch, hashes: Sequence[bytes]) -> set[bytes]:
        own: set[bytes] = set()
        for begin in range(0, len(hashes), _CLAIMS):
            own |= segments.claim(self.store, batch.id, hashes[begin : begin + _CLAIMS])
        return own

    def _set_aside(self, name: str, data: bytes, reason: str) -> None:
        target = self.corrupt / name
        set_aside(target, data)
        self.metrics.damaged_records.inc()
        logger.error("a record of %d bytes cannot be counted (%s): set aside as %s", len(data), reason, target)

    def _set_aside_manifest(self, path: Path) -> None:
        """Its segments are drained in a new batch; bodies that it had claimed and not counted are taken for retries there."""
        target = path.rename(self.corrupt / path.name)
        self.metrics.damaged_records.inc()
        logger.error("a batch's manifest is damaged and set aside as %s; bodies of it may stay uncounted", target)


def _next(before: _Failure | None, error: Exception, now: float, *, longest: float) -> _Failure:
    pause = _FIRST_RETRY_SECONDS if before is None else min(2 * before.pause_seconds, longest)
    return _Failure(error, pause, now + pause)


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
        self._told: str | None = None
        self._finishing = threading.Event()

    def finish(self) -> None:
        """No more is sealed: the thread ends when it has drained what can be drained."""
        self._finishing.set()

    def stop(self) -> None:
        """The thread ends after the batch it is at."""
        self._drain.stopping.set()
        self._finishing.set()

    def run(self) -> None:
        rollup = _RollupThread(self._drain)
        rollup.start()
        try:
            self._run(rollup)
        finally:
            rollup.end()
            self._on_end()

    def _run(self, rollup: _RollupThread) -> None:
        pause = LOOK_SECONDS
        while not self._drain.stopping.is_set():
            last = self._finishing.is_set()
            if last:
                rollup.end()
            begin = time.monotonic()
            try:
                drained = self._drain.once(now=math.inf if last else begin, roll_up=last)
                self._say(self._drain.failure)
            except Exception as error:  # noqa: BLE001 -- whatever it is, it is told, and the log is still there
                drained = None
                self._say(error)
            if last and not drained:
                return
            if drained is None:
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            elif drained:
                rest = 0.0 if self._drain.behind else min(_REST * (time.monotonic() - begin), _LONGEST_REST_SECONDS)
                pause = max(LOOK_SECONDS, rest)
            else:
                pause = LOOK_SECONDS
            if not last:
                self._finishing.wait(pause)

    def _say(self, failure: Exception | None) -> None:
        """Tells what is wrong, when that is news."""
        problem = None
        if failure is not None:
            problem = f"the log cannot be drained, or not all of it: {str(failure) or type(failure).__name__}"
        if problem == self._told:
            return
        self._told = problem
        self._tell(problem)
        if failure is not None:
            logger.error("%s; nothing is lost, it is tried again", problem, exc_info=failure)


class _RollupThread(threading.Thread):
    """Inserts what is kept beside the drain, which so need not wait for it."""

    def __init__(self, drain: Drain) -> None:
        super().__init__(name="maibo-rollup", daemon=True)
        self._drain = drain
        self._ending = threading.Event()

    def end(self) -> None:
        """Returns when what the pass under way has found is in."""
        self._ending.set()
        self.join()

    def run(self) -> None:
        pause = LOOK_SECONDS
        while not self._ending.wait(pause):
            begin = time.monotonic()
            with contextlib.suppress(Exception):  # told by the drain's `failure`, and tried again
                self._drain.roll_up(now=begin)
            took = time.monotonic() - begin
            pause = max(LOOK_SECONDS, min(_ROLL_UP_REST * took, _LONGEST_ROLL_UP_REST_SECONDS))


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
    return max((age_seconds(path) for path in log.iterdir()), default=0.0)
