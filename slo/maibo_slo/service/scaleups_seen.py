"""Scale-ups of one store without their pods one by one, each version of which is read once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from maibo_slo.service.events_seen import EventsSeen
from maibo_slo.store import events, scaleup_briefs
from maibo_slo.store.scaleups import KIND, Stage

if TYPE_CHECKING:
    from maibo_slo.store import Store
    from maibo_slo.store.scaleups import Brief
    from maibo_slo.store.workload import Workload

KEPT: Final = 4_000
"""3 kB each."""


class ScaleUpsSeen:
    """Safe to ask from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.seen = EventsSeen(partial(scaleup_briefs.briefs, store), KEPT)

    def between(self, begin: float, end: float, workload: Workload | None = None, *, newest: int) -> list[Brief]:
        """Those decided in [begin, end), unix s, by the earliest moment that may have been; so many of the newest, the oldest first. StoreError."""
        subject = None if workload is None else str(workload)
        # Begins are kept to the millisecond, and moments in `detail` exactly.
        versions = events.versions(self._store, [KIND], begin - 0.001, end + 0.002, subject, newest=newest)
        found = self.seen.events(versions)
        within = [each for each in found if begin <= each.moments[Stage.DECIDED].earliest < end]
        return sorted(within, key=lambda each: (each.moments[Stage.DECIDED].earliest, each.id))
