"""Documents, events and a feed for the engine's tests."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from maibo_slo.documents import Catalogue, CellSelector, FedSlo, Objective, Origin, PromSlo, ScaleupSlo, Sli, Slo
from maibo_slo.store import Store, cells, open_store, segments
from maibo_slo.store.cells import CellKey
from maibo_slo.store.histogram import bin_of
from maibo_slo.store.segments import SegmentRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from maibo_slo.documents import Correction, ErrorBudgetPolicy

DAY = 86_400
_NUMBERS = itertools.count()


@dataclass(frozen=True, slots=True)
class Event:
    """One ended journey (or step)."""

    t: int
    duration_us: int = 1_000
    outcome: str = "success"
    tier: str = "standard"
    journey: str = "checkout"
    step: str = ""

    def cell(self) -> CellKey:
        bucket = self.t // 10 * 10
        found = bin_of(self.duration_us * 1000)
        return CellKey(bucket, self.journey, self.step, "", "", "", "", "", self.tier, "", self.outcome, found)


@dataclass(slots=True)
class Feed:
    """Writes events as a collector does: cells under a token, then the segment's record."""

    store: Store
    events: list[Event] = field(default_factory=list)
    _batches: dict[str, list[Event]] = field(default_factory=dict)

    def send(self, events: Iterable[Event]) -> str:
        segment = f"segment-{next(_NUMBERS)}"
        self._batches[segment] = list(events)
        self.events += self._batches[segment]
        self.replay(segment)
        return segment

    def replay(self, segment: str) -> None:
        """The same segment once more, as after a crash: nothing may be counted twice."""
        batch = self._batches[segment]
        if batch:
            cells.insert_cells(self.store, Counter(event.cell() for event in batch), token=segment)
        minutes = tuple(sorted({event.t // 60 * 60 for event in batch}))
        segments.record(self.store, SegmentRecord(segment, 1, 1, 0, len(batch), len(batch), 0, 0, minutes))


@dataclass(slots=True)
class Documents:
    """A catalogue that tests may change under a running engine."""

    catalogue: Catalogue = field(default_factory=Catalogue)

    def __call__(self) -> Catalogue:
        return self.catalogue

    def put(
        self, *slos: Slo | FedSlo, corrections: Iterable[Correction] = (), policies: Iterable[ErrorBudgetPolicy] = ()
    ) -> None:
        self.catalogue = Catalogue(
            slos={slo.name: slo for slo in slos if isinstance(slo, Slo)},
            prom_slos={slo.name: slo for slo in slos if isinstance(slo, PromSlo)},
            scaleup_slos={slo.name: slo for slo in slos if isinstance(slo, ScaleupSlo)},
            corrections={each.name: each for each in corrections},
            policies={each.name: each for each in policies},
        )


class MakeSlo:
    """``make_slo("fast", within_us=1000)``: an SLO over journey checkout."""

    def __call__(
        self,
        name: str = "checkout",
        *,
        journey: str = "checkout",
        within_us: int | None = None,
        targets: Iterable[float] = (0.99,),
        window_seconds: int = 28 * DAY,
        where: Mapping[str, tuple[str, ...]] | None = None,
        bad_outcomes: frozenset[str] | None = None,
    ) -> Slo:
        total = CellSelector(journey, where=where or {})
        good = CellSelector(journey, outcomes=frozenset({"success"}), max_duration_us=within_us)
        bad = None if bad_outcomes is None else CellSelector(journey, outcomes=bad_outcomes)
        indicator = Sli(name, total, good=good if bad is None else None, bad=bad)
        objectives = tuple(Objective(str(target), target) for target in targets)
        return Slo(name, name, "", "shop", indicator, objectives, window_seconds, {}, Origin("test.yaml", 1))


@pytest.fixture(scope="module")
def emptied_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(f"chdb://{tmp_path_factory.mktemp('engine') / 'store'}") as opened:
        yield opened


@pytest.fixture
def store(emptied_store: Store) -> Iterator[Store]:
    """One store for a module's tests, which find it empty: made anew for each, it would be half of what they cost."""
    yield emptied_store
    filled = emptied_store.rows(
        "SELECT DISTINCT table FROM system.parts WHERE active AND database = currentDatabase() AND table != 'schema_migrations'"
    )
    for (table,) in filled:
        emptied_store.execute(f"TRUNCATE TABLE {table}")


@pytest.fixture
def feed(store: Store) -> Feed:
    return Feed(store)


@pytest.fixture
def documents() -> Documents:
    return Documents()


@pytest.fixture(scope="session")
def make_slo() -> MakeSlo:
    return MakeSlo()


@pytest.fixture(scope="session")
def event() -> type[Event]:
    return Event
