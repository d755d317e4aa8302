"""Rises: each time the scaling engine first wished for more replicas, why, and when a face first said so.

What a scale-up begins with: the recorder joins a decision with the newest rise before it that asked for as many.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from maibo_slo.store import events
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.store.client import Store

KIND: Final = "rise"
"""Of these events in the table ``events``; their subject is the workload as text, their begin `asked_at`."""
WITHIN_SECONDS: Final = 600.0
"""A decision that comes later than so long after a rise has another cause."""


@dataclass(frozen=True, slots=True)
class Rise:
    """One rise of the number of replicas wished for."""

    id: str
    """``NAMESPACE/KIND/NAME@unix-ms``."""
    workload: Workload
    target: str
    """Name of the ScalingTarget."""
    trigger_at: float
    """When what it follows happened, unix s: the end of the newest event that was counted, or the moment a forecast was made."""
    asked_at: float
    """When the engine said so, unix s."""
    before: int
    after: int
    reason: str
    served_at: float | None = None
    """When a face first answered so."""
    served_by: str = ""
    """``keda``, ``json`` (over HTTPS, with a token), ``external_metrics``, ``fast_lane``. Who reads ``/metrics`` is not known."""

    def as_of(self, at: float) -> Rise:
        """Without a face that answered later."""
        later = self.served_at is not None and self.served_at > at
        return replace(self, served_at=None, served_by="") if later else self


def append(store: Store, rises: Sequence[Rise]) -> None:
    """Write them, each in the place of its earlier version. StoreError."""
    told = [events.Event(r.id, KIND, str(r.workload), r.asked_at, r.asked_at, _detail(r)) for r in rises]
    events.append(store, told)


def newest(store: Store, workload: Workload, before: float, at_least: int = 0) -> Rise | None:
    """The newest rise of the `WITHIN_SECONDS` up to `before` (unix s) that asked for `at_least` replicas; where none asked for so many, the
    newest of all. StoreError.
    """
    begin = before - WITHIN_SECONDS
    # Begins are kept to the millisecond, and moments in `detail` exactly.
    told = events.events(store, KIND, begin - 0.001, before + 0.002, str(workload))
    rises = [rise for rise in map(_rise, told) if begin <= rise.asked_at <= before]
    enough = [rise for rise in rises if rise.after >= at_least]
    return max(enough or rises, key=lambda rise: rise.asked_at, default=None)


def history(store: Store, workload: Workload, begin: float, end: float) -> list[Rise]:
    """Those that were asked for in [begin, end), unix s, the oldest first. StoreError."""
    told = events.events(store, KIND, begin, end, str(workload))
    return [rise for rise in map(_rise, told) if begin <= rise.asked_at < end]


def _detail(rise: Rise) -> Mapping[str, Any]:
    detail = asdict(rise)
    del detail["id"], detail["workload"]
    return detail


def _rise(event: events.Event) -> Rise:
    return Rise(id=event.id, workload=Workload.of(event.subject), **event.detail)
