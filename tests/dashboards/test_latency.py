"""The histogram in SQL says what the store's histogram says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_dashboards.latency import FUNCTIONS, quantile_us, within
from maibo_slo.store import Store, open_store
from maibo_slo.store.histogram import BINS, EDGES_NS, MIDDLES_US, Histogram

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNTS = st.dictionaries(st.integers(0, BINS - 1), st.integers(1, 10**9), min_size=1, max_size=40)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One for all of this file: nothing is written to it."""
    with open_store(f"chdb://{tmp_path_factory.mktemp('latency') / 'store'}") as opened:
        yield opened


def test_every_bin_has_the_edge_and_the_middle_of_the_stores_histogram(store: Store) -> None:
    sql = f"WITH {FUNCTIONS} SELECT edge_ns(b), middle_us(b) FROM (SELECT toUInt16(number) AS b FROM numbers({BINS})) ORDER BY b"
    edges, middles = zip(*store.rows(sql), strict=True)
    assert list(edges[:-1]) == EDGES_NS.tolist()
    np.testing.assert_allclose(middles, MIDDLES_US, rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(counts=COUNTS, level=st.sampled_from([0.5, 0.9, 0.99, 0.999]))
def test_a_quantile_is_that_of_the_stores_histogram(store: Store, counts: dict[int, int], level: float) -> None:
    rows = ", ".join(f"({bin_}, {n}, 'success')" for bin_, n in counts.items())
    source = f"VALUES('bin UInt16, n UInt64, outcome String', {rows}, (0, 7, 'abandoned'))"
    found = store.rows(f"WITH {FUNCTIONS} SELECT {quantile_us(level)} FROM {source}")[0][0]
    expected = Histogram.from_bins(list(counts), list(counts.values())).quantile(level)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(counts=COUNTS, edge=st.integers(0, 1919))
def test_what_is_within_a_threshold_is_exactly_what_the_store_says(
    store: Store, counts: dict[int, int], edge: int
) -> None:
    threshold_us = -(-int(EDGES_NS[edge]) // 1000)
    threshold_us = threshold_us if threshold_us * 1000 in set(EDGES_NS.tolist()) else 1
    rows = ", ".join(f"({bin_}, {n})" for bin_, n in counts.items())
    sql = f"WITH {FUNCTIONS} SELECT sumIf(n, {within(threshold_us)}) FROM VALUES('bin UInt16, n UInt64', {rows})"
    assert store.rows(sql)[0][0] == Histogram.from_bins(list(counts), list(counts.values())).within(threshold_us)


def test_a_quantile_of_nothing_is_null(store: Store) -> None:
    source = "VALUES('bin UInt16, n UInt64, outcome String', (900, 5, 'abandoned'))"
    assert store.rows(f"WITH {FUNCTIONS} SELECT {quantile_us(0.99)} FROM {source}")[0][0] is None
