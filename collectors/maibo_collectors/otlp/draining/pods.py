"""What the store knows of pods: so that it is told of one when it first serves, and then once a minute, not with every batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.store.served import Served

TELL_SECONDS: Final = 60.0
"""An insert costs some 20 ms however little is in it, and nobody asks for a pod's last span to the second."""
_REMEMBERED: Final = 50_000


class Told:
    """What the store was told; forgotten with the process, which costs an insert more."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str, str], tuple[float, float]] = {}

    def news(self, served: Sequence[Served]) -> Sequence[Served]:
        """What the store is to be told: nothing, or all that it does not know as soon as some of it cannot wait."""
        return [each for each in served if self._is_new(each, 0.0)] if self._is_due(served) else ()

    def remember(self, served: Sequence[Served]) -> None:
        """The store has it."""
        if len(self._told) + len(served) > _REMEMBERED:
            self._told.clear()
        for each in served:
            first, last = self._told.get(each[:3], each[3:])
            self._told[each[:3]] = min(first, each.first), max(last, each.last)

    def _is_due(self, served: Sequence[Served]) -> bool:
        return any(self._is_new(each, TELL_SECONDS) for each in served)

    def _is_new(self, served: Served, seconds: float) -> bool:
        """Earlier than anything that was told, or more than so much later."""
        told = self._told.get(served[:3])
        return told is None or served.first < told[0] or served.last > told[1] + seconds
