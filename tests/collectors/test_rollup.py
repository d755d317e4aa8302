"""What is counted in minutes goes in for several batches at once, each batch once."""

import contextlib
import errno
import json
import math
import threading
import time
import zlib
from functools import partial

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from maibo_collectors.otlp.body import BODY_LIMIT
from maibo_collectors.otlp.decoding.tally import CELL, FLOW, Series, Tally, encode, series_bytes
from maibo_collectors.otlp.draining import batch as batches
from maibo_collectors.otlp.draining import rollup as rollup_module
from maibo_collectors.otlp.draining.drain import Drain, DrainThread
from maibo_collectors.otlp.metrics import CoreMetrics
from maibo_collectors.otlp.segment import Kind, parse
from maibo_slo.errors import StoreError
from maibo_slo.store import counts, segments

NOW_NS = 1_800_000_005_000_000_000
NOW = NOW_NS // 10**9


@pytest.fixture
def drain(store, tmp_path):
    for name in ("log", "kept", "corrupt", "metrics"):
        (tmp_path / name).mkdir()
    metrics = CoreMetrics(CollectorRegistry(), tmp_path / "metrics", lag_seconds=lambda: 0, segments_waiting=lambda: 0)
    return Drain(store, tmp_path / "log", tmp_path / "kept", tmp_path / "corrupt", metrics)


@pytest.fixture
def another(drain):
    """The drain of the process that comes after."""
    return lambda: Drain(drain.store, drain.log, drain.kept, drain.corrupt, drain.metrics)


@pytest.fixture
def seal(drain, write_segment):
    """A segment with one body: so many journeys in each of two buckets of a minute, and one an hour before."""

    def make(number: int, count: int) -> None:
        series = Series("checkout", "", "production", "shop", str(number), "", "", "", "", "success")
        cells = b"".join(CELL.pack(t, 0, 400, count) for t in (NOW // 60 * 60, NOW // 60 * 60 + 10))
        body = Tally(
            series=[series_bytes(series)],
            cells=cells + CELL.pack(NOW // 60 * 60 - 3_600, 0, 400, 1),
            flow=FLOW.pack(NOW // 60 * 60, 0, count, count),
            total=2 * count + 1,
            counted=2 * count + 1,
        )
        write_segment(drain.log, number, encode(body), now_ns=NOW_NS, kind=Kind.TALLY)

    return make


@pytest.fixture
def counted(drain):
    """Events in the tiers, and journeys begun, as far as they are in with the batch and with the group."""

    def ask() -> tuple[int, ...]:
        tables = {"cells_10s": "n", "starts_10s": "started", "cells_1m": "n", "cells_1h": "n", "flow_1m": "started"}
        return tuple(int(drain.store.rows(f"SELECT sum({n}) FROM {table}")[0][0]) for table, n in tables.items())

    return ask


def test_what_is_of_10_s_goes_in_with_the_batch_and_the_rest_for_several_batches_at_once(drain, seal, counted):
    for number in (1, 2, 3):
        seal(number, 10)
        assert drain.once(now=0, roll_up=False) == 1
    assert counted() == (63, 30, 0, 0, 0)
    assert drain.once(now=0) == 0
    assert counted() == (63, 30, 63, 63, 30)
    assert list(drain.kept.iterdir()) == []
    parts = drain.store.rows("SELECT count() FROM system.parts WHERE active AND table = 'cells_1h' AND rows > 0")[0][0]
    assert parts == 1
    assert drain.store.rows("SELECT count() FROM cells_1m") == [(6,)]


def test_the_engine_is_told_of_minutes_when_they_are_in_and_the_totals_know_the_batches_alone(drain, seal):
    seal(1, 1)
    drain.once(now=0, roll_up=False)
    found, mark = segments.changed_minutes(drain.store, 0)
    assert found == set()
    drain.once(now=0)
    assert segments.changed_minutes(drain.store, mark)[0] == {NOW // 60 * 60, NOW // 60 * 60 - 3_600}
    totals = segments.totals(drain.store)
    assert (totals.segments, totals.bodies, totals.counted) == (1, 1, 3)


def test_the_process_that_comes_after_inserts_what_was_kept(drain, another, seal, counted):
    seal(1, 10)
    drain.once(now=0, roll_up=False)
    assert another().once(now=0) == 0
    assert counted() == (21, 10, 21, 21, 10)


def test_a_batch_that_may_come_again_is_not_taken_up_and_when_it_comes_it_is_only_deleted(
    drain, another, seal, counted, monkeypatch, fails_at
):
    seal(1, 10)
    with monkeypatch.context() as patch:
        fails_at(patch, batches, "remove", done_already=False)
        with pytest.raises(StoreError):
            drain.once(now=0)
    assert len(list(drain.kept.iterdir())) == 1
    assert drain._rollup.once() == 0
    assert counted() == (21, 10, 0, 0, 0)
    monkeypatch.delattr(segments, "claim")  # it does not come to that
    another().once(now=0)
    assert counted() == (21, 10, 21, 21, 10)


def test_a_group_that_is_in_and_was_removed_in_part_is_not_counted_again(drain, another, seal, counted, monkeypatch):
    for number in (1, 2):
        seal(number, 10)
        drain.once(now=0, roll_up=False)

    def die(folder, group):
        (folder / f"{group.segments[0]}.log").unlink()
        raise StoreError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(batches, "remove", die)
        with contextlib.suppress(StoreError):
            drain.once(now=0)
    # Nothing but the record says that it is in: as long after as any table forgets its tokens.
    for table in ("cells_1m", "cells_1h", "flow_1m"):
        drain.store.execute(f"ALTER TABLE {table} MODIFY SETTING non_replicated_deduplication_window = 0")
    try:
        another().once(now=0)
        assert counted() == (42, 20, 42, 42, 20)
    finally:
        for table in ("cells_1m", "cells_1h", "flow_1m"):
            drain.store.execute(f"ALTER TABLE {table} MODIFY SETTING non_replicated_deduplication_window = 10000")
    assert list(drain.kept.iterdir()) == []


@pytest.mark.parametrize("step", ["insert_minutes", "record"])
@pytest.mark.parametrize("done_already", [False, True])
def test_where_there_is_no_room_to_keep_it_it_goes_in_with_the_batch_once(
    drain, another, seal, counted, monkeypatch, fails_at, step, done_already
):
    batches.keep_reserve(drain.log)
    seal(1, 10)

    def full(*_) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(rollup_module.os, "fsync", full)
        patch.setattr(batches, "write", partial(_without_fsync, batches.write))
        fails_at(patch, segments if step == "record" else counts, step, done_already=done_already)
        with pytest.raises((StoreError, OSError)):
            drain.once(now=0)
    another().once(now=0)  # by then there is room again
    assert counted() == (21, 10, 21, 21, 10)
    assert list(drain.kept.iterdir()) == []
    assert segments.changed_minutes(drain.store, 0)[0] == {NOW // 60 * 60, NOW // 60 * 60 - 3_600}


def _without_fsync(write, log, batch) -> batches.Batch:
    """As a reserve has it: room where everything else has none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches.os, "fsync", lambda _: None)
        return write(log, batch)


def test_a_disk_that_refuses_for_another_reason_is_an_error_and_the_batch_comes_again(
    drain, seal, counted, monkeypatch
):
    seal(1, 10)
    with monkeypatch.context() as patch:
        patch.setattr(rollup_module, "fsync_folder", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "bad disk")))
        with pytest.raises(OSError, match="bad disk"):
            drain.once(now=0)
    drain.once(now=math.inf)
    assert counted() == (21, 10, 21, 21, 10)


def test_on_a_full_disk_a_batch_is_whole_from_the_first_since_its_manifest_took_the_reserve(
    drain, seal, counted, monkeypatch
):
    batches.keep_reserve(drain.log)
    seal(1, 10)
    with monkeypatch.context() as patch:
        patch.setattr(batches, "_write", partial(_only_over_what_is_there, batches._write))
        patch.setattr(rollup_module.Rollup, "keep", _full)
        assert drain.once(now=0) == 1
    assert counted() == (21, 10, 21, 21, 10)
    assert list(drain.kept.iterdir()) == list(drain.log.iterdir()) == []


def _full(*_) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _only_over_what_is_there(write, path, data) -> None:
    if not path.exists():
        path.touch()  # an empty file takes no room
        _full()
    write(path, data)


def test_manifests_that_cannot_be_written_leave_nothing_behind_that_would_count_as_kept(
    drain, seal, counted, monkeypatch
):
    monkeypatch.setattr(rollup_module, "_MOST_KEPT", 2)
    seal(1, 10)
    drain.once(now=0, roll_up=False)

    def broken(path, _) -> None:
        path.touch()
        raise OSError(errno.EIO, "bad disk")

    with monkeypatch.context() as patch:
        patch.setattr(batches, "_write", broken)
        for now in range(0, 100, 20):
            with pytest.raises(OSError, match="bad disk"):
                drain.roll_up(now=now)
    assert [path.suffix for path in drain.kept.iterdir()] == [".log"]
    seal(2, 10)
    assert drain.once(now=100) == 1
    assert counted() == (42, 20, 42, 42, 20)


def test_what_cannot_be_kept_for_good_goes_in_with_the_batch_and_not_from_where_it_was_kept_as_well(
    drain, another, seal, counted, monkeypatch
):
    seal(1, 10)
    with monkeypatch.context() as patch:
        patch.setattr(rollup_module, "fsync_folder", _full)
        drain.once(now=0, roll_up=False)
    another().once(now=0)
    assert counted() == (21, 10, 21, 21, 10)


def test_the_drain_and_the_roll_up_write_their_manifests_at_once(drain, monkeypatch):
    write, errors = batches._write, []
    monkeypatch.setattr(batches, "_write", lambda path, data: (write(path, data), time.sleep(0.05)))

    def begin(folder) -> None:
        try:
            batches.write(folder, batches.Batch(f"{NOW_NS}-{folder.name}", (folder.name,)))
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=begin, args=[folder]) for folder in (drain.log, drain.kept)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert errors == []
    for folder in (drain.log, drain.kept):
        assert [each.segments for each in batches.waiting(folder).batches] == [(folder.name,)]


def test_a_batch_that_an_older_version_began_is_inserted_as_that_did_and_counts_once(drain, seal, counted):
    """It inserted all at once under the batch's id, and died before it said so."""
    seal(1, 10)
    (segment,) = batches.waiting(drain.log).segments
    manifest = {"segments": [segment], "crc": zlib.crc32(segment.encode())}
    (drain.log / f"{NOW_NS}-batch-0{batches.MANIFEST}").write_text(json.dumps(manifest))
    flow = np.array([(NOW // 60 * 60, 0, 10, 10)], counts.FLOW)
    key = ("checkout", "", "production", "shop", "1", "", "", "", "", "success")
    counts.insert(drain.store, counts.Counts(series=[key], flow=flow), token=f"{NOW_NS}-batch-0")
    drain.once(now=0)
    assert counted() == (21, 10, 21, 21, 10)


def test_what_a_record_cannot_hold_is_kept_in_several(drain, seal, counted, monkeypatch):
    assert 2 * rollup_module._CELLS * counts.CELL.itemsize < BODY_LIMIT
    monkeypatch.setattr(rollup_module, "_CELLS", 1)
    seal(1, 10)
    drain.once(now=0, roll_up=False)
    (kept,) = drain.kept.iterdir()
    assert [record.kind for record in parse(kept.read_bytes())] == [Kind.TALLY, Kind.TALLY, Kind.BATCH]
    drain.once(now=0)
    assert counted() == (21, 10, 21, 21, 10)


def test_what_is_damaged_is_set_aside_and_the_others_go_in(drain, seal, counted):
    for number in (1, 2):
        seal(number, 10)
        drain.once(now=0, roll_up=False)
    first, _ = sorted(drain.kept.iterdir())
    first.write_bytes(first.read_bytes().replace(b"checkout", b"cHeckout"))
    drain.once(now=0)
    assert counted() == (42, 20, 21, 21, 10)
    (aside,) = drain.corrupt.iterdir()
    assert aside.name.startswith(first.stem)


def test_where_no_group_goes_in_the_log_fills_up_and_not_what_is_kept(drain, seal, counted, monkeypatch, fails_at):
    monkeypatch.setattr(rollup_module, "_MOST_KEPT", 2)
    with monkeypatch.context() as patch:
        fails_at(patch, counts, "insert_minutes", done_already=False)
        for number in range(1, 6):
            seal(number, 10)
            with contextlib.suppress(StoreError):
                drain.once(now=number)
        assert len(list(drain.kept.glob("*.log"))) <= 3
        assert len(list(drain.log.glob("*.log"))) >= 2
        assert str(drain.failure) == "killed here"
    while drain.once(now=math.inf):
        pass
    drain.once(now=math.inf)
    assert drain.failure is None
    assert counted() == (105, 50, 105, 105, 50)


def test_the_drain_goes_on_while_a_group_is_inserted_and_the_last_one_comes_before_its_end(
    drain, seal, counted, monkeypatch
):
    begun, goes_on = threading.Event(), threading.Event()
    real = counts.insert_minutes

    def slowly(*arguments, **named):
        begun.set()
        assert goes_on.wait(60)
        real(*arguments, **named)

    monkeypatch.setattr(counts, "insert_minutes", slowly)
    told = []
    thread = DrainThread(drain, tell=told.append, on_end=lambda: told.append("ended"))
    seal(1, 10)
    thread.start()
    assert begun.wait(60)
    seal(2, 10)
    until(lambda: counted()[0] == 42)
    assert counted() == (42, 20, 0, 0, 0)
    seal(3, 10)
    thread.finish()
    goes_on.set()
    thread.join(60)
    assert told == ["ended"]
    assert counted() == (63, 30, 63, 63, 30)


def test_where_no_group_goes_in_that_is_told_and_when_it_does_it_is_told_too(
    drain, seal, counted, monkeypatch, fails_at
):
    told = []
    thread = DrainThread(drain, tell=told.append, on_end=lambda: None)
    with monkeypatch.context() as patch:
        fails_at(patch, counts, "insert_minutes", done_already=False)
        seal(1, 10)
        thread.start()
        until(lambda: bool(told))
    until(lambda: told[-1] is None)
    thread.finish()
    thread.join(60)
    assert told == ["the log cannot be drained, or not all of it: killed here", None]
    assert counted() == (21, 10, 21, 21, 10)


def until(is_so) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
