"""Slices: stretches of time that are good or bad as a whole, made of the raw counts of their minutes.

* ``Timeslices``: one row a slice, 1 good or 1 bad; good when the share of good events is at least the slice's own target.
* ``RatioTimeslices``: millionths of a slice; 950,000 good and 50,000 bad where one event of twenty was bad. Every slice weighs the same, however busy.
* ``Occurrences``, where rows follow from raw ones: slices of a minute, whose counts are those of the events.

A slice without events is no data: it has no good and no bad. Slices begin at multiples of their length since the epoch where the window rolls,
and are counted from the begin of the period where it goes by the calendar; the last of a period may be shorter.

A composite's slice is bad when any component's is, or lacks the sum of what its components lack, each by its weight; it is no data when all
components have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from maibo_slo.engine.calendar import period

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from maibo_slo.documents import Calendar, FedSlo, Objective, Slo
    from maibo_slo.documents.kinds import Method

    Numbers = NDArray[np.int64]

MINUTE: Final = 60
SHARES: Final = 1_000_000
"""Of a slice by RatioTimeslices."""


class Slicing(NamedTuple):
    """How time is cut."""

    seconds: int
    calendar: Calendar | None = None
    """None: by the epoch."""


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """Some slices, ascending. Good and bad are counts of events, or what `judged` makes of them."""

    begins: Numbers
    ends: Numbers
    good: Numbers
    bad: Numbers

    def only(self, which: NDArray[np.bool_]) -> Slices:
        """Those of them."""
        return Slices(self.begins[which], self.ends[which], self.good[which], self.bad[which])


def slicing_of(slo: Slo | FedSlo, objective: Objective) -> Slicing:
    """How an objective's time is cut; by Occurrences, into minutes."""
    if slo.method == "Occurrences":
        return Slicing(MINUTE)
    lengths = (objective.slice_seconds, *(each.slice_seconds for each in slo.objectives))
    return Slicing(next(filter(None, lengths), MINUTE), slo.calendar)


def bounds(slicing: Slicing, t: Numbers) -> tuple[Numbers, Numbers]:
    """Begin and end of the slice that each of these moments lies in; `t` ascending."""
    if slicing.calendar is None:
        begins = t - t % slicing.seconds
        return begins, begins + slicing.seconds
    begins, ends = np.empty_like(t), np.empty_like(t)
    first = 0
    while first < len(t):
        begin, end = period(slicing.calendar, int(t[first]))
        last = int(np.searchsorted(t, end))
        begins[first:last] = t[first:last] - (t[first:last] - begin) % slicing.seconds
        ends[first:last] = np.minimum(begins[first:last] + slicing.seconds, end)
        first = last
    return begins, ends


def sliced(slicing: Slicing, t: Numbers, good: Numbers, bad: Numbers) -> Slices:
    """The events of each slice that any of these minutes lies in; `t` ascending."""
    begins, ends = bounds(slicing, t)
    found, first = np.unique(begins, return_index=True)
    if not len(found):
        return Slices(begins, ends, good, bad)
    return Slices(found, ends[first], np.add.reduceat(good, first), np.add.reduceat(bad, first))


def judged(method: Method, objective: Objective, slices: Slices) -> Slices:
    """Rows of the ledger: what the method makes of each slice's events."""
    if method == "Occurrences":
        return slices
    some = slices.good + slices.bad > 0
    if method == "Timeslices":
        bad = some & ~_is_reached(objective, slices)
        return Slices(slices.begins, slices.ends, (some & ~bad).astype(np.int64), bad.astype(np.int64))
    return _shares(slices, np.round(_missing(slices) * SHARES).astype(np.int64), some)


def together(method: Method, components: Sequence[tuple[Objective, Slices]]) -> Slices:
    """The slices of a composite, from the events of its components' slices, all cut alike."""
    begins, first = np.unique(np.concatenate([each.begins for _, each in components]), return_index=True)
    ends = np.concatenate([each.ends for _, each in components])[first]
    some, any_bad = np.zeros(len(begins), np.bool_), np.zeros(len(begins), np.bool_)
    missing = np.zeros(len(begins))
    for objective, slices in components:
        place = np.searchsorted(begins, slices.begins)
        own = slices.good + slices.bad > 0
        some[place] |= own
        any_bad[place] |= own & ~_is_reached(objective, slices)
        missing[place] += objective.weight * _missing(slices)
    empty = Slices(begins, ends, np.zeros(len(begins), np.int64), np.zeros(len(begins), np.int64))
    if method == "Timeslices":
        return Slices(begins, ends, (some & ~any_bad).astype(np.int64), any_bad.astype(np.int64))
    return _shares(empty, np.round(np.minimum(missing, 1.0) * SHARES).astype(np.int64), some)


def _is_reached(objective: Objective, slices: Slices) -> NDArray[np.bool_]:
    """Whether at least the slice's target was good: by whole numbers, so that 19 of 20 are 95 %."""
    target = Fraction(repr(objective.slice_target or 1.0))
    good, events = slices.good.astype(object), (slices.good + slices.bad).astype(object)
    return np.asarray(good * target.denominator >= events * target.numerator, dtype=np.bool_)


def _missing(slices: Slices) -> NDArray[np.float64]:
    """The share of bad events; 0 without events."""
    missing: NDArray[np.float64] = slices.bad / np.maximum(slices.good + slices.bad, 1)
    return missing


def _shares(slices: Slices, bad: Numbers, some: NDArray[np.bool_]) -> Slices:
    return Slices(slices.begins, slices.ends, np.where(some, SHARES - bad, 0), np.where(some, bad, 0))
