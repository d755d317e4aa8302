"""What a watch tells: one object that came, changed or went, and when we heard of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True, slots=True)
class Change:
    """One object's change, in the order in which its resource's watch told it."""

    resource: str
    """Plural, as in the API's paths: ``pods``, ``deployments``, ``horizontalpodautoscalers``, ``events``, ``endpointslices``, ``nodes``."""
    type: ChangeType
    object: Mapping[str, Any]
    """As JSON; of a deleted one, as it was last."""
    received: float
    """When the recorder had it, unix s by its own clock."""
    listed: bool = False
    """From a list and not a watch: it may have been so for long, and nobody saw when. A change found by a later list, after a gap in the watch,
    is told so too, and one that is missing from it as DELETED."""
    since: float | None = None
    """Of a listed one, after a gap: up to when the watch had told all, unix s. None: from a first list."""
