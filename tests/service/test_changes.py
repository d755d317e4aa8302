"""What changed: deployments found in cells, and all kinds on one axis, as a page, as a strip, by the API."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_slo.documents import Correction
from maibo_slo.errors import StoreError
from maibo_slo.service.changes import About, Kind
from maibo_slo.service.pages import changes as pages
from maibo_slo.service.pages.marks import LANES
from maibo_slo.service.versions import KEPT_SECONDS, LATELY_SECONDS, VersionsSeen, version_changes
from maibo_slo.store import cells, events
from maibo_slo.store.cells import CellKey
from maibo_slo.store.events import Event
from maibo_slo.store.histogram import bin_of
from maibo_slo.store.versions import Seen

WORKLOAD = "shop/Deployment/checkout-api"
HOSTILE = '"><script>alert(1)</script>'


def at(*runs: tuple[str, int], service: str = "api", events: int = 100) -> list[Seen]:
    """``("v1", 3)``: three slices of v1."""
    slices = [version for version, number in runs for _ in range(number)]
    return [Seen(service, version, t * 60, t * 60, events) for t, version in enumerate(slices)]


def told(rows: list[Seen], begin: float = 0) -> list[tuple[str, str, bool]]:
    return [(each.version, each.before, each.rollback) for each in version_changes(rows, begin)]


def test_what_runs_from_the_start_is_no_change() -> None:
    assert told(at(("v1", 5))) == []


def test_a_new_version_is_a_deployment_and_an_old_one_a_rollback() -> None:
    assert told(at(("v1", 3), ("v2", 3), ("v1", 3))) == [("v2", "v1", False), ("v1", "v2", True)]
    assert told(at(("v1", 3), ("v2", 3), ("v3", 3))) == [("v2", "v1", False), ("v3", "v2", False)]


def test_a_canary_is_told_once_and_its_end_is_no_rollback() -> None:
    rows = [
        Seen("api", version, t * 60, t * 60, n)
        for t in range(20)
        for version, n in (("v1", 95), ("v2", 5 * (5 < t < 15)))
        if n
    ]
    assert told(rows) == [("v2", "v1", False)]


def test_a_stray_call_of_the_old_version_is_no_rollback() -> None:
    rows = sorted([*at(("v1", 3), ("v2", 9)), Seen("api", "v1", 360, 365, 2)], key=lambda one: (one.slice, one.t))
    assert told(rows) == [("v2", "v1", False)]
    alone = [
        *at(("v1", 3), ("v2", 3)),
        Seen("api", "v1", 360, 360, 2),
        *[Seen("api", "v2", t, t, 100) for t in (420, 480)],
    ]
    assert told(alone) == [("v2", "v1", False)], "two calls alone in a slice are looked at with the next"


def test_what_came_before_the_stretch_only_tells_what_is_not_new() -> None:
    assert told(at(("v1", 3), ("v2", 3)), begin=10_000) == []


@given(st.lists(st.tuples(st.sampled_from(["v1", "v2", "v3"]), st.integers(1, 4)), max_size=8))
def test_there_are_never_more_changes_than_switches(runs: list[tuple[str, int]]) -> None:
    merged = [run for number, run in enumerate(runs) if not number or runs[number - 1][0] != run[0]]
    found = told(at(*merged))
    assert len(found) == max(0, len(merged) - 1), "every switch between whole versions is one change"
    assert [version for version, _, _ in found] == [version for version, _ in merged[1:]]


@pytest.fixture(scope="module")
def happened(service) -> float:
    """One of each kind within the last half hour, a deployment and its rollback; an hour ago was the first."""
    now = float(service.now)
    counted = {}
    for minute in range(90):
        t = int(now) // 60 * 60 - minute * 60
        version = "8.2.0" if 10 <= minute < 20 else "8.1.0"
        counted[CellKey(t, "checkout", "pay", "", "till", version, "", "", "", "", "success", bin_of(10**7))] = 60
    cells.insert_cells(service.store, counted, token="deployments")
    begin = now - 1500
    correction = Correction(
        "db-upgrade", "maintenance", "exclude", datetime.fromtimestamp(begin, UTC).replace(tzinfo=None), 600, "UTC", "",
        ("checkout-fast",), (), (), who="ben", why="database",
    )  # fmt: skip
    service.runtime.corrections.add(correction, at=begin)
    events.append(
        service.store,
        [
            Event("a1", "alert", "checkout-fast", begin, begin + 60, {"severity": "page", "summary": "it burns"}),
            Event("a2", "alert", HOSTILE, begin + 1, None, {}),
            Event("o1", "override", "checkout-api", begin + 2, now + 60, {"least": 12, "most": None, "who": "ana", "why": HOSTILE}),
            Event(f"{WORKLOAD}@1", "scaleup", WORKLOAD, begin + 3, begin + 33, {"before": 8, "after": 12, "by": "keda", "pods": [{}] * 50}),
            Event(f"{WORKLOAD}@2", "rise", WORKLOAD, begin + 2, begin + 2, {"before": 8, "after": 12, "target": "checkout-api", "reason": "demand"}),
            Event(f"{WORKLOAD}@3", "scale_write", WORKLOAD, begin + 3, begin + 3, {"before": 8, "after": 12, "reason": "demand"}),
            Event("elsewhere@1", "scaleup", "bank/Deployment/ledger", begin + 4, None, {"before": 1, "after": 2}),
        ],
    )  # fmt: skip
    return now


def api(running, /, **asked: object) -> dict:
    said = running.http.get("/v1/changes", params=asked)
    assert said.status_code == 200, said.text
    return said.json()


def test_the_api_tells_every_kind_the_newest_first(service, happened) -> None:
    found = api(service)["changes"]
    assert {each["kind"] for each in found} == {kind.value for kind in Kind}
    times = [each["at"] for each in found]
    assert times == sorted(times, reverse=True)
    till = [(each["what"], each["rollback"]) for each in found if each["subject"] == "till"]
    assert till == [("8.2.0 → 8.1.0", True), ("8.1.0 → 8.2.0", False)]
    by_kind = {each["kind"]: each for each in found}
    assert by_kind["override"]["what"] == "at least 12"
    assert by_kind["correction"]["services"] == ["shop"]
    assert by_kind["rise"]["services"] == ["checkout-api"]


def test_kinds_and_services_are_chosen(service, happened) -> None:
    assert {each["kind"] for each in api(service, kind=["alert", "rise"])["changes"]} == {"alert", "rise"}
    assert {each["subject"] for each in api(service, service="till")["changes"]} == {"till"}
    assert {each["kind"] for each in api(service, service="checkout-api")["changes"]} == {
        "override",
        "scaleup",
        "rise",
        "write",
    }
    assert service.http.get("/v1/changes", params={"kind": "weather"}).status_code == 422
    assert service.http.get("/v1/changes", params={"from": "2", "to": "1"}).status_code == 422


def test_a_stretch_has_what_went_on_then_and_no_more(service, happened) -> None:
    begin = int(happened - 1500)
    found = api(service, **{"from": begin - 600, "to": begin - 300})["changes"]
    assert found == []
    lasting = api(service, **{"from": begin + 100, "to": begin + 300})["changes"]
    assert {each["kind"] for each in lasting} >= {"override", "correction"}, "they went on then"
    deployed = int(happened) // 60 * 60 - 19 * 60
    versions = [
        [each["what"] for each in api(service, kind="version", **{"from": deployed - 600, "to": end})["changes"]]
        for end in (deployed, deployed + 60)
    ]
    assert versions == [[], ["8.1.0 → 8.2.0"]], "what begins with the end is of the next stretch"


def test_a_journey_and_an_slo_have_what_may_matter_to_them(service, happened) -> None:
    ask = partial(service.runtime.questions.changes, now=happened)
    mine = ask(happened - 3600, happened, About(journey="checkout")).changes
    assert {each.subject for each in mine} >= {"till", "checkout-fast", "db-upgrade", "checkout-api", WORKLOAD}
    assert not {HOSTILE, "bank/Deployment/ledger"} & {each.subject for each in mine}
    other = ask(happened - 3600, happened, About(journey="silent")).changes
    assert not {"till", "checkout-fast", WORKLOAD} & {each.subject for each in other}
    slo = ask(happened - 3600, happened, About(slo="checkout-fast")).changes
    assert {each.subject for each in slo if each.kind is Kind.ALERT} == {"checkout-fast"}


def page(service, path: str) -> str:
    said = service.http.get(path, headers={"Accept": "text/html,*/*"})
    assert said.status_code == 200, said.text
    return said.text


def test_the_page_has_lanes_and_the_same_in_words(service, happened, reading) -> None:
    shown = page(service, "/changes?window=1h")
    read = reading(shown)
    assert not read.forbidden
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert" in shown
    for name in LANES.values():
        assert name in shown
    assert "rollback" in shown
    assert "/alerts/a1" in read.links
    assert any(link.startswith("/scaling/shop/checkout-api") for link in read.links)
    assert any(link.startswith(f"/scaleups/{WORKLOAD}@1") for link in read.links)
    rows = re.findall(r'<table class="changes"[^>]*>.*?</table>', shown, re.DOTALL)
    assert rows[0].count('<tr role="row"><th role="rowheader"') == len(
        api(service, **{"from": int(happened - 3600)})["changes"]
    )


def test_marks_that_lie_together_are_one_that_leads_to_a_shorter_stretch(service, happened) -> None:
    found = service.runtime.questions.changes(happened - 86_400, happened, now=happened)
    view = pages.changes_strip(found, now=happened, base="", carried={})
    scaling = [each for each in view.strip if each.kind == "scaleup"]
    assert len(scaling) == 1
    assert scaling[0].count == 4
    assert re.match(r"/changes\?from=\S+&to=\S+&kind=scaleup&kind=write&kind=rise$", scaling[0].href)
    assert all(0 <= each.x <= each.x + each.width <= 100.01 for each in view.strip)
    assert view.strip_rows == 3


def test_a_link_to_a_moment_keeps_it(service, happened, reading) -> None:
    then = f"{datetime.fromtimestamp(happened - 60, UTC):%Y-%m-%dT%H:%M:%SZ}"
    shown = page(service, f"/changes?window=1h&at={then}&kind=version")
    links = reading(shown).links
    assert f"/changes?window=1h&at={then}&kind=alert" in [link.replace("&amp;", "&") for link in links]
    assert "till" in shown
    assert '<meta http-equiv="refresh"' not in shown


def test_the_same_stands_above_the_charts_of_journeys_and_slos(service, happened) -> None:
    for path in ("/journeys/checkout?window=1h", "/slos/checkout-fast?window=1h"):
        shown = page(service, path)
        assert 'class="card strip"' in shown
        assert "8.1.0 → 8.2.0" in shown


def test_a_store_that_fails_costs_the_strip_alone(service, happened, monkeypatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise StoreError("cannot read events: the disk is gone")

    monkeypatch.setattr(service.runtime.questions, "changes", fails)
    shown = page(service, "/slos/checkout-fast")
    assert "The store does not answer, so it is not known:" in shown
    assert "the disk is gone" in shown


def test_an_hour_in_which_nothing_changed_says_so(service, happened) -> None:
    shown = page(service, f"/changes?from={int(happened) - 90 * 86_400}&to={int(happened) - 89 * 86_400}")
    assert "Nothing changed in this time" in shown
    assert 'data-state="empty"' in shown


def test_the_same_in_chinese(service, happened, english_left) -> None:
    shown = page(service, "/changes?window=1h&lang=zh")
    for words in ("变更", "回滚", "快速通道写入", "谁及原因"):
        assert words in shown
    said = (
        "it burns",
        "checkout-fast",
        "checkout-api",
        "db-upgrade",
        "database",
        "demand",
        "elsewhere",
        "bank/Deployment/ledger",
    )
    names = (*said, WORKLOAD, HOSTILE, "till", "ana", "ben", "keda", "ledger", "payment", "shop")
    assert english_left(shown, *names) == []
    shown = page(service, "/slos/checkout-fast?window=1h&lang=zh")
    service.http.cookies.clear()
    assert english_left(shown, *names, "Within half a second", "Checkout is fast") == []


def test_of_very_many_the_newest_are_told(service, happened) -> None:
    """The last test: it fills the store."""
    begin = happened - 40 * 86_400
    many = [
        Event(
            f"{WORKLOAD}@{number}", "scale_write", WORKLOAD, begin + number, begin + number, {"before": 1, "after": 2}
        )
        for number in range(10, 710)
    ]
    events.append(service.store, many)
    found = api(service, **{"from": int(begin), "to": int(begin) + 3600})
    assert (len(found["changes"]), found["cut"]) == (500, True)
    shown = page(service, f"/changes?from={int(begin)}&to={int(begin) + 3600}")
    assert "these are the newest 500" in shown
    assert "300 older ones have no row" in shown
    assert shown.count("<a href") < 500


def test_versions_are_found_by_the_minute_and_by_the_hour(service, happened) -> None:
    short = VersionsSeen(service.store).between(happened - 3600, happened)
    long = VersionsSeen(service.store).between(happened - 3 * 86_400, happened)
    for rows in (short, long):
        assert {(one.service, one.version) for one in rows} >= {("till", "8.1.0"), ("till", "8.2.0")}
    assert all(one.t % 3600 == 0 for one in long)


@pytest.fixture(scope="module")
def deployed(service) -> int:
    """Within an hour that is over for long: 40 minutes after its begin another version came."""
    hour = int(service.now) // 3600 * 3600 - 30 * 3600
    counted = {}
    for minute in range(-60, 120):
        version = "2.0" if minute >= 40 else "1.0"
        key = CellKey(hour + 60 * minute, "hourly", "", "", "clock", version, "", "", "", "", "success", bin_of(10**7))
        counted[key] = 60
    cells.insert_cells(service.store, counted, token="hourly")
    return hour


@pytest.mark.parametrize(
    ("window", "after", "told"),
    [
        ("1d", 40 * 60 + 59, []),
        ("1d", 41 * 60, ["1.0 → 2.0"]),
        ("7d", 30 * 60, []),
        ("7d", 40 * 60 + 59, []),
        ("7d", 41 * 60, ["1.0 → 2.0"]),
        ("7d", 3600, ["1.0 → 2.0"]),
    ],
)
def test_what_began_after_a_moment_of_the_past_is_not_told(
    service, deployed: int, window: str, after: int, told: list[str]
) -> None:
    then = f"{datetime.fromtimestamp(deployed + after, UTC):%Y-%m-%dT%H:%M:%SZ}"
    shown = page(service, f"/changes?window={window}&at={then}&kind=version&service=clock")
    assert re.findall(r"[\d.]+ → [\d.]+(?=</bdi>)", shown) == told
    begin = deployed + after - {"1d": 86_400, "7d": 7 * 86_400}[window]
    said = api(service, kind="version", service="clock", **{"from": begin, "to": deployed + after})["changes"]
    assert [each["what"] for each in said] == told


def test_an_hour_whose_minutes_are_gone_is_told_once_it_was_over(service) -> None:
    hour = int(service.now) // 3600 * 3600 - 50 * 3600
    rows = {
        CellKey(hour + 60 * minute, "gone", "", "", "old", version, "", "", "", "", "success", bin_of(10**7)): 60
        for minute, version in ((-90, "1.0"), (20, "2.0"))
    }
    cells.insert_cells(service.store, rows, token="gone")
    service.store.execute("ALTER TABLE cells_1m DELETE WHERE journey = 'gone' SETTINGS mutations_sync = 1")
    for end, told in ((hour + 3599, []), (hour + 3600, ["1.0 → 2.0"])):
        asked = {"from": end - 7 * 86_400, "to": end}
        assert [each["what"] for each in api(service, kind="version", service="old", **asked)["changes"]] == told


@pytest.fixture(scope="module")
def long_ago(service) -> int:
    """Forty minutes of trouble, twenty days ago."""
    begin = int(service.now) // 3600 * 3600 - 20 * 86_400
    events.append(
        service.store,
        [
            Event("then@1", "alert", "checkout-fast", begin, begin + 2400, {"severity": "page", "summary": "it burnt"}),
            Event("then@2", "override", "checkout-api", begin + 5, begin + 2405, {"least": 9, "who": "eve", "why": "then"}),
            Event(f"{WORKLOAD}@4", "scaleup", WORKLOAD, begin + 10, begin + 2410, {"before": 8, "after": 9, "by": "hpa"}),
            Event(f"{WORKLOAD}@5", "rise", WORKLOAD, begin + 8, begin + 8, {"before": 8, "after": 9, "served_at": begin + 700.5, "served_by": "keda"}),
        ],
    )  # fmt: skip
    correction = Correction(
        "then", "maintenance", "exclude", datetime.fromtimestamp(begin, UTC).replace(tzinfo=None), 2400, "UTC", "",
        ("checkout-fast",), (), (), who="eve", why="then",
    )  # fmt: skip
    service.runtime.corrections.add(correction, at=begin)
    return begin


def test_what_ended_after_a_moment_of_the_past_goes_on_as_of_then(service, long_ago: int) -> None:
    lasting = {"alert", "override", "scaleup", "correction"}
    for after, ends in ((600, False), (2400, None), (2410, True)):
        found = api(service, **{"from": long_ago - 60, "to": long_ago + after})["changes"]
        mine = {each["kind"]: each for each in found}
        assert set(mine) == lasting | {"rise"}
        told = {kind: (mine[kind]["end"] is not None, mine[kind]["goes_on"]) for kind in lasting}
        over = lasting if ends else {"alert", "correction"} if ends is None else set()
        assert told == {kind: (kind in over, kind not in over) for kind in lasting}, after
    then = f"{datetime.fromtimestamp(long_ago + 600, UTC):%Y-%m-%dT%H:%M:%SZ}"
    for path in ("/changes", "/slos/checkout-fast"):
        shown = page(service, f"{path}?window=1h&at={then}")
        assert shown.count("goes on") >= 4, path
        assert "40\u00a0min" not in shown, path


def test_a_face_that_answered_after_a_moment_of_the_past_is_not_told(service, long_ago: int) -> None:
    for after, who in ((700, ""), (701, "keda")):
        [rise] = api(service, kind="rise", **{"from": long_ago, "to": long_ago + after})["changes"]
        assert rise["who"] == who


def calls(now: int) -> dict[CellKey, int]:
    """Of two services in the 50 hours before, each in one of three versions at a time."""
    chance = Random(7)
    found = {}
    for ago in range(0, 50 * 3600, 170):
        t = (now - ago) // 10 * 10
        version = f"v{(now - ago) // 20_000 % 3}"
        name = chance.choice(("till", "bank"))
        key = CellKey(t, "counted", "pay", "", name, version, "", "", "", "", "success", bin_of(10**7))
        found[key] = chance.randrange(1, 50)
    return found


@pytest.mark.parametrize("hours", [1, 6, 24, 25.5])
def test_versions_of_a_stretch_are_what_a_plain_count_of_its_cells_says(service, counted_calls, hours: float) -> None:
    now, cells_ = counted_calls
    begin = now - hours * 3600
    border, step = int(begin) // 3600 * 3600, max(60, -(-int(hours * 3600) // 288 // 60) * 60)
    expected: dict[tuple[str, str, int], list[tuple[int, int]]] = {}
    for key, n in cells_.items():
        if border - 86_400 <= key.t <= now:
            slice_, grain = (3600, 3600) if key.t < border else (step, 60)
            expected.setdefault((key.service, key.version, key.t // slice_ * slice_), []).append(
                (key.t // grain * grain, n)
            )
    found = VersionsSeen(service.store).between(begin, now, "counted")
    assert found == sorted(
        (Seen(*key, min(t for t, _ in told), sum(n for _, n in told)) for key, told in expected.items()),
        key=lambda one: (one.service, one.slice, one.t, one.version),
    )


def test_cells_that_come_late_are_seen_within_minutes(service) -> None:
    now, clock = int(service.now) // 60 * 60, [0.0]
    seen = VersionsSeen(service.store, clock=lambda: clock[0])

    def versions() -> set[str]:
        return {one.version for one in seen.between(now - 86_400, now, "late")}

    assert versions() == set()
    come = {
        CellKey(now - ago, "late", "pay", "", "till", name, "", "", "", "", "success", bin_of(10**7)): 9
        for ago, name in ((60, "new"), (5 * 3600, "old"))
    }
    cells.insert_cells(service.store, come, token="late")
    assert versions() == set()
    clock[0] += LATELY_SECONDS
    assert versions() == {"new"}
    clock[0] += KEPT_SECONDS
    assert versions() == {"new", "old"}


@pytest.mark.parametrize(("hours", "after"), [(1, 1800), (720, 0)])
def test_the_past_is_not_answered_from_what_was_read_before_it_was_over(service, hours: int, after: int) -> None:
    """A live page reads to the end of the running minute, of which the rest comes yet."""
    over = int(service.now) // 10_800 * 10_800 - 99 * 3600 + after
    seen = VersionsSeen(service.store)
    name = f"running-{hours}"

    def versions(end: float, *, past: bool) -> set[str]:
        return {one.version for one in seen.between(end - hours * 3600, end, name, past=past)}

    assert versions(over - 30, past=False) == set()
    key = CellKey(over - 20, name, "pay", "", "till", "new", "", "", "", "", "success", bin_of(10**7))
    cells.insert_cells(service.store, {key: 9}, token=name)
    assert versions(over + 1, past=True) == {"new"}


@pytest.fixture(scope="module")
def counted_calls(service) -> tuple[int, dict[CellKey, int]]:
    now = int(service.now) // 60 * 60
    found = calls(now)
    cells.insert_cells(service.store, found, token="counted")
    return now, found
