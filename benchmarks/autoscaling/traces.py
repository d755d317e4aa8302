"""Demand: recorded traces of any of the known shapes, made ones, and days of them, second by second."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

DAY: Final = 86_400
BRIDGED_SECONDS: Final = 600
"""A gap up to this is bridged by a line; a day with a longer one is not replayed."""


class UnreadableTrace(ValueError):  # noqa: N818 -- the name says what is so
    """A file is no trace; the text says which, where, and what is read."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Requests a second, at the middle of each step."""

    name: str
    begin: float
    """Unix s (UTC)."""
    step_seconds: int
    rates: Vector
    known: NDArray[np.bool_]
    """Where it was recorded, or a short gap bridged."""

    @property
    def seconds(self) -> int:
        return len(self.rates) * self.step_seconds

    @property
    def end(self) -> float:
        return self.begin + self.seconds

    def scaled(self, mean: float) -> Trace:
        """To so many requests a second on average."""
        factor = mean / float(self.rates[self.known].mean())
        return Trace(self.name, self.begin, self.step_seconds, self.rates * factor, self.known)

    def by_second(self, begin: float, end: float) -> Vector:
        """Requests a second expected in each second of [begin, end): by lines between the middles of steps."""
        middles = (np.arange(len(self.rates)) + 0.5) * self.step_seconds
        return np.asarray(np.interp(np.arange(round(end - begin)) + (begin - self.begin) + 0.5, middles, self.rates))

    def by_minute(self, end: float, minutes: int) -> Vector:
        """The last minutes before `end` that there are, oldest first."""
        begin = max(self.begin, end - 60 * minutes)
        begin = end - (end - begin) // 60 * 60
        if end <= begin:
            return np.zeros(0)
        return np.asarray(self.by_second(begin, end).reshape(-1, 60).mean(axis=1))


def read(path: Path) -> Trace:
    """CSV of two columns (a time or unix seconds; a count or rate of each step), or one number a line: requests a second."""
    rows = [row for row in csv.reader(path.read_text(encoding="utf-8").splitlines()) if row]
    if rows and len(rows[0]) == 1:
        rates = np.array([_number(path, line, row[0]) for line, row in enumerate(rows, 1)])
        return Trace(path.stem, 0.0, 1, rates, np.ones(len(rates), dtype=bool))
    if len(rows) < 3 or len(rows[0]) != 2:
        raise UnreadableTrace(f"{path}: no trace: two columns with a heading are read, or one number a line")
    times = np.array([_time(path, line, row[0]) for line, row in enumerate(rows[1:], 2)])
    counts = np.array([_number(path, line, row[1]) for line, row in enumerate(rows[1:], 2)])
    return regular(path.stem, times, counts)


def regular(name: str, times: Vector, counts: Vector) -> Trace:
    """On a grid of its commonest step; gaps bridged by a line, and told where they are long."""
    order = np.argsort(times, kind="stable")
    times, counts = times[order], counts[order]
    step = round(float(np.median(np.diff(times))))
    places = np.round((times - times[0]) / step).astype(int)
    grid = np.arange(places[-1] + 1)
    known = np.ones(len(grid), dtype=bool)
    for before, after in pairwise(places.tolist()):
        if (after - before - 1) * step > BRIDGED_SECONDS:
            known[before + 1 : after] = False
    rates = np.interp(grid, places, counts) / step
    return Trace(name, float(times[0]), step, np.maximum(rates, 0.0), known)


def _time(path: Path, line: int, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise UnreadableTrace(f"{path}:{line}: {text!r} is no time (unix seconds, or YYYY-MM-DD HH:MM:SS)") from None


def _number(path: Path, line: int, text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        raise UnreadableTrace(f"{path}:{line}: {text!r} is no number") from None
    if not math.isfinite(found) or found < 0:
        raise UnreadableTrace(f"{path}:{line}: {text!r}: demand is finite and not negative")
    return found


def made(seed: int, days: int = 16) -> Trace:
    """Days and weeks of a shop, with flash crowds that nothing foretells: each trebles demand or more within a minute, and fades in half an hour."""
    random = np.random.default_rng([seed, 1])
    minutes = np.arange(days * 1440)
    of_day = 0.55 - 0.45 * np.cos(2 * np.pi * (minutes / 1440 - 0.15))
    weekend = np.where(minutes // 1440 % 7 >= 5, 0.75, 1.0)
    wander = np.exp(np.convolve(random.normal(0, 0.02, len(minutes) + 59), np.ones(60) / 60**0.5, "valid"))
    rates = of_day * weekend * wander
    for day in range(days):
        for _ in range(int(random.poisson(1.2))):
            begin = day * 1440 + int(random.integers(1440))
            since = np.arange(min(180, len(minutes) - begin))
            height = float(random.uniform(0.8, 2.5))
            rates[begin : begin + len(since)] += height * np.minimum(since / 2, 1) * np.exp(-since / 25)
    return Trace("generated", 0.0, 60, rates, np.ones(len(rates), dtype=bool))


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a trace that is replayed."""

    begin: float
    end: float
    character: str
    """``busiest``, ``ordinary``, ``all``."""

    def __str__(self) -> str:
        day = "" if self.begin < DAY else f"{datetime.fromtimestamp(self.begin, UTC):%Y-%m-%d} "
        return f"{day}{self.character}"


def windows(trace: Trace, days: int | None, *, held_out: int = 0) -> list[Window]:
    """As many days (of UTC): half of them the busiest, half ordinary ones, each a whole one with some days before it where there are; None: all days.

    `held_out`: none of the days that 1, 2, ... or so many would be. A trace shorter than two days is replayed as a whole, or not at all.
    """
    if trace.seconds < 2 * DAY:
        return [] if held_out else [Window(trace.begin, trace.end, "all")]
    begins = [trace.begin + DAY * n for n in range(trace.seconds // DAY)]
    whole = [begin for begin in begins if _of(trace, trace.known, begin).mean() > 0.99]
    before = [begin for begin in whole if begin - trace.begin >= min(7 * DAY, trace.seconds // 2)] or whole
    tried = {each.begin for number in range(1, held_out + 1) for each in windows(trace, number)}
    if tried:
        whole = [begin for begin in whole if begin not in tried]
        before = [begin for begin in before if begin not in tried] or [begin for begin in whole if begin > trace.begin]
    if days is None or days >= len(before):
        return [Window(begin, begin + DAY, "all") for begin in (whole if days is None else before)]
    by_load = sorted(before, key=lambda begin: -float(_of(trace, trace.rates, begin).max()))
    busy = by_load[: (days + 1) // 2]
    rest = by_load[(days + 1) // 2 :]
    middle = len(rest) // 2
    ordinary = rest[max(0, middle - days // 2 // 2) :][: days // 2]
    chosen = [Window(each, each + DAY, "busiest") for each in busy]
    return sorted(chosen + [Window(each, each + DAY, "ordinary") for each in ordinary], key=lambda each: each.begin)


def _of(trace: Trace, values: NDArray[np.float64] | NDArray[np.bool_], begin: float) -> NDArray[np.float64]:
    first = round((begin - trace.begin) / trace.step_seconds)
    return values[first : first + DAY // trace.step_seconds].astype(float)
