"""Events, each version of which is read once."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from maibo_slo.service.events_seen import EventsSeen
from maibo_slo.service.scaleups_seen import ScaleUpsSeen
from maibo_slo.store import Store, open_store, scaleups
from maibo_slo.store.scaleups import Moment, ScaleUp, ScaleUpState, Stage
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

NOW = float(int(time.time()) - 3600)
CHECKOUT = Workload("shop", "Deployment", "checkout-api")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(f"chdb://{tmp_path_factory.mktemp('seen') / 'store'}") as opened:
        yield opened


def scaleup(decided: float, **more: object) -> ScaleUp:
    of = ScaleUp(
        f"{CHECKOUT}@{decided * 1000:.0f}", CHECKOUT, 4, 8, "hpa", "cpu", {Stage.DECIDED: Moment(decided, decided)}, (), ScaleUpState.RUNNING
    )  # fmt: skip
    return replace(of, **more)


class Told:
    """What is asked for, and of which versions there are."""

    def __init__(self, **versions: int) -> None:
        self.versions = versions
        self.asked: list[list[str]] = []

    def __call__(self, which: Collection[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, str]]:
        self.asked.append([id_ for _, id_ in which])
        return {
            (kind, id_): (self.versions[id_], f"{id_}{self.versions[id_]}")
            for kind, id_ in which
            if id_ in self.versions
        }


def ask(seen: EventsSeen[str], **versions: int) -> list[str]:
    return seen.events({("alert", id_): version for id_, version in versions.items()})


def test_a_version_is_read_once_and_a_newer_one_anew() -> None:
    there = Told(a=1, b=1)
    seen = EventsSeen(there, 9)
    assert ask(seen, b=1, a=1) == ["b1", "a1"], "in the order of what is there"
    assert ask(seen, a=1, b=1) == ["a1", "b1"]
    there.versions["a"] = 2
    assert ask(seen, a=2, b=1) == ["a2", "b1"]
    assert there.asked == [["b", "a"], [], ["a"]]


def test_what_changed_or_went_since_it_was_looked_up_is_told_as_it_is() -> None:
    there = Told(a=3)
    seen = EventsSeen(there, 9)
    assert ask(seen, a=2, gone=1) == ["a3"]
    assert ask(seen, a=3) == ["a3"]
    assert there.asked == [["a", "gone"], []]


def test_a_scale_up_that_goes_on_is_told_as_it_stands(store: Store) -> None:
    seen = ScaleUpsSeen(store)
    first, second = scaleup(NOW), scaleup(NOW + 60)
    scaleups.append(store, [first, second])

    def states() -> list[tuple[str, ScaleUpState]]:
        return [(each.id, each.state) for each in seen.between(NOW, NOW + 600, newest=9)]

    assert states() == [(first.id, ScaleUpState.RUNNING), (second.id, ScaleUpState.RUNNING)]
    scaleups.append(store, [replace(first, state=ScaleUpState.COMPLETE, ended=NOW + 30)])
    assert states() == [(first.id, ScaleUpState.COMPLETE), (second.id, ScaleUpState.RUNNING)]
    late = scaleup(NOW + 30)
    scaleups.append(store, [late])
    assert [id_ for id_, _ in states()] == [first.id, late.id, second.id]


def test_only_what_was_decided_within_the_stretch_is_told(store: Store) -> None:
    begin = NOW + 10_000.0005
    before, at, other = (
        scaleup(begin - 0.0004),
        scaleup(begin),
        scaleup(begin + 1, workload=CHECKOUT._replace(name="cart")),
    )
    scaleups.append(store, [before, at, replace(other, id="cart@1")])
    seen = ScaleUpsSeen(store)
    assert [each.id for each in seen.between(begin, begin + 1, newest=9)] == [at.id]
    assert [each.id for each in seen.between(begin, begin + 9, CHECKOUT, newest=9)] == [at.id]
    assert [each.id for each in seen.between(begin, begin + 9, newest=9)] == [at.id, "cart@1"]
