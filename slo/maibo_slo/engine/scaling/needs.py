"""How high the need was lately: what a workload must not fall below yet.

What whole buckets of demand tell is held for all of the time that a target says. What a surge's seconds tell is held until whole buckets of them are known:
where these bear it out they are held instead, and where they do not, a first guess must not cost pods for minutes. A surge that comes twice in that time
is held for all of it, as high as both were: what comes again and again would else be taken back and asked for again and again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from maibo_slo.engine.scaling.remembered import Memory

SETTLED_SECONDS: Final = 24.0
"""By then the whole bucket is known that follows on the one that a look fell into: a crowd that lasts is in all of it."""
_MOST_PEAKS: Final = 50

Needs = tuple[tuple[float, float], ...]
"""``(unix s, replicas needed, a fraction)``."""


def held(memory: Memory, now: float, needed: float, settled: float, window_seconds: int) -> tuple[Needs, Needs, Needs]:
    """What to remember as `needs`, `surges` and `peaks`. `settled`: of what is needed, that which whole buckets tell."""
    needs = _with(memory.needs, now, settled, window_seconds)
    provisional = min(window_seconds, SETTLED_SECONDS)
    surges = tuple(each for each in memory.surges if each[0] > now - provisional)
    peaks = tuple(each for each in memory.peaks if now - window_seconds < each[0] <= now)
    if needed > settled:
        surges = _with(surges, now, needed, provisional)
        peaks = _with_peak(peaks, now, needed)
    return needs, surges, peaks


def highest(needs: Needs, surges: Needs, peaks: Needs) -> float:
    """Of what is remembered."""
    twice = sorted(needed for _, needed in peaks)[-2:-1]
    return max((*twice, *(needed for _, needed in (*needs[:1], *surges[:1]))), default=0.0)


def _with(needs: Needs, now: float, needed: float, window_seconds: float) -> Needs:
    """With the newest; without those that are too old, and those that later ones have reached: so they fall."""
    kept = [each for each in needs if each[0] > now - window_seconds]
    while kept and kept[-1][1] <= needed:
        kept.pop()
    grain = max(1.0, window_seconds / 300)  # a steady fall would be remembered look by look
    if kept and kept[-1][0] // grain == now // grain:
        return (*kept[:-1], (now, kept[-1][1]))
    return (*kept, (now, needed))


def _with_peak(peaks: Needs, now: float, needed: float) -> Needs:
    """The highest of each surge, at the time when it was seen last."""
    if peaks and now - peaks[-1][0] <= SETTLED_SECONDS:
        return (*peaks[:-1], (now, max(peaks[-1][1], needed)))
    return (*peaks, (now, needed))[-_MOST_PEAKS:]
