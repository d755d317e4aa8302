"""The collector in the core process: binds the address, keeps the acceptors, drains their log, and stops all that in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
from dataclasses import dataclass, field
from fcntl import LOCK_EX, LOCK_NB, flock
from functools import partial
from typing import TYPE_CHECKING

from maibo_collectors.errors import CollectorError
from maibo_collectors.otlp.drain import Drain, DrainThread, oldest_age_seconds, waiting_segments
from maibo_collectors.otlp.metrics import CoreMetrics
from maibo_collectors.otlp.segment import fsync_folder
from maibo_collectors.otlp.supervisor import Acceptors
from maibo_slo.errors import MaiboError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from maibo_slo.plugins import Context

logger = logging.getLogger(__name__)

NAME = "otlp"
ADDRESS_OPTION = "otlp-http"
_LAST_DRAIN_SECONDS = 10.0
"""With `STOP_SECONDS` of the acceptors and the next one, less than the service waits for its plugins."""
_LAST_SEGMENT_SECONDS = 4.0


async def run(context: Context) -> None:
    """Collects until the service stops; then stops the acceptors, and counts what they left."""
    health = _Health(context.report)
    try:
        with contextlib.ExitStack() as stack:
            count, mib = (_whole(context, option, least=1) for option in ("acceptors", "otlp-log-mib"))
            folders = stack.enter_context(_folders(context.data_dir / NAME))
            with await context.listen(context.options[ADDRESS_OPTION], f"--{ADDRESS_OPTION}") as listening:
                context.announce(ADDRESS_OPTION, _url(listening))
                metrics = CoreMetrics(
                    context.registry,
                    folders.metrics,
                    lag_seconds=partial(oldest_age_seconds, folders.log),
                    segments_waiting=partial(waiting_segments, folders.log),
                )
                with contextlib.closing(metrics):
                    acceptors = Acceptors(
                        listening=listening,
                        count=count,
                        log=folders.log,
                        metrics=folders.metrics,
                        quota_bytes=mib * 2**20,
                        on_change=lambda problem: health.tell("acceptors", problem),
                        on_restart=metrics.acceptor_restarts.inc,
                    )
                    drain = Drain(context.store, folders.log, folders.corrupt, metrics)
                    health.tell("acceptors", "OTLP acceptors are starting")
                    await _collect(acceptors, drain, health, context.stopping, let_go=stack.pop_all().close)
    except (CollectorError, MaiboError) as error:
        context.report(NAME, str(error))
        raise


async def _collect(
    acceptors: Acceptors, drain: Drain, health: _Health, stopping: asyncio.Event, *, let_go: Callable[[], None]
) -> None:
    """Lets go of the folders when the drain has ended, however long that takes: another one must not begin before."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def in_loop(call: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            loop.call_soon_threadsafe(call, *arguments)

    def on_end() -> None:
        let_go()
        in_loop(ended.set)

    draining = DrainThread(drain, tell=partial(in_loop, health.tell, "drain"), on_end=on_end)
    draining.start()
    try:
        await acceptors.run(stopping)
        draining.finish()
        await _wait(ended, _LAST_DRAIN_SECONDS)
    finally:
        draining.stop()
        if not await _wait(ended, _LAST_SEGMENT_SECONDS):
            logger.warning("the store takes long: what is in the log is counted at the next start")


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


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
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = os.open(root / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise CollectorError(
            f"the log's folder {root} cannot be used ({error.strerror}); choose another data folder"
        ) from None
    try:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise CollectorError(
                f"another collector writes into {root} or has not quite stopped; stop it, or choose another data folder"
            ) from None
        folders = _Folders(root / "log", root / "corrupt", root / "metrics")
        shutil.rmtree(folders.metrics, ignore_errors=True)
        for folder in (folders.log, folders.corrupt, folders.metrics):
            folder.mkdir(exist_ok=True)
        fsync_folder(root)
        yield folders
    finally:
        os.close(lock)


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _whole(context: Context, option: str, *, least: int) -> int:
    value = context.options[option]
    if not value.isdigit() or int(value) < least:
        raise CollectorError(f"--{option} is {value!r}; it must be a whole number from {least} on")
    return int(value)
