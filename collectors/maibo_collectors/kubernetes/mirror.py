"""What one watch knows to be there: so that a list after a gap tells what came, changed and went in it, and nothing twice.

Objects are known by their uid: one that was deleted and made again under its name is another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maibo_collectors.kubernetes.changes import ChangeType

KNOWN: Final = 20_000
"""Objects that are not kept, but remembered so that they are not told twice; an hour of events of a large cluster."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Entry:
    version: str
    whole: Json | None
    """None: not kept."""


class Mirror:
    """Of one kind, in one namespace or all."""

    def __init__(self, *, kept: bool = True) -> None:
        self._kept = kept
        self._entries: dict[str, _Entry] = {}

    def __len__(self) -> int:
        """Objects that are kept."""
        return len(self._entries) if self._kept else 0

    def heard(self, type_: ChangeType, whole: Json) -> ChangeType | None:
        """What a watch told, as what it is to whoever has heard all before; None: nothing new. ValueError for what is no object."""
        uid, version = _identity(whole)
        known = self._entries.get(uid)
        if type_ == "DELETED":
            self._entries.pop(uid, None)
            return "DELETED" if known is not None and self._kept else None
        if known is not None and known.version == version:
            return None
        self._put(uid, version, whole)
        return "ADDED" if known is None else "MODIFIED"

    def listed(self, wholes: Iterable[Json]) -> list[tuple[ChangeType, Json]]:
        """What differs from a list of all that there is: first what went, as it was last. ValueError for what is no object."""
        found = {_identity(whole): whole for whole in wholes}
        there = {uid for uid, _ in found}
        told: list[tuple[ChangeType, Json]] = []
        for uid in [uid for uid in self._entries if uid not in there] if self._kept else ():
            whole = self._entries.pop(uid).whole
            if whole is not None:
                told.append(("DELETED", whole))
        for (uid, version), whole in found.items():
            known = self._entries.get(uid)
            if known is None or known.version != version:
                self._put(uid, version, whole)
                told.append(("ADDED" if known is None else "MODIFIED", whole))
        return told

    def _put(self, uid: str, version: str, whole: Json) -> None:
        if not self._kept:
            self._entries.pop(uid, None)  # so that the newest are last
            if len(self._entries) >= KNOWN:
                del self._entries[next(iter(self._entries))]
        self._entries[uid] = _Entry(version, whole if self._kept else None)


def _identity(whole: Mapping[str, Any]) -> tuple[str, str]:
    """Its uid and resourceVersion."""
    metadata = whole.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("uid") or not metadata.get("resourceVersion"):
        raise ValueError("an object without a uid and a resourceVersion")
    return str(metadata["uid"]), str(metadata["resourceVersion"])
