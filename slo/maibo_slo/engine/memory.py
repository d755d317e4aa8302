"""What the engine remembers over a restart: how far it has read, what it has counted and how, what burns, and where policies stand.

A small file beside the service's logs, replaced atomically. Losing it costs a recount, never a count: the ledger's rows of a
minute are replaced by the recount's equal ones. Burns under way and states of policies are then as old as the restart.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from maibo_slo.documents import Correction
from maibo_slo.engine.corrections import Window
from maibo_slo.engine.state import PolicyNow
from maibo_slo.engine.sums import Name
from maibo_slo.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from maibo_slo.documents.kinds import Effect

FORMAT: Final = 2


@dataclass(frozen=True, slots=True)
class Counted:
    """One objective's counts in the ledger: from which source, over how long a window, since when."""

    source: str
    window_seconds: int
    first_t: Mapping[str, int | None] = field(default_factory=dict)
    """Group -> begin of its oldest minute with data, unix s, where that is known. Who is here is known to the engine."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Where the last tick that finished left off."""

    mark: int = 0
    """Of `segments.changed_minutes`."""
    version: int = 0
    """Of the next ledger rows: greater than all before, even if the clock was set back."""
    counted: Mapping[str, Counted] = field(default_factory=dict)
    """``slo/objective`` -> what was counted."""
    burning_since: Mapping[Name, float] = field(default_factory=dict)
    """When each burn that is under way was first seen, unix s."""
    policies: Mapping[Name, PolicyNow] = field(default_factory=dict)
    """Where each objective stands in its error-budget policy."""
    applied: Mapping[str, tuple[Window, ...]] = field(default_factory=dict)
    """SLO -> the windows of corrections that its counts have in them: their times and effects alone."""
    offered: Mapping[str, str] = field(default_factory=dict)
    """SLO whose counts are offered -> the source of its raw rows."""


def recall(path: Path, *, store: str) -> Memory:
    """What is remembered about this store; nothing when the file is missing, damaged or about another store."""
    try:
        said = json.loads(path.read_text())
        if said["format"] != FORMAT or said["store"] != store:
            return Memory()
        windows = [tuple(_window(*each) for each in some) for some in said["windows"]]
        return Memory(
            mark=int(said["mark"]),
            version=int(said["version"]),
            counted={name: Counted(**one) for name, one in said["counted"].items()},
            burning_since={Name(*name): float(since) for *name, since in said["burning_since"]},
            policies={Name(*name): PolicyNow(*now) for *name, now in said["policies"]},
            applied={slo: windows[place] for slo, place in said["applied"].items()},
            offered={str(slo): str(source) for slo, source in said["offered"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return Memory()  # a recount mends it


def remember(path: Path, memory: Memory, *, store: str) -> None:
    """Replace the file as a whole."""
    # Thousands of SLOs share the same windows: each is told once.
    windows = {id(each): each for each in memory.applied.values()}
    places = {each: place for place, each in enumerate(windows)}
    said: dict[str, Any] = {
        "format": FORMAT,
        "store": store,
        "mark": memory.mark,
        "version": memory.version,
        # Not by `asdict`, which copies deeply: with thousands of SLOs that is half of what an idle tick costs.
        "counted": {
            name: {"source": each.source, "window_seconds": each.window_seconds, "first_t": each.first_t}
            for name, each in memory.counted.items()
        },
        "burning_since": [[*name, since] for name, since in memory.burning_since.items()],
        "policies": [[*name, [now.policy, now.state, now.since]] for name, now in memory.policies.items()],
        "windows": [[[each.begin, each.end, each.correction.effect] for each in some] for some in windows.values()],
        "applied": {slo: places[id(each)] for slo, each in memory.applied.items()},
        "offered": dict(memory.offered),
    }
    replace_file(path, json.dumps(said))


def _window(begin: int, end: int, effect: str) -> Window:
    """Of a correction that nobody remembers but for its effect."""
    if effect not in ("exclude", "count_as_good"):
        raise ValueError(f"no effect on counts: {effect}")
    return Window(int(begin), int(end), Correction("", "other", cast("Effect", effect), datetime.min, 0, "UTC"))  # noqa: DTZ901 -- a correction's start has no zone
