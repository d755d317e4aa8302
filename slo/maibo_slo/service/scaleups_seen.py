"""Scale-ups of one store without their pods one by one, each version of which is read once."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from maibo_slo.service.events_seen import EventsSeen
from maibo_slo.store import events, scaleup_briefs, scaleups
from maibo_slo.store.scaleups import KIND, Brief, Pods, PodState, ScaleUpState, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.store import Store
    from maibo_slo.store.scaleups import Moment, PodTimes, ScaleUp
    from maibo_slo.store.workload import Workload

KEPT: Final = 4_000
"""3 kB each."""


class ScaleUpsSeen:
    """Safe to ask from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.seen = EventsSeen(partial(scaleup_briefs.briefs, store), KEPT)

    def between(
        self, begin: float, end: float, workload: Workload | None = None, *, newest: int, past: bool = False
    ) -> list[Brief]:
        """Those decided in [begin, end), unix s, by the earliest moment that may have been; so many of the newest, the oldest first. `past`: as they
        stood at `end`. StoreError.
        """
        subject = None if workload is None else str(workload)
        # Begins are kept to the millisecond, and moments in `detail` exactly.
        versions = events.versions(self._store, [KIND], begin - 0.001, end + 0.002, subject, newest=newest)
        found = self.seen.events(versions)
        within = [each for each in found if begin <= each.moments[Stage.DECIDED].earliest < end]
        found = sorted(within, key=lambda each: (each.moments[Stage.DECIDED].earliest, each.id))
        return self._as_of(found, end) if past else found

    def _as_of(self, found: Sequence[Brief], at: float) -> list[Brief]:
        """Of those that went on, each pod is looked at: what of it came later is in no brief."""
        whole = scaleups.of_ids(self._store, [each.id for each in found if _went_on(each, at)])
        return [as_of(whole[each.id], at) if each.id in whole else each for each in found]


def as_of(scaleup: ScaleUp, at: float) -> Brief:
    """Without what came after a moment, unix s: one that was over later runs, and so far its pods had come by then."""
    later = _is_later(scaleup.ended, at)
    became = {"state": ScaleUpState.RUNNING, "ended": None, "why_censored": ""} if later else {}
    told = {each.name: getattr(scaleup, each.name) for each in fields(scaleup)}
    decided = {Stage.DECIDED: scaleup.moments[Stage.DECIDED]}
    return Brief(
        **told
        | became
        | {
            "moments": decided | _known(scaleup.moments, at),
            "half": None if scaleup.half is None or scaleup.half.latest > at else scaleup.half,
            "most": None if scaleup.most is None or scaleup.most.latest > at else scaleup.most,
            "pods": Pods.of(_pod_as_of(pod, at) for pod in scaleup.pods if _was_there(pod, at)),
        }
    )


def _went_on(of: Brief, at: float) -> bool:
    return of.ended is None or _is_later(of.ended, at) or _is_later(of.pods.last, at)


def _is_later(of: float | None, at: float) -> bool:
    return of is not None and of > at


def _known(moments: Mapping[Stage, Moment], at: float) -> dict[Stage, Moment]:
    return {stage: moment for stage, moment in moments.items() if moment.latest <= at}


def _was_there(pod: PodTimes, at: float) -> bool:
    created = pod.moments.get(Stage.CREATED)
    return created is None or created.earliest <= at


def _pod_as_of(pod: PodTimes, at: float) -> PodTimes:
    moments = _known(pod.moments, at)
    serves_from = Stage.IN_ROTATION if Stage.IN_ROTATION in pod.moments else Stage.READY
    serves = pod.state is PodState.SERVING and serves_from in moments
    if serves or (pod.ended is not None and pod.ended <= at):
        return replace(pod, moments=moments)
    return replace(pod, moments=moments, state=PodState.STARTING, ended=None)
