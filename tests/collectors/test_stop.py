"""Stopping takes its time bound, whatever the store does; nothing is lost or counted twice by it."""

import asyncio
import contextlib
import threading
import time

import pytest

from maibo_collectors.errors import CollectorError
from maibo_collectors.otlp import collector as collector_module
from maibo_collectors.otlp import supervisor
from maibo_collectors.otlp.collector import open_folders, run
from maibo_collectors.otlp.draining import batch as batches
from maibo_slo.service import runtime
from maibo_slo.store import counts

pytestmark = pytest.mark.anyio

SEGMENTS = 30


@pytest.fixture
def backlog(tmp_path, write_segment, otlp_body, monkeypatch):
    """So many segments of two spans each, waiting at the start; each is a batch."""
    monkeypatch.setattr(batches, "BATCH_SEGMENTS", 1)
    log = tmp_path / "otlp" / "log"
    log.mkdir(parents=True)
    for number in range(SEGMENTS):
        write_segment(log, number, otlp_body("checkout", 2))
    return log


def counted(store) -> int:
    return int(store.rows("SELECT sum(n) FROM cells_10s")[0][0])


@contextlib.asynccontextmanager
async def stalls():
    """The longest times that the loop did nothing else, in seconds."""
    longest: list[float] = [0.0]

    async def tick():
        while True:
            begin = time.monotonic()
            await asyncio.sleep(0.01)
            longest[0] = max(longest[0], time.monotonic() - begin)

    ticking = asyncio.create_task(tick())
    yield longest
    ticking.cancel()


async def until(condition, *, seconds=60):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def drain_all(context, log, told):
    """The next start, and its stop once the log is empty."""
    running = asyncio.create_task(run(context))
    await until(lambda: not any(log.iterdir()) or running.done())
    await until(lambda: told and told[-1] == ("otlp", None))
    context.stopping.set()
    await running


@pytest.mark.parametrize("how", ["told to stop", "cancelled"])
async def test_a_stop_with_a_slow_store_is_in_time_and_the_next_start_counts_the_rest_once(
    store, tmp_path, backlog, context_at, monkeypatch, how
):
    monkeypatch.setattr(collector_module, "_LAST_DRAIN_SECONDS", 0.5)
    real = counts.insert_cells

    def slowly(*arguments, **named):
        time.sleep(0.5)
        real(*arguments, **named)

    context = context_at(tmp_path, store, acceptors="1")
    with monkeypatch.context() as patch:
        patch.setattr(counts, "insert_cells", slowly)
        running = asyncio.create_task(run(context))
        await until(lambda: len(list(backlog.glob("*.log"))) < SEGMENTS)
        async with stalls() as longest:
            begin = time.monotonic()
            if how == "cancelled":
                running.cancel()
            context.stopping.set()
            await asyncio.wait({running})
            assert time.monotonic() - begin < 30
            assert longest[0] < 0.5
    assert running.cancelled() == (how == "cancelled")
    assert 0 < len(list(backlog.glob("*.log"))) < SEGMENTS
    told = []
    await drain_all(context_at(tmp_path, store, told=told, acceptors="1"), backlog, told)
    assert counted(store) == 2 * SEGMENTS


async def test_the_folder_of_a_drain_that_hangs_is_held_until_it_has_ended(
    store, tmp_path, backlog, context_at, monkeypatch
):
    monkeypatch.setattr(collector_module, "_LAST_DRAIN_SECONDS", 0.2)
    monkeypatch.setattr(collector_module, "_LAST_SEGMENT_SECONDS", 0.2)
    hangs, goes_on = threading.Event(), threading.Event()
    real = counts.insert_cells

    def hang(*arguments, **named):
        hangs.set()
        assert goes_on.wait(60)
        real(*arguments, **named)

    context = context_at(tmp_path, store, acceptors="1")
    with monkeypatch.context() as patch:
        patch.setattr(counts, "insert_cells", hang)
        running = asyncio.create_task(run(context))
        await until(hangs.is_set)
        context.stopping.set()
        await asyncio.wait_for(running, 60)
        with pytest.raises(CollectorError, match="has not quite stopped"), open_folders(tmp_path / "otlp"):
            pass
        goes_on.set()
        await until(lambda: not any(thread.name == "maibo-drain" for thread in threading.enumerate()))
    assert len(list(backlog.glob("*.log"))) == SEGMENTS - 1
    told = []
    await drain_all(context_at(tmp_path, store, told=told, acceptors="1"), backlog, told)
    assert counted(store) == 2 * SEGMENTS


async def test_started_again_in_the_same_service_it_has_its_metrics_again(store, tmp_path, backlog, context_at):
    context = context_at(tmp_path, store, acceptors="1")
    for _ in range(2):
        context.stopping.clear()
        running = asyncio.create_task(run(context))
        await until(lambda: context.registry.get_sample_value("maibo_otlp_segments_waiting") == 0)
        context.stopping.set()
        await running
        assert context.registry.get_sample_value("maibo_otlp_segments_waiting") is None


def test_a_stop_takes_less_than_the_service_waits_for():
    bounds = supervisor.STOP_SECONDS + collector_module._LAST_DRAIN_SECONDS + collector_module._LAST_SEGMENT_SECONDS
    assert bounds < runtime.PLUGINS_STOP_SECONDS
