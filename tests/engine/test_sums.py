"""The windows' sums in memory against every minute in a dict, and against the ledger's own answer."""

import itertools
import time
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from maibo_slo.engine.burn import BURN_WINDOWS, Counts
from maibo_slo.engine.sums import Found, Name, Sums
from maibo_slo.errors import StoreError
from maibo_slo.store import Store, ledger
from maibo_slo.store.ledger import Interval, window_sums

MINUTE, HOUR, DAY = 60, 3_600, 86_400
BASE = int(time.time()) // DAY * DAY - 40 * DAY
"""The begin of a day, long enough ago that the tests' clocks do not come to the present."""
NUMBERS = itertools.count()
NOTHING = Counts(0, 0, 0)


@dataclass(slots=True)
class Book:
    """A ledger and its sums, and every minute ever written, the plain way."""

    store: Store
    now: int = BASE
    windows: dict[Name, int] = field(default_factory=dict)
    sums: Sums = field(init=False)
    version: int = 0
    plain: dict[Name, dict[int, tuple[int, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sums = Sums(self.store)

    def open(self, *seconds: int) -> list[Name]:
        """New objectives, with SLOs of these windows."""
        names = [Name(f"slo-{next(NUMBERS)}", "fast") for _ in seconds]
        self.windows |= dict(zip(names, seconds, strict=True))
        return names

    def write(self, *rows: tuple[Name, int, int, int]) -> None:
        """(name, t, good, bad), each minute of an objective once."""
        self.version += 1
        intervals = [Interval(*name, "", t, good, bad, good + bad, "test") for name, t, good, bad in rows]
        ledger.append(self.store, intervals, version=self.version)
        self.sums.put(intervals)
        for name, t, good, bad in rows:
            self.plain.setdefault(name, {})[t] = (good, bad)

    def ask(self) -> dict[Name, Found]:
        return self.sums.at(self.now, self.windows)

    def check(self) -> None:
        assert self.ask() == {name: self.expected(name, seconds) for name, seconds in self.windows.items()}

    def expected(self, name: Name, seconds: int) -> Found:
        end = self.now // MINUTE * MINUTE + MINUTE
        minutes = self.plain.get(name, {})
        counts = {}
        for length in {*BURN_WINDOWS.values(), seconds}:
            within = [minutes[t] for t in minutes if end - length <= t < end]
            counts[length] = Counts(
                sum(g for g, _ in within), sum(b for _, b in within), sum(g + b > 0 for g, b in within)
            )
        longest = max(counts)
        return Found(counts, max((t for t in minutes if end - longest <= t < end and sum(minutes[t])), default=None))

    def check_against_the_ledger(self) -> None:
        found = self.ask()
        lengths = {name.slo: sorted({*BURN_WINDOWS.values(), seconds}) for name, seconds in self.windows.items()}
        told = {
            (name, length): NOTHING
            for name, seconds in self.windows.items()
            for length in (*BURN_WINDOWS.values(), seconds)
        }
        for each in window_sums(self.store, now=self.now, windows=lengths):
            counts = Counts(each.good, each.bad, each.observed_minutes)
            told[Name(each.slo, each.objective), each.window_seconds] = counts
        assert {(name, length): each for name in found for length, each in found[name].counts.items()} == told


@pytest.fixture
def book(store: Store) -> Book:
    return Book(store)


WINDOWS = (HOUR, 3 * DAY, 3 * DAY + MINUTE, 4 * DAY + 90 * MINUTE, 7 * DAY, 28 * DAY)
AGES = st.one_of(
    st.integers(-90, 200),  # of minutes; some are yet to come
    st.sampled_from([window // MINUTE for window in (*BURN_WINDOWS.values(), *WINDOWS)]).flatmap(
        lambda minutes: st.integers(minutes - 62, minutes + 62)
    ),
    st.integers(0, 29 * 1_440),
)
COUNTS = st.sampled_from([0, 0, 1, 3, 255, 256, 70_000, 2**33])
ROWS = st.lists(st.tuples(st.integers(0, 5), AGES, COUNTS, COUNTS), max_size=10)
STEPS = st.sampled_from(
    [0, 10, 60, 590, 3_590, 3_600, 5 * HOUR, 71 * HOUR, 73 * HOUR, 5 * DAY, -30, -60, -HOUR, -2 * DAY]
)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), ROWS),
        st.tuples(st.just("write"), ROWS),
        st.tuples(st.just("wait"), STEPS),
        st.tuples(st.just("wait"), STEPS),
        st.tuples(st.just("ask"), st.just(0)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("forget"), st.integers(0, 5)),
        st.tuples(st.just("return"), st.integers(0, 5)),
    ),
    min_size=2,
    max_size=14,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS, minute=st.integers(0, 59))
@example(actions=[("ask", 0), ("write", [(2, -30, 1, 1)]), ("ask", 0), ("wait", HOUR), ("ask", 0)], minute=45)
@example(actions=[("ask", 0), ("write", [(4, 7 * 1_440 - 20, 5, 0)]), ("ask", 0), ("wait", 600), ("ask", 0)], minute=30)
def test_sums_are_those_of_every_minute_whatever_happens(actions, minute: int, store: Store) -> None:
    book = Book(store, now=BASE + minute * MINUTE + 7)
    names = book.open(*WINDOWS)
    everything = dict(book.windows)
    for action, what in [*actions, ("ask", 0)]:
        match action:
            case "write":
                now = book.now // MINUTE * MINUTE
                # The last of several rows of one minute is the one that is written.
                rows = {(names[place], now - ago * MINUTE): (good, bad) for place, ago, good, bad in what}
                book.write(*((name, t, *counts) for (name, t), counts in rows.items()))
            case "wait":
                book.now += what
            case "ask":
                book.check()
            case "restart":
                book.sums = Sums(store)
            case "forget":
                book.windows.pop(names[what], None)
            case "return":
                book.windows[names[what]] = everything[names[what]]
    book.check_against_the_ledger()


def test_windows_move_on_minute_by_minute(book: Book) -> None:
    names = book.open(7 * DAY, HOUR)
    begin = BASE - 8 * DAY
    book.write(*((name, begin + m * MINUTE, m % 7, m % 3) for name in names for m in range(0, 8 * 1_440, 13)))
    for _ in range(130):
        book.now += MINUTE
        book.check()


def test_nothing_of_the_ledger_is_read_until_an_hour_begins(book: Book, monkeypatch) -> None:
    names = book.open(28 * DAY, 7 * DAY, HOUR)
    book.now = BASE + 5 * MINUTE
    book.check()
    asked: list[str] = []
    real = Store.arrow
    monkeypatch.setattr(Store, "arrow", lambda own, sql, *rest: asked.append(sql) or real(own, sql, *rest))
    for _ in range(50):
        book.now += MINUTE
        book.write(*((name, book.now - 3 * DAY, 1, 0) for name in names), *((name, book.now, 5, 1) for name in names))
        book.check()
    assert asked == []
    book.now += 10 * MINUTE
    book.check()
    begun = len(asked)
    assert 0 < begun <= 2 * 3  # for SLOs of each window: the hour that began, and the next one at its far end
    book.now += 10 * MINUTE
    book.check()
    assert len(asked) == begun


def test_a_late_minute_has_its_hour_read_and_no_other(book: Book, monkeypatch) -> None:
    (name,) = book.open(28 * DAY)
    late = BASE - 20 * DAY
    book.write((name, late, 10, 0), (name, late + MINUTE, 1, 1), (name, late + HOUR, 7, 0))
    book.check()
    asked: list[dict] = []
    real = Store.arrow
    monkeypatch.setattr(Store, "arrow", lambda own, sql, values: asked.append(values) or real(own, sql, values))
    book.write((name, late, 4, 2))
    book.check()
    assert [(each["begin"], each["end"], each["slos"]) for each in asked] == [(late, late + HOUR, [name.slo])]


def test_after_a_failure_the_ledger_is_read_anew(book: Book, monkeypatch) -> None:
    (name,) = book.open(7 * DAY)
    book.write((name, BASE, 3, 1))
    book.check()
    book.now += HOUR
    book.write((name, BASE, 4, 1), (name, BASE + HOUR, 1, 0))

    def fail(*_: object) -> None:
        raise StoreError("the server went away")

    with monkeypatch.context() as broken, pytest.raises(StoreError):
        broken.setattr(Store, "arrow", fail)
        book.ask()
    book.write((name, BASE + HOUR, 2, 0))
    book.check()


def test_an_objective_is_no_bigger_than_its_counts_need(book: Book) -> None:
    names = book.open(*[30 * DAY] * 10)
    book.write(*((name, BASE - ago * MINUTE, 40_000, 200) for name in names for ago in range(0, 2_000, 7)))
    book.check()
    assert book.sums.bytes / len(names) < 20_000


def test_what_is_in_a_group_is_not_the_objectives_own(book: Book) -> None:
    (name,) = book.open(7 * DAY)
    ledger.append(book.store, [Interval(*name, "vip", BASE, 9, 9, 18, "test")], version=1)
    book.write((name, BASE, 1, 0))
    book.sums = Sums(book.store)
    book.check()
