"""Which pods served, and since when: the first and the last journey or step of each pod that was counted, by when it ended.

A scale-up is over for customers when its pods have served one. Telling a pod twice does no harm: the earliest and the latest win.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from maibo_slo.store.tables import SERVED

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pyarrow as pa

    from maibo_slo.store.client import Store

_ASKED: Final = 1_000
"""Pods a query: their names are one form field, of which a server takes 128 KiB."""


class Served(NamedTuple):
    """One pod and service."""

    namespace: str
    pod: str
    service: str
    """``service.name``, '' where it has none."""
    first: float
    """When its first counted journey or step ended, unix s, kept to the microsecond."""
    last: float


def insert(store: Store, served: Sequence[Served]) -> None:
    """Whether they were told before or not. StoreError."""
    if not served:
        return
    from maibo_slo.store.client import dictionary

    columns = {name: dictionary([getattr(each, name) for each in served]) for name in ("namespace", "pod", "service")}
    times = {name: _times([getattr(each, name) for each in served]) for name in ("first", "last")}
    store.insert(SERVED.name, columns | times)


def first_served(store: Store, namespace: str, pods: Collection[str]) -> dict[str, float]:
    """Of each pod that served, whichever its service, when its first one ended (unix s); others are absent. StoreError."""
    names = list(dict.fromkeys(pods))
    found: dict[str, float] = {}
    for begin in range(0, len(names), _ASKED):
        rows = store.rows(
            f"SELECT pod, toUnixTimestamp64Micro(min(first)) FROM {SERVED.name} "  # noqa: S608 -- a fixed name
            "WHERE namespace = {namespace:String} AND pod IN {pods:Array(String)} GROUP BY pod",
            {"namespace": namespace, "pods": names[begin : begin + _ASKED]},
        )
        found |= {str(pod): int(first) / 1e6 for pod, first in rows}
    return found


def _times(seconds: Sequence[float]) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    microseconds = np.array([round(each * 1e6) for each in seconds], dtype=np.int64)
    return pa.Array.from_buffers(pa.timestamp("us", tz="UTC"), len(seconds), [None, pa.py_buffer(microseconds)])
