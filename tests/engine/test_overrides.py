"""Overrides and the store: they hold while it fails, over a restart, and for several services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_slo.engine.scaling import overrides
from maibo_slo.engine.scaling.inputs import Override
from maibo_slo.engine.scaling.overrides import READ_SECONDS, Overrides
from maibo_slo.errors import StoreError
from maibo_slo.store.events import every

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from maibo_slo.store import Store
    from maibo_slo.store.events import Event

NOON = 1_800_000_000.0


class Unwilling:
    """A store's writes and reads of events fail while it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failing = False
        append, read = overrides.events.append, overrides.events.every

        def appended(store: Store, events: Sequence[Event]) -> None:
            self._fail()
            append(store, events)

        def everything(store: Store, kind: str) -> list[Event]:
            self._fail()
            return read(store, kind)

        monkeypatch.setattr(overrides.events, "append", appended)
        monkeypatch.setattr(overrides.events, "every", everything)

    def _fail(self) -> None:
        if self.failing:
            raise StoreError("the disk is full")


def an_override(at: float, least: int = 5) -> Override:
    return Override(f"api@{round(at * 1000)}", "api", least, None, at + 3600, "ana", "INC-17", at)


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
    now[0] += READ_SECONDS
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
    now[0] += READ_SECONDS
    assert [each.least for each in again()] == [5]
    now[0] = NOON + 3600
    assert again() == ()


def test_several_services_on_one_store_hear_of_each_others(store: Store) -> None:
    now = [NOON]
    one, other = Overrides(store, now=lambda: now[0]), Overrides(store, now=lambda: now[0])
    assert other() == ()
    one.say(an_override(NOON))
    now[0] += READ_SECONDS
    assert [each.least for each in other()] == [5]
