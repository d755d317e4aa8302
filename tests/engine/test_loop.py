"""The heartbeat keeps its schedule, and survives a failing tick."""

import asyncio

from maibo_slo.engine.loop import next_beat, run


class FakeEngine:
    """Counts its ticks; the first ones fail."""

    def __init__(self, failures: int) -> None:
        self.ticks: list[float] = []
        self.failures = failures

    def tick(self, *, now: float) -> None:
        self.ticks.append(now)
        if len(self.ticks) <= self.failures:
            raise RuntimeError("the store is away")


def test_missed_beats_are_skipped_and_not_run_after() -> None:
    assert [next_beat(elapsed, 10) for elapsed in (0.0, 9.9, 10.0, 34.5)] == [10, 10, 20, 40]


def test_a_failing_tick_is_reported_and_the_next_one_mends_it() -> None:
    engine, reports = FakeEngine(failures=1), []

    async def beat() -> None:
        stopping = asyncio.Event()

        def report(part: str, error: str | None) -> None:
            reports.append((part, error))
            if len(reports) == 2:
                loop.call_soon_threadsafe(stopping.set)

        loop = asyncio.get_running_loop()
        await asyncio.wait_for(run(engine, stopping=stopping, report=report, tick_seconds=0.01, now=lambda: 7.0), 10)

    asyncio.run(beat())
    assert reports[:2] == [("engine", "the last tick failed: the store is away"), ("engine", None)]
    assert len(engine.ticks) >= 3  # the last one after `stopping`


def test_stopping_runs_one_last_tick() -> None:
    engine = FakeEngine(failures=0)

    async def beat() -> None:
        stopping = asyncio.Event()
        stopping.set()
        await run(engine, stopping=stopping, report=lambda part, error: None, now=lambda: 7.0)

    asyncio.run(beat())
    assert engine.ticks == [7.0]
