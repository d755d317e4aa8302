"""What the shop's storefront had of replicas: what was desired when, made up from its demand, and the scale-ups that followed."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

from benchmarks.screenshots.shop import HOUR, SEED

from maibo_slo.store import forecasts, replicas, rises, scaleups, scaling
from maibo_slo.store.scaleups import Moment, PodState, PodTimes, ScaleUp, ScaleUpState, Stage
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections import Counter

    from benchmarks.screenshots.shop import Day

    from maibo_slo.store import Store

PER_REPLICA, UTILISATION, LEAST, MOST = 3.0, 0.8, 2, 30
WORKLOAD = Workload("shop", "Deployment", "storefront")
TARGET = f"""
apiVersion: maibo.dev/v1
kind: ScalingTarget
metadata: {{name: storefront}}
spec:
  workload: {{namespace: shop, name: storefront}}
  services: [storefront]
  slos: [checkout-fast]
  capacity: {{fixed: {PER_REPLICA:g}, utilisation: {UTILISATION:.0%}}}
  replicas: {{min: {LEAST}, max: {MOST}}}
"""
STAGES = {
    Stage.CREATED: 0.6,
    Stage.SCHEDULED: 0.9,
    Stage.PULLED: 3.1,
    Stage.STARTED: 4.0,
    Stage.READY: 9.5,
    Stage.IN_ROTATION: 10.4,
    Stage.FIRST_JOURNEY: 12.0,
}
"""Seconds after the decision, of a pod that found room."""


def scaled(store: Store, day: Day, calls: Counter[int]) -> str:
    """What was desired of the storefront when, how its pods followed; the id of the scale-up that took longest."""
    dice = Random(SEED)
    decided, ran, made, risen, ups = [], [], [], [], []
    desired, since, ready, coming = LEAST, day.now, LEAST, list[tuple[float, int]]()
    for t in range(day.now - 8 * HOUR, day.now, 10):
        rate = sum(calls[at] for at in range(t - 180, t, 10)) / 180
        wished = min(
            MOST,
            max(
                LEAST, math.ceil(rate / (PER_REPLICA * UTILISATION)), 6 if day.sale - 900 <= t < day.sale + HOUR else 0
            ),
        )
        before = desired
        if wished > desired + 1:
            desired, since = wished, t
        elif wished < desired:
            desired = wished if t - since > 300 else desired
        else:
            since = t
        if desired > before:
            up = scale_up(t + 2.0, before, desired, dice, cold=max(0, desired - 10))
            ups.append(up)
            coming += [(up.ended or 0.0, desired)]
            risen.append(
                rises.Rise(
                    f"r@{t}",
                    WORKLOAD,
                    "storefront",
                    t - 1.0,
                    float(t),
                    before,
                    desired,
                    f"{rate:.0f} calls/s",
                    t + 0.8,
                    "keda",
                )
            )
        ready = min(desired, max([ready, *(many for at, many in coming if at <= t)]))
        why = f"{desired} replicas: {rate:.1f} calls/s ÷ ({PER_REPLICA:g} a replica at {UTILISATION:.0%})"
        decided.append(
            scaling.Decided(
                t,
                "shop",
                "storefront",
                desired,
                demand=rate,
                per_replica=PER_REPLICA,
                reason=why,
                held_by="",
                ready=ready,
            )
        )
        ran.append(replicas.Sample(WORKLOAD, t, desired, desired, ready, ready * 10_000, 10_000, 1, float(t)))
        if t % 60 == 0:
            levels = {0.1: rate * 0.8, 0.5: rate * 1.02, 0.9: rate * 1.25}
            made.append(forecasts.Forecasted("shop", "storefront", t, t + 90, "level", "", 1.0, levels))
    scaling.insert(store, decided, version=1)
    replicas.insert(store, ran)
    forecasts.insert(store, made)
    rises.append(store, risen)
    scaleups.append(store, ups)
    return max(ups, key=lambda up: (up.ended or 0.0) - up.moments[Stage.DECIDED].earliest).id


def scale_up(at: float, before: int, after: int, dice: Random, *, cold: int) -> ScaleUp:
    """One decision; `cold` of its pods, at most, had to wait for a node."""
    pods = []
    for number in range(after - before):
        late = 41 + number * 1.7 if number < cold else 0.0
        moments, last = {}, at
        for stage, seconds in STAGES.items():
            waited = 0.0 if stage is Stage.CREATED else late + dice.uniform(0, 1.5)
            last = max(last, at + seconds + waited)
            moments[stage] = Moment(last, last)
        name, node = f"storefront-7c9d8-{dice.getrandbits(20):05x}", f"node-{number % 5 + 1 + 5 * bool(late)}"
        room = "0/5 nodes are available: 5 Insufficient cpu." if late else ""
        pods.append(PodTimes(name, node, PodState.SERVING, moments, node_provisioned=bool(late), unschedulable=room))

    def reached(stage: Stage, share: float) -> Moment:
        return sorted(pod.moments[stage] for pod in pods)[max(0, math.ceil(len(pods) * share) - 1)]

    start = {
        Stage.TRIGGER: Moment(at - 3.2, at - 3.2),
        Stage.SERVED: Moment(at - 1.2, at - 1.2),
        Stage.DECIDED: Moment(at, at),
    }
    done = reached(Stage.IN_ROTATION, 1)
    return ScaleUp(
        id=f"{WORKLOAD}@{round(at * 1000)}",
        workload=WORKLOAD,
        before=before,
        after=after,
        by="keda",
        reason="external metric above target",
        moments=start | {stage: reached(stage, 1) for stage in STAGES},
        pods=pods,
        state=ScaleUpState.COMPLETE,
        half=reached(Stage.IN_ROTATION, 0.5),
        most=reached(Stage.IN_ROTATION, 0.9),
        ended=done.latest,
    )
