"""One workload: how many replicas it was to have and since when, and each decision that these be more.

What a first list shows is where it begins: neither a decision nor an end of one. A higher number in a later list was decided at some time
since the watch last told all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from maibo_collectors.kubernetes.scaleups.reading import part, text, whole
from maibo_collectors.kubernetes.scaleups.writers import NOBODY, writer
from maibo_slo.store.scaleups import Moment, PodTimes, ScaleUp, ScaleUpState, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maibo_collectors.kubernetes.changes import Change
    from maibo_collectors.kubernetes.scaleups.pods import Pod
    from maibo_collectors.kubernetes.scaleups.writers import Writer
    from maibo_slo.store.rises import Rise
    from maibo_slo.store.workload import Workload
    from maibo_slo.store.writes import Write

MOST_DECISIONS: Final = 32
"""Of one workload at a time; the oldest is then told as it is."""
MOST_LEVELS: Final = 256
MOST_TEMPLATES: Final = 64
RUN_SECONDS: Final = 120.0
"""Decisions that follow each other sooner are steps of one rise: policies throttle it."""
_PLAUSIBLE_SECONDS: Final = 600.0
"""What somebody wrote that far from when we heard of it was not this write."""
_LATE_SECONDS: Final = 60.0
_ANSWER_SECONDS: Final = 5.0


@dataclass(slots=True, eq=False)
class Decision:
    """One rise of ``spec.replicas``, and what became known of it since."""

    id: str
    before: int
    after: int
    decided: Moment
    by: str
    """Empty: managedFields did not tell."""
    reason: str
    """Who wrote it, by the API server's notes, while nobody said why."""
    notes: tuple[str, ...] = ()
    known: Mapping[str, PodTimes] = field(default_factory=dict)
    """Pods by name, as an earlier run of the recorder knew them."""
    told: ScaleUp | None = None
    taken_back: Moment | None = None
    """When fewer were wanted again, or it was deleted."""
    why: str = ""
    rise: Rise | None = None
    asked_at: float | None = None
    """When the store was last asked about it."""
    finished_at: float | None = None
    """When it was first seen to be complete or censored; late data still completes it."""

    @property
    def added(self) -> int:
        return self.after - self.before

    @property
    def heard_within(self) -> tuple[float, float]:
        """By our own clock, unix s: when whoever made it may say so. A watch tells late, and the API server may answer after it has told."""
        if self.decided.received is None:
            return self.decided.earliest - _ANSWER_SECONDS, self.decided.latest + _ANSWER_SECONDS
        return self.decided.received - _LATE_SECONDS, self.decided.received + _ANSWER_SECONDS

    def own(self, writes: Iterable[Write]) -> None:
        """The fast lane made it, if it was one of its writes, whatever the API server notes. What a list shows may be several in one."""
        in_one = self.decided.received is None
        for write in writes:
            if write.after == self.after and (in_one or write.before == self.before):
                self.by, self.reason = "fast_lane", write.reason


@dataclass(slots=True, eq=False)
class Scaled:
    """A workload and its pods."""

    workload: Workload
    version: int = 0
    uid: str = ""
    replicas: int | None = None
    """As its ``spec`` has it; None: only its pods were seen."""
    generation: int = 0
    seen: float = 0.0
    since: float | None = None
    """From when on its pods' beginnings are known."""
    first_ordinal: int = 0
    levels: list[tuple[float, int]] = field(default_factory=list)
    """What was wanted from when on, oldest first."""
    lowerings: list[tuple[Moment, int]] = field(default_factory=list)
    """When fewer were wanted, and how many fewer."""
    decisions: list[Decision] = field(default_factory=list)
    templates: dict[str, Moment] = field(default_factory=dict)
    """When each pod template was made the current one, or its ReplicaSet."""
    revisions: dict[str, int] = field(default_factory=dict)
    """In which order they were; 0: nobody said."""
    pods: dict[str, Pod] = field(default_factory=dict)
    gone: bool = False
    _wrote: Writer = NOBODY
    """Who wrote ``spec.replicas`` last, and when, as its newest object notes it."""
    _step: int = 0
    _run_from: int = 0
    _run_at: float = 0.0

    def resume(self, scaleup: ScaleUp) -> None:
        """Go on with one that an earlier run of the recorder had not finished."""
        decided, note = scaleup.moments[Stage.DECIDED], "the recorder was restarted meanwhile"
        notes = [each for each in scaleup.notes if each.startswith("step ")]
        decision = Decision(
            scaleup.id,
            scaleup.before,
            scaleup.after,
            decided,
            scaleup.by,
            scaleup.reason,
            notes=(*notes, note),
            known={pod.name: pod for pod in scaleup.pods},
            told=scaleup,
        )
        self.decisions = sorted([*self.decisions, decision], key=lambda each: (each.decided.earliest, each.id))
        self.since = min(decided.earliest, self.since if self.since is not None else decided.earliest)
        self.levels = [(float("-inf"), self.decisions[0].before)]
        self.levels += [(each.decided.earliest, each.after) for each in self.decisions]
        self.replicas = self.decisions[-1].after

    def take(self, change: Change) -> None:
        """Its object, newer than what was taken. ValueError for what has no number of replicas."""
        spec = part(change.object, "spec")
        if not isinstance(spec, dict):
            raise ValueError("no spec")  # noqa: TRY004 -- of an object, not of this code
        replicas = 1 if spec.get("replicas") is None else whole(spec, "replicas")
        if replicas is None:
            raise ValueError("spec.replicas is no number")
        uid = text(change.object, "metadata", "uid")
        if change.type == "DELETED":
            self.gone = True
            self._take_back(_now(change), "the workload was deleted", above=-1)
        elif self.replicas is None or (self.uid and uid != self.uid):
            self._begin(change, replicas)
        elif not self.seen:
            self._go_on(change, replicas)
        elif replicas != self.replicas:
            self._move(change, replicas)
        self.uid, self.seen, self._wrote = uid, change.received, self._writer(change)
        self.generation = whole(change.object, "metadata", "generation") or 0
        self.first_ordinal = whole(spec, "ordinals", "start") or 0

    def _begin(self, change: Change, replicas: int) -> None:
        """Seen for the first time, or made anew under its name."""
        if self.uid:
            self._take_back(_now(change), "the workload was deleted and made anew", above=-1)
        self.gone, self._step = False, 0
        fresh = change.type == "ADDED" and not change.listed
        if not self.decisions:
            self.since = change.received
        self.levels = [(change.received if fresh else float("-inf"), replicas)]
        self.lowerings, self.replicas = [], replicas

    def _go_on(self, change: Change, replicas: int) -> None:
        """Seen for the first time since an earlier run of the recorder: nobody saw what happened in between."""
        self._take_back(_now(change), f"scaled down to {replicas}", above=replicas)
        self.levels, self.replicas = [*self.levels, (change.received, replicas)], replicas

    def _move(self, change: Change, replicas: int) -> None:
        before, self.replicas = self.replicas or 0, replicas
        wrote = self._writer(change)
        if (wrote.manager, _second(wrote)) == (self._wrote.manager, _second(self._wrote)):
            wrote = NOBODY  # what is noted is an earlier write
        generation = whole(change.object, "metadata", "generation") or 0
        at = self._when(change, wrote.moment, alone=generation == self.generation + 1)
        self.levels = [*self.levels[-MOST_LEVELS:], (at.earliest, replicas)]
        if replicas > before:
            self._decide(change, at, wrote.by, wrote.manager if wrote.by == "somebody" else "", before)
            return
        self.lowerings = [*self.lowerings[-MOST_LEVELS:], (at, before - replicas)]
        self._step = 0
        self._take_back(at, f"scaled down to {replicas}", above=replicas)

    def _take_back(self, at: Moment, why: str, *, above: int) -> None:
        for decision in self.decisions:
            if decision.after > above and decision.taken_back is None:
                decision.taken_back, decision.why = at, why

    def _when(self, change: Change, wrote: Moment | None, *, alone: bool) -> Moment:
        heard = change.received
        last = _second(self._wrote)
        if wrote is not None and last is not None and wrote.earliest <= last:
            wrote = None  # no newer than an earlier write, so it is not when this one was
        if not change.listed:
            plausible = wrote is not None and abs(wrote.earliest - heard) <= _PLAUSIBLE_SECONDS
            return wrote if wrote is not None and plausible else Moment(heard, heard, heard, "watch")
        # The workload may not have changed for hours before its watch broke off.
        gap = Moment(min(max(self.seen, change.since or 0.0) or heard, heard), heard, None, "list")
        if wrote is None or wrote.latest < gap.earliest or wrote.earliest > gap.latest:
            return gap
        # Of several writes that nobody saw, the last alone has a time.
        return wrote if alone else gap._replace(latest=max(gap.earliest, min(gap.latest, wrote.latest)))

    @staticmethod
    def _writer(change: Change) -> Writer:
        return writer(change.object, None if change.listed else change.received)

    def _decide(self, change: Change, at: Moment, by: str, reason: str, before: int) -> None:
        ids = {decision.id for decision in self.decisions}
        milliseconds = round(change.received * 1000)
        while f"{self.workload}@{milliseconds}" in ids:
            milliseconds += 1
        notes = []
        if change.listed:
            notes.append("found by a list after a gap in the watch: it may be several decisions in one")
        if self._step and at.earliest - self._run_at <= RUN_SECONDS:
            self._step += 1
            notes.append(f"step {self._step} of a rise that began at {self._run_from} replicas")
        else:
            self._step, self._run_from = 1, before
        self._run_at = at.earliest
        id_ = f"{self.workload}@{milliseconds}"
        self.decisions.append(Decision(id_, before, self.replicas or 0, at, by, reason, tuple(notes)))

    def template(self, name: str, begin: Moment, revision: int) -> None:
        """A ReplicaSet's template became the current one."""
        self.templates[name], self.revisions[name] = begin, revision
        if len(self.templates) > MOST_TEMPLATES:
            oldest = min(self.templates, key=lambda each: (self.revisions[each], self.templates[each].earliest))
            del self.templates[oldest], self.revisions[oldest]

    def wanted(self, at: float) -> int:
        """Replicas that were wanted at this time; 0 before it was made."""
        return next((replicas for begin, replicas in reversed(self.levels) if begin <= at), 0)

    def forget(self, before: float) -> None:
        """What was over by then, but for pods, which go by themselves."""
        first = max((n for n, (begin, _) in enumerate(self.levels) if begin <= before), default=0)
        self.levels = (
            [(float("-inf") if first else self.levels[0][0], self.levels[first][1]), *self.levels[first + 1 :]]
            if self.levels
            else []
        )
        self.lowerings = [each for each in self.lowerings if each[0].latest > before]


def _now(change: Change) -> Moment:
    return Moment(change.received, change.received, None if change.listed else change.received, "watch")


def _second(writer: Writer) -> float | None:
    """When it wrote, as it is noted."""
    return None if writer.moment is None else writer.moment.earliest


def is_open(scaleup: ScaleUp) -> bool:
    """Whether a restarted recorder goes on with it."""
    return scaleup.state is ScaleUpState.RUNNING and Stage.DECIDED in scaleup.moments
