"""What every face reads: the newest signals, from memory alone.

No face may reach further: a store that hangs hangs no answer. Signals that are no longer replaced grow old by themselves, and every face
refuses them then.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo_slo.engine.scaling.signal import NoSignal, Refusal, ScalingSignal, Signals

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Standing:
    """How one target stands: its signal, and why it must not be acted upon."""

    namespace: str
    target: str
    found: ScalingSignal | Refusal
    refused: str
    """'' where the signal is fit to be acted upon."""
    age_seconds: float | None
    """Of the newest events that it follows or followed. None: there were none."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Signals as faces see them at one moment."""

    signals: Callable[[], Signals | None]
    now: Callable[[], float] = time.time

    def get(self, namespace: str, target: str) -> ScalingSignal:
        """The signal, fit to be acted upon. Raises UnknownTarget, NoSignal."""
        return self._decided().get(namespace, target, now=self.now())

    def require_known(self, namespace: str, target: str) -> None:
        """Whether there is such a target, be its signal stale or not. Raises UnknownTarget; NoSignal before the first decision."""
        signals = self._decided()
        if (namespace, target) not in signals.by_target:
            signals.get(namespace, target, now=self.now())

    def standings(self) -> list[Standing]:
        """Of every target, by namespace and name; none before the first decision."""
        signals, now = self.signals(), self.now()
        if signals is None:
            return []
        found = []
        for (namespace, target), one in sorted(signals.by_target.items(), key=lambda item: item[0]):
            refused = ""
            try:
                signals.get(namespace, target, now=now)
            except NoSignal as error:
                refused = str(error)
            found.append(Standing(namespace, target, one, refused, one.age_seconds(now)))
        return found

    def _decided(self) -> Signals:
        signals = self.signals()
        if signals is None:
            raise NoSignal("no signal: the scaling engine does not run")
        if signals.decided_at is None:
            raise NoSignal("no signal yet: the scaling engine has started and not decided anything")
        return signals


class Latest:
    """The newest signals, for those who wait for them to change. Belongs to one event loop."""

    def __init__(self) -> None:
        self.closed = False
        self._signals: Signals | None = None
        self._change = asyncio.Event()

    def __call__(self) -> Signals | None:
        return self._signals

    def put(self, signals: Signals | None) -> None:
        """Replace them; whoever waits goes on."""
        self._signals = signals
        self._changed()

    def close(self) -> None:
        """There will be no more."""
        self.closed = True
        self._changed()

    async def change(self) -> None:
        """Until the next `put` or `close`."""
        await self._change.wait()

    def _changed(self) -> None:
        changed, self._change = self._change, asyncio.Event()
        changed.set()
