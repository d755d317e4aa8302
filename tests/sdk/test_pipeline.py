import os
import threading
import time
from types import SimpleNamespace

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from maibo.otlp import Answer
from maibo.pipeline import Pipeline
from maibo.runtime import Finished

JOURNEY = SimpleNamespace(
    name="checkout", id="a" * 32, tier="", variant="", start_ns=1000, _parent=None, user_hash="", session=""
)


def finished(step="payment"):
    return Finished(JOURNEY, step, "success", "", 1000, 2000, None)


class Collector:
    """An exporter in memory: gives `answers` in turn, then takes everything; blocks while `gate` is closed."""

    endpoint = "memory"

    def __init__(self):
        self.answers = []
        self.batches = []
        self.taken = []
        self.gate = threading.Event()
        self.gate.set()
        self.closed = False

    def send(self, spans, *, timeout):
        self.gate.wait(10)
        self.batches.append(list(spans))
        answer = self.answers.pop(0) if self.answers else Answer(delivered=True)
        if answer.delivered:
            self.taken.extend(spans)
        return answer

    def close(self):
        self.closed = True


@pytest.fixture(name="collector")
def _collector():
    collector = Collector()
    yield collector
    collector.gate.set()


@pytest.fixture(name="pipeline")
def _pipeline(collector):
    pipeline = Pipeline(
        lambda: collector, Resource({}), InstrumentationScope("maibo"), capacity=1000, delay_seconds=0.05
    )
    yield pipeline
    pipeline.shutdown(0.5)


def test_spans_leave_after_the_delay_without_being_asked(pipeline, collector, eventually):
    for _ in range(3):
        pipeline.put(finished())
    eventually(lambda: len(collector.taken) == 3)
    assert len({span.get_span_context().span_id for span in collector.taken}) == 3
    eventually(lambda: pipeline.stats().exported == 3)
    assert pipeline.stats().queued == 0


def test_a_full_batch_does_not_wait_for_the_delay(collector, eventually):
    pipeline = Pipeline(lambda: collector, Resource({}), InstrumentationScope("maibo"), delay_seconds=60)
    for _ in range(600):
        pipeline.put(finished())
    eventually(lambda: len(collector.taken) >= 512)
    assert pipeline.flush(2)
    assert len(collector.taken) == 600
    pipeline.shutdown(0.5)


def test_a_crowd_does_not_wait_for_the_delay_and_what_is_usual_does(collector, eventually):
    pipeline = Pipeline(lambda: collector, Resource({}), InstrumentationScope("maibo"), delay_seconds=60)
    for _ in range(16):
        pipeline.put(finished())
    eventually(lambda: len(collector.taken) == 16)
    eventually(lambda: pipeline._attention == 16 + int(2 * 1.6))
    for _ in range(18):
        pipeline.put(finished())
    assert pipeline.flush(2)
    assert [len(batch) for batch in collector.batches] == [16, 18]
    pipeline.shutdown(0.5)


@pytest.mark.parametrize("rate", [1, 40, 170])
def test_a_steady_rate_becomes_usual_and_is_sent_once_in_a_delay(collector, monkeypatch, rate):
    """So many spans in a delay; the first that a whole delay passes for are some way on."""
    pipeline = Pipeline(lambda: collector, Resource({}), InstrumentationScope("maibo"))
    rests = []

    def pause(seconds):
        came = min(rate, pipeline._attention)
        pipeline._queue.extend(finished() for _ in range(came))
        rests.append(seconds * came / rate)

    monkeypatch.setattr(pipeline, "_pause_for_wake", pause)
    for _ in range(40):
        pipeline._rest()
        pipeline._queue.clear()
    assert rests[-20:] == [1.0] * 20
    assert sum(rests[:20]) >= 8
    if rate == 1:
        assert rests == [1.0] * 40


def test_a_batch_that_was_not_taken_is_sent_again_as_it_was(pipeline, collector, eventually):
    collector.answers = [
        Answer(delivered=False, retry=True, why="503"),
        Answer(delivered=False, retry=True, wait_seconds=0.01),
    ]
    pipeline.put(finished())
    eventually(lambda: len(collector.batches) == 3)
    assert collector.batches[0] == collector.batches[1] == collector.batches[2]
    assert pipeline.flush(1)
    assert (pipeline.stats().exported, pipeline.stats().lost) == (1, 0)


def test_what_the_collector_refuses_for_good_is_lost_counted_and_told_once(pipeline, collector, caplog):
    collector.answers = [Answer(delivered=False, why="HTTP 400")] * 2
    for _ in range(2):
        pipeline.put(finished())
        assert pipeline.flush(2)
    assert (pipeline.stats().exported, pipeline.stats().lost) == (0, 2)
    assert len(caplog.records) == 1
    assert "HTTP 400" in caplog.text


def test_spans_that_a_collector_rejects_are_counted_apart(pipeline, collector):
    collector.answers = [Answer(delivered=True, rejected=2)]
    for _ in range(3):
        pipeline.put(finished())
    assert pipeline.flush(2)
    assert (pipeline.stats().exported, pipeline.stats().rejected) == (1, 2)


def test_a_full_queue_refuses_the_newest_and_every_one_is_accounted_for(pipeline, collector):
    collector.gate.clear()
    for n in range(3000):
        pipeline.put(finished(f"step{n}"))
    stats = pipeline.stats()
    assert stats.lost + stats.queued == 3000
    assert 1000 <= stats.queued <= 1512
    collector.gate.set()
    assert pipeline.flush(5)
    assert pipeline.stats().exported == stats.queued
    assert collector.taken[0].name == "step step0"


def test_threads_together_lose_nothing_and_double_nothing(collector):
    pipeline = Pipeline(lambda: collector, Resource({}), InstrumentationScope("maibo"), delay_seconds=0.01)

    def work():
        for _ in range(1000):
            pipeline.put(finished())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pipeline.shutdown(5)
    assert len(collector.taken) == 4000
    assert len({span.get_span_context().span_id for span in collector.taken}) == 4000


def test_flush_keeps_its_time_when_the_collector_hangs(pipeline, collector):
    collector.gate.clear()
    pipeline.put(finished())
    began = time.monotonic()
    assert not pipeline.flush(0.2)
    assert 0.19 < time.monotonic() - began < 5


def test_all_flushes_of_one_stop_share_one_budget(pipeline, collector):
    collector.gate.clear()
    pipeline.put(finished())
    pipeline.stop_seconds = 1.0
    began = time.monotonic()
    assert not pipeline.flush_at_stop()
    assert not pipeline.flush_at_stop()
    assert not pipeline.shutdown()
    assert time.monotonic() - began < 2.5, "not three times as long"
    assert pipeline.stats().lost == 1
    assert pipeline.stats().queued == 0


def test_a_flush_that_worked_gives_the_time_back(pipeline):
    pipeline.stop_seconds = 0.3
    pipeline.put(finished())
    assert pipeline.flush_at_stop()
    assert pipeline.stop_seconds == 2.0


def test_a_flush_interrupts_the_pause_between_retries(pipeline, collector, eventually):
    collector.answers = [Answer(delivered=False, retry=True, wait_seconds=30.0)]
    pipeline.put(finished())
    eventually(lambda: len(collector.batches) == 1)
    assert pipeline.flush(2)
    assert len(collector.taken) == 1


def test_in_a_hurry_each_span_leaves_at_once(collector, eventually):
    pipeline = Pipeline(lambda: collector, Resource({}), InstrumentationScope("maibo"), delay_seconds=60)
    pipeline.put(finished())
    pipeline.hurry()
    assert pipeline.wait(2)
    pipeline.put(finished())
    assert pipeline.wait(2)
    assert len(collector.taken) == 2
    pipeline.shutdown(0.5)


def test_after_the_shutdown_spans_are_lost_and_counted(pipeline, collector, eventually):
    pipeline.put(finished())
    assert pipeline.shutdown(2)
    pipeline.put(finished())
    assert (pipeline.stats().exported, pipeline.stats().lost, pipeline.stats().queued) == (1, 1, 0)
    eventually(lambda: collector.closed)


def test_an_error_of_our_own_in_the_worker_is_counted_and_the_worker_goes_on(pipeline, collector, monkeypatch):
    monkeypatch.setattr(collector, "answers", [None])  # an answer that is none
    pipeline.put(finished())
    assert pipeline.flush(2)
    pipeline.put(finished())
    assert pipeline.flush(2)
    stats = pipeline.stats()
    assert (stats.internal_errors, stats.lost, stats.exported) == (1, 1, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # that is what this test is about
def test_a_forked_child_sends_its_own_and_not_its_parents(pipeline, collector):
    collector.gate.clear()
    for _ in range(5):
        pipeline.put(finished("parent"))
    child = os.fork()
    if child == 0:
        collector.gate = threading.Event()
        collector.gate.set()
        pipeline.put(finished("child"))
        alright = pipeline.flush(5) and [span.name for span in collector.taken] == ["step child"]
        os._exit(0 if alright and pipeline.stats().exported == 1 else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    collector.gate.set()
    assert pipeline.flush(2)
    assert [span.name for span in collector.taken] == ["step parent"] * 5
