"""Flow against a reference that remembers every single journey."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maibo.semconv import ABANDONED, FAILURE, SUCCESS
from maibo_slo.store import counts
from maibo_slo.store.counts import Counts
from maibo_slo.store.flow import FlowCounts, FlowSlice, abandoned
from maibo_slo.store.flow import told as of_one
from maibo_slo.store.selection import Window
from maibo_slo.store.tables import DIMENSIONS

if TYPE_CHECKING:
    from maibo_slo.store import Store

HORIZON = 600
EXAMPLES = itertools.count()


class Journey(NamedTuple):
    begin: int
    """Seconds after the window's begin."""
    outcome: str
    """'': it never ends."""
    at_once: bool
    """Its start is told by its end, as when it lives in one process."""


class Event(NamedTuple):
    """A span: of which journey, and what it tells."""

    journey: int
    started: bool
    outcome: str


@dataclass
class Reference:
    """Asks every journey by itself."""

    journeys: list[Journey]
    outcomes: dict[int, str] = field(default_factory=dict)
    """Of the journeys that were heard of."""

    def hear(self, batch: list[Event]) -> None:
        self.outcomes |= {event.journey: event.outcome for event in batch}

    def by_minute(self, begin: int) -> list[FlowSlice]:
        minutes: dict[int, Counter[str]] = {}
        for journey, outcome in self.outcomes.items():
            minutes.setdefault(self.journeys[journey].begin // 60 * 60, Counter())[outcome] += 1
        return [
            FlowSlice(begin + minute, seen.total(), seen[SUCCESS], seen[FAILURE], seen[ABANDONED])
            for minute, seen in sorted(minutes.items())
        ]

    def as_of(self, now: int, timeout: int) -> FlowCounts | None:
        seen = Counter(self.outcomes.values())
        silent = [journey for journey, outcome in self.outcomes.items() if not outcome]
        late = sum(self.journeys[each].begin // 60 * 60 + 60 + timeout <= now for each in silent)
        told = FlowCounts(
            seen.total(), seen[SUCCESS], seen[FAILURE], seen[ABANDONED] + late, len(silent) - late, seen[ABANDONED]
        )
        return told if self.outcomes else None


def _counts(name: str, begin: int, journeys: list[Journey], batch: list[Event]) -> Counts:
    """As a collector makes them: starts and ends come from different services."""
    series: dict[counts.SeriesKey, int] = {}
    rows: Counter[tuple[int, int]] = Counter()
    started: Counter[tuple[int, int]] = Counter()
    for event in batch:
        values = dict.fromkeys(DIMENSIONS, "") | {"journey": name, "service": "front" if event.started else "back"}
        place = series.setdefault((*values.values(), event.outcome), len(series))  # type: ignore[arg-type]
        key = (begin + journeys[event.journey].begin // 60 * 60, place)
        rows[key] += bool(event.outcome)
        started[key] += event.started
    return Counts(list(series), flow=np.array([(*key, started[key], rows[key]) for key in rows], counts.FLOW))


@st.composite
def _deliveries(draw: st.DrawFn) -> tuple[list[Journey], list[tuple[int, list[Event]]]]:
    """Journeys, and batches of what is told of them, each with its number; batches come again, whole, at any later time."""
    journeys = draw(
        st.lists(
            st.builds(
                Journey,
                st.integers(0, HORIZON - 1),
                st.sampled_from([SUCCESS, SUCCESS, FAILURE, ABANDONED, ""]),
                st.booleans(),
            ),
            min_size=1,
            max_size=25,
        )
    )
    events: list[Event] = []
    for at in draw(st.permutations([*range(len(journeys)), *range(len(journeys))])):
        began = any(event.journey == at for event in events)
        journey = journeys[at]
        if not began:
            events.append(Event(at, True, journey.outcome if journey.at_once else ""))
        elif journey.outcome and not journey.at_once:
            events.append(Event(at, False, journey.outcome))
    cuts = sorted(draw(st.sets(st.integers(1, len(events)), max_size=4)) | {0, len(events)})
    batches = [events[first:last] for first, last in itertools.pairwise(cuts)]
    again = draw(st.lists(st.tuples(st.integers(0, len(batches) - 1), st.integers(0, len(batches) - 1)), max_size=3))
    delivered = [(number, batch) for number, batch in enumerate(batches)]
    for after, number in sorted(again, reverse=True):
        if number <= after:
            delivered.insert(after + 1, (number, batches[number]))
    return journeys, delivered


@given(deliveries=_deliveries(), timeout=st.integers(1, HORIZON), data=st.data())
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # every example has a journey of its own
)
def test_whatever_comes_in_whatever_order_and_however_often_flow_is_what_asking_each_journey_gives(
    store: Store, present: int, deliveries: tuple[list[Journey], list[tuple[int, list[Event]]]], timeout: int, data
):
    journeys, delivered = deliveries
    name = f"example-{next(EXAMPLES)}"
    window = Window(present, present + HORIZON)
    reference = Reference(journeys)
    for number, batch in delivered:
        counts.insert(store, _counts(name, present, journeys, batch), token=f"{name}/{number}")
        # Heard again, a batch tells nothing new; but it must not undo what came since.
        reference.hear([event for event in batch if event.outcome or event.journey not in reference.outcomes])
        now = data.draw(st.integers(0, 2 * HORIZON + 120))
        expected = reference.as_of(now, timeout)
        told = abandoned(store, window, {name: timeout, "another": 1}, present + now)
        assert told == ({name: expected} if expected else {})
        assert of_one(store, window, name, timeout, present + now) == (expected, reference.by_minute(present))


def _tell(store: Store, token: str, *rows: tuple[int, str, int, int]) -> None:
    """(t, outcome, started, ended)"""
    series = [(*(dict.fromkeys(DIMENSIONS, "") | {"journey": "checkout"}).values(), row[1]) for row in rows]
    flows = [(t, place, started, ended) for place, (t, _, started, ended) in enumerate(rows)]
    counts.insert(store, Counts(series, flow=np.array(flows, counts.FLOW)), token=token)  # type: ignore[arg-type]


def _told(store: Store, begin: int, now: int) -> FlowCounts:
    return abandoned(store, Window(begin, begin + 120), {"checkout": 300}, now)["checkout"]


def test_a_journey_that_ends_after_it_counted_as_abandoned_moves_back_once(store: Store, present: int):
    _tell(store, "starts", (present, "", 3, 0))
    assert _told(store, present, present + 359) == FlowCounts(3, 0, 0, 0, 3, 0)
    assert _told(store, present, present + 360) == FlowCounts(3, 0, 0, 3, 0, 0)
    for _ in range(2):
        _tell(store, "late", (present, SUCCESS, 0, 1))
        assert _told(store, present, present + 4_000) == FlowCounts(3, 1, 0, 2, 0, 0)
    _tell(store, "later", (present, ABANDONED, 0, 1))
    assert _told(store, present, present + 4_000) == FlowCounts(3, 1, 0, 2, 0, 1)


@pytest.mark.parametrize("age", [0, 4_000])
def test_where_starts_are_not_told_what_was_abandoned_is_not_known(store: Store, present: int, age: int):
    _tell(store, "ends", (present, SUCCESS, 0, 5), (present + 60, "", 9, 0))
    told = _told(store, present, present + age)
    assert (told.started, told.succeeded) == (9, 5)
    # One minute's missing starts are not made up for by another's silent journeys.
    assert (told.abandoned, told.in_progress) == ((0, None) if age == 0 else (None, 0))
    _tell(store, "starts", (present, "", 5, 0))
    told = _told(store, present, present + age)
    assert (told.abandoned, told.in_progress) == ((0, 9) if age == 0 else (9, 0))


def test_said_abandonments_without_a_start_are_not_taken_for_silent_ones(store: Store, present: int):
    _tell(store, "said", (present, ABANDONED, 0, 2))
    assert _told(store, present, present + 4_000) == FlowCounts(0, 0, 0, None, 0, 2)


def test_no_timeouts_and_no_journeys_are_no_answer(store: Store, present: int):
    _tell(store, "starts", (present, "", 1, 0))
    assert abandoned(store, Window(present, present + 60), {}, present) == {}
    assert abandoned(store, Window(present, present + 60), {"search": 60}, present) == {}
    vip = {"tier": ["vip"]}
    assert abandoned(store, Window(present, present + 60), {"checkout": 60}, present, among=vip) == {}


def test_of_one_journey_slices_are_whole_and_what_became_of_it_is_of_the_window(store: Store, present: int):
    minutes = [present // 600 * 600 + 60 * at for at in (-1, 0, 4, 9, 10)]
    _tell(store, "starts", *((t, "", 2 + at, 0) for at, t in enumerate(minutes)))
    _tell(store, "ends", *((t, SUCCESS, 0, at) for at, t in enumerate(minutes)))
    window, now = Window(minutes[1] + 70, minutes[3] + 59), minutes[3] + 359
    found, slices = of_one(store, window, "checkout", 300, now, slice_seconds=600)
    assert found == abandoned(store, window, {"checkout": 300}, now)["checkout"] == FlowCounts(9, 5, 0, 2, 2, 0)
    assert slices == [FlowSlice(minutes[1], 12, 6, 0, 0)]
    nobody = of_one(store, Window(minutes[1] + 60, minutes[1] + 120), "checkout", 300, now, slice_seconds=600)
    assert nobody == (None, slices)
    assert of_one(store, window, "checkout", 300, now, among={"tier": ["vip"]}) == (None, [])


def test_counts_beyond_a_signed_64_bit_integer_are_subtracted_exactly(store: Store, present: int):
    _tell(store, "many", (present, "", 2**63 + 5, 0), (present, SUCCESS, 0, 2**63 + 2))
    assert _told(store, present, present + 4_000).abandoned == 3
    found, _ = of_one(store, Window(present, present + 60), "checkout", 300, present + 4_000)
    assert found is not None
    assert found.abandoned == 3
