"""The windows' sums in memory against every minute in a dict, and against the ledger's own answer."""

import itertools
import time
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from maibo_slo.engine.burn import BURN_WINDOWS, Counts
from maibo_slo.engine.sums import GROUPS_NAMED, Found, Name, Reach, Sums
from maibo_slo.errors import StoreError
from maibo_slo.store import Store, ledger
from maibo_slo.store.ledger import RAW, Interval, window_sums

MINUTE, HOUR, DAY = 60, 3_600, 86_400
BASE = int(time.time()) // DAY * DAY - 40 * DAY
"""The begin of a day, long enough ago that the tests' clocks do not come to the present."""
NUMBERS = itertools.count()
NOTHING = Counts(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Rolls:
    """A window that rolls."""

    seconds: int

    def reach(self, now: int) -> Reach:
        del now
        return Reach(self.seconds)


@dataclass(frozen=True, slots=True)
class Turns:
    """A calendar whose periods have these lengths in turn."""

    lengths: tuple[int, ...]
    start: int = 0
    """Of the first one, in seconds since `BASE`."""

    def reach(self, now: int) -> Reach:
        cycle = sum(self.lengths)
        begin = (now - BASE - self.start) // cycle * cycle + BASE + self.start
        for length in self.lengths:
            if now < begin + length:
                return Reach(max(self.lengths), begin)
            begin += length
        raise AssertionError("periods have no end")


@dataclass(slots=True)
class Book:
    """A ledger and its sums, and every minute ever written, the plain way."""

    store: Store
    now: int = BASE
    windows: dict[Name, Rolls | Turns] = field(default_factory=dict)
    sums: Sums = field(init=False)
    version: int = 0
    plain: dict[Name, dict[int, tuple[int, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sums = Sums(self.store)

    def open(self, *windows: Rolls | Turns | int, groups: tuple[str, ...] = ("",)) -> list[Name]:
        """New objectives, with SLOs of these windows, each with these groups."""
        names = []
        for window in windows:
            slo = f"slo-{next(NUMBERS)}"
            for group in groups:
                names.append(Name(slo, "fast", group))
                self.windows[names[-1]] = Rolls(window) if isinstance(window, int) else window
        return names

    def write(self, *rows: tuple[Name, int, int, int]) -> None:
        """(name, t, good, bad), each minute of an objective once."""
        self.version += 1
        intervals = [Interval(*name, t, good, bad, good + bad, "test") for name, t, good, bad in rows]
        ledger.append(self.store, intervals, version=self.version)
        self.sums.put(intervals)
        for name, t, good, bad in rows:
            self.plain.setdefault(name, {})[t] = (good, bad)

    def ask(self) -> dict[Name, Found]:
        return self.sums.at(self.now, {name: window.reach(self.now) for name, window in self.windows.items()})

    def check(self) -> None:
        assert self.ask() == {name: self.expected(name) for name in self.windows}

    def expected(self, name: Name) -> Found:
        minutes = self.plain.get(name, {})
        end = self.now // MINUTE * MINUTE + MINUTE

        def within(length: int) -> Counts:
            them = [minutes[t] for t in minutes if end - length <= t < end]
            return Counts(sum(g for g, _ in them), sum(b for _, b in them), sum(g + b > 0 for g, b in them))

        own = self.own_seconds(name)
        longest = max(own, *BURN_WINDOWS.values())
        last_t = max((t for t in minutes if end - longest <= t < end and sum(minutes[t])), default=None)
        return Found({length: within(length) for length in BURN_WINDOWS.values()}, within(own), last_t)

    def own_seconds(self, name: Name) -> int:
        """How long the SLO's own window is by now."""
        seconds, begin = self.windows[name].reach(self.now)
        return seconds if begin is None else self.now // MINUTE * MINUTE + MINUTE - begin

    def check_against_the_ledger(self) -> None:
        found = self.ask()
        lengths = {name.slo: sorted({*BURN_WINDOWS.values(), self.own_seconds(name)}) for name in self.windows}
        told: dict[Name, dict[int, Counts]] = {name: {} for name in found}
        for each in window_sums(self.store, now=self.now, windows=lengths):
            if (name := Name(each.slo, each.objective, each.group)) in told:
                told[name][each.window_seconds] = Counts(each.good, each.bad, each.observed_minutes)
        for name, one in found.items():
            counts = {length: told[name].get(length, NOTHING) for length in lengths[name.slo]}
            assert {**one.counts, self.own_seconds(name): one.own} == counts


@pytest.fixture
def book(store: Store) -> Book:
    return Book(store)


ROLLING = (HOUR, 3 * DAY, 3 * DAY + MINUTE, 4 * DAY + 90 * MINUTE, 7 * DAY, 28 * DAY)
TURNING = (
    Turns((HOUR,)),
    Turns((90 * MINUTE, 7 * MINUTE), 3 * MINUTE),
    Turns((DAY, DAY, 23 * HOUR, 25 * HOUR), 18 * HOUR + 30 * MINUTE),
    Turns((5 * DAY,), 7 * MINUTE),
    Turns((28 * DAY, 28 * DAY - 30 * MINUTE), 45 * MINUTE),  # as rolls beside it: side by side in memory
    Turns((31 * DAY, 30 * DAY, 28 * DAY + HOUR), -4 * DAY + 45 * MINUTE),
)
NAMES = len(ROLLING) + len(TURNING) + 3 + 2
AGES = st.one_of(
    st.integers(-90, 200),  # of minutes; some are yet to come
    st.sampled_from([window // MINUTE for window in (*BURN_WINDOWS.values(), *ROLLING)]).flatmap(
        lambda minutes: st.integers(minutes - 62, minutes + 62)
    ),
    st.integers(0, 29 * 1_440),
)
COUNTS = st.sampled_from([0, 0, 1, 3, 255, 256, 70_000, 2**33])
PLACES = st.integers(0, NAMES - 1)
ROWS = st.lists(st.tuples(PLACES, AGES, COUNTS, COUNTS), max_size=20)
STEPS = st.sampled_from(
    [0, 10, 60, 590, 3_590, 3_600, 5 * HOUR, 23 * HOUR, 71 * HOUR, 73 * HOUR, 5 * DAY, -30, -60, -HOUR, -2 * DAY]
)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), ROWS),
        st.tuples(st.just("write"), ROWS),
        st.tuples(st.just("wait"), STEPS),
        st.tuples(st.just("wait"), STEPS),
        st.tuples(st.just("ask"), st.just(0)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("forget"), PLACES),
        st.tuples(st.just("return"), PLACES),
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
    names = [*book.open(*ROLLING, *TURNING), *book.open(5 * DAY, groups=("tier=gold", "tier=", "__overflow__"))]
    names += book.open(TURNING[2], groups=("region=eu", "region=us"))
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


def test_a_group_has_its_own_counts_and_the_others_leave_it_alone(book: Book) -> None:
    gold, free = book.open(7 * DAY, groups=("tier=gold", "tier=free"))
    nobody = Name(gold.slo, gold.objective)
    book.write(
        *((name, BASE - ago * HOUR, ago, n) for n, name in enumerate((gold, free, nobody)) for ago in (1, 9, 99))
    )
    book.check()
    assert book.ask()[gold].own == Counts(109, 0, 3)
    del book.windows[free]
    book.check()
    book.windows |= {nobody: Rolls(7 * DAY)}
    book.write((free, BASE, 1_000, 1_000), (nobody, BASE - 99 * HOUR, 4, 4))
    book.check()


def test_of_one_new_group_no_other_is_read(book: Book, monkeypatch) -> None:
    gold, free = book.open(7 * DAY, groups=("tier=gold", "tier=free"))
    other = book.windows.pop(free)
    book.write((gold, BASE, 1, 0), (free, BASE, 2, 0))
    book.check()
    asked: list[dict] = []
    real = Store.arrow
    monkeypatch.setattr(Store, "arrow", lambda own, sql, values: asked.append(values) or real(own, sql, values))
    book.windows[free] = other
    book.check()
    assert asked
    assert {(*each["slos"], *each["groups"]) for each in asked} == {(free.slo, "tier=free")}


def test_more_groups_than_a_query_names_are_all_told(book: Book) -> None:
    names = book.open(7 * DAY, 5 * DAY, groups=tuple(f"tenant={n}" for n in range(GROUPS_NAMED // 2 + 1)))
    names += book.open(7 * DAY, groups=tuple(f"tier={n}" for n in range(GROUPS_NAMED // 2 + 1)))
    book.write(*((name, BASE - ago * HOUR, n, 1) for n, name in enumerate(names) for ago in (1, 90)))
    book.check()


def test_raw_rows_are_in_no_window(book: Book) -> None:
    (name,) = book.open(7 * DAY)
    raw = Name(name.slo, f"{RAW}{name.objective}")
    book.write((raw, BASE, 500, 500), (raw, BASE - 4 * DAY, 500, 500), (name, BASE, 1, 0))
    book.check()
    book.check_against_the_ledger()
    book.sums = Sums(book.store)
    book.check()


def test_a_period_counts_from_nothing_when_it_begins_and_burn_windows_go_on(book: Book) -> None:
    (name,) = book.open(Turns((DAY,), 5 * HOUR + 45 * MINUTE))
    turn = BASE + 5 * HOUR + 45 * MINUTE
    book.write(*((name, turn + m * MINUTE, 10, 1) for m in range(-120, 120)))
    owns = []
    for book.now in range(turn - 2 * MINUTE, turn + 2 * MINUTE, MINUTE):
        book.check()
        found = book.ask()[name]
        owns.append(found.own.good)
        assert found.counts[HOUR].good == 600
    assert owns == [1_190, 1_200, 10, 20]


def test_when_a_period_turns_nothing_is_read(book: Book, monkeypatch) -> None:
    book.open(*TURNING, 28 * DAY)
    turns = BASE + 18 * HOUR + 30 * MINUTE
    book.now = turns - 5 * MINUTE
    book.check()
    asked: list[str] = []
    real = Store.arrow
    monkeypatch.setattr(Store, "arrow", lambda own, sql, *rest: asked.append(sql) or real(own, sql, *rest))
    for _ in range(10):
        book.now += MINUTE
        book.check()
    assert asked == []


def test_the_minutes_at_a_periods_begin_are_read_once(book: Book, monkeypatch) -> None:
    (name,) = book.open(Turns((31 * DAY,), 30 * MINUTE))
    begin = BASE + 30 * MINUTE
    book.write(*((name, begin + m * MINUTE, 10, 1) for m in (-1, 0, 29, 30)))
    book.now = begin
    asked: list[dict] = []
    real = Store.arrow
    monkeypatch.setattr(Store, "arrow", lambda own, sql, values: asked.append(values) or real(own, sql, values))
    for _ in range(30):
        book.now += 6 * HOUR
        book.check()
    assert len([each for each in asked if (each["begin"], each["end"]) == (BASE, BASE + HOUR)]) == 1


@pytest.mark.parametrize("begin", [BASE - DAY, BASE + MINUTE, BASE - 30])
def test_a_period_that_cannot_be_the_present_one_is_refused(book: Book, begin: int) -> None:
    with pytest.raises(ValueError, match=r"slo='checkout'.*at \d+"):
        book.sums.at(BASE, {Name("checkout", "fast"): Reach(DAY, begin)})
    assert book.sums.at(BASE, {Name("checkout", "fast"): Reach(DAY, BASE + MINUTE - DAY)})
