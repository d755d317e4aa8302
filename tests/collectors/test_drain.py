"""Each acknowledged body is counted once, whatever fails between two steps."""

import subprocess
import sys
import time
from functools import partial
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from maibo_collectors.otlp import drain as drain_module
from maibo_collectors.otlp.body import Encoding
from maibo_collectors.otlp.drain import Drain, DrainThread, waiting_segments
from maibo_collectors.otlp.metrics import CoreMetrics
from maibo_collectors.otlp.segment import Record, header
from maibo_slo.errors import StoreError
from maibo_slo.store import segments

NOW_NS = 1_800_000_005_000_000_000


@pytest.fixture
def drain(store, tmp_path):
    for name in ("log", "corrupt", "metrics"):
        (tmp_path / name).mkdir()
    metrics = CoreMetrics(CollectorRegistry(), tmp_path / "metrics", lag_seconds=lambda: 0, segments_waiting=lambda: 0)
    return Drain(store, tmp_path / "log", tmp_path / "corrupt", metrics)


@pytest.fixture
def body(otlp_request):
    """A body of so many spans of "checkout"."""
    return lambda count=1, **more: otlp_request(
        *[{"journey.name": "checkout"} | more] * count, now_ns=NOW_NS
    ).SerializeToString()


@pytest.fixture
def seal(drain, write_segment):
    return partial(write_segment, drain.log, now_ns=NOW_NS)


def counted(drain, table="cells_10s") -> int:
    return int(drain.store.rows(f"SELECT sum(n) FROM {table}")[0][0])


def waiting(drain) -> list[str]:
    return sorted(path.name for path in drain.log.iterdir())


def test_sealed_segments_become_cells_at_every_tier_and_go(drain, seal, body):
    seal(1, body(2), body(3))
    seal(2, body(5))
    assert drain.once(now=0) == 2
    assert waiting(drain) == []
    assert [counted(drain, table) for table in ("cells_10s", "cells_1m", "cells_1h")] == [10, 10, 10]
    assert drain.once(now=0) == 0


def test_a_segment_is_recorded_with_what_was_in_it(drain, seal, body, otlp_request):
    spans = [{"journey.name": "checkout"}, {"journey.name": "checkout", "journey.outcome": "great"}, {"no": "journey"}]
    mixed = otlp_request(*spans, now_ns=NOW_NS).SerializeToString()
    repeated = body(4)
    seal(1, mixed, repeated, repeated)
    drain.once(now=0)
    totals = segments.totals(drain.store)
    assert (totals.segments, totals.bodies, totals.duplicate_bodies) == (1, 3, 1)
    assert (totals.spans, totals.counted, totals.ignored, totals.rejected) == (7, 5, 1, 1)
    minutes, _ = segments.changed_minutes(drain.store, 0)
    assert minutes == {NOW_NS // 10**9 // 60 * 60}


def test_the_same_body_in_several_segments_counts_once(drain, seal, body):
    retried = body(3)
    seal(1, retried, body(1))
    drain.once(now=0)
    seal(2, retried)
    seal(3, body(2), retried)
    drain.once(now=0)
    assert counted(drain) == 6
    assert drain.metrics.duplicate_bodies._value.get() == 2


def test_a_late_span_lands_in_the_bucket_of_its_own_time(drain, seal, body):
    seal(1, body(1))
    drain.once(now=0)
    seal(2, body(1, end=NOW_NS - 7_200 * 10**9), body(1))
    drain.once(now=0)
    seconds = NOW_NS // 10**9 // 10 * 10
    rows = drain.store.rows("SELECT toUnixTimestamp(t), sum(n) FROM cells_10s GROUP BY t ORDER BY t")
    assert [tuple(row) for row in rows] == [(seconds - 7_200, 1), (seconds, 2)]


@pytest.mark.parametrize("step", ["claim", "insert_cells", "record", "unlink"])
@pytest.mark.parametrize("done_already", [False, True], ids=["before it is done", "after it is done"])
def test_a_failure_at_any_step_loses_nothing_and_counts_nothing_twice(
    drain, seal, body, monkeypatch, step, done_already
):
    retried = body(3)
    seal(1, retried, body(2))
    seal(2, retried, body(1))
    owner = {"insert_cells": drain_module, "unlink": type(drain.log)}.get(step, segments)
    real = getattr(owner, step)

    def fail(*arguments, **named):
        if done_already:
            real(*arguments, **named)
        raise StoreError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, fail)
        with pytest.raises(StoreError):
            drain.once(now=0)
    while drain.once(now=60):
        pass
    assert waiting(drain) == []
    assert [counted(drain, table) for table in ("cells_10s", "cells_1m", "cells_1h")] == [6, 6, 6]


def test_a_replay_by_another_process_decides_as_the_first_one_did(drain, seal, body, monkeypatch):
    """The younger segment claimed first; after the crash the older one is drained first, and must not take it over."""
    retried = body(3)
    younger = seal(2, retried)
    with monkeypatch.context() as patch:
        patch.setattr(segments, "record", lambda *_: (_ for _ in ()).throw(StoreError("killed here")))
        with pytest.raises(StoreError):
            drain.once(now=0)
    assert younger.exists()
    seal(1, retried)
    Drain(drain.store, drain.log, drain.corrupt, drain.metrics).once(now=0)
    assert counted(drain) == 3


@pytest.fixture
def poison(monkeypatch):
    """The segment with the number 1 cannot be inserted; its attempts are noted. Undo with `.undo()`."""
    real, attempts = drain_module.insert_cells, []

    def refuse(store, cells, *, token):
        if token.startswith(f"{1:020d}"):
            attempts.append(token)
            raise StoreError("this one is poison")
        real(store, cells, token=token)

    with monkeypatch.context() as patch:
        patch.setattr(drain_module, "insert_cells", refuse)
        yield SimpleNamespace(attempts=attempts, undo=patch.undo)


def test_a_segment_that_fails_waits_on_its_own_account_and_the_others_are_drained(drain, seal, body, poison):
    seal(1, body(1))
    with pytest.raises(StoreError):
        drain.once(now=0)
    for second in range(1, 31):
        seal(second + 1, body(1))
        assert drain.once(now=second) == 1
        assert counted(drain) == second
        assert str(drain.failure) == "this one is poison"
    assert len(poison.attempts) == 5  # at 0, 1, 3, 7 and 15 s
    poison.undo()
    assert drain.once(now=31) == 1
    assert drain.failure is None
    assert counted(drain) == 31


def test_a_segment_that_fails_and_is_taken_away_is_no_problem_any_more(drain, seal, body, poison):
    path = seal(1, body(1))
    with pytest.raises(StoreError):
        drain.once(now=0)
    path.unlink()
    assert drain.once(now=1) == 0
    assert drain.failure is None


def test_told_to_stop_it_begins_no_other_segment(drain, seal, body, monkeypatch):
    for number in range(5):
        seal(number, body(1))
    real = drain_module.insert_cells

    def insert_and_stop(*arguments, **named):
        real(*arguments, **named)
        drain.stopping.set()

    monkeypatch.setattr(drain_module, "insert_cells", insert_and_stop)
    assert drain.once(now=0) == 1
    assert (counted(drain), len(waiting(drain))) == (1, 4)


@pytest.fixture
def thread(drain):
    """The drain's thread, with what it told."""
    told = []
    running = DrainThread(drain, tell=told.append, on_end=lambda: told.append("ended"))
    running.start()
    yield SimpleNamespace(told=told, finish=running.finish, join=running.join)
    running.stop()
    running.join(30)
    assert told[-1] == "ended"


def test_others_stay_fresh_while_one_always_fails(drain, seal, body, poison, monkeypatch, request):
    monkeypatch.setattr(drain_module, "DRAIN_SECONDS", 0.01)
    monkeypatch.setattr(drain_module, "_FIRST_RETRY_SECONDS", 0.02)
    monkeypatch.setattr(drain_module, "_LONGEST_RETRY_SECONDS", 0.02)
    seal(1, body(1))
    thread = request.getfixturevalue("thread")
    for number in range(2, 32):
        begin = time.monotonic()
        path = seal(number, body(1))
        while path.exists() and time.monotonic() < begin + 10:
            time.sleep(0.005)
        assert time.monotonic() - begin < 1
        time.sleep(0.03)
    assert len(poison.attempts) > 10
    thread.finish()
    thread.join(30)
    assert len(thread.told) == 2
    assert "this one is poison" in thread.told[0]
    assert counted(drain) == 30


def test_while_nothing_can_be_drained_the_pauses_grow_and_the_end_of_it_is_told(
    drain, seal, body, monkeypatch, request
):
    monkeypatch.setattr(drain_module, "DRAIN_SECONDS", 0.01)
    monkeypatch.setattr(drain_module, "_LONGEST_PAUSE_SECONDS", 0.2)
    attempts = []

    def down(*_):
        attempts.append(time.monotonic())
        raise StoreError("no connection")

    path = seal(1, body(1))
    with monkeypatch.context() as patch:
        patch.setattr(segments, "is_drained", down)
        thread = request.getfixturevalue("thread")
        time.sleep(1)
    assert 5 <= len(attempts) < 15
    deadline = time.monotonic() + 10
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    thread.finish()
    thread.join(30)
    problem, *rest = thread.told
    assert "no connection" in problem
    assert rest == [None, "ended"]


def test_a_store_that_hangs_does_not_keep_the_process():
    code = """
from types import SimpleNamespace
import threading
from maibo_collectors.otlp.drain import DrainThread
begun = threading.Event()
def hang(*, now):
    begun.set()
    threading.Event().wait()
drain = SimpleNamespace(once=hang, failure=None, stopping=threading.Event())
thread = DrainThread(drain, tell=print, on_end=print)
thread.start()
begun.wait()
thread.stop()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_what_waits_is_what_is_sealed_or_being_written_but_not_what_is_empty(drain, seal, body):
    assert waiting_segments(drain.log) == 0
    (drain.log / f"{1:020d}-0-ab.open").touch()
    (drain.log / f"{2:020d}-0-ab.new").touch()
    assert waiting_segments(drain.log) == 0
    seal(3, body(1), suffix=".open")
    assert waiting_segments(drain.log) == 1
    seal(4, body(1))
    assert waiting_segments(drain.log) == 2


def test_a_corrupt_record_in_the_middle_is_set_aside_and_the_rest_counts(drain, seal, body):
    parts = [body(1), body(2), body(4)]
    path = seal(1, *parts)
    content = bytearray(path.read_bytes())
    at = content.index(parts[1]) + 5
    content[at] ^= 0xFF
    path.write_bytes(content)
    drain.once(now=0)
    assert counted(drain) == 5
    (aside,) = drain.corrupt.iterdir()
    assert parts[1][10:] in aside.read_bytes()
    assert drain.metrics.damaged_records._value.get() == 1


def test_a_record_of_a_kind_that_is_not_known_is_set_aside(drain, seal, body):
    seal(1, body(1), kind=99)
    drain.once(now=0)
    assert counted(drain) == 0
    assert len(list(drain.corrupt.iterdir())) == 1


def test_a_dead_acceptors_segment_is_cut_sealed_and_counted(drain, seal, body):
    seal(1, body(2), suffix=".open", tail=header(Record(bytes(16), 1, 1, Encoding.IDENTITY, b"torn")))
    drain.once(now=0)
    assert counted(drain) == 2
    assert waiting(drain) == []


def test_what_was_drained_before_its_file_could_be_deleted_is_only_deleted(drain, seal, body, monkeypatch):
    path = seal(1, body(2))
    content = path.read_bytes()
    drain.once(now=0)
    path.write_bytes(content)
    monkeypatch.delattr(segments, "claim")  # it does not come to that
    assert drain.once(now=0) == 1
    assert waiting(drain) == []
    assert counted(drain) == 2
