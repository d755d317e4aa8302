"""What the scaling engine remembers over a restart: what each target was decided to have and why it must not fall yet, and learned capacities.

A small file beside the service's logs, replaced atomically. Without it what runs counts as needed, and capacity is learned anew.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from maibo_slo.engine.scaling.inputs import Capacity
from maibo_slo.engine.scaling.remembered import Memory
from maibo_slo.files import replace_file

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
    replace_file(path, json.dumps({"format": FORMAT, "store": store, "targets": targets}, allow_nan=False))


def _remembered(said: Mapping[str, Any]) -> Remembered:
    memory, capacity = said["memory"], said["capacity"]
    unsettled_at = _number(memory["unsettled_at"])
    kept = Memory(
        _number(memory["decided_at"]),
        _whole(memory["held"]),
        _needs(memory["needs"]),
        _whole(memory["corrected"]),
        -math.inf if unsettled_at is None else unsettled_at,
        _number(memory["unready_since"]),
        _number(memory["corrected_burn"]),
        int(memory["futile"]),
        _needs(memory["surges"]),
        _needs(memory["peaks"]),
    )
    return Remembered(kept, None if capacity is None else _capacity(capacity))


def _capacity(said: Mapping[str, Any]) -> Capacity:
    per_replica, estimate, upper = (float(said[name]) for name in ("per_replica", "estimate", "upper"))
    if not 0 < per_replica <= estimate <= upper < math.inf:
        raise ValueError(f"{said} is no capacity")
    return Capacity(per_replica, estimate, upper, bool(said["learned"]), int(said["samples"]), str(said["why"]))


def _needs(said: Any) -> tuple[tuple[float, float], ...]:
    return tuple((float(at), float(needed)) for at, needed in said)


def _number(said: Any) -> float | None:
    return None if said is None else float(said)


def _whole(said: Any) -> int | None:
    return None if said is None else int(said)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
