"""Corrections: when they hold, for which SLOs, and what they do to counts.

A window takes whole minutes, widened outwards: counts are by the minute, and half a minute of maintenance is a minute that was not like
others. Where windows overlap, ``exclude`` wins over ``count_as_good``, and that over ``annotate``.

What is corrected is raw counts of minutes, before slices, groups and budgets are made of them; nothing else is changed, and what was counted stays
where it was. So a correction that is cancelled leaves no trace in any number.

A rule is about the clock on the wall: "every Sunday at 02:30" is 02:30 in summer and in winter. A time that the clocks skip is as much later as
they skip (03:30), one that they show twice is the first of the two. A window is as long as it says, whatever clocks do meanwhile.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from maibo_slo.documents import Correction
from maibo_slo.documents.recurrence import recurrence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from maibo_slo.documents import FedSlo, Slo
    from maibo_slo.documents.kinds import Effect
    from maibo_slo.engine.counts import GoodBad

MOST_WINDOWS: Final = 10_000
"""Of an SLO; the newest."""
RANKS: Final[Mapping[Effect | None, int]] = {None: 0, "annotate": 1, "count_as_good": 2, "exclude": 3}
"""The higher wins. What `ranks_at` tells."""
EFFECTS: Final[tuple[Effect | None, ...]] = tuple(RANKS)
_MINUTE: Final = 60
_DAY: Final = 86_400


class Window(NamedTuple):
    """[begin, end) in which a correction holds, unix s, whole minutes."""

    begin: int
    end: int
    correction: Correction


def concerns(correction: Correction, slo: Slo | FedSlo) -> bool:
    """Whether it names the SLO, its service or one of its journeys; one that names nothing concerns every SLO."""
    if not (correction.slos or correction.services or correction.journeys):
        return True
    return (
        slo.name in correction.slos
        or slo.service in correction.services
        or (bool(correction.journeys) and not journeys(slo).isdisjoint(correction.journeys))
    )


def journeys(slo: Slo | FedSlo) -> frozenset[str]:
    """What it is about; a composite SLO may be about several."""
    totals = (getattr(objective.indicator, "total", None) for objective in slo.objectives)
    return frozenset(filter(None, (slo.journey, *(getattr(total, "journey", "") for total in totals))))


def windows(corrections: Iterable[Correction], slo: Slo | FedSlo, begin: int, end: int) -> tuple[Window, ...]:
    """Those that concern the SLO and overlap [begin, end), whole as they are, oldest first."""
    found = [window for each in corrections if concerns(each, slo) for window in windows_of(each, begin=begin, end=end)]
    return tuple(sorted(found, key=lambda window: (window.begin, window.end, window.correction.name))[-MOST_WINDOWS:])


def windows_of(correction: Correction, *, begin: int, end: int) -> tuple[Window, ...]:
    """Of one correction, whoever it concerns."""
    # By the day, so that tick after tick asks the same.
    wide = _windows(correction, begin // _DAY * _DAY, -(-end // _DAY) * _DAY)
    return tuple(window for window in wide if window.begin < end and window.end > begin)


def unix_of(local: datetime, zone: str) -> int:
    """The moment at which this zone's clocks show this."""
    return int(local.replace(tzinfo=ZoneInfo(zone)).timestamp())


@lru_cache(maxsize=256)
def _windows(correction: Correction, begin: int, end: int) -> tuple[Window, ...]:
    """Of [begin, end), perhaps with one more at either end."""
    long, zone = correction.duration_seconds, correction.zone
    starts = sorted({unix_of(local, zone) for local in _starts(correction, begin - long, end)})
    found = (Window(at // _MINUTE * _MINUTE, -(-(at + long) // _MINUTE) * _MINUTE, correction) for at in starts)
    return tuple(found)[-MOST_WINDOWS:]


def _starts(correction: Correction, begin: int, end: int) -> list[datetime]:
    """Local times, of two days more at either end: no zone is further from UTC, and jumps further."""
    if not correction.rrule:
        return [correction.start]
    first, last = (datetime.fromtimestamp(at, UTC).replace(tzinfo=None) for at in (begin - 2 * _DAY, end + 2 * _DAY))
    rule = recurrence(correction.rrule, correction.start)
    return [local for local in takewhile(lambda local: local <= last, rule) if local >= first]


def effect_at(windows: Iterable[Window], t: float) -> Effect | None:
    """The one that wins at this moment; None where no window is."""
    ranks = (RANKS[window.correction.effect] for window in windows if window.begin <= t < window.end)
    return EFFECTS[max(ranks, default=0)]


def ranks_at(windows: Iterable[Window], minutes: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int8]:
    """`effect_at` each of these moments, as its rank; `minutes` in ascending order."""
    at = np.asarray(minutes, dtype=np.int64)
    ranks = np.zeros(len(at), dtype=np.int8)
    if not len(at):
        return ranks
    oldest, newest = int(at[0]), int(at[-1])
    for window in windows:
        if window.begin <= newest and window.end > oldest:  # of an hour's minutes and a year's windows, few
            first, last = np.searchsorted(at, (window.begin, window.end))
            np.maximum(ranks[first:last], RANKS[window.correction.effect], out=ranks[first:last])
    return ranks


def corrected(windows: Sequence[Window], counts: Mapping[int, GoodBad]) -> Mapping[int, GoodBad]:
    """Counts by minute with what the windows say of them: excluded ones are there as 0 and 0, that is, no data."""
    if not windows or not counts:
        return counts
    minutes = sorted(counts)
    ranks = dict(zip(minutes, ranks_at(windows, minutes).tolist(), strict=True))
    return {t: _corrected(each, ranks[t]) for t, each in counts.items()}


def differing(before: Sequence[Window], after: Sequence[Window]) -> tuple[tuple[int, int], ...]:
    """[begin, end)s, ascending, in which these count differently: what has to be counted again when one follows the other."""
    edges = sorted({edge for window in (*before, *after) for edge in (window.begin, window.end)})
    begins = np.asarray(edges[:-1], dtype=np.int64)
    annotated = RANKS["annotate"]  # changes no number
    former = np.maximum(ranks_at(before, begins), annotated)
    differs = former != np.maximum(ranks_at(after, begins), annotated)
    joined: list[tuple[int, int]] = []
    for (begin, end), differ in zip(pairwise(edges), differs.tolist(), strict=True):
        if not differ:
            continue
        if joined and joined[-1][1] == begin:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return tuple(joined)


def _corrected(counts: GoodBad, rank: int) -> GoodBad:
    match EFFECTS[rank]:
        case "exclude":
            return counts._replace(good=0, bad=0)
        case "count_as_good":
            return counts._replace(good=counts.good + counts.bad, bad=0)
        case _:
            return counts
