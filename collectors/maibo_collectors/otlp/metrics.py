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
    from collections.abc import Callable
    from pathlib import Path

logger = logging.getLogger(__name__)

_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_DRAIN_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class AcceptorMetrics:
    """Counters of one acceptor process."""

    def __init__(self) -> None:
        registry = CollectorRegistry()  # never shown: the core reads the files
        self.requests = Counter("maibo_otlp_requests", "OTLP requests by HTTP status", ["code"], registry=registry)
        self.spans = Counter(
            "maibo_otlp_spans", "Spans received, by what became of them", ["result"], registry=registry
        )
        self.bytes = Counter("maibo_otlp_bytes", "Bytes of bodies received, as sent", registry=registry)
        self.seconds = Histogram(
            "maibo_otlp_request_seconds",
            "From a request's headers to its answer",
            buckets=_REQUEST_SECONDS,
            registry=registry,
        )
        for code in ("200", "400", "413", "415", "503"):
            self.requests.labels(code)
        for result in ("counted", "ignored", "rejected"):
            self.spans.labels(result)

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
            "maibo_otlp_drain_seconds", "Time to count one segment", buckets=_DRAIN_SECONDS, registry=registry
        )
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

    def close(self) -> None:
        """Leaves the registry, so that the collector may be started again."""
        for collector in (
            self._acceptors,
            self._waiting,
            self.log_bytes,
            self.drain_seconds,
            self.duplicate_bodies,
            self.damaged_records,
            self.acceptor_restarts,
            self._lag,
        ):
            self._registry.unregister(collector)
