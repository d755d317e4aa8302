"""The demo's child processes: started with their own logs, watched, and all ended however the demo ends.

Each child leads a process group of its own, so that Ctrl-C reaches the demo alone, which then ends its children in order: the
services' last spans must find the collector alive.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from maibo_slo.errors import MaiboError

TAIL_LINES = 15


class DemoError(MaiboError):
    """The demo could not be run: a part of it did not start, or died."""


@dataclass(frozen=True, slots=True)
class Child:
    """One process, and the file that holds its output."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    ends: bool = False
    """Whether it is meant to end by itself, once its work is done."""

    @property
    def tail(self) -> str:
        """The last lines it wrote."""
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join(f"  {line}" for line in lines) or "  (it wrote nothing)"


@dataclass(slots=True)
class Children:
    """Child processes; leaving the block ends those that still run, the latest first."""

    logs: Path
    started: list[Child] = field(default_factory=list)
    stopped: set[str] = field(default_factory=set)

    def start(
        self, name: str, argv: Sequence[str], *, sockets: Sequence[socket.socket] = (), ends: bool = False
    ) -> Child:
        """Start `argv`; it inherits `sockets` under the same descriptors."""
        log = self.logs / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 -- our own command lines
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[each.fileno() for each in sockets],
                env=_environment(),
            )
        child = Child(name, process, log, ends)
        self.started.append(child)
        return child

    def check(self) -> None:
        """Raise DemoError, with its last lines, when a child ended that nobody stopped."""
        for child in self.started:
            code = child.process.poll()
            if code is None or child.name in self.stopped or (child.ends and code == 0):
                continue
            raise DemoError(f"{child.name} ended by itself (exit code {code}); its last lines:\n{child.tail}")

    def stop(self, *children: Child, within: float = 10.0) -> None:
        """SIGTERM to all of them, wait, SIGKILL to the groups of those that have not gone within `within` seconds."""
        self.stopped.update(child.name for child in children)
        for child in children:
            if child.process.poll() is None:
                child.process.terminate()
        for child in children:
            try:
                child.process.wait(within)
            except subprocess.TimeoutExpired:
                _kill_group(child.process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for child in reversed(self.started):
                self.stop(child)
        finally:  # whatever they started and left behind, and all of them when a second Ctrl-C says so
            for child in self.started:
                _kill_group(child.process)


def listen(port: int = 0) -> socket.socket:
    """A listening socket on loopback for a child to inherit: no other process can take the port in between."""
    found = socket.socket()
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(("127.0.0.1", port))
        found.listen(512)
    except OSError:
        found.close()
        raise
    return found


def free_port(wanted: int) -> int:
    """`wanted` where it is free, else a port that is."""
    for port in (wanted, 0):
        try:
            with listen(port) as found:
                return int(found.getsockname()[1])
        except OSError:
            continue
    raise DemoError("no free port on 127.0.0.1")


def _environment() -> dict[str, str]:
    """Our own, without what would send traces elsewhere, switch them off, or ask a proxy for a loopback address."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "MAIBO_")) and not name.lower().endswith("_proxy")
    }
    return {**kept, "PYTHONUNBUFFERED": "1"}


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()
