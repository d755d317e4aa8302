"""Who burnt the budget: an SLO's bad events by step, version, tier, region, variant and reason. Every list adds up to the bad events.

What the bad events themselves carry (version, tier, region, variant) is counted. Which *step* made a journey bad is not written on its end, so the
budget is shared, and the shares are bounded by what was counted:

* A journey is judged by its own end: good only if it was good as a whole, whatever its steps are thought to be independent of.
* Journeys that **failed** are shared among the steps by the steps' failed events. Where steps failed less often than journeys, the rest is
  nobody's (``''``); where they failed more often (a retry mended it, two failed in one journey), all are scaled down alike.
* Journeys that were **slow** are shared in the same way among the steps by their events over the step's own threshold, which an SLO about that step
  says. Without such SLOs nobody knows which step took the time: ``(slow)``.
* **Abandoned** ones are no step's: ``(abandoned)``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from maibo_slo.documents.kinds import Sli, Slo
from maibo_slo.engine.budget import error_budget
from maibo_slo.reporting.figures import Burnt, BurntPart, BurntStep, BurntVersion
from maibo_slo.store import burnt, reasons
from maibo_slo.store.histogram import last_bin_within
from maibo_slo.store.selection import CellFilter, Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from maibo_slo.documents import CellSelector, Objective
    from maibo_slo.store import Store

K = TypeVar("K")
SLOW: Final = "(slow)"
ABANDONED: Final = "(abandoned)"
PARTS: Final = 50
"""Values told of one dimension; the others together are the `rest`."""
_CARRIED: Final = frozenset({"environment", "tier", "variant"})
"""What a journey has in common with its steps; region, service and version are those of whoever did the step."""
_REASONED: Final = frozenset({"environment", "service", "version", "tier", "variant"})


def blame(
    store: Store,
    slos: Iterable[object],
    slo: Slo,
    objective: Objective,
    window: Window,
    *,
    group: Mapping[str, str] | None = None,
    now: int,
) -> Burnt:
    """Of one objective, in the window widened to its tier's grid. `slos`: all that there are, for the thresholds of steps."""
    counted = indicator(indicator_of(slo, objective), among={name: (value,) for name, value in (group or {}).items()})
    found = burnt.bad_events(store, window, counted, now=now)
    bad = found.bad
    by = {name: _parts(values, bad) for name, values in found.by.items() if name != "service"}
    by["reason"] = _parts(_reasons(store, window, counted, found), bad)
    return Burnt(
        slo=slo.name,
        objective=objective.name,
        events=found.events,
        bad=bad,
        failed=found.failed,
        slow=found.slow,
        abandoned=found.abandoned,
        budget_spent=bad / (error_budget(objective.target) * found.events) if found.events else None,
        by=by,
        rest={name: bad - sum(part.bad for part in parts) for name, parts in by.items()},
        steps=_steps(store, window, counted, found, thresholds(slos, counted.journey), now=now),
    )


def indicator_of(slo: Slo, objective: Objective) -> Sli:
    """What an objective counts, which does not judge a composite as a whole: that counts nothing by itself."""
    own = objective.indicator
    return own if isinstance(own, Sli) else slo.indicator


def indicator(sli: Sli, *, among: Mapping[str, Sequence[str]]) -> burnt.Indicator:
    """As the store reads it; `among`: of events with these values of dimensions alone."""
    named = sli.good if sli.good is not None else sli.bad
    if named is not None and (named.journey, named.step) != (sli.total.journey, sli.total.step):
        named = None
    where = dict(sli.total.where)
    for name, values in among.items():
        where[name] = tuple(value for value in values if value in where.get(name, (value,)))
    return burnt.Indicator(
        sli.total.journey,
        sli.total.step,
        replace(_picked(sli.total), where=where),
        None if named is None else _picked(named),
        names_good=sli.good is not None,
    )


def thresholds(slos: Iterable[object], journey: str) -> dict[str, int]:
    """Step -> the last bin that is fast enough: the strictest that an SLO about this step says."""
    found: dict[str, int] = {}
    for slo in slos:
        if not isinstance(slo, Slo):
            continue
        for sli in {id(each): each for each in (slo.indicator, *(o.indicator for o in slo.objectives))}.values():
            if not isinstance(sli, Sli) or sli.good is None or sli.total.journey != journey or not sli.total.step:
                continue
            if sli.good.max_duration_us is not None:
                last = last_bin_within(sli.good.max_duration_us)
                found[sli.total.step] = min(last, found.get(sli.total.step, last))
    return found


def shared(n: int, weights: Mapping[K, int]) -> dict[K, int]:
    """`n` things among these: each its weight, or less where the weights are more than `n`; then they add up to `n`.

    >>> shared(10, {"cart": 3, "payment": 5})
    {'cart': 3, 'payment': 5}
    >>> shared(4, {"cart": 3, "payment": 5})
    {'cart': 2, 'payment': 2}
    """
    whole = sum(weights.values())
    if whole <= n:
        return dict(weights)
    parts = {key: weight * n // whole for key, weight in weights.items()}
    left = n - sum(parts.values())
    # The largest remainders get what integer division left; of equal ones the first, so that the same counts give the same answer.
    for key in sorted(weights, key=lambda key: -(weights[key] * n % whole))[:left]:
        parts[key] += 1
    return parts


def _picked(selector: CellSelector) -> burnt.Picked:
    limit = selector.max_duration_us
    return burnt.Picked(selector.outcomes, None if limit is None else last_bin_within(limit), selector.where)


def _steps(
    store: Store, window: Window, counted: burnt.Indicator, found: burnt.Bad, last_bins: Mapping[str, int], *, now: int
) -> tuple[BurntStep, ...]:
    if not found.bad:
        return ()
    if counted.step:
        return (_step(counted.step, found.failed, found.slow, found.versions, found.bad),)
    which = {name: values for name, values in counted.total.where.items() if name in _CARRIED}
    steps = burnt.bad_steps(store, window, counted.journey, which=which, last_bins=last_bins, now=now)
    failed = shared(found.failed, {(s.step, s.service, s.version): s.failed for s in steps if s.failed})
    slow = shared(found.slow, {(s.step, s.service, s.version): s.slow for s in steps if s.slow})
    told: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    for part in (failed, slow):
        for (step, service, version), n in part.items():
            told[step][service, version] = told[step].get((service, version), 0) + n
    answer = [
        _step(
            step,
            sum(n for (name, *_), n in failed.items() if name == step),
            sum(n for (name, *_), n in slow.items() if name == step),
            versions,
            found.bad,
        )
        for step, versions in told.items()
    ]
    unexplained = {
        "": found.failed - sum(failed.values()),
        SLOW: found.slow - sum(slow.values()),
        ABANDONED: found.abandoned,
    }
    answer += [
        BurntStep(value=name, bad=n, share=n / found.bad, failed=0 if name else n, slow=n if name == SLOW else 0)
        for name, n in unexplained.items()
        if n
    ]
    return tuple(sorted((step for step in answer if step.bad), key=lambda step: (-step.bad, step.value)))


def _step(name: str, failed: int, slow: int, versions: Mapping[tuple[str, str], int], bad: int) -> BurntStep:
    mine = sum(versions.values())
    return BurntStep(
        value=name,
        bad=mine,
        share=mine / bad,
        failed=failed,
        slow=slow,
        versions=tuple(
            BurntVersion(service=service, version=version, bad=n, share=n / bad)
            for (service, version), n in sorted(versions.items(), key=lambda each: (-each[1], each[0]))[:PARTS]
            if n
        ),
    )


def _reasons(store: Store, window: Window, counted: burnt.Indicator, found: burnt.Bad) -> dict[str, int]:
    """Failures by what was given as the reason, ``''`` where none was: for example because reasons are kept for 35 days alone."""
    told: dict[str, int] = {}
    if found.failed and counted.total.where.keys() <= _REASONED:
        which = CellFilter(journey=counted.journey, step=counted.step, where=counted.total.where)
        told = {each.reason: each.n for each in reasons.top(store, window, which, PARTS)}
    given = shared(found.failed, told)
    given[""] = given.get("", 0) + found.failed - sum(given.values())
    return {**given, SLOW: found.slow, ABANDONED: found.abandoned}


def _parts(values: Mapping[str, int], bad: int) -> tuple[BurntPart, ...]:
    largest: Sequence[tuple[str, int]] = sorted(values.items(), key=lambda each: (-each[1], each[0]))[:PARTS]
    return tuple(BurntPart(value=value, bad=n, share=n / bad) for value, n in largest if n)
