"""STUB (owner: store helper). The ledger sli(slo, objective, grp, t, good, bad, expected, source, version): counts only.

append(store, intervals: Sequence[Interval], *, version: int) -> None      a later version of the same (slo, objective, group, t) replaces the earlier
window_sums(store, *, now: int, windows: Mapping[str, Sequence[int]]) -> list[WindowSum]
    windows: slo name -> window lengths in seconds (multiples of 60). A window is the length/60 one-minute intervals that end with the running minute. One query.
intervals(store, slo, objective, begin, end) -> list[Interval]   for drawings
"""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from maibo_slo.store.client import Store


@dataclass(frozen=True, slots=True)
class Interval:
    slo: str
    objective: str
    group: str
    """'' without group-by."""
    t: int
    """Begin of the minute, unix s."""
    good: int
    bad: int
    expected: int
    """Events the source says there should have been (journeys: good + bad)."""
    source: str


@dataclass(frozen=True, slots=True)
class WindowSum:
    slo: str
    objective: str
    group: str
    window_seconds: int
    good: int
    bad: int
    observed_minutes: int
    """Minutes with good + bad > 0; the others are no data."""
    last_t: int | None
    """Begin of the newest minute with data, unix s."""


def append(store: Store, intervals: Sequence[Interval], *, version: int) -> None: raise NotImplementedError
def window_sums(store: Store, *, now: int, windows: Mapping[str, Sequence[int]]) -> list[WindowSum]: raise NotImplementedError
def intervals(store: Store, slo: str, objective: str, begin: int, end: int) -> list[Interval]: raise NotImplementedError
