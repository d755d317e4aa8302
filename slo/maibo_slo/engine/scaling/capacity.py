"""What one ready pod carries: the calls a second up to which the SLOs held, learned from minutes that can teach it.

A minute held when its share of bad events is not surely more than the objective allows. The share of minutes that held falls with the load of a pod;
isotonic regression finds how (an outlier moves a bin, never the curve's shape), and capacity is the load up to which about as many held as at
low load. The lower end of what a bootstrap over minutes finds is planned with. Nothing is extrapolated: where every load held, capacity is at
least the highest that was seen, and `STEP` more at the most. What was learned before stands until a lower load breaks: a workload that is scaled well
never shows its limit again.

Minutes teach nothing when something else was going on: see `Observation.excluded`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from maibo_slo.engine.scaling import poisson
from maibo_slo.engine.scaling.inputs import Capacity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from maibo_slo.documents.scaling_kinds import CapacitySpec

FEWEST_MINUTES: Final = 30
"""That capacity is learned from."""
FEWEST_EVENTS: Final = 30
"""Of a minute."""
STEP: Final = 0.05
"""Beyond the highest load that was seen, as a share of it."""
AS_GOOD: Final = 0.9
"""Of the share of minutes that held at low load."""
FEWEST_GOOD: Final = 0.5
"""Of minutes at low load: where fewer held, load is not what breaks the SLO."""
LOWER: Final = 0.1
"""Quantile of the bootstrap that is planned with; `upper` is the other tail's."""
_RESAMPLES: Final = 200
_BIN: Final = 0.05
"""Width of a bin of loads, as a share of the load."""
_FEWEST_IN_A_BIN: Final = 5
"""Minutes, for the load to count as seen."""
_SURE_Z: Final = 1.645


@dataclass(frozen=True, slots=True)
class Observation:
    """One minute of a workload and one SLO."""

    t: int
    """Unix s."""
    slo: str
    objective: float
    """Share of good events that is asked for."""
    rate: float
    """Calls a second, all pods together."""
    pods: float
    """Ready ones, the mean of the minute."""
    good: int
    bad: int
    excluded: str = ""
    """Why it teaches nothing: ``correction``, ``rollout``, ``bad version``, ``cold pods``; '' it does."""

    @property
    def load(self) -> float:
        """Calls a second of one pod."""
        return self.rate / self.pods

    @property
    def teaches(self) -> bool:
        return not self.excluded and self.pods > 0 and self.rate > 0 and self.good + self.bad >= FEWEST_EVENTS

    @property
    def held(self) -> bool:
        """Whether its bad events are not surely more than the objective allows."""
        return poisson.lower(self.bad, _SURE_Z) <= (self.good + self.bad) * (1 - self.objective)


class _Learned(NamedTuple):
    lower: float
    estimate: float
    upper: float
    minutes: int
    seen: float
    """The highest load that was seen often enough."""
    broke: bool


def learn(observations: Sequence[Observation], spec: CapacitySpec, before: Capacity | None = None) -> Capacity | None:
    """The capacity of a replica; None where nothing tells it. `before`: what was learned last, of the same workload.

    Of several SLOs, the one that breaks first decides.
    """
    if spec.fixed is not None:
        return Capacity(spec.fixed, spec.fixed, spec.fixed, learned=False, why="fixed")
    by_slo: dict[str, list[Observation]] = {}
    for each in observations:
        if each.teaches:
            by_slo.setdefault(each.slo, []).append(each)
    learned = [(found, slo) for slo, some in by_slo.items() if (found := _of_slo(some)) is not None]
    if not learned:
        return _not_learned(observations, spec, before)
    found, slo = min(learned)
    why = _why(found, slo, observations)
    capacity = Capacity(found.lower, found.estimate, found.upper, learned=True, samples=found.minutes, why=why)
    if before is not None and before.learned and not found.broke and before.per_replica > capacity.per_replica:
        why = f"{before.why.split('; since then', maxsplit=1)[0]}; since then {found.minutes} minutes up to {found.seen:.3g} calls/s a pod held"
        capacity = Capacity(
            before.per_replica, before.estimate, before.upper, learned=True, samples=before.samples, why=why
        )
    return _within(capacity, spec)


def _not_learned(observations: Sequence[Observation], spec: CapacitySpec, before: Capacity | None) -> Capacity | None:
    if before is not None and before.learned:
        return _within(before, spec)
    if spec.floor is None:
        return None
    usable = sum(each.teaches for each in observations)
    why = f"the floor: nothing was learned yet, {usable} minutes taught something and {FEWEST_MINUTES} are needed{_left_out(observations)}"
    return Capacity(spec.floor, spec.floor, spec.ceiling or spec.floor, learned=False, why=why)


def _within(capacity: Capacity, spec: CapacitySpec) -> Capacity:
    """Floor and ceiling say what is believed whatever was learned."""
    low, high = spec.floor or 0.0, spec.ceiling or np.inf
    planned = min(max(capacity.per_replica, low), high)
    why = capacity.why
    if planned != capacity.per_replica:
        why = f"the {'floor' if planned == low else 'ceiling'}, not {capacity.per_replica:.3g}: {why}"
    return Capacity(
        planned,
        min(max(capacity.estimate, low), high),
        max(planned, min(capacity.upper, high)),
        capacity.learned,
        capacity.samples,
        why,
    )


def _of_slo(observations: Sequence[Observation]) -> _Learned | None:
    """None: too few minutes, or the SLO does not even hold at low load."""
    if len(observations) < FEWEST_MINUTES:
        return None
    loads = np.array([each.load for each in observations])
    held = np.array([each.held for each in observations])
    order = np.argsort(loads)
    loads, held = loads[order], held[order]
    bins = np.floor(np.log(loads) / np.log1p(_BIN)).astype(np.int64)
    _, first = np.unique(bins, return_index=True)
    minutes = np.diff(np.append(first, len(loads))).astype(np.float64)
    good = np.add.reduceat(held.astype(np.float64), first)
    tops = np.maximum.reduceat(loads, first)
    while (
        len(minutes) > 1 and minutes[-1] < _FEWEST_IN_A_BIN
    ):  # a lone peak is no evidence: with those below it, under their load
        minutes, good, tops = _merged(minutes), _merged(good), tops[:-1]
    fitted = _falling(good / minutes, minutes)
    if fitted[0] < FEWEST_GOOD:
        return None
    estimate = _knee(fitted, tops)
    broke = bool(fitted[-1] < AS_GOOD * fitted[0])
    random = np.random.default_rng(len(observations))  # the same answer for the same minutes
    resampled = random.binomial(
        minutes.astype(np.int64), np.clip(good / minutes, 0, 1), size=(_RESAMPLES, len(minutes))
    )
    knees = [_knee(_falling(each / minutes, minutes), tops) for each in resampled]
    lower, upper = (float(np.quantile(knees, level)) for level in (LOWER, 1 - LOWER))
    seen = float(tops[-1])
    if not broke:
        estimate = lower = seen * (1 + STEP)
        upper = max(upper, estimate)
    return _Learned(min(lower, estimate), estimate, max(upper, estimate), len(observations), seen, broke)


def _merged(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The last two as one."""
    return np.append(values[:-2], values[-2] + values[-1])


def _knee(fitted: NDArray[np.float64], tops: NDArray[np.float64]) -> float:
    """The highest load at which nearly as many minutes held as at the lowest."""
    return float(tops[np.flatnonzero(fitted >= AS_GOOD * fitted[0])[-1]])


def _falling(shares: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest that never rises: pool adjacent violators (Ayer and others, 1955)."""
    blocks: list[tuple[float, float, int]] = []
    for share, weight in zip(shares.tolist(), weights.tolist(), strict=True):
        block = (share, weight, 1)
        while blocks and blocks[-1][0] < block[0]:
            mean, before, count = blocks.pop()
            both = before + block[1]
            block = ((mean * before + block[0] * block[1]) / both, both, count + block[2])
        blocks.append(block)
    return np.repeat([mean for mean, _, _ in blocks], [count for _, _, count in blocks])


def _why(found: _Learned, slo: str, observations: Sequence[Observation]) -> str:
    said = f"learned from {found.minutes} minutes of {slo}, seen up to {found.seen:.3g} calls/s a pod: "
    if found.broke:
        said += f"it held up to {found.estimate:.3g}, surely up to {found.lower:.3g}"
    else:
        said += "all good, capacity is at least that"
    return said + _left_out(observations)


def _left_out(observations: Sequence[Observation]) -> str:
    why = Counter(each.excluded for each in observations if each.excluded)
    return (
        f" (minutes left out: {', '.join(f'{count} with {name}' for name, count in sorted(why.items()))})"
        if why
        else ""
    )
