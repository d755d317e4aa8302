"""What the commands print: tables for people, JSON for programs; numbers spelled the same everywhere."""

# ruff: noqa: RUF001, RUF002 -- a dash for nothing and a times sign are typography, not typing errors
from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from maibo_slo.service.pages import units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

BARS: Final = "▁▂▃▄▅▆▇█"
NOTHING: Final = "–"

output_option = click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people or programs.",
)


def print_json(said: Any) -> None:
    """One object, strict JSON."""
    click.echo(as_json(said))


def as_json(said: Any) -> str:
    return json.dumps(said, indent=2, ensure_ascii=False, allow_nan=False)


def console() -> Console:
    """Rich's, for standard output; plain text where that is no terminal. Names come from outside, so no text is markup: see `styled`."""
    from rich.console import Console

    out = Console(highlight=False, markup=False, emoji=False)
    if not out.is_terminal:
        out.width = max(out.width, 160)  # a pipe has no width: do not cut what goes into a file
    return out


def styled(text: str, style: str) -> Text:
    """Text in a colour."""
    from rich.text import Text

    return Text(text, style)


def shown(text: str) -> str:
    r"""Text from outside on one line, without what a terminal would obey.

    >>> shown("check\x1b[2Jout"), shown("a\nb")
    ('check�[2Jout', 'a�b')
    """
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def table(*columns: str, numbers: Sequence[str] = (), whole: Sequence[str] = ()) -> Table:
    """A table; columns of `numbers` stand at the right. On a narrow terminal texts go over several lines, but not numbers and `whole`."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        number = column in numbers
        made.add_column(
            column, justify="right" if number else "left", no_wrap=number or column in whole, overflow="fold"
        )
    return made


def duration(us: float | None) -> str:
    """``1.25 ms``: three digits, in the unit that suits.

    >>> duration(1250.0), duration(467_474.7), duration(None)
    ('1.25 ms', '467 ms', '–')
    """
    if us is None:
        return NOTHING
    unit, size = next(
        (unit, size) for unit, size in (("s", 1e6), ("ms", 1e3), ("µs", 1.0)) if us >= size or size == 1.0
    )
    return f"{us / size:#.3g}".rstrip(".") + f" {unit}"


def percent(ratio: float | None, digits: int = 2) -> str:
    """``99.95 %``; never rounded up to 100 when something was bad, and never ``-0``.

    >>> percent(0.9995), percent(0.999999), percent(1.0), percent(None)
    ('99.95 %', '99.99 %', '100 %', '–')
    """
    if ratio is None:
        return NOTHING
    if ratio == 1:
        return "100 %"
    shown = round(ratio * 100, digits)
    if shown == 100:
        shown = 100 - 10**-digits
    return f"{shown + 0.0:.{digits}f} %"


def budget(remaining: float | None) -> str:
    """What is left of an error budget, rounded down as the page does.

    >>> budget(0.9947), budget(0.99999), budget(-2.951), budget(None)
    ('99.4 %', '99.9 %', '-296 %', '–')
    """
    return _plain(units.budget(remaining))


def coverage(ratio: float) -> str:
    """A share of time, as the page tells it: what was observed is never rounded away.

    >>> coverage(0.00027), coverage(0.98)
    ('0.027 %', '98 %')
    """
    return _plain(units.coverage(ratio))


def period(seconds: float) -> str:
    """A length of time in its two largest units, as the page tells it.

    >>> period(28 * 86_400 - 660)
    '27 d 23 h'
    """
    return _plain(units.period(seconds))


def _plain(text: str) -> str:
    return text.replace(units.SPACE, " ").replace(units.MINUS, "-")


def ago(seconds: float | None) -> str:
    """``12 s``, ``5 min``, ``3 h``, ``2 d``; since when is said by the column.

    >>> ago(12.3), ago(320), ago(None)
    ('12 s', '5 min', '–')
    """
    if seconds is None:
        return NOTHING
    unit, size = next(
        (unit, size)
        for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
        if seconds >= size or size == 1
    )
    return f"{seconds / size:.0f} {unit}"


def sparkline(values: Sequence[float | None], *, most: int = 60) -> str:
    """One character a value, a gap where there is none; of more than `most`, neighbours share one, the highest of them.

    >>> sparkline([0, 1, None, 2]), sparkline([0, 1, None, 2], most=2)
    ('▁▄ █', '▄█')
    """
    together = -(-len(values) // most) or 1
    if together > 1:
        groups = (
            [value for value in values[at : at + together] if value is not None]
            for at in range(0, len(values), together)
        )
        values = [max(group, default=None) for group in groups]
    highest = max((value for value in values if value is not None), default=0)
    return "".join(" " if value is None else _bar(value, highest) for value in values)


def _bar(value: float, highest: float) -> str:
    return BARS[0] if highest <= 0 else BARS[min(len(BARS) - 1, int(value / highest * (len(BARS) - 1)))]


def many(number: int, what: str) -> str:
    """A number of things.

    >>> many(1, "error"), many(2, "error-budget policy"), many(3, "info")
    ('1 error', '2 error-budget policies', '3 info')
    """
    several = f"{what.removesuffix('y')}ies" if what.endswith("cy") else f"{what}s"
    return f"{number} {what if number == 1 or what == 'info' else several}"
