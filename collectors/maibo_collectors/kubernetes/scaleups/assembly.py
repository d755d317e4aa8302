"""From changes of objects to scale-ups: one for each decision to run more replicas.

`Assembly` has no clock, no thread and no I/O: changes come in with their time, `due` is told what time it is. Within one resource changes
come in their order; between resources in any: what belongs together is put together when it is asked for. What it holds is bounded, and no
object makes it raise.
"""

from __future__ import annotations

from collections import Counter
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from maibo_collectors.kubernetes.scaleups.attribution import SLACK_SECONDS, Attribution, attribute
from maibo_collectors.kubernetes.scaleups.cluster import Cluster
from maibo_collectors.kubernetes.scaleups.outcome import Setting, scale_up
from maibo_collectors.kubernetes.scaleups.workloads import MOST_DECISIONS, Scaled, is_open
from maibo_slo.errors import MaiboError
from maibo_slo.store.rises import WITHIN_SECONDS
from maibo_slo.store.scaleups import ScaleUpState, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from maibo_collectors.kubernetes.changes import Change
    from maibo_collectors.kubernetes.scaleups.workloads import Decision
    from maibo_slo.store.rises import Rise
    from maibo_slo.store.scaleups import ScaleUp
    from maibo_slo.store.workload import Workload
    from maibo_slo.store.writes import Write

LATE_SECONDS: Final = 600.0
"""So long after its end a scale-up still takes in late events and first journeys."""
LONGEST_SECONDS: Final = 3_600.0
"""A scale-up that is not complete by then never is."""
MOST_AT_ONCE: Final = 256
"""Scale-ups of one answer of `due`."""
_ASK_SECONDS: Final = 10.0
"""The store is asked for a rise or first journeys that often, and of an older decision ever more seldom: each tenth of its age."""
_SELDOM: Final = 0.1
_RISE_SECONDS: Final = 10.0
"""The engine writes a rise some seconds after it: an older one that is found sooner may not be the last word."""
_REST_SECONDS: Final = 5.0
"""A scale-up of a thousand pods costs some 50 ms of a core each time."""
_BEFORE_SECONDS: Final = 60.0
"""Pods that were lost that long before a decision may still be replaced after it."""


class Assembly:
    """Puts scale-ups together."""

    def __init__(
        self,
        rises: Callable[[Workload, float, int], Rise | None] | None = None,
        served: Callable[[str, Collection[str]], Mapping[str, float]] | None = None,
        resumed: Iterable[ScaleUp] = (),
        *,
        writes: Callable[[Workload, float, float], Iterable[Write]] | None = None,
        longest_seconds: float = LONGEST_SECONDS,
    ) -> None:
        """`rises`: a workload's newest rise up to a time (unix s), to so many replicas at least if there is one. `served`: when pods of a
        namespace first served, by name, of those that did. `resumed`: what the store has as running from before a restart.
        `writes`: what the fast lane wrote for a workload within a time.
        """
        self.unreadable = 0
        """Objects that could not be understood."""
        self.unanswered = 0
        """Questions to the store that failed; they are asked again."""
        self.pods_by_cause: Counter[str] = Counter()
        """Pods that no scale-up made, by why they were made."""
        self._rises, self._served, self._writes = rises, served, writes
        self._longest_seconds = longest_seconds
        self._cluster = Cluster()
        self._resting: dict[Workload, float] = {}
        """When to look again, though nothing is heard, at what is not over."""
        self._resumed: set[Workload] = set()
        """Those of which nothing may ever be heard again: deleted meanwhile, say."""
        for scaleup in resumed:
            if is_open(scaleup):
                self._cluster.workload(scaleup.workload).resume(scaleup)
                self._resumed.add(scaleup.workload)

    @property
    def overflowed(self) -> int:
        """Objects that were one too many to be kept."""
        return self._cluster.overflowed

    def take(self, change: Change) -> None:
        """One more change. Never raises for what is in it."""
        try:
            self._cluster.take(change)
        except (ValueError, TypeError, AttributeError):  # an object that is not what its API says
            self.unreadable += 1

    def due(self, now: float) -> list[ScaleUp]:
        """Scale-ups that are new or have changed since they were last told, running ones too: about `MOST_AT_ONCE`, the others next time."""
        self._cluster.sweep(now)
        for workload in self._resumed:  # once all has been listed
            self._resting.setdefault(workload, now + _BEFORE_SECONDS)
        self._resumed.clear()
        awake = self._cluster.awake
        awake |= dict.fromkeys(workload for workload, at in self._resting.items() if at <= now)
        found: list[ScaleUp] = []
        for workload in list(awake):
            if len(found) >= MOST_AT_ONCE:
                break
            del awake[workload]
            self._resting.pop(workload, None)
            scaled = self._cluster.scaled.get(workload)
            if scaled is not None:
                found += self._due(scaled, now)
        return found

    def _due(self, scaled: Scaled, now: float) -> list[ScaleUp]:
        attribution = attribute(scaled, _begin(scaled, now))
        self._count(scaled, attribution, now)
        setting = Setting(scaled, attribution, self._cluster.nodes, now, self._longest_seconds)
        found = []
        for decision in list(scaled.decisions):
            account = self._cluster.deciders.account(scaled.workload, decision)
            if self._ask(scaled, decision, attribution, account.decided.latest, now):
                account = self._cluster.deciders.account(scaled.workload, decision)
            told = scale_up(decision, account, setting)
            if told != decision.told:
                decision.told = told
                found.append(told)
            if told.state is ScaleUpState.RUNNING:
                decision.finished_at = None
            elif decision.finished_at is None:
                decision.finished_at = now
        self._finish(scaled, attribution, now)
        if scaled.decisions or any(not pod.counted and pod.created for pod in scaled.pods.values()):
            self._resting[scaled.workload] = now + _REST_SECONDS
        return found

    def _ask(self, scaled: Scaled, decision: Decision, attribution: Attribution, decided: float, now: float) -> bool:
        """The store, for what it alone knows; whether it was asked."""
        if decision.asked_at is not None and now - decision.asked_at < max(_ASK_SECONDS, _SELDOM * (now - decided)):
            return False
        early = decision.asked_at is None or decision.asked_at < decided + _RISE_SECONDS
        decision.asked_at = now
        pods = [scaled.pods[uid] for uid, whose in attribution.decisions.items() if whose is decision]
        waiting = {pod.name: pod for pod in pods if pod.journey is None and Stage.STARTED in pod.moments()}
        try:
            if self._writes is not None and (early or decision.by != "fast_lane"):
                decision.own(self._writes(scaled.workload, *decision.heard_within))
            if self._rises is not None and (early or decision.rise is None or decision.rise.served_at is None):
                # By our own clock, as the rise is: when we heard of it.
                heard = decided if decision.decided.received is None else decision.decided.received
                rise = self._rises(scaled.workload, heard, decision.after)
                if rise is not None and _explains(rise, decision, scaled.decisions, heard):
                    decision.rise = rise
            if self._served is not None and waiting:
                for name, at in self._served(scaled.workload.namespace, list(waiting)).items():
                    created = waiting[name].created if name in waiting else None
                    if created is not None and at >= created.earliest:  # an ordinal's pods share a name
                        waiting[name].journey = at
        except MaiboError:
            self.unanswered += 1
        return True

    def _count(self, scaled: Scaled, attribution: Attribution, now: float) -> None:
        """Each pod once, when what explains it has had time to come."""
        for uid, pod in scaled.pods.items():
            if pod.counted or pod.created is None or uid in attribution.decisions:
                continue
            ago = now - pod.created.latest
            there_before = scaled.since is not None and pod.created.latest < scaled.since - SLACK_SECONDS
            if not there_before and (
                ago < _BEFORE_SECONDS or (now - pod.heard < _BEFORE_SECONDS and ago < LATE_SECONDS)
            ):
                continue
            pod.counted = True
            if uid in attribution.causes:
                self.pods_by_cause[attribution.causes[uid]] += 1

    def _finish(self, scaled: Scaled, attribution: Attribution, now: float) -> None:
        """Let go of what is over: its pods stay its own."""
        over = [
            each for each in scaled.decisions if each.finished_at is not None and now - each.finished_at >= LATE_SECONDS
        ]
        over += [each for each in scaled.decisions[:-MOST_DECISIONS] if each not in over]
        for decision in over:
            scaled.decisions.remove(decision)
            for uid, whose in attribution.decisions.items():
                if whose is decision:
                    scaled.pods[uid].claimed = decision.id
                    scaled.pods[uid].counted = True
        begin = _begin(scaled, now)
        scaled.forget(begin)
        for uid, pod in list(scaled.pods.items()):
            mine = attribution.decisions.get(uid) in scaled.decisions
            if pod.loss is not None and pod.gone and pod.loss.moment.latest < begin and not mine:
                self._cluster.drop(uid)


def _explains(rise: Rise, decision: Decision, decisions: Sequence[Decision], heard: float) -> bool:
    """Whether a decision may be what a rise asked for: it asked for more than there was, and no earlier decision gave all of it."""
    earlier = takewhile(lambda each: each is not decision, decisions)
    given = any(each.after >= rise.after and each.decided.latest >= rise.asked_at for each in earlier)
    return heard - WITHIN_SECONDS <= rise.asked_at <= heard and rise.after > decision.before and not given


def _begin(scaled: Scaled, now: float) -> float:
    """From when on a workload's history still matters: its oldest decision's, or its youngest pods'."""
    begins = [decision.decided.earliest for decision in scaled.decisions]
    begins += [pod.created.earliest for pod in scaled.pods.values() if pod.created is not None and not pod.counted]
    return min(begins, default=now) - _BEFORE_SECONDS
