"""What a strategy may look at: the past, and what runs now. Asking for more than has been is cut off at now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.autoscaling.service import Law
    from benchmarks.autoscaling.traces import Trace
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Setting:
    """Of one replay: the same for all strategies."""

    trace: Trace
    begin: float
    """Unix s, a whole minute; warming up included."""
    expected: Vector
    """Requests a second; an oracle alone may read on."""
    calls: NDArray[np.int64]
    """That came in each second: Poisson, of what was expected."""
    law: Law
    safe_load: float
    """Highest share of a replica's capacity at which the SLO holds."""
    least: int
    most: int
    seed: int

    @property
    def seconds(self) -> int:
        return len(self.calls)

    @property
    def per_replica(self) -> float:
        """Calls a second of a replica that is never idle."""
        return self.law.service.per_second


@dataclass(frozen=True, slots=True)
class ScaleUp:
    """From a decision until as many pods serve."""

    decided_at: float
    to: int
    seconds: float | None
    """None: something lower was decided before it was done, or the replay ended."""
    lasted: float
    """Until then."""
    cold: bool = False
    """A pod of it waited for a node."""


class Rising(NamedTuple):
    """A scale-up that is under way."""

    decided_at: int
    to: int
    cold: bool = False


@dataclass(slots=True)
class World:
    """Time is in seconds since the begin of the replay; `now` is the end of the last second that is over."""

    setting: Setting
    wanted: int
    ready: int
    now: int = 0
    ready_at: list[int] = field(default_factory=list)
    """Ready pods in each second that is over."""
    busy_at: list[float] = field(default_factory=list)
    """Workers at work of a replica, in each."""
    scale_ups: list[ScaleUp] = field(default_factory=list)
    """That are over, as a recorder would have seen them."""
    scaling_up: list[Rising] = field(default_factory=list)
    """Those under way, rising."""
    _calls: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self._calls = np.concatenate(([0], np.cumsum(self.setting.calls)))

    def calls(self, begin: float, end: float) -> int:
        first, last = max(0, int(begin)), max(0, min(int(end), self.now))
        return int(self._calls[max(first, last)] - self._calls[first])

    def rate(self, begin: float, end: float) -> float:
        """A second, of the part of [begin, end) that is in the replay."""
        begin, end = max(0.0, begin), min(float(self.now), end)
        return self.calls(begin, end) / (end - begin) if end > begin else float(self.setting.calls[0])

    def utilisation(self, begin: int, end: int) -> float:
        """Of a ready replica, over [begin, end)."""
        busy = self.busy_at[max(0, begin) : max(0, min(end, self.now))]
        return sum(busy) / len(busy) / self.setting.law.service.workers if busy else 0.0

    def ready_since(self, begin: int) -> int:
        """Pods ready all the time from then on."""
        return min([*self.ready_at[max(0, begin) :], self.ready])


class Act(NamedTuple):
    """What a strategy does at one moment."""

    write: int | None = None
    """To ``/scale``."""
    wished: int | None = None
    """What it has decided on, where that is known before it is written: a scale-up's time begins then."""
    pool: int | None = None
    """Slots to be kept free from now on; None: as many as before."""
    image_ahead: bool = False
    """Fresh nodes pull the image before they are needed."""


class Strategy(Protocol):
    def act(self, world: World) -> Act | None:
        """Once a second. None: nothing to do."""
        ...


class Unsuited(Exception):  # noqa: N818 -- it is no error: a strategy that needs a week cannot be asked about an hour
    """Why a strategy cannot be tried on this trace."""


@dataclass(frozen=True, slots=True)
class Named:
    """A strategy as the command line knows it."""

    name: str
    summary: str
    make: Callable[[Setting], Strategy]
    """Raises Unsuited."""
