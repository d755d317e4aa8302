"""Recording rules that count an SLO's events, and the guards that both dialects build on those counts.

Counts are kept and ratios divided last: an average of ratios weighs a quiet night's minutes as much as a busy day's. So

* ``maibo:slo_events:increase5m`` and ``maibo:slo_bad_events:increase5m`` (5m, and each window of the pairs) are events, never rates;
* over the SLO's own window they are sums of the 5-minute counts, side by side on a grid of 5 minutes, so that no event is added twice;
* no series of bad events means none was bad, while there are events; no series of events means no data, and no sample.

A counter that is born with a value (the first scrape sees 3 errors) hides those 3: `increase` needs two scrapes of a series.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final

from maibo_alerting.prometheus.durations import duration
from maibo_alerting.prometheus.rulefile import Record, selector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from maibo_alerting.pairs import Shape
    from maibo_slo.documents import PromQuery, PromSlo

STEP_SECONDS: Final = 300
"""The grid that sums are made of."""
NO_DATA_SECONDS: Final = 1800
MIN_OBSERVED: Final = 0.1
"""Share of the long window that counts must reach back for."""
EVENTS: Final = "maibo:slo_events:increase"
BAD: Final = "maibo:slo_bad_events:increase"


def windows(slo: PromSlo, shapes: Iterable[Shape]) -> tuple[int, ...]:
    """Seconds of every window that counts are recorded over, short ones first: those of the shapes that the SLO's window has room for."""
    fitting = [shape for shape in shapes if shape.long_seconds <= slo.window_seconds]
    of_pairs = {seconds for shape in fitting for seconds in (shape.short_seconds, shape.long_seconds)}
    return tuple(sorted({STEP_SECONDS, NO_DATA_SECONDS} | of_pairs))


def counts(slo: PromSlo, over: Iterable[int], labels: Mapping[str, str]) -> Iterator[Record]:
    """Rules that count over each window; `labels` tell the SLO apart."""
    for seconds in over:
        window = duration(seconds)
        yield Record(EVENTS + window, _events(slo.total, seconds), labels)
        yield Record(BAD + window, _bad(slo, seconds, selector(EVENTS + window, labels)), labels)


def sums(window_seconds: int, labels: Mapping[str, str]) -> Iterator[Record]:
    """Rules that sum the counts over the SLO's own window."""
    window = duration(window_seconds)
    step = duration(STEP_SECONDS)
    for name in (EVENTS, BAD):
        yield Record(name + window, f"sum_over_time({selector(name + step, labels)}[{window}:{step}])", labels)


def observed(shape: Shape, labels: Mapping[str, str]) -> str:
    """Whether counts reach back for a tenth of the pair's long window, at least: a counter's first minutes say little about a day."""
    unseen = unseen_seconds(shape)
    events = selector(EVENTS + duration(STEP_SECONDS), labels)
    return f"present_over_time({events}[{duration(shape.long_seconds - unseen)}] offset {duration(unseen)})"


def unseen_seconds(shape: Shape) -> int:
    """How long ago counts must have begun."""
    return ceil(MIN_OBSERVED * shape.long_seconds)


def _bad(slo: PromSlo, seconds: int, events: str) -> str:
    if slo.bad is not None:
        return f"({_events(slo.bad, seconds)})\nor\n0 * sum({events})"
    if slo.good is None:
        raise ValueError(f"{slo.name} counts neither good nor bad events")
    return f"clamp_min(\n  sum({events})\n  -\n  (({_events(slo.good, seconds)}) or 0 * sum({events})),\n  0\n)"


def _events(query: PromQuery, seconds: int) -> str:
    """One sample without labels, so that two sides always meet.

    Of a person's own PromQL, ``rate`` is made a count again, and NaN (a division without traffic) is left out: summed, it would be NaN
    for as long as the SLO's window.
    """
    expr = query.over(duration(seconds))
    if not query.has_window:
        return expr
    times = f" * {seconds}" if query.is_per_second else ""
    inner = f"\n{expr}\n" if "#" in expr else expr  # a comment must not reach our own parenthesis
    return f"sum({inner}){times} >= 0"
