"""Decisions on record: the newest of each 10 s, for dashboards and for whoever asks why."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from maibo_slo.engine.scaling.signal import Refusal
from maibo_slo.errors import StoreError
from maibo_slo.store import scaling
from maibo_slo.store.scaling import SECONDS, Decided

if TYPE_CHECKING:
    from maibo_slo.engine.scaling.inputs import Inputs
    from maibo_slo.engine.scaling.memories import TargetName
    from maibo_slo.engine.scaling.signal import ScalingSignal
    from maibo_slo.store import Store

MOST_UNWRITTEN: Final = 10_000
"""Buckets kept for a store that does not take them; then the oldest go."""
log = logging.getLogger(__name__)


class Recorded:
    """Of all targets; decisions come from one thread, writing is another's."""

    def __init__(self) -> None:
        self._rows: dict[tuple[TargetName, int], Decided] = {}
        self._lock = threading.Lock()

    def take(self, name: TargetName, found: ScalingSignal | Refusal, inputs: Inputs) -> None:
        """In the place of what was decided before in the same 10 s."""
        row = _row(name, int(inputs.now) // SECONDS * SECONDS, found, inputs)
        with self._lock:
            self._rows[name, row.t] = row
            while len(self._rows) > MOST_UNWRITTEN:
                del self._rows[next(iter(self._rows))]

    def written(self, store: Store, now: float) -> bool:
        """Write the buckets that are over; whether there were any."""
        with self._lock:
            over = {key: row for key, row in self._rows.items() if row.t + SECONDS <= now}
        if not over:
            return False
        try:
            scaling.insert(store, list(over.values()), version=round(now * 1e6))
        except StoreError as error:
            log.warning("decisions are not recorded yet: %s", error)
            return False
        with self._lock:
            for key in over:
                self._rows.pop(key, None)
        return True


def _row(name: TargetName, t: int, found: ScalingSignal | Refusal, inputs: Inputs) -> Decided:
    namespace, target = name
    demand, capacity, ran = inputs.demand, inputs.capacity, inputs.replicas
    wishes = {}
    if not isinstance(found, Refusal):
        wishes = {wish.kind: wish.replicas for wish in found.decision.wishes}
    return Decided(
        t,
        namespace,
        target,
        desired=None if isinstance(found, Refusal) else found.desired_replicas,
        lower=None if isinstance(found, Refusal) else found.lower,
        upper=None if isinstance(found, Refusal) else found.upper,
        reactive=wishes.get("reactive"),
        feed_forward=wishes.get("feed_forward"),
        predictive=wishes.get("predictive"),
        correction=wishes.get("correction"),
        ready=None if ran is None else ran.ready,
        wanted=None if ran is None else ran.wanted,
        demand=None if demand is None else demand.rate,
        per_replica=None if capacity is None else capacity.per_replica,
        age=None if isinstance(found, Refusal) else found.age_seconds(inputs.now),
        held_by="no_data" if isinstance(found, Refusal) else found.decision.held_by,
        reason=found.why if isinstance(found, Refusal) else found.reason,
    )
