"""What the engine remembers over a restart: how far it has read, what it has counted with which indicator, and what burns.

A small file beside the service's logs, replaced atomically. Losing it costs a recount, never a count: the ledger's rows of a
minute are replaced by the recount's equal ones. Burns under way are then as old as the restart.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Counted:
    """One objective's counts in the ledger: from which source, over how long a window, since when."""

    source: str
    window_seconds: int
    first_t: int | None = None
    """Begin of the oldest minute with data, unix s."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Where the last tick that finished left off."""

    mark: int = 0
    """Of `segments.changed_minutes`."""
    version: int = 0
    """Of the newest ledger rows: the next must be greater, even if the clock was set back."""
    counted: Mapping[str, Counted] = field(default_factory=dict)
    """``slo/objective`` -> what was counted."""
    burning_since: Mapping[str, float] = field(default_factory=dict)
    """``slo/objective`` -> when the burn that is under way was first seen, unix s."""


def recall(path: Path, *, store: str) -> Memory:
    """What is remembered about this store; nothing when the file is missing, damaged or about another store."""
    try:
        said = json.loads(path.read_text())
        if said["format"] != FORMAT or said["store"] != store:
            return Memory()
        counted = {name: Counted(**one) for name, one in said["counted"].items()}
        burning = {name: float(since) for name, since in said["burning_since"].items()}
        return Memory(int(said["mark"]), int(said["version"]), counted, burning)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Memory()  # a recount mends it


def remember(path: Path, memory: Memory, *, store: str) -> None:
    """Replace the file as a whole."""
    said = {
        "format": FORMAT,
        "store": store,
        "mark": memory.mark,
        "version": memory.version,
        # Not by `asdict`, which copies deeply: with thousands of SLOs that is half of what an idle tick costs.
        "counted": {
            name: {"source": each.source, "window_seconds": each.window_seconds, "first_t": each.first_t}
            for name, each in memory.counted.items()
        },
        "burning_since": dict(memory.burning_since),
    }
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(said))
    os.replace(draft, path)  # noqa: PTH105 -- Path.replace says the same; os.replace is known to be atomic
