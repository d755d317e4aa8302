"""The collector in the core process: binds the address, keeps the acceptors, drains their log, and stops all that in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fcntl import LOCK_EX, LOCK_NB, flock
from functools import partial
from typing import TYPE_CHECKING

from maibo_collectors.errors import CollectorError
from maibo_collectors.otlp.address import listen, shown
from maibo_collectors.otlp.drain import Drain, oldest_age_seconds
from maibo_collectors.otlp.metrics import CoreMetrics
from maibo_collectors.otlp.segment import fsync_folder
from maibo_collectors.otlp.supervisor import Acceptors

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from maibo_slo.plugins import Context

logger = logging.getLogger(__name__)

NAME = "otlp"
DRAIN_SECONDS = 0.25
"""Between looks into the log's folder; a look costs less than a millisecond."""
_LONGEST_PAUSE_SECONDS = 30.0
_LAST_DRAIN_SECONDS = 20.0


async def run(context: Context) -> None:
    """Collects until the service stops; then stops the acceptors, and counts what they left."""
    health = _Health(context.report)
    try:
        with contextlib.ExitStack() as stack:
            folders = stack.enter_context(_folders(context.data_dir / NAME))
            listening = stack.enter_context(await listen(context.options["otlp-http"]))
            executor = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="maibo-drain"))
            metrics = CoreMetrics(
                context.registry, folders.metrics, lag_seconds=partial(oldest_age_seconds, folders.log)
            )
            acceptors = Acceptors(
                listening=listening,
                count=_whole(context, "acceptors", least=1),
                log=folders.log,
                metrics=folders.metrics,
                quota_bytes=_whole(context, "otlp-log-mib", least=1) * 2**20,
                on_change=lambda problem: health.tell("acceptors", problem),
                on_restart=metrics.acceptor_restarts.inc,
            )
            drain = Drain(context.store, folders.log, folders.corrupt, metrics)
            logger.info("taking OTLP at %s/v1/traces", shown(listening))
            await _collect(acceptors, partial(_in_thread, executor, drain), health, context.stopping)
    except CollectorError as error:
        context.report(NAME, str(error))
        raise


async def _collect(
    acceptors: Acceptors, drain_once: Callable[[], Coroutine[None, None, int]], health: _Health, stopping: asyncio.Event
) -> None:
    health.tell("acceptors", "OTLP acceptors are starting")
    accepting = asyncio.create_task(acceptors.run(stopping))
    try:
        pause = DRAIN_SECONDS
        while not accepting.done():
            drained = await _drain(drain_once, health)
            pause = DRAIN_SECONDS if drained is not None else min(2 * pause, _LONGEST_PAUSE_SECONDS)
            await asyncio.wait({accepting}, timeout=pause)
        await accepting
    finally:
        if not accepting.done():
            accepting.cancel()
            await asyncio.wait({accepting})
    await _drain_rest(drain_once, health)


async def _drain(drain_once: Callable[[], Coroutine[None, None, int]], health: _Health) -> int | None:
    """How many segments were drained; None when it failed (they stay, and are tried again)."""
    try:
        drained = await drain_once()
    except Exception as error:
        if health.tell("drain", f"the log cannot be drained: {error or type(error).__name__}"):
            logger.exception("the log cannot be drained; nothing is lost, it is tried again")
        return None
    health.tell("drain", None)
    return drained


async def _drain_rest(drain_once: Callable[[], Coroutine[None, None, int]], health: _Health) -> None:
    """After the acceptors have stopped: what they sealed last. What cannot be drained now is found again at the next start."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LAST_DRAIN_SECONDS):
            while await _drain(drain_once, health):
                pass


async def _in_thread(executor: ThreadPoolExecutor, drain: Drain) -> int:
    """Always the same thread: the store's connections belong to threads."""
    return await asyncio.get_running_loop().run_in_executor(executor, drain.once)


@dataclass(slots=True)
class _Health:
    """What is wrong with the collector's parts, told as one."""

    report: Callable[[str, str | None], None]
    _problems: dict[str, str] = field(default_factory=dict)

    def tell(self, part: str, problem: str | None) -> bool:
        """Returns whether that is news."""
        news = self._problems.get(part) != problem
        if problem is None:
            self._problems.pop(part, None)
        else:
            self._problems[part] = problem
        if news:
            self.report(NAME, "; ".join(self._problems.values()) or None)
        return news


@dataclass(frozen=True, slots=True)
class _Folders:
    """``log`` and ``corrupt`` outlive the process; ``metrics`` begin with it."""

    log: Path
    corrupt: Path
    metrics: Path


@contextlib.contextmanager
def _folders(root: Path) -> Iterator[_Folders]:
    """Makes the folders, and holds them: two collectors must not drain one log."""
    root.mkdir(parents=True, exist_ok=True)
    lock = os.open(root / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise CollectorError(
                f"another process collects into {root}; stop it, or choose another data folder"
            ) from None
        folders = _Folders(root / "log", root / "corrupt", root / "metrics")
        shutil.rmtree(folders.metrics, ignore_errors=True)
        for folder in (folders.log, folders.corrupt, folders.metrics):
            folder.mkdir(exist_ok=True)
        fsync_folder(root)
        yield folders
    finally:
        os.close(lock)


def _whole(context: Context, option: str, *, least: int) -> int:
    value = context.options[option]
    if not value.isdigit() or int(value) < least:
        raise CollectorError(f"--{option} is {value!r}; it must be a whole number from {least} on")
    return int(value)
