"""An objective's counts over time: as the ledger has them, or as they would be if the document said something else.

A what-if is the same counting at another threshold or among other customers: from cells, with the corrections that hold, exactly what the engine
would have written. So it reaches back as far as minutes of cells are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from maibo_slo.documents.durations import elapsed_text
from maibo_slo.documents.kinds import Sli, Slo
from maibo_slo.engine.corrections import EFFECTS, ranks_at, windows
from maibo_slo.engine.slices import bounds, judged, sliced, slicing_of
from maibo_slo.engine.tracks import is_whole
from maibo_slo.reporting.blame import indicator, indicator_of
from maibo_slo.store import burnt, histogram, past
from maibo_slo.store.past import Series
from maibo_slo.store.selection import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from maibo_slo.documents import Correction, FedSlo, Objective
    from maibo_slo.engine.slices import Slicing
    from maibo_slo.store import Store

MINUTE: Final = 60


@dataclass(frozen=True, slots=True)
class Changed:
    """What a document is thought to say instead; nothing where it is as it is."""

    threshold_us: int | None = None
    where: Mapping[str, Sequence[str]] | None = None

    def __bool__(self) -> bool:
        return self.threshold_us is not None or bool(self.where)


@dataclass(frozen=True, slots=True)
class Told:
    """Counts, and where they come from."""

    series: Series
    source: Literal["ledger", "cells"]


class WhatIfError(ValueError):
    """A question that cannot be answered; the text says why, `about` which part of it."""

    def __init__(self, about: str, message: str) -> None:
        super().__init__(message)
        self.about = about


def counts(
    store: Store,
    slo: Slo | FedSlo,
    objective: Objective,
    window: Window,
    *,
    step: int,
    group: Mapping[str, str] | None = None,
    group_name: str = "",
    changed: Changed | None = None,
    corrections: Iterable[Correction] = (),
    now: int,
) -> Told:
    """Of the window, which is on the grid of `step`. WhatIfError when it cannot be counted again."""
    if not changed:
        found = past.series(store, slo.name, objective.name, group_name, window.begin, window.end, step=step)
        return Told(found, "ledger")
    if not isinstance(slo, Slo):
        raise WhatIfError(
            "threshold", f"{slo.name!r} is counted by {slo.counted_by}: there are no cells to count again"
        )
    if is_whole(slo, objective):
        names = ", ".join(each.name for each in slo.objectives if not is_whole(slo, each))
        raise WhatIfError(
            "objective", f"{objective.name!r} is judged from its components: ask for one of these, {names}"
        )
    if now - window.begin > burnt.MINUTES.retention_seconds:
        raise WhatIfError(
            "begin",
            f"minutes are kept for {burnt.MINUTES.retention_seconds // 86_400} days: ask for less to be counted again",
        )
    asked = indicator(_meant(indicator_of(slo, objective), changed), among=_among(group or {}, changed.where or {}))
    slicing = slicing_of(slo, objective)
    begins, _ = bounds(slicing, np.array([window.begin], dtype=np.int64))
    wide = replace(window, begin=int(begins[0]))
    raw = _corrected(burnt.counted(store, wide, asked), slo, corrections, wide)
    rows = _judged(slo, objective, slicing, raw, window, now=now)
    return Told(rows if step == MINUTE else _summed(rows, step), "cells")


def _judged(slo: Slo, objective: Objective, slicing: Slicing, raw: Series, window: Window, *, now: int) -> Series:
    """What the ledger would have: of slices that are over one row each, at its last minute."""
    if slo.method == "Occurrences":
        return raw
    made = judged(slo.method, objective, sliced(slicing, raw.t, raw.good, raw.bad))
    last = made.ends - MINUTE
    kept = (made.good + made.bad > 0) & (made.ends <= now) & (last >= window.begin) & (last < window.end)
    return Series(last[kept], made.good[kept], made.bad[kept])


def _among(group: Mapping[str, str], where: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Of the group, what these values of dimensions leave."""
    own = {name: tuple(each for each in (value,) if each in where.get(name, (each,))) for name, value in group.items()}
    return {**where, **own}


def _meant(sli: Sli, changed: Changed) -> Sli:
    limit = changed.threshold_us
    if limit is None:
        return sli
    if not histogram.on_grid(limit):
        near = " or ".join(dict.fromkeys(map(elapsed_text, histogram.nearest_on_grid(limit))))
        raise WhatIfError("threshold", f"{elapsed_text(limit)} is not counted exactly; use {near}")
    if sli.good is None:
        raise WhatIfError("threshold", f"the indicator {sli.name!r} names bad events, and no latency of good ones")
    return replace(sli, good=replace(sli.good, max_duration_us=limit))


def _corrected(found: Series, slo: Slo, corrections: Iterable[Correction], window: Window) -> Series:
    holding = windows(corrections, slo, window.begin, window.end)
    if not holding:
        return found
    ranks = ranks_at(holding, found.t)
    good, bad = found.good.copy(), found.bad.copy()
    forgiven = ranks == EFFECTS.index("count_as_good")
    good[forgiven] += bad[forgiven]
    bad[forgiven] = 0
    kept = ranks != EFFECTS.index("exclude")
    return Series(found.t[kept], good[kept], bad[kept])


def _summed(found: Series, step: int) -> Series:
    if not len(found.t):
        return found
    at, begins = np.unique(found.t // step * step, return_index=True)
    return Series(at, np.add.reduceat(found.good, begins), np.add.reduceat(found.bad, begins))
