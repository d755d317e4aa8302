"""A cluster that follows what maibo decides: an autoscaler that asks every 15 s, and pods that take their time to serve.

Made up, and said so wherever its pictures are shown: how long a pod takes is drawn, warm (images there) or with a node that has to come first.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import floor
from random import Random
from typing import TYPE_CHECKING, Final

from maibo_slo.store.replicas import Sample
from maibo_slo.store.scaleups import Moment, PodState, PodTimes, ScaleUp, ScaleUpState, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.store.workload import Workload

SYNC_SECONDS: Final = 15
SHARE_OF_COLD: Final = 0.12
SHARE_OF_DEAD: Final = 0.04
GIVEN_UP_SECONDS: Final = 120.0
CALM_SECONDS: Final = 60
"""A lower number has to hold so long."""


@dataclass(slots=True)
class Cluster:
    """One workload's pods, in event time."""

    workload: Workload
    wanted: int
    by: str = "keda"
    """Who is said to decide."""
    seed: int = 5
    slowness: float = 1.0
    """How many times as long as now everything of a pod takes."""
    _dice: Random = field(init=False)
    _serving_at: list[float] = field(default_factory=list)
    """Of each pod that will serve, when."""
    _running: list[ScaleUp] = field(default_factory=list)
    _lower_since: float | None = None
    _number: int = 0

    def __post_init__(self) -> None:
        self._dice = Random(self.seed)  # noqa: S311 -- a story, not a secret
        self._serving_at = [0.0] * self.wanted

    def ready(self, now: float) -> int:
        return sum(at <= now for at in self._serving_at)

    def follow(self, desired: int, now: float, *, trigger: float | None) -> list[ScaleUp]:
        """What the autoscaler does with this answer, and the scale-ups that came to be or ended: the newest state of each."""
        news = self._ended(now)
        if desired > self.wanted:
            self._lower_since = None
            news.append(self._grow(desired, now, trigger))
        elif desired < self.wanted:
            self._lower_since = now if self._lower_since is None else self._lower_since
            if now - self._lower_since >= CALM_SECONDS:
                self._serving_at = sorted(self._serving_at)[:desired]
                self.wanted, self._lower_since = desired, None
        else:
            self._lower_since = None
        return news

    def calm(self, now: float) -> None:
        """Nothing happened for long: a lower number holds, and what was on its way is there."""
        self._lower_since = now - CALM_SECONDS

    def sample(self, now: float) -> Sample:
        """What a recorder would have seen of the 10 s that end `now`."""
        ready = self.ready(now)
        return Sample(
            self.workload,
            int(now) // 10 * 10 - 10,
            self.wanted,
            self.wanted,
            ready,
            ready * 10_000,
            10_000,
            1,
            now - 0.1,
        )

    def _grow(self, desired: int, now: float, trigger: float | None) -> ScaleUp:
        at = now + self._dice.uniform(0.2, SYNC_SECONDS - 1)
        added = desired - self.wanted
        cold = self._dice.random() < SHARE_OF_COLD
        dead = self._dice.random() < SHARE_OF_DEAD
        pods = tuple(self._pod(at, cold=cold and n == 0, dead=dead and n == 0) for n in range(added))
        before, self.wanted = self.wanted, desired
        moments = {Stage.DECIDED: Moment(at, at, at + 0.02, "watch")}
        if trigger is not None:
            moments[Stage.TRIGGER] = Moment(trigger, trigger, None, "store")
            moments[Stage.SERVED] = Moment(now, now, None, "store")
        found = ScaleUp(
            id=f"{self.workload}@{round(at * 1000)}",
            workload=self.workload,
            before=before,
            after=desired,
            by=self.by,
            reason=f"New size: {desired}; reason: external metric above target",
            moments=moments,
            pods=pods,
            state=ScaleUpState.RUNNING,
        )  # fmt: skip
        self._serving_at += [_serves(pod) for pod in pods if Stage.IN_ROTATION in pod.moments]
        self._running.append(found)
        return replace(found, pods=())

    def _ended(self, now: float) -> list[ScaleUp]:
        news = []
        for each in list(self._running):
            last = max(_serves(pod) for pod in each.pods)
            whole = all(Stage.IN_ROTATION in pod.moments for pod in each.pods)
            if last > now:
                continue
            self._running.remove(each)
            if not whole:  # a pod never became ready: it is replaced, by nobody's decision
                self._serving_at.append(last + 10)
            news.append(_told(each, last, whole=whole))
        return news

    def _pod(self, at: float, *, cold: bool, dead: bool) -> PodTimes:
        dice = self._dice
        self._number += 1
        took = {Stage.CREATED: dice.uniform(0.1, 0.6)}
        took[Stage.SCHEDULED] = took[Stage.CREATED] + (dice.uniform(28, 55) if cold else dice.uniform(0.05, 0.4))
        took[Stage.PULLED] = took[Stage.SCHEDULED] + (dice.uniform(6, 14) if cold else dice.uniform(0.2, 1.2))
        took[Stage.STARTED] = took[Stage.PULLED] + dice.uniform(0.4, 1.5)
        took[Stage.READY] = took[Stage.STARTED] + dice.lognormvariate(1.5, 0.35)
        took[Stage.IN_ROTATION] = took[Stage.READY] + dice.uniform(0.3, 1.6)
        took[Stage.FIRST_JOURNEY] = took[Stage.IN_ROTATION] + dice.uniform(0.2, 3)
        took = {stage: seconds * self.slowness for stage, seconds in took.items()}
        name = f"{self.workload.name}-6d5f9c-{self._number:05}"
        node = f"node-{dice.randrange(1, 9)}"
        if dead:
            moments = {
                stage: _moment(stage, at + took[stage]) for stage in (Stage.CREATED, Stage.SCHEDULED, Stage.PULLED)
            }
            return PodTimes(name, node, PodState.NEVER_READY, moments, ended=at + GIVEN_UP_SECONDS * self.slowness)
        moments = {stage: _moment(stage, at + seconds) for stage, seconds in took.items()}
        return PodTimes(name, node, PodState.SERVING, moments, node_provisioned=cold)


def _moment(stage: Stage, at: float) -> Moment:
    """Conditions are written to the second."""
    if stage in {Stage.CREATED, Stage.READY, Stage.IN_ROTATION}:
        return Moment(floor(at), floor(at) + 1, at + 0.05, "condition")
    return Moment(at, at, at + 0.05, "condition")


def _serves(pod: PodTimes) -> float:
    found = pod.moments.get(Stage.IN_ROTATION)
    return (pod.ended or 0.0) if found is None else found.latest


def _told(each: ScaleUp, last: float, *, whole: bool) -> ScaleUp:
    moments = dict(each.moments)
    for stage in Stage:
        reached = [pod.moments[stage] for pod in each.pods if stage in pod.moments]
        if len(reached) == len(each.pods):
            moments[stage] = _nth(reached, len(reached))
    serving = [pod.moments[Stage.IN_ROTATION] for pod in each.pods if Stage.IN_ROTATION in pod.moments]
    half, most = -(-len(each.pods) // 2), -(-len(each.pods) * 9 // 10)
    return replace(
        each,
        moments={stage: moments[stage] for stage in Stage if stage in moments},
        state=ScaleUpState.COMPLETE if whole else ScaleUpState.CENSORED,
        half=_nth(serving, half) if len(serving) >= half else None,
        most=_nth(serving, most) if len(serving) >= most else None,
        ended=last,
        why_censored="" if whole else "a pod was never ready",
    )


def _nth(of: Sequence[Moment], number: int) -> Moment:
    earliest, latest = sorted(each.earliest for each in of), sorted(each.latest for each in of)
    return Moment(earliest[number - 1], latest[number - 1], None, "condition")
