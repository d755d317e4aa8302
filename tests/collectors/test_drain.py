"""Each acknowledged body is counted once, whatever fails between two steps."""

import contextlib
import errno
import math
import os
import secrets
import subprocess
import sys
import time
from functools import partial
from itertools import pairwise, product
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from maibo_collectors.otlp.body import Encoding
from maibo_collectors.otlp.decoding.tally import (
    CELL,
    EXEMPLAR,
    FLOW,
    SAMPLED,
    SKEWED,
    Reason,
    Series,
    Tally,
    encode,
    series_bytes,
)
from maibo_collectors.otlp.draining import batch as batches
from maibo_collectors.otlp.draining import drain as drain_module
from maibo_collectors.otlp.draining.drain import Drain, DrainThread, waiting_segments
from maibo_collectors.otlp.draining.rollup import Rollup
from maibo_collectors.otlp.metrics import CoreMetrics
from maibo_collectors.otlp.segment import Kind, Record, header, parse
from maibo_slo.errors import StoreError
from maibo_slo.store import counts, segments

NOW_NS = 1_800_000_005_000_000_000


@pytest.fixture
def drain(store, tmp_path):
    for name in ("log", "kept", "corrupt", "metrics"):
        (tmp_path / name).mkdir()
    metrics = CoreMetrics(CollectorRegistry(), tmp_path / "metrics", lag_seconds=lambda: 0, segments_waiting=lambda: 0)
    return Drain(store, tmp_path / "log", tmp_path / "kept", tmp_path / "corrupt", metrics)


@pytest.fixture
def body():
    """A body of so many events of a journey, as an acceptor logs it; no two are equal."""

    def make(count: int = 1, *, end: int = NOW_NS, journey: str = "checkout", **more) -> bytes:
        t = end // 10**9 // 10 * 10
        series = Series(journey, "", "production", "shop", "1", "", "", "", "", "success")
        return encode(
            Tally(
                series=[series_bytes(series)],
                cells=CELL.pack(t, 0, 400, count),
                flow=FLOW.pack(t, 0, count, count),
                sampled=SAMPLED.pack(t, 0, count, count),
                skewed_rows=SKEWED.pack(t, 0, count),
                reasons=[Reason(t, 0, "no money", count)],
                exemplars=EXEMPLAR.pack(end, 0, 400, 0, 10**6, secrets.token_bytes(16), secrets.token_bytes(8)),
                total=count,
                counted=count,
                **more,
            )
        )

    return make


@pytest.fixture
def raw_body(otlp_request):
    """A body as received, of so many spans of "checkout"."""
    return lambda count=1: otlp_request(*[{"journey.name": "checkout"}] * count, now_ns=NOW_NS).SerializeToString()


@pytest.fixture
def seal(drain, write_segment):
    return partial(write_segment, drain.log, now_ns=NOW_NS, kind=Kind.TALLY)


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


def test_a_batch_is_recorded_with_what_was_in_it(drain, seal, body):
    repeated = body(4)
    mixed = encode(Tally(total=7, counted=0, ignored=3, skewed=2, rejected={"a": 1, "b": 1}))
    seal(1, mixed, repeated, repeated)
    seal(2, body(1, overflowed={"checkout": 1}))
    drain.once(now=0)
    totals = segments.totals(drain.store)
    assert (totals.segments, totals.bodies, totals.duplicate_bodies) == (1, 4, 1)
    assert (totals.spans, totals.counted, totals.ignored, totals.rejected) == (12, 5, 3, 2)
    assert (totals.skewed, totals.overflowed) == (2, 1)
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


TABLES = {
    "cells_10s": "n",
    "cells_1m": "n",
    "cells_1h": "n",
    "flow_1m": "started",
    "starts_10s": "started",
    "sampled_1m": "n",
    "skewed_1m": "n",
    "reasons_1m": "n",
}


def sums(store, journey: str) -> set[int]:
    """Of every table; one number when they agree."""
    return {
        int(store.rows(f"SELECT sum({n}) FROM {table} WHERE journey = '{journey}'")[0][0])
        for table, n in TABLES.items()
    }


STEPS = {
    "is_drained": segments,
    "write": batches,
    "claim": segments,
    "insert_cells": counts,
    "keep": Rollup,
    "remove": batches,
    "fsync_folder": batches,
}
OF_A_GROUP = {"insert_minutes": counts, "record_all": segments}


@pytest.mark.parametrize("step", [*STEPS, *OF_A_GROUP])
def test_a_failure_at_any_step_loses_nothing_and_counts_nothing_twice(drain, seal, body, monkeypatch, fails_at, step):
    """Before the step is done and after, in a process that goes on and in one that dies; all in one store, since a new one takes time."""

    def another() -> Drain:
        return Drain(drain.store, drain.log, drain.kept, drain.corrupt, drain.metrics)

    for done_already, dies in product((False, True), repeat=2):
        journey = f"done already {done_already}, dies {dies}"
        retried = body(3, journey=journey)
        seal(1, retried, body(2, journey=journey))
        seal(2, retried, body(1, journey=journey))
        running = another()
        with monkeypatch.context() as patch:
            fails_at(patch, (STEPS | OF_A_GROUP)[step], step, done_already=done_already)
            with pytest.raises(StoreError) if step in STEPS else contextlib.nullcontext():
                running.once(now=0)
            assert step in STEPS or running.failure is not None
        seal(3, retried, body(4, journey=journey))
        if dies:
            running = another()
        while running.once(now=60):
            pass
        assert waiting(drain) == []
        assert sums(drain.store, journey) == {10}, journey


def test_a_store_that_fails_at_any_of_its_calls_counts_everything_once_in_every_table(drain, seal, body, monkeypatch):
    real = {name: getattr(drain.store, name) for name in ("insert", "rows", "arrow")}
    for done_already in (False, True):
        for failing in range(1, 100):
            calls = 0

            def call(name, *arguments, _failing=failing, _done_already=done_already, **named):
                nonlocal calls
                calls += 1
                if calls == _failing and not _done_already:
                    raise StoreError("no connection")
                answer = real[name](*arguments, **named)
                if calls == _failing:
                    raise StoreError("the answer was lost")
                return answer

            journey = f"{failing}-{done_already}"
            retried = body(2, journey=journey)
            seal(1, retried)
            seal(2, retried, body(1, journey=journey))
            with monkeypatch.context() as patch:
                for name in real:
                    patch.setattr(drain.store, name, partial(call, name))
                with contextlib.suppress(StoreError):
                    drain.once(now=0)
            while drain.once(now=math.inf):
                pass
            assert waiting(drain) == []
            assert sums(drain.store, journey) == {3}, (failing, done_already)
            if calls < failing:
                break
        assert failing > 10


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_fails_in_whatever_order_each_body_counts_once(drain, seal, body, monkeypatch, fails_at, data):
    """Segments come, some with a body that came before; steps fail before or after they are done; the process dies now and then."""
    journey = secrets.token_hex(4)
    bodies: list[bytes] = []
    running = drain
    for number in range(data.draw(st.integers(1, 6), "segments")):
        again = data.draw(st.lists(st.sampled_from(bodies), max_size=2), "retries") if bodies else []
        bodies.append(body(number + 1, journey=journey))
        seal(number, *again, bodies[-1])
        step = data.draw(st.sampled_from(["none", *STEPS, *OF_A_GROUP]), "step")
        done_already = data.draw(st.booleans(), "done already")
        with monkeypatch.context() as patch:
            if step != "none":
                fails_at(patch, (STEPS | OF_A_GROUP)[step], step, done_already=done_already)
            with contextlib.suppress(StoreError):
                running.once(now=10 * number, roll_up=data.draw(st.booleans(), "roll up"))
        if data.draw(st.booleans(), "dies"):
            running = Drain(drain.store, drain.log, drain.kept, drain.corrupt, drain.metrics)
    while running.once(now=math.inf):
        pass
    assert waiting(drain) == []
    assert sums(drain.store, journey) == {sum(range(1, len(bodies) + 1))}


def test_a_replay_by_another_process_decides_as_the_first_one_did(drain, seal, body, monkeypatch):
    """The younger segment claimed first; after the crash the older one is drained first, and must not take it over."""
    retried = body(3)
    younger = seal(2, retried)
    with monkeypatch.context() as patch:
        patch.setattr(Rollup, "keep", lambda *_: (_ for _ in ()).throw(StoreError("killed here")))
        with pytest.raises(StoreError):
            drain.once(now=0)
    assert younger.exists()
    seal(1, retried)
    Drain(drain.store, drain.log, drain.kept, drain.corrupt, drain.metrics).once(now=0)
    assert counted(drain) == 3


@pytest.fixture
def poison(monkeypatch):
    """What is of the journey "poison" cannot be inserted; attempts are noted. Undo with `.undo()`."""
    real, attempts = counts.insert_cells, []

    def refuse(store, rows, *, token):
        if any(key[0] == "poison" for key in rows.series):
            attempts.append(token)
            raise StoreError("this one is poison")
        real(store, rows, token=token)

    with monkeypatch.context() as patch:
        patch.setattr(counts, "insert_cells", refuse)
        yield SimpleNamespace(attempts=attempts, undo=patch.undo)


def test_a_segment_that_fails_waits_on_its_own_account_and_the_others_are_drained(drain, seal, body, poison):
    seal(1, body(1, journey="poison"))
    with pytest.raises(StoreError):
        drain.once(now=0)
    for number, second in enumerate((1, 2, 3, 6, 7, 14, 15, 30), 1):
        seal(number + 1, body(1))
        assert drain.once(now=second) == 1
        assert counted(drain) == number
        assert str(drain.failure) == "this one is poison"
    assert len(poison.attempts) == 5  # at 0, 1, 3, 7 and 15 s
    poison.undo()
    assert drain.once(now=31) == 1
    assert drain.failure is None
    assert counted(drain) == number + 1


def test_a_batch_that_fails_is_never_overtaken_by_more_than_the_tables_remember(drain, seal, body, poison, monkeypatch):
    """Or trying it again, where it is in in part, would count that part again."""
    monkeypatch.setattr(drain_module, "OVERTAKEN", 3)
    seal(1, body(1, journey="poison"))
    with pytest.raises(StoreError):
        drain.once(now=0)
    for number in range(2, 9):
        seal(number, body(1))
        with contextlib.suppress(StoreError):
            drain.once(now=number)
    assert counted(drain) == 3
    poison.undo()
    while drain.once(now=math.inf):
        pass
    assert counted(drain) == 8


def test_a_log_that_fills_its_disk_is_drained_all_the_same(drain, seal, body, monkeypatch):
    batches.keep_reserve(drain.log)
    seal(1, body(3))
    real = os.open

    def full(path, flags, mode=0o777):
        if flags & os.O_CREAT and Path(path).parent in {drain.log, drain.log.parent} and not Path(path).exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, flags, mode)

    with monkeypatch.context() as patch:
        patch.setattr(batches.os, "open", full)
        drain.log.with_name(batches.RESERVE).rename(taken := drain.log.with_name("taken"))
        with pytest.raises(OSError, match="No space"):
            drain.once(now=0)
        taken.rename(drain.log.with_name(batches.RESERVE))
        assert drain.once(now=math.inf) == 1
    assert counted(drain) == 3


def test_a_segment_that_fails_and_is_taken_away_is_no_problem_any_more(drain, seal, body, poison):
    path = seal(1, body(1, journey="poison"))
    with pytest.raises(StoreError):
        drain.once(now=0)
    path.unlink()
    assert drain.once(now=1) == 1
    assert drain.failure is None
    assert waiting(drain) == []


def test_told_to_stop_it_begins_no_other_batch(drain, seal, body, monkeypatch):
    monkeypatch.setattr(batches, "BATCH_SEGMENTS", 1)
    for number in range(5):
        seal(number, body(1))
    real = counts.insert_cells

    def insert_and_stop(*arguments, **named):
        real(*arguments, **named)
        drain.stopping.set()

    monkeypatch.setattr(counts, "insert_cells", insert_and_stop)
    assert drain.once(now=0) == 1
    assert (counted(drain), len(waiting(drain))) == (1, 4)


def test_who_decides_by_cells_is_told_once_they_are_in(drain, seal, body):
    told = []
    drain.counted = lambda: told.append(counted(drain))
    drain.once(now=0)
    seal(1, body(3))
    drain.once(now=0)
    drain.once(now=0)
    assert told == [3]


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
    monkeypatch.setattr(drain_module, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(drain_module, "_FIRST_RETRY_SECONDS", 0.02)
    monkeypatch.setattr(drain_module, "_LONGEST_RETRY_SECONDS", 0.02)
    seal(1, body(1, journey="poison"))
    thread = request.getfixturevalue("thread")
    while not poison.attempts:
        time.sleep(0.005)
    for number in range(2, 9):
        begin = time.monotonic()
        path = seal(number, body(1))
        while path.exists():
            assert time.monotonic() < begin + 30
            time.sleep(0.005)
        time.sleep(0.03)
    assert len(poison.attempts) > 3
    thread.finish()
    thread.join(30)
    assert len(thread.told) == 2
    assert "this one is poison" in thread.told[0]
    assert counted(drain) == 7


def test_while_nothing_can_be_drained_the_pauses_grow_and_the_end_of_it_is_told(
    drain, seal, body, monkeypatch, request
):
    monkeypatch.setattr(drain_module, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(drain_module, "_LONGEST_PAUSE_SECONDS", 0.2)
    attempts = []

    def down(*_):
        attempts.append(time.monotonic())
        raise StoreError("no connection")

    def wait(condition):
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    path = seal(1, body(1))
    with monkeypatch.context() as patch:
        patch.setattr(segments, "is_drained", down)
        thread = request.getfixturevalue("thread")
        wait(lambda: len(attempts) > 7)
    pauses = [later - earlier for earlier, later in pairwise(attempts[:8])]
    assert all(pause > least for pause, least in zip(pauses, (0.019, 0.039, 0.079, 0.159, 0.199, 0.199), strict=False))
    wait(lambda: not path.exists())
    thread.finish()
    thread.join(30)
    problem, *rest = thread.told
    assert "no connection" in problem
    assert rest == [None, "ended"]


def test_while_the_store_takes_nothing_few_batches_are_begun(drain, seal, body, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(segments, "claim", lambda *_: (_ for _ in ()).throw(StoreError("read-only")))
        for second in range(40):
            seal(second, body(1))
            with contextlib.suppress(StoreError):
                drain.once(now=second)
        assert len(list(drain.log.glob("*.batch"))) < 10
    passes = 0
    while drain.once(now=math.inf):
        passes += 1
    assert waiting(drain) == []
    assert counted(drain) == 40


def test_while_the_store_does_not_answer_no_batch_is_begun(drain, seal, body, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(segments, "is_drained", lambda *_: (_ for _ in ()).throw(StoreError("no connection")))
        for second in range(10):
            seal(second, body(1))
            with pytest.raises(StoreError):
                drain.once(now=second)
    assert all(name.endswith(".log") for name in waiting(drain))
    assert drain.once(now=10) == 10
    assert drain.store.rows("SELECT count() FROM segments")[0][0] == 1
    assert counted(drain) == 10


def test_what_is_older_is_drained_first_and_a_batch_has_its_bounds(drain, seal, body, monkeypatch):
    monkeypatch.setattr(batches, "BATCH_SEGMENTS", 2)
    inserted = []
    real = counts.insert_cells

    def note(store, rows, *, token):
        inserted.append([key[0] for key in rows.series])
        real(store, rows, token=token)

    monkeypatch.setattr(counts, "insert_cells", note)
    for number in (5, 3, 1, 4, 2):
        seal(number, body(1, journey=f"j{number}"))
    assert drain.once(now=0) == 5
    assert inserted == [["j1", "j2"], ["j3", "j4"], ["j5"]]


def test_a_damaged_manifest_is_set_aside_and_its_segments_are_drained(drain, seal, body):
    path = seal(1, body(2))
    batches.write(drain.log, batches.Batch("00000000000000000001-batch-0", (path.stem,)))
    (manifest,) = drain.log.glob("*.batch")
    manifest.write_bytes(manifest.read_bytes().replace(b"-0-ab", b"-0-xx"))
    assert drain.once(now=0) == 1
    assert waiting(drain) == []
    assert counted(drain) == 2
    assert [each.name for each in drain.corrupt.iterdir()] == [manifest.name]


def test_it_tells_how_long_it_took_and_what_became_of_everything(drain, seal, body):
    seal(1, body(3), encode(Tally(total=2, ignored=2)), now_ns=time.time_ns() - 2 * 10**9)
    drain.once(now=0)
    registry = drain.metrics._registry
    assert registry.get_sample_value("maibo_otlp_visible_seconds_count") == 2
    assert 4 <= registry.get_sample_value("maibo_otlp_visible_seconds_sum") < 200
    assert registry.get_sample_value("maibo_otlp_drained_total", {"result": "counted"}) == 3
    assert registry.get_sample_value("maibo_otlp_drained_total", {"result": "ignored"}) == 2


def test_a_store_that_hangs_does_not_keep_the_process():
    code = """
from types import SimpleNamespace
import threading
from maibo_collectors.otlp.draining.drain import DrainThread
begun = threading.Event()
def hang(**_):
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


@pytest.mark.parametrize("kind", [99, Kind.TALLY, Kind.TRACES_PROTOBUF])
def test_a_record_that_is_not_understood_is_set_aside_and_the_rest_counts(drain, write_segment, seal, body, kind):
    write_segment(drain.log, 1, b"no such thing", now_ns=NOW_NS, kind=kind)
    seal(2, body(1))
    while drain.once(now=0):
        pass
    assert counted(drain) == 1
    assert [each.read_bytes() for each in drain.corrupt.iterdir()] == [b"no such thing"]


def test_bodies_as_an_older_version_logged_them_are_counted_a_segment_at_a_time_under_its_own_name(
    drain, write_segment, seal, body, raw_body
):
    """It may have claimed their bodies under that name already, and inserted their cells."""
    older = write_segment(drain.log, 1, raw_body(2), raw_body(3), now_ns=NOW_NS, kind=Kind.TRACES_PROTOBUF)
    write_segment(drain.log, 2, raw_body(1), now_ns=NOW_NS, kind=Kind.TRACES_PROTOBUF)
    seal(3, body(4))
    seal(4, body(5))
    hashes = [item.body_hash for item in parse(older.read_bytes())]
    segments.claim(drain.store, older.stem, hashes)
    assert drain.once(now=0) == 4
    assert counted(drain) == 15
    names = [name for (name,) in drain.store.rows("SELECT DISTINCT segment FROM segments ORDER BY segment")]
    assert [older.stem, older.stem.replace("1-", "2-")] == names[:2]
    assert len(names) == 3


def test_a_segment_that_an_older_version_recorded_by_name_is_only_deleted(drain, seal, body):
    path = seal(1, body(2))
    segments.record(drain.store, segments.SegmentRecord(path.stem, 1, 1, 0, 2, 2, 0, 0, ()))
    assert drain.once(now=0) == 0
    assert waiting(drain) == []
    assert counted(drain) == 0


def test_a_dead_acceptors_segment_is_cut_sealed_and_counted(drain, seal, body):
    seal(1, body(2), suffix=".open", tail=header(Record(bytes(16), 1, 1, Encoding.IDENTITY, b"torn")))
    drain.once(now=0)
    assert counted(drain) == 2
    assert waiting(drain) == []


def test_what_was_drained_before_its_file_could_be_deleted_is_only_deleted(drain, seal, body, monkeypatch):
    path = seal(1, body(2))
    with monkeypatch.context() as patch:
        patch.setattr(batches, "remove", lambda *_: (_ for _ in ()).throw(OSError("killed here")))
        with pytest.raises(OSError, match="killed"):
            drain.once(now=0)
    assert path.exists()
    drain = Drain(drain.store, drain.log, drain.kept, drain.corrupt, drain.metrics)
    monkeypatch.delattr(segments, "claim")  # it does not come to that
    assert drain.once(now=0) == 1
    assert waiting(drain) == []
    assert counted(drain) == 2
