"""Versions of services over time, as they are in cells: what deployments and rollbacks are found in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from maibo.semconv import OVERFLOW
from maibo_slo.store.tables import TIERS

if TYPE_CHECKING:
    from collections.abc import Collection

    from maibo_slo.store.client import Store

MOST_ROWS: Final = 100_000
SLICES: Final = 288
"""Of five minutes in a day: a version that was taken back after ten is seen to have run alone."""
BY_MINUTES_SECONDS: Final = 26 * 3600
"""Longer stretches are read by the hour: a month of minutes takes seconds."""
KNOWN_BEFORE_SECONDS: Final = 86_400
"""How far before the stretch versions are looked for, by the hour, so that what began before it is none of its changes."""
OVER_SECONDS: Final = 3600
"""Cells of so long ago are seldom written any more."""
HOUR: Final = 3600
_MINUTES, _HOURS = TIERS[1], TIERS[2]


class Seen(NamedTuple):
    """A version of a service in one slice of time."""

    service: str
    version: str
    slice: int
    """Begin of the slice, unix s."""
    t: int
    """When it was first seen in it: begin of the minute or hour."""
    events: int


class Part(NamedTuple):
    """A part of a stretch that is read by itself: [begin, end) of a table, in slices of so many seconds."""

    table: str
    begin: int
    end: int
    step: int
    grain: int = 1
    """Times are told to so many seconds."""


def parts(begin: float, end: float, *, past: bool = False, slices: int = SLICES) -> tuple[Part, ...]:
    """Of [begin, end): the day before it by the hour, what was over an hour before its end, and the rest. No slice is cut in two.

    `past`: nothing that came after `end`. So the minute that `end` lies in is not read; of the hour, where hours are read, its minutes before that one,
    as far as minutes are kept.
    """
    fine = _MINUTES if end - begin <= BY_MINUTES_SECONDS else _HOURS
    border = int(begin) // HOUR * HOUR
    step = max(fine.seconds, -(-int(end - begin) // slices // fine.seconds) * fine.seconds)
    unit = math.lcm(HOUR, step)
    over = max(border, (int(end) - OVER_SECONDS) // unit * unit)
    before = (Part(_HOURS.table, border - KNOWN_BEFORE_SECONDS, border, HOUR), Part(fine.table, border, over, step))
    if not past:
        return (*before, Part(fine.table, over, int(end) + 1, step))
    whole = int(end) // fine.seconds * fine.seconds
    rest = Part(fine.table, over, whole, step)
    if fine is _MINUTES:
        return (*before, rest)
    minute = int(end) // _MINUTES.seconds * _MINUTES.seconds
    return (*before, rest, Part(_MINUTES.table, whole, minute, step, HOUR))


def seen(store: Store, part: Part, journeys: Collection[str] = ()) -> list[Seen]:
    """Of one part, the newest slices first; `journeys`: of their calls alone. StoreError."""
    if part.begin >= part.end:
        return []
    rows = store.rows(
        "SELECT c.service, c.version, intDiv(toUnixTimestamp(c.t), {step:UInt32}) * {step:UInt32} AS slice, "  # noqa: S608 -- a fixed name
        "intDiv(toUnixTimestamp(min(c.t)), {grain:UInt32}) * {grain:UInt32} AS first, sum(c.n) "
        f"FROM {part.table} AS c WHERE c.t >= toDateTime({{begin:UInt32}}, 'UTC') AND c.t < toDateTime({{end:UInt32}}, 'UTC') "
        "AND c.service NOT IN ('', {overflow:String}) AND c.version NOT IN ('', {overflow:String}) "
        f"{'AND c.journey IN {journeys:Array(String)} ' if journeys else ''}"
        "GROUP BY c.service, c.version, slice ORDER BY slice DESC, c.service, c.version "
        f"LIMIT {MOST_ROWS}",
        {
            "begin": max(0, part.begin),
            "end": part.end,
            "step": part.step,
            "grain": part.grain,
            "overflow": OVERFLOW,
            "journeys": sorted(journeys),
        },
    )
    return [Seen(service, version, *map(int, numbers)) for service, version, *numbers in rows]
