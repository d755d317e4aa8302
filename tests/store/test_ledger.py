from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from maibo_slo.store.ledger import (
    AT_ONCE,
    RAW,
    Interval,
    WindowSum,
    append,
    groups,
    hours,
    minutes,
    minutes_from_elsewhere,
    window_sums,
)

if TYPE_CHECKING:
    from maibo_slo.store import Store

MINUTE, HOUR, DAY = 60, 3_600, 86_400


def _interval(
    t: int, good: int, bad: int, *, slo: str = "checkout", objective: str = "fast", group: str = ""
) -> Interval:
    return Interval(slo, objective, group, t, good, bad, good + bad, "journey")


def intervals(store: Store, slo: str, objective: str, begin: int, end: int) -> list[Interval]:
    """What an objective's rows say, each once."""
    rows = store.rows(
        "SELECT grp, toUnixTimestamp(t), good, bad, expected, source FROM sli FINAL WHERE slo = {slo:String} "
        "AND objective = {objective:String} AND toUnixTimestamp(t) BETWEEN {begin:UInt32} AND {end:UInt32} - 1 ORDER BY t",
        {"slo": slo, "objective": objective, "begin": begin, "end": end},
    )
    return [Interval(slo, objective, *row) for row in rows]


def test_a_window_is_the_minutes_that_end_with_the_running_one(store: Store, present: int):
    append(
        store, [_interval(present - 300, 100, 1), _interval(present - 240, 10, 2), _interval(present, 1, 3)], version=1
    )
    sums = window_sums(store, now=present + 59, windows={"checkout": [300, 60, 3_600]})
    assert {each.window_seconds: (each.good, each.bad, each.observed_minutes) for each in sums} == {
        60: (1, 3, 1),
        300: (11, 5, 2),
        3_600: (111, 6, 3),
    }
    (later,) = window_sums(store, now=present + 60, windows={"checkout": [300]})
    assert (later.good, later.bad) == (1, 3)


def test_a_later_version_replaces_an_earlier_whatever_the_order_of_writing(store: Store, present: int):
    append(store, [_interval(present, 5, 5)], version=20)
    append(store, [_interval(present, 99, 99)], version=10)
    assert intervals(store, "checkout", "fast", present, present + 60) == [_interval(present, 5, 5)]
    append(store, [_interval(present, 6, 0)], version=30)
    append(store, [_interval(present, 5, 5)], version=40)  # what was written before, again: not a duplicate
    assert intervals(store, "checkout", "fast", present, present + 60) == [_interval(present, 5, 5)]
    store.execute("OPTIMIZE TABLE sli FINAL")
    assert intervals(store, "checkout", "fast", present, present + 60) == [_interval(present, 5, 5)]


def test_many_rewritten_intervals_sum_exactly_as_their_last_versions_do(store: Store, present: int):
    chance = random.Random(3)
    last: dict[tuple[str, str, str, int], Interval] = {}
    for version in range(1, 30):
        batch = {}
        for _ in range(60):
            each = _interval(
                present - MINUTE * chance.randrange(3 * DAY // MINUTE) // chance.choice([1, 1, 200]) // MINUTE * MINUTE,
                chance.choice([0, 0, chance.randrange(1_000)]),
                chance.choice([0, 0, chance.randrange(50)]),
                slo=chance.choice(["a", "b", "c"]),
                objective=chance.choice(["x", "y"]),
                group=chance.choice(["", "vip"]),
            )
            batch[each.slo, each.objective, each.group, each.t] = each
        append(store, list(batch.values()), version=version)
        last |= batch
    windows = {"a": [300, HOUR, 3 * DAY], "b": [6 * HOUR, DAY], "no such": [HOUR]}
    expected = []
    for slo, lengths in windows.items():
        mine = [each for each in last.values() if each.slo == slo]
        for objective, group in sorted(
            {(each.objective, each.group) for each in mine if each.t > present - max(lengths)}
        ):
            for length in sorted(lengths):
                within = [
                    each
                    for each in mine
                    if (each.objective, each.group) == (objective, group) and present + 60 - length <= each.t <= present
                ]
                observed = [each.t for each in within if each.good + each.bad]
                good, bad = sum(each.good for each in within), sum(each.bad for each in within)
                expected.append(
                    WindowSum(slo, objective, group, length, good, bad, len(observed), max(observed, default=None))
                )
    assert window_sums(store, now=present, windows=windows) == expected
    store.execute("OPTIMIZE TABLE sli FINAL")
    assert window_sums(store, now=present, windows=windows) == expected


def test_a_minute_without_events_is_no_data(store: Store, present: int):
    append(store, [_interval(present - 60, 3, 0), _interval(present, 0, 0)], version=1)
    (found,) = window_sums(store, now=present, windows={"checkout": [HOUR]})
    assert (found.observed_minutes, found.last_t) == (1, present - 60)
    append(store, [_interval(present - 60, 0, 0)], version=2)
    (found,) = window_sums(store, now=present, windows={"checkout": [HOUR]})
    assert found == WindowSum("checkout", "fast", "", HOUR, 0, 0, 0, None)


def test_a_shorter_window_without_intervals_has_zeros_and_an_slo_without_any_is_absent(store: Store, present: int):
    append(store, [_interval(present - HOUR, 3, 1), _interval(present - HOUR, 3, 1, slo="other")], version=1)
    sums = window_sums(store, now=present, windows={"checkout": [300, DAY], "other": [300], "none": [DAY]})
    assert sums == [
        WindowSum("checkout", "fast", "", 300, 0, 0, 0, None),
        WindowSum("checkout", "fast", "", DAY, 4 - 1, 1, 1, present - HOUR),
    ]


def test_months_join_without_a_seam(store: Store, present: int):
    days = [present - day * DAY for day in range(60)]
    append(store, [_interval(t, 1, 0) for t in days], version=1)
    append(store, [_interval(t, 2, 1) for t in days], version=2)
    (found,) = window_sums(store, now=present, windows={"checkout": [60 * DAY]})
    assert (found.good, found.bad, found.observed_minutes) == (120, 60, 60)


def test_names_may_be_anything(store: Store, present: int):
    name = "it's a \\ 🛒\0\n{slo:String}"
    append(store, [_interval(present, 1, 2, slo=name, objective=name, group=name)], version=1)
    (found,) = window_sums(store, now=present, windows={name: [60]})
    assert (found.slo, found.objective, found.group, found.good) == (name, name, name, 1)
    assert intervals(store, name, name, present, present + 1) == [
        _interval(present, 1, 2, slo=name, objective=name, group=name)
    ]
    assert minutes_from_elsewhere(store, {(name, name): "journey"}, present, present + 1) == {}
    assert minutes_from_elsewhere(store, {(name, name): name}, present, present + 1) == {(name, name, name): {present}}


def test_minutes_are_as_last_written_and_of_whom_and_when_was_asked(store: Store, present: int):
    append(store, [_interval(present + n * MINUTE, n, 1) for n in range(5)], version=1)
    append(store, [_interval(present + 2 * MINUTE, 7, 0), _interval(present + 3 * MINUTE, 0, 0)], version=2)
    append(store, [_interval(present + MINUTE, 9, 9, slo="other")], version=3)
    (found,) = minutes(store, ["checkout", "no such"], present + MINUTE, present + 4 * MINUTE)
    assert (found.slo, found.objective, found.group) == ("checkout", "fast", "")
    assert sorted(zip(found.t.tolist(), found.good.tolist(), found.bad.tolist(), strict=True)) == [
        (present + MINUTE, 1, 1),
        (present + 2 * MINUTE, 7, 0),
        (present + 3 * MINUTE, 0, 0),
    ]
    assert list(minutes(store, [], present, present + HOUR)) == []


def test_groups_are_told_apart_and_those_asked_about_alone(store: Store, present: int):
    hour = present // HOUR * HOUR
    for n, group in enumerate(["", "tier=gold", "tier=free"], 1):
        append(store, [_interval(hour, n, 0, group=group), _interval(hour + MINUTE, n, 0, group=group)], version=n)
    told = {each.group: each.good.tolist() for each in minutes(store, ["checkout"], hour, hour + HOUR)}
    assert told == {"": [1, 1], "tier=gold": [2, 2], "tier=free": [3, 3]}
    assert {each.group: each.good.tolist() for each in hours(store, ["checkout"], [hour])} == {
        "": [2],
        "tier=gold": [4],
        "tier=free": [6],
    }
    wanted = ["tier=gold", "tier=no such"]
    assert [each.group for each in minutes(store, ["checkout"], hour, hour + HOUR, groups=wanted)] == ["tier=gold"]
    assert [each.group for each in hours(store, ["checkout"], [hour], groups=wanted)] == ["tier=gold"]
    assert list(hours(store, ["checkout"], [hour], groups=[])) == []


def test_raw_rows_are_told_to_who_asks_for_them_and_are_in_no_sum(store: Store, present: int):
    hour = present // HOUR * HOUR
    raw = f"{RAW}fast"
    append(store, [_interval(hour, 1, 0), _interval(hour, 97, 3, objective=raw)], version=1)
    assert [each.objective for each in minutes(store, ["checkout"], hour, hour + HOUR)] == ["fast"]
    assert [each.objective for each in minutes(store, ["checkout"], hour, hour + HOUR, raw=True)] == [raw]
    assert [each.objective for each in hours(store, ["checkout"], [hour])] == ["fast"]
    assert [each.objective for each in window_sums(store, now=hour, windows={"checkout": [HOUR]})] == ["fast"]


def test_the_groups_of_an_objective_are_those_with_data(store: Store, present: int):
    raw = f"{RAW}fast"
    append(
        store, [_interval(present, 1, 0, group=group) for group in ("tier=gold", "tier=free", "tier=lost")], version=1
    )
    append(store, [_interval(present, 0, 1, group="tier=late", objective="slow")], version=1)
    append(
        store,
        [_interval(present, 0, 1, group="tier=gold", objective=raw), _interval(present, 1, 1, slo="x")],
        version=1,
    )
    append(store, [_interval(present, 0, 0, group="tier=lost")], version=2)  # which was none after all
    append(store, [_interval(present + HOUR, 1, 0, group="tier=new")], version=3)
    assert groups(store, ["checkout", "x", "no such"], present, present + HOUR) == {
        ("checkout", "fast"): {"tier=gold", "tier=free"},
        ("checkout", "slow"): {"tier=late"},
        ("checkout", raw): {"tier=gold"},
        ("x", "fast"): {""},
    }
    assert groups(store, [], present, present + HOUR) == {}


def test_hours_tell_how_many_minutes_had_events_and_which_was_the_newest(store: Store, present: int):
    hour = present // HOUR * HOUR
    append(store, [_interval(hour + n * MINUTE, 2**33, n) for n in (0, 5, 9)], version=1)
    append(store, [_interval(hour + 9 * MINUTE, 0, 0), _interval(hour - MINUTE, 1, 1)], version=2)
    append(store, [_interval(hour - HOUR, 0, 0), _interval(hour - 9 * HOUR, 4, 4)], version=3)
    (found,) = hours(store, ["checkout"], [hour, hour - HOUR, hour - 5 * HOUR])
    columns = (found.t, found.good, found.bad, found.observed, found.last)
    assert sorted(zip(*(each.tolist() for each in columns), strict=True)) == [
        (hour - HOUR, 1, 1, 1, 60),
        (hour, 2**34, 5, 2, 6),
    ]
    assert list(hours(store, ["checkout"], [])) == []


def test_an_hour_without_events_is_told_when_its_minutes_were_blanked(store: Store, present: int):
    hour = present // HOUR * HOUR
    append(store, [_interval(hour, 0, 0)], version=1)
    (found,) = hours(store, ["checkout"], [hour])
    assert (found.observed.tolist(), found.last.tolist()) == ([0], [0])


def test_more_slos_than_are_asked_about_at_once_are_all_told(store: Store, present: int):
    names = [f"slo-{n}" for n in range(2 * AT_ONCE + 1)]
    append(store, [_interval(present, 1, 0, slo=name) for name in names], version=1)
    assert sorted(each.slo for each in minutes(store, names, present, present + MINUTE)) == sorted(names)
    of_each = [*names, *names, *names[:AT_ONCE] * 2]  # as many as they have objectives and groups
    assert sorted(each.slo for each in minutes(store, of_each, present, present + MINUTE)) == sorted(names)
    assert sorted(each.slo for each in hours(store, names, [present // HOUR * HOUR])) == sorted(names)


def test_minutes_from_another_source_are_found_by_objective(store: Store, present: int):
    append(store, [_interval(present - 60, 1, 0), _interval(present, 1, 0), _interval(present + 60, 0, 0)], version=1)
    append(store, [_interval(present, 2, 0, objective="slow"), _interval(present, 3, 0, slo="browse")], version=1)
    moved = replace(_interval(present, 1, 0), source="journey:now")
    append(store, [moved], version=2)  # this minute was counted anew
    append(store, [replace(moved, objective="slow", group="tier=gold")], version=3)
    now, elsewhere = "journey:now", ("checkout", "fast")
    found = minutes_from_elsewhere(store, {elsewhere: now}, present - 60, present + 120)
    assert found == {(*elsewhere, ""): {present - 60}}
    assert minutes_from_elsewhere(store, {elsewhere: now}, present, present + 120) == {}
    asked = {elsewhere: "journey", ("checkout", "slow"): "journey", ("browse", "fast"): now, ("no", "such"): now}
    assert minutes_from_elsewhere(store, asked, present - 60, present + 120) == {
        (*elsewhere, ""): {present},
        ("checkout", "slow", "tier=gold"): {present},
        ("browse", "fast", ""): {present},
    }


def test_nothing_to_write_or_ask_is_nothing(store: Store, present: int):
    append(store, [], version=1)
    assert window_sums(store, now=present, windows={}) == []
    assert window_sums(store, now=present, windows={"checkout": []}) == []
    assert minutes_from_elsewhere(store, {}, 0, present) == {}


@pytest.mark.parametrize("seconds", [0, -60, 90])
def test_a_window_that_is_not_whole_minutes_is_refused(store: Store, present: int, seconds: int):
    with pytest.raises(ValueError, match="multiple of 60 s"):
        window_sums(store, now=present, windows={"checkout": [seconds]})
