"""What a backtest says, against what can be worked out by hand, and against the evaluator stepped through every minute."""

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_alerting.backtesting import replay
from maibo_alerting.backtesting.replay import Past, backtest
from maibo_alerting.evaluating.reading import readings
from maibo_slo.documents import Catalogue, CellSelector, Objective, Origin, Sli, Slo
from maibo_slo.engine.evaluate import Engine
from maibo_slo.store import Store, cells, segments
from maibo_slo.store.cells import CellKey
from maibo_slo.store.past import series as past_series
from maibo_slo.store.segments import SegmentRecord

DAY = 86_400
BEGIN = 1_767_225_600  # 2026-01-01T00:00Z
WINDOW = 30 * DAY


def past(
    minutes: int, *, since: int = BEGIN - WINDOW, per_minute: int = 1000, bad: dict[int, int] | None = None
) -> Past:
    """Steady traffic from `since` for so many minutes after BEGIN; bad events by the minute after BEGIN."""
    count = (BEGIN - since) // 60 + minutes
    t = since + 60 * np.arange(count, dtype=np.int64)
    spoilt = np.zeros(count, dtype=np.int64)
    for minute, n in (bad or {}).items():
        spoilt[(BEGIN - since) // 60 + minute] = n
    return Past(t, per_minute - spoilt, spoilt)


def clock(at: int | None) -> int | None:
    return None if at is None else (at - BEGIN) // 60


def test_an_outage_pages_in_its_first_minute_and_costs_what_it_cost() -> None:
    # 1,000 a minute for 30 days allow 43,200 bad at 99.9 %. All of ten minutes are bad: 10,000, which is 23.148 %.
    told = backtest(
        past(1440, bad={600 + i: 1000 for i in range(10)}),
        target=0.999,
        window_seconds=WINDOW,
        begin=BEGIN,
        end=BEGIN + DAY,
    )
    page = next(alarm for alarm in told.alarms if alarm.severity == "page")
    assert told.count("page") == 1
    assert clock(page.begin) == 601  # the end of the first bad minute
    assert clock(page.burn_began) == 600
    assert 610 < clock(page.end) <= 640
    assert page.budget_spent == pytest.approx(10_000 / 43_200)
    assert told.budget_left == pytest.approx(1 - 10_000 / 43_200)
    assert told.worst_day == (BEGIN, pytest.approx(10_000 / 43_200))
    assert (told.good, told.bad) == (1_430_000, 10_000)


def test_the_same_past_pages_less_for_a_laxer_target() -> None:
    happened = past(1440, bad={600 + i: 150 for i in range(10)})  # 15 %
    paged = {
        target: backtest(happened, target=target, window_seconds=WINDOW, begin=BEGIN, end=BEGIN + DAY).count("page")
        for target in (0.999, 0.99)
    }
    assert paged == {0.999: 1, 0.99: 0}


def test_what_went_before_is_history_and_not_told() -> None:
    happened = past(60, bad={-30 + i: 1000 for i in range(10)})
    told = backtest(happened, target=0.999, window_seconds=WINDOW, begin=BEGIN, end=BEGIN + 3600)
    assert told.bad == 0
    assert told.budget_left == pytest.approx(1 - 10_000 / 43_200)


def test_a_past_without_data_has_no_budget_and_no_days() -> None:
    nothing = Past(*(np.empty(0, dtype=np.int64) for _ in range(3)))
    told = backtest(nothing, target=0.999, window_seconds=WINDOW, begin=BEGIN, end=BEGIN + DAY)
    assert (told.budget_left, told.projected, told.worst_day, told.alarms) == (None, None, None, ())
    assert told.days == ((BEGIN, None),)


def test_a_calendar_window_has_a_new_budget_when_it_begins_anew() -> None:
    happened = past(2880, bad={600 + i: 1000 for i in range(10)})
    days = tuple(range(BEGIN - WINDOW, BEGIN + 3 * DAY, DAY))
    daily = Past(happened.t, happened.good, happened.bad, periods=days)
    left = {
        minutes: backtest(daily, target=0.99, window_seconds=DAY, begin=BEGIN, end=BEGIN + minutes * 60).budget_left
        for minutes in (1440, 1441)
    }
    assert left[1440] == pytest.approx(1 - 10_000 / (0.01 * 1_440_000))
    assert left[1441] == 1.0


def test_the_budget_of_a_calendars_window_is_projected_to_its_end() -> None:
    january = BEGIN, BEGIN + 31 * DAY
    happened = past(10 * 1440, since=BEGIN, bad={600: 1000})
    told = backtest(
        Past(happened.t, happened.good, happened.bad, periods=january),
        target=0.999,
        window_seconds=30 * DAY,
        begin=BEGIN,
        end=BEGIN + 10 * DAY,
    )
    assert told.projected == pytest.approx(1 - 1000 / (0.001 * 31 * 1_440_000))
    assert told.days[0][1] == pytest.approx(1000 / (0.001 * 31 * 1_440_000))


def test_slices_in_millionths_are_counted_as_slices() -> None:
    t = BEGIN + 300 * np.arange(288, dtype=np.int64) + 240
    bad = np.where(np.arange(288) == 100, 500_000, 0).astype(np.int64)
    told = backtest(
        Past(t, 1_000_000 - bad, bad, slice_seconds=300, in_parts=True),
        target=0.99,
        window_seconds=DAY,
        begin=BEGIN,
        end=BEGIN + DAY,
    )
    assert (told.good, told.bad) == (287.5, 0.5)
    assert told.budget_left == pytest.approx(1 - 0.5 / 2.88)
    assert told.days[0][1] == pytest.approx(0.5 / 2.88, rel=0.01)  # the first slice is known when it ends


@st.composite
def histories(draw):
    """Six hours with a few bad stretches, and perhaps a hole."""
    bad = {}
    for _ in range(draw(st.integers(0, 3))):
        first, length = draw(st.integers(0, 340)), draw(st.integers(1, 60))
        share = draw(st.sampled_from([2, 5, 20, 150, 1000]))
        bad |= dict.fromkeys(range(first, min(360, first + length)), share)
    happened = past(360, since=BEGIN - draw(st.sampled_from([0, DAY, WINDOW])), bad=bad)
    hole = draw(st.integers(0, 360)), draw(st.sampled_from([0, 10, 90]))
    kept = ~((happened.t >= BEGIN + hole[0] * 60) & (happened.t < BEGIN + sum(hole) * 60))
    return Past(happened.t[kept], happened.good[kept], happened.bad[kept])


@settings(max_examples=15, deadline=None)
@given(histories(), st.sampled_from([0.999, 0.99]))
def test_minutes_that_are_skipped_would_have_changed_nothing(happened: Past, target: float) -> None:
    asked = {"target": target, "window_seconds": WINDOW, "begin": BEGIN, "end": BEGIN + 6 * 3600}
    quick = backtest(happened, **asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay._Clock, "_news", lambda clock: np.ones(len(clock.ends), dtype=np.bool_))
        assert backtest(happened, **asked) == quick


def test_four_weeks_take_a_second_or_so() -> None:
    bad = {minute: 20 for start in range(0, 28 * 1440, 1440) for minute in range(start, start + 60)}
    happened = past(28 * 1440, bad=bad)
    began = time.process_time()
    told = backtest(happened, target=0.999, window_seconds=WINDOW, begin=BEGIN, end=BEGIN + 28 * DAY)
    assert time.process_time() - began < 10  # on a slow and busy machine; 2 s on a quick one
    assert told.count("page") >= 1


def test_a_moment_is_read_as_the_live_evaluator_reads_it(store: Store, tmp_path: Path) -> None:
    now = int(time.time()) // 60 * 60
    sli = Sli("buy", CellSelector("buy"), good=CellSelector("buy", outcomes=frozenset({"success"})))
    slo = Slo("buy", "", "", "shop", sli, (Objective("0.999", 0.999),), 7 * DAY, {}, Origin("shop.yaml", 1))
    counted = {
        CellKey(t, "buy", "", "", "web", "1", "", "", "", "", outcome, 100): 50 + (t // 60) % 7
        for t in range(now - 3 * 3600, now - 120, 180)
        for outcome in ("success", "failure")
    }
    cells.insert_cells(store, counted, token="test")
    minutes = tuple(sorted({cell.t // 60 * 60 for cell in counted}))
    segments.record(store, SegmentRecord("test", 1, 1, 1, 1, 1, 0, 0, minutes))
    engine = Engine(store, lambda: Catalogue(slos={"buy": slo}), memory_path=tmp_path / "engine.json")
    (live,) = readings(engine.tick(now=now - 1))  # in the last second of the minute that ends at `now`
    series = past_series(store, "buy", "0.999", "", now - 8 * DAY, now)
    clock = replay._Clock(
        Past(series.t, series.good, series.bad),
        live.pairs,
        target=0.999,
        window_seconds=7 * DAY,
        begin=now - 3600,
        end=now,
    )
    read = clock.reading(len(clock.ends) - 1)
    assert read.counts == live.counts
    assert (read.own, read.first_t, read.last_t) == (live.own, live.first_t, live.last_t)
    assert live.own.bad > 0
