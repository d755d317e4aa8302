"""How long scale-ups take, those that never ended included.

A mean over the scale-ups that succeeded flatters: one whose pods never served took longer than it lasted, and nobody knows how much. Such
a duration is right-censored, and quantiles are those of the Kaplan-Meier estimate (E. L. Kaplan, P. Meier, Nonparametric Estimation from
Incomplete Observations, JASA 53, 1958). Without censoring it is the empirical distribution: a quantile is a duration that was measured.

Moments are intervals, so durations are: what Kubernetes wrote to the second is known to the second, and so is each figure made of it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from maibo_slo.store.scaleups import Moment, ScaleUpState, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from maibo_slo.documents.kinds import ScaleupBegin, ScaleupEnd
    from maibo_slo.store.scaleups import Brief, PodTimes, ScaleUp

ORDER: Final = tuple(Stage)
LONGEST_LEAD_SECONDS: Final = 900.0
"""A scale-up that takes longer is stuck: of few, one decides over the P90, and nobody should run for the demand of hours ahead because of it."""
_EPSILON: Final = 1e-9
"""Products of shares are not exact: (1 - 1/10) * (1 - 1/9) is 0.8 and dust."""
_ALWAYS: Final = frozenset({Stage.CREATED, Stage.SCHEDULED, Stage.STARTED, Stage.READY})
"""Stages that every pod goes through, whatever is known of the others."""


class Lasted(NamedTuple):
    """How long something took, s: between the two, or, where it is not over, longer than that."""

    lower: float
    upper: float
    observed: bool
    """False: right-censored."""


class Quantile(NamedTuple):
    """A quantile of durations, s. None: the curve never falls that far, since too many are censored."""

    lower: float | None
    upper: float | None


class Warmth(NamedTuple):
    """How many scale-ups were warm, of so many that ended."""

    warm: int
    ended: int

    @property
    def share(self) -> float | None:
        """None without any."""
        return self.warm / self.ended if self.ended else None


@dataclass(frozen=True, slots=True)
class Phase:
    """What came before a stage, since the one before it that is known."""

    stage: Stage
    """That it ends with."""
    after: Stage
    """That it begins with: not always the one before, for not all are known of each."""
    begin: Moment
    end: Moment
    """Of one that is not over: until when it lasted, so far."""
    over: bool = True

    @property
    def lasted(self) -> Lasted:
        return lasted(self.begin, self.end, observed=self.over)


def quantiles(durations_s: Sequence[float], observed: Sequence[bool], levels: Sequence[float]) -> list[float | None]:
    """The least duration by which at least `level` of all are over, for each level in (0, 1]; None where too many are censored to tell.

    >>> quantiles([3, 5, 5, 8, 10], [True, True, False, True, False], [0.2, 0.4, 0.5, 0.9])
    [3.0, 5.0, 8.0, None]
    """
    curve = _curve(durations_s, observed)
    return [next((at for at, share in curve if share <= 1 - level + _EPSILON), None) for level in levels]


def between(durations: Iterable[Lasted], levels: Sequence[float]) -> list[Quantile]:
    """Quantiles of durations that are known as intervals: of all of them at their shortest, and of all at their longest."""
    every = list(durations)
    observed = [each.observed for each in every]
    shortest = quantiles([each.lower for each in every], observed, levels)
    longest = quantiles([each.upper for each in every], observed, levels)
    # The estimate is not monotone where the second of resolution carries one over a censored one: the two change places.
    return [Quantile(*_sorted(one, other)) for one, other in zip(shortest, longest, strict=True)]


def latency(
    scaleup: ScaleUp | Brief,
    *,
    since: ScaleupBegin = "trigger",
    until: ScaleupEnd = "in_rotation",
    now: float | None = None,
) -> Lasted:
    """From the trigger, where it is known, or the decision, until as many pods as were added had got so far.

    One that runs is censored `now`, or when it was last known to run.
    """
    begin, end = began(scaleup, since), reached(scaleup, until)
    if end is not None:
        return lasted(begin, end, observed=True)
    at = _known_until(scaleup, now)
    return lasted(begin, Moment(at, at), observed=False)


def began(scaleup: ScaleUp | Brief, since: ScaleupBegin = "trigger") -> Moment:
    """What its latency is counted from."""
    decided = scaleup.moments[Stage.DECIDED]
    return scaleup.moments.get(Stage.TRIGGER, decided) if since == "trigger" else decided


def reached(scaleup: ScaleUp | Brief, until: ScaleupEnd = "in_rotation") -> Moment | None:
    """When as many pods as were added had got so far; None: they have not. Ready is in rotation where nobody selects the pods."""
    moments = scaleup.moments
    found = moments.get(Stage(until))
    if found is None and until == "in_rotation" and scaleup.state is ScaleUpState.COMPLETE:
        return moments.get(Stage.READY)
    return found


def lead_time(scaleups: Iterable[ScaleUp | Brief], level: float = 0.9) -> float | None:
    """How long a scale-up takes, s, in `level` of all, at the longest that the resolution allows, `LONGEST_LEAD_SECONDS` at most; None where
    that cannot be told.
    """
    [found] = between((latency(each) for each in scaleups), [level])
    return None if found.upper is None else min(found.upper, LONGEST_LEAD_SECONDS)


def least_lead(scaleups: Iterable[ScaleUp | Brief]) -> float:
    """Where `lead_time` cannot be told, what it is at least: as long as any of them lasted, with the same bound."""
    return min(max((latency(each).lower for each in scaleups), default=0.0), LONGEST_LEAD_SECONDS)


def phases(scaleup: ScaleUp | Brief, *, now: float | None = None) -> list[Phase]:
    """What the decision went through, until as many pods as were added serve; and when they had told us of a journey, where they did.

    What it is in the middle of, or was when it was censored, comes last and is not over.
    """
    told = _phases(scaleup.moments)
    if scaleup.state is ScaleUpState.COMPLETE:
        return told
    at = _known_until(scaleup, now)
    return [*told, *_unfinished(scaleup.moments, scaleup.together.reached, at)]


def pod_phases(pod: PodTimes, decided: Moment, *, is_over: bool, until: float) -> list[Phase]:
    """The same of a pod, from the decision on. `is_over`: it got as far as it had to; else it was, or is, in the middle of one at `until`."""
    moments = {Stage.DECIDED: decided, **pod.moments}
    told = _phases(moments)
    return told if is_over else [*told, *_unfinished(moments, frozenset(), pod.ended or until)]


def by_phase(scaleups: Iterable[ScaleUp | Brief], *, now: float | None = None) -> dict[Stage, list[Lasted]]:
    """Durations of each phase that any of them went through, by the stage that ends it, in their order."""
    found: defaultdict[Stage, list[Lasted]] = defaultdict(list)
    for scaleup in scaleups:
        for phase in phases(scaleup, now=now):
            found[phase.stage].append(phase.lasted)
    return {stage: found[stage] for stage in ORDER if stage in found}


def is_warm(scaleup: ScaleUp | Brief) -> bool:
    """No pod had to wait for a new node; of one that runs: so far."""
    return not scaleup.together.waited


def warmth(scaleups: Iterable[ScaleUp | Brief]) -> Warmth:
    """Of those that ended: the pods of one that runs may have to wait yet."""
    ended = [each for each in scaleups if each.state is not ScaleUpState.RUNNING]
    return Warmth(sum(map(is_warm, ended)), len(ended))


def lasted(begin: Moment, end: Moment, *, observed: bool) -> Lasted:
    """What lies between two moments; never below 0, however much clocks differ."""
    return Lasted(max(0.0, end.earliest - begin.latest), max(0.0, end.latest - begin.earliest), observed)


def _curve(durations: Sequence[float], observed: Sequence[bool]) -> list[tuple[float, float]]:
    """Times at which any are over, and the share that takes longer. Whatever is censored at such a time was still at risk."""
    # A page asks for hundreds of these, of a few dozen durations each: numpy's calls would take longer than the counting.
    every = sorted(map(float, durations))
    ended = Counter(float(duration) for duration, over in zip(durations, observed, strict=True) if over)
    share, found = 1.0, []
    for at in sorted(ended):
        share *= 1 - ended[at] / (len(every) - bisect_left(every, at))
        found.append((at, share))
    return found


def _sorted(one: float | None, other: float | None) -> tuple[float | None, float | None]:
    """None is longer than anything."""
    if one is None or (other is not None and other < one):
        return other, one
    return one, other


def _phases(moments: Mapping[Stage, Moment]) -> list[Phase]:
    there = [stage for stage in ORDER if stage in moments]
    return [Phase(stage, before, moments[before], moments[stage]) for before, stage in pairwise(there)]


def _unfinished(moments: Mapping[Stage, Moment], known: frozenset[Stage], at: float) -> list[Phase]:
    """The phase that was under way: towards the next stage that pods of it reached, or all pods do."""
    last = max(moments, key=ORDER.index)
    later = ORDER[ORDER.index(last) + 1 :]
    ahead = next((stage for stage in later if stage in known | _ALWAYS), Stage.IN_ROTATION)
    if ahead is Stage.FIRST_JOURNEY or last in (Stage.IN_ROTATION, Stage.FIRST_JOURNEY):
        return []
    at = max(at, moments[last].earliest)
    return [Phase(ahead, last, moments[last], Moment(at, at), over=False)]


def _known_until(scaleup: ScaleUp | Brief, now: float | None) -> float:
    """When it ended without success, or what is known to have happened before it will."""
    if scaleup.ended is not None and scaleup.state is ScaleUpState.CENSORED:
        return scaleup.ended
    if now is not None:
        return now
    moments = [moment.earliest for moment in scaleup.moments.values()]
    last = scaleup.together.last
    return max(moments if last is None else [*moments, last])
