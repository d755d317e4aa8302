"""What is there without maibo: the HPA on CPU, and KEDA on the rate of requests."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from benchmarks.autoscaling import hpa, keda, proposals
from benchmarks.autoscaling.world import Act, Setting, World

KUBELET_SECONDS = 10
"""A container's CPU is sampled so often."""
METRICS_SERVER_SECONDS = 30
"""Samples are fetched so often; with the HPA's own 15 s what it reads is 27.5 s old on average, 55 s at worst."""
SCRAPE_SECONDS = 15
RATE_SECONDS = 60
"""``rate(requests_total[1m])``, KEDA's own example of a Prometheus trigger."""
MILLI = 1000
STARTING = proposals.Pod(phase="Pending")


@dataclass(slots=True)
class CpuHpa:
    """``averageUtilization`` of CPU, no behavior: the HPA of every tutorial."""

    setting: Setting
    percent: int
    state: hpa.State = field(default_factory=hpa.State)

    def act(self, world: World) -> Act | None:
        now = world.now
        if (now + self.setting.seed) % keda.SYNC_SECONDS:
            return None
        spec = hpa.Spec(self.setting.least, self.setting.most)
        proposed = proposals.by_utilisation(world.wanted, proposals.group(self._pods(world), now), self.percent)
        return Act(hpa.reconcile(spec, self.state, world.wanted, [proposed], now))

    def _pods(self, world: World) -> list[proposals.Pod]:
        """By the newest sample that metrics-server has. What became ready too late for a whole sample is unready."""
        fetched = world.now - (world.now + 7 * self.setting.seed) % METRICS_SERVER_SECONDS
        end = fetched - (fetched + 3 * self.setting.seed) % KUBELET_SECONDS
        begin = end - KUBELET_SECONDS
        measured = min(world.ready_since(begin), world.wanted) if end > 0 else 0
        usage = int(world.utilisation(begin, end) * MILLI)
        serving = proposals.Pod(usage, started_at=-math.inf, transition_at=-math.inf, measured_at=end)
        return [serving] * measured + [STARTING] * (world.wanted - measured)


@dataclass(slots=True)
class KedaRate:
    """A Prometheus trigger on requests a second, ``AverageValue``; KEDA makes an HPA of it without a behavior."""

    setting: Setting
    utilisation: float = 0.65
    state: hpa.State = field(default_factory=hpa.State)
    loop: keda.Loop = field(init=False)

    def __post_init__(self) -> None:
        self.loop = keda.Loop(self.setting.least, phase_seconds=11 * self.setting.seed)

    def act(self, world: World) -> Act | None:
        now = world.now
        if self.loop.due(now):
            write = self.loop.poll(now, world.wanted, active=self._rate(world) > 0)
            if write is not None:
                return Act(write)
        if world.wanted == 0 or (now + self.setting.seed) % keda.SYNC_SECONDS:
            return None
        target = int(self.setting.per_replica * self.utilisation * MILLI)
        found = proposals.by_external_average(world.wanted, [int(self._rate(world) * MILLI)], target)
        # KEDA alone goes to zero.
        spec = hpa.Spec(max(1, self.setting.least), self.setting.most)
        return Act(hpa.reconcile(spec, self.state, world.wanted, [found and found[0]], now))

    def _rate(self, world: World) -> float:
        scraped = world.now - (world.now + 5 * self.setting.seed) % SCRAPE_SECONDS
        return world.rate(scraped - RATE_SECONDS, scraped)
