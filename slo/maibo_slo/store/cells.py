"""STUB (owner: store helper). Cells: (time bucket, dimensions, outcome, bin) -> n.

Written by collectors, read by engine and service through the typed functions below. All times are unix seconds (int, UTC).
"""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from maibo_slo.store.client import Store

DIMENSIONS = ("journey", "step", "environment", "service", "version", "cluster", "region", "tier", "variant")


class CellKey(NamedTuple):
    """Which cell an event falls in; step '' is the journey as a whole; t is the 10 s bucket of the span's END (unix s)."""

    t: int
    journey: str
    step: str
    environment: str
    service: str
    version: str
    cluster: str
    region: str
    tier: str
    variant: str
    outcome: str
    bin: int


def insert_cells(store: Store, cells: Mapping[CellKey, int], *, token: str) -> None:
    """Insert under a deduplication token: the same token again changes nothing, in cells_10s, _1m and _1h alike."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Window:
    """[begin, end) in unix seconds. Functions widen it outwards to the grid of the tier they choose (10 s up to 6 h, 1 min up to 35 d, else 1 h) and say so."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class CellFilter:
    """Which cells; a dimension that is not named is not restricted. step '' = the journey as a whole; None = every step (but not the whole)."""

    journey: str | None = None
    step: str | None = ""
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """dimension or 'outcome' -> allowed values"""


@dataclass(frozen=True, slots=True)
class Distribution:
    """One group's counts: by[i] is the value of the i-th dimension asked for; outcomes[o] are counts by bin, shape (BINS,), uint64."""

    group: tuple[str, ...]
    outcomes: Mapping[str, NDArray[np.uint64]]
    last_event: int | None
    """End of the newest 10 s bucket with data that the tier knows, unix s."""


def distributions(store: Store, window: Window, which: CellFilter, *, by: Sequence[str] = ()) -> list[Distribution]:
    """Counts by bin, outcome and the dimensions of `by`, in one query. Empty list = no data."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Slice:
    """One time slice of a group: begin (unix s), counts by outcome, P50/P90/P99 in us over all its events but abandoned ones (None = no data)."""

    t: int
    group: tuple[str, ...]
    outcomes: Mapping[str, int]
    p50_us: float | None
    p90_us: float | None
    p99_us: float | None


def series(store: Store, window: Window, which: CellFilter, *, slice_seconds: int, by: Sequence[str] = ()) -> list[Slice]:
    """Slices on the epoch grid, oldest first; slices without data are absent (the caller decides how a gap is drawn)."""
    raise NotImplementedError


def cells_of_minutes(store: Store, minutes: Sequence[int]) -> pd.DataFrame:
    """All cells of these minutes (unix s, from cells_1m): columns t (int64), DIMENSIONS, outcome, bin (uint16), n (uint64). The engine's input."""
    raise NotImplementedError
