"""When pods served, on its way from requests to the store."""

import pytest
from prometheus_client import CollectorRegistry

from maibo_collectors.otlp.decoding.tally import PodServed, Tally, encode
from maibo_collectors.otlp.draining import merge as merging
from maibo_collectors.otlp.draining.drain import Drain
from maibo_collectors.otlp.draining.merge import Merge, SeriesMemo
from maibo_collectors.otlp.draining.pods import TELL_SECONDS, Told
from maibo_collectors.otlp.metrics import CoreMetrics
from maibo_collectors.otlp.segment import Kind
from maibo_slo.errors import StoreError
from maibo_slo.store import counts
from maibo_slo.store.served import Served, first_served

NOW_NS = 1_800_000_005_123_456_789
NOW = 1_800_000_005.123456


def pod(name="api-1", first=0.0, last=0.0):
    return PodServed("shop", name, "api", NOW_NS + round(first * 1e9), NOW_NS + round(last * 1e9))


def merged(*served):
    merge = Merge(SeriesMemo())
    for each in served:
        merge.add(Tally(total=1, counted=1, served=each))
    return merge.counts().served


@pytest.fixture
def drain(store, tmp_path):
    for name in ("log", "kept", "corrupt", "metrics"):
        (tmp_path / name).mkdir()
    metrics = CoreMetrics(CollectorRegistry(), tmp_path / "metrics", lag_seconds=lambda: 0, segments_waiting=lambda: 0)
    return Drain(store, tmp_path / "log", tmp_path / "kept", tmp_path / "corrupt", metrics)


@pytest.fixture
def seal(drain, write_segment):
    """A segment of one request in which these pods served."""

    def make(number, *served):
        body = encode(Tally(total=number, counted=number, served=list(served)))
        write_segment(drain.log, number, body, now_ns=NOW_NS, kind=Kind.TALLY)

    return make


@pytest.fixture
def told(monkeypatch):
    """What each insert into the store says of pods."""
    inserts = []
    insert = counts.served.insert

    def spy(store, served):
        if served:
            inserts.append({each.pod for each in served})
        insert(store, served)

    monkeypatch.setattr(counts.served, "insert", spy)
    return inserts


def test_requests_of_a_batch_make_one_row_of_a_pod_to_the_microsecond():
    found = merged([pod(first=-3, last=-1), pod("api-2")], [pod(first=-2, last=0)], [])
    assert found == [Served("shop", "api-1", "api", NOW - 3, NOW), Served("shop", "api-2", "api", NOW, NOW)]


def test_a_batch_of_more_pods_than_there_are_is_cut(monkeypatch):
    monkeypatch.setattr(merging, "MOST_PODS", 2)
    found = merged([pod("a"), pod("b", -1, -1), pod("c")], [pod("b"), pod("c")])
    assert [(each.pod, each.first) for each in found] == [("a", NOW), ("b", NOW - 1)]


def test_a_pod_has_served_when_its_batch_is_rolled_up(drain, seal):
    seal(1, pod(first=-2))
    drain.once(now=0, roll_up=False)
    seal(2, pod(first=-5), pod("api-2"))
    drain.once(now=0)
    assert first_served(drain.store, "shop", ["api-1", "api-2", "api-3"]) == {"api-1": NOW - 5, "api-2": NOW}


def test_what_was_kept_is_told_by_the_process_that_comes_after_and_once_more_does_no_harm(drain, seal):
    seal(1, pod(first=-2.000001))
    drain.once(now=0, roll_up=False)
    kept = [(path, path.read_bytes()) for path in drain.kept.iterdir()]
    for _ in range(2):
        for path, content in kept:
            path.write_bytes(content)
        Drain(drain.store, drain.log, drain.kept, drain.corrupt, drain.metrics).once(now=0)
    assert first_served(drain.store, "shop", ["api-1"]) == {"api-1": pytest.approx(NOW - 2.000001, abs=1.1e-6)}


def test_the_store_is_told_of_a_new_pod_at_once_and_of_others_once_a_minute(drain, seal, told):
    for number, served in enumerate(
        ([pod()], [pod(last=30)], [pod(last=59), pod("api-2")], [pod(last=60)], [pod(last=120)], [pod(first=-1)]),
        start=1,
    ):
        seal(number, *served)
        drain.once(now=0)
    assert told == [{"api-1"}, {"api-1", "api-2"}, {"api-1"}, {"api-1"}]
    assert first_served(drain.store, "shop", ["api-1"]) == {"api-1": NOW - 1}


def test_what_the_store_did_not_take_is_told_again(drain, seal, told, monkeypatch):
    seal(1, pod())
    with monkeypatch.context() as failing:

        def refuse(*_):
            raise StoreError("no")

        failing.setattr(counts.served, "insert", refuse)
        with pytest.raises(StoreError):
            drain.roll_up(now=0) if drain.once(now=0, roll_up=False) else None
    assert told == []
    drain.once(now=1000)
    assert told == [{"api-1"}]


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr("maibo_collectors.otlp.draining.pods._REMEMBERED", 3)
    known = Told()
    for number in range(10):
        known.remember([Served("shop", f"api-{number}", "", NOW, NOW)])
    assert len(known._told) <= 3
    assert known.news([Served("shop", "api-9", "", NOW, NOW + TELL_SECONDS)]) == ()
    assert len(known.news([Served("shop", "api-0", "", NOW, NOW)])) == 1
