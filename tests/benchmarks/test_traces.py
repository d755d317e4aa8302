"""Traces of every known shape, their gaps, and the days that are replayed of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.autoscaling.traces import DAY, Trace, UnreadableTrace, made, read, regular, windows


def test_times_and_counts_become_calls_a_second(tmp_path: Path) -> None:
    path = tmp_path / "site.csv"
    path.write_text(
        "minute,count\n1995-07-01 00:00:00,60\n1995-07-01 00:01:00,120\n1995-07-01 00:02:00,60\n", encoding="utf-8"
    )
    trace = read(path)
    assert (trace.name, trace.begin, trace.step_seconds) == ("site", 804556800.0, 60)
    assert trace.rates.tolist() == [1, 2, 1]
    assert trace.by_second(trace.begin, trace.end).mean() == pytest.approx(4 / 3, rel=0.15)
    assert trace.by_second(trace.begin + 90, trace.begin + 91)[0] == pytest.approx(2, rel=0.02), (
        "as recorded in the middle of a step"
    )


def test_unix_seconds_and_a_rate_a_line_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ts,value\n1800,30\n3600,60\n5400,30\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("5\n6\n7\n", encoding="utf-8")
    assert read(tmp_path / "a.csv").step_seconds == 1800
    per_second = read(tmp_path / "b.txt")
    assert (per_second.step_seconds, per_second.rates.tolist()) == (1, [5, 6, 7])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("minute,count\nnever,1\n1,2\n", "a.csv:2: 'never' is no time"),
        ("minute,count\n0,many\n60,2\n", "a.csv:2: 'many' is no number"),
        ("minute,count\n0,-1\n60,2\n", "not negative"),
        ("a,b,c\n1,2,3\n4,5,6\n", "two columns"),
    ],
)
def test_what_is_no_trace_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UnreadableTrace, match=told):
        read(path)


def test_short_gaps_are_bridged_and_long_ones_are_not_known() -> None:
    times = np.array([0.0, 60, 120, 300, 360, 420, 4_000 // 60 * 60])
    trace = regular("gaps", times, np.array([60.0, 60, 60, 120, 60, 60, 60]))
    assert trace.rates[3] == pytest.approx(4 / 3)
    assert trace.known[:8].all()
    assert not trace.known[8:-1].any()


def test_the_busiest_and_an_ordinary_day_are_replayed_and_days_with_gaps_never() -> None:
    trace = made(seed=5)
    rates, known = trace.rates.copy(), trace.known.copy()
    rates[12 * 1440 + 600] = 100 * rates.max()
    rates[13 * 1440 + 600] = 200 * rates.max()
    known[13 * 1440 : 13 * 1440 + 60] = False
    found = windows(Trace("t", 0.0, 60, rates, known), 2)
    assert sorted(each.character for each in found) == ["busiest", "ordinary"]
    assert [each.begin // DAY for each in found if each.character == "busiest"] == [12]
    assert all(each.begin >= 7 * DAY for each in found), "with a week of history"
    assert len(windows(Trace("t", 0.0, 60, rates, known), None)) == 15


def test_days_that_are_held_out_are_none_of_those_that_were_looked_at() -> None:
    trace = made(seed=5)
    looked_at = {each.begin for days in (1, 2, 3) for each in windows(trace, days)}
    held_out = windows(trace, 3, held_out=3)
    assert sorted(each.character for each in held_out) == ["busiest", "busiest", "ordinary"]
    assert not looked_at & {each.begin for each in held_out}
    few = Trace("few", 0.0, 60, trace.rates[: 8 * 1440], trace.known[: 8 * 1440])
    assert {each.begin // DAY for each in windows(few, 3, held_out=3)} <= {1, 2, 3}, "rather little history than none"


def test_an_hour_is_replayed_as_a_whole() -> None:
    [only] = windows(Trace("hour", 0.0, 1, np.ones(3600), np.ones(3600, dtype=bool)), 4)
    assert (only.begin, only.end) == (0, 3600)
    assert not windows(Trace("hour", 0.0, 1, np.ones(3600), np.ones(3600, dtype=bool)), 4, held_out=1)


def test_made_demand_is_the_same_for_the_same_seed_alone() -> None:
    assert np.array_equal(made(3).rates, made(3).rates)
    assert not np.array_equal(made(3).rates, made(4).rates)
