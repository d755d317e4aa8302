"""One strategy on one stretch of demand, second by second: it acts, the cluster follows, the queue tells what customers felt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from benchmarks.autoscaling.cluster import Cluster, Room
from benchmarks.autoscaling.world import Act, Rising, ScaleUp, Setting, Strategy, World

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

WARM_UP_SECONDS: Final = 1_800
"""Replayed and not counted: every strategy begins with what 65 % needs."""
BEGIN_UTILISATION: Final = 0.65


@dataclass(frozen=True, slots=True)
class Outcome:
    """By second, after warming up."""

    calls: Vector
    missed: Vector
    """Over the SLO's threshold, lost ones among them."""
    lost: Vector
    unserved: Vector
    """Calls beyond what the ready replicas can serve in that second."""
    busy: Vector
    """Replicas' worth of work done."""
    ready: Vector
    pods: Vector
    """On nodes, serving or starting: what is paid for."""
    pool: Vector
    """Slots that a burst pool kept free; paid for too."""
    slots: Vector
    """Places for pods on all nodes."""
    wanted: Vector
    """``spec.replicas``."""
    changes: int
    """Of ``spec.replicas``."""
    scale_ups: tuple[ScaleUp, ...]


@dataclass(slots=True)
class _Tracker:
    """Scale-ups: those that were written, from when they had been decided. What the HPA's tolerance keeps from being written is none."""

    done: list[ScaleUp]
    running: list[Rising]
    asked: list[tuple[int, int]] = field(default_factory=list)
    """(since, replicas) wished for and not written, rising in both."""

    def wished(self, now: int, replicas: int, wanted: int) -> None:
        while self.asked and self.asked[-1][1] > replicas:
            self.asked.pop()
        if replicas > max(wanted, self.asked[-1][1] if self.asked else 0):
            self.asked.append((now, replicas))

    def written(self, now: int, replicas: int, before: int) -> None:
        while self.running and self.running[-1].to > replicas:
            taken = self.running.pop()
            self.done.append(_unfinished(taken, now))
        since = min((at for at, wish in self.asked if wish >= replicas), default=now)
        self.asked = [(at, wish) for at, wish in self.asked if wish > replicas]
        if replicas > before:
            self.running.append(Rising(since, replicas))

    def waits(self, placed: int) -> None:
        """No more pods than these have a place."""
        self.running[:] = [each if each.to <= placed else each._replace(cold=True) for each in self.running]

    def served(self, at_last: float, ready: int) -> None:
        """`at_last`: when the newest of them became ready."""
        while self.running and self.running[0].to <= ready:
            at, to, cold = self.running.pop(0)
            seconds = max(0.0, at_last - at)
            self.done.append(ScaleUp(at, to, seconds, seconds, cold))


def _unfinished(rising: Rising, now: int) -> ScaleUp:
    return ScaleUp(rising.decided_at, rising.to, None, now - rising.decided_at, rising.cold)


def replay(setting: Setting, strategy: Strategy, *, room: Room, seed: int) -> Outcome:
    """Same seed, same answer; arrivals are the setting's, so that strategies are compared on the same ones."""
    first = int(np.ceil(setting.expected[0] / (setting.per_replica * BEGIN_UTILISATION)))
    first = min(max(first, setting.least), setting.most)
    random = np.random.default_rng([seed, 2])
    cluster = Cluster(room, random, first)
    world = World(setting, first, first)
    tracker = _Tracker(world.scale_ups, world.scaling_up)
    law = setting.law.stationary(min(setting.expected[0] / max(1, first), 0.95 * setting.per_replica))
    expected = setting.expected.tolist()
    seconds = setting.seconds
    missed, lost, busy, ready, pods, pool, slots, wanted = (np.zeros(seconds) for _ in range(8))
    changes = 0
    second = setting.law.second
    for now in range(seconds):
        act = strategy.act(world)
        if act is not None:
            changes += _follow(act, cluster, world, tracker) and now >= WARM_UP_SECONDS
        came = cluster.step(now)
        serving = cluster.ready
        if cluster.waiting:
            tracker.waits(cluster.placed)
        tracker.served(cluster.ready_at, serving)
        rate = expected[now]
        if serving:
            if came:
                law = law * ((serving - came) / serving)
                law[0] += came / serving  # they begin empty
            law, felt = second(law, rate / serving)
            missed[now], lost[now], busy[now] = felt.missed * serving, felt.lost * serving, felt.busy
        else:
            law = setting.law.empty()
            missed[now] = lost[now] = rate
        ready[now], pods[now], pool[now], slots[now] = serving, cluster.placed, cluster.reserved, cluster.slots
        wanted[now] = cluster.wanted
        world.ready_at.append(serving)
        world.busy_at.append(float(busy[now]))
        world.ready, world.now = serving, now + 1
    tracker.done += [_unfinished(each, seconds) for each in tracker.running]
    after = slice(WARM_UP_SECONDS, None)
    workers = setting.law.service.workers
    capacity = ready * setting.per_replica
    return Outcome(
        setting.expected[after],
        missed[after],
        lost[after],
        np.maximum(setting.expected - capacity, 0)[after],
        (busy * ready / workers)[after],
        ready[after],
        pods[after],
        pool[after],
        slots[after],
        wanted[after],
        changes,
        tuple(each for each in tracker.done if each.decided_at >= WARM_UP_SECONDS),
    )


def _follow(act: Act, cluster: Cluster, world: World, tracker: _Tracker) -> bool:
    """Whether ``/scale`` changed."""
    if act.pool is not None:
        cluster.hold(act.pool, image_ahead=act.image_ahead)
    if act.wished is not None:
        tracker.wished(world.now, act.wished, world.wanted)
    if act.write is None or act.write == world.wanted:
        return False
    tracker.written(world.now, act.write, world.wanted)
    cluster.scale(act.write, world.now)
    world.wanted = act.write
    return True
