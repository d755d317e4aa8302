"""Threads do not inherit context; `carry` takes the journey along."""

from __future__ import annotations

import inspect
from contextvars import copy_context
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, to be run in another thread, in the context of here and now::

        pool.submit(maibo.carry(charge), order)

    The result may be called several times, and by several threads at once. Tasks and ``asyncio.to_thread`` need none of this.
    Raises TypeError for a coroutine function: its body would run elsewhere, later.
    """
    if inspect.iscoroutinefunction(function):
        raise TypeError(
            f"maibo.carry takes plain functions: {function.__qualname__} is a coroutine function; its task carries its context"
        )
    context = copy_context()

    @wraps(function)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        return context.copy().run(function, *args, **kwargs)  # a copy: one context cannot be entered twice at once

    return carried
