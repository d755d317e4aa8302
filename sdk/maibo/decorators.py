"""Blocks as decorators, on sync and async functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

F = TypeVar("F", bound=Callable[..., Any])


def decorated(function: F, block: Callable[[], AbstractContextManager[object]], what: str) -> F:
    """`function`, each call of which runs in a block of its own; raises TypeError for generator functions."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(
            f"maibo.{what} cannot decorate the generator function {function.__qualname__}: it is suspended at each yield, and "
            f"its context would leak into its consumer. Use `with maibo.{what}(...)` around what consumes it."
        )
    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with block():
                return await function(*args, **kwargs)

        return awaited  # type: ignore[return-value]

    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        with block():
            return function(*args, **kwargs)

    return called  # type: ignore[return-value]
