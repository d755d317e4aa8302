"""Overrides and the store: they hold while it fails, over a restart, and for several services."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from maibo_slo.engine.scaling import overrides
from maibo_slo.engine.scaling.inputs import Override
from maibo_slo.engine.scaling.overrides import Overrides
from maibo_slo.errors import StoreError
from maibo_slo.store.events import Event, every

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.store import Store

NOON = 1_800_000_000.0


class Unwilling:
    """A store's writes and reads of events fail while it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failing = False
        append, read = overrides.events.append, overrides.events.events

        def appended(store: Store, events: Sequence[Event]) -> None:
            self._fail()
            append(store, events)

        def going_on(store: Store, kind: str, begin: float, end: float) -> list[Event]:
            self._fail()
            return read(store, kind, begin, end)

        monkeypatch.setattr(overrides.events, "append", appended)
        monkeypatch.setattr(overrides.events, "events", going_on)

    def _fail(self) -> None:
        if self.failing:
            raise StoreError("the disk is full")


def an_override(at: float, least: int = 5) -> Override:
    return Override(f"api@{round(at * 1000)}", "api", least, None, at + 3600, "ana", "INC-17", at)


@pytest.mark.parametrize("names", [("least", "most"), ("min_replicas", "max_replicas")])
def test_rows_of_older_services_are_read_as_those_of_today(store: Store, names: tuple[str, str]) -> None:
    said = {"until": NOON + 3600, "said_at": NOON, "who": "ana", "why": "INC-17", names[0]: 5, names[1]: None}
    overrides.events.append(store, [Event(f"api@{round(NOON * 1000)}", "override", "api", NOON, NOON + 3600, said)])
    assert Overrides(store, now=lambda: NOON + 1)() == (an_override(NOON),)


def test_while_the_store_fails_an_override_is_in_force_and_recorded_later(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    unwilling, now = Unwilling(monkeypatch), [NOON]
    ours = Overrides(store, now=lambda: now[0])
    unwilling.failing = True
    assert not ours.say(an_override(NOON)).recorded
    assert [each.least for each in ours()] == [5]
    unwilling.failing = False
    assert every(store, "override") == []
    ours.refresh()
    assert [each.least for each in ours()] == [5]
    assert [each.id for each in every(store, "override")] == ["api@1800000000000"]
    assert ours.trail(NOON, NOON + 60)[0].recorded


def test_an_override_survives_a_restart_and_a_store_that_then_fails(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    unwilling, now = Unwilling(monkeypatch), [NOON]
    Overrides(store, now=lambda: now[0]).say(an_override(NOON))
    again = Overrides(store, now=lambda: now[0])
    assert [each.least for each in again()] == [5]
    unwilling.failing = True
    with pytest.raises(StoreError):
        again.refresh()
    assert [each.least for each in again()] == [5]
    now[0] = NOON + 3599.999
    assert [each.least for each in again()] == [5]
    now[0] = NOON + 3600
    assert again() == ()


def test_several_services_on_one_store_hear_of_each_others(store: Store) -> None:
    now = [NOON]
    one, other = Overrides(store, now=lambda: now[0]), Overrides(store, now=lambda: now[0])
    assert other() == ()
    said = one.say(an_override(NOON))
    other.refresh()
    assert [each.least for each in other()] == [5]
    other.end(said.override.id, who="ben", why="over", at=NOON)
    one.refresh()
    assert one() == ()


def test_of_two_that_two_services_were_told_at_once_the_later_is_in_force_for_both(store: Store) -> None:
    one, other = Overrides(store, now=lambda: NOON + 2), Overrides(store, now=lambda: NOON + 2)
    one.say(an_override(NOON, least=5))
    other.say(an_override(NOON + 1, least=7))  # has not heard of the one before
    for each in (one, other):
        each.refresh()
        assert [said.least for said in each()] == [7]
    trail = Overrides(store, now=lambda: NOON + 2).trail(NOON, NOON + 60)
    assert [(said.override.least, said.ended is None) for said in trail] == [(7, True), (5, False)]


def test_a_store_that_hangs_holds_up_nobody_who_asks_what_is_in_force(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Overrides(store, now=lambda: NOON)
    hangs, goes_on = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        hangs.set()
        assert goes_on.wait(20)
        raise StoreError("it was hung")

    monkeypatch.setattr(overrides.events, "append", hang)
    monkeypatch.setattr(overrides, "WAIT_SECONDS", 0.1)
    try:
        assert not ours.say(an_override(NOON)).recorded
        assert hangs.is_set()
        assert [each.least for each in ours()] == [5]
        assert not ours.end("api@1800000000000", who="ben", why="over", at=NOON).recorded
        assert ours() == ()
    finally:
        goes_on.set()


def test_a_clock_that_is_set_back_takes_no_override_out_of_force(store: Store) -> None:
    now = [NOON]
    ours = Overrides(store, now=lambda: now[0])
    ours.say(an_override(NOON))
    now[0] -= 7200
    ours.refresh()
    assert [each.least for each in ours()] == [5]
    assert ours.say(an_override(now[0], least=9)).recorded
    assert [each.least for each in ours()] == [9]


def test_only_what_may_still_be_in_force_is_read_again_and_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [NOON]
    ours = Overrides(store, now=lambda: now[0])
    for hour in range(5):
        now[0] = NOON + 7200 * hour
        ours.say(an_override(now[0]))
    found: list[int] = []
    read = overrides.events.events

    def counted(*asked: Any) -> list[Event]:
        there = read(*asked)
        found.append(len(there))
        return there

    monkeypatch.setattr(overrides.events, "events", counted)
    ours.refresh()
    assert found == [1]
    assert len(ours.trail(NOON, now[0] + 1)) == 5
