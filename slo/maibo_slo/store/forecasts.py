"""Forecasts beside what came: quantiles of a target's demand, written when they are made and again when their minute is over.

A forecast is of the minute that holds its moment `at`, and what `came` is the demand of that minute: calls a second.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from maibo_slo.store.client import Store

_MADE: Final = 1
_FILLED: Final = 2
"""Versions of a row: what came replaces the row without it, whichever is written first."""


@dataclass(frozen=True, slots=True)
class Forecasted:
    """One forecast of one target; times in whole unix s."""

    namespace: str
    target: str
    made_at: int
    at: int
    model: str
    abstained: str
    expected_factor: float
    quantiles: Mapping[float, float]
    """Level -> calls a second, ascending in both."""
    came: float | None = None
    """None: not known yet."""

    @property
    def minute(self) -> int:
        """Begin of the minute that it is of."""
        return ceil(self.at / 60) * 60 - 60


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How forecasts did. Their levels are those of the newest; forecasts of other levels are left out."""

    forecasts: int
    """That what came is known of."""
    acted: int
    """Of these, how many did not abstain."""
    pinball: Mapping[float, float]
    """Level -> mean pinball loss, calls a second (less is better)."""
    coverage: Mapping[float, float]
    """Level -> share of minutes that came to no more than was said; the level itself would be right."""
    under_share: Mapping[float, float]
    """Level -> share of all calls that came beyond what was said."""
    wape: float | None
    """Sum of errors of the level nearest to the median over the sum of what came; None where nothing came."""
    compared: int
    """Forecasts that persistence could be asked about too: what came in the minute before they were made is known."""
    persistence_pinball: Mapping[float, float]
    """Of persistence, for those compared, with the spread that fits it best in hindsight: a rival that knew more. {} where none was."""
    compared_pinball: Mapping[float, float]
    """The forecasts' own, for the same ones."""


def insert(store: Store, forecasts: Sequence[Forecasted]) -> None:
    """Write forecasts; one with `came` takes the place of the same one without. StoreError."""
    import numpy as np

    from maibo_slo.store.client import dictionary
    from maibo_slo.store.columns import texts

    if not forecasts:
        return
    store.insert(
        "forecasts",
        {
            "namespace": dictionary([each.namespace for each in forecasts]),
            "target": dictionary([each.target for each in forecasts]),
            "made_at": np.array([each.made_at for each in forecasts], dtype=np.uint32),
            "at": np.array([each.at for each in forecasts], dtype=np.uint32),
            "model": dictionary([each.model for each in forecasts]),
            "abstained": texts([each.abstained for each in forecasts]),
            "expected_factor": _floats([each.expected_factor for each in forecasts]),
            "levels": _float_lists([list(each.quantiles) for each in forecasts]),
            "quantiles": _float_lists([list(each.quantiles.values()) for each in forecasts]),
            "came": _floats([each.came for each in forecasts]),
            "version": np.array([_MADE if each.came is None else _FILLED for each in forecasts], dtype=np.uint64),
        },
        # A forecast may be made again after a restart: equal blocks are no duplicates here.
        settings={"insert_deduplicate": 0},
    )


def fill(store: Store, came: Mapping[tuple[str, str], Mapping[int, float]], *, begin: float, end: float) -> int:
    """Write what came beside those forecasts of [begin, end) that lack it; how many were filled.

    `came`: (namespace, target) -> begin of the minute -> calls a second; a minute that is absent is not known, and is asked for again. StoreError.
    """
    filled = [
        replace(each, came=rate)
        for each in _read(store, "f.came IS NULL", {}, begin=begin, end=end)
        if (rate := came.get((each.namespace, each.target), {}).get(each.minute)) is not None
    ]
    insert(store, filled)
    return len(filled)


def forecasts(store: Store, namespace: str, target: str, *, begin: float, end: float) -> list[Forecasted]:
    """Of the moments in [begin, end), the earliest first. StoreError."""
    return _read(
        store,
        "f.namespace = {namespace:String} AND f.target = {target:String}",
        {"namespace": namespace, "target": target},
        begin=begin,
        end=end,
    )


def newest(store: Store, *, begin: float, end: float) -> dict[tuple[str, str], Forecasted]:
    """Of each target, by namespace and name, the one of the moments in [begin, end) that was made last. StoreError."""
    return {
        (each.namespace, each.target): each
        for each in _read(store, "1", {}, begin=begin, end=end, order="f.made_at DESC LIMIT 1 BY f.namespace, f.target")
    }


def accuracy(store: Store, namespace: str, target: str, *, begin: float, end: float) -> Accuracy | None:
    """Of the forecasts of [begin, end); None where what came is known of none. StoreError."""
    return accuracy_of(forecasts(store, namespace, target, begin=begin, end=end))


def accuracy_of(made: Sequence[Forecasted]) -> Accuracy | None:
    """Of these, in any order."""
    import numpy as np

    judged = [each for each in made if each.came is not None]
    if not judged:
        return None
    levels = tuple(max(judged, key=lambda each: each.made_at).quantiles)
    judged = [each for each in judged if tuple(each.quantiles) == levels]
    said = np.array([list(each.quantiles.values()) for each in judged])
    came = np.array([each.came for each in judged], dtype=np.float64)
    level = np.array(levels)
    losses = _losses(came, said, level)
    total = float(came.sum())
    middle = said[:, int(np.argmin(np.abs(level - 0.5)))]
    before, compared = _before(judged)
    rival = _losses(came[compared], _persistence(before, came[compared], level), level)
    return Accuracy(
        forecasts=len(judged),
        acted=sum(not each.abstained for each in judged),
        pinball=_by_level(levels, losses.mean(axis=0)),
        coverage=_by_level(levels, (came[:, None] <= said * (1 + 1e-9) + 1e-9).mean(axis=0)),
        under_share=_by_level(levels, np.maximum(came[:, None] - said, 0).sum(axis=0) / total if total else 0 * level),
        wape=float(np.abs(came - middle).sum()) / total if total else None,
        compared=len(before),
        persistence_pinball=_by_level(levels, rival.mean(axis=0)) if len(before) else {},
        compared_pinball=_by_level(levels, losses[compared].mean(axis=0)) if len(before) else {},
    )


def _floats(values: Sequence[float | None]) -> pa.Array:
    """Float64; None where it is Nullable."""
    import numpy as np
    import pyarrow as pa

    known = np.packbits([each is not None for each in values], bitorder="little")
    plain = np.array([0.0 if each is None else each for each in values])
    return pa.Array.from_buffers(pa.float64(), len(values), [pa.py_buffer(known.tobytes()), pa.py_buffer(plain)])


def _float_lists(values: Sequence[Sequence[float]]) -> pa.Array:
    """Array(Float64)."""
    import numpy as np
    import pyarrow as pa

    offsets = np.cumsum([0, *map(len, values)], dtype=np.int32)
    items = _floats([item for each in values for item in each])
    return pa.Array.from_buffers(pa.list_(pa.float64()), len(values), [None, pa.py_buffer(offsets)], children=[items])


def _losses(came: NDArray[np.float64], said: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pinball losses, a row for each forecast and a column for each level."""
    import numpy as np

    missing = came[:, None] - said
    return np.maximum(levels * missing, (levels - 1) * missing)


def _persistence(
    before: NDArray[np.float64], came: NDArray[np.float64], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What was, times quantiles of how it grew."""
    import numpy as np

    if not len(before):
        return np.zeros((0, len(levels)))
    return np.asarray(before[:, None] * np.quantile(came / before, levels)[None, :], dtype=np.float64)


def _before(judged: Sequence[Forecasted]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """What came in the last minute before each was made, where that is known and not 0; and which these are."""
    import numpy as np

    by_minute = {each.minute: each.came for each in judged}
    pairs = [(by_minute.get(each.made_at // 60 * 60 - 60), index) for index, each in enumerate(judged)]
    known = [(rate, index) for rate, index in pairs if rate]
    return np.array([rate for rate, _ in known]), np.array([index for _, index in known], dtype=np.int64)


def _by_level(levels: Sequence[float], values: NDArray[np.float64]) -> dict[float, float]:
    return dict(zip(levels, map(float, values), strict=True))


def _read(
    store: Store,
    condition: str,
    parameters: Mapping[str, str],
    *,
    begin: float,
    end: float,
    order: str = "f.at, f.made_at",
) -> list[Forecasted]:
    rows = store.rows(
        "SELECT f.namespace, f.target, toUnixTimestamp(f.made_at), toUnixTimestamp(f.at), f.model, f.abstained, "  # noqa: S608 -- fixed conditions
        "f.expected_factor, f.levels, f.quantiles, f.came FROM forecasts AS f FINAL "
        f"WHERE {condition} AND f.at >= toDateTime({{begin:UInt32}}, 'UTC') AND f.at < toDateTime({{end:UInt32}}, 'UTC') "
        f"ORDER BY {order}",
        {**parameters, "begin": max(ceil(begin), 0), "end": max(ceil(end), 0)},
    )
    return [
        Forecasted(
            namespace,
            target,
            int(made_at),
            int(at),
            model,
            abstained,
            float(factor),
            dict(zip(map(float, levels), map(float, quantiles), strict=True)),
            None if came is None else float(came),
        )
        for namespace, target, made_at, at, model, abstained, factor, levels, quantiles, came in rows
    ]
