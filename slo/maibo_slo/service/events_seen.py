"""Events of one store, each version of which is read once: pages ask for the same hundreds every 5 seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from maibo_slo.service.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

E = TypeVar("E")


class EventsSeen(Generic[E]):
    """Thread-safe. `read` tells those of some kinds and ids, with their versions; so many are kept, at `most`."""

    def __init__(
        self, read: Callable[[Collection[tuple[str, str]]], Mapping[tuple[str, str], tuple[int, E]]], most: int
    ) -> None:
        self._read = read
        self.kept: Kept[tuple[str, str, int], E] = Kept(most)
        """By kind, id and version."""

    def events(self, versions: Mapping[tuple[str, str], int]) -> list[E]:
        """Those that are in force, in the same order; one that was written anew meanwhile is told as it is now. StoreError."""
        found = {which: self.kept.get((*which, version)) for which, version in versions.items()}
        missing = [which for which, one in found.items() if one is None]
        for which, (version, one) in self._read(missing).items():
            found[which] = self.kept.put((*which, version), one)
        return [one for one in found.values() if one is not None]
