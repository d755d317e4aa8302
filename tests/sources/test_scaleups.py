"""An SLO of scale-ups, judged by the real engine from what a recorder wrote into a real store, on a clock of its own."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from maibo_slo.documents import Catalogue, Objective, Origin, ScaleupSlo
from maibo_slo.documents.kinds import ScaleupSli
from maibo_slo.engine.counts import GoodBad
from maibo_slo.engine.evaluate import Engine
from maibo_slo.engine.feeding import LOOK_BACK_SECONDS, Feeder, SourceError
from maibo_slo.engine.state import Assessment, assess, left_and_burn
from maibo_slo.errors import StoreError
from maibo_slo.sources.scaleups import SETTLE_SECONDS, Scaleups, is_good
from maibo_slo.store import scaleups

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from maibo_slo.store import Store
    from maibo_slo.store.scaleups import ScaleUp

NOW = time.time() // 60 * 60 + 30.0
CHECKOUT, SEARCH = "shop/Deployment/checkout-api", "shop/Deployment/search"
SLI = ScaleupSli("in-time", (CHECKOUT,), within_seconds=30)
SLO = ScaleupSlo(
    name="scales-in-time",
    display_name="Scales in time",
    description="",
    service="shop",
    objectives=(Objective("0.99", 0.99),),
    window_seconds=7 * 86_400,
    labels={},
    origin=Origin("slos.yaml", 1),
    indicator=SLI,
)


def pods(served: float, number: int = 1) -> list[dict[str, float]]:
    return [{"created": 1, "ready": served - 0.4, "in_rotation": served}] * number


class World:
    """A store that scale-ups are written into, the source, its feeder and an engine, on one clock."""

    def __init__(self, store: Store, folder: Path, *slos: ScaleupSlo) -> None:
        self.store, self.now = store, NOW
        self.catalogue = Catalogue(scaleup_slos={slo.name: slo for slo in slos})
        self.source = Scaleups(store, now=lambda: self.now)
        self.engine = Engine(store, lambda: self.catalogue, memory_path=folder / "engine.json")
        self.problems: dict[str, str | None] = {}
        self.feeder = Feeder(
            [self.source],
            lambda: self.catalogue,
            self.engine.offer,
            memory_path=folder / "feeds.json",
            store=str(store),
            taken_in=lambda: self.engine.snapshot().evaluated_at,
            tell=self.problems.__setitem__,
            now=lambda: self.now,
        )

    def write(self, *told: ScaleUp) -> None:
        scaleups.append(self.store, told)

    def turn(self, seconds: float = 1.0) -> None:
        self.now += seconds
        self.feeder.round()
        self.now += 1
        self.engine.tick(now=self.now)
        self.feeder.report()

    def judged(self) -> tuple[float, float]:
        [one] = self.engine.snapshot().observed
        return one.own.good, one.own.bad

    def assessed(self) -> Assessment:
        [one] = self.engine.snapshot().observed
        return assess(one, now=self.now, evaluated_at=self.engine.snapshot().evaluated_at)

    def left(self) -> float | None:
        """Of the budget, as a policy has it."""
        [one] = self.engine.snapshot().observed
        return left_and_burn(one, 21_600, now=self.now)[0]


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    return World(store, tmp_path, SLO)


def test_a_history_is_judged_as_by_hand(world: World, make_scaleup: Callable[..., ScaleUp]) -> None:
    # 100 scale-ups, one an hour: 97 took 12 to 13 s, one 40 s, one was taken back, and one fell 2 pods short for an hour.
    hours = [NOW - 3600 * i for i in range(2, 102)]
    fine = [make_scaleup(at, pods(12, 3)) for at in hours[:97]]
    slow = make_scaleup(hours[97], [*pods(12, 2), *pods(40)])
    taken_back = make_scaleup(hours[98], [{"created": 1}], ended=8.0)
    stuck = make_scaleup(hours[99], [*pods(12, 2), {"created": 1}, {"created": 1}], ended=3600.0)
    other = make_scaleup(hours[0], pods(500), workload=SEARCH)
    world.write(*fine, slow, taken_back, stuck, other)
    world.turn()
    assert world.judged() == (97, 3)
    [told] = world.engine.snapshot().observed
    assert (told.objective.target, told.slo.name) == (0.99, "scales-in-time")
    assert world.problems == {"scaleups": None}


def test_what_happened_is_judged_and_no_rate_of_it_is_made_up(
    store: Store, tmp_path: Path, make_scaleup: Callable[..., ScaleUp]
) -> None:
    world = World(store, tmp_path, replace(SLO, objectives=(Objective("0.9", 0.9),), window_seconds=28 * 86_400))
    world.write(make_scaleup(NOW - 900, pods(12)), *(make_scaleup(NOW - 800 + 60 * n, pods(50)) for n in range(6)))
    world.turn()
    world.turn()
    told = world.assessed()
    assert (told.good, told.bad, told.state) == (1, 6, "exhausted")
    assert told.budget.projected == told.budget.remaining == pytest.approx(1 - 6 / 0.7)
    assert world.left() == told.budget.projected


def test_one_that_was_late_is_told_and_moves_no_policy(world: World, make_scaleup: Callable[..., ScaleUp]) -> None:
    world.write(make_scaleup(NOW - 900, pods(12)), make_scaleup(NOW - 300, pods(50)))
    world.turn()
    world.turn()
    assert world.assessed().state == "exhausted"
    assert world.left() == 1.0


def test_a_day_without_scale_ups_makes_nothing_stale(world: World, make_scaleup: Callable[..., ScaleUp]) -> None:
    world.write(make_scaleup(NOW - 86_400, pods(12)))
    world.turn()
    world.turn()
    told = world.assessed()
    assert (told.good, told.bad, told.state) == (1, 0, "ok")
    assert told.age_seconds is not None
    assert told.age_seconds > 80_000


def test_a_second_that_nobody_knows_makes_nothing_better(make_scaleup: Callable[..., ScaleUp]) -> None:
    assert is_good(make_scaleup(NOW, pods(28.9)), SLI, now=NOW + 99) is True  # in rotation at 28 to 29 s
    assert is_good(make_scaleup(NOW, pods(29.6)), SLI, now=NOW + 99) is True  # 29 to 30 s
    assert (
        is_good(make_scaleup(NOW, pods(30.1)), SLI, now=NOW + 99) is False
    )  # 30 to 31 s: perhaps in time, perhaps not


def test_from_the_trigger_or_the_decision_until_what_the_document_says(make_scaleup: Callable[..., ScaleUp]) -> None:
    one = make_scaleup(NOW, [{"created": 1, "ready": 20, "in_rotation": 25, "first_journey": 33}], trigger=-8.0)
    said = {
        ("trigger", "in_rotation"): False,
        ("decision", "in_rotation"): True,
        ("trigger", "ready"): True,
        ("decision", "first_journey"): False,
    }
    found = {
        (begin, until): is_good(one, replace(SLI, begin=begin, until=until), now=NOW + 99)  # type: ignore[arg-type]
        for begin, until in said
    }
    assert found == said


def test_a_running_one_is_no_data_until_its_time_is_over(make_scaleup: Callable[..., ScaleUp]) -> None:
    running = make_scaleup(NOW, [*pods(5), {"created": 1}], trigger=-4.0)
    assert [is_good(running, SLI, now=NOW + after) for after in (10, 25.9, 26)] == [None, None, False]
    taken_back = make_scaleup(NOW, [{"created": 1}], ended=8.0)
    assert [is_good(taken_back, SLI, now=NOW + after) for after in (10, 30.1)] == [None, False]


def test_a_minute_is_told_when_its_last_scaleup_must_have_been_over(
    world: World, make_scaleup: Callable[..., ScaleUp]
) -> None:
    minute = NOW - 30
    world.write(make_scaleup(minute + 59, pods(12)))
    world.turn()
    assert world.judged() == (0, 0)
    world.turn(minute + 60 + 90 - world.now)
    assert world.judged() == (1, 0)


def test_what_the_recorder_finds_out_late_is_counted_again(world: World, make_scaleup: Callable[..., ScaleUp]) -> None:
    at = NOW - 300
    running = make_scaleup(at, [*pods(5), {"created": 1}])
    world.write(running)
    world.turn()
    assert world.judged() == (0, 1), "its time is over"
    world.write(make_scaleup(at, pods(12, 2)), make_scaleup(at - 60, pods(50)))
    world.turn(60)
    assert world.judged() == (1, 1), "it was in time, and another one came to light"
    world.write(make_scaleup(at, [{"created": 1}, {"created": 1}], ended=20.0))
    world.turn(60)
    assert world.judged() == (0, 2), "nothing of it is left from before"
    assert LOOK_BACK_SECONDS >= 540


UNREAD = Scaleups(cast("Store", None))
"""A source that is not asked for counts."""


def test_an_slo_that_allows_an_hour_delays_no_other(
    store: Store, tmp_path: Path, make_scaleup: Callable[..., ScaleUp]
) -> None:
    patient = replace(SLO, name="patient", indicator=replace(SLI, within_seconds=3600))
    world = World(store, tmp_path, SLO, patient)
    world.write(make_scaleup(NOW - 300, pods(12)))
    world.turn()
    told = {each.slo.name: each.own.good for each in world.engine.snapshot().observed}
    assert told == {"scales-in-time": 1, "patient": 0}
    assert [world.source.settle_seconds(slo) for slo in (SLO, patient)] == [30 + SETTLE_SECONDS, 3600 + SETTLE_SECONDS]


def test_everything_is_asked_anew_when_the_meaning_changes_and_not_else() -> None:
    def source(**changed: Any) -> str:
        return UNREAD.source_of(replace(SLO, indicator=replace(SLI, **changed)))

    meanings = [
        source(),
        source(within_seconds=31),
        source(begin="decision"),
        source(until="ready"),
        source(workloads=(SEARCH,)),
    ]
    assert len(set(meanings)) == len(meanings)
    assert source(name="another") == source()
    assert source(workloads=(SEARCH, CHECKOUT)) == source(workloads=(CHECKOUT, SEARCH))


def test_patterns_choose_workloads_and_minutes_hold_several(world: World, make_scaleup: Callable[..., ScaleUp]) -> None:
    begin = int(NOW) // 60 * 60 - 600
    world.write(
        make_scaleup(begin + 5.25, pods(9)),
        make_scaleup(begin + 40, pods(90), workload=SEARCH),
        make_scaleup(begin + 60, pods(9), workload="pay/Deployment/api"),
        make_scaleup(begin + 120, pods(9)),
    )
    every = replace(SLO, indicator=replace(SLI, workloads=("shop/*",)))
    assert world.source.counts(every, begin, begin + 120) == {begin: GoodBad(1, 1)}
    assert world.source.counts(SLO, begin, begin + 180) == {begin: GoodBad(1, 0), begin + 120: GoodBad(1, 0)}


def test_a_store_that_is_down_is_told_and_asked_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object) -> list[ScaleUp]:
        raise StoreError("no disk")

    monkeypatch.setattr(scaleups, "scaleups", down)
    with pytest.raises(SourceError, match="no disk"):
        world.source.counts(SLO, 0, 60)
    world.turn()
    assert "no disk" in str(world.problems["scaleups"])


def test_only_slos_of_scaleups_are_served(make_slo: Callable[..., Any]) -> None:
    assert UNREAD.serves(SLO)
    assert not UNREAD.serves(make_slo())
