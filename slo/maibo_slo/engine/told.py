"""Corrections that were told to the running service, beside those in documents: kept in the store with who told them, when and why.

One that is cancelled is in force no more, for no time: what it corrected is counted as it was. It stays in the trail with who cancelled it, when and why,
for as long as the store keeps events; so does its name, which therefore means one correction for ever.

Safe to use from several threads. Several services on one store hear of each other's within `READ_SECONDS`.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from maibo_slo.documents import Correction
from maibo_slo.engine.corrections import unix_of
from maibo_slo.errors import MaiboError
from maibo_slo.store import events
from maibo_slo.store.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from maibo_slo.store import Store

KIND: Final = "correction"
READ_SECONDS: Final = 5.0
MOST_IN_FORCE: Final = 1000
_LISTS: Final = ("slos", "services", "journeys")
_TEXTS: Final = ("kind", "effect", "zone", "rrule", "who", "why")


class CorrectionRefused(MaiboError):  # noqa: N818 -- it says what became of it
    """What was told cannot be: the name is taken, or nothing in force has it."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """That a correction was, and by whom."""

    at: float
    """Unix s."""
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class Told:
    """A correction with its trail: who and why are in the correction."""

    correction: Correction
    at: float
    """Unix s."""
    cancelled: Cancelled | None = None


class ToldCorrections:
    """Those of one store."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Told] = {}
        self._read_at: float | None = None

    def __call__(self) -> tuple[Correction, ...]:
        """Those in force, the oldest first. StoreError: without the store nobody knows, and nothing must be counted anew for that."""
        return tuple(told.correction for told in self.trail() if told.cancelled is None)

    def trail(self) -> tuple[Told, ...]:
        """All that are kept, cancelled ones too, in the order of their begins. StoreError."""
        with self._lock:
            return tuple(self._read().values())

    def add(self, correction: Correction, *, at: float) -> Told:
        """Have it in force from now on. CorrectionRefused, StoreError."""
        with self._lock:
            known = self._read(anew=True)
            if correction.name in known:
                taken = known[correction.name]
                told = "was told, and cancelled" if taken.cancelled else "is in force"
                raise CorrectionRefused(
                    f"a correction {correction.name!r} {told}: choose another name, the trail keeps this one"
                )
            if sum(told.cancelled is None for told in known.values()) >= MOST_IN_FORCE:
                raise CorrectionRefused(
                    f"{MOST_IN_FORCE} corrections are in force: cancel some, or write them in documents"
                )
            return self._write(Told(correction, at))

    def cancel(self, name: str, *, who: str, why: str, at: float) -> Told:
        """Take it out of force, for all time. CorrectionRefused, StoreError; KeyError when none was told by this name."""
        with self._lock:
            told = self._read(anew=True)[name]
            if told.cancelled is not None:
                raise CorrectionRefused(f"the correction {name!r} is cancelled already, by {told.cancelled.who}")
            return self._write(replace(told, cancelled=Cancelled(at, who, why)))

    def _read(self, *, anew: bool = False) -> Mapping[str, Told]:
        due = self._read_at is None or self._clock() - self._read_at >= READ_SECONDS
        if anew or due:
            self._known = {each.id: _told(each) for each in events.every(self._store, KIND)}
            self._read_at = self._clock()
        return self._known

    def _write(self, told: Told) -> Told:
        events.append(self._store, [_event(told)])
        self._read_at = None
        return told


def _event(told: Told) -> Event:
    correction = told.correction
    begin = unix_of(correction.start, correction.zone)
    end: float | None = begin + correction.duration_seconds
    if correction.rrule:
        end = None if told.cancelled is None else max(begin, told.cancelled.at)
    detail: dict[str, Any] = {name: getattr(correction, name) for name in (*_TEXTS, *_LISTS)}
    detail |= {
        "start": correction.start.isoformat(),
        "duration_seconds": correction.duration_seconds,
        "told_at": told.at,
    }
    if told.cancelled is not None:
        detail |= {
            "cancelled_at": told.cancelled.at,
            "cancelled_by": told.cancelled.who,
            "cancelled_why": told.cancelled.why,
        }
    return Event(correction.name, KIND, ",".join(correction.slos), begin, end, detail)


def _told(event: Event) -> Told:
    said: Mapping[str, Any] = event.detail
    correction = Correction(
        event.id,
        said["kind"],
        said["effect"],
        datetime.fromisoformat(said["start"]),
        said["duration_seconds"],
        said["zone"],
        said["rrule"],
        tuple(said["slos"]),
        tuple(said["services"]),
        tuple(said["journeys"]),
        who=said["who"],
        why=said["why"],
    )
    cancelled = None
    if "cancelled_at" in said:
        cancelled = Cancelled(said["cancelled_at"], said["cancelled_by"], said["cancelled_why"])
    return Told(correction, said["told_at"], cancelled)
