"""What the engine would have said at an earlier moment, from the ledger as it stands: late events and corrections that came since count.

Objectives and groups are those of now; what no ledger keeps, since when a burn was seen and where a policy stood, is not told. Slices are
judged without the events that they were made of.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from maibo_slo.engine.burn import BURN_WINDOWS, Counts
from maibo_slo.engine.calendar import period
from maibo_slo.engine.snapshot import Snapshot
from maibo_slo.engine.sums import MINUTE, Name
from maibo_slo.store import ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maibo_slo.engine.state import Observed
    from maibo_slo.store import Store
    from maibo_slo.store.ledger import WindowSum

_NOTHING: Final = Counts(0, 0, 0)


def minute_of(at: float) -> int:
    """End of the last minute that was over at a moment, unix s: the one that ran then has since been counted whole."""
    return int(at) // MINUTE * MINUTE


def snapshot_at(store: Store, observed: Iterable[Observed], *, at: int) -> Snapshot:
    """These, at `at` (unix s, of `minute_of`). Reads the whole window of each SLO: for a page that somebody looks at, not for every tick."""
    known = tuple(observed)
    windows = {
        one.slo.name: [each for each in (_own_seconds(one, at=at), *BURN_WINDOWS.values()) if each] for one in known
    }
    sums: dict[Name, dict[int, WindowSum]] = {}
    for one in ledger.window_sums(store, now=at - MINUTE, windows=windows):
        sums.setdefault(Name(one.slo, one.objective, one.group), {})[one.window_seconds] = one
    return Snapshot(evaluated_at=at, observed=tuple(_then(one, sums, at=at) for one in known))


def _own_seconds(observed: Observed, *, at: int) -> int:
    """What has passed of a calendar's period, 0 where it begins; what others roll over."""
    if observed.slo.calendar is None:
        return observed.slo.window_seconds
    return at - period(observed.slo.calendar, at).begin // MINUTE * MINUTE


def _then(observed: Observed, sums: Mapping[Name, Mapping[int, WindowSum]], *, at: int) -> Observed:
    parts = tuple(_then(part, sums, at=at) for part in observed.parts)
    found = sums.get(Name(observed.slo.name, observed.objective.name, observed.group), {})
    seen = [one.last_t for one in found.values()] + [part.last_t for part in parts]
    first = observed.first_t
    return replace(
        observed,
        counts={seconds: _counts(found.get(seconds)) for seconds in BURN_WINDOWS.values()} if found else {},
        own=_counts(found.get(_own_seconds(observed, at=at))),
        first_t=first if first is None or first <= at else None,
        last_t=max((t for t in seen if t is not None), default=None),
        first_burning_at=None,
        period=None if observed.slo.calendar is None else period(observed.slo.calendar, at),
        parts=parts,
        policy=None,
        events={},
    )


def _counts(found: WindowSum | None) -> Counts:
    return _NOTHING if found is None else Counts(found.good, found.bad, found.observed_minutes)
