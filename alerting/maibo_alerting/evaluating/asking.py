"""Questions to a store that may be slow, hang or be away, asked so that no alert ever waits for long.

They are asked in a thread of its own, one after the other. `Asking.answers` waits `within_seconds` and has what is known by then. What is
under way then goes on, with nobody waiting for it; what was not begun is dropped.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

STOP_SECONDS: Final = 5.0

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Batch(Generic[K, V]):
    questions: Mapping[K, Callable[[], V]]
    until: float
    """Monotonic: nothing but the first is begun from then on."""
    found: dict[K, V] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    done: threading.Event = field(default_factory=threading.Event)


class Asking(Generic[K, V]):
    """Of one thread's questions."""

    def __init__(self, about: str, *, within_seconds: float) -> None:
        """`about`: what a log says that it could not learn."""
        self._about = about
        self._within_seconds = within_seconds
        self._batches: SimpleQueue[_Batch[K, V] | None] = SimpleQueue()
        self._last: _Batch[K, V] | None = None
        self._thread: threading.Thread | None = None
        self._failed = False

    @property
    def is_busy(self) -> bool:
        return self._last is not None and not self._last.done.is_set()

    def answers(self, questions: Mapping[K, Callable[[], V]]) -> dict[K, V]:
        """Those that came in time; none while the questions before are not done with."""
        if not questions or self.is_busy:
            return {}
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._about, daemon=True)
            self._thread.start()
        batch = self._last = _Batch[K, V](questions, time.monotonic() + self._within_seconds)
        self._batches.put(batch)
        batch.done.wait(self._within_seconds)
        with batch.lock:
            return dict(batch.found)

    def stop(self) -> None:
        """No more is asked. What is under way is waited for, for `STOP_SECONDS`: a store is not to be closed under it."""
        self._batches.put(None)
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            for nth, (key, question) in enumerate(batch.questions.items()):
                if nth and time.monotonic() >= batch.until:
                    break
                self._ask(batch, key, question)
            batch.done.set()

    def _ask(self, batch: _Batch[K, V], key: K, question: Callable[[], V]) -> None:
        try:
            answer = question()
        except Exception as error:  # noqa: BLE001 -- whatever a store does, alerts are told with what is known
            if not self._failed:
                log.warning("%s: %s", self._about, error)
            self._failed = True
            return
        self._failed = False
        with batch.lock:
            batch.found[key] = answer
