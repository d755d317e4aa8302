"""The state of an objective, one word a person can act on.

* ``no_data``: nothing was counted in the SLO's window.
* ``stale``: the newest minute with data ended more than 10 minutes ago, or the engine itself has not evaluated for a minute. What
  was true then may not be true now. An exhausted budget stays exhausted in a quiet night: it is a fact about the whole window.
* ``exhausted``: even if the part of the window before the first event had been flawless, the budget is spent.
* ``burning_fast``: 2 % of the budget went within 1 h and it goes on (5 min), or 5 % within 6 h and it goes on (30 min).
* ``burning``: faster than the budget lasts over 6 h, and still over 30 min.
* ``ok``: none of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from maibo_slo.engine.budget import Budget, budget
from maibo_slo.engine.burn import BURN_WINDOWS, Counts, burn_rate, fast_pairs, reached, slow_pair

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.documents import Correction, Objective, PromSlo, Slo

State = Literal["ok", "burning", "burning_fast", "exhausted", "no_data", "stale"]
STATES: Final[tuple[State, ...]] = ("ok", "burning", "burning_fast", "exhausted", "no_data", "stale")

STALE_AFTER_SECONDS: Final = 600
ENGINE_STALE_AFTER_SECONDS: Final = 60


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

    slo: Slo | PromSlo
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
    """Newest first."""


@dataclass(frozen=True, slots=True)
class Burn:
    """The burn over one window."""

    window: str
    window_seconds: int
    good: int
    bad: int
    rate: float | None
    coverage: float


@dataclass(frozen=True, slots=True)
class Assessment:
    """An objective at a moment: every number the service shows."""

    slo: Slo
    objective: Objective
    good: int
    bad: int
    budget: Budget
    burns: tuple[Burn, ...]
    state: State
    first_burning_at: float | None
    coverage: float
    age_seconds: float | None


def assess(observed: Observed, *, now: float, evaluated_at: float | None) -> Assessment:
    """Judge what was observed. Pure: the same counts and times give the same answer."""
    window = observed.slo.window_seconds
    target = observed.objective.target
    counts = observed.own
    spent = budget(counts.good, counts.bad, target=target, elapsed=_elapsed(observed, now=now))
    age = None if observed.last_t is None else max(0.0, now - (observed.last_t + 60))
    return Assessment(
        slo=observed.slo,
        objective=observed.objective,
        good=counts.good,
        bad=counts.bad,
        budget=spent,
        burns=tuple(_burn(name, seconds, observed) for name, seconds in BURN_WINDOWS.items()),
        state=_state(observed, spent, age=age, now=now, evaluated_at=evaluated_at),
        first_burning_at=observed.first_burning_at,
        coverage=_coverage(counts, window),
        age_seconds=age,
    )


def is_stale(evaluated_at: float | None, *, now: float) -> bool:
    """Whether the engine has not counted for too long to believe what it last said."""
    return evaluated_at is not None and now - evaluated_at > ENGINE_STALE_AFTER_SECONDS


def is_burning(observed: Observed) -> bool:
    """Whether any pair is reached, whatever else is the matter."""
    return _fast(observed) or reached(slow_pair(), observed.counts, target=observed.objective.target)


def _state(observed: Observed, spent: Budget, *, age: float | None, now: float, evaluated_at: float | None) -> State:
    if is_stale(evaluated_at, now=now):
        return "stale"
    if spent.projected is None or age is None:
        return "no_data"
    if spent.projected <= 0:
        return "exhausted"
    if age > STALE_AFTER_SECONDS:
        return "stale"
    if _fast(observed):
        return "burning_fast"
    return "burning" if is_burning(observed) else "ok"


def _fast(observed: Observed) -> bool:
    target = observed.objective.target
    pairs = fast_pairs(observed.slo.window_seconds, target=target)
    return any(reached(pair, observed.counts, target=target) for pair in pairs)


def _burn(name: str, seconds: int, observed: Observed) -> Burn:
    counts = observed.counts.get(seconds, Counts(0, 0, 0))
    return Burn(
        window=name,
        window_seconds=seconds,
        good=counts.good,
        bad=counts.bad,
        rate=burn_rate(counts.good, counts.bad, target=observed.objective.target),
        coverage=_coverage(counts, seconds),
    )


def _coverage(counts: Counts, seconds: int) -> float:
    return min(1.0, counts.observed_minutes / (seconds // 60))


def _elapsed(observed: Observed, *, now: float) -> float:
    """How much of the SLO's window has passed since the first minute with data, in (0, 1]; a minute at least."""
    if observed.first_t is None:
        return 1.0
    return min(1.0, max(60.0, now - observed.first_t) / observed.slo.window_seconds)
