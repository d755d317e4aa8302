"""What services were counted to get lately, asked of the store with every look, but not all of it every time.

Cells are kept by what they are of, not by time. What an hour's merge has just put together is searched whole for any moment within it; of the last half a
minute, far fewer parts of the table hold anything than of two minutes. Older buckets change by late counts alone, and are asked again now and then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_slo.engine.scaling.demand import BUCKET_SECONDS, LOOK_BACK_SECONDS
from maibo_slo.store import demand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.store import Store
    from maibo_slo.store.demand import CallsKey

NEWEST_SECONDS: Final = 30
WHOLE_EVERY: Final = 5.0


class Lately:
    """Of every service. Not for several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counts: Mapping[CallsKey, Mapping[int, int]] = {}
        self._whole_at: float | None = None

    def look(self, now: float) -> Mapping[CallsKey, Mapping[int, int]]:
        """Begin of a 10 s bucket of the last `LOOK_BACK_SECONDS` -> calls or ends in it. StoreError."""
        oldest = _bucket(now - LOOK_BACK_SECONDS)
        if self._whole_at is None or not 0 <= now - self._whole_at < WHOLE_EVERY:
            self._counts = demand.recent(self._store, oldest)
            self._whole_at = now
            return self._counts
        begin = _bucket(now - NEWEST_SECONDS)
        new = demand.recent(self._store, begin)
        older = {
            key: {t: n for t, n in buckets.items() if oldest <= t < begin} for key, buckets in self._counts.items()
        }
        joined = {key: {**older.get(key, {}), **new.get(key, {})} for key in older.keys() | new.keys()}
        self._counts = {key: buckets for key, buckets in joined.items() if buckets}
        return self._counts


def _bucket(at: float) -> int:
    return int(at) // BUCKET_SECONDS * BUCKET_SECONDS
