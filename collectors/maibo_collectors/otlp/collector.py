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
from maibo_collectors.otlp.decoding import rules
from maibo_collectors.otlp.documents import rules_of
from maibo_collectors.otlp.doors import open_doors
from maibo_collectors.otlp.draining.drain import Drain, DrainThread, oldest_age_seconds, waiting_segments
from maibo_collectors.otlp.metrics import CoreMetrics
from maibo_collectors.otlp.segment import fsync_folder
from maibo_collectors.otlp.supervisor import Acceptors
from maibo_slo.errors import MaiboError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from prometheus_client import CollectorRegistry

    from maibo_slo.documents import Catalogue
    from maibo_slo.plugins import Context

logger = logging.getLogger(__name__)

NAME = "otlp"
_LOOK_SECONDS = 1.0
"""How often the documents are looked at: a reload is rare, and nobody waits for it."""
_LAST_DRAIN_SECONDS = 10.0
"""With `STOP_SECONDS` of the acceptors and the next one, less than the service waits for its plugins."""
_LAST_SEGMENT_SECONDS = 4.0


async def run(context: Context) -> None:
    """Collects until the service stops; then stops the acceptors, and counts what they left."""
    health = _Health(context.report)
    try:
        async with contextlib.AsyncExitStack() as stack:
            settings = Settings.of(context.options)
            held = stack.enter_context(contextlib.ExitStack())
            folders = held.enter_context(open_folders(context.data_dir / NAME))
            doors = await stack.enter_async_context(open_doors(context.options, context.listen, context.announce))
            metrics = stack.enter_context(open_metrics(context.registry, folders))
            documents = _Documents(context.catalogue, folders.rules, settings.series_limit)
            documents.write()
            acceptors = Acceptors(
                listening=doors.http,
                count=settings.acceptors,
                log=folders.log,
                metrics=folders.metrics,
                quota_bytes=settings.log_bytes,
                on_change=lambda problem: health.tell("acceptors", problem),
                on_restart=metrics.acceptor_restarts.inc,
                grpc=doors.grpc,
                rules=folders.rules,
                access=doors.access,
                token_bytes_per_second=settings.token_bytes_per_second,
            )
            drain = Drain(context.store, folders.log, folders.kept, folders.corrupt, metrics, counted=context.counted)
            health.tell("acceptors", "OTLP acceptors are starting")
            following = asyncio.create_task(documents.follow(lambda problem: health.tell("rules", problem)))
            stack.callback(following.cancel)
            await _collect(acceptors, drain, health, context.stopping, let_go=held.pop_all().close)
    except (CollectorError, MaiboError) as error:
        context.report(NAME, str(error))
        raise


@dataclass(frozen=True, slots=True)
class Settings:
    """The plugin's options that are numbers."""

    acceptors: int
    log_bytes: int
    series_limit: int
    token_bytes_per_second: int

    @classmethod
    def of(cls, options: Mapping[str, str]) -> Settings:
        """Raises CollectorError, which names the option and what it may be."""
        return cls(
            _whole(options, "acceptors", least=1),
            _whole(options, "otlp-log-mib", least=1) * 2**20,
            _whole(options, "otlp-series-limit", least=1),
            _whole(options, "otlp-token-mib-per-second", least=0) * 2**20,
        )


def _whole(options: Mapping[str, str], option: str, *, least: int) -> int:
    value = options[option]
    if not value.isdecimal() or int(value) < least:
        raise CollectorError(f"--{option} is {value!r}; it must be a whole number from {least} on")
    return int(value)


class _Documents:
    """What acceptors know of the documents in force: a file that is written anew when these change."""

    def __init__(self, catalogue: Callable[[], Catalogue], path: Path, series_limit: int) -> None:
        self._catalogue = catalogue
        self._path = path
        self._series_limit = series_limit
        self._written: Catalogue | None = None

    def write(self) -> None:
        """Unless the documents are those written last. CollectorError when the disk refuses."""
        catalogue = self._catalogue()
        if catalogue is self._written:
            return
        try:
            rules.write(rules_of(catalogue, series_limit=self._series_limit), self._path)
        except OSError as error:
            raise CollectorError(
                f"the rules for acceptors cannot be written to {self._path}: {error.strerror}"
            ) from error
        self._written = catalogue

    async def follow(self, tell: Callable[[str | None], bool]) -> None:
        """Looks once a second, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                self.write()
            except CollectorError as error:
                if tell(str(error)):
                    logger.error("%s; those of before stay in force", error)  # noqa: TRY400 -- the text says it all
            else:
                tell(None)


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
class Folders:
    """``log``, ``kept`` and ``corrupt`` outlive the process; ``metrics`` begin with it."""

    log: Path
    kept: Path
    corrupt: Path
    metrics: Path
    rules: Path


@contextlib.contextmanager
def open_folders(root: Path) -> Iterator[Folders]:
    """Makes the folders, for their owner alone, and holds them: two collectors must not drain one log."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        _keep_to_ourselves(root)
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
        folders = Folders(root / "log", root / "kept", root / "corrupt", root / "metrics", root / "rules.json")
        shutil.rmtree(folders.metrics, ignore_errors=True)
        for folder in (folders.log, folders.kept, folders.corrupt, folders.metrics):
            folder.mkdir(exist_ok=True)
        fsync_folder(root)
        yield folders
    finally:
        os.close(lock)


@contextlib.contextmanager
def open_metrics(registry: CollectorRegistry, folders: Folders) -> Iterator[CoreMetrics]:
    """What the core and its acceptors tell of themselves, for as long as they run."""
    metrics = CoreMetrics(
        registry,
        folders.metrics,
        lag_seconds=partial(oldest_age_seconds, folders.log),
        segments_waiting=partial(waiting_segments, folders.log),
    )
    try:
        yield metrics
    finally:
        metrics.close()


def _keep_to_ourselves(folder: Path) -> None:
    """Bodies are in there. On a volume whose folders are another's (of an earlier user's), it stays as it is."""
    try:
        folder.chmod(0o700)
    except PermissionError as error:
        logger.warning("%s is readable for others, and cannot be changed: %s", folder, error.strerror)
