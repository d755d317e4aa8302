"""What the API answers about scale-ups: one model an answer.

Times that Kubernetes writes to the second are known to the second: each duration here has the shortest and the longest that it can have been.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pydantic import Field

from maibo_slo.service.answers import Answer, Span
from maibo_slo.store.scaleups import PodState, ScaleUpState, Stage

MOST: Final = 2_000
"""So many of a window's are looked at, the newest."""
_CUT: Final = (
    f"the window has more: only its newest {MOST} were looked at, of all workloads or of the one that was asked for"
)


class Between(Answer):
    """A time in seconds that is known as an interval."""

    earliest: float = Field(description="at the earliest, seconds", examples=[61.0])
    latest: float = Field(description="at the latest, seconds", examples=[63.0])


class QuantileAnswer(Answer):
    """A quantile of durations, by the Kaplan-Meier estimate: who never ended took longer than it lasted."""

    earliest: float = Field(description="of all durations at their shortest, seconds")
    latest: float | None = Field(default=None, description="of all at their longest; null: longer than any that ended")


class Durations(Answer):
    """How long something took, over several scale-ups."""

    count: int
    censored: int = Field(description="of these, never ended or not over yet: known to be longer than they lasted")
    longest: float | None = Field(default=None, description="seconds that one lasted at the least; null without any")
    p50: QuantileAnswer | None = Field(
        default=None, description="null: too many are censored to tell, so longer than any that ended"
    )
    p90: QuantileAnswer | None = None
    p99: QuantileAnswer | None = None


class MomentAnswer(Answer):
    """When something happened: at some time of this interval, by its source's clock."""

    earliest: datetime
    latest: datetime
    received: datetime | None = Field(default=None, description="when the recorder saw it, by its own clock")
    source: str = Field(examples=["condition", "eventTime", "creationTimestamp"])


class PhaseAnswer(Answer):
    """What came before a stage. Seconds count from the begin of the scale-up."""

    stage: Stage = Field(description="that ends it")
    after: Stage = Field(description="that it begins with")
    label: str = Field(examples=["scheduling"])
    doing: str = Field(description="what it was about, in words", examples=["waiting for a node"])
    begin: Between
    end: Between = Field(description="of one that is not over: until when it lasted so far")
    seconds: Between = Field(description="how long it took")
    over: bool = Field(description="false: it was in the middle of this when it was censored, or is")


class PodAnswer(Answer):
    """One pod that was added."""

    name: str
    node: str
    state: PodState
    phases: list[PhaseAnswer] = Field(description="from the decision on")
    seconds: Between = Field(description="from the begin of the scale-up until it served, or so far")
    serving: bool
    ended: datetime | None = Field(default=None, description="when it was censored")
    image_bytes: int | None = None
    pull_seconds: float | None = Field(
        default=None, description="by the kubelet's own word, without queueing; 0: it was there"
    )
    pull_queued_seconds: float | None = None
    node_provisioned: bool = Field(description="it found no room, and its node came after it")
    unschedulable: str = Field(description="what the scheduler last said against it")
    moments: dict[Stage, MomentAnswer]


class ScaleUpAnswer(Answer):
    """One decision to run more replicas."""

    id: str = Field(examples=["shop/Deployment/checkout-api@1769860626000"])
    workload: str = Field(examples=["shop/Deployment/checkout-api"])
    before: int
    after: int
    by: str = Field(description="who decided", examples=["hpa", "keda", "fast_lane", "somebody"])
    reason: str
    state: ScaleUpState
    why_censored: str
    began_at: datetime = Field(description="the trigger, where it is known, else the decision")
    decided_at: datetime
    since: Stage = Field(description="what the latency is counted from: trigger or decided")
    latency: Between = Field(description="seconds until as many pods as were added served; censored: it is longer")
    censored: bool = Field(description="it is not over, or never will be")
    half: Between | None = Field(default=None, description="seconds until half of the added pods served")
    most: Between | None = Field(default=None, description="until nine tenths of them did")
    warm: bool = Field(description="no pod had to wait for a new node")
    where: str = Field(description="where the time went", examples=["62 of 74 s: waiting for a node"])
    phases: list[PhaseAnswer]
    pods: dict[PodState, int] = Field(description="how many are in which state")
    skews: int = Field(description="moments before what must be before them: clocks differ")
    notes: list[str]
    version: str = Field(description="hash of the pod template")


class OneScaleUpAnswer(ScaleUpAnswer):
    """The same with its moments and pods."""

    now: datetime
    moments: dict[Stage, MomentAnswer]
    added_pods: list[PodAnswer] = Field(description="those that took longest first; censored ones before them")
    served_by: str = Field("", description="the face that told a scaler first; '' nobody knows", examples=["keda"])


class ScaleUpsAnswer(Answer):
    """Scale-ups that were decided in a window, the newest first."""

    now: datetime
    window: Span
    scaleups: list[ScaleUpAnswer]
    omitted: int = Field(description="older ones that fit as well")
    cut: bool = Field(description=_CUT)


class PhaseSummary(Durations):
    """What one phase takes."""

    stage: Stage
    label: str


class WorkloadScaleUps(Answer):
    """What the scale-ups of one workload took."""

    workload: str
    count: int
    complete: int
    censored: int
    running: int
    triggered: int = Field(
        description="latency counted from the trigger; of the others, which no signal of ours asked for, from the decision"
    )
    warm: int = Field(description="no pod had to wait for a new node; of those that are not running")
    warm_share: float | None = Field(default=None, description="null where none has ended")
    latency: Durations
    phases: list[PhaseSummary]


class ScaleUpSummaryAnswer(Answer):
    """Scale-ups that were decided in a window, by workload."""

    now: datetime
    window: Span
    workloads: list[WorkloadScaleUps]
    cut: bool = Field(description=_CUT)
