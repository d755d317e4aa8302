"""Hours that are over are read once, and what is told is what the store says all the same."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maibo_slo.service.hours import KEPT_SECONDS, Hours
from maibo_slo.store import Store, cells, open_store, segments
from maibo_slo.store.cells import CellFilter, CellKey, Window
from maibo_slo.store.segments import SegmentRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR, DAY = 3600, 86_400
NOW = int(time.time()) // HOUR * HOUR + 1234
BY = ("tier", "region")
ALL, CART = CellFilter("checkout"), CellFilter("checkout", "cart")
VIP = CellFilter("checkout", where={"tier": ["vip"]})


def cell(
    ago: int, name: str = "checkout", *, step: str = "", tier: str = "vip", outcome: str = "success", bin_: int = 300
) -> CellKey:
    return CellKey((NOW - ago) // 10 * 10, name, step, "", "shop", "v1", "", "eu", tier, "", outcome, bin_)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hours")


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[Store]:
    with open_store(f"chdb://{folder}/store") as opened:
        chance = np.random.default_rng(7)
        made = {
            cell(int(ago), step=step, tier=tier, outcome=outcome, bin_=int(bin_)): int(n)
            for ago, step, tier, outcome, bin_, n in zip(
                chance.integers(0, 2 * DAY, 2000),
                chance.choice(["", "", "cart"], 2000),
                chance.choice(["vip", "standard"], 2000),
                chance.choice(["success", "success", "failure", "abandoned"], 2000),
                chance.integers(200, 600, 2000),
                chance.integers(1, 9, 2000),
                strict=True,
            )
        }
        made[cell(20 * HOUR, tier="once")] = 3
        made[cell(20 * HOUR, "old")] = 3
        cells.insert_cells(opened, made, token="made")
        yield opened


def read(hours: Hours, window: Window, *, now: float = NOW) -> list[object]:
    reading = hours.reading(window, now=now)
    return [
        *(told(each) for which in (ALL, CART, VIP) for each in reading.distributions(which, by=BY)),
        *(told(each) for which in (ALL, CART, VIP) for both in reading.with_steps(which, by=BY) for each in both),
        *(reading.series(ALL, by=("journey",), slice_seconds=size) for size in (1800, 7200)),
    ]


def plain(store: Store, window: Window, *, now: int = NOW) -> list[object]:
    def counted(which: CellFilter, by: tuple[str, ...] = BY) -> list[object]:
        return [told(each) for each in cells.distributions(store, window, which, by=by, now=now)]

    return [
        *(each for which in (ALL, CART, VIP) for each in counted(which)),
        *(
            each
            for which in (ALL, CART, VIP)
            for each in [*counted(which), *counted(replace(which, step=None), cells.STEPS_BY)]
        ),
        *(cells.series(store, window, ALL, slice_seconds=size, by=("journey",), now=now) for size in (1800, 7200)),
    ]


def told(one: cells.Distribution) -> tuple[object, ...]:
    return one.group, {outcome: counts.tolist() for outcome, counts in sorted(one.outcomes.items())}


def day(end: int = NOW + 1, length: int = DAY) -> Window:
    return cells.covered(Window(end - length, end), now=NOW)


@pytest.mark.parametrize("length", [HOUR, 7 * HOUR, DAY, 40 * HOUR])
@pytest.mark.parametrize("ago", [0, 5 * HOUR + 77])
def test_what_is_told_is_what_the_store_says(store: Store, length: int, ago: int) -> None:
    hours, window = Hours(store), day(NOW + 1 - ago, length)
    expected = plain(store, window)
    assert read(hours, window) == expected
    assert read(hours, window) == expected


def test_hours_that_are_over_are_read_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    hours, window = Hours(store), day()
    asked: list[str] = []
    real = Store.arrow
    monkeypatch.setattr(Store, "arrow", lambda store, sql, of: asked.append(sql) or real(store, sql, of))  # type: ignore[func-returns-value]
    read(hours, window)
    first = len(asked)
    read(hours, window, now=NOW + 20)
    assert (first, len(asked) - first) == (16, 8)
    read(hours, window, now=NOW + KEPT_SECONDS)
    assert len(asked) == 16 + 8 + 16, "whatever is recorded"


def test_what_comes_late_is_told_as_soon_as_it_is_recorded(store: Store) -> None:
    hours, window = Hours(store), day()
    before = read(hours, window)
    late = cell(10 * HOUR)
    cells.insert_cells(store, {late: 7}, token="late")
    segments.record(store, SegmentRecord("late", NOW * 1000, 1, 0, 7, 7, 0, 0, (late.t // 60 * 60,)))
    after = read(hours, window)
    assert after == plain(store, window) != before


def test_what_is_read_while_a_segment_comes_is_not_kept(store: Store) -> None:
    hours, window = Hours(store), day()
    early = hours.reading(window, now=NOW)
    late = cell(10 * HOUR)
    segments.record(store, SegmentRecord("later", NOW * 1000, 1, 0, 7, 7, 0, 0, (late.t // 60 * 60,)))
    hours.reading(window, now=NOW)
    stale = early.distributions(ALL, by=BY)
    cells.insert_cells(store, {late: 7}, token="later")
    found = hours.reading(window, now=NOW).distributions(ALL, by=BY)
    assert sum(sum(one.events().values()) for one in found) == sum(sum(one.events().values()) for one in stale) + 7


def test_of_a_journey_that_is_silent_now_the_last_event_is_told_to_the_minute(store: Store) -> None:
    old = CellFilter("old")
    for _ in range(2):
        [found] = Hours(store).reading(day(), now=NOW).distributions(old, by=("tier",))
        assert found.last_event == (NOW - 20 * HOUR) // 60 * 60 + 60
    found = Hours(store).reading(day(), now=NOW).distributions(ALL, by=BY)
    [expected] = cells.distributions(store, day(), ALL, now=NOW)
    assert max(one.last_event or 0 for one in found) == expected.last_event


def test_of_a_journey_that_is_silent_now_hours_that_are_over_are_read_once_too(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    for name in ("arrow", "rows"):
        real = getattr(Store, name)
        monkeypatch.setattr(
            Store, name, lambda *of, real=real, name=name, **how: asked.append(name) or real(*of, **how)
        )
    hours = Hours(store)
    told = [hours.reading(day(), now=NOW).distributions(CellFilter("old"), by=("tier",)) for _ in range(2)]
    assert [one.last_event for [one] in told] == [(NOW - 20 * HOUR) // 60 * 60 + 60] * 2
    # The newest mark; what changed; hours, what came lately, the last minute; and then what changed, and what came lately.
    assert asked == ["rows", "rows", "arrow", "arrow", "rows", "rows", "arrow"]


@pytest.mark.parametrize("recorded", [True, False])
def test_what_is_recorded_by_a_clock_that_is_behind_is_heard_of(folder: Path, recorded: bool) -> None:
    def record(name: str, ago: int) -> None:
        segments.record(store, SegmentRecord(name, (NOW - ago) * 1000, 1, 0, 1, 1, 0, 0, (early.t // 60 * 60,)))

    early = cell(10 * HOUR)
    with open_store(f"chdb://{folder}/store?database=behind_{recorded}") as store:
        cells.insert_cells(store, {early: 1, cell(60): 1}, token="early")
        if recorded:
            record("early", 3 * HOUR)
        hours, found = Hours(store), []
        for _ in range(2):
            [one] = hours.reading(day(), now=NOW).distributions(ALL, by=())
            found.append(one.events())
            cells.insert_cells(store, {early: 7}, token="late")
            record("late", 2 * HOUR)
    assert found == [{"success": 2}, {"success": 9}]
