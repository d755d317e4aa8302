"""Decisions on record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_slo.store import scaling
from maibo_slo.store.scaling import Decided

if TYPE_CHECKING:
    from maibo_slo.store import Store

T = 1_800_000_000


def test_the_newest_of_a_bucket_is_kept_and_what_is_not_known_stays_so(store: Store) -> None:
    first = Decided(
        T, "shop", "api", 12, 10, 14, 12, 11, None, None, 9, 12, 410.5, 36.0, 1.25, "dead_band", "12 replicas"
    )
    refused = Decided(T + 10, "shop", "api", None, held_by="no_data", reason="no calls")
    other = Decided(T, "shop", "cart", 1)
    scaling.insert(store, [Decided(T, "shop", "api", 3), refused, other], version=1)
    scaling.insert(store, [first], version=2)
    scaling.insert(store, [], version=3)
    assert scaling.history(store, "shop", "api", T, T + 20) == [first, refused]
    assert scaling.history(store, "shop", "api", T + 1, T + 10) == []
