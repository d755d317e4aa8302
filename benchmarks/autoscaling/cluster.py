"""Nodes and pods: where there is room a pod starts at once, else a node comes first. A burst pool is room that is kept free."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from benchmarks.autoscaling.startup import KARPENTER, StartUp

if TYPE_CHECKING:
    from numpy.random import Generator

PODS_PER_NODE: Final = 8
UNNEEDED_SECONDS: Final = 600
"""Spare nodes go after that, as the cluster autoscaler's ``--scale-down-unneeded-time``."""


@dataclass(frozen=True, slots=True)
class Room:
    """How the cluster is built."""

    start_up: StartUp = KARPENTER
    pods_per_node: int = PODS_PER_NODE


@dataclass(slots=True)
class Cluster:
    """One workload's pods. Seeded; same calls, same answers."""

    room: Room
    random: Generator
    wanted: int
    """``spec.replicas``."""
    ready: int = field(init=False)
    slots: int = field(init=False)
    """For pods, on nodes that are there."""
    ready_at: float = 0.0
    """When the newest of the ready pods became so."""
    waiting: int = 0
    """Pods that no node has room for."""
    _starting: list[float] = field(default_factory=list)
    """Heap of when each will be ready."""
    _nodes: list[float] = field(default_factory=list)
    """Heap of when each will be there."""
    _fresh: int = 0
    """Slots of nodes that never ran the workload."""
    _pulled_at: float = -math.inf
    _spare_since: float | None = None
    pool: int = 0
    """Slots to keep free: `hold` changes it."""
    image_ahead: bool = False
    """Fresh nodes pull the workload's image before a pod of it comes. A CapacityBuffer or a pause image does not do that."""
    _settled: bool = False
    """Nothing has changed since pods were placed last."""

    def __post_init__(self) -> None:
        self.ready = self.wanted
        self.slots = self._whole_nodes(self.wanted + self.pool)

    @property
    def placed(self) -> int:
        """Pods on nodes: what is paid for."""
        return self.ready + len(self._starting)

    @property
    def free(self) -> int:
        return self.slots - self.placed

    @property
    def reserved(self) -> int:
        """Free slots that the pool holds."""
        return max(0, min(self.pool, self.free))

    def hold(self, pool: int, *, image_ahead: bool) -> None:
        """From now on."""
        self.pool, self.image_ahead, self._settled = pool, image_ahead, False

    def scale(self, wanted: int, now: float) -> None:
        """As a ReplicaSet does: who waits goes first, then who starts, then who serves."""
        self._settled = False
        gone = self.ready + len(self._starting) + self.waiting - wanted
        self.wanted = wanted
        if gone < 0:
            self.waiting += -gone
            self._place(now)
            return
        for source in ("waiting", "starting", "ready"):
            if source == "waiting":
                taken = min(gone, self.waiting)
                self.waiting -= taken
            elif source == "starting":
                taken = min(gone, len(self._starting))
                if taken:  # the youngest first
                    self._starting = sorted(self._starting)[: len(self._starting) - taken]
            else:
                taken = gone
                self.ready -= taken
            gone -= taken

    def step(self, now: float) -> int:
        """Time goes on to `now`: pods that became ready since."""
        while self._nodes and self._nodes[0] <= now:
            heapq.heappop(self._nodes)
            self.slots += self.room.pods_per_node
            self._fresh += self.room.pods_per_node
            self._settled = False
        if not self._settled:
            self._place(now)
        came = 0
        while self._starting and self._starting[0] <= now:
            self.ready_at = heapq.heappop(self._starting)
            came += 1
        self.ready += came
        self._scale_in(now)
        return came

    def _place(self, now: float) -> None:
        while self.waiting and self.free > 0:
            self.waiting -= 1
            heapq.heappush(self._starting, now + self._pull(now) + self.room.start_up.warm(self.random))
        short = self.waiting + self.pool - max(0, self.free) - len(self._nodes) * self.room.pods_per_node
        for _ in range(math.ceil(short / self.room.pods_per_node)):
            heapq.heappush(self._nodes, now + self.room.start_up.node.draw(self.random))
        self._settled = True

    def _pull(self, now: float) -> float:
        """Slots that ran the workload are filled first; the first pod on a fresh node pulls, those after it wait for it."""
        if self._fresh <= 0 or self.free > self._fresh:
            return 0.0
        if self.image_ahead:
            self._fresh -= 1
            return 0.0
        if self._fresh % self.room.pods_per_node == 0:
            self._pulled_at = now + self.room.start_up.pull.draw(self.random)
        self._fresh -= 1
        return max(0.0, self._pulled_at - now)

    def _scale_in(self, now: float) -> None:
        if self.free - self.pool < self.room.pods_per_node:
            self._spare_since = None
        elif self._spare_since is None:
            self._spare_since = now
        elif now - self._spare_since >= UNNEEDED_SECONDS:
            self.slots -= self.room.pods_per_node
            self._fresh = min(self._fresh, max(0, self.free))
            self._spare_since = now

    def _whole_nodes(self, pods: int) -> int:
        return math.ceil(pods / self.room.pods_per_node) * self.room.pods_per_node
