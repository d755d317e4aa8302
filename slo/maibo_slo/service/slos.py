"""What can be asked about SLOs: how they stand, how their budgets were spent and who burnt them. A part of `questions`."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from maibo.semconv import OVERFLOW
from maibo_slo.documents import ScaleupSlo
from maibo_slo.engine.groups import group_values
from maibo_slo.engine.hindsight import minute_of, snapshot_at
from maibo_slo.engine.intervals import Intervals
from maibo_slo.engine.sums import MINUTE
from maibo_slo.engine.tracks import is_whole
from maibo_slo.errors import StoreError
from maibo_slo.reporting.blame import blame
from maibo_slo.service import alerts, burndown, flows, judgements
from maibo_slo.service.answers import SloAnswer, SlosAnswer
from maibo_slo.service.kept import Kept
from maibo_slo.store import Store, cells
from maibo_slo.store.cells import Window
from maibo_slo.store.tables import DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from maibo_slo.documents import Catalogue, FedSlo, Slo
    from maibo_slo.engine.snapshot import Snapshot
    from maibo_slo.engine.state import Assessment
    from maibo_slo.reporting.figures import Burnt
    from maibo_slo.service.alerts import Burning
    from maibo_slo.service.burndown import Burndown

JUDGED_SECONDS: Final = 12.0
"""A little longer than a tick."""
WANTED_SECONDS: Final = 60.0
SPENT_KEPT: Final = 64
"""Burndowns: 100 kB each."""
BURNT_KEPT: Final = 64
"""Tables of who burnt a budget."""
BURNT_PREPARED: Final = 8
"""Such tables that are made before they are asked for: each takes a twentieth of a second."""
BURNT_SECONDS: Final = DAY
"""How far back a page tells who burnt a budget; the API takes any window."""


class Engine(Protocol):
    """What is asked of the engine: its last tick."""

    def snapshot(self) -> Snapshot: ...


class SloQuestions:
    """Answers from the engine's last tick, and from the store."""

    def __init__(self, store: Store, catalogue: Callable[[], Catalogue], engine: Engine) -> None:
        self._store = store
        self._catalogue = catalogue
        self._engine = engine
        self._judged: Kept[None, SlosAnswer] = Kept(1)
        self._wanted_at = float("-inf")
        self._burnt: Kept[tuple[str, str, str, int], Burnt] = Kept(BURNT_KEPT)
        """By objective, group and minute."""
        self._burnt_asked: dict[tuple[str, str, str], float] = {}
        self._spent: Kept[tuple[str, str, str, int, int], Burndown] = Kept(SPENT_KEPT)

    def slos(self, now: float, *, at: float | None = None) -> SlosAnswer:
        """Every SLO in force, by name; as it stood at an earlier moment where one is given."""
        return SlosAnswer(now=flows.utc(now), slos=self._slos(self._catalogue().judged, now, at=at))

    def slos_lately(self, now: float) -> SlosAnswer:
        """As `slos`, as it stood up to `JUDGED_SECONDS` ago, of the engine's last tick all the same: a thousand SLOs are judged once a tick, not
        for every reader.
        """
        self._wanted_at = now
        found = self._judged.get(None, of=self._judged_of(), now=now, seconds=JUDGED_SECONDS)
        return found or self._judge(now)

    def prepare(self, now: float) -> None:
        """After a tick: what `slos_lately` and `burnt` answer next, of what somebody asked within a minute."""
        if now - self._wanted_at <= WANTED_SECONDS:
            self._judge(now)
        for (name, objective, group), asked_at in list(self._burnt_asked.items()):
            if now - asked_at <= WANTED_SECONDS:
                with suppress(StoreError):  # whoever asks is told
                    self._burnt_at(name, objective, group, now, now)
            else:
                self._burnt_asked.pop((name, objective, group), None)

    def _judge(self, now: float) -> SlosAnswer:
        of = self._judged_of()
        return self._judged.put(None, self.slos(now), of=of, now=now)

    def _judged_of(self) -> tuple[Snapshot, Catalogue]:
        return self._engine.snapshot(), self._catalogue()

    def slos_over(self, journey: str, now: float, *, at: float | None = None) -> SlosAnswer:
        """Those over one journey; of now, as `slos_lately`."""
        if at is None:
            return SlosAnswer(
                now=flows.utc(now), slos=[slo for slo in self.slos_lately(now).slos if slo.journey == journey]
            )
        judged = {name: slo for name, slo in self._catalogue().judged.items() if slo.journey == journey}
        return SlosAnswer(now=flows.utc(now), slos=self._slos(judged, now, at=at))

    def slo(self, name: str, now: float, *, at: float | None = None) -> SloAnswer | None:
        """One SLO; None when no document names it."""
        found = self._catalogue().judged.get(name)
        return None if found is None else self._slos({name: found}, now, at=at)[0]

    def slo_names(self) -> Collection[str]:
        """Of every SLO that is judged."""
        return self._catalogue().judged

    def _slos(self, slos: Mapping[str, Slo | FedSlo], now: float, *, at: float | None = None) -> list[SloAnswer]:
        by_slo: dict[str, list[Assessment]] = defaultdict(list)
        snapshot = self._engine.snapshot()
        if at is not None:
            at = minute_of(at)
            snapshot = snapshot_at(self._store, (one for one in snapshot.observed if one.slo.name in slos), at=at)
        assessed = snapshot.assess(now=now if at is None else at, slos=slos)
        for assessment in assessed:
            by_slo[assessment.slo.name].append(assessment)
        intervals = Intervals(assessed)
        return [
            judgements.slo_answer(slos[name], by_slo[name], intervals, evaluated_at=snapshot.evaluated_at)
            for name in sorted(slos)
        ]

    def burnt(self, name: str, *, objective: str, group: str, now: float, end: float | None = None) -> Burnt | None:
        """Who burnt an objective's budget in the `BURNT_SECONDS` until `end`, or now; None where nobody can tell: it counts nothing of ours, or
        is gone.

        The answer is kept for the rest of its minute, and of a minute that is over for another: a page asks every 5 seconds, and this reads a day
        of cells. The next minute's is made by `prepare`, so that no reader waits for it.
        """
        key = (name, objective, group)
        if end is None and (key in self._burnt_asked or len(self._burnt_asked) < BURNT_PREPARED):
            self._burnt_asked[key] = now
        return self._burnt_at(name, objective, group, now, now if end is None else minute_of(end) - 1)

    def _burnt_at(self, name: str, objective: str, group: str, now: float, until: float) -> Burnt | None:
        slos, minute = self._catalogue().slos, int(until) // MINUTE
        slo = slos.get(name)
        chosen = next((one for one in slo.objectives if one.name == objective), None) if slo else None
        if slo is None or chosen is None or group == OVERFLOW or (slo.is_composite and chosen.indicator is None):
            return None
        key = (name, objective, group, minute)
        kept = self._burnt.get(key, of=(slo,), now=now, seconds=MINUTE)
        if kept is not None:
            return kept
        window = cells.covered(Window(int(until) - BURNT_SECONDS, int(until) + 1), now=int(now))
        found = blame(self._store, slos.values(), slo, chosen, window, group=group_values(group), now=int(now))
        return self._burnt.put(key, found, of=(slo,), now=now)

    def burndown(self, name: str, *, objective: str, group: str, begin: float, end: float) -> Burndown | None:
        """How an objective's budget was spent in [begin, end); None where there is no such, or it counts nothing itself."""
        return self.burndowns(name, [(objective, group)], begin=begin, end=end).get((objective, group))

    def burndowns(
        self, name: str, wanted: Sequence[tuple[str, str]], *, begin: float, end: float
    ) -> dict[tuple[str, str], Burndown]:
        """The same of several objectives of an SLO, each of one group; those that `burndown` has no answer about are absent.

        An answer is kept until the engine's next tick: several readers ask every 5 seconds, and this may read a month of minutes.
        """
        slo = self._catalogue().judged.get(name)
        if slo is None:
            return {}
        snapshot = self._engine.snapshot()
        objectives = {each.name: each for each in slo.objectives if not is_whole(slo, each)}
        stretch = (int(begin) // MINUTE, -int(-end // MINUTE))
        found: dict[tuple[str, str], Burndown] = {}
        for each in wanted:
            kept = self._spent.get((name, *each, *stretch), of=(slo, snapshot))
            if kept is not None:
                found[each] = kept
        missing = [each for each in dict.fromkeys(wanted) if each not in found and each[0] in objectives]
        first = {
            (one.objective.name, one.group): one.first_t
            for one in snapshot.observed
            if missing and one.slo.name == name
        }
        asked = [burndown.Asked(objectives[each[0]], each[1], first.get(each)) for each in missing]
        counted = burndown.burndowns(self._store, slo, asked, begin, end, rare=isinstance(slo, ScaleupSlo))
        for each, one in zip(missing, counted, strict=True):
            found[each] = self._spent.put((name, *each, *stretch), one, of=(slo, snapshot))
        return found

    def burning_at(self, name: str, objective: str, group: str, at: float) -> tuple[Burning, ...]:
        """Every pair of burn windows of an objective at a moment; none where no document has it, or it counts nothing itself."""
        slo = self._catalogue().judged.get(name)
        chosen = next((one for one in slo.objectives if one.name == objective), None) if slo else None
        if slo is None or chosen is None or is_whole(slo, chosen):
            return ()
        return alerts.burning_at(self._store, slo, chosen, group, at)
