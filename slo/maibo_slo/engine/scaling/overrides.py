"""Overrides: bounds that a person set for a target, until they expire. The escape hatch, so it works when little else does.

What is said is in force at once, and stays so over a restart, once the store has it. While the store cannot be written it is in force all the same,
is told as not recorded, and is recorded when the store is back. Of one target's overrides the newest alone is in force; the trail keeps all, with who
said them, why, and who ended them. A store that hangs holds up none that asks what is in force. Safe to use from several threads; several services on one
store hear of each other's within `READ_SECONDS`.
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
LONGEST_SECONDS: Final = 30 * 86_400
"""None holds longer."""
WAIT_SECONDS: Final = 3.0
"""Of a person, for the store."""
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
        """Neither expired nor ended."""
        return self.ended is None and now < self.override.until


class Overrides:
    """Those of one store. What the store does, or does not do, holds up `refresh` alone, and what a person told until it is recorded."""

    def __init__(self, store: Store, *, now: Callable[[], float] = time.time) -> None:
        """Reads those in force."""
        self._store = store
        self._now = now
        self._asking = threading.Lock()
        """One at a time asks the store."""
        self._lock = threading.Lock()
        """Of what follows; never held while the store is asked."""
        self._known: dict[str, Said] = {}
        """In force when the store was last read, or told since."""
        self._unrecorded: dict[str, Said] = {}
        self._try_refresh()

    def __call__(self) -> tuple[Override, ...]:
        """Those in force, one a target at most; from memory."""
        now = self._now()
        with self._lock:
            return tuple(each.override for each in self._known.values() if each.in_force(now))

    def refresh(self) -> None:
        """Write what the store does not have, read what others wrote; to be done every `READ_SECONDS`. StoreError: what was known stays."""
        with self._asking:
            with self._lock:
                telling = dict(self._unrecorded)
            if telling:
                events.append(self._store, [_event(each) for each in telling.values()])
                with self._lock:
                    for id_, told in telling.items():
                        if self._unrecorded[id_] is told:  # else changed meanwhile
                            self._known[id_] = replace(told, recorded=True)
                            del self._unrecorded[id_]
            now = self._now()
            # None can be said for later: one that begins in the future is of a clock that was set back, or of another service's.
            stored = {each.id: _said(each) for each in events.events(self._store, KIND, now, now + LONGEST_SECONDS)}
            with self._lock:
                self._known = {**stored, **self._unrecorded}
                self._settle(now)

    def trail(self, begin: float, end: float) -> tuple[Said, ...]:
        """All that were in force at some time in [begin, end), the newest first. While the store fails those that are known."""
        stored: dict[str, Said] = {}
        try:
            stored = {each.id: _said(each) for each in events.events(self._store, KIND, begin, end)}
        except StoreError as error:
            log.warning("the trail of overrides cannot be read: %s", error)
        with self._lock:
            there = {**self._known, **stored, **self._unrecorded}
        found = [each for each in there.values() if each.override.said_at < end and _last(each) >= begin]
        return tuple(sorted(found, key=lambda each: each.override.said_at, reverse=True))

    def say(self, override: Override) -> Said:
        """Have it in force from now on, in the place of whichever the target has."""
        with self._lock:
            for each in list(self._known.values()):
                if each.override.target == override.target and each.in_force(override.said_at):
                    self._take(_replaced(each, by=override))
            self._take(Said(override, recorded=False))
        return self._told(override.id)

    def end(self, id_: str, *, who: str, why: str, at: float) -> Said:
        """Take it out of force from now on. KeyError when none is in force by this id."""
        if id_ not in self._known:
            self._try_refresh()  # another service may have heard it just now
        with self._lock:
            said = self._known[id_]
            if not said.in_force(at):
                raise KeyError(id_)
            ended = replace(said, ended=Ended(at, who, why), recorded=False)
            self._take(ended)
        return self._told(id_)

    def _take(self, said: Said) -> None:
        self._known[said.override.id] = self._unrecorded[said.override.id] = said

    def _settle(self, now: float) -> None:
        """Two services may have been told of one target at once: the later counts."""
        newest: dict[str, Said] = {}
        for each in sorted(self._known.values(), key=lambda each: each.override.said_at):
            if each.in_force(now):
                before = newest.get(each.override.target)
                if before is not None:
                    self._take(_replaced(before, by=each.override))
                newest[each.override.target] = each

    def _told(self, id_: str) -> Said:
        """Recorded, if that works now."""
        with self._lock:
            told = self._known[id_]
        self._try_refresh()
        with self._lock:
            return replace(told, recorded=id_ not in self._unrecorded)

    def _try_refresh(self) -> None:
        """Whoever waits is told the truth a little later, not when a store that hangs goes on."""
        asking = threading.Thread(target=self._refresh_or_log, name="maibo-overrides", daemon=True)
        asking.start()
        asking.join(WAIT_SECONDS)

    def _refresh_or_log(self) -> None:
        try:
            self.refresh()
        except StoreError as error:
            log.warning("overrides cannot be read or recorded, those that are known are in force: %s", error)


def _replaced(said: Said, *, by: Override) -> Said:
    return replace(said, ended=Ended(by.said_at, by.who, REPLACED), recorded=False)


def _last(said: Said) -> float:
    override = said.override
    return override.until if said.ended is None else max(override.said_at, min(said.ended.at, override.until))


def _event(said: Said) -> Event:
    override = said.override
    detail: dict[str, Any] = {
        "min_replicas": override.least,
        "max_replicas": override.most,
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
        _bound(told, "min_replicas", "least"),
        _bound(told, "max_replicas", "most"),
        told["until"],
        told["who"],
        told["why"],
        told["said_at"],
    )
    ended = None
    if "ended_at" in told:
        ended = Ended(told["ended_at"], told["ended_by"], told["ended_why"])
    return Said(override, ended)


def _bound(told: Mapping[str, Any], name: str, former: str) -> int | None:
    """By its name; older rows have the `former` one."""
    found: int | None = told[name] if name in told else told[former]
    return found
