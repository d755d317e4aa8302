"""Which journeys a list is about, and how it comes to know."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from maibo_slo.documents import Catalogue, Journey, Origin
from maibo_slo.errors import StoreError
from maibo_slo.service import causes
from maibo_slo.service.journeys import JourneyQuestions
from maibo_slo.service.traces import TraceLinks
from maibo_slo.store import cells, open_store, traffic
from maibo_slo.store.cells import CellKey
from maibo_slo.store.histogram import bin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from maibo_slo.service.answers import JourneysAnswer
    from maibo_slo.store import Store

NOW = int(time.time()) // 60 * 60 + 5
LIMIT = 10


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"chdb://{tmp_path / 'store'}") as opened:
        yield opened


@pytest.fixture
def rankings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One for each time that journeys were ranked."""
    found: list[int] = []
    busiest = cells.busiest

    def ranked(*asked, **how) -> tuple[list[str], int]:
        found.append(1)
        return busiest(*asked, **how)

    monkeypatch.setattr(cells, "busiest", ranked)
    return found


def begin(store: Store, names: range, *, ago: int = 60) -> None:
    """Journeys, each busier than the one before."""
    t, place = (NOW - ago) // 10 * 10, bin_of(10**8)
    counted = {
        CellKey(t, f"journey-{number:02}", "", "", "shop", "", "", "", "", "", "success", place): number + 1
        for number in names
    }
    cells.insert_cells(store, counted, token=str(names))


def asked(questions: JourneyQuestions, **how) -> JourneysAnswer:
    return questions.journeys(now=NOW, series=True, limit=LIMIT, **how)


def test_a_list_of_few_journeys_that_is_kept_open_is_of_one_reading(store, rankings):
    begin(store, range(5))
    questions = JourneyQuestions(store, Catalogue, TraceLinks())
    first = asked(questions)
    assert [one.name for one in first.journeys] == [f"journey-{number:02}" for number in range(5)]
    assert rankings == [1]
    assert asked(questions) == first
    assert rankings == [1]


def test_journeys_that_have_become_many_are_ranked_again(store, rankings):
    begin(store, range(5))
    questions = JourneyQuestions(store, Catalogue, TraceLinks())
    asked(questions)
    begin(store, range(5, 25))
    many = asked(questions)
    assert [one.name for one in many.journeys] == [f"journey-{number:02}" for number in range(15, 25)]
    assert many.omitted == 15
    assert many == asked(JourneyQuestions(store, Catalogue, TraceLinks()))
    assert len(rankings) == 3


def test_what_is_asked_of_some_journeys_says_nothing_of_how_many_there_are(store, rankings):
    begin(store, range(25))
    questions = JourneyQuestions(store, Catalogue, TraceLinks())
    assert len(asked(questions, where={"journey": ["journey-03"]}).journeys) == 1
    assert asked(questions).omitted == 15
    assert len(rankings) == 2


@pytest.mark.parametrize(
    "other", [{"window_seconds": 3600}, {"begin": NOW - 1900, "end": NOW - 1600}], ids=["longer", "past"]
)
def test_of_another_window_no_more_is_read_than_of_as_many_as_are_told(store, monkeypatch, other):
    begin(store, range(3))
    begin(store, range(25), ago=1800)
    questions = JourneyQuestions(store, Catalogue, TraceLinks())
    assert asked(questions) == asked(questions)
    read: list[int] = []
    real = traffic.by_journey

    def by_journey(store, window, which, **how):
        counted, slices = real(store, window, which, **how)
        read.append(len(counted))
        return counted, slices

    monkeypatch.setattr(traffic, "by_journey", by_journey)
    many = asked(questions, **other)
    assert (len(many.journeys), many.omitted, read) == (LIMIT, 15, [LIMIT])


class Interrupted(int):
    """A limit: before anything is compared with it, another asks."""

    ask: Callable[[], object]

    def __ge__(self, other):
        self.ask()
        return int(self) >= other


def test_how_many_are_left_out_is_what_was_counted_whoever_asks_at_the_same_time(store):
    begin(store, range(3))
    begin(store, range(25), ago=1800)
    questions = JourneyQuestions(store, Catalogue, TraceLinks())
    asked(questions)
    limit = Interrupted(LIMIT)
    limit.ask = lambda: asked(questions, window_seconds=3600)
    found = questions.journeys(now=NOW, series=True, limit=limit)
    assert (len(found.journeys), found.omitted) == (3, 0)


def test_of_a_journey_that_is_not_there_nothing_else_is_asked(store, no_thread_free, monkeypatch):
    beside: list[str] = []
    for name in ("flow_of", "skewed_by_journey"):
        monkeypatch.setattr(causes, name, lambda *_, name=name, **__: beside.append(name))
    questions = JourneyQuestions(store, Catalogue, TraceLinks())
    assert questions.journey("nobody", now=NOW) is None
    monkeypatch.setattr(cells, "busiest", lambda *_, **__: (_ for _ in ()).throw(StoreError("down")))
    with pytest.raises(StoreError):
        asked(questions)
    no_thread_free()
    assert beside == []


@pytest.mark.parametrize(("ago", "end"), [(1195, None), (1200, None), (30, None), (-10, 0)], ids=str)
def test_of_a_moment_of_the_past_nobody_was_last_seen_later(store, ago, end):
    checkout = Journey("checkout", "", "", "shop", (), 1800, None, {}, Origin("", 1))
    seen = NOW // 3600 * 3600 - 3 * 3600 + 2440  # late in an hour that is over, and late in a minute
    place = CellKey(seen, "checkout", "", "", "shop", "", "", "", "", "", "success", bin_of(10**8))
    cells.insert_cells(store, {place: 1}, token="one")
    questions = JourneyQuestions(store, lambda: Catalogue(journeys={"checkout": checkout}), TraceLinks())
    [found] = questions.journeys(now=NOW, begin=seen - ago - 10, end=seen - ago).journeys
    assert (found.last_event_at is None) is (end is None)


def test_a_journey_that_was_silent_for_hours_was_last_seen_before_them(store):
    checkout = Journey("checkout", "", "", "shop", (), 1800, None, {}, Origin("", 1))
    seen = NOW // 3600 * 3600 - 20 * 3600 + 2440
    place = CellKey(seen, "checkout", "", "", "shop", "", "", "", "", "", "success", bin_of(10**8))
    cells.insert_cells(store, {place: 1}, token="one")
    questions = JourneyQuestions(store, lambda: Catalogue(journeys={"checkout": checkout}), TraceLinks())
    for end in (NOW, NOW - 4 * 3600):
        [found] = questions.journeys(now=NOW, begin=end - 300, end=end).journeys
        assert found.last_event_at is not None
        assert abs(found.last_event_at.timestamp() - seen) <= 60
