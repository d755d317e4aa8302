"""What the collector tells about itself on ``/metrics``.

Acceptor processes write theirs into files mapped to memory (prometheus-client's multiprocess mode), one set of files for each acceptor's
place, so that a restarted acceptor goes on counting where its predecessor stopped. The core process reads the files and adds its own.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.multiprocess import MultiProcessCollector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

logger = logging.getLogger(__name__)

_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_ITEMS = (
    ("traces", "spans", "Spans"),
    ("metrics", "data_points", "Metric data points"),
    ("logs", "log_records", "Log records"),
)
_REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_DRAIN_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_VISIBLE_SECONDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 5, 10, 60, 600, 3600)
DRAINED = ("counted", "ignored", "rejected", "skewed", "overflowed")
"""`counted` includes `overflowed`."""


class AcceptorMetrics:
    """Counters of one acceptor process."""

    def __init__(self) -> None:
        registry = CollectorRegistry()  # never shown: the core reads the files
        self.requests = Counter(
            "maibo_otlp_requests",
            "OTLP requests by HTTP status, or the one that gRPC's stands for",
            ["code"],
            registry=registry,
        )
        self.bodies = Counter(
            "maibo_otlp_bodies",
            "Bodies taken, by what is in them and how they came",
            ["signal", "protocol"],
            registry=registry,
        )
        self.refused_handshakes = Counter(
            "maibo_otlp_refused_handshakes", "TLS handshakes over HTTP that failed", registry=registry
        )
        self.bytes = Counter("maibo_otlp_bytes", "Bytes of bodies received, as sent", registry=registry)
        self.seconds = Histogram(
            "maibo_otlp_request_seconds",
            "From a request's headers to its answer",
            buckets=_REQUEST_SECONDS,
            registry=registry,
        )
        self._items = {
            signal: Counter(
                f"maibo_otlp_{name}", f"{told} received, by what became of them", ["result"], registry=registry
            )
            for signal, name, told in _ITEMS
        }
        for code in ("200", "400", "401", "413", "415", "429", "503"):
            self.requests.labels(code)
        for counter in self._items.values():
            for result in ("counted", "ignored", "rejected", "skewed"):
                counter.labels(result)

    def answered(self, code: int, seconds: float) -> None:
        """A request was answered so, after so long."""
        self.requests.labels(str(code)).inc()
        self.seconds.observe(seconds)

    def took(self, signal: str, results: Mapping[str, int]) -> None:
        """A body was taken, and its items counted so."""
        for result, number in results.items():
            if number:
                self._items[signal].labels(result).inc(number)

    @classmethod
    def kept_in(cls, folder: Path, *, acceptor: int) -> AcceptorMetrics:
        """Metrics that live in files of this folder; where the disk has no room for them, metrics that nobody sees."""
        os.environ[_FOLDER_VARIABLE] = str(folder)
        values.ValueClass = values.MultiProcessValue(lambda: acceptor)  # type: ignore[no-untyped-call]
        try:
            metrics = cls()
            for path in folder.glob(f"*_{acceptor}.db"):
                _reserve(path)
        except (OSError, RuntimeError) as error:
            logger.warning("no metrics of this acceptor: %s", error)
            values.ValueClass = values.MutexValue
            return cls()
        return metrics


def _reserve(path: Path) -> None:
    """Takes a file's disk space now: a disk that fills up under a mapped file kills the process (SIGBUS)."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.posix_fallocate(descriptor, 0, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)


class CoreMetrics:
    """The core's own, and those of the acceptors, in the registry that ``/metrics`` shows."""

    def __init__(
        self,
        registry: CollectorRegistry,
        folder: Path,
        *,
        lag_seconds: Callable[[], float],
        segments_waiting: Callable[[], int],
    ) -> None:
        self._registry = registry
        self._acceptors = MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]  # registers itself
        self._waiting = Gauge(
            "maibo_otlp_segments_waiting",
            "Log segments, sealed or being written, with spans that are not counted yet",
            registry=registry,
        )
        self._waiting.set_function(segments_waiting)
        self.log_bytes = Gauge("maibo_otlp_log_bytes", "Bytes in the write-ahead log", registry=registry)
        self.drain_seconds = Histogram(
            "maibo_otlp_drain_seconds", "Time to count one batch", buckets=_DRAIN_SECONDS, registry=registry
        )
        self.rollup_seconds = Histogram(
            "maibo_otlp_rollup_seconds",
            "Time to insert what several batches come to in minutes and hours",
            buckets=_DRAIN_SECONDS,
            registry=registry,
        )
        self.visible_seconds = Histogram(
            "maibo_otlp_visible_seconds",
            "From a request's arrival to its 10 s cells being visible",
            buckets=_VISIBLE_SECONDS,
            registry=registry,
        )
        self.drained_events = Counter(
            "maibo_otlp_drained",
            "Spans, log records and data points drained, by what became of them",
            ["result"],
            registry=registry,
        )
        self.points = Counter(
            "maibo_otlp_points",
            "Histogram points that did not simply count, by what happened to them",
            ["what"],
            registry=registry,
        )
        for result in DRAINED:
            self.drained_events.labels(result)
        self.duplicate_bodies = Counter(
            "maibo_otlp_duplicate_bodies", "Bodies that had been counted before (retries)", registry=registry
        )
        self.damaged_records = Counter(
            "maibo_otlp_damaged_records",
            "Places in the log that could not be read and were set aside",
            registry=registry,
        )
        self.acceptor_restarts = Counter(
            "maibo_otlp_acceptor_restarts", "Acceptor processes that died and were started again", registry=registry
        )
        self._lag = Gauge("maibo_otlp_drain_lag_seconds", "Age of the oldest segment that waits", registry=registry)
        self._lag.set_function(lag_seconds)

    def drained(
        self, became: Mapping[str, int], *, duplicate_bodies: int, received_ns: Iterable[int], now_ns: int
    ) -> None:
        """A batch is in the store: how many of what was in it became what (`DRAINED`), and when its bodies came."""
        for each in received_ns:
            self.visible_seconds.observe(max(0, now_ns - each) / 1e9)
        self.duplicate_bodies.inc(duplicate_bodies)
        for result, count in became.items():
            self.drained_events.labels(result).inc(count)

    def settled(self, notes: Mapping[str, int]) -> None:
        """Points were settled."""
        for what, count in notes.items():
            self.points.labels(what).inc(count)

    def close(self) -> None:
        """Leaves the registry, so that the collector may be started again."""
        for collector in (
            self._acceptors,
            self._waiting,
            self.log_bytes,
            self.drain_seconds,
            self.rollup_seconds,
            self.visible_seconds,
            self.drained_events,
            self.points,
            self.duplicate_bodies,
            self.damaged_records,
            self.acceptor_restarts,
            self._lag,
        ):
            self._registry.unregister(collector)
