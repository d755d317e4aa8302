"""How much of a time corrections exclude: asked for every window of every objective, so that it costs no more where windows are thousands."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from maibo_slo.engine.spans import Span, joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.engine.corrections import Window


@dataclass(frozen=True, slots=True)
class Excluded:
    """Spans that do not overlap, oldest first."""

    begins: tuple[int, ...] = ()
    """Unix s."""
    ends: tuple[int, ...] = ()
    before: tuple[int, ...] = ()
    """Seconds in all the spans before each."""

    def seconds(self, begin: float, end: float) -> float:
        """How much of [begin, end) is excluded; of what overlaps, once."""
        return max(0.0, self._until(end) - self._until(begin))

    def _until(self, at: float) -> float:
        last = bisect_right(self.begins, at) - 1
        return 0.0 if last < 0 else self.before[last] + min(at, self.ends[last]) - self.begins[last]


NOTHING_EXCLUDED = Excluded()


def excluded_by(windows: Sequence[Window]) -> Excluded:
    """What these windows exclude: that wins over every other effect."""
    spans = joined((Span(each.begin, each.end) for each in windows if each.correction.effect == "exclude"), since=0)
    if not spans:
        return NOTHING_EXCLUDED
    before = accumulate((end - begin for begin, end in spans[:-1]), initial=0)
    begins, ends = zip(*spans, strict=True)
    return Excluded(begins, ends, tuple(before))
