"""One tick: cells that changed become counts in the ledger, and the ledger's counts become the next snapshot.

The cost follows new data: a tick reads the minutes that log segments touched since the last one (late events touch old minutes,
which are then counted again), never the whole window; and what the windows' sums are, it keeps (`sums`), and reads from the ledger once, when it
starts. A new or changed SLO, or a start without memory, has the cells of the longest SLO window (of the last 35 days at most, as long as minutes are
kept) recounted: newest minutes first, a bounded time per tick, so that the present is shown at once while the past fills up. Counting a minute twice is
harmless: its row in the ledger is replaced.

Not thread-safe: one tick at a time. `snapshot` may be read from any thread.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from maibo_slo.engine.burn import BURN_WINDOWS
from maibo_slo.engine.counts import GoodBad, MinuteCells, source_of
from maibo_slo.engine.memory import Counted, recall, remember
from maibo_slo.engine.snapshot import Snapshot
from maibo_slo.engine.state import Observed, is_burning
from maibo_slo.engine.sums import Name, Sums
from maibo_slo.store import Store, cells, ledger, segments
from maibo_slo.store.ledger import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from maibo_slo.documents import Catalogue, Objective, PromSlo, Sli, Slo

MINUTE: Final = 60
BATCH_MINUTES: Final = 60
"""Minutes of cells read at once: an hour of a busy shop is some 100,000 rows, 50 MB in memory."""
RECOUNT_SECONDS: Final = 4.0
"""Of one tick; the rest waits for the next, so that a tick keeps to its 10 seconds."""


class Engine:
    """Counts and judges the SLOs of a catalogue."""

    def __init__(self, store: Store, catalogue: Callable[[], Catalogue], *, memory_path: Path) -> None:
        self._store = store
        self._catalogue = catalogue
        self._path = memory_path
        self._memory = recall(memory_path, store=str(store))
        self._saved = self._memory
        self._pending: set[int] = set()
        self._stale_rows: dict[str, set[int]] = {}
        self._sums = Sums(store)
        self._sources: dict[str, tuple[Sli, str]] = {}
        self._snapshot = Snapshot()

    def snapshot(self) -> Snapshot:
        """The last tick's outcome."""
        return self._snapshot

    def tick(self, *, now: float) -> Snapshot:
        """Bring the ledger up to date and judge it at `now` (unix seconds). Raises StoreError."""
        started = time.monotonic()
        slos = tuple(self._catalogue().slos.values())
        changed, mark = segments.changed_minutes(self._store, self._memory.mark)
        self._memory = replace(self._memory, version=max(int(now * 1000), self._memory.version + 1))
        self._plan_recount(slos, now=int(now))
        self._pending |= changed
        self._memory = replace(self._memory, mark=mark)
        self._work_off(slos, now=int(now), until=started + RECOUNT_SECONDS)
        observed = self._with_burns(self._observe(slos, now=int(now)), now=now)
        self._remember()
        self._snapshot = Snapshot(
            evaluated_at=now,
            duration_seconds=time.monotonic() - started,
            pending_minutes=len(self._pending),
            observed=observed,
        )
        return self._snapshot

    def _plan_recount(self, slos: Sequence[Slo], *, now: int) -> None:
        """Every minute that the SLOs look back at which are new, mean something else now, or look further back."""
        present = {_key(slo, objective) for slo, objective in _objectives(slos)}
        # What is not counted now is forgotten: if it comes back, the minutes in between are missing.
        kept = {key: counted for key, counted in self._memory.counted.items() if key in present}
        self._memory = replace(self._memory, counted=kept)
        names = {slo.name for slo in slos}
        self._sources = {name: known for name, known in self._sources.items() if name in names}
        asked = [(slo, objective) for slo, objective in _objectives(slos) if not self._is_counted(slo, objective)]
        if not asked:
            return
        longest = max(_reach_seconds(slo) for slo, _ in asked)
        begin = (now - longest) // MINUTE * MINUTE
        minutes, _ = segments.changed_minutes(self._store, 0)
        self._pending |= {minute for minute in minutes if minute >= begin}
        sources = {(slo.name, objective.name): self._source(slo) for slo, objective in asked}
        stale = ledger.minutes_from_elsewhere(self._store, sources, begin, now + MINUTE)
        counted = dict(self._memory.counted)
        for slo, objective in asked:
            self._stale_rows[_key(slo, objective)] = stale.get((slo.name, objective.name), set())
            counted[_key(slo, objective)] = Counted(self._source(slo), _reach_seconds(slo))
        self._memory = replace(self._memory, counted=counted)

    def _is_counted(self, slo: Slo, objective: Objective) -> bool:
        known = self._memory.counted.get(_key(slo, objective))
        return known is not None and known.source == self._source(slo) and known.window_seconds >= _reach_seconds(slo)

    def _source(self, slo: Slo) -> str:
        """Asked for at every tick, and worked out once for each indicator: for thousands of SLOs, a quarter of a second."""
        known = self._sources.get(slo.name)
        if known is None or known[0] is not slo.indicator:
            known = self._sources[slo.name] = (slo.indicator, source_of(slo.indicator))
        return known[1]

    def _work_off(self, slos: Sequence[Slo], *, now: int, until: float) -> None:
        """Count pending minutes, newest first, until none is left or time is up; at least one batch."""
        self._blank_stale_rows(slos)
        oldest = now - max(map(_reach_seconds, slos), default=0) - MINUTE
        self._pending = {minute for minute in self._pending if minute >= oldest}
        while self._pending:
            batch = sorted(self._pending, reverse=True)[:BATCH_MINUTES]
            self._count(slos, batch)
            self._pending.difference_update(batch)
            if time.monotonic() >= until:
                return

    def _count(self, slos: Sequence[Slo], minutes: Sequence[int]) -> None:
        if not slos:
            return
        journeys = {slo.indicator.total.journey for slo in slos}
        read = MinuteCells(cells.cells_of_minutes(self._store, minutes, journeys))
        rows: list[Interval] = []
        counted = dict(self._memory.counted)
        for slo in slos:
            counts = read.count(slo.indicator)
            if not counts:
                continue
            rows.extend(_rows(slo, counts, self._source(slo)))
            oldest = min(counts)
            for objective in slo.objectives:
                known = counted[_key(slo, objective)]
                if known.first_t is None or oldest < known.first_t:
                    counted[_key(slo, objective)] = replace(known, first_t=oldest)
        self._append(rows)
        self._memory = replace(self._memory, counted=counted)

    def _blank_stale_rows(self, slos: Sequence[Slo]) -> None:
        """Rows that a former indicator left: where the present one finds nothing, they must not count any more."""
        for slo, objective in _objectives(slos):
            stale = self._stale_rows.pop(_key(slo, objective), None)
            if not stale:
                continue
            source = self._source(slo)
            self._append([Interval(slo.name, objective.name, "", t, 0, 0, 0, source) for t in sorted(stale)])
            # The rows of the recount that follows must win over these.
            self._memory = replace(self._memory, version=self._memory.version + 1)

    def _append(self, rows: Sequence[Interval]) -> None:
        if rows:
            ledger.append(self._store, rows, version=self._memory.version)
            self._sums.put(rows)

    def _remember(self) -> None:
        """Only what is finished: a recount that a stop interrupts begins anew."""
        if not self._pending and self._memory != self._saved:
            remember(self._path, self._memory, store=str(self._store))
            self._saved = self._memory

    def _observe(self, slos: Sequence[Slo], *, now: int) -> Iterator[Observed]:
        windows = {Name(slo.name, objective.name): slo.window_seconds for slo, objective in _objectives(slos)}
        found = self._sums.at(now, windows)
        for slo, objective in _objectives(slos):
            one = found[Name(slo.name, objective.name)]
            first_t = self._memory.counted[_key(slo, objective)].first_t
            own = one.counts[slo.window_seconds]
            yield Observed(slo, objective, one.counts, own, first_t=first_t, last_t=one.last_t)

    def _with_burns(self, observed: Iterable[Observed], *, now: float) -> tuple[Observed, ...]:
        """With the time at which each burn that is under way was first seen; one that is over is forgotten."""
        known = self._memory.burning_since
        told = tuple(
            replace(one, first_burning_at=known.get(_key(one.slo, one.objective), now)) if is_burning(one) else one
            for one in observed
        )
        burning = {
            _key(one.slo, one.objective): one.first_burning_at for one in told if one.first_burning_at is not None
        }
        self._memory = replace(self._memory, burning_since=burning)
        return told


def _reach_seconds(slo: Slo) -> int:
    """How far back an SLO's numbers look: its own window, or the longest burn window if that is longer."""
    return max(slo.window_seconds, *BURN_WINDOWS.values())


def _rows(slo: Slo, counts: Mapping[int, GoodBad], source: str) -> Iterator[Interval]:
    for objective in slo.objectives:
        for t, (good, bad) in counts.items():
            # No document can ask for groups yet, so grp is ''; journeys expect nothing beyond what came, so expected is all of it.
            yield Interval(slo.name, objective.name, "", t, good, bad, good + bad, source)


def _objectives(slos: Iterable[Slo]) -> Iterator[tuple[Slo, Objective]]:
    return ((slo, objective) for slo in slos for objective in slo.objectives)


def _key(slo: Slo | PromSlo, objective: Objective) -> str:
    return f"{slo.name}/{objective.name}"
