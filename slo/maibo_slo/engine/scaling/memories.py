"""What the scaling engine remembers over a restart: what each target was decided to have and why it must not fall yet, and learned capacities.

A small file beside the service's logs, replaced atomically. Without it what runs counts as needed, and capacity is learned anew.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from maibo_slo.engine.scaling.inputs import Capacity
from maibo_slo.engine.scaling.remembered import Memory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT: Final = 1
TargetName = tuple[str, str]
"""Namespace of the workload, name of the ScalingTarget."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """Of one target."""

    memory: Memory
    capacity: Capacity | None = None


def recall(path: Path, *, store: str) -> dict[TargetName, Remembered]:
    """What is remembered about this store; nothing when the file is missing, damaged or about another store."""
    try:
        said = json.loads(path.read_text())
        if said["format"] != FORMAT or said["store"] != store:
            return {}
        return {(each["namespace"], each["target"]): _remembered(each) for each in said["targets"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # what runs counts as needed


def remember(path: Path, remembered: Mapping[TargetName, Remembered], *, store: str) -> None:
    """Replace the file as a whole. OSError."""
    targets = [
        {
            "namespace": namespace,
            "target": target,
            "memory": asdict(each.memory) | {"unsettled_at": _finite(each.memory.unsettled_at)},
            "capacity": None if each.capacity is None else asdict(each.capacity),
        }
        for (namespace, target), each in remembered.items()
    ]
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps({"format": FORMAT, "store": store, "targets": targets}, allow_nan=False))
    os.replace(draft, path)  # noqa: PTH105 -- Path.replace says the same; os.replace is known to be atomic


def _remembered(said: Mapping[str, Any]) -> Remembered:
    memory, capacity = dict(said["memory"]), said["capacity"]
    memory["needs"] = tuple((float(at), float(needed)) for at, needed in memory["needs"])
    if memory["unsettled_at"] is None:
        memory["unsettled_at"] = -math.inf
    return Remembered(Memory(**memory), None if capacity is None else Capacity(**capacity))


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
