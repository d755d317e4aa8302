"""Rises: when the number wished for first exceeds all of the last minute, and which face said so first. What scale-ups begin with.

Faces tell each answer from their own threads: what is done there is a look into a dictionary. Writing is somebody else's, at his own pace: `written`.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from maibo_slo.errors import StoreError
from maibo_slo.store import rises
from maibo_slo.store.rises import Rise

if TYPE_CHECKING:
    from maibo_slo.engine.scaling.memories import TargetName
    from maibo_slo.engine.scaling.signal import ScalingSignal
    from maibo_slo.store import Store

REMEMBERED_SECONDS: Final = 60.0
_MOST_UNWRITTEN: Final = 1_000
log = logging.getLogger(__name__)


class Rising:
    """Of all targets."""

    def __init__(self) -> None:
        self._wished: dict[TargetName, deque[tuple[float, int]]] = {}
        self._unserved: dict[TargetName, Rise] = {}
        self._served: SimpleQueue[tuple[Rise, float, str]] = SimpleQueue()
        self._unwritten: dict[str, Rise] = {}
        self._lock = threading.Lock()

    def seen(self, name: TargetName, signal: ScalingSignal) -> Rise | None:
        """Whether this decision is a rise; it will be written."""
        at, desired = signal.decided_at, signal.desired_replicas
        wished = self._wished.setdefault(name, deque())
        while wished and not 0 <= at - wished[0][0] <= REMEMBERED_SECONDS:  # a clock may be set back
            wished.popleft()
        highest, last = max((each for _, each in wished), default=desired), wished[-1][1] if wished else desired
        # Only the ends of a run of one number matter.
        if len(wished) > 1 and wished[-1][1] == wished[-2][1] == desired:
            wished.pop()
        wished.append((at, desired))
        if desired <= highest:
            return None
        rise = Rise(
            id=f"{signal.workload}@{round(at * 1000)}",
            workload=signal.workload,
            target=signal.target,
            trigger_at=_triggered(signal),
            asked_at=at,
            before=last,
            after=desired,
            reason=signal.reason,
        )
        self._unserved[name] = rise
        self._write(rise)
        return rise

    def served(self, namespace: str, target: str, replicas: int, face: str, now: float) -> None:
        """A face answered so. Does not block."""
        rise = self._unserved.get((namespace, target))
        if rise is not None and replicas >= rise.after and self._unserved.pop((namespace, target), None) is rise:
            self._served.put((rise, now, face))

    def written(self, store: Store) -> None:
        """Write what was not yet. What the store does not take is tried again the next time, the newest first to be kept."""
        while True:
            try:
                rise, at, face = self._served.get_nowait()
            except Empty:
                break
            self._write(replace(rise, served_at=at, served_by=face))
        with self._lock:
            waiting = dict(self._unwritten)
        if not waiting:
            return
        try:
            rises.append(store, list(waiting.values()))
        except StoreError as error:
            log.warning("rises are not recorded yet: %s", error)
            return
        with self._lock:
            for name, rise in waiting.items():
                if self._unwritten.get(name) is rise:
                    del self._unwritten[name]

    def _write(self, rise: Rise) -> None:
        with self._lock:
            self._unwritten[rise.id] = rise
            while len(self._unwritten) > _MOST_UNWRITTEN:
                del self._unwritten[next(iter(self._unwritten))]


def _triggered(signal: ScalingSignal) -> float:
    """What it follows: a person's word; a forecast that asked for most; else the newest event that was counted. Bounds are in force when it is decided."""
    if signal.decision.held_by == "override" and signal.override is not None:
        return signal.override.said_at
    if signal.decision.held_by in {"least", "scale_down"}:
        return signal.decided_at
    says = [wish for wish in signal.decision.wishes if wish.replicas is not None]
    highest = max(says, key=lambda wish: wish.replicas or 0, default=None)
    if highest is not None and highest.kind == "predictive" and signal.inputs.forecast is not None:
        return signal.inputs.forecast.made_at
    return signal.observed_at
