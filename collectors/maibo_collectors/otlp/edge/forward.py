"""Forwarding: the log of an edge collector, sent upstream body by body, byte for byte, oldest first, for as long as it takes.

A body leaves the log only when the upstream has answered it: taken, or refused for good (then it is set aside with the reason). Whatever
else happens, a lost network, an upstream that is full, a token that has expired, it is sent again, the first one first. One body alone must
not stop all that come after it, though: when the upstream fails at it and yet takes others, or an empty one, they go on, and it is sent again
beside them, for ten minutes; then it is set aside too. A segment's file goes when every body in it is answered. After a crash, part of a
segment is sent a second time, and after a lost answer, a body is; upstream recognises them by their bytes, for a day.

In order means: a body is not sent before all older ones of its segment's groups are answered. Bodies of traces and logs go in groups of up to
`WINDOW` at once, which a long way needs (at 50 ms there and back, one at a time would be 20 a second) and counts cannot tell from one
after the other; metrics, whose points are differences to the ones before, go one at a time. What the upstream fails at is overtaken: the next
point of a cumulative metric has in it what that one had.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from maibo_collectors.otlp.body import BODY_LIMIT
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
"""For so long and so often one body may fail before it is set aside."""
_DOUBTED_TRIES: Final = 4
"""After so many failures on end the upstream is asked whether it is the body's fault; at once, if there was such a body just before."""
_AILING: Final = 32
_AILING_BYTES: Final = BODY_LIMIT
"""Bodies that are sent again beside the others. With more of them, it is the upstream that is ill, and all wait."""
_LONGEST_AILING_PAUSE_SECONDS: Final = 30.0
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
    segment: Path
    due: float = 0.0
    """When to send it again beside the others (monotonic seconds), and how long after that the next time."""
    pause: float = _FIRST_PAUSE_SECONDS
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

    def wait(self, now: float, answer: Answer) -> None:
        self.due = now + max(self.pause, answer.retry_after_seconds)
        self.pause = min(2 * self.pause, _LONGEST_AILING_PAUSE_SECONDS)

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
    _ailing: list[_Try] = field(default_factory=list)
    """Bodies that the upstream fails at while it takes others."""
    _through: set[Path] = field(default_factory=set)
    """Segments of which only ailing bodies are left."""

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
        await self._again()
        done = 0
        for path in sorted(path for path in self.log.iterdir() if path.suffix == SEALED):
            if path.stem in self._left or path in self._through:
                continue
            if (first_kind(path) or 0) >= Kind.TALLY:
                self._left.add(path.stem)
                logger.error("%s holds counts, which cannot be forwarded: a collector with a store counts them", path)
                continue
            if not await self._segment(path):
                return done
            self._through.add(path)
            self._drop()
            done += 1
        return done

    def _drop(self) -> None:
        """Deletes segments that are done."""
        for path in self._through - {each.segment for each in self._ailing}:
            path.unlink(missing_ok=True)  # somebody may have deleted it meanwhile
            self._through.remove(path)

    async def _segment(self, path: Path) -> bool:
        """Whether all of it is answered; no: it is time to stop."""
        records = await asyncio.to_thread(self._read, path)
        self._ailing = [each for each in self._ailing if each.segment != path]  # when it is begun again
        for group in _groups(records):
            if not await self._group(path, group):
                return False
            await self._again()
        return True

    async def _group(self, segment: Path, group: Sequence[Record]) -> bool:
        waiting = [_Try(record, segment) for record in group]
        pause = _FIRST_PAUSE_SECONDS
        while waiting:
            if self.stopping.is_set():
                return False
            answers = await asyncio.gather(*(self.upstream.send(each.record) for each in waiting))
            works = any(answer.result in _DONE for answer in answers)
            later: list[tuple[_Try, Answer]] = []
            for each, answer in zip(waiting, answers, strict=True):
                each.answered(answer, time.monotonic())
                if answer.result in _DONE or await self._given_up(each):
                    self._answered(each, answer)
                elif answer.result is Result.FAILED and await self._is_its_fault(each, upstream_works=works):
                    self._ail(each, answer)
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

    async def _is_its_fault(self, attempt: _Try, *, upstream_works: bool) -> bool:
        """Whether the others need not wait for this one."""
        size = sum(len(each.record.body) for each in (attempt, *self._ailing))
        if len(self._ailing) >= _AILING or (self._ailing and size > _AILING_BYTES):
            return False
        if upstream_works:
            return True
        doubted = attempt.failures >= _DOUBTED_TRIES or bool(self._ailing)
        return doubted and await self.upstream.takes(attempt.record.kind)

    def _ail(self, attempt: _Try, answer: Answer) -> None:
        attempt.wait(time.monotonic(), answer)
        self._ailing.append(attempt)
        logger.warning(
            "upstream fails at a body of %d bytes (%s): it is sent again beside the others",
            len(attempt.record.body),
            answer.message,
        )

    async def _again(self) -> None:
        """Sends what ails and is due."""
        for each in [each for each in self._ailing if each.due <= time.monotonic()]:
            if self.stopping.is_set():
                return
            answer = await self.upstream.send(each.record)
            each.answered(answer, time.monotonic())
            each.wait(time.monotonic(), answer)
            if answer.result in _DONE or await self._given_up(each):
                self._answered(each, answer)
                self._ailing.remove(each)
            elif answer.result is Result.LATER:  # of the upstream's state the others tell, which go on meanwhile
                for other in self._ailing:
                    other.due = max(other.due, each.due)
                self._ailing.remove(each)
                self._ailing.append(each)  # the next time, another one is the first
                break
        self._drop()

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

    def _answered(self, attempt: _Try, answer: Answer) -> None:
        self.forwarded.labels(answer.result.value).inc()
        record = attempt.record
        if answer.result is not Result.TAKEN:
            name = f"{attempt.segment.stem}-{record.body_hash.hex()}"
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
