"""Which counts a question is about: a window of time, and values of dimensions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from maibo_slo.store.tables import DIMENSIONS, Tier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["CellFilter", "Window", "require_dimensions", "where"]


@dataclass(frozen=True, slots=True)
class Window:
    """[begin, end) in unix seconds. Functions widen it outwards to the grid of the tier they read: see `covered`."""

    begin: int
    end: int
    tier: Tier | None = field(default=None, compare=False)
    """Of a window that is widened already: the tier it was widened for, so that what is read is what was told."""

    def __post_init__(self) -> None:
        if not 0 <= self.begin < self.end:
            raise ValueError(f"a window begins before it ends, not from {self.begin} to {self.end}")

    @property
    def seconds(self) -> int:
        return self.end - self.begin

    def widened(self, grid_seconds: int) -> Window:
        """Outwards to multiples of `grid_seconds`."""
        begin, end = self.begin // grid_seconds * grid_seconds, -(-self.end // grid_seconds) * grid_seconds
        return Window(begin, end, self.tier)


@dataclass(frozen=True, slots=True)
class CellFilter:
    """Which cells; a dimension that is not named is not restricted."""

    journey: str | None = None
    step: str | None = ""
    """'' = the journey as a whole; None = every step (but not the whole)."""
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """dimension or 'outcome' -> allowed values"""

    def conditions(self) -> tuple[list[str], dict[str, Any]]:
        """SQL conditions, and the values of the parameters in them. ValueError for an unknown dimension."""
        conditions: list[str] = []
        parameters: dict[str, Any] = {}
        if self.journey is not None:
            conditions.append("journey = {journey:String}")
            parameters["journey"] = self.journey
        if self.step is None:
            conditions.append("step != ''")
        else:
            conditions.append("step = {step:String}")
            parameters["step"] = self.step
        require_dimensions(list(self.where), known=(*DIMENSIONS, "outcome"))
        others, values = _among(self.where)
        return [*conditions, *others], {**parameters, **values}


def where(window: Window, which: CellFilter | Mapping[str, Sequence[str]]) -> tuple[str, dict[str, Any]]:
    """A condition on a table called ``c``, and the values of the parameters in it.

    `which` may be dimension -> allowed values, whose names the caller has checked.
    """
    conditions, parameters = which.conditions() if isinstance(which, CellFilter) else _among(which)
    begin, end = "toDateTime({begin:UInt32}, 'UTC')", "toDateTime({end:UInt32}, 'UTC')"
    return " AND ".join([f"c.t >= {begin}", f"c.t < {end}", *conditions]), {
        **parameters,
        "begin": window.begin,
        "end": window.end,
    }


def _among(allowed: Mapping[str, Sequence[str]]) -> tuple[list[str], dict[str, Any]]:
    return (
        [f"{name} IN {{allowed_{name}:Array(String)}}" for name in allowed],
        {f"allowed_{name}": list(values) for name, values in allowed.items()},
    )


def require_dimensions(names: Sequence[str], *, known: Sequence[str] = DIMENSIONS) -> None:
    """Only fixed names are ever written into SQL. ValueError for others, and for one named twice."""
    if len(set(names)) < len(names):
        raise ValueError(f"a dimension is named twice: {', '.join(names)}")
    for name in names:
        if name not in known:
            raise ValueError(f"{name!r} is not a dimension here; there are: {', '.join(known)}")
