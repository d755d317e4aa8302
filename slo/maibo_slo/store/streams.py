"""The state of cumulative metrics: what a stream's counts were when it was last heard of, so that the next point is a difference.

States are the collectors' own bytes. A stream that is silent for a week is forgotten, and then begins anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from maibo_slo.store.columns import blobs, fixed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from maibo_slo.store.client import Store


def load(store: Store, streams: Collection[bytes]) -> dict[bytes, bytes]:
    """The states of these streams (16-byte ids) as they were saved last; those that are not known are absent."""
    if not streams:
        return {}
    table = store.arrow(
        "SELECT stream, state FROM streams FINAL "
        "WHERE stream IN (SELECT CAST(unhex(arrayJoin({streams:Array(String)})) AS FixedString(16)))",
        {"streams": [each.hex() for each in streams]},
    )
    return dict(zip(table["stream"].to_pylist(), table["state"].cast(pa.binary()).to_pylist(), strict=True))


def save(store: Store, states: Mapping[bytes, bytes]) -> None:
    """Replace these streams' states. Saving the same again changes nothing. ValueError for an id that has not 16 bytes."""
    for stream in states:
        if len(stream) != 16:
            raise ValueError(f"a stream has an id of 16 bytes, not {len(stream)}")
    if not states:
        return
    store.insert(
        "streams",
        {
            "stream": fixed(list(states), 16),
            "state": blobs(list(states.values())),
        },
        # A state may come to be what it was before: equal blocks are no duplicates here.
        settings={"insert_deduplicate": 0},
    )
