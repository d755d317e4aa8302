"""Options of commands that change something: who says so, why, and for how long."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import click

from maibo_slo.documents.durations import elapsed_us

if TYPE_CHECKING:
    from collections.abc import Callable


def person_options(command: Callable[..., None]) -> Callable[..., None]:
    """``--who`` and ``--why``."""
    command = click.option("--why", required=True, help="In a sentence: who reads the numbers asks.")(command)
    return click.option("--who", default=_who, show_default="login name", help="Who answers for it.")(command)


def whole_seconds(_: click.Context, __: click.Parameter, value: str) -> int:
    """Callback of an option such as ``--for 2h``."""
    try:
        microseconds = elapsed_us(value)
    except ValueError:
        microseconds = 1
    if microseconds % 1_000_000:
        raise click.BadParameter(f"{value!r} is no duration of whole seconds such as 90m, 2h or 1d")
    return microseconds // 1_000_000


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:  # a container's user may have no name; from Python 3.13 on an OSError
        raise click.UsageError("this user has no login name: say --who") from error
