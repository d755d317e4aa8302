"""Cumulative metrics are differences to what the store remembers: whatever fails, their sum is what the last point says."""

import contextlib
import math
import secrets
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from maibo_collectors.otlp.decoding.buckets import Explicit
from maibo_collectors.otlp.decoding.points import Counting, Point, Points, encode
from maibo_collectors.otlp.decoding.tally import Series, series_bytes
from maibo_collectors.otlp.draining import batch as batches
from maibo_collectors.otlp.draining import settlement
from maibo_collectors.otlp.draining import streams as settling
from maibo_collectors.otlp.draining.drain import Drain
from maibo_collectors.otlp.draining.rollup import Rollup
from maibo_collectors.otlp.metrics import CoreMetrics
from maibo_collectors.otlp.segment import Kind
from maibo_slo.errors import StoreError
from maibo_slo.store import counts, segments, streams

START_NS = 1_800_000_000 * 10**9


@pytest.fixture
def drain(store, tmp_path):
    for name in ("log", "kept", "corrupt", "metrics"):
        (tmp_path / name).mkdir()
    metrics = CoreMetrics(CollectorRegistry(), tmp_path / "metrics", lag_seconds=lambda: 0, segments_waiting=lambda: 0)
    return Drain(store, tmp_path / "log", tmp_path / "kept", tmp_path / "corrupt", metrics)


@pytest.fixture
def seal(drain, write_segment):
    return partial(write_segment, drain.log, now_ns=START_NS, kind=Kind.POINTS)


def points(journey: str, second: int, *totals: int) -> bytes:
    """An export so many seconds after the start: of each stream, how many events there were since."""
    series = Series(journey, "", "", "shop", "", "", "", "", "", "success")
    return encode(
        Points(
            series=[series_bytes(series)],
            points=[
                Point(
                    stream=f"{journey}{number}".encode().ljust(16),
                    instrument=journey.encode().ljust(16),
                    countings=(Counting(0, whole=True, reason=""),),
                    delta=False,
                    start_ns=START_NS,
                    time_ns=START_NS + second * 10**9,
                    unit_ns=10**9,
                    buckets=Explicit((0.1, 1.0), (0, total, 0)),
                    shortest=None,
                    longest=None,
                )
                for number, total in enumerate(totals)
            ],
            total=len(totals),
            counted=len(totals),
        )
    )


def sums(store, journey: str) -> set[int]:
    return {
        int(store.rows(f"SELECT sum({n}) FROM {table} WHERE journey = '{journey}'")[0][0])
        for table, n in {"cells_10s": "n", "cells_1m": "n", "flow_1m": "succeeded"}.items()
    }


def test_points_count_as_the_difference_to_those_before_in_the_same_batch_or_an_earlier_one(drain, seal):
    seal(1, points("a", 10, 5), points("a", 20, 7))
    drain.once(now=0)
    assert sums(drain.store, "a") == {7}
    seal(2, points("a", 30, 7), points("a", 40, 12, 3))
    drain.once(now=0)
    assert sums(drain.store, "a") == {15}
    totals = segments.totals(drain.store)
    assert (totals.spans, totals.counted) == (5, 5)


def test_states_are_asked_for_a_few_at_once(drain, seal, monkeypatch):
    asked = []
    load = streams.load
    monkeypatch.setattr(settlement, "_AT_ONCE", 2)
    monkeypatch.setattr(streams, "load", lambda store, names: (asked.append(len(names)), load(store, names))[1])
    seal(1, points("a", 10, 1, 2, 3, 4))
    drain.once(now=0)
    seal(2, points("a", 20, 2, 3, 4, 5))
    drain.once(now=0)
    assert sums(drain.store, "a") == {14}
    assert asked == [2, 2, 1, 2, 2, 1]  # four streams and their instrument


def test_long_intervals_in_many_bodies_of_a_batch_make_no_more_cells_than_in_one(drain, seal, monkeypatch):
    monkeypatch.setattr(settling, "_ROWS", 10_000)
    journeys = [f"j{number}" for number in range(10)]
    seal(1, *(points(journey, 10, 0) for journey in journeys))
    drain.once(now=0)
    seal(2, *(points(journey, 1010, 100_000) for journey in journeys))
    drain.once(now=0)
    ((cells, events),) = drain.store.rows("SELECT count(), sum(n) FROM cells_10s WHERE journey LIKE 'j_'")
    assert events == 10 * 100_000
    assert 1_000 < cells <= 10_000


STEPS = {"claim": segments, "load": streams, "save": streams, "insert_cells": counts, "keep": Rollup, "remove": batches}


def test_a_batch_that_failed_after_others_went_on_counts_what_it_would_have(drain, seal, monkeypatch):
    """Its counts are neither in the store yet nor in the difference that the next one made, which began where it had ended."""
    seal(1, points("a", 10, 5))
    with monkeypatch.context() as patch:
        patch.setattr(counts, "insert_cells", lambda *_, **__: (_ for _ in ()).throw(StoreError("killed here")))
        with pytest.raises(StoreError):
            drain.once(now=0)
    seal(2, points("a", 20, 8))
    while drain.once(now=0.5) or drain.once(now=1):
        pass
    assert sums(drain.store, "a") == {8}
    assert drain.failure is None


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_fails_in_whatever_order_the_sum_is_what_the_last_points_say(drain, seal, monkeypatch, fails_at, data):
    journey = secrets.token_hex(4)
    totals = [0, 0]
    running = drain
    for number in range(data.draw(st.integers(1, 6), "exports")):
        totals = [total + data.draw(st.integers(0, 5), "more") for total in totals]
        seal(number, points(journey, 10 * (number + 1), *totals))
        step = data.draw(st.sampled_from(["none", *STEPS]), "step")
        done_already = data.draw(st.booleans(), "done already")
        with monkeypatch.context() as patch:
            if step != "none":
                fails_at(patch, STEPS[step], step, done_already=done_already)
            with contextlib.suppress(StoreError):
                running.once(now=10 * number)
        if data.draw(st.booleans(), "dies"):
            running = Drain(drain.store, drain.log, drain.kept, drain.corrupt, drain.metrics)
    while running.once(now=math.inf):
        pass
    assert sums(drain.store, journey) == {sum(totals)}


def test_what_batches_found_is_forgotten_once_they_are_recorded(drain, seal):
    for number in range(1, 6):
        seal(number, points("a", 10 * number, number))
        drain.once(now=0)
    ((state,),) = drain.store.rows("SELECT hex(state) FROM streams FINAL WHERE stream = 'a0              '")
    assert len(settlement._kept.decode(bytes.fromhex(state)).before) == 1


def test_it_tells_what_happened_to_points_that_did_not_simply_count(drain, seal):
    seal(1, points("a", 10, 5))
    drain.once(now=0)
    seal(2, points("a", 10, 5, 1))
    drain.once(now=0)
    registry = drain.metrics._registry
    assert registry.get_sample_value("maibo_otlp_points_total", {"what": "duplicate"}) == 1


def test_states_that_cannot_be_read_are_as_good_as_none(drain, seal):
    streams.save(drain.store, {b"a0".ljust(16): b"what"})
    seal(1, points("a", 10, 5))
    drain.once(now=0)
    assert sums(drain.store, "a") == {5}
