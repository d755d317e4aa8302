"""One tick: cells that changed become counts in the ledger, and the ledger's counts become the next snapshot.

The cost follows new data: a tick reads the minutes that log segments touched since the last one (late events touch old minutes,
which are then counted again), never the whole window; and what the windows' sums are, it keeps (`sums`), and reads from the ledger once, when it
starts. What others count they offer (`Engine.offer`), and the next tick takes it in. An SLO whose rows are slices has its minutes in the ledger
too, as raw rows (`tracks`); a slice follows from them when it is over, and again when one of its minutes changes (`following`).

A new or changed SLO, or a start without memory, has the cells of the longest SLO window (of the last 35 days at most, as long as minutes are
kept) recounted, and what follows from raw rows as far back as these are; a correction that is told, changed or cancelled, the minutes that it makes
count otherwise. Newest minutes first, a bounded time per tick, so that the present is shown at once while the past fills up. Counting a minute twice is
harmless: its row in the ledger is replaced.

A process that dies between two writes loses nothing: cells are read again from where the last tick that was remembered ended, and raw rows that were
written since are judged again.

Not thread-safe: one tick at a time. `snapshot` and `offer` may be called from any thread.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import defaultdict
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Final

from maibo_slo.engine.correcting import Corrections
from maibo_slo.engine.corrections import corrected
from maibo_slo.engine.counts import MinuteCells, with_budgets
from maibo_slo.engine.following import follow
from maibo_slo.engine.inbox import Inbox, Offer
from maibo_slo.engine.memory import Counted, recall, remember
from maibo_slo.engine.observing import Observer, groups_of
from maibo_slo.engine.recount import Backlog, Batch, Whose
from maibo_slo.engine.snapshot import Snapshot
from maibo_slo.engine.sums import Name, Sums
from maibo_slo.engine.tracks import Tracks, raw_name
from maibo_slo.store import Store, cells, ledger, segments
from maibo_slo.store.ledger import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from maibo_slo.documents import Catalogue, Correction, Objective
    from maibo_slo.engine.counts import GoodBad
    from maibo_slo.engine.observing import Judged
    from maibo_slo.engine.tracks import Stream, Track

MINUTE: Final = 60
HOUR: Final = 3_600
RECOUNT_SECONDS: Final = 4.0
"""Of one tick; the rest waits for the next, so that a tick keeps to its 10 seconds."""
NOBODY: Final = ""
"""The source of rows that are not kept any more."""
ROWS_AT_ONCE: Final = 100_000
"""Written together, where counts that are void are many."""


class Engine:
    """Counts and judges the SLOs of a catalogue."""

    def __init__(
        self,
        store: Store,
        catalogue: Callable[[], Catalogue],
        *,
        memory_path: Path,
        corrections: Callable[[], Sequence[Correction]] = lambda: (),
    ) -> None:
        """`corrections`: those that were told to the running service; the catalogue's own are added. Asked at every tick."""
        self._store = store
        self._catalogue = catalogue
        self._path = memory_path
        self._memory = recall(memory_path, store=str(store))
        self._saved = self._memory
        self._backlog = Backlog()
        self._void: dict[Name, set[int]] = {}
        """Minutes of rows, raw ones too, that a former meaning of the SLO left."""
        self._open: dict[int, set[str]] = {}
        """End of a slice that is not over -> SLOs with events in it."""
        self._inbox = Inbox()
        self._sums = Sums(store)
        self._raw_sums = Sums(store, raw=True)
        self._corrections = Corrections(corrections)
        self._is_corrected = True
        """Whether the minutes that a correction concerns are counted by it, or wait to be."""
        self._observer = Observer(self._sums, self._raw_sums, self._corrections)
        self._tracks = Tracks()
        self._planned: Catalogue | None = None
        self._shown: Mapping[str, Counted] | None = None
        """What the observer knows of the memory: which groups there are."""
        self._snapshot = Snapshot()

    def snapshot(self) -> Snapshot:
        """The last tick's outcome."""
        return self._snapshot

    def offer(self, slo: str, counts: Mapping[int, GoodBad], *, source: str) -> None:
        """Raw counts of an SLO whose events are not in cells, by begin of minute (unix s); the next tick takes them in.

        What is offered again replaces; ``GoodBad(0, 0)`` blanks a minute. `source`: a text that changes with what was asked: counts of another one
        are void from then on. Of an SLO that is not judged, nothing is kept. ValueError for what cannot be a minute's count.
        """
        self._inbox.put(Offer(slo, dict(counts), source))

    def tick(self, *, now: float) -> Snapshot:
        """Bring the ledger up to date and judge it at `now` (unix seconds). Raises StoreError."""
        started = time.monotonic()
        # Before the documents: whoever offers may know newer ones than a tick that has begun, and what this tick does not know it drops.
        offers = self._inbox.waiting()
        catalogue = self._catalogue()
        changed, mark = segments.changed_minutes(self._store, self._memory.mark)
        self._memory = replace(self._memory, version=max(int(now * 1000), self._memory.version + 1))
        self._plan(catalogue, now=int(now))
        self._backlog.add(Whose(), changed)
        self._memory = replace(self._memory, mark=mark)
        self._blank()
        self._take_in(offers, now=now)
        self._inbox.taken(len(offers))
        self._work_off(now=now, until=started + RECOUNT_SECONDS)
        self._close_slices(now=now)
        judged = self._observe(catalogue, now=now)
        self._remember()
        self._snapshot = Snapshot(
            evaluated_at=now,
            duration_seconds=time.monotonic() - started,
            pending_minutes=self._backlog.size,
            observed=judged.observed,
        )
        return self._snapshot

    def _plan(self, catalogue: Catalogue, *, now: int) -> None:
        """What has to be counted because somebody said something else than before."""
        if catalogue is not self._planned:
            tracks = self._tracks.following(catalogue.judged.values())
            present = {_key(track, objective) for track in tracks.by_slo.values() for objective in track.with_rows}
            # What is not counted now is forgotten: if it comes back, the minutes in between are missing.
            kept = {key: counted for key, counted in self._memory.counted.items() if key in present}
            offered = {slo: source for slo, source in self._memory.offered.items() if slo in tracks.by_slo}
            self._memory = replace(self._memory, counted=kept, offered=offered)
            self._tracks = tracks
            if self._planned is None:
                self._resume(now=now)
            self._count_anew(now=now)
            self._planned, self._shown = catalogue, None
        # Remembered, and not only told: the store may fail before the minutes are found.
        self._is_corrected &= not self._corrections.refresh(catalogue.corrections.values(), self._tracks, now=now)
        if not self._is_corrected:
            self._correct_anew(now=now)
            self._is_corrected = True

    def _resume(self, *, now: int) -> None:
        """Slices that were open when the engine stopped may be over, though nothing new came; and what was offered may be written, and not judged."""
        follows = [track for track in self._tracks.by_slo.values() if track.follows and self._is_counted(track)]
        longest = max((cut.seconds for track in follows for cut in track.slicings.values()), default=0)
        begin = min(self._saved.version // 1_000, now) - longest
        begin = max(begin, now - self._tracks.reach_seconds) // MINUTE * MINUTE
        names = frozenset(track.slo.name for track in follows)
        self._backlog.add(Whose(names, raw=True), range(begin, now + MINUTE, MINUTE))
        offered = [track.slo.name for track in follows if track.is_offered]
        written = ledger.raw_minutes_since(
            self._store, offered, now - self._tracks.reach_seconds, version=self._saved.version
        )
        self._judge_again(written)

    def _judge_again(self, minutes: Mapping[str, Collection[int]]) -> None:
        """What follows from the raw rows of these minutes, by SLO: in bounded time a tick, newest first."""
        alike: defaultdict[frozenset[int], set[str]] = defaultdict(set)
        for slo, found in minutes.items():
            alike[frozenset(found)].add(slo)
        for found, slos in alike.items():
            self._backlog.add(Whose(frozenset(slos), raw=True), found)

    def _count_anew(self, *, now: int) -> None:
        """SLOs that are new, mean something else now, or look further back."""
        asked = [track for track in self._tracks.by_slo.values() if not self._is_counted(track)]
        if not asked:
            return
        begin = (now - max(track.reach_seconds for track in asked)) // MINUTE * MINUTE
        minutes, _ = segments.changed_minutes(self._store, 0)
        self._backlog.add(
            Whose(frozenset(track.slo.name for track in asked if not track.is_offered)),
            {minute for minute in minutes if minute >= begin},
        )
        sources = {(track.slo.name, row): source for track in asked for row, source in track.sources.items()}
        # Raw rows from when it was judged by slices: nobody keeps them true any more.
        sources |= {
            (each.slo.name, raw_name(row)): NOBODY for each in asked if not each.follows for row in each.with_rows
        }
        void = ledger.minutes_from_elsewhere(self._store, sources, begin, now + MINUTE)
        there = self._there(asked, begin, now + MINUTE)
        follows = frozenset(slo for slo, _ in there if self._tracks.by_slo[slo].follows)
        self._backlog.add(Whose(follows, raw=True), range(begin, now + MINUTE, MINUTE))
        counted = dict(self._memory.counted)
        for track, objective in [(each, objective) for each in asked for objective in each.with_rows]:
            key, source = _key(track, objective), track.sources[objective.name]
            known = counted.get(key)
            first_t: Mapping[str, int | None] = {}
            if known is None:
                rows = (objective.name, raw_name(objective))
                groups = {group for row in rows for group in there.get((track.slo.name, row), ()) if group}
                first_t = dict.fromkeys(groups if track.slo.group_by else ())
            elif known.source == source:
                first_t = known.first_t
            counted[key] = Counted(source, track.reach_seconds, first_t)
        self._void |= {Name(*name): found for name, found in void.items()}
        self._memory = replace(self._memory, counted=counted)

    def _there(self, tracks: Iterable[Track], begin: int, end: int) -> dict[tuple[str, str], set[str]]:
        """The groups that the ledger has already, by SLO and row: where groups or raw rows matter."""
        slos = [track.slo.name for track in tracks if track.follows or track.slo.group_by]
        return ledger.groups(self._store, slos, begin, end) if slos else {}

    def _is_counted(self, track: Track) -> bool:
        """With what each objective means now, and as far back."""
        for objective in track.with_rows:
            known = self._memory.counted.get(_key(track, objective))
            if known is None or known.source != track.sources[objective.name]:
                return False
            if known.window_seconds < track.reach_seconds:
                return False
        return True

    def _correct_anew(self, *, now: int) -> None:
        """The minutes that count otherwise than with the corrections before."""
        changed = self._corrections.changed(self._memory.applied, now=now)
        minutes = sorted(segments.changed_minutes(self._store, 0)[0]) if changed else []
        for slos, spans in changed.items():
            follows = frozenset(name for name in slos if self._tracks.by_slo[name].follows)
            in_cells = [minutes[bisect_left(minutes, begin) : bisect_left(minutes, end)] for begin, end in spans]
            self._backlog.add(Whose(slos - follows), [*chain.from_iterable(in_cells)])
            in_rows = [range(begin, end, MINUTE) for begin, end in spans] if follows else []
            self._backlog.add(Whose(follows, raw=True), [*chain.from_iterable(in_rows)])
        self._memory = replace(self._memory, applied=self._corrections.in_effect())

    def _blank(self) -> None:
        """Where a former meaning left a row and the present one finds nothing, nothing must count any more. The recount's rows win over these."""
        rows: list[Interval] = []
        for name, minutes in self._void.items():
            track = self._tracks.by_slo.get(name.slo)
            if track is not None:
                source = track.sources.get(name.objective, NOBODY)
                rows += [Interval(*name, t, 0, 0, 0, source) for t in sorted(minutes)]
            if len(rows) >= ROWS_AT_ONCE:
                self._append(rows)
                rows = []
        self._append(rows)
        self._void = {}

    def _take_in(self, offers: Sequence[Offer], *, now: float) -> None:
        """What was offered since the last tick."""
        latest: dict[str, tuple[str, dict[int, GoodBad]]] = {}
        for slo, counts, source in offers:
            track = self._tracks.by_slo.get(slo)
            if track is not None and track.is_offered:
                known, before = latest.get(slo, (source, {}))
                latest[slo] = source, {**(before if known == source else {}), **counts}
        touched: defaultdict[tuple[int, ...], list[str]] = defaultdict(list)
        sources = {slo: source for slo, (source, _) in latest.items()}
        self._void_offers(sources, now=int(now))
        rows: list[Interval] = []
        recent = int(now) - HOUR
        for slo, (source, counts) in latest.items():
            for objective in self._tracks.by_slo[slo].with_rows:
                name = Name(slo, raw_name(objective))
                rows += [Interval(*name, t, good, bad, good + bad, source) for t, (good, bad) in counts.items()]
            # Of the present, all together; of the past, each by itself: one that is filled up does not make others be read.
            touched[() if all(t >= recent for t in counts) else tuple(counts)].append(slo)
        self._append(rows)
        present = {t for slo in touched.get((), ()) for t in latest[slo][1]}
        for span, slos in touched.items():
            self._follow(slos, span or present, now=now)
        self._memory = replace(self._memory, offered={**self._memory.offered, **sources})

    def _void_offers(self, sources: Mapping[str, str], *, now: int) -> None:
        """Blank the raw rows of what was asked before, where something else is asked now: since when there are events is found anew."""
        changed = {slo: source for slo, source in sources.items() if self._memory.offered.get(slo) != source}
        if not changed:
            return
        tracks = [self._tracks.by_slo[slo] for slo in changed]
        known = {_key(each, row) for each in tracks if each.slo.name in self._memory.offered for row in each.with_rows}
        since_ever = {key: replace(self._memory.counted[key], first_t={}) for key in known}
        self._memory = replace(self._memory, counted={**self._memory.counted, **since_ever})
        begin = (now - max(track.reach_seconds for track in tracks)) // MINUTE * MINUTE
        names = {(each.slo.name, raw_name(row)): changed[each.slo.name] for each in tracks for row in each.with_rows}
        void = ledger.minutes_from_elsewhere(self._store, names, begin, now + MINUTE)
        of_slo: defaultdict[str, set[int]] = defaultdict(set)
        for (slo, _, _), minutes in void.items():
            of_slo[slo] |= minutes
        # Before they are blank: whoever fails half-way finds no row from elsewhere the next time.
        self._judge_again(of_slo)
        for name, minutes in void.items():
            self._append([Interval(*name, t, 0, 0, 0, changed[name[0]]) for t in sorted(minutes)])

    def _work_off(self, *, now: float, until: float) -> None:
        """Count pending minutes, newest first, until none is left or time is up; at least one batch."""
        oldest = int(now) - self._tracks.reach_seconds - MINUTE
        self._backlog.keep(self._tracks.by_slo.keys(), since=oldest)
        while (batch := self._backlog.newest()) is not None:
            if batch.whose.raw:
                self._follow(batch.whose.slos or (), batch.minutes, now=now)
            else:
                self._count(batch, now=now)
            self._backlog.done(batch)
            if time.monotonic() >= until:
                return

    def _count(self, batch: Batch, *, now: float) -> None:
        """From cells."""
        slos = batch.whose.slos
        tracks = [
            track for name, track in self._tracks.by_slo.items() if track.streams and (slos is None or name in slos)
        ]
        if not tracks:
            return
        journeys = {stream.sli.total.journey for track in tracks for stream in track.streams}
        read = MinuteCells(cells.cells_of_minutes(self._store, batch.minutes, journeys))
        rows: list[Interval] = []
        first: dict[Name, int] = {}
        changed: list[str] = []
        for track in tracks:
            windows = () if track.follows else self._corrections.windows.get(track.slo.name, ())
            for stream, group, counts in self._counts(track, read):
                rows.extend(_rows(track, stream, group, corrected(windows, counts)))
                if track.follows:
                    changed.append(track.slo.name)
                oldest = min((t for t, each in counts.items() if any(each)), default=None)
                if oldest is not None:
                    first |= {Name(track.slo.name, objective.name, group): oldest for objective in stream.objectives}
        self._append(rows)
        self._saw(first)
        self._follow(changed, batch.minutes, now=now)

    def _counts(self, track: Track, read: MinuteCells) -> Iterator[tuple[Stream, str, Mapping[int, GoodBad]]]:
        """Of each indicator and group, in some minutes."""
        if not track.slo.group_by:
            for stream in track.streams:
                if plain := read.count(stream.sli):
                    yield stream, "", plain
            return
        known = groups_of(track, self._memory)
        for stream in track.streams:
            found = with_budgets(read.count_groups(stream.sli, track.slo.group_by), known)
            known |= found.keys()
            for group, counts in found.items():
                yield stream, group, counts

    def _follow(self, slos: Iterable[str], minutes: Collection[int], *, now: float) -> None:
        """Write what follows from the raw rows of these minutes."""
        tracks = [track for slo in sorted(set(slos)) if (track := self._tracks.by_slo.get(slo)) is not None]
        if not tracks or not minutes:
            return
        followed = follow(self._store, tracks, minutes, windows=self._corrections.windows, now=now)
        self._append(followed.rows)
        self._saw(followed.first_t)
        for end, names in followed.open.items():
            self._open.setdefault(end, set()).update(names)

    def _close_slices(self, *, now: float) -> None:
        for end in sorted(end for end in self._open if end <= now):
            self._follow(self._open[end], [end - MINUTE], now=now)
            del self._open[end]

    def _append(self, rows: Sequence[Interval]) -> None:
        if rows:
            ledger.append(self._store, rows, version=self._memory.version)
            self._sums.put([row for row in rows if not row.objective.startswith(ledger.RAW)])
            self._raw_sums.put([row for row in rows if row.objective.startswith(ledger.RAW)])
            # Of two rows under one version, either may win.
            self._memory = replace(self._memory, version=self._memory.version + 1)

    def _saw(self, first: Mapping[Name, int]) -> None:
        """Minutes with events: a group may be new, or have begun earlier than was known."""
        counted = self._memory.counted
        changed: dict[str, Counted] = {}
        for (slo, objective, group), t in first.items():
            key = f"{slo}/{objective}"
            known = changed.get(key) or counted[key]
            oldest = known.first_t.get(group)
            if oldest is None or t < oldest:
                changed[key] = replace(known, first_t={**known.first_t, group: t})
        if changed:
            self._memory = replace(self._memory, counted={**counted, **changed})

    def _observe(self, catalogue: Catalogue, *, now: float) -> Judged:
        if self._shown is not self._memory.counted:
            self._observer.about(catalogue, self._tracks, self._memory)
            self._shown = self._memory.counted
        judged = self._observer.observe(self._memory, now=now, settled=not self._backlog.size)
        counted = self._memory.counted
        if judged.silent and not self._backlog.size:
            counted = self._without_silent(judged.silent, now=now)
        self._memory = replace(
            self._memory, burning_since=judged.burning_since, policies=judged.policies, counted=counted
        )
        return judged

    def _without_silent(self, silent: Mapping[str, Collection[str]], *, now: float) -> Mapping[str, Counted]:
        """Groups that had no event for as long as their SLO looks back make room; one that just came has no slice yet."""
        changed: dict[str, Counted] = {}
        for slo, groups in silent.items():
            track = self._tracks.by_slo[slo]
            since = now - track.reach_seconds
            for objective in track.with_rows:
                known = self._memory.counted[_key(track, objective)]
                old = {group for group in groups if (known.first_t.get(group) or 0) < since}
                kept = {group: t for group, t in known.first_t.items() if group not in old}
                if len(kept) < len(known.first_t):
                    changed[_key(track, objective)] = replace(known, first_t=kept)
        return {**self._memory.counted, **changed} if changed else self._memory.counted

    def _remember(self) -> None:
        """Only what is finished: a recount that a stop interrupts begins anew."""
        if not self._backlog.size and self._memory != self._saved:
            remember(self._path, self._memory, store=str(self._store))
            self._saved = self._memory


def _rows(track: Track, stream: Stream, group: str, counts: Mapping[int, GoodBad]) -> Iterator[Interval]:
    """An indicator's counts as rows: raw ones where others follow. Nobody tells a journey which events will come, so expected is what came."""
    for objective in stream.objectives:
        name = raw_name(objective) if track.follows else objective.name
        source = track.sources[name]
        for t, (good, bad) in counts.items():
            yield Interval(track.slo.name, name, group, t, good, bad, good + bad, source)


def _key(track: Track, objective: Objective) -> str:
    return f"{track.slo.name}/{objective.name}"
