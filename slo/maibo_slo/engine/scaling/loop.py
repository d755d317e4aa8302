"""The scaling engine's heartbeats, each in a thread of its own: none waits for another, and a store that hangs stops none but those that ask it.

Looking at demand and deciding several times a second, and at once when this process has counted something; learning and forecasting at their own pace;
and writing down. Without ScalingTargets they wake up and find nothing to do.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_slo.engine.scaling.overrides import READ_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_slo.engine.scaling.overrides import Overrides
    from maibo_slo.engine.scaling.scaler import Scaler

TICK_SECONDS: Final = 0.5
LEAST_SECONDS: Final = 0.1
REST: Final = 2.0
"""After a look at demand nothing hurries the next for twice as long as that took, `LEAST_SECONDS` at the least: a third of the time at the most."""
IDLE_SECONDS: Final = 2.0
"""Between looks for ScalingTargets, where there are none."""
MINUTE: Final = 60.0
SETTLED_SECONDS: Final = 5.0
"""After a minute's end, before it is forecast from: what services sent is counted by then."""
STOP_SECONDS: Final = 5.0
PART: Final = "scaling"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Beat:
    name: str
    work: Callable[[float], object]
    wait: Callable[[float], float]
    """Seconds until the next, from now."""
    hurries: bool = False
    """The next comes at once when something was counted."""


class ScalingLoop:
    """`start` and `stop` the threads around a Scaler."""

    def __init__(
        self,
        scaler: Scaler,
        *,
        tell: Callable[[str, str | None], None],
        overrides: Overrides | None = None,
        tick_seconds: float = TICK_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`tell`: hears what does not work, under `PART`, and that it works again. `overrides`: those that `scaler` goes by."""
        self._scaler = scaler
        self._tell = tell
        self._now = now
        self._stopping = threading.Event()
        self._counted = threading.Event()
        self._looked = threading.Event()
        self._failing: dict[str, str] = {}
        self._lock = threading.Lock()
        beats = [
            _Beat("read", self._read, lambda _: tick_seconds, hurries=True),
            _Beat("learn", scaler.refresh, lambda _: 5.0),
            _Beat("forecast", scaler.forecast, lambda now: MINUTE - (now - SETTLED_SECONDS) % MINUTE),
            _Beat("write", scaler.write, lambda _: 1.0),
        ]
        if overrides is not None:
            beats.append(_Beat("overrides", lambda _: overrides.refresh(), lambda _: READ_SECONDS))
        # Daemons: one that hangs in the store must not hold the service's end up.
        self._threads = [
            threading.Thread(target=self._run, args=(beat,), name=f"maibo-scaling-{beat.name}", daemon=True)
            for beat in beats
        ]
        self._threads.append(
            threading.Thread(target=self._decide, args=(tick_seconds,), name="maibo-scaling", daemon=True)
        )

    def start(self) -> None:
        """At once; once."""
        for thread in self._threads:
            thread.start()

    def counted(self) -> None:
        """Something was: look at it now. From any thread; does not block."""
        self._counted.set()

    def stop(self) -> None:
        """Wait for what is under way, not for ever; write what was decided last."""
        self._stopping.set()
        self._counted.set()
        self._looked.set()
        end = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        late = [thread.name for thread in self._threads if thread.is_alive()]
        if late:
            log.warning("%s did not stop within %g s", ", ".join(late), STOP_SECONDS)
        elif self._scaler.targets:
            self._beat("write", self._scaler.write)

    def _run(self, beat: _Beat) -> None:
        while not self._stopping.is_set():
            idle, begin = not self._scaler.targets, time.monotonic()
            if not idle:
                self._beat(beat.name, beat.work)
            seconds = IDLE_SECONDS if idle else beat.wait(self._now())
            if beat.hurries and not idle:
                rest = min(seconds, max(LEAST_SECONDS, REST * (time.monotonic() - begin)))
                self._stopping.wait(rest)
                self._counted.wait(seconds - rest)
            else:
                self._stopping.wait(seconds)

    def _read(self, now: float) -> None:
        self._counted.clear()  # before the look: what is counted from here on may not be in it
        self._scaler.read(now)
        self._looked.set()

    def _decide(self, tick_seconds: float) -> None:
        """After each look, and without one when it takes long: an override must act whatever the store does."""
        while not self._stopping.is_set():
            self._beat("decide", self._scaler.decide)
            self._looked.wait(IDLE_SECONDS if not self._scaler.targets else 2 * tick_seconds)
            self._looked.clear()

    def _beat(self, name: str, work: Callable[[float], object]) -> None:
        try:
            work(self._now())
        except Exception as error:  # noqa: BLE001 -- whatever it is, the next beat may succeed, and signals must not stop
            self._told(name, f"{name}: {type(error).__name__}: {error}")
        else:
            self._told(name, None)

    def _told(self, name: str, problem: str | None) -> None:
        with self._lock:
            if self._failing.get(name) == problem:
                return
            if problem is None:
                del self._failing[name]
            else:
                log.warning("scaling does not work as it should, and goes on: %s", problem)
                self._failing[name] = problem
            self._tell(PART, "; ".join(self._failing.values()) or None)
