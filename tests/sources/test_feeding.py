"""Feeding on a fake clock: the present first, then the past; nothing is lost while a source is down, and nothing is asked twice in vain."""

from __future__ import annotations

import asyncio
import doctest
import threading
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_slo.documents import Catalogue
from maibo_slo.engine import spans
from maibo_slo.engine.counts import GoodBad
from maibo_slo.engine.feeding import CHUNK_SECONDS, LOOK_BACK_SECONDS, Feeder, SourceError, SourceUnreachable
from maibo_slo.engine.inbox import MOST_EVENTS
from maibo_slo.engine.spans import Span, joined, newest_gap
from maibo_slo.sources import promql, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping
    from pathlib import Path

NOW = 1_700_006_400.0
DAY = 86_400


@dataclass(slots=True)
class Fake:
    """A source that has one good event in each minute."""

    name: str = "fake"
    version: str = "1"
    asked: list[tuple[str, int, int]] = field(default_factory=list)
    empty: Container[int] = ()
    error: Exception | None = None
    failing: set[str] = field(default_factory=set)
    """SLOs that alone have the error; empty: all."""

    def serves(self, slo: Any) -> bool:
        return True

    def settle_seconds(self, slo: Any) -> float:
        return 30.0

    def source_of(self, slo: Any) -> str:
        return f"{self.name}:{self.version}"

    def counts(self, slo: Any, begin: int, end: int) -> Mapping[int, GoodBad]:
        self.asked.append((slo.name, begin, end))
        if self.error is not None and (not self.failing or slo.name in self.failing):
            raise self.error
        return {t: GoodBad(1, 0) for t in range(begin, end, 60) if t not in self.empty}


@dataclass(slots=True)
class World:
    """A feeder, its clock, and an engine that takes in what is on offer when it is told to."""

    folder: Path
    slos: list[Any]
    sources: list[Any]
    now: float = NOW
    ticked_at: float | None = None
    offers: list[tuple[str, dict[int, GoodBad], str]] = field(default_factory=list)
    health: dict[str, str | None] = field(default_factory=dict)

    def feeder(self, store: str = "chdb:///store") -> Feeder:
        return Feeder(
            self.sources,
            lambda: Catalogue(prom_slos={slo.name: slo for slo in self.slos}),
            lambda slo, counts, *, source: self.offers.append((slo, dict(counts), source)),
            memory_path=self.folder / "feeds.json",
            store=store,
            taken_in=lambda: self.ticked_at,
            tell=self.health.__setitem__,
            now=lambda: self.now,
        )

    def tick(self) -> None:
        self.now += 1
        self.ticked_at = self.now

    def minutes(self, slo: str = "orders") -> dict[int, GoodBad]:
        """What the engine would have."""
        return {t: counts for name, offer, _ in self.offers if name == slo for t, counts in offer.items()}


@pytest.fixture
def world(tmp_path: Path, make_slo: Callable[..., Any]) -> World:
    return World(tmp_path, [make_slo(days=7)], [Fake()])


def test_the_present_comes_first_and_then_the_past_newest_first(world: World) -> None:
    world.feeder().round()
    asked = [(begin, end) for _, begin, end in world.sources[0].asked]
    end = int(NOW) - 60  # the minute that ended 30 s ago at most is not complete
    assert asked[0] == (end - LOOK_BACK_SECONDS, end)
    assert all(newer[0] == older[1] for newer, older in pairwise(asked))
    assert all(end - begin <= CHUNK_SECONDS for begin, end in asked)
    assert asked[-1][0] == int(NOW) - 7 * DAY
    assert world.minutes() == {t: GoodBad(1, 0) for t in range(int(NOW) - 7 * DAY, end, 60)}
    assert world.health == {"fake": None}


def test_then_a_minute_costs_one_question_and_what_is_new_is_offered(world: World) -> None:
    feeder = world.feeder()
    feeder.round()
    world.sources[0].asked.clear()
    world.offers.clear()
    world.now += 10
    feeder.round()
    assert world.sources[0].asked == []
    world.now += 50
    feeder.round()
    assert len(world.sources[0].asked) == 1
    assert world.minutes() == {int(NOW) - 60: GoodBad(1, 0)}


def test_what_reaches_the_source_late_and_what_it_takes_back_is_offered(world: World) -> None:
    late, gone = int(NOW) - 240, int(NOW) - 300
    world.sources[0].empty = {late}
    feeder = world.feeder()
    feeder.round()
    assert late not in world.minutes()
    world.sources[0].empty = {gone}
    world.now += 60
    world.offers.clear()
    feeder.round()
    assert world.minutes() == {late: GoodBad(1, 0), gone: GoodBad(0, 0), int(NOW) - 60: GoodBad(1, 0)}


def test_while_a_source_is_down_nothing_is_offered_and_then_nothing_is_missing(world: World) -> None:
    feeder = world.feeder()
    feeder.round()
    world.sources[0].error = SourceUnreachable("http://p:9090 cannot be reached")
    for _ in range(180):
        world.now += 60
        feeder.round()
    assert world.health == {"fake": "http://p:9090 cannot be reached; no counts of 1 SLO meanwhile"}
    assert max(world.minutes()) < NOW
    world.sources[0].error = None
    world.now += 60
    feeder.round()
    assert world.health == {"fake": None}
    assert sorted(world.minutes())[-200:] == list(range(int(world.now) - 60 * 201, int(world.now) - 60, 60))


def test_a_place_that_is_down_is_asked_ever_more_seldom_for_one_of_its_slos(world: World, make_slo: Any) -> None:
    world.slos = [make_slo(name=name) for name in ("a", "b", "c")]
    source = world.sources[0]
    source.error = SourceUnreachable("down")
    feeder = world.feeder()
    for _ in range(600):
        feeder.round()
        world.now += 1
    assert 10 <= len(source.asked) <= 14, "after 10, 20 and 40 s, then every minute"
    assert {name for name, _, _ in source.asked} == {"a", "b", "c"}
    assert world.health["fake"] == "down; no counts of 3 SLOs meanwhile"


def test_an_slo_that_cannot_be_asked_for_leaves_the_others_alone(world: World, make_slo: Any) -> None:
    world.slos = [make_slo(name=name) for name in ("a", "b")]
    source = world.sources[0]
    source.error, source.failing = SourceError("parse error; mend the query"), {"a"}
    feeder = world.feeder()
    feeder.round()
    assert world.health == {"fake": "SLO a: parse error; mend the query"}
    assert (set(world.minutes("a")), len(world.minutes("b")) > 1000) == (set(), True)
    tries = [name for name, _, _ in source.asked].count("a")
    for _ in range(60):
        world.now += 1
        feeder.round()
    assert [name for name, _, _ in source.asked].count("a") - tries == 2, "after 10 and 20 s more"
    source.error = None
    world.slos = [make_slo(name=name) for name in ("a", "b")]  # the documents were loaded again
    feeder.round()
    assert len(world.minutes("a")) == len(world.minutes("b")) - 1, "which was asked for a minute earlier"
    assert world.health == {"fake": None}


def test_one_query_that_takes_too_long_keeps_no_other_from_its_past(world: World, make_slo: Any) -> None:
    world.slos = [make_slo(name=name) for name in ("a", "slow", "slower", "z")]
    source = world.sources[0]
    source.error, source.failing = SourceUnreachable("no answer within 10 s"), {"slow", "slower"}
    feeder = world.feeder()
    world.tick()
    for _ in range(30):
        feeder.round()
        world.tick()
    assert len(world.minutes("a")) == len(world.minutes("z")) >= 28 * 1440 - 1
    assert world.minutes("slow") == {}
    assert "SLO slow: no answer within 10 s" in str(world.health["fake"])
    before = len(source.asked)
    source.failing = set()
    for _ in range(300):
        feeder.round()
        world.tick()
    assert len(source.asked) - before <= 20, "and one that went down is not asked for each of them"


def test_a_past_that_takes_too_long_is_asked_for_in_smaller_parts_and_delays_no_present(world: World) -> None:
    class Weak(Fake):
        def counts(self, slo: Any, begin: int, end: int) -> Mapping[int, GoodBad]:
            if end - begin > 2 * 3600:
                self.asked.append((slo.name, begin, end))
                raise SourceError("query timed out")
            return super().counts(slo, begin, end)

    world.sources = [Weak()]
    feeder, newest = world.feeder(), 0
    for _ in range(10):
        feeder.round()
        newest = max(world.minutes())
        assert newest == (int(world.now) - 30) // 60 * 60 - 60
        world.now += 60
        world.ticked_at = world.now
    assert sorted(world.minutes()) == list(range(int(NOW) + 300 - 7 * DAY, newest + 60, 60))
    tried = [end - begin for _, begin, end in world.sources[0].asked if end - begin > 2 * 3600]
    assert tried[:2] == [6 * 3600, 3 * 3600]
    assert len(tried) <= 6, "ever more seldom"
    assert world.health == {"fake": None}


def test_a_past_that_failed_once_is_asked_for_in_large_parts_again(world: World) -> None:
    class Once(Fake):
        failed: bool = False

        def counts(self, slo: Any, begin: int, end: int) -> Mapping[int, GoodBad]:
            if end - begin > LOOK_BACK_SECONDS and not self.failed:
                self.failed = True
                raise SourceError("query timed out")
            return super().counts(slo, begin, end)

    world.sources = [Once()]
    feeder = world.feeder()
    for _ in range(3):
        feeder.round()
        world.now += 20
    sizes = [end - begin for _, begin, end in world.sources[0].asked if end - begin > LOOK_BACK_SECONDS]
    assert sizes[:4] == [CHUNK_SECONDS // 2] * 4
    assert set(sizes[4:-1]) == {CHUNK_SECONDS}


def test_an_engine_that_stands_still_is_not_buried_in_the_present(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr("maibo_slo.engine.feeding.feeder.MOST_UNTAKEN", 100)
    feeder = world.feeder()
    for _ in range(1000):
        feeder.round()
        world.now += 60
    assert sum(len(counts) for _, counts, _ in world.offers) < 100 + 360 + 200
    world.tick()
    for _ in range(100):
        feeder.round()
        world.tick()
    assert sorted(world.minutes()) == list(range(min(world.minutes()), (int(world.now) - 30) // 60 * 60, 60))


def test_a_strangers_mistakes_are_told_and_counted_nowhere(world: World, caplog: pytest.LogCaptureFixture) -> None:
    class Wrong(Fake):
        said: Any = GoodBad(1, -1)

        def counts(self, slo: Any, begin: int, end: int) -> Mapping[int, GoodBad]:
            return {begin: self.said}

    for said in ((1, -1), (1.5, 0), (float("nan"), 0), ("1", 0)):
        Wrong.said = said
        world.sources = [Wrong()]
        world.feeder().round()
        assert "not whole counts from 0" in str(world.health["fake"])
    world.sources = [Fake(error=ZeroDivisionError("oops"))]
    world.feeder().round()
    assert world.health["fake"] == "SLO orders: ZeroDivisionError: oops"
    assert world.offers == []


def test_more_events_than_the_engine_takes_are_told_with_the_mend(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    class Summed(Fake):
        def counts(self, slo: Any, begin: int, end: int) -> Mapping[int, GoodBad]:
            return {begin: GoodBad(MOST_EVENTS + 1, 0)}

    world.sources = [Summed()]
    world.feeder().round()
    assert "tell each minute's own events" in str(world.health["fake"])
    assert [record for record in caplog.records if record.exc_info] == [], "it is nothing unforeseen"
    assert world.offers == []


def test_a_changed_query_is_asked_for_anew_under_another_name(world: World) -> None:
    feeder = world.feeder()
    feeder.round()
    before = world.minutes()
    world.offers.clear()
    world.sources[0].version = "2"
    feeder.round()
    assert world.minutes() == before | {int(NOW): GoodBad(0, 0)}, "which is not over"
    assert {source for *_, source in world.offers} == {"fake:2"}


def test_a_changed_query_without_data_is_told_too(world: World) -> None:
    world.sources[0].empty = range(0, int(NOW) + DAY, 60)
    world.feeder().round()
    assert world.offers == [("orders", {int(NOW) - 120: GoodBad(0, 0)}, "fake:1")]


def test_an_answer_to_what_is_not_asked_any_more_is_offered_to_nobody(world: World) -> None:
    class Reloaded(Fake):
        """The documents are loaded again while it counts."""

        def counts(self, slo: Any, begin: int, end: int) -> Mapping[int, GoodBad]:
            self.version = "2"
            feeder.places()
            return {begin: GoodBad(7, 7)}

    world.sources = [Reloaded()]
    feeder = world.feeder()
    [place] = feeder.places()
    feeder.work(place)
    assert world.offers == [("orders", {int(NOW): GoodBad(0, 0)}, "fake:2")], "and of the new one there is nothing yet"


def test_counts_of_a_query_that_is_asked_no_more_are_void_though_the_new_one_fails(world: World) -> None:
    feeder = world.feeder()
    feeder.round()
    world.tick()
    feeder.report()
    feeder.save()
    for again in (feeder, world.feeder()):  # the documents were loaded again, or the service started with other ones
        world.offers.clear()
        world.sources[0].version += "0"
        world.sources[0].error = SourceError("parse error; mend the query")
        again.round()
        assert world.offers == [("orders", {int(NOW): GoodBad(0, 0)}, f"fake:{world.sources[0].version}")]


def test_a_query_that_is_asked_no_more_is_void_though_the_engine_died_before_it_was_told(world: World) -> None:
    feeder = world.feeder()
    feeder.round()
    world.tick()
    feeder.report()
    feeder.save()
    for version in ("2", "2", "3", "2"):  # each time the blank dies with the process
        world.offers.clear()
        world.sources[0].version = version
        world.sources[0].error = SourceError("parse error; mend the query")
        again = world.feeder()
        again.round()
        again.save()
        assert world.offers == [("orders", {int(world.now) // 60 * 60: GoodBad(0, 0)}, f"fake:{version}")]
    world.sources[0].error = None
    world.now += 60
    again.round()
    world.tick()
    again.report()
    again.save()
    world.offers.clear()
    world.feeder().round()
    assert GoodBad(0, 0) not in world.minutes().values(), "what is taken in is remembered, and no former one"


def test_an_objective_of_another_name_has_everything_asked_anew(world: World, make_slo: Any) -> None:
    feeder = world.feeder()
    feeder.round()
    before = world.minutes()
    world.offers.clear()
    world.slos = [make_slo(days=7, objectives=("0.99", "0.999"))]
    feeder.round()
    assert world.minutes() == before


def test_a_restart_goes_on_where_the_engine_had_taken_in_what_was_said(world: World) -> None:
    feeder = world.feeder()
    feeder.round()
    feeder.save()
    assert not (world.folder / "feeds.json").exists(), "it is on offer, and lost if the engine dies now"
    world.tick()
    feeder.report()
    feeder.save()
    world.sources[0].asked.clear()
    world.now += 3600
    again = world.feeder()
    again.round()
    begins = {begin for _, begin, _ in world.sources[0].asked}
    assert min(begins) >= NOW - 60, "the hour in between, and nothing before it"
    assert int(world.now) // 60 * 60 - 120 in world.minutes()


def test_minutes_that_a_clock_ahead_asked_for_are_asked_for_when_they_have_come(world: World) -> None:
    feeder = world.feeder()
    world.now += DAY
    world.sources[0].empty = range(int(NOW), int(NOW) + 2 * DAY, 60)
    feeder.round()
    world.now = NOW
    feeder.round()
    world.sources[0].empty = ()
    for _ in range(5):
        world.now += 3600
        feeder.round()
    assert all(world.minutes()[t] == GoodBad(1, 0) for t in range(int(NOW), int(world.now) - 60, 60))


@pytest.mark.parametrize("error", [SourceUnreachable("down"), SourceError("refused")])
def test_what_a_clock_ahead_put_off_is_not_waited_for(world: World, error: Exception) -> None:
    world.sources[0].error = error
    feeder = world.feeder()
    world.now += DAY
    feeder.round()
    world.sources[0].error = None
    world.now = NOW
    feeder.round()
    feeder.round()
    assert world.health == {"fake": None}
    assert len(world.minutes()) >= 7 * 1440 - 1


def test_what_was_offered_under_a_clock_ahead_is_taken_in_by_the_next_tick(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr("maibo_slo.engine.feeding.feeder.MOST_UNTAKEN", 100)
    feeder = world.feeder()
    world.now += DAY
    feeder.round()
    world.now = NOW
    for _ in range(100):
        feeder.round()
        world.tick()
    assert min(world.minutes()) <= NOW - 6 * DAY
    feeder.report()
    feeder.save()
    assert (world.folder / "feeds.json").exists()


def test_another_store_has_nothing_of_what_is_remembered(world: World) -> None:
    feeder = world.feeder()
    feeder.round()
    world.tick()
    feeder.report()
    feeder.save()
    world.sources[0].asked.clear()
    world.feeder("chdb:///elsewhere").round()
    assert min(begin for _, begin, _ in world.sources[0].asked) == int(world.now - 7 * DAY) // 60 * 60
    (world.folder / "feeds.json").write_text('{"format": 1, "store": "chdb:///store", "feeds": {"orders": 1}}')
    world.sources[0].asked.clear()
    world.feeder().round()
    assert len(world.sources[0].asked) > 20, "a damaged file costs a second asking"


def test_the_past_waits_for_an_engine_that_takes_nothing_in(world: World, make_slo: Any) -> None:
    world.slos = [make_slo(name=f"slo-{number}") for number in range(8)]
    feeder = world.feeder()
    world.tick()
    for _ in range(5):
        feeder.round()
    offered = sum(len(counts) for _, counts, _ in world.offers)
    assert 100_000 <= offered < 100_000 + 360 + 8
    world.tick()
    feeder.round()
    feeder.round()
    assert sum(len(counts) for _, counts, _ in world.offers) > 1.9 * offered


def test_a_source_that_hangs_delays_its_own_slos_alone(world: World, make_slo: Any) -> None:
    release = threading.Event()

    class Hanging(Fake):
        def serves(self, slo: Any) -> bool:
            return bool(slo.name == "hung")

        def counts(self, slo: Any, begin: int, end: int) -> Mapping[int, GoodBad]:
            release.wait(20)
            return super().counts(slo, begin, end)

    world.slos = [make_slo(name="hung"), make_slo(name="orders")]
    world.sources = [Hanging("hanging"), Fake()]

    async def run() -> None:
        stopping = asyncio.Event()
        task = asyncio.create_task(world.feeder().run(stopping))
        while world.health.get("fake", "") is not None or len(world.minutes()) < 28 * 1400:
            await asyncio.sleep(0.01)
        assert world.minutes("hung") == {}
        stopping.set()
        release.set()
        await task

    asyncio.run(run())
    assert world.minutes("hung"), "what was under way at the stop is waited for"


def test_a_source_that_hangs_does_not_keep_us_from_stopping(
    world: World, make_slo: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("maibo_slo.engine.feeding.feeder.STOP_SECONDS", 0.05, raising=False)
    monkeypatch.setattr("maibo_slo.engine.feeding.feeder.THREADS", 1)
    release, begun = threading.Event(), threading.Event()

    class Hanging(Fake):
        def serves(self, slo: Any) -> bool:
            return bool(slo.name == self.name)

        def counts(self, slo: Any, begin: int, end: int) -> Mapping[int, GoodBad]:
            begun.set()
            release.wait(20)
            return super().counts(slo, begin, end)

    world.slos = [make_slo(name="hung"), make_slo(name="queued")]
    world.sources = [Hanging("hung"), Hanging("queued")]

    async def run() -> None:
        stopping = asyncio.Event()
        task = asyncio.create_task(world.feeder().run(stopping))
        while not begun.is_set():
            await asyncio.sleep(0.01)
        stopping.set()
        done, _ = await asyncio.wait([task], timeout=5)  # QUICK_SECONDS, and a little
        release.set()
        await task
        assert done

    asyncio.run(run())
    for thread in threading.enumerate():
        if thread.name.startswith("maibo-source"):
            thread.join(10)
    assert [slo for source in world.sources for slo, *_ in source.asked] == ["hung"], "who waited is not asked any more"
    assert [record.getMessage() for record in caplog.records] == ["a source did not answer within 0.05 s of the stop"]


def test_the_first_source_that_serves_an_slo_has_it(world: World) -> None:
    world.sources = [Fake("first"), Fake("second")]
    world.feeder().round()
    assert {source for *_, source in world.offers} == {"first:1"}
    assert world.health == {"first": None}


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20))), st.integers(0, 20), st.integers(0, 20))
def test_a_gap_is_the_newest_of_what_is_missing(pairs: list[tuple[int, int]], begin: int, end: int) -> None:
    known = {t for first, last in pairs for t in range(first, last)}
    missing = [t for t in range(begin, end) if t not in known]
    gap = newest_gap(Span(begin, end), [Span(*pair) for pair in pairs])
    if not missing:
        assert gap is None
        return
    last = missing[-1]
    first = next(t for t in range(last, begin - 2, -1) if t - 1 not in missing)
    assert gap == Span(first, last + 1)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20))), st.integers(0, 20))
def test_joined_spans_are_the_same_times(pairs: list[tuple[int, int]], since: int) -> None:
    merged = joined((Span(*pair) for pair in pairs), since=since)
    assert {t for span in merged for t in range(*span)} == {
        t for first, last in pairs for t in range(first, last) if t >= since
    }
    assert all(earlier.end < later.begin for earlier, later in pairwise(merged))


def test_the_examples_in_the_docstrings_hold() -> None:
    for module in (spans, promql, whole):
        failed, tried = doctest.testmod(module)
        assert (failed, tried > 0) == (0, True)
