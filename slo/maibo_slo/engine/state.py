"""The state of an objective, one word a person can act on.

* ``no_data``: nothing was counted in the SLO's window.
* ``stale``: the newest minute with data ended more than 10 minutes ago, or the engine itself has not evaluated for a minute. What
  was true then may not be true now. An exhausted budget stays exhausted in a quiet night: it is a fact about the whole window.
  Time that a correction excludes makes nothing stale. Nor does a time without scale-ups an SLO that is counted from them: they are rare.
* ``exhausted``: even if the part of the window that was not observed had been flawless, the budget is spent. Of scale-ups, which come when load
  rises and not at a rate, nothing is made up for that part: what happened is all there was.
* ``burning_fast``: 2 % of the budget went within 1 h and it goes on (5 min), or 5 % within 6 h and it goes on (30 min); by the rule that
  pages (`burning`).
* ``burning``: faster than the budget lasts over 6 h, and still over 30 min.
* ``ok``: none of these.

A time is observed, without data, or excluded, and these three are told apart: no data is neither good nor bad.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from maibo_slo.engine import burning, composite
from maibo_slo.engine.budget import Budget, budget, error_budget
from maibo_slo.engine.burn import (
    BURN_WINDOWS,
    MIN_BAD_EVENTS,
    Counts,
    Pair,
    alerted_pairs,
    burn_rate,
    fast_pairs,
    slow_pair,
)
from maibo_slo.engine.burning import ABOVE, MINUTE, Evidence
from maibo_slo.engine.certainty import Interval, credible_interval
from maibo_slo.engine.excluded import NOTHING_EXCLUDED, Excluded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from maibo_slo.documents import Correction, FedSlo, Objective, Slo
    from maibo_slo.engine.burning import Guard
    from maibo_slo.engine.composite import Part

State = Literal["ok", "burning", "burning_fast", "exhausted", "no_data", "stale"]
STATES: Final[tuple[State, ...]] = ("ok", "burning", "burning_fast", "exhausted", "no_data", "stale")

STALE_AFTER_SECONDS: Final = 600
ENGINE_STALE_AFTER_SECONDS: Final = 60

Unit = Literal["events", "slices"]
MILLIONTHS: Final = 1_000_000
"""Rows of RatioTimeslices count these, of a slice."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """A window of a correction, as far as it lies in an SLO's window. Unix s."""

    begin: int
    end: int
    correction: Correction


@dataclass(frozen=True, slots=True)
class PolicyNow:
    """Where an objective stands in its error-budget policy."""

    policy: str
    state: str
    since: float
    """Unix s."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What the ledger holds for one objective (of one group) at the last tick: counts alone."""

    slo: Slo | FedSlo
    objective: Objective
    counts: Mapping[int, Counts]
    """By length in seconds, of every burn window."""
    own: Counts
    """In the SLO's window: what it rolls over, or what has passed of `period`."""
    first_t: int | None
    """Begin of the oldest minute with data that was ever counted, unix s."""
    last_t: int | None
    """Begin of the newest minute with data, unix s."""
    first_burning_at: float | None = None
    """When the burn that is under way was first seen, unix s."""
    group: str = ""
    """``tier=gold,region=eu``, as `groups` writes it; '' of an SLO that has one budget."""
    period: tuple[int, int] | None = None
    """Begin and end of the present calendar window, unix s; None where the window rolls."""
    parts: tuple[Observed, ...] = ()
    """Of the objective that judges a composite by Occurrences: its components. It has no counts of its own then, and no target but theirs."""
    policy: PolicyNow | None = None
    corrected: tuple[Corrected, ...] = ()
    """The newest, newest first: to be shown."""
    corrected_unshown: int = 0
    """How many more there are."""
    excluded: Excluded = NOTHING_EXCLUDED
    """All that corrections exclude: to be reckoned with."""
    events: Mapping[int, Counts] = field(default_factory=dict)
    """What slices are made of, good ones too, as `counts`; empty where events are what is judged, and without windows in which a correction lies."""


@dataclass(frozen=True, slots=True)
class Burn:
    """The burn over one window."""

    window: str
    window_seconds: int
    good: float
    bad: float
    rate: float | None
    coverage: float
    target: float
    parts: tuple[tuple[float, Burn], ...] = ()
    """Weight and burn of each component, of a composite by Occurrences."""

    @property
    def interval(self) -> Interval | None:
        """The true burn rate lies within, with a probability of 95 %; None without events. Of thousands, ask `Intervals`."""
        return self.interval_by(credible_interval)

    def interval_by(self, share_of: Callable[[float, float], Interval | None]) -> Interval | None:
        """`interval`, by whoever tells that of the share of so many bad among so many events."""
        if self.parts:
            known = [(weight, one) for weight, part in self.parts if (one := part.interval_by(share_of)) is not None]
            lower = sum(weight * one.lower for weight, one in known)
            return Interval(lower, sum(weight * one.upper for weight, one in known)) if known else None
        share = share_of(self.bad, self.good + self.bad)
        allowed = error_budget(self.target)
        return None if share is None else Interval(share.lower / allowed, share.upper / allowed)


@dataclass(frozen=True, slots=True)
class Rule:
    """A pair of windows that a state goes by, and what it says now."""

    state: State
    pair: Pair
    reached: bool
    held_back_by: Guard | None = None
    """Both windows burn above the factor, and yet it means nothing; None: one of them does not, or it is reached."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """An objective (of one group) at a moment: every number the service shows."""

    slo: Slo | FedSlo
    objective: Objective
    good: float
    bad: float
    """Both 0 of a composite by Occurrences: its parts have what it is made of."""
    budget: Budget
    burns: tuple[Burn, ...]
    rules: tuple[Rule, ...]
    state: State
    first_burning_at: float | None
    coverage: float
    """Of the time that has passed of the SLO's window and is not excluded, the share that was observed."""
    observed_minutes: int
    no_data_minutes: int
    excluded_minutes: int
    """By corrections."""
    age_seconds: float | None
    group: str = ""
    unit: Unit = "events"
    period: tuple[int, int] | None = None
    """Of a calendar window, unix s."""
    parts: tuple[Part, ...] = ()
    policy: PolicyNow | None = None
    corrected: tuple[Corrected, ...] = ()
    corrected_unshown: int = 0

    @property
    def has_counts(self) -> bool:
        """Whether it counts something itself."""
        return not self.parts


def assess(observed: Observed, *, now: float, evaluated_at: float | None) -> Assessment:
    """Judge what was observed. Pure: the same counts and times give the same answer."""
    own = _counts(observed, observed.own)
    spent = _budget(observed, now=now)
    last = _last_t(observed)
    rules = tuple(_rules(observed, now=now))
    minutes = _minutes(observed, now=now)
    return Assessment(
        slo=observed.slo,
        objective=observed.objective,
        good=own.good,
        bad=own.bad,
        budget=spent,
        burns=tuple(_burn(name, seconds, observed, now=now) for name, seconds in BURN_WINDOWS.items()),
        rules=rules,
        state=_state(observed, spent, rules, now=now, evaluated_at=evaluated_at),
        first_burning_at=observed.first_burning_at,
        coverage=minutes.coverage,
        observed_minutes=minutes.observed,
        no_data_minutes=minutes.passed - minutes.observed,
        excluded_minutes=minutes.excluded,
        age_seconds=None if last is None else max(0.0, now - (last + MINUTE)),
        group=observed.group,
        unit=unit_of(observed.slo),
        period=observed.period,
        parts=composite.parts_of(
            [(part.objective.name, part.objective.weight, _budget(part, now=now)) for part in observed.parts]
        ),
        policy=observed.policy,
        corrected=observed.corrected,
        corrected_unshown=observed.corrected_unshown,
    )


def unit_of(slo: Slo | FedSlo) -> Unit:
    """What its budget is one of."""
    return "events" if slo.method == "Occurrences" else "slices"


def is_stale(evaluated_at: float | None, *, now: float) -> bool:
    """Whether the engine has not counted for too long to believe what it last said."""
    return evaluated_at is not None and now - evaluated_at > ENGINE_STALE_AFTER_SECONDS


def is_burning(observed: Observed, *, now: float) -> bool:
    """Whether any pair is reached, whatever else is the matter."""
    return any(rule.reached for rule in _rules(observed, now=now))


def alerting(observed: Observed, *, now: float) -> Iterator[tuple[str, bool]]:
    """Of each pair that alerts go by, the long window's name, and whether the pair is reached; a long window without data is left out."""
    pairs = alerted_pairs(observed.slo.window_seconds, target=observed.objective.target)
    for long, pair in pairs.items():
        if _rate(observed, pair.long_seconds) is not None:
            yield long, _is_above(pair, observed) and _guard(pair, observed, now=now) is None


def evidence(observed: Observed, *, settled: bool = True) -> Evidence:
    """What the rule that pages is told. `settled`: no older minutes are still being counted."""
    return Evidence(
        target=observed.objective.target,
        counts={seconds: _counts(observed, counts) for seconds, counts in observed.counts.items()},
        own=_counts(observed, observed.own),
        window_seconds=observed.slo.window_seconds,
        first_t=observed.first_t,
        begin=None if observed.period is None else observed.period[0],
        grain_seconds=_grain_seconds(observed),
        in_slices=unit_of(observed.slo) == "slices",
        events=observed.events,
        settled=settled,
    )


def left_and_burn(observed: Observed, seconds: int, *, now: float) -> tuple[float | None, float | None]:
    """What is left of the budget (projected) and the burn over so long a window: what a policy goes by.

    The burn is of a whole window, as if its minutes without data had had as many events; and fewer than three bad events are none: a policy is
    no more to be moved by a cold start than a pager. Nor is it by one or two scale-ups, of whose budget nothing is projected.
    """
    left = _budget(observed, now=now).projected
    if left is not None and _is_rare(observed.slo) and _counts(observed, observed.own).bad < MIN_BAD_EVENTS:
        left = 1.0
    return left, _whole_burn(observed, seconds, now=now)


def _state(
    observed: Observed, spent: Budget, rules: tuple[Rule, ...], *, now: float, evaluated_at: float | None
) -> State:
    last = _last_t(observed)
    if is_stale(evaluated_at, now=now):
        return "stale"
    if spent.projected is None or last is None:
        return "no_data"
    if spent.projected <= 0:
        return "exhausted"
    silent = now - (last + MINUTE) - observed.excluded.seconds(last + MINUTE, now)
    if silent > STALE_AFTER_SECONDS + _grain_seconds(observed) - MINUTE and not _is_rare(observed.slo):
        return "stale"  # a slice is counted once it is over
    worst = next((rule for rule in rules if rule.reached), None)
    return "ok" if worst is None else worst.state


def _rules(observed: Observed, *, now: float) -> Iterator[Rule]:
    """The worst state first."""
    fast = fast_pairs(observed.slo.window_seconds, target=observed.objective.target)
    pairs: list[tuple[State, Pair]] = [*(("burning_fast", pair) for pair in fast), ("burning", slow_pair())]
    for state, pair in pairs:
        above = _is_above(pair, observed)
        guard = _guard(pair, observed, now=now) if above else None
        yield Rule(state, pair, above and guard is None, guard)


def _is_above(pair: Pair, observed: Observed) -> bool:
    """Whether both windows burn above the factor."""
    rates = (_rate(observed, seconds) for seconds in (pair.short_seconds, pair.long_seconds))
    return all(rate is not None and rate > pair.factor * ABOVE for rate in rates)


def _guard(pair: Pair, observed: Observed, *, now: float) -> Guard | None:
    if observed.parts:
        parts = [(part.objective.weight, evidence(part)) for part in observed.parts]
        return composite.guard(pair, parts, now=now)
    return burning.guard(pair, evidence(observed), now=now)


def _burn(name: str, seconds: int, observed: Observed, *, now: float) -> Burn:
    counts = _counts(observed, observed.counts.get(seconds, Counts(0, 0, 0)))
    parts = tuple((part.objective.weight, _burn(name, seconds, part, now=now)) for part in observed.parts)
    return Burn(
        window=name,
        window_seconds=seconds,
        good=counts.good,
        bad=counts.bad,
        rate=_rate(observed, seconds),
        coverage=min(
            (part.coverage for _, part in parts), default=_covered(observed, counts, seconds, now=now).coverage
        ),
        target=observed.objective.target,
        parts=parts,
    )


def _rate(observed: Observed, seconds: int) -> float | None:
    if observed.parts:
        return composite.weighted((part.objective.weight, _rate(part, seconds)) for part in observed.parts)
    counts = observed.counts.get(seconds)
    return None if counts is None else burn_rate(counts.good, counts.bad, target=observed.objective.target)


def _whole_burn(observed: Observed, seconds: int, *, now: float) -> float | None:
    if observed.parts:
        return composite.weighted(
            (part.objective.weight, _whole_burn(part, seconds, now=now)) for part in observed.parts
        )
    counts = _counts(observed, observed.counts.get(seconds, Counts(0, 0, 0)))
    seen = evidence(observed)
    if not seen.is_enough(seconds):
        return 0.0 if counts.good + counts.bad else None
    events = seen.expected_events(seconds, now=now)
    return burn_rate(events - counts.bad, counts.bad, target=observed.objective.target)


def _budget(observed: Observed, *, now: float) -> Budget:
    target = observed.objective.target
    if observed.parts:
        parts = [(part.objective.weight, _budget(part, now=now)) for part in observed.parts]
        return composite.budget_of(parts, target=target)
    own = _counts(observed, observed.own)
    return budget(own.good, own.bad, target=target, elapsed=_elapsed(observed, now=now))


def _counts(observed: Observed, counts: Counts) -> Counts:
    """In the unit that people are told: slices, good in part, and not their millionths."""
    if observed.slo.method != "RatioTimeslices":
        return counts
    return Counts(counts.good / MILLIONTHS, counts.bad / MILLIONTHS, counts.observed_minutes)


def _grain_seconds(observed: Observed) -> int:
    return observed.objective.slice_seconds or MINUTE


def _last_t(observed: Observed) -> int | None:
    """Of a composite by Occurrences, that of its freshest component."""
    known = [one.last_t for one in (observed.parts or (observed,)) if one.last_t is not None]
    return max(known, default=None)


def _is_rare(slo: Slo | FedSlo) -> bool:
    """Whether its events come now and then, and not at a rate: silence tells nothing of how they are, and no rate what a whole window has."""
    from maibo_slo.documents import ScaleupSlo  # not above: the command line imports this, and documents bring numpy

    return isinstance(slo, ScaleupSlo)


def _elapsed(observed: Observed, *, now: float) -> float:
    """How much of the SLO's window the counts are of, in (0, 1]: what has passed since the first minute with data; a minute at least. Where they
    have no rate, all of it.
    """
    if observed.first_t is None or _is_rare(observed.slo):
        return 1.0
    if observed.period is None:
        return min(1.0, max(MINUTE, now - observed.first_t) / observed.slo.window_seconds)
    begin, end = max(observed.period[0], observed.first_t), observed.period[1]
    return min(1.0, max(MINUTE, now - begin) / max(MINUTE, end - begin))


@dataclass(frozen=True, slots=True)
class _Minutes:
    """Of a window: how many have passed that are not excluded, and of how many there is data."""

    passed: int
    observed: int
    excluded: int

    @property
    def coverage(self) -> float:
        return self.observed / self.passed if self.passed else 0.0


def _minutes(observed: Observed, *, now: float) -> _Minutes:
    """Of the SLO's window; of a composite by Occurrences, what is known of every component."""
    if observed.parts:
        return min((_minutes(part, now=now) for part in observed.parts), key=lambda minutes: minutes.observed)
    seconds = observed.slo.window_seconds
    if observed.period is not None:
        seconds = max(MINUTE, min(int(now), observed.period[1]) - observed.period[0])
    return _covered(observed, observed.own, seconds, now=now)


def _covered(observed: Observed, counts: Counts, seconds: int, *, now: float) -> _Minutes:
    """Of the last `seconds`."""
    excluded = int(observed.excluded.seconds(now - seconds, now)) // MINUTE
    passed = max(0, seconds // MINUTE - excluded)
    return _Minutes(passed, min(passed, counts.observed_minutes * _grain_seconds(observed) // MINUTE), excluded)
