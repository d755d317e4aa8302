"""Each acknowledged body is counted once, whatever fails between two steps."""

import pytest
from prometheus_client import CollectorRegistry

from maibo_collectors.otlp import drain as drain_module
from maibo_collectors.otlp.body import Encoding
from maibo_collectors.otlp.drain import Drain
from maibo_collectors.otlp.metrics import CoreMetrics
from maibo_collectors.otlp.segment import Record, body_hash, header
from maibo_slo.errors import StoreError
from maibo_slo.store import segments

NOW_NS = 1_800_000_005_000_000_000


@pytest.fixture
def drain(store, tmp_path):
    for name in ("log", "corrupt", "metrics"):
        (tmp_path / name).mkdir()
    metrics = CoreMetrics(CollectorRegistry(), tmp_path / "metrics", lag_seconds=lambda: 0)
    return Drain(store, tmp_path / "log", tmp_path / "corrupt", metrics)


@pytest.fixture
def body(otlp_request):
    """A body of so many spans of "checkout"."""
    return lambda count=1, **more: otlp_request(
        *[{"journey.name": "checkout"} | more] * count, now_ns=NOW_NS
    ).SerializeToString()


def seal(drain, name, *bodies, suffix=".log", tail=b"", kind=1):
    path = drain.log / f"{name:020d}-0-ab{suffix}"
    records = [Record(body_hash(body), NOW_NS, 1, Encoding.IDENTITY, body, kind) for body in bodies]
    path.write_bytes(b"".join(header(record) + record.body for record in records) + tail)
    return path


def counted(drain, table="cells_10s") -> int:
    return int(drain.store.rows(f"SELECT sum(n) FROM {table}")[0][0])


def waiting(drain) -> list[str]:
    return sorted(path.name for path in drain.log.iterdir())


def test_sealed_segments_become_cells_at_every_tier_and_go(drain, body):
    seal(drain, 1, body(2), body(3))
    seal(drain, 2, body(5))
    assert drain.once() == 2
    assert waiting(drain) == []
    assert [counted(drain, table) for table in ("cells_10s", "cells_1m", "cells_1h")] == [10, 10, 10]
    assert drain.once() == 0


def test_a_segment_is_recorded_with_what_was_in_it(drain, body, otlp_request):
    spans = [{"journey.name": "checkout"}, {"journey.name": "checkout", "journey.outcome": "great"}, {"no": "journey"}]
    mixed = otlp_request(*spans, now_ns=NOW_NS).SerializeToString()
    repeated = body(4)
    seal(drain, 1, mixed, repeated, repeated)
    drain.once()
    totals = segments.totals(drain.store)
    assert (totals.segments, totals.bodies, totals.duplicate_bodies) == (1, 3, 1)
    assert (totals.spans, totals.counted, totals.ignored, totals.rejected) == (7, 5, 1, 1)
    minutes, _ = segments.changed_minutes(drain.store, 0)
    assert minutes == {NOW_NS // 10**9 // 60 * 60}


def test_the_same_body_in_several_segments_counts_once(drain, body):
    retried = body(3)
    seal(drain, 1, retried, body(1))
    drain.once()
    seal(drain, 2, retried)
    seal(drain, 3, body(2), retried)
    drain.once()
    assert counted(drain) == 6
    assert drain.metrics.duplicate_bodies._value.get() == 2


def test_a_late_span_lands_in_the_bucket_of_its_own_time(drain, body):
    seal(drain, 1, body(1))
    drain.once()
    seal(drain, 2, body(1, end=NOW_NS - 7_200 * 10**9), body(1))
    drain.once()
    seconds = NOW_NS // 10**9 // 10 * 10
    rows = drain.store.rows("SELECT toUnixTimestamp(t), sum(n) FROM cells_10s GROUP BY t ORDER BY t")
    assert [tuple(row) for row in rows] == [(seconds - 7_200, 1), (seconds, 2)]


@pytest.mark.parametrize("step", ["claim", "insert_cells", "record", "unlink"])
@pytest.mark.parametrize("done_already", [False, True], ids=["before it is done", "after it is done"])
def test_a_failure_at_any_step_loses_nothing_and_counts_nothing_twice(drain, body, monkeypatch, step, done_already):
    retried = body(3)
    seal(drain, 1, retried, body(2))
    seal(drain, 2, retried, body(1))
    owner = {"insert_cells": drain_module, "unlink": type(drain.log)}.get(step, segments)
    real = getattr(owner, step)

    def fail(*arguments, **named):
        if done_already:
            real(*arguments, **named)
        raise StoreError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, fail)
        with pytest.raises(StoreError):
            drain.once()
    while drain.once():
        pass
    assert waiting(drain) == []
    assert [counted(drain, table) for table in ("cells_10s", "cells_1m", "cells_1h")] == [6, 6, 6]


def test_a_replay_by_another_process_decides_as_the_first_one_did(drain, body, monkeypatch):
    """The younger segment claimed first; after the crash the older one is drained first, and must not take it over."""
    retried = body(3)
    younger = seal(drain, 2, retried)
    with monkeypatch.context() as patch:
        patch.setattr(segments, "record", lambda *_: (_ for _ in ()).throw(StoreError("killed here")))
        with pytest.raises(StoreError):
            drain.once()
    assert younger.exists()
    seal(drain, 1, retried)
    Drain(drain.store, drain.log, drain.corrupt, drain.metrics).once()
    assert counted(drain) == 3


def test_a_segment_that_fails_does_not_hold_up_the_others(drain, body, monkeypatch):
    seal(drain, 1, body(1))
    seal(drain, 2, body(2))
    real = drain_module.insert_cells

    def refuse_the_first(store, cells, *, token):
        if token.startswith(f"{1:020d}"):
            raise StoreError("this one is poison")
        real(store, cells, token=token)

    with monkeypatch.context() as patch:
        patch.setattr(drain_module, "insert_cells", refuse_the_first)
        for _ in range(2):
            with pytest.raises(StoreError):
                drain.once()
        assert counted(drain) == 2
        assert len(waiting(drain)) == 1
    drain.once()
    assert counted(drain) == 3


def test_a_corrupt_record_in_the_middle_is_set_aside_and_the_rest_counts(drain, body):
    parts = [body(1), body(2), body(4)]
    path = seal(drain, 1, *parts)
    content = bytearray(path.read_bytes())
    at = content.index(parts[1]) + 5
    content[at] ^= 0xFF
    path.write_bytes(content)
    drain.once()
    assert counted(drain) == 5
    (aside,) = drain.corrupt.iterdir()
    assert parts[1][10:] in aside.read_bytes()
    assert drain.metrics.damaged_records._value.get() == 1


def test_a_record_of_a_kind_that_is_not_known_is_set_aside(drain, body):
    seal(drain, 1, body(1), kind=99)
    drain.once()
    assert counted(drain) == 0
    assert len(list(drain.corrupt.iterdir())) == 1


def test_a_dead_acceptors_segment_is_cut_sealed_and_counted(drain, body):
    seal(drain, 1, body(2), suffix=".open", tail=header(Record(bytes(16), 1, 1, Encoding.IDENTITY, b"torn")))
    drain.once()
    assert counted(drain) == 2
    assert waiting(drain) == []


def test_what_was_drained_before_its_file_could_be_deleted_is_only_deleted(drain, body, monkeypatch):
    path = seal(drain, 1, body(2))
    content = path.read_bytes()
    drain.once()
    path.write_bytes(content)
    monkeypatch.delattr(segments, "claim")  # it does not come to that
    assert drain.once() == 1
    assert waiting(drain) == []
    assert counted(drain) == 2
