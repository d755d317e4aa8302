"""Good and bad events of each minute, from cells: what one SLO's selectors make of them.

Good events are those of `total` that `good` selects too, so that ``0 <= good <= total`` holds whatever a document says, and bad is
the rest; where a document gives `bad`, the other way round. Both come from one reading of the cells: two queries at two times can
disagree, and give negative counts.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from maibo_slo.store.histogram import last_bin_within

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from maibo_slo.documents import CellSelector, Sli


class GoodBad(NamedTuple):
    """Counts of one minute."""

    good: int
    bad: int


class MinuteCells:
    """The cells of some minutes, split by journey and step once, so that each SLO looks at its own alone."""

    def __init__(self, cells: pd.DataFrame) -> None:
        self._by_journey: Mapping[tuple[str, str], pd.DataFrame] = {
            (str(journey), str(step)): part
            for (journey, step), part in cells.groupby(["journey", "step"], observed=True, sort=False)
        }

    def count(self, sli: Sli) -> dict[int, GoodBad]:
        """Good and bad by minute (unix s); a minute without events is absent."""
        cells = self._by_journey.get((sli.total.journey, sli.total.step))
        if cells is None:
            return {}
        total = _selected(cells, sli.total)
        named = _named(cells, sli)
        minutes = cells["t"].to_numpy(dtype=np.int64)
        n = cells["n"].to_numpy(dtype=np.int64)
        picked = _sum_by_minute(minutes, n, total & named)
        rest = _sum_by_minute(minutes, n, total & ~named)
        good, bad = (rest, picked) if sli.good is None else (picked, rest)
        return {t: GoodBad(good.get(t, 0), bad.get(t, 0)) for t in sorted(good.keys() | bad.keys())}


def source_of(sli: Sli) -> str:
    """``journey:HASH``, where the ledger's counts come from; another indicator has another one, whatever its name."""
    meaning = json.dumps([_plain(sli.total), _plain(sli.good), _plain(sli.bad)], sort_keys=True)
    return f"journey:{hashlib.blake2b(meaning.encode(), digest_size=8).hexdigest()}"


def _plain(selector: CellSelector | None) -> dict[str, object] | None:
    if selector is None:
        return None
    where = {dimension: sorted(values) for dimension, values in selector.where.items()}
    return {
        "journey": selector.journey,
        "step": selector.step,
        "outcomes": sorted(selector.outcomes),
        "max_duration_us": selector.max_duration_us,
        "where": where,
    }


def _named(cells: pd.DataFrame, sli: Sli) -> NDArray[np.bool_]:
    """What the indicator's good (or else its bad) selects among the cells of its total."""
    selector = sli.good if sli.good is not None else sli.bad
    if selector is None or (selector.journey, selector.step) != (sli.total.journey, sli.total.step):
        return np.zeros(len(cells), dtype=np.bool_)
    return _selected(cells, selector)


def _selected(cells: pd.DataFrame, selector: CellSelector) -> NDArray[np.bool_]:
    mask = _isin(cells, "outcome", selector.outcomes)
    if selector.max_duration_us is not None:
        mask = mask & (cells["bin"].to_numpy() <= last_bin_within(selector.max_duration_us))
    for dimension, values in selector.where.items():
        mask = mask & _isin(cells, dimension, values)
    return mask


def _isin(cells: pd.DataFrame, column: str, values: frozenset[str] | tuple[str, ...]) -> NDArray[np.bool_]:
    return cells[column].isin(list(values)).to_numpy(dtype=np.bool_)


def _sum_by_minute(minutes: NDArray[np.int64], n: NDArray[np.int64], mask: NDArray[np.bool_]) -> dict[int, int]:
    seen, at = np.unique(minutes[mask], return_inverse=True)
    sums = np.zeros(len(seen), dtype=np.int64)
    np.add.at(sums, at, n[mask])
    return dict(zip(seen.tolist(), sums.tolist(), strict=True))
