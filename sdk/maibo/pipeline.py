"""Finished spans on their way out: a bounded queue and one worker thread.

Guarantees:

* `put` never blocks, takes no lock and never raises; a full queue refuses the newest, and counts it as lost.
* A batch leaves after at most `delay_seconds`, as soon as it is full, and as soon as far more waits than usually comes in that time: so a
  crowd is told at once, and a steady rate costs no request more. A batch that the collector could not take is sent again, the same
  bytes, until it can, the process stops, or the collector refuses it for good.
* `flush` returns within its time, even when the collector hangs; `hurry` and `wait` take no lock, so that a signal handler may call
  them while the main thread is anywhere.
* After a fork, the child starts empty, with a thread and connections of its own; what was queued is the parent's to send.

OpenTelemetry's own batch processor drops the oldest silently and ignores the time it is given to flush.
"""

from __future__ import annotations

import os
import random
import threading
import time
import weakref
from collections import deque
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, Protocol

from opentelemetry import context as otel
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, Resource

from maibo import problems
from maibo.otlp import ATTEMPT_SECONDS, Answer
from maibo.spans import as_span
from maibo.stats import Stats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from maibo.runtime import Finished

BATCH: Final = 512
CAPACITY: Final = 32_768
DELAY_SECONDS: Final = 1.0
STOP_SECONDS: Final = 2.0
_CROWD_TIMES: Final = 2
_CROWD_SPANS: Final = 16
"""Spans that wait are a crowd's when they are so many times as many as usual, and so many besides: hardly ever by chance."""
_USUAL_SHARE: Final = 0.1
"""Of the newest batch in what is usual: a steady rate is usual after some ten batches, whatever was before."""
_HURRY_SECONDS: Final = 30.0
"""After SIGTERM: long enough for any graceful stop; if the process goes on living, so does batching."""
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 5.0
_HURRIED_PAUSE: Final = 0.1


class Exporter(Protocol):
    """Sends a batch once."""

    endpoint: str

    def send(self, spans: Sequence[ReadableSpan], *, timeout: float) -> Answer: ...
    def close(self) -> None: ...


class Pipeline:
    """The sink of a configured process."""

    def __init__(
        self,
        connect: Callable[[], Exporter],
        resource: Resource,
        scope: InstrumentationScope,
        *,
        capacity: int = CAPACITY,
        delay_seconds: float = DELAY_SECONDS,
        on_start: Callable[[], object] = lambda: None,
    ) -> None:
        self._connect = connect
        self._resource = resource
        self._scope = scope
        self._capacity = capacity
        self._delay = delay_seconds
        self._on_start = on_start
        self._begin_anew()
        _living.add(self)

    def _begin_anew(self) -> None:
        self._queue: deque[Finished] = deque()
        self._wake: SimpleQueue[None] = SimpleQueue()  # its put is re-entrant: the one thing a signal handler may use
        self._lock = threading.RLock()
        self._ids = random.Random()  # noqa: S311 -- not a secret; a host's random.seed() must not make ids repeat
        self._attention = 0  # the first put finds it reached, and starts the worker
        self._in_flight = 0
        self._usual = 0.0  # spans that wait after a rest
        self._urgent_until = 0.0
        self._worker: threading.Thread | None = None
        self._stopped = False
        self._why = ""
        self.stop_seconds = STOP_SECONDS
        self.exported = self.rejected = self.lost = 0

    def put(self, finished: Finished, /) -> None:
        """Take one in."""
        queue = self._queue
        queue.append(finished)
        if len(queue) >= self._attention:
            self._attend()

    def flush(self, timeout: float = STOP_SECONDS) -> bool:
        """Send everything now; whether nothing is left after at most `timeout` seconds."""
        if self._pending():
            self._start()
        self.hurry(timeout)
        return self.wait(timeout)

    def hurry(self, seconds: float = _HURRY_SECONDS) -> None:
        """For a while, send whatever comes at once. Takes no lock."""
        self._urgent_until = max(self._urgent_until, time.monotonic() + seconds)
        if self._worker is not None:
            self._attention = 1
        self._wake.put(None)

    def wait(self, timeout: float) -> bool:
        """Whether everything was sent or refused within `timeout` seconds. Takes no lock."""
        deadline = time.monotonic() + timeout
        while self._pending() and time.monotonic() < deadline:
            time.sleep(0.002)
        return not self._pending()

    def shutdown(self, timeout: float | None = None) -> bool:
        """Flush and stop; what is left is lost, counted and told once. What comes later is lost too."""
        if self._stopped:
            return True
        flushed = self.flush_at_stop() if timeout is None else self.flush(timeout)
        self._stopped = True
        self._attention = 0
        self._wake.put(None)
        left, self._in_flight = self._pending(), 0
        self._queue.clear()
        if left:
            self._lose(left, f"not delivered in time at the stop ({self._why or 'no answer yet'})")
        return flushed

    def flush_at_stop(self) -> bool:
        """Flush as one of several steps of a stop (lifespan, signal, exit): together they may block for `STOP_SECONDS`."""
        began = time.monotonic()
        flushed = self.flush(self.stop_seconds)
        self.stopping_took(time.monotonic() - began, flushed=flushed)
        return flushed

    def stopping_took(self, seconds: float, *, flushed: bool) -> None:
        """Take from the time that a stop may block; a flush that worked gives it back. Takes no lock."""
        self.stop_seconds = STOP_SECONDS if flushed else max(0.0, self.stop_seconds - seconds)

    def stats(self) -> Stats:
        """What became of the spans so far."""
        return replace(
            Stats.of_problems(), exported=self.exported, rejected=self.rejected, queued=self._pending(), lost=self.lost
        )

    def after_fork_in_child(self) -> None:
        """Start empty, as another instance of the service."""
        from uuid import uuid4

        self._begin_anew()
        if SERVICE_INSTANCE_ID in self._resource.attributes:
            self._resource = self._resource.merge(Resource({SERVICE_INSTANCE_ID: str(uuid4())}))

    def _attend(self) -> None:
        """The queue has something that cannot wait: its first span, a full batch or a crowd, or too much."""
        try:
            if self._stopped:
                self._queue.clear()
                self._lose(1, "finished after the shutdown")
            elif len(self._queue) > self._capacity:
                self._queue.pop()
                self._lose(1, f"the queue of {self._capacity} is full ({self._why or 'the worker is behind'})")
            elif self._worker is None:
                self._start()
            elif self._wake.empty():
                self._wake.put(None)
        except Exception as error:  # noqa: BLE001 -- the host goes on
            problems.caught("pipeline", error)

    def _start(self) -> None:
        with self._lock:
            if self._worker is not None or self._stopped:
                return
            worker = threading.Thread(target=self._work, name="maibo", daemon=True)
            self._worker = worker
            self._attention = BATCH
            worker.start()
        self._on_start()

    def _work(self) -> None:
        otel.attach(otel.set_value(otel._SUPPRESS_INSTRUMENTATION_KEY, value=True))  # noqa: SLF001 -- as OpenTelemetry's own do
        exporter: Exporter | None = None
        while not self._stopped:
            try:
                exporter = exporter or self._connect()
                self._rest()
                while self._queue and not self._stopped:
                    self._deliver(exporter, self._take())
            except Exception as error:  # noqa: BLE001 -- the worker must go on
                problems.caught("worker", error)
                self._lose_in_flight("an internal error")
                self._pause(_FIRST_PAUSE)
        if exporter is not None:
            exporter.close()

    def _rest(self) -> None:
        """Until the delay is over, a batch is full, a crowd comes, or someone hurries."""
        if self._urgent():
            self._pause_for_wake(0.05)
            return
        self._attention = min(BATCH, _CROWD_SPANS + int(_CROWD_TIMES * self._usual))
        self._pause_for_wake(self._delay)
        self._usual += _USUAL_SHARE * (len(self._queue) - self._usual)

    def _take(self) -> list[Finished]:
        size = min(len(self._queue), BATCH)
        self._in_flight = size  # before they leave the queue: what is pending never looks less than it is
        return [self._queue.popleft() for _ in range(size)]

    def _deliver(self, exporter: Exporter, batch: list[Finished]) -> None:
        spans = [
            as_span(each, span_id=self._ids.getrandbits(64) or 1, resource=self._resource, scope=self._scope)
            for each in batch
        ]
        pause = _FIRST_PAUSE
        while not self._stopped:
            answer = exporter.send(spans, timeout=self._attempt_seconds())
            if self._stopped:  # the shutdown has counted this batch already
                return
            if answer.delivered:
                self.exported += len(spans) - answer.rejected
                self.rejected += answer.rejected
                if answer.rejected:
                    problems.tell("maibo: the collector at %s rejected spans (see stats())", exporter.endpoint)
                if self._why:
                    self._why = ""
                    problems.tell("maibo: the collector at %s takes spans again", exporter.endpoint)
                self._in_flight = 0
                return
            self._why = answer.why
            if not answer.retry:
                self._lose_in_flight(answer.why)
                return
            problems.tell(
                "maibo: the collector at %s does not take spans (%s): keeping them", exporter.endpoint, answer.why
            )
            self._pause(answer.wait_seconds or pause * self._ids.uniform(0.8, 1.2))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _attempt_seconds(self) -> float:
        return (
            min(ATTEMPT_SECONDS, max(self._urgent_until - time.monotonic(), 0.1)) if self._urgent() else ATTEMPT_SECONDS
        )

    def _urgent(self) -> bool:
        return time.monotonic() < self._urgent_until

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopped:
            if not self._urgent():
                self._attention = self._capacity + 1  # more to send is no reason to wake up now
            else:
                time.sleep(min(seconds, _HURRIED_PAUSE))
                return
            if (left := until - time.monotonic()) <= 0:
                return
            self._pause_for_wake(left)

    def _pause_for_wake(self, seconds: float) -> bool:
        try:
            self._wake.get(timeout=seconds)
        except Empty:
            return False
        return True

    def _pending(self) -> int:
        return len(self._queue) + self._in_flight

    def _lose_in_flight(self, why: str) -> None:
        if self._in_flight:
            self._lose(self._in_flight, why)
            self._in_flight = 0  # last: who waits for it to be 0 has then seen the rest

    def _lose(self, number: int, why: str) -> None:
        with self._lock:
            self.lost += number
        problems.tell("maibo: spans are lost: %s (further ones are only counted, see stats())", why)


_living: weakref.WeakSet[Pipeline] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for pipeline in list(_living):
        pipeline.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
