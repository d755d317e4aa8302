"""Minutes that wait to be counted, newest first: the present is right at once, while the past fills up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

CELL_MINUTES: Final = 60
"""Minutes of cells read at once: an hour of a busy shop is some 100,000 rows, 50 MB in memory."""
RAW_MINUTES: Final = 1_000_000
"""Minutes of raw rows read at once, of all SLOs together: some 30 MB in memory, and a second of work."""
RAW_MINUTES_OF_ONE: Final = 10_080


class Whose(NamedTuple):
    """Which SLOs' minutes, and what they are counted from."""

    slos: frozenset[str] | None = None
    """None: of all that have cells."""
    raw: bool = False
    """From raw rows of the ledger instead of cells."""


class Batch(NamedTuple):
    """Minutes that are counted at once; unix s, ascending."""

    whose: Whose
    minutes: list[int]


class Backlog:
    """What waits. Minutes of few SLOs do not make all others be counted again."""

    def __init__(self) -> None:
        self._minutes: dict[Whose, list[int]] = {}

    @property
    def size(self) -> int:
        """Of minutes."""
        return sum(map(len, self._minutes.values()))

    def add(self, whose: Whose, minutes: Collection[int]) -> None:
        """Those that wait already wait once."""
        if minutes and whose.slos != frozenset():
            self._minutes[whose] = sorted({*self._minutes.get(whose, ()), *minutes})

    def keep(self, slos: Collection[str], *, since: int) -> None:
        """Only of these SLOs, and only minutes that somebody still looks back at."""
        for whose, minutes in list(self._minutes.items()):
            if whose.slos is not None and whose.slos.isdisjoint(slos):
                del self._minutes[whose]
            elif minutes[0] < since:
                self._minutes[whose] = [minute for minute in minutes if minute >= since]
                if not self._minutes[whose]:
                    del self._minutes[whose]

    def newest(self) -> Batch | None:
        """What to count next; it waits until it is `done`."""
        if not self._minutes:
            return None
        whose = max(self._minutes, key=lambda each: (self._minutes[each][-1], not each.raw))
        return Batch(whose, self._minutes[whose][-_at_once(whose) :])

    def done(self, batch: Batch) -> None:
        """It is counted."""
        del self._minutes[batch.whose][-len(batch.minutes) :]
        if not self._minutes[batch.whose]:
            del self._minutes[batch.whose]


def _at_once(whose: Whose) -> int:
    """How many minutes."""
    if not whose.raw or not whose.slos:
        return CELL_MINUTES
    return max(CELL_MINUTES, min(RAW_MINUTES_OF_ONE, RAW_MINUTES // len(whose.slos)))
