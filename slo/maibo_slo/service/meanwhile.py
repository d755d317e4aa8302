"""Two questions at once. The store answers each thread by itself, on a processor of its own where there is one; so whoever has two to ask has one of
them asked meanwhile.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_THREADS: Final = ThreadPoolExecutor(2, thread_name_prefix="meanwhile")


class Meanwhile(Generic[T]):
    """A question that another thread asks as soon as one is free, in the language that is spoken here."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._asked = _THREADS.submit(copy_context().run, ask)

    def answer(self) -> T:
        """Wait for it; ask it here and now where no thread was free. Raises what it raises."""
        return self._ask() if self._asked.cancel() else self._asked.result()
