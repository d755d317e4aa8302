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
        self._by_journey: Mapping[tuple[str, str], _JourneyCells] = {
            (str(journey), str(step)): _JourneyCells(part)
            for (journey, step), part in cells.sort_values("t").groupby(["journey", "step"], observed=True, sort=False)
        }

    def count(self, sli: Sli) -> dict[int, GoodBad]:
        """Good and bad by minute (unix s); a minute without events is absent."""
        cells = self._by_journey.get((sli.total.journey, sli.total.step))
        if cells is None:
            return {}
        total = cells.selected(sli.total)
        named = _named(cells, sli)
        picked, rest = cells.by_minute(total & named), cells.by_minute(total & ~named)
        good, bad = (rest, picked) if sli.good is None else (picked, rest)
        return {t: GoodBad(*each) for t, *each in zip(cells.minutes, good, bad, strict=True) if any(each)}


class _JourneyCells:
    """The cells of one journey or step, by minute. Many SLOs ask for the same outcomes and tiers: what was once selected is kept."""

    def __init__(self, cells: pd.DataFrame) -> None:
        """`cells`: in the order of their minutes."""
        minutes, self._begins = np.unique(cells["t"].to_numpy(dtype=np.int64), return_index=True)
        self.minutes: list[int] = minutes.tolist()
        self._cells = cells
        self._n = cells["n"].to_numpy(dtype=np.int64)
        self._bins = cells["bin"].to_numpy()
        self._among: dict[tuple[str, frozenset[str]], NDArray[np.bool_]] = {}

    def selected(self, selector: CellSelector) -> NDArray[np.bool_]:
        mask = self._is_among("outcome", selector.outcomes)
        if selector.max_duration_us is not None:
            mask = mask & (self._bins <= last_bin_within(selector.max_duration_us))
        for dimension, values in selector.where.items():
            mask = mask & self._is_among(dimension, frozenset(values))
        return mask

    def by_minute(self, mask: NDArray[np.bool_]) -> list[int]:
        """How many events, for each of `minutes`."""
        sums: list[int] = np.add.reduceat(np.where(mask, self._n, 0), self._begins).tolist()
        return sums

    def none(self) -> NDArray[np.bool_]:
        return np.zeros(len(self._n), dtype=np.bool_)

    def _is_among(self, column: str, values: frozenset[str]) -> NDArray[np.bool_]:
        found = self._among.get((column, values))
        if found is None:
            found = self._cells[column].isin(list(values)).to_numpy(dtype=np.bool_)
            self._among[column, values] = found
        return found


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


def _named(cells: _JourneyCells, sli: Sli) -> NDArray[np.bool_]:
    """What the indicator's good (or else its bad) selects among the cells of its total."""
    selector = sli.good if sli.good is not None else sli.bad
    if selector is None or (selector.journey, selector.step) != (sli.total.journey, sli.total.step):
        return cells.none()
    return cells.selected(selector)
