"""Events: each once, as it is known now; what is over is kept for 400 days after its end."""

from __future__ import annotations

import time

import pytest

from maibo_slo.store import Store
from maibo_slo.store.events import IDS_BYTES, Brief, Event, append, batches, briefs, briefs_of, events, every, versions

DAY = 86_400


def event(id_: str, begin: float, end: float | None = None, kind: str = "alert", **detail: object) -> Event:
    return Event(id_, kind, "checkout", begin, end, detail)


def test_an_event_is_read_as_it_was_written(store: Store, present: int):
    hostile = "'; DROP TABLE events; --\n\0\\ü{name:String}"
    told = [
        Event(
            hostile, "alert", hostile, present + 0.125, None, {"why": hostile, "slos": ["a", "b"], "n": 1.5, "x": None}
        ),
        event("ended", present + 1, present + 2.25),
    ]
    append(store, told)
    assert every(store, "alert") == told
    assert every(store, "correction") == []


def test_a_later_version_takes_the_place_of_an_earlier_one_whatever_is_merged(store: Store, present: int):
    append(store, [event("a", present), event("b", present)])
    append(store, [event("a", present, present + 60, told="resolved")])
    expected = [event("a", present, present + 60, told="resolved"), event("b", present)]
    assert every(store, "alert") == expected
    store.execute("OPTIMIZE TABLE events FINAL")
    assert every(store, "alert") == expected


def test_of_two_versions_the_higher_wins_in_whatever_order_they_come(store: Store, present: int):
    append(store, [event("a", present, told="second")], version=2)
    append(store, [event("a", present, told="first")], version=1)
    assert every(store, "alert") == [event("a", present, told="second")]


def test_a_later_version_wins_though_the_clock_was_set_back(
    store: Store, present: int, monkeypatch: pytest.MonkeyPatch
):
    append(store, [event("a", present, told="in force")])
    behind = time.time_ns() - 3600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: behind)
    append(store, [event("a", present, told="cancelled")])
    assert every(store, "alert") == [event("a", present, told="cancelled")]


def test_kinds_have_ids_of_their_own(store: Store, present: int):
    append(store, [event("a", present), event("a", present, kind="correction")])
    assert len(every(store, "alert")) == len(every(store, "correction")) == 1


@pytest.mark.parametrize(
    ("begin", "end", "found"),
    [
        (0, 10, ["early", "open"]),
        (10, 20, ["early", "open", "at"]),
        (20, 30, ["open"]),
        (-10, 0, []),
    ],
)
def test_what_went_on_within_a_stretch_of_time_is_found(
    store: Store, present: int, begin: int, end: int, found: list[str]
):
    append(
        store,
        [
            event("early", present, present + 15),
            event("open", present + 1),
            event("at", present + 10, present + 10),
            event("after", present + 30, present + 40),
        ],
    )
    assert [each.id for each in events(store, "alert", present + begin, present + end)] == found


def test_what_ended_long_ago_goes_and_what_never_ended_stays(store: Store, present: int):
    append(store, [event("old", present - 500 * DAY, present - 401 * DAY), event("kept", present - 500 * DAY)])
    append(store, [event("long", present - 500 * DAY, present - 399 * DAY)])
    store.execute("OPTIMIZE TABLE events FINAL")
    assert [each.id for each in every(store, "alert")] == ["kept", "long"]


def test_nothing_to_write_writes_nothing(store: Store):
    append(store, [])
    assert every(store, "alert") == []


def test_what_is_no_json_is_refused(store: Store, present: int):
    with pytest.raises(ValueError, match="not JSON compliant"):
        append(store, [event("a", present, ratio=float("nan"))])


def test_a_brief_has_the_fields_asked_for_as_they_were_written(store: Store, present: int):
    said = {"who": 'Ana "中\\\n', "bound": None, "least": 5, "rate": 2.5, "notices": [{"at": 1.5}], "pods": ["x"] * 9}
    writes = [event(f"w{number}", present + number, present + number + 1, "write") for number in range(4)]
    append(store, [event("a", present - 100, **said), event("old", present - 300, present - 200, **said), *writes])
    fields = ("who", "bound", "least", "rate", "notices", "absent")
    found = briefs(store, ["alert", "write"], present - 150, present + 60, fields=fields, newest=3)
    assert [each.id for each in found] == ["w3", "w2", "w1", "a"]
    assert found[0].detail == {}
    told = {name: said[name] for name in fields if name in said}
    assert found[-1] == Brief("a", "alert", "checkout", present - 100, None, told)


def test_a_version_in_force_is_told_without_its_detail_and_read_by_it(store: Store, present: int):
    append(
        store, [event("same", present, told="alert"), event("same", present + 1, kind="write", told="write")], version=3
    )
    append(store, [event("old", present - 900, present - 600)], version=4)
    append(store, [event("same", present, told="later")], version=7)
    there = versions(store, ["alert", "write"], present - 60, present + 60, newest=9)
    assert there == {("write", "same"): 3, ("alert", "same"): 7}, "the newest first"
    assert versions(store, ["alert"], present, present + 60, "nobody", newest=9) == {}
    found = briefs_of(store, [("alert", "same")], fields=["told"])
    assert found == {("alert", "same"): (7, Brief("same", "alert", "checkout", present, None, {"told": "later"}))}
    assert briefs_of(store, [], fields=["told"]) == {}


def test_ids_are_sent_so_many_at_once_as_a_server_takes():
    which = [("rise" if number % 2 else "alert", "x" * 999 + str(number)) for number in range(200)]
    sent = list(batches(which))
    assert [id_ for _, ids in sent for id_ in ids] == [id_ for _, id_ in which]
    assert max(sum(map(len, ids)) for _, ids in sent) <= IDS_BYTES
    assert {tuple(kinds) for kinds, _ in sent} == {("alert", "rise")}
    assert list(batches([("alert", "x" * 2 * IDS_BYTES)])) == [(["alert"], ["x" * 2 * IDS_BYTES])]
