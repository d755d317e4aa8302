"""Deployments and rollbacks, found in which versions of a service had events, and when.

A version that was never seen before is a deployment, from its first event on: also one that gets a small part of the calls. One that had gone, or
nearly, and has most events again is a rollback. That needs no deployment tool to tell, and finds what a tool calls done only when customers meet it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Final

from maibo_slo.engine.sums import MINUTE
from maibo_slo.service.kept import Kept
from maibo_slo.store import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from maibo_slo.store import Store
    from maibo_slo.store.versions import Part, Seen

MOST_EVENTS: Final = 0.8
"""Of a service's events: whoever has so many is its main version."""
ENOUGH_EVENTS: Final = 5
"""Fewer in a slice are looked at with the next ones: one call more or less is no rollback."""
KEPT: Final = 32
"""Parts, for those who ask the same."""
KEPT_SECONDS: Final = 300.0
"""What was over for an hour is read again so often: cells may come late. A day of all journeys' is a tenth of a second."""
LATELY_SECONDS: Final = 30.0
"""The same for the last hour or two: a page asks every 5 seconds."""


@dataclass(frozen=True, slots=True)
class VersionChange:
    """A service has another version."""

    service: str
    version: str
    before: str
    """The main one until then."""
    at: float
    """Unix s, by the minute or hour."""
    rollback: bool


@dataclass(slots=True)
class VersionsSeen:
    """Versions that had events, from one store; what was read a moment ago is not read again. Safe to ask from several threads."""

    store: Store
    clock: Callable[[], float] = time.monotonic
    kept: Kept[tuple[Part, str, bool], list[Seen]] = field(default_factory=lambda: Kept(KEPT))

    def between(self, begin: float, end: float, journey: str = "", *, past: bool = False) -> list[Seen]:
        """Of [begin, end) and the day before, by service, each the oldest first; of the calls of one journey, where one is given. `past`: nothing
        that came after `end`, so that the minute it lies in is left out. StoreError.
        """
        before, over, *lately = versions.parts(begin, end, past=past)
        rows = [row for part in (before, over) for row in self._rows(part, journey, KEPT_SECONDS)]
        for part in lately:
            # Whoever asks again within the minute asks for the same.
            rows += self._rows(part._replace(end=-(-part.end // MINUTE) * MINUTE), journey, LATELY_SECONDS, past=past)
        return sorted(rows, key=lambda one: (one.service, one.slice, one.t))

    def _rows(self, part: Part, journey: str, seconds: float, *, past: bool = False) -> list[Seen]:
        """`past`: what a live page read before the part was over does not do."""
        key, now = (part, journey, past), self.clock()
        found = self.kept.get(key, now=now, seconds=seconds)
        if found is not None:
            return found
        return self.kept.put(key, versions.seen(self.store, part, (journey,) if journey else ()), now=now)


def version_changes(rows: Iterable[Seen], begin: float) -> list[VersionChange]:
    """Those from `begin` on, the oldest first. `rows` by service, then time; what is before `begin` tells what is not new.

    >>> from maibo_slo.store.versions import Seen
    >>> rows = [Seen("api", version, t, t, 100) for version, t in (("v1", 0), ("v2", 60), ("v1", 120))]
    >>> [(each.version, each.before, each.rollback) for each in version_changes(rows, 0)]
    [('v2', 'v1', False), ('v1', 'v2', True)]
    """
    found = [
        change
        for _, mine in groupby(rows, key=lambda one: one.service)
        for change in _of_service(list(mine))
        if change.at >= begin
    ]
    return sorted(found, key=lambda change: (change.at, change.service, change.version))


def _of_service(rows: Sequence[Seen]) -> Iterator[VersionChange]:
    known: set[str] = set()
    mains: set[str] = set()
    main = ""
    slot: dict[str, int] = {}
    begun = 0
    for _, here in groupby(rows, key=lambda one: one.slice):
        for one in here:
            if one.version not in known:
                if known:
                    yield VersionChange(one.service, one.version, main, one.t, rollback=False)
                known.add(one.version)
            slot[one.version] = slot.get(one.version, 0) + one.events
            begun = begun or one.t
        total = sum(slot.values())
        if total < ENOUGH_EVENTS:
            continue
        most = max(slot, key=lambda version: (slot[version], version))
        if slot[most] >= MOST_EVENTS * total and most != main:
            if most in mains:
                yield VersionChange(rows[0].service, most, main, begun, rollback=True)
            main = most
            mains.add(most)
        slot, begun = {}, 0
