"""Overrides: bounds that a person set for a target, until they expire. The escape hatch, so it works when little else does.

What is said is in force at once, and stays so over a restart, once the store has it. While the store cannot be written it is in force all the same,
is told as not recorded, and is recorded when the store is back. Of one target's overrides the newest alone is in force; the trail keeps all, with who
said them, why, and who ended them. Safe to use from several threads; several services on one store hear of each other's within `READ_SECONDS`.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from maibo_slo.engine.scaling.inputs import Override
from maibo_slo.errors import StoreError
from maibo_slo.store import events
from maibo_slo.store.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from maibo_slo.store import Store

KIND: Final = "override"
READ_SECONDS: Final = 5.0
REPLACED: Final = "replaced by a newer one"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """That an override was ended before it expired, and by whom."""

    at: float
    """Unix s."""
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class Said:
    """An override with its trail."""

    override: Override
    ended: Ended | None = None
    recorded: bool = True
    """Whether the store has it."""

    def in_force(self, now: float) -> bool:
        """Said, not expired and not ended."""
        return self.ended is None and self.override.said_at <= now < self.override.until


class Overrides:
    """Those of one store."""

    def __init__(self, store: Store, *, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._now = now
        self._lock = threading.Lock()
        self._known: dict[str, Said] = {}
        self._unrecorded: dict[str, Said] = {}
        self._looked_at: float | None = None

    def __call__(self) -> tuple[Override, ...]:
        """Those in force, one a target at most. Never raises: while the store fails, what was known."""
        now = self._now()
        with self._lock:
            self._look(now)
            there = sorted(
                (each.override for each in self._known.values() if each.in_force(now)),
                key=lambda override: override.said_at,
            )
        return tuple({override.target: override for override in there}.values())

    def trail(self, begin: float, end: float) -> tuple[Said, ...]:
        """All that were in force at some time in [begin, end), the newest first; what the store does not know yet too."""
        with self._lock:
            self._look(self._now())
            there = [each for each in self._known.values() if each.override.said_at < end and _last(each) >= begin]
        return tuple(sorted(there, key=lambda each: each.override.said_at, reverse=True))

    def say(self, override: Override) -> Said:
        """Have it in force from now on, in the place of whichever the target has."""
        with self._lock:
            self._look(self._now(), anew=True)
            replaced = [
                replace(each, ended=Ended(override.said_at, override.who, REPLACED), recorded=False)
                for each in self._known.values()
                if each.override.target == override.target and each.in_force(override.said_at)
            ]
            return self._write(*replaced, Said(override, recorded=False))

    def end(self, id_: str, *, who: str, why: str, at: float) -> Said:
        """Take it out of force from now on. KeyError when none is in force by this id."""
        with self._lock:
            self._look(self._now(), anew=True)
            said = self._known[id_]
            if not said.in_force(at):
                raise KeyError(id_)
            return self._write(replace(said, ended=Ended(at, who, why), recorded=False))

    def _write(self, *said: Said) -> Said:
        """In force whatever the store says; the last of them, as it is now."""
        for each in said:
            self._known[each.override.id] = self._unrecorded[each.override.id] = each
        self._record()
        return self._known[said[-1].override.id]

    def _look(self, now: float, *, anew: bool = False) -> None:
        if not anew and self._looked_at is not None and 0 <= now - self._looked_at < READ_SECONDS:
            return
        self._looked_at = now
        self._record()
        try:
            stored = {each.id: _said(each) for each in events.every(self._store, KIND)}
        except StoreError as error:
            log.warning("overrides cannot be read, those that were known stay: %s", error)
            return
        self._known = {**stored, **self._unrecorded}

    def _record(self) -> None:
        if not self._unrecorded:
            return
        try:
            events.append(self._store, [_event(each) for each in self._unrecorded.values()])
        except StoreError as error:
            log.warning("an override is in force and not yet recorded: %s", error)
            return
        self._known |= {name: replace(each, recorded=True) for name, each in self._unrecorded.items()}
        self._unrecorded = {}


def _last(said: Said) -> float:
    return said.override.until if said.ended is None else min(said.ended.at, said.override.until)


def _event(said: Said) -> Event:
    override = said.override
    detail: dict[str, Any] = {
        "least": override.least,
        "most": override.most,
        "until": override.until,
        "said_at": override.said_at,
        "who": override.who,
        "why": override.why,
    }
    if said.ended is not None:
        detail |= {"ended_at": said.ended.at, "ended_by": said.ended.who, "ended_why": said.ended.why}
    return Event(override.id, KIND, override.target, override.said_at, _last(said), detail)


def _said(event: Event) -> Said:
    told: Mapping[str, Any] = event.detail
    override = Override(
        event.id,
        event.subject,
        told["least"],
        told["most"],
        told["until"],
        told["who"],
        told["why"],
        told["said_at"],
    )
    ended = None
    if "ended_at" in told:
        ended = Ended(told["ended_at"], told["ended_by"], told["ended_why"])
    return Said(override, ended)
