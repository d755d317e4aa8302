"""Options of commands that change something: who says so, why, and for how long."""

from __future__ import annotations

import getpass
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhdw])")


def person_options(command: Callable[..., None]) -> Callable[..., None]:
    """``--who`` and ``--why``."""
    command = click.option("--why", required=True, help="In a sentence: who reads the numbers asks.")(command)
    return click.option("--who", default=_who, show_default="login name", help="Who answers for it.")(command)


def whole_seconds(_: click.Context, __: click.Parameter, value: str) -> int:
    """Callback of an option such as ``--for 2h``. Longer than what documents call a duration: a correction may last for weeks."""
    found = _DURATION.fullmatch(value)
    seconds = Decimal(found[1]) * _SECONDS[found[2]] if found else Decimal(0)
    if seconds <= 0 or seconds % 1:
        raise click.BadParameter(f"{value!r} is no duration of whole seconds such as 90m, 2h or 1d")
    return int(seconds)


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:  # a container's user may have no name; from Python 3.13 on an OSError
        raise click.UsageError("this user has no login name: say --who") from error
