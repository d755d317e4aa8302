"""Good and bad events of each minute, from cells: what one SLO's selectors make of them.

Good events are those of `total` that `good` selects too, so that ``0 <= good <= total`` holds whatever a document says, and bad is
the rest; where a document gives `bad`, the other way round. Both come from one reading of the cells: two queries at two times can
disagree, and give negative counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from maibo_slo.engine.groups import OVERFLOW, admitted, group_name
from maibo_slo.store.histogram import last_bin_within

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

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

    def count_groups(self, sli: Sli, dimensions: Sequence[str]) -> dict[str, dict[int, GoodBad]]:
        """The same for each group (as `groups` names it) of these dimensions' values; a group without events is absent."""
        cells = self._by_journey.get((sli.total.journey, sli.total.step))
        if cells is None:
            return {}
        total = cells.selected(sli.total)
        named = _named(cells, sli)
        names, picked = cells.by_group(total & named, tuple(dimensions))
        _, rest = cells.by_group(total & ~named, tuple(dimensions))
        good, bad = (rest, picked) if sli.good is None else (picked, rest)
        found: dict[str, dict[int, GoodBad]] = {}
        for group, minute in np.argwhere(good + bad).tolist():
            counts = GoodBad(int(good[group, minute]), int(bad[group, minute]))
            found.setdefault(names[group], {})[cells.minutes[minute]] = counts
        return found


def with_budgets(
    found: Mapping[str, Mapping[int, GoodBad]], known: Collection[str]
) -> Mapping[str, Mapping[int, GoodBad]]:
    """Counts of groups, as far as they have a budget of their own beside those `known`; all others together in `OVERFLOW`."""
    own = admitted(known, {group: sum(map(sum, counts.values())) for group, counts in found.items()})
    split = {group: found[group] for group in sorted(own - {OVERFLOW})}
    if OVERFLOW not in known and len(own) == len(found):
        return split
    # Blank where those that once were among the others have a budget of their own now.
    others = dict.fromkeys({t for counts in found.values() for t in counts}, GoodBad(0, 0))
    for group in found.keys() - own:
        for t, (good, bad) in found[group].items():
            others[t] = GoodBad(others[t].good + good, others[t].bad + bad)
    return {**split, OVERFLOW: others}


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
        self._groups: dict[tuple[str, ...], tuple[list[str], NDArray[np.int64]]] = {}

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

    def by_group(self, mask: NDArray[np.bool_], dimensions: tuple[str, ...]) -> tuple[list[str], NDArray[np.int64]]:
        """Names of groups, and how many events for each of them in each of `minutes`: shape (groups, minutes)."""
        names, of_row = self._grouped(dimensions)
        sums = np.zeros((len(names), len(self.minutes)), np.int64)
        minute = np.repeat(np.arange(len(self.minutes)), np.diff([*self._begins, len(self._n)]))
        np.add.at(sums, (of_row[mask], minute[mask]), self._n[mask])
        return names, sums

    def none(self) -> NDArray[np.bool_]:
        return np.zeros(len(self._n), dtype=np.bool_)

    def _grouped(self, dimensions: tuple[str, ...]) -> tuple[list[str], NDArray[np.int64]]:
        found = self._groups.get(dimensions)
        if found is None:
            values = self._cells[list(dimensions)]
            # Both in the order in which they first appear.
            codes = values.groupby(list(dimensions), observed=True, sort=False).ngroup().to_numpy()
            distinct = values.drop_duplicates().itertuples(index=False, name=None)
            found = ([group_name(dimensions, each) for each in distinct], codes.astype(np.int64))
            self._groups[dimensions] = found
        return found

    def _is_among(self, column: str, values: frozenset[str]) -> NDArray[np.bool_]:
        found = self._among.get((column, values))
        if found is None:
            found = self._cells[column].isin(list(values)).to_numpy(dtype=np.bool_)
            self._among[column, values] = found
        return found


def _named(cells: _JourneyCells, sli: Sli) -> NDArray[np.bool_]:
    """What the indicator's good (or else its bad) selects among the cells of its total."""
    selector = sli.good if sli.good is not None else sli.bad
    if selector is None or (selector.journey, selector.step) != (sli.total.journey, sli.total.step):
        return cells.none()
    return cells.selected(selector)
