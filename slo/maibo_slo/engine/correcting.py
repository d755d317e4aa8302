"""The corrections in force: the windows of each SLO, and which minutes have to be counted again when they change.

Windows are found when somebody says something new, when an SLO is new, and once an hour, since rules go on for ever; never at each tick. SLOs that the
same corrections concern share them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from maibo_slo.engine.corrections import Window, concerns, differing, windows
from maibo_slo.engine.excluded import NOTHING_EXCLUDED, Excluded, excluded_by
from maibo_slo.engine.state import Corrected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from maibo_slo.documents import Correction
    from maibo_slo.engine.tracks import Tracks

MINUTE: Final = 60
AGAIN_SECONDS: Final = 3_600
AHEAD_SECONDS: Final = 2 * AGAIN_SECONDS
"""How far into the future windows are found: further than until they are found again, as clocks may be ahead of ours."""
MOST_SHOWN: Final = 20


class _Bounds(NamedTuple):
    """Of windows, each sorted: to count those that lie in a span without looking at all of them at every tick."""

    begins: list[int]
    ends: list[int]


class Corrections:
    """Of all SLOs, as they are now."""

    def __init__(self, told: Callable[[], Sequence[Correction]]) -> None:
        """`told`: those that were told to the running service, beside the documents'."""
        self._told = told
        self._said: tuple[Correction, ...] = ()
        self._found_at: float | None = None
        self._tracks: Tracks | None = None
        self.windows: Mapping[str, tuple[Window, ...]] = {}
        """By SLO, oldest first; who has none is absent."""
        self._excluded: Mapping[str, Excluded] = {}
        self._bounds: Mapping[str, _Bounds] = {}

    def refresh(self, documents: Iterable[Correction], tracks: Tracks, *, now: float) -> bool:
        """Find the windows, if they may be others than the last time; False: they are not."""
        said = (*documents, *self._told())
        is_recent = self._found_at is not None and 0 <= now - self._found_at < AGAIN_SECONDS
        if is_recent and tracks is self._tracks and said == self._said:
            return False
        shared: dict[tuple[tuple[Correction, ...], int], tuple[Window, ...]] = {}
        found: dict[str, tuple[Window, ...]] = {}
        excluded: dict[tuple[tuple[Correction, ...], int], Excluded] = {}
        excluded_of: dict[str, Excluded] = {}
        bounds: dict[tuple[tuple[Correction, ...], int], _Bounds] = {}
        bounds_of: dict[str, _Bounds] = {}
        for name, track in tracks.by_slo.items() if said else ():
            mine = tuple(each for each in said if concerns(each, track.slo))
            if not mine:
                continue
            key = mine, track.reach_seconds
            if key not in shared:
                shared[key] = windows(mine, track.slo, int(now) - track.reach_seconds, int(now) + AHEAD_SECONDS)
                excluded[key] = excluded_by(shared[key])
                bounds[key] = _Bounds(
                    sorted(each.begin for each in shared[key]), sorted(each.end for each in shared[key])
                )
            if shared[key]:
                found[name], excluded_of[name], bounds_of[name] = shared[key], excluded[key], bounds[key]
        self.windows, self._said, self._tracks, self._found_at = found, said, tracks, now
        self._excluded, self._bounds = excluded_of, bounds_of
        return True

    def changed(
        self, applied: Mapping[str, tuple[Window, ...]], *, now: float
    ) -> dict[frozenset[str], tuple[tuple[int, int], ...]]:
        """SLOs, and spans in which they count otherwise than with the windows that were `applied`, by SLO."""
        tracks = {} if self._tracks is None else self._tracks.by_slo
        # By identity: thousands of SLOs share the same windows, and these are long to hash.
        alike: defaultdict[tuple[int, int, int], list[str]] = defaultdict(list)
        for name in {*applied, *self.windows} & tracks.keys():
            alike[id(applied.get(name, ())), id(self.windows.get(name, ())), tracks[name].reach_seconds].append(name)
        found: dict[frozenset[str], tuple[tuple[int, int], ...]] = {}
        for (_, _, reach), names in alike.items():
            before, after = applied.get(names[0], ()), self.windows.get(names[0], ())
            oldest, newest = int(now) // MINUTE * MINUTE - reach, int(now) + AHEAD_SECONDS
            clipped = [(max(begin, oldest), min(end, newest)) for begin, end in differing(before, after)]
            if spans := tuple((begin, end) for begin, end in clipped if begin < end):
                found[frozenset(names)] = spans
        return found

    def in_effect(self) -> dict[str, tuple[Window, ...]]:
        """Those that change numbers, by SLO."""
        kept: dict[int, tuple[Window, ...]] = {}
        for each in self.windows.values():
            if id(each) not in kept:
                kept[id(each)] = tuple(window for window in each if window.correction.effect != "annotate")
        return {name: kept[id(each)] for name, each in self.windows.items() if kept[id(each)]}

    def excluded(self, slo: str) -> Excluded:
        """What is excluded of an SLO's time, be it shown or not."""
        return self._excluded.get(slo, NOTHING_EXCLUDED)

    def changed_until(self, slo: str, *, now: float) -> float:
        """When the last time ended, or will, in which a correction changes what counts, of those that have begun; minus infinity when there is none."""
        mine = (each for each in self.windows.get(slo, ()) if each.begin <= now)
        return max((each.end for each in mine if each.correction.effect != "annotate"), default=-inf)

    def shown(self, slo: str, *, begin: int, now: float) -> tuple[Corrected, ...]:
        """Windows as far as they lie in [begin, now], newest first."""
        mine = (each for each in reversed(self.windows.get(slo, ())) if each.begin <= now and each.end > begin)
        return tuple(Corrected(max(each.begin, begin), each.end, each.correction) for each in islice(mine, MOST_SHOWN))

    def unshown(self, slo: str, *, begin: int, now: float) -> int:
        """How many more of them there are than `shown` has."""
        if slo not in self._bounds:
            return 0
        begins, ends = self._bounds[slo]
        return max(0, bisect_right(begins, now) - bisect_right(ends, begin) - MOST_SHOWN)
