"""What became of journeys, by the minute in which they began: how many started, succeeded, failed, and were abandoned.

Every end tells when its journey began, and is counted in that minute however late it comes. So what a minute's journeys have become
is known without remembering one of them: in a minute that is older than the journey's timeout, whatever started and neither
succeeded nor failed was abandoned, and one that ends later still moves over, once.

That needs starts. Where they are not told (fewer starts than ends in a minute), what was abandoned is not known: None, never less than
nothing and never clamped.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo_slo.store.selection import Window, require_dimensions, where
from maibo_slo.store.tables import FLOW_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.store.client import Store

MINUTE = 60


@dataclass(frozen=True, slots=True)
class FlowSlice:
    """Journeys that began in a slice of time, by what they have said of themselves so far."""

    t: int
    """Begin of the slice, unix s."""
    started: int
    succeeded: int
    failed: int
    abandoned: int
    """Said so. Those that just never ended are not among them: see `abandoned`."""


@dataclass(frozen=True, slots=True)
class FlowCounts:
    """One journey's flow in a window. Where nothing is unknown, started = succeeded + failed + abandoned + in_progress."""

    started: int
    succeeded: int
    failed: int
    abandoned: int | None
    """Said so, or began longer ago than the journey's timeout and did not end. None: starts were not told."""
    in_progress: int | None
    """Began, within the timeout, and have not ended yet. None: starts were not told."""
    said_abandoned: int
    """Of the abandoned, those that said so."""


def abandoned(
    store: Store,
    window: Window,
    timeouts: Mapping[str, int],
    now: int,
    *,
    among: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, FlowCounts]:
    """What became, as far as is known `now`, of the journeys that began in the window (widened to minutes).

    `timeouts`: journey -> seconds after which one that has not ended was abandoned. Journeys without a timeout here, and without a begin
    or an end in the window, are absent.
    """
    if not timeouts:
        return {}
    condition, parameters = where(window.widened(MINUTE), _of(list(timeouts), among))
    # A minute's youngest journey began just before its end.
    rows = store.rows(
        "SELECT journey, sum(begun), sum(good), sum(bad), sum(said), "  # noqa: S608 -- fixed names
        "sumIf(begun - good - bad, due), minIf(begun - good - bad - said, due), "
        "sumIf(said, NOT due), sumIf(begun - good - bad - said, NOT due), minIf(begun - good - bad - said, NOT due) "
        "FROM (SELECT journey, c.t AS minute, toInt128(sum(c.started)) AS begun, toInt128(sum(c.succeeded)) AS good, "
        "toInt128(sum(c.failed)) AS bad, toInt128(sum(c.abandoned)) AS said, "
        f"toInt64(toUnixTimestamp(minute)) + {MINUTE} + "
        "transform(journey, {allowed_journey:Array(String)}, {timeouts:Array(Int64)}, toInt64(0)) <= {now:Int64} AS due "
        f"FROM flow_1m AS c WHERE {condition} GROUP BY journey, minute) "
        "GROUP BY journey ORDER BY journey",
        {**parameters, "timeouts": list(timeouts.values()), "now": now},
    )
    return {journey: _counts(*map(int, sums)) for journey, *sums in rows}


def told(
    store: Store,
    window: Window,
    journey: str,
    timeout_seconds: int,
    now: int,
    *,
    among: Mapping[str, Sequence[str]] | None = None,
    slice_seconds: int = MINUTE,
) -> tuple[FlowCounts | None, list[FlowSlice]]:
    """Of one journey, in one query: what `abandoned` says of the window (None: nobody began or ended there), and the slices of the window, widened to whole
    ones, oldest first; those without journeys are absent.

    `slice_seconds` are whole minutes: journeys are counted by the minute of their begin.
    """
    wide = window.widened(MINUTE)
    condition, parameters = where(window.widened(slice_seconds), _of([journey], among))
    rows = store.rows(
        "SELECT intDiv(minute, {slice:UInt32}) * {slice:UInt32} AS slice, minute >= {first:UInt32} AND minute < {last:UInt32} AS within, "  # noqa: S608 -- fixed names
        f"minute + {MINUTE} + {{timeout:Int64}} <= {{now:Int64}} AS due, sum(begun), sum(good), sum(bad), sum(said), "
        "min(begun - good - bad - said) FROM (SELECT toInt64(toUnixTimestamp(c.t)) AS minute, toInt128(sum(c.started)) AS begun, "
        "toInt128(sum(c.succeeded)) AS good, toInt128(sum(c.failed)) AS bad, toInt128(sum(c.abandoned)) AS said "
        f"FROM flow_1m AS c WHERE {condition} GROUP BY minute) GROUP BY slice, within, due ORDER BY slice",
        {
            **parameters,
            "slice": slice_seconds,
            "first": wide.begin,
            "last": wide.end,
            "timeout": timeout_seconds,
            "now": now,
        },
    )
    by_slice: defaultdict[int, list[int]] = defaultdict(_nobody)
    due, since = _nobody(), _nobody()
    least_due = least_since = 0
    for t, within, is_due, *sums, silent in rows:
        by_slice[t] = _added(by_slice[t], sums)
        if within and is_due:
            due, least_due = _added(due, sums), min(least_due, silent)
        elif within:
            since, least_since = _added(since, sums), min(least_since, silent)
    started, succeeded, failed, said = _added(due, since)
    found = _counts(
        started,
        succeeded,
        failed,
        said,
        due=due[0] - due[1] - due[2],
        least_due=least_due,
        said_since=since[3],
        under_way=since[0] - sum(since[1:]),
        least_under_way=least_since,
    )
    slices = [FlowSlice(t, *sums) for t, sums in by_slice.items()]
    return found if any(row[1] for row in rows) else None, slices


def _nobody() -> list[int]:
    """Started, succeeded, failed, said to have abandoned."""
    return [0, 0, 0, 0]


def _added(some: Sequence[int], others: Sequence[int]) -> list[int]:
    return [int(a) + int(b) for a, b in zip(some, others, strict=True)]


def _counts(
    started: int,
    succeeded: int,
    failed: int,
    said: int,
    due: int,
    least_due: int,
    said_since: int,
    under_way: int,
    least_under_way: int,
) -> FlowCounts:
    return FlowCounts(
        started,
        succeeded,
        failed,
        abandoned=None if least_due < 0 else due + said_since,
        in_progress=None if least_under_way < 0 else under_way,
        said_abandoned=said,
    )


def _of(journeys: Sequence[str], allowed: Mapping[str, Sequence[str]] | None) -> dict[str, Sequence[str]]:
    require_dimensions(list(allowed or {}), known=FLOW_KEYS)
    return {**(allowed or {}), "journey": journeys}
