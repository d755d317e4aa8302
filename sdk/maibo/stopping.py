"""Nothing is lost at a normal stop: flush at interpreter exit, on SIGTERM, and at the end of multiprocessing's children.

SIGTERM's default action ends a process without any exit function, and servers raise it again after their graceful stop. So a handler
is put in front of the one there is. It takes no lock and starts no thread (the main thread may be anywhere, even inside one of ours):
it tells the worker to hurry, and hands on. Only where the default action would follow does it wait, polling, for at most 2 s.

Servers that install handlers of their own after `configure` (gunicorn in its workers, uvicorn around its loop) are met again at
the first span of each process. Each handler of ours knows the one it stands before, so that a server may take its own away.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
from multiprocessing import parent_process, util
from typing import TYPE_CHECKING

from maibo import problems

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from maibo.pipeline import Pipeline

_pipeline: Pipeline | None = None
_guarded = False


class Chained:
    """A SIGTERM handler that stands before another one."""

    __slots__ = ("previous",)

    def __init__(self, previous: Callable[[int, FrameType | None], object] | int) -> None:
        self.previous = previous

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        pipeline = _pipeline
        if pipeline is not None:
            pipeline.hurry()
        if callable(self.previous):
            self.previous(signum, frame)
        elif self.previous == signal.SIG_DFL:
            if pipeline is not None:
                _wait(pipeline)
            signal.signal(signum, signal.SIG_DFL)
            signal.raise_signal(signum)


def guard(pipeline: Pipeline) -> None:
    """From now on `pipeline` is flushed when the process stops."""
    global _guarded, _pipeline  # noqa: PLW0603 -- one process, one pipeline
    _pipeline = pipeline
    if not _guarded:
        _guarded = True
        atexit.register(_at_exit)
        # Children of multiprocessing end with os._exit: no atexit there, only its own finalizers.
        util.register_after_fork(_at_exit, lambda _: _finalize())
        if parent_process() is not None:
            _finalize()
    chain_sigterm()


def chain_sigterm() -> None:
    """Stand before whatever handles SIGTERM now; does nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return
    try:
        present = signal.getsignal(signal.SIGTERM)
        if present is not None and not isinstance(present, Chained):  # None: not Python's to chain
            signal.signal(signal.SIGTERM, Chained(present))
    except ValueError as error:  # a sub-interpreter
        problems.caught("chain_sigterm", error)


def _wait(pipeline: Pipeline) -> None:
    began = time.monotonic()
    flushed = pipeline.wait(pipeline.stop_seconds)
    pipeline.stopping_took(time.monotonic() - began, flushed=flushed)
    if not flushed:
        os.write(2, b"maibo: spans are lost: not delivered in time at SIGTERM\n")  # logging would take locks


def _finalize() -> None:
    util.Finalize(None, _at_exit, exitpriority=0)


def _at_exit() -> None:
    if _pipeline is not None:
        try:
            _pipeline.shutdown()
        except Exception as error:  # noqa: BLE001 -- the host goes on to its end
            problems.caught("exit", error)
