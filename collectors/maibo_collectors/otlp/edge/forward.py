"""Forwarding: the log of an edge collector, sent upstream body by body, byte for byte, oldest first, for as long as it takes.

A body leaves the log only when the upstream has answered it: taken, or refused for good (then it is set aside with the reason). Whatever
else happens, a lost network, an upstream that is full, a token that has expired, it is sent again, the first one first. One body alone must
not stop all that come after it, though: when the upstream fails at it for ten minutes on end, and yet takes an empty one, it is set aside too. A segment's
file goes when every body in it is answered. After a crash, part of a segment is sent a second time, and after a lost answer, a body
is; upstream recognises them by their bytes, for a day.

In order means: a body is not sent before all older ones of its segment's groups are answered. Bodies of traces and logs go in groups of up to
`WINDOW` at once, which a long way needs (at 50 ms there and back, one at a time would be 20 a second) and counts cannot tell from one
after the other; metrics, whose points are differences to the ones before, go one at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from maibo_collectors.otlp.edge.upstream import FORWARDED, Answer, Result
from maibo_collectors.otlp.log import folder_bytes
from maibo_collectors.otlp.receiving.answers import METRICS
from maibo_collectors.otlp.segment import (
    SEALED,
    Damage,
    Kind,
    Record,
    age_seconds,
    first_kind,
    parse,
    recover_all,
    set_aside,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from prometheus_client import Counter

    from maibo_collectors.otlp.edge.upstream import Upstream

logger = logging.getLogger(__name__)

WINDOW: Final = 8
LOOK_SECONDS: Final = 0.05
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 5.0
"""How late an upstream that is back is noticed."""
_PATIENCE_SECONDS: Final = 600.0
_PATIENCE_TRIES: Final = 20
"""For so long and so often one body may fail, and hold up all others."""
_DONE: Final = frozenset({Result.TAKEN, Result.REFUSED})
_ONE_AT_A_TIME: Final = frozenset({METRICS.protobuf, METRICS.json})


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in a log."""

    segments: int
    bytes: int
    oldest_seconds: float

    def __str__(self) -> str:
        return (
            f"{self.segments} segments of {self.bytes / 2**20:.1f} MiB wait, the oldest for {self.oldest_seconds:.0f} s"
        )


@dataclass(slots=True)
class _Try:
    """A body on its way, and how often it failed, and since when, with no other answer in between."""

    record: Record
    failures: int = 0
    failing_since: float = 0.0
    others_taken: bool = False
    """The upstream took an empty body after this one had failed for long."""

    def answered(self, answer: Answer, now: float) -> None:
        if answer.result is not Result.FAILED:
            self.failures = 0
            self.others_taken = False
            return
        if not self.failures:
            self.failing_since = now
        self.failures += 1

    def hopeless(self, now: float) -> bool:
        return self.failures >= _PATIENCE_TRIES and now - self.failing_since >= _PATIENCE_SECONDS


@dataclass(slots=True)
class Forwarder:
    """Forwards one log folder to one upstream; runs in one task."""

    log: Path
    corrupt: Path
    upstream: Upstream
    tell: Callable[[str | None], object]
    """Told what keeps it from forwarding when that begins and when it is another thing, and None when it goes on."""
    forwarded: Counter
    """Bodies that are done, by their `Result`."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set: no other body is sent."""
    finishing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set: nothing more is sealed; it ends when the log is empty, or cannot be forwarded."""
    _problem: str | None = None
    _left: set[str] = field(default_factory=set)
    """Segments that are not for forwarding."""

    async def run(self) -> None:
        """Returns after `stopping`, or after `finishing` when it has done what it could."""
        while not self.stopping.is_set():
            last = self.finishing.is_set()
            try:
                done = await self._once()
                pause = LOOK_SECONDS
            except OSError as error:
                self._tell(f"the disk refuses: {error}")
                done, pause = 0, _LONGEST_PAUSE_SECONDS
            if last and (not done or self._problem is not None):
                return
            if not done:
                await self._pause(pause)

    def backlog(self) -> Backlog:
        """Of what is sealed and what is being written."""
        paths = list(self.log.iterdir())
        return Backlog(len(paths), folder_bytes(self.log), max(map(age_seconds, paths), default=0.0))

    async def _once(self) -> int:
        """Forwards what is sealed; returns how many segments are done."""
        await asyncio.to_thread(recover_all, self.log)
        done = 0
        for path in sorted(path for path in self.log.iterdir() if path.suffix == SEALED):
            if path.stem in self._left:
                continue
            if (first_kind(path) or 0) >= Kind.TALLY:
                self._left.add(path.stem)
                logger.error("%s holds counts, which cannot be forwarded: a collector with a store counts them", path)
                continue
            if not await self._segment(path):
                return done
            path.unlink()
            done += 1
        return done

    async def _segment(self, path: Path) -> bool:
        """Whether all of it is answered; no: it is time to stop."""
        records = await asyncio.to_thread(self._read, path)
        for group in _groups(records):
            if not await self._group(path.stem, group):
                return False
        return True

    async def _group(self, segment: str, group: Sequence[Record]) -> bool:
        waiting = [_Try(record) for record in group]
        pause = _FIRST_PAUSE_SECONDS
        while waiting:
            if self.stopping.is_set():
                return False
            answers = await asyncio.gather(*(self.upstream.send(each.record) for each in waiting))
            later: list[tuple[_Try, Answer]] = []
            for each, answer in zip(waiting, answers, strict=True):
                each.answered(answer, time.monotonic())
                if answer.result in _DONE or await self._given_up(each):
                    self._answered(segment, each, answer)
                else:
                    later.append((each, answer))
            waiting = [each for each, _ in later]
            if not later:
                self._tell(None)
                return True
            self._tell(later[0][1].message)
            if self.finishing.is_set():
                return False
            await self._pause(max(pause, *(answer.retry_after_seconds for _, answer in later)))
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        return True

    async def _given_up(self, attempt: _Try) -> bool:
        """An upstream that fails at everything is broken, and no body's fault: it is waited for.

        So the body must fail once more after an empty one was taken: the upstream may have come back just in between.
        """
        if not attempt.hopeless(time.monotonic()):
            return False
        if attempt.others_taken:
            return True
        attempt.others_taken = await self.upstream.takes(attempt.record.kind)
        return False

    def _answered(self, segment: str, attempt: _Try, answer: Answer) -> None:
        self.forwarded.labels(answer.result.value).inc()
        record = attempt.record
        if answer.result is not Result.TAKEN:
            name = f"{segment}-{record.body_hash.hex()}"
            tried = f" ({attempt.failures} times on end, though it takes an empty one)" if attempt.failures else ""
            self._set_aside(name, record.body, answer.message + tried)
        elif answer.rejected or answer.message:
            logger.warning("upstream took a body, but for %d: %s", answer.rejected, answer.message)

    def _read(self, path: Path) -> list[Record]:
        data = path.read_bytes()
        records: list[Record] = []
        for item in parse(data):
            if isinstance(item, Damage):
                self._set_aside(f"{path.stem}-{item.begin}", data[item.begin : item.end], "its checksum is wrong")
            elif item.kind not in FORWARDED:
                self._set_aside(f"{path.stem}-{item.body_hash.hex()}", item.body, "it is nothing to forward")
            else:
                records.append(item)
        return records

    def _set_aside(self, name: str, data: bytes, reason: str) -> None:
        target = self.corrupt / name
        set_aside(target, data)
        target.with_name(f"{name}.reason").write_text(f"{reason}\n", encoding="utf-8")
        logger.error("a body of %d bytes is not forwarded (%s): set aside as %s", len(data), reason, target)

    def _tell(self, problem: str | None) -> None:
        if problem != self._problem:
            self._problem = problem
            self.tell(problem)

    async def _pause(self, seconds: float) -> None:
        """Shorter when it is to finish or to stop."""
        waits = [asyncio.ensure_future(each.wait()) for each in (self.finishing, self.stopping) if not each.is_set()]
        if not waits:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()


def _groups(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Neighbours that may be sent at once."""
    group: list[Record] = []
    for record in records:
        alone = record.kind in _ONE_AT_A_TIME
        if group and (alone or len(group) == WINDOW):
            yield group
            group = []
        group.append(record)
        if alone:
            yield group
            group = []
    if group:
        yield group
