"""What the scaling engine decided, by 10 s: the newest decision of each bucket, from what, and where there was none, why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from maibo_slo.store.client import dictionary
from maibo_slo.store.columns import texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from maibo_slo.store.client import Store

SECONDS: Final = 10
"""Of a bucket."""


@dataclass(frozen=True, slots=True)
class Decided:
    """One bucket of one target; None is not known, or has no say."""

    t: int
    """Begin of the bucket, unix s."""
    namespace: str
    target: str
    desired: int | None
    """None: there was no signal; `reason` says why."""
    lower: int | None = None
    upper: int | None = None
    reactive: int | None = None
    feed_forward: int | None = None
    predictive: int | None = None
    correction: int | None = None
    ready: int | None = None
    wanted: int | None = None
    demand: float | None = None
    """Calls a second."""
    per_replica: float | None = None
    """The same, planned with."""
    age: float | None = None
    """Of what it follows when it was decided, s."""
    held_by: str = ""
    reason: str = ""


_WHOLE: Final = ("desired", "lower", "upper", "reactive", "feed_forward", "predictive", "correction", "ready", "wanted")
_REAL: Final = ("demand", "per_replica", "age")


def insert(store: Store, rows: Sequence[Decided], *, version: int) -> None:
    """Write buckets, each in the place of its earlier version: the higher `version` wins. StoreError."""
    if not rows:
        return
    store.insert(
        "scaling_10s",
        {
            "t": np.array([each.t for each in rows], np.uint32),
            "namespace": dictionary([each.namespace for each in rows]),
            "target": dictionary([each.target for each in rows]),
            **{name: _nullable([getattr(each, name) for each in rows], np.dtype(np.uint32)) for name in _WHOLE},
            **{name: _nullable([getattr(each, name) for each in rows], np.dtype(np.float64)) for name in _REAL},
            "held_by": dictionary([each.held_by for each in rows]),
            "reason": texts([each.reason for each in rows]),
            "version": np.full(len(rows), version, np.uint64),
        },
        # A bucket may come to be what it was before: equal blocks are no duplicates here.
        settings={"insert_deduplicate": 0},
    )


def history(store: Store, namespace: str, target: str, begin: float, end: float) -> list[Decided]:
    """Buckets that begin in [begin, end), unix s, the oldest first. StoreError."""
    return _read(
        store,
        "s.namespace = {namespace:String} AND s.target = {target:String}",
        {"namespace": namespace, "target": target},
        begin=begin,
        end=end,
        order="s.t",
    )


def newest(store: Store, *, begin: float, end: float) -> dict[tuple[str, str], Decided]:
    """Of each target, by namespace and name, the last of the buckets that begin in [begin, end). StoreError."""
    order = "s.t DESC LIMIT 1 BY s.namespace, s.target"
    return {(each.namespace, each.target): each for each in _read(store, "1", {}, begin=begin, end=end, order=order)}


def _read(
    store: Store, condition: str, parameters: Mapping[str, str], *, begin: float, end: float, order: str
) -> list[Decided]:
    rows = store.rows(
        f"SELECT toUnixTimestamp(s.t), s.namespace, s.target, {', '.join(f's.{name}' for name in (*_WHOLE, *_REAL))}, s.held_by, s.reason "  # noqa: S608 -- fixed names and conditions
        f"FROM scaling_10s AS s FINAL WHERE {condition} AND s.t >= fromUnixTimestamp64Milli({{begin:Int64}}, 'UTC') "
        f"AND s.t < fromUnixTimestamp64Milli({{end:Int64}}, 'UTC') ORDER BY {order}",
        {**parameters, "begin": round(begin * 1000), "end": round(end * 1000)},
    )
    return [Decided(*row) for row in rows]


def _nullable(values: Sequence[float | None], kind: np.dtype[Any]) -> pa.Array:
    """Of buffers, as `columns` does it and for its reason."""
    known = np.packbits([each is not None for each in values], bitorder="little")
    numbers: NDArray[Any] = np.array([each or 0 for each in values], dtype=kind)
    buffers = [pa.py_buffer(known.tobytes()), pa.py_buffer(numbers)]
    return pa.Array.from_buffers(pa.from_numpy_dtype(kind), len(values), buffers)
