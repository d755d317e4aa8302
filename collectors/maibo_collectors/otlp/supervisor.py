"""Keeps the acceptor processes running.

The core binds the socket for HTTP once and every acceptor inherits it, so that no connection is refused while one of them restarts (gRPC
takes no socket: acceptors share its port, which the core reserves). An acceptor is started with exec, never forked alone (a forked copy of the embedded engine hangs), in a session of its own (Ctrl-C reaches the core
only, which stops it in order), with a pipe to the core as its standard input (which ends when the core is killed).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass, field
from os import environ
from typing import TYPE_CHECKING, Final

from maibo_collectors.otlp.receiving.access import OPEN, Access

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

logger = logging.getLogger(__name__)

READY_SECONDS = 30
STOP_SECONDS = 8
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_STEADY_SECONDS = 30
"""An acceptor that lived so long did not die of how it was started."""
_ENVIRONMENT: Final = {
    "MALLOC_ARENA_MAX": "2",  # each of gRPC's threads would have 64 MiB of address space of its own
    "GRPC_VERBOSITY": "NONE",  # what senders do wrong is told to them
}


@dataclass(slots=True)
class Acceptors:
    """As many acceptor processes as asked for, on one socket."""

    listening: socket.socket
    count: int
    log: Path
    metrics: Path
    quota_bytes: int
    on_change: Callable[[str | None], object]
    """Told None when every acceptor is ready, else what is wrong."""
    on_restart: Callable[[], None]
    grpc: str = ""
    """Address for gRPC, reserved; '' to do without."""
    rules: Path | None = None
    """File that acceptors follow."""
    access: Access = OPEN
    token_bytes_per_second: int = 0
    raw: bool = False
    """Whether bodies are logged as they came, for forwarding."""
    _ready: set[int] = field(default_factory=set)

    async def run(self, stopping: asyncio.Event) -> None:
        """Returns once all have stopped, after `stopping`."""
        async with asyncio.TaskGroup() as group:
            for acceptor in range(self.count):
                group.create_task(self._keep(acceptor, stopping))

    async def _keep(self, acceptor: int, stopping: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE_SECONDS
        while not stopping.is_set():
            begin = loop.time()
            died = await self._live(acceptor, stopping)
            if died is None:
                return
            self._tell(acceptor, died)
            self.on_restart()
            if loop.time() - begin > _STEADY_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            logger.error("%s; starting it again in %.1f s", died, pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _live(self, acceptor: int, stopping: asyncio.Event) -> str | None:
        """One process from start to end. Returns how it died; None: it was stopped."""
        try:
            process = await self._start(acceptor)
        except OSError as error:
            return f"OTLP acceptor {acceptor} cannot be started: {error}"
        exited = asyncio.create_task(process.wait())
        stopped = asyncio.create_task(stopping.wait())
        try:
            if not await self._said_ready(process):
                return f"OTLP acceptor {acceptor} was not ready (exit code {process.returncode})"
            self._tell(acceptor, None)
            await asyncio.wait({exited, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if stopping.is_set():
                return None
            return f"OTLP acceptor {acceptor} died (exit code {process.returncode})"
        finally:
            stopped.cancel()
            self._ready.discard(acceptor)
            await _stop(process, exited)

    async def _start(self, acceptor: int) -> Process:
        descriptor = self.listening.fileno()
        arguments = {
            "--fd": descriptor,
            "--acceptor": acceptor,
            "--log": self.log,
            "--metrics": self.metrics,
            "--quota": self.quota_bytes,
            "--grpc": self.grpc,
            "--rules": self.rules,
            "--tokens": self.access.tokens,
            "--token-bytes-per-second": self.token_bytes_per_second,
            "--tls-cert": self.access.certificate,
            "--tls-key": self.access.key,
            "--tls-client-ca": self.access.client_ca,
        }
        given = {name: value for name, value in arguments.items() if value not in {None, ""}}
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # a file of that name in the working directory must not stand in for a module
            "-m",
            "maibo_collectors.otlp.acceptor",
            *(str(part) for pair in given.items() for part in pair),
            *(["--raw"] if self.raw else []),
            stdin=PIPE,
            stdout=PIPE,
            pass_fds=(descriptor,),
            env={**environ, **_ENVIRONMENT},
            start_new_session=True,
        )

    async def _said_ready(self, process: Process) -> bool:
        assert process.stdout is not None
        try:
            return await asyncio.wait_for(process.stdout.readline(), READY_SECONDS) == b"ready\n"
        except TimeoutError:
            return False

    def _tell(self, acceptor: int, problem: str | None) -> None:
        if problem is not None:
            self.on_change(problem)
            return
        self._ready.add(acceptor)
        if len(self._ready) == self.count:
            self.on_change(None)


async def _stop(process: Process, exited: asyncio.Task[int]) -> None:
    """Ends a process: in order when it obeys, by force when it does not."""
    if process.returncode is None:
        process.terminate()
        done, _ = await asyncio.wait({exited}, timeout=STOP_SECONDS)
        if not done:
            logger.error("OTLP acceptor %d does not stop; killing it", process.pid)
            process.kill()
    await exited
