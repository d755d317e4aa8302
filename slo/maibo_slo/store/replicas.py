"""Replicas: how many pods of a workload ran, by 10 s, as the recorder watched them.

A bucket's row is written again while it runs; the newest version of it wins. A bucket that nobody watched has no row: no data, not zero.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from maibo_slo.store.client import Store

SECONDS: Final = 10
"""Of a bucket."""
LATELY_SECONDS: Final = 3600
"""What ran longer ago is not what runs."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One bucket of one workload."""

    workload: Workload
    t: int
    """Begin of the bucket, unix s, a multiple of `SECONDS`."""
    wanted: int
    """``spec.replicas`` at `at`."""
    pods: int
    """Those that exist at `at`, have not ended and are not being deleted: what is not ready of them is on its way."""
    ready: int
    """Of these, the ready ones at `at`."""
    ready_ms: int
    """Pod-milliseconds ready within the watched time: over `observed_ms`, the mean of ready pods."""
    observed_ms: int
    """How much of the bucket was watched, at most 10 000."""
    templates: int
    """Different pod templates among `pods`: more than one is a rollout."""
    at: float
    """The bucket's newest look, unix s by the recorder's clock, kept to the millisecond."""


def insert(store: Store, samples: Sequence[Sample], *, version: int | None = None) -> None:
    """Write buckets, each in the place of its earlier version: the higher `version` wins, now (unix µs) when none is given. StoreError."""
    import numpy as np

    from maibo_slo.store.client import dictionary
    from maibo_slo.store.columns import moments

    if not samples:
        return
    store.insert(
        "replicas_10s",
        {
            "t": np.array([each.t for each in samples], dtype=np.uint32),
            "namespace": dictionary([each.workload.namespace for each in samples]),
            "kind": dictionary([each.workload.kind for each in samples]),
            "name": dictionary([each.workload.name for each in samples]),
            **{
                name: np.array([getattr(each, name) for each in samples], dtype=kind) for name, kind in _NUMBERS.items()
            },
            "at": moments([each.at for each in samples]),
            "version": np.full(len(samples), time.time_ns() // 1000 if version is None else version, dtype=np.uint64),
        },
        # A bucket may come to be what it was before: equal blocks are no duplicates here.
        settings={"insert_deduplicate": 0},
    )


def newest(store: Store, workloads: Collection[Workload], *, now: float) -> dict[Workload, Sample]:
    """The newest bucket of each workload, of the last `LATELY_SECONDS`; a workload without is absent. StoreError."""
    if not workloads:
        return {}
    rows = store.rows(
        f"{_SELECT} WHERE (r.namespace, r.kind, r.name) IN ("  # noqa: S608 -- fixed names
        "SELECT tupleElement(w, 1), tupleElement(w, 2), tupleElement(w, 3) FROM ("
        "SELECT arrayJoin(arrayZip({namespaces:Array(String)}, {kinds:Array(String)}, {names:Array(String)})) AS w)) "
        "AND r.t > toDateTime({after:UInt32}, 'UTC') "
        "ORDER BY r.t DESC LIMIT 1 BY r.namespace, r.kind, r.name",
        {
            "namespaces": [each.namespace for each in workloads],
            "kinds": [each.kind for each in workloads],
            "names": [each.name for each in workloads],
            "after": max(0, int(now) - LATELY_SECONDS),
        },
    )
    return {sample.workload: sample for sample in map(_sample, rows)}


def history(store: Store, workload: Workload, begin: float, end: float) -> list[Sample]:
    """Buckets that begin in [begin, end), the oldest first. StoreError."""
    rows = store.rows(
        f"{_SELECT} WHERE r.namespace = {{namespace:String}} AND r.kind = {{kind:String}} AND r.name = {{name:String}} "
        "AND r.t >= fromUnixTimestamp64Milli({begin:Int64}, 'UTC') AND r.t < fromUnixTimestamp64Milli({end:Int64}, 'UTC') ORDER BY r.t",
        {**workload._asdict(), "begin": round(begin * 1000), "end": round(end * 1000)},
    )
    return [_sample(row) for row in rows]


_NUMBERS: Final = {
    "wanted": "uint32",
    "pods": "uint32",
    "ready": "uint32",
    "ready_ms": "uint64",
    "observed_ms": "uint64",
    "templates": "uint16",
}
_SELECT: Final = (
    "SELECT r.namespace, r.kind, r.name, toUnixTimestamp(r.t), r.wanted, r.pods, r.ready, r.ready_ms, r.observed_ms, "
    "r.templates, toUnixTimestamp64Milli(r.at) FROM replicas_10s AS r FINAL"
)


def _sample(row: Sequence[object]) -> Sample:
    namespace, kind, name, *numbers = row
    t, wanted, pods, ready, ready_ms, observed_ms, templates, at = (int(str(each)) for each in numbers)
    workload = Workload(str(namespace), str(kind), str(name))
    return Sample(workload, t, wanted, pods, ready, ready_ms, observed_ms, templates, at / 1000)
