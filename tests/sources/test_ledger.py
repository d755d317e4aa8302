"""What a source says is in the ledger, whatever changes: the query, an objective, what the source says of a minute, either process."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from maibo_slo.documents import Catalogue
from maibo_slo.engine.counts import GoodBad
from maibo_slo.engine.evaluate import Engine
from maibo_slo.engine.feeding import Feeder, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from maibo_slo.store import Store

NOW = time.time() // 60 * 60 + 30.0
"""Of today: the ledger lets go of what is older than 400 days."""
DAY = 86_400


@dataclass(slots=True)
class Told:
    """A source that says what it is told to."""

    counted: dict[int, GoodBad] = field(default_factory=dict)
    version: str = "1"
    name: str = "told"
    fails: bool = False

    def serves(self, slo: Any) -> bool:
        return True

    def settle_seconds(self, slo: Any) -> float:
        return 30.0

    def source_of(self, slo: Any) -> str:
        return f"told:{self.version}"

    def counts(self, slo: Any, begin: int, end: int) -> Mapping[int, GoodBad]:
        if self.fails:
            raise SourceError("parse error; mend the query")
        return {t: counts for t, counts in self.counted.items() if begin <= t < end}


class World:
    """A source, a feeder and an engine, on one clock."""

    def __init__(self, store: Store, folder: Path, slo: Any) -> None:
        self.store, self.folder, self.slo, self.now = store, folder, slo, NOW
        self.source = Told({int(NOW) // 60 * 60 - 60 * i: GoodBad(100, i % 3) for i in range(2, 3000)})
        self.catalogue = Catalogue(prom_slos={slo.name: slo})
        self.start()

    def start(self) -> None:
        self.engine = Engine(self.store, lambda: self.catalogue, memory_path=self.folder / "engine.json")
        self.feeder = Feeder(
            [self.source],
            lambda: self.catalogue,
            self.engine.offer,
            memory_path=self.folder / "feeds.json",
            store=str(self.store),
            taken_in=lambda: self.engine.snapshot().evaluated_at,
            tell=lambda name, problem: None,
            now=lambda: self.now,
        )

    def put(self, slo: Any) -> None:
        self.catalogue = Catalogue(prom_slos={slo.name: slo})

    def turn(self) -> None:
        self.feeder.round()
        self.now += 1
        self.engine.tick(now=self.now)
        self.feeder.report()
        self.feeder.save()

    def judged(self) -> dict[str, tuple[float, float]]:
        """By objective: good and bad in the window."""
        return {one.objective.name: (one.own.good, one.own.bad) for one in self.engine.snapshot().observed}

    def truth(self) -> tuple[int, int]:
        within = [counts for t, counts in self.source.counted.items() if t >= self.now - 7 * DAY]
        return sum(good for good, _ in within), sum(bad for _, bad in within)


@pytest.fixture
def world(store: Store, tmp_path: Path, make_slo: Callable[..., Any]) -> World:
    return World(store, tmp_path, make_slo(days=7))


def test_every_minute_is_judged_as_it_was_told(world: World) -> None:
    world.turn()
    assert world.judged() == {"0.99": world.truth()}


def test_what_is_told_otherwise_later_counts_as_told_last(world: World) -> None:
    world.turn()
    late = int(NOW) // 60 * 60 - 240
    world.source.counted[late] = GoodBad(7, 7)
    del world.source.counted[late - 60]
    world.source.counted[int(NOW) // 60 * 60 - 60] = GoodBad(5, 0)
    world.now += 60
    world.turn()
    assert world.judged() == {"0.99": world.truth()}


def test_a_changed_query_is_counted_by_what_it_says_alone(world: World) -> None:
    world.turn()
    before = world.truth()
    world.source.version = "2"
    world.source.counted = {t: GoodBad(1, 1) for t in list(world.source.counted)[::2]}
    assert world.truth() != before
    world.turn()
    world.now += 10
    world.turn()
    assert world.judged() == {"0.99": world.truth()}


def test_a_changed_query_that_fails_has_no_counts_and_not_those_of_the_former(world: World) -> None:
    world.turn()
    assert world.judged() != {"0.99": (0, 0)}
    world.source.version, world.source.fails = "2", True
    world.turn()
    assert world.judged() == {"0.99": (0, 0)}
    world.source.fails = False
    world.now += 60
    world.turn()
    assert world.judged() == {"0.99": world.truth()}


def test_an_objective_that_is_new_has_the_same_counts(world: World, make_slo: Callable[..., Any]) -> None:
    world.turn()
    world.put(make_slo(days=7, objectives=("0.99", "0.999")))
    world.turn()
    assert world.judged() == {"0.99": world.truth(), "0.999": world.truth()}


def test_a_restart_has_what_was_told_before_and_in_between(world: World) -> None:
    world.turn()
    assert (world.folder / "feeds.json").exists()
    world.now += 600
    world.source.counted |= {int(NOW) // 60 * 60 + 60 * i: GoodBad(3, 1) for i in range(8)}
    world.start()
    world.turn()
    assert world.judged() == {"0.99": world.truth()}


def test_what_was_on_offer_when_we_died_is_asked_for_again(world: World) -> None:
    world.feeder.round()
    world.feeder.save()  # the engine has not ticked
    world.start()
    world.turn()
    assert world.judged() == {"0.99": world.truth()}
