"""The engine's heartbeat: a tick every ten seconds, in a thread of its own.

Ticks keep to a schedule (multiples of the period since the start), so they do not drift; a tick that takes longer than the period
makes the loop skip the ones it missed, rather than run after them. A failing tick is reported and tried again at the next one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_slo.engine.evaluate import Engine

TICK_SECONDS: Final = 10.0
log = logging.getLogger(__name__)


async def run(
    engine: Engine,
    *,
    stopping: asyncio.Event,
    report: Callable[[str, str | None], None],
    tick_seconds: float = TICK_SECONDS,
    now: Callable[[], float] = time.time,
    after: Callable[[float], None] = lambda _: None,
) -> None:
    """Tick at once, then every `tick_seconds`, until `stopping`; one last tick then takes in what the collectors drained.

    `after` is called after each tick that succeeded, in the same thread.
    """
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="maibo-engine") as thread:
        started = loop.time()
        while not stopping.is_set():
            await loop.run_in_executor(thread, tick_once, engine, report, now, after)
            due = started + next_beat(loop.time() - started, tick_seconds)
            await _wait(stopping, due - loop.time())
        await loop.run_in_executor(thread, tick_once, engine, report, now)


def tick_once(
    engine: Engine,
    report: Callable[[str, str | None], None],
    now: Callable[[], float],
    after: Callable[[float], None] = lambda _: None,
) -> None:
    """One tick, told to `report`: its failure ends here, since the next tick may well succeed."""
    try:
        engine.tick(now=now())
        after(now())
    except Exception as error:
        log.exception("the engine's tick failed")
        report("engine", f"the last tick failed: {error}")
    else:
        report("engine", None)


def next_beat(elapsed: float, period: float) -> float:
    """The first multiple of the period after `elapsed`; those already missed are skipped.

    >>> next_beat(3.2, 10.0), next_beat(10.0, 10.0), next_beat(34.0, 10.0)
    (10.0, 20.0, 40.0)
    """
    return (elapsed // period + 1) * period


async def _wait(stopping: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), timeout=max(0.0, seconds))
    except TimeoutError:
        return
