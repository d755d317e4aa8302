"""The trail of the lane's writes: events of kind ``scale_write``. A write is in a file before the store has it, so neither a store that is down nor a kill loses one."""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from maibo_slo.errors import StoreError
from maibo_slo.files import replace_file
from maibo_slo.signals.fast_lane.lane import Raised
from maibo_slo.store import events
from maibo_slo.store.events import Event
from maibo_slo.store.writes import KIND

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from maibo_slo.store import Store

FILE: Final = "fast-lane.json"
RECALL_SECONDS: Final = 3600
MOST: Final = 1000
"""Waiting for the store; beyond them the oldest are in the log alone."""
log = logging.getLogger(__name__)


class Audit:
    """Of one service. `add` never waits for the store; `record` and `recall` do."""

    def __init__(self, store: Store, folder: Path, *, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._path = folder / FILE
        self._now = now
        self._waiting: dict[str, Event] = {}
        self._lock = threading.Lock()
        """Of what waits and its file; never held while the store is asked."""

    def recall(self) -> dict[str, list[Raised]]:
        """What an earlier run wrote lately, by workload; times in unix s."""
        with self._lock:
            self._waiting = {each.id: each for each in self._kept()} | self._waiting
            there = list(self._waiting.values())
        now = self._now()
        try:
            there += events.events(self._store, KIND, now - RECALL_SECONDS, now + 1)
        except StoreError as error:
            log.warning("what the fast lane wrote last is not known: %s", error)
        raised: dict[str, list[Raised]] = {}
        for each in {one.id: one for one in there}.values():
            added = each.detail.get("after", 0) - each.detail.get("before", 0)
            raised.setdefault(each.subject, []).append(Raised(each.begin, added))
        return raised

    def add(self, event: Event) -> None:
        """Keep it until the store has it."""
        with self._lock:
            self._waiting[event.id] = event
            while len(self._waiting) > MOST:
                del self._waiting[next(iter(self._waiting))]
            self._keep()

    def record(self) -> None:
        """Give the store what waits. StoreError: it goes on waiting."""
        with self._lock:
            there = list(self._waiting.values())
        if not there:
            return
        events.append(self._store, there)
        with self._lock:
            for each in there:
                self._waiting.pop(each.id, None)
            self._keep()

    def _keep(self) -> None:
        try:
            if not self._waiting:
                self._path.unlink(missing_ok=True)
                return
            replace_file(self._path, json.dumps([asdict(each) for each in self._waiting.values()]))
        except OSError as error:
            log.warning("writes of the fast lane that are not recorded yet would be lost by a kill: %s", error)

    def _kept(self) -> list[Event]:
        try:
            return [Event(**each) for each in json.loads(self._path.read_text())]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            log.warning("%s cannot be read, so writes of the fast lane may be in the log alone: %s", self._path, error)
            return []
