"""From what watches tell to rows: scale-ups, and replicas by 10 s.

One thread looks at every change, in the order in which they came, and writes once a second at most. What waits to be looked at is bounded:
beyond it watches wait, and the API server keeps their changes. What the store does not take is kept, its newest version only, and tried again
each second; beyond a bound the oldest is dropped and counted.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from maibo_collectors.kubernetes.watch import Sight
from maibo_slo.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Sequence

    from maibo_collectors.kubernetes.changes import Change
    from maibo_collectors.kubernetes.sampling import Sampler
    from maibo_collectors.kubernetes.watch import Told
    from maibo_slo.store.replicas import Sample
    from maibo_slo.store.scaleups import ScaleUp
    from maibo_slo.store.workload import Workload

WAITING: Final = 4096
"""Changes that wait to be looked at: some 40 MB of pods, at the worst."""
UNWRITTEN: Final = 20_000
"""Rows of each kind that wait for the store: hours of it, for a hundred workloads."""
WRITE_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.2
"""How often a watch that waits looks whether all is over."""
log = logging.getLogger(__name__)

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


class Assembles(Protocol):
    """Makes scale-ups of changes."""

    def take(self, change: Change) -> None: ...

    def due(self, now: float) -> Sequence[ScaleUp]:
        """Those that are new or have changed since it was last asked."""
        ...


class Writes(Protocol):
    """The store, as far as the recorder knows it. StoreError."""

    def scaleups(self, rows: Sequence[ScaleUp]) -> None: ...

    def samples(self, rows: Sequence[Sample]) -> None: ...


class Recorder:
    """Its `run` is for a thread; `tell` is for others."""

    def __init__(
        self,
        assembly: Assembles,
        sampler: Sampler,
        writes: Writes,
        *,
        sampled: Callable[[], Collection[Workload]] = tuple,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`sampled`: workloads whose replicas are sampled; empty: all."""
        self.problem: str | None = None
        """What is wrong with the store; None: nothing."""
        self.failures = 0
        self.dropped = 0
        self.not_understood = 0
        self._assembly = assembly
        self._sampler = sampler
        self._writes = writes
        self._sampled = sampled
        self._clock = clock
        self._queue: queue.Queue[Told | None] = queue.Queue(WAITING)
        self._stopping = threading.Event()
        self._scaleups: dict[str, ScaleUp] = {}
        self._samples: dict[tuple[Workload, int], Sample] = {}

    def waiting(self) -> int:
        return self._queue.qsize()

    def unwritten(self) -> int:
        return len(self._scaleups) + len(self._samples)

    def tell(self, told: Told) -> None:
        """What a watch heard; waits while too much is waiting, unless the recorder has been stopped."""
        while not self._stopping.is_set():
            try:
                self._queue.put(told, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return

    def stop(self) -> None:
        """Ends `run` after one more look and one more write."""
        self._stopping.set()
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)  # wakes it

    def run(self) -> None:
        """Until stopped."""
        write_at = time.monotonic() + WRITE_SECONDS
        while not self._stopping.is_set():
            self._look(write_at - time.monotonic())
            if time.monotonic() >= write_at:
                self.write()
                write_at = time.monotonic() + WRITE_SECONDS
        while not self._queue.empty():
            self._look(0)
        self.write()

    def take(self, told: Told) -> None:
        """Look at one."""
        try:
            if isinstance(told, Sight):
                self._sampler.sight(told)
            else:
                self._sampler.take(told)
                self._assembly.take(told)
        except Exception as error:  # noqa: BLE001 -- objects are whatever a cluster has: one that trips us must not end the recorder
            self._fails(f"a change of {told.resource} could not be made sense of", error)

    def write(self) -> None:
        """What is due, and what the store did not take before."""
        now = self._clock()
        self._collect(now)
        try:
            if self._scaleups:
                self._writes.scaleups([*self._scaleups.values()])
                self._scaleups.clear()
            if self._samples:
                self._writes.samples([*self._samples.values()])
                self._samples.clear()
        except StoreError as error:
            self.failures += 1
            if self.problem is None:
                log.warning("scale-ups and replicas wait for the store: %s", error)
            self.problem = f"scale-ups and replicas are not written: {error}"
        else:
            self.problem = None

    def _look(self, seconds: float) -> None:
        try:
            told = self._queue.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return
        if told is not None:
            self.take(told)

    def _collect(self, now: float) -> None:
        try:
            for sample in self._sampler.due(now, self._sampled()):
                self._keep(self._samples, (sample.workload, sample.t), sample)
            for scaleup in self._assembly.due(now):
                self._keep(self._scaleups, scaleup.id, scaleup)
        except StoreError as error:  # it asks the store who decided, and when a pod first served
            self.failures += 1
            log.debug("scale-ups wait for the store: %s", error)
        except Exception as error:  # noqa: BLE001 -- as above
            self._fails("scale-ups could not be told", error)

    def _keep(self, rows: dict[K, V], key: K, row: V) -> None:
        rows.pop(key, None)  # so that the newest are last
        if len(rows) >= UNWRITTEN:
            del rows[next(iter(rows))]
            self.dropped += 1
        rows[key] = row

    def _fails(self, what: str, error: Exception) -> None:
        """Of many, which are mostly alike, the log has the first."""
        self.not_understood += 1
        level = logging.ERROR if self.not_understood == 1 else logging.DEBUG
        log.log(level, "%s: %s", what, error, exc_info=error)
