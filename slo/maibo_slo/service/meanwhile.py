"""Two questions at once. The store answers each thread by itself, on a processor of its own where there is one; so whoever has two to ask has one of
them asked meanwhile.

Who leaves the block of a question, whatever happened there, wants no answer any more: unless a thread has begun with it, none will.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

T = TypeVar("T")
MOST: Final = 32
"""Questions that wait for a thread. Those beyond are asked by whoever has them."""
_THREADS: Final = ThreadPoolExecutor(2, thread_name_prefix="meanwhile")
_ROOM: Final = threading.Semaphore(MOST)


class Meanwhile(Generic[T]):
    """A question that another thread asks as soon as one is free, in the language that is spoken here."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._asked: Future[T] = Future()
        if _ROOM.acquire(blocking=False):
            _THREADS.submit(copy_context().run, self._begin)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._asked.cancel()

    def answer(self) -> T:
        """Wait for it; ask it here and now where no thread was free. Raises what it raises."""
        return self._ask() if self._asked.cancel() else self._asked.result()

    def _begin(self) -> None:
        _ROOM.release()
        if self._asked.set_running_or_notify_cancel():
            try:
                self._asked.set_result(self._ask())
            except BaseException as error:  # noqa: BLE001 -- whoever wants the answer gets it
                self._asked.set_exception(error)
