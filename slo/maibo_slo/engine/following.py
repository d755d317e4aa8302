"""Judged rows that follow from raw ones: read the raw minutes of the slices that changed, correct them, cut them, judge them.

A slice is written once it is over, and again whenever one of its minutes changes. One that is still open is told to the caller, who asks again
when it closes, though nothing new came.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from maibo_slo.engine.corrections import RANKS, ranks_at
from maibo_slo.engine.slices import Slices, bounds, judged, sliced, together
from maibo_slo.engine.sums import Name
from maibo_slo.engine.tracks import is_whole, raw_name
from maibo_slo.store import ledger
from maibo_slo.store.ledger import Interval

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from maibo_slo.documents import Objective
    from maibo_slo.engine.corrections import Window
    from maibo_slo.engine.slices import Slicing
    from maibo_slo.engine.tracks import Track
    from maibo_slo.store import Store

    Numbers = NDArray[np.int64]

MINUTE: Final = 60
APART_SECONDS: Final = 3_600
"""Slices that are further apart are read by queries of their own."""
SLOS_AT_ONCE: Final = 200
"""Whose raw minutes are held at once."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What follows."""

    rows: list[Interval] = field(default_factory=list)
    open: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    """End of a slice (unix s) -> SLOs that may have events in it."""
    first_t: dict[Name, int] = field(default_factory=dict)
    """Begin of the oldest raw minute with events that was seen."""


def follow(
    store: Store,
    tracks: Collection[Track],
    minutes: Collection[int],
    *,
    windows: Mapping[str, Sequence[Window]],
    now: float,
) -> Followed:
    """Rows of all slices that any of these minutes (unix s) lies in; `windows` of corrections, by SLO."""
    found = Followed()
    touched = np.array(sorted(minutes), np.int64)
    alike: defaultdict[frozenset[Slicing], list[Track]] = defaultdict(list)
    for track in tracks:
        alike[frozenset(track.slicings.values())].append(track)
    for slicings, tracks_alike in alike.items():
        closed: dict[Slicing, tuple[Numbers, Numbers]] = {}
        for slicing in slicings:
            begins, ends = bounds(slicing, touched)
            over = ends <= now
            closed[slicing] = begins[over], ends[over]
            for end in np.unique(ends[~over]).tolist():
                found.open[end].update(track.slo.name for track in tracks_alike)
        spans = list(_joined(closed.values()))
        if not spans:
            continue  # most ticks change open slices alone: nothing is read for these
        only = {slicing: np.unique(begins) for slicing, (begins, _) in closed.items()}
        for first in range(0, len(tracks_alike), SLOS_AT_ONCE):
            some = tracks_alike[first : first + SLOS_AT_ONCE]
            raw = _read(store, [track.slo.name for track in some], spans)
            for track in some:
                for group, counts in raw.get(track.slo.name, {}).items():
                    _judge(found, track, group, counts, only, windows.get(track.slo.name, ()))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Raw:
    """Minutes of an objective, ascending."""

    t: Numbers
    good: Numbers
    bad: Numbers

    def corrected(self, windows: Sequence[Window]) -> _Raw:
        """As `corrections.corrected` does it."""
        if not windows:
            return self
        ranks = ranks_at(windows, self.t)
        kept = ranks < RANKS["exclude"]
        forgiven = ranks == RANKS["count_as_good"]
        good = np.where(forgiven, self.good + self.bad, self.good)
        return _Raw(self.t, np.where(kept, good, 0), np.where(kept & ~forgiven, self.bad, 0))


def _judge(
    found: Followed,
    track: Track,
    group: str,
    raw: Mapping[str, _Raw],
    only: Mapping[Slicing, Numbers],
    windows: Sequence[Window],
) -> None:
    """The rows of one group of an SLO."""
    slo = track.slo
    for objective in track.with_rows:
        whole = is_whole(slo, objective)
        mine = [
            (each, raw[raw_name(each)])
            for each in (track.components if whole else (objective,))
            if raw_name(each) in raw
        ]
        if not mine:
            continue
        slicing = track.slicings[objective.name]
        cut = [(each, _cut(slicing, counts.corrected(windows), only[slicing])) for each, counts in mine]
        slices = together(slo.method, cut) if whole else judged(slo.method, objective, cut[0][1])
        found.rows.extend(_rows(track, objective, group, slices))
        with_events = [counts.t[counts.good + counts.bad > 0] for _, counts in mine]
        oldest = min((int(t[0]) for t in with_events if len(t)), default=None)
        if oldest is not None:
            found.first_t[Name(slo.name, objective.name, group)] = oldest


def _cut(slicing: Slicing, raw: _Raw, only: Numbers) -> Slices:
    slices = sliced(slicing, raw.t, raw.good, raw.bad)
    return slices.only(np.isin(slices.begins, only))


def _rows(track: Track, objective: Objective, group: str, slices: Slices) -> Iterator[Interval]:
    """In the last minute of each."""
    source = track.sources[objective.name]
    for end, good, bad in zip(slices.ends.tolist(), slices.good.tolist(), slices.bad.tolist(), strict=True):
        yield Interval(track.slo.name, objective.name, group, end - MINUTE, good, bad, good + bad, source)


def _joined(slices: Iterable[tuple[Numbers, Numbers]]) -> Iterator[tuple[int, int]]:
    """Spans that hold them all whole."""
    pairs = sorted({pair for begins, ends in slices for pair in zip(begins.tolist(), ends.tolist(), strict=True)})
    begin, end = pairs[0] if pairs else (0, 0)
    for next_begin, next_end in pairs[1:]:
        if next_begin > end + APART_SECONDS:
            yield begin, end
            begin = next_begin
        end = max(end, next_end)
    if pairs:
        yield begin, end


def _read(
    store: Store, slos: Collection[str], spans: Sequence[tuple[int, int]]
) -> dict[str, dict[str, dict[str, _Raw]]]:
    """By SLO, group and raw name."""
    parts: defaultdict[tuple[str, str, str], list[ledger.Minutes]] = defaultdict(list)
    for begin, end in spans:
        for each in ledger.minutes(store, slos, begin, end, raw=True):
            parts[each.slo, each.group, each.objective].append(each)
    found: dict[str, dict[str, dict[str, _Raw]]] = {}
    for (slo, group, objective), some in parts.items():
        t = np.concatenate([each.t for each in some]).astype(np.int64)
        order = np.argsort(t)
        good, bad = (
            np.concatenate([getattr(each, name) for each in some]).astype(np.int64)[order] for name in ("good", "bad")
        )
        found.setdefault(slo, {}).setdefault(group, {})[objective] = _Raw(t[order], good, bad)
    return found
