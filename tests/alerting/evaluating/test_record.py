"""Fires of alerts as events in a real store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

import pytest

from maibo_alerting.alerts import key_of
from maibo_alerting.delivery.outbox import Taken
from maibo_alerting.evaluating.record import Record
from maibo_alerting.evaluating.state import Key, State
from maibo_slo.errors import StoreError
from maibo_slo.store import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_slo.store import Store

T = time.time() // 1 - 86_400
"""Yesterday: what ended long ago is not kept."""
KEY = Key("MaiboBudgetBurn", "checkout", "99.9", "tier=gold", "page")


def firing(since: float = T, fired_at: float = T) -> State:
    return State(KEY, "firing", since, fired_at, annotations={"summary": "burns"})


def resolved(since: float = T + 600) -> State:
    return State(KEY, "resolved", since, T, reason="over")


@pytest.fixture
def written(store: Store) -> Callable[..., list[events.Event]]:
    """What is on record once it is written."""
    record = Record(store)

    def write(*states: State) -> list[events.Event]:
        record.write(states)
        until = time.monotonic() + 20
        while record.is_busy and time.monotonic() < until:
            time.sleep(0.01)
        return events.events(store, "alert", 0, T + 10**6)

    return write


def test_a_fire_is_one_event_from_its_begin_to_its_end(written: Callable[..., list[events.Event]]) -> None:
    assert written(State(Key("MaiboBudgetBurn", "x", "", "", "page"), "pending", T)) == []
    (begun,) = written(firing())
    assert (begun.subject, begun.begin, begun.end) == ("checkout", T, None)
    assert begun.detail == {
        "name": "MaiboBudgetBurn",
        "objective": "99.9",
        "group": "tier=gold",
        "severity": "page",
        "reason": "",
        "summary": "burns",
    }
    (ended,) = written(resolved())
    assert (ended.id, ended.begin, ended.end, ended.detail["reason"]) == (begun.id, T, T + 600, "over")


def test_one_that_fires_again_soon_goes_on_and_a_later_fire_is_another(
    written: Callable[..., list[events.Event]],
) -> None:
    written(firing())
    written(resolved())
    (again,) = written(firing(since=T + 700))
    assert again.end is None
    written(resolved(T + 900))
    assert [each.end for each in written(firing(T + 9000, T + 9000))] == [T + 900, None]


def test_what_the_store_did_not_take_is_written_at_the_next_step(
    store: Store, monkeypatch: pytest.MonkeyPatch, written: Callable[..., list[events.Event]]
) -> None:
    def away(*_: object, **__: object) -> None:
        raise StoreError("no store")

    with monkeypatch.context() as broken:
        broken.setattr(cast("type", type(store)), "insert", away)
        assert written(firing()) == []
    assert len(written(firing())) == 1


def test_who_took_a_notice_is_on_record_with_when_it_was_first_taken(store: Store) -> None:
    record = Record(store)
    key = key_of(*KEY)

    def write(state: State, *taken: Taken) -> events.Event:
        record.write([state], taken)
        until = time.monotonic() + 20
        while record.is_busy and time.monotonic() < until:
            time.sleep(0.01)
        found = events.find(store, "alert", f"{key}@{T:.3f}")
        assert found is not None
        return found

    assert "notices" not in write(firing()).detail
    write(firing(), Taken("slack", key, firing=True, starts_at=T, at=T + 2))
    told = write(firing(), Taken("slack", key, firing=True, starts_at=T, at=T + 62))
    assert told.detail["notices"] == [{"destination": "slack", "status": "firing", "at": T + 2}]
    of_another_fire = Taken("pagerduty", key, firing=True, starts_at=T - 9000, at=T - 9000)
    ended = write(resolved(), Taken("slack", key, firing=False, starts_at=T, at=T + 601), of_another_fire)
    assert [(each["destination"], each["status"]) for each in ended.detail["notices"]] == [
        ("slack", "firing"),
        ("slack", "resolved"),
    ]
