"""A ``promtool test rules`` file for an SLO's rules: what they do in an outage, a leak, a quiet night and without data.

When an alert fires is calculated here a second time, minute by minute from the made-up events themselves; promtool says whether the rules
agree. Prometheus 3 leaves the left edge of a window out, Prometheus 2 does not: a test asks a minute before the earlier and at the later.
Every minute costs a pass over all rules, so nothing is fed for longer than the proof needs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from math import ceil
from typing import TYPE_CHECKING, Final

from maibo_alerting.pairs import Pair, Severity, pairs
from maibo_alerting.prometheus.counts import unseen_seconds
from maibo_alerting.prometheus.suite import burning, fires, suite, test
from maibo_alerting.prometheus.witness import fed
from maibo_slo.engine.budget import error_budget
from maibo_slo.engine.burn import MIN_BAD_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from maibo_alerting.pairs import Shape
    from maibo_alerting.prometheus.rulefile import Group
    from maibo_alerting.prometheus.suite import Json
    from maibo_alerting.prometheus.witness import Fed
    from maibo_slo.documents import PromSlo

_BEFORE: Final = 1_000_000.0
"""What each counter already shows: `increase` guesses differently about one that starts at 0."""
_LEAKING: Final = 3
"""Times the factor that it must reach, so that what was before counts for little."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Minutes of the same events each."""

    minutes: int
    events: float
    bad: float = 0.0


@dataclass(frozen=True, slots=True)
class _Objective:
    labels: Mapping[str, str]
    budget: float
    pairs: Sequence[Pair]


def trial(slo: PromSlo, shapes: Sequence[Shape], groups: Sequence[Group], told: Sequence[Mapping[str, str]]) -> str:
    """The file, for the rules in ``NAME.rules.yaml``; '' when the SLO's queries are not understood.

    `told` are the labels by which each objective's alerts are told apart.
    """
    series = fed(slo)
    if not series:
        return ""
    objectives = [
        _Objective(labels, error_budget(one.target), pairs(slo.window_seconds, target=one.target, shapes=shapes))
        for labels, one in zip(told, slo.objectives, strict=True)
    ]
    names = sorted({name for one in objectives for name in one.labels})
    tests = [*_burns(objectives, series, names), _without_data(objectives, series)]
    return suite(tests, name=slo.name, groups=groups)


def first_fires(objective: _Objective, phases: Iterable[Phase], severity: Severity, *, edge: int) -> int | None:
    """The first minute in which a pair is reached; `edge` scrapes at the left of a window do not count."""
    minutes = [phase for phase in phases for _ in range(phase.minutes)]
    events = [0.0, *accumulate(phase.events for phase in minutes)]
    bad = [0.0, *accumulate(phase.bad for phase in minutes)]

    def burn(minute: int, seconds: int) -> float:
        start = max(minute - seconds // 60 + edge, 0)
        happened = events[minute] - events[start]
        return (bad[minute] - bad[start]) / happened / objective.budget if happened else 0.0

    def reached(pair: Pair, minute: int) -> bool:
        shape = pair.shape
        # an equality of floating-point numbers is no one's to call: the later reading takes it as not reached
        factor = pair.factor * (1 - 1e-9 + 2e-9 * (1 - edge))
        return (
            (minute - edge - 1) * 60 >= unseen_seconds(shape)
            and bad[minute] - bad[max(minute - shape.long_seconds // 60, 0)] >= MIN_BAD_EVENTS
            and all(burn(minute, seconds) > factor for seconds in (shape.long_seconds, shape.short_seconds))
        )

    chosen = [pair for pair in objective.pairs if pair.shape.severity == severity]
    return next((minute for minute in range(2, len(events)) if any(reached(pair, minute) for pair in chosen)), None)


def _burns(objectives: Sequence[_Objective], series: Sequence[Fed], names: Sequence[str]) -> Iterator[Json]:
    tightest = min(objectives, key=lambda one: one.budget)
    rate = 100 / tightest.budget
    if any(pair.shape.severity == "page" for pair in tightest.pairs):
        yield _outage(objectives, series, names, rate=rate)
    night, checks = _quiet_night(objectives, names)
    quiet = sum(phase.minutes for phase in night)
    # until there is enough of the longest window to judge; a night's few events count for nothing then
    enough = max(_unseen_minutes(objectives) + 15, quiet + 30)
    phases = [*night, Phase(enough - quiet, rate, 0.95 * tightest.budget * rate)]
    checks += [
        burning(minute, severity, [], names)
        for severity in ("page", "ticket")
        for minute in ((quiet + enough) // 2, enough - 1)
    ]
    name = "two failures in a quiet night are silent, and so is a burn that the budget lasts for"
    factor = min((pair.factor for pair in tightest.pairs if pair.shape.severity == "ticket"), default=None)
    if factor is not None:
        leak = Phase(2 * enough, rate, min(_LEAKING * factor * tightest.budget, 1.0) * rate)
        if due := _last_due(objectives, [*phases, leak], "ticket"):
            phases.append(replace(leak, minutes=due + 2 - enough))
            checks += [
                check for severity in ("page", "ticket") for check in _checks(objectives, phases, severity, names)
            ]
            name += "; a slow leak is a ticket"
    yield _test(name, phases, series, checks)


def _quiet_night(objectives: Sequence[_Objective], names: Sequence[str]) -> tuple[list[Phase], list[Json]]:
    """An event every ten minutes, of which two in an hour are bad: a burn of hundreds, and no news."""
    good, bad = [Phase(9, 0.0), Phase(1, 1.0)], [Phase(9, 0.0), Phase(1, 1.0, 1.0)]
    # until all but the longest windows have been seen for long enough
    tens = min(_unseen_minutes(objectives) // 10 + 3, 18)
    at = 10 * tens + 20
    checks = [
        burning(minute, severity, [], names) for severity in ("page", "ticket") for minute in (at, at + 3, at + 10)
    ]
    return [*good * tens, *bad * 2, *good], [*checks, fires(at + 10, "MaiboNoData", 0)]


def _outage(objectives: Sequence[_Objective], series: Sequence[Fed], names: Sequence[str], *, rate: float) -> Json:
    paging = [pair.shape for one in objectives for pair in one.pairs if pair.shape.severity == "page"]
    quick = ceil(min(shape.long_seconds for shape in paging) / 60)
    reset = ceil(max(shape.short_seconds for shape in paging) / 60) + 2
    healthy, outage = Phase(quick, rate), Phase(quick, rate, rate)
    if due := _last_due(objectives, [healthy, outage], "page"):
        outage = replace(outage, minutes=min(due + 2 - quick, quick))
    phases = [healthy, outage, Phase(reset + 5, rate)]
    checks = _checks(objectives, phases, "page", names)
    checks.append(burning(quick + outage.minutes + reset, "page", [], names))
    return _test("an outage pages, and the page is over when the outage is", phases, series, checks)


def _last_due(objectives: Sequence[_Objective], phases: Sequence[Phase], severity: Severity) -> int | None:
    """When the last of those alerts fires that do, whichever way a window's edge is read."""
    found = [first_fires(one, phases, severity, edge=edge) for one in objectives for edge in (1, 0)]
    return max((minute for minute in found if minute is not None), default=None)


def _checks(
    objectives: Sequence[_Objective], phases: Sequence[Phase], severity: Severity, names: Sequence[str]
) -> list[Json]:
    """Silent in the minute before each objective's alert, firing when it is due; nothing is asked where the two readings differ."""
    due: list[tuple[_Objective, int, int]] = []
    for one in objectives:
        early, late = (first_fires(one, phases, severity, edge=edge) for edge in (1, 0))
        if early is not None and late is not None:
            due.append((one, min(early, late), max(early, late)))
    if not due:
        return [burning(sum(phase.minutes for phase in phases) - 1, severity, [], names)]
    minutes = sorted({minute for _, first, last in due for minute in (first - 1, last)})
    certain = [at for at in minutes if all(at < first or at >= last for _, first, last in due)]
    return [burning(at, severity, [one.labels for one, _, last in due if at >= last], names) for at in certain]


def _without_data(objectives: Sequence[_Objective], series: Sequence[Fed]) -> Json:
    apart = {tuple(one.labels.values()) for one in objectives if "sloth_slo" in one.labels}
    minutes = 10
    return _test(
        "counters that are gone are told",
        [Phase(minutes, 1_000.0)],
        series,
        [
            fires(minutes - 1, "MaiboNoData", 0),
            fires(minutes + 20, "MaiboNoData", 0),
            fires(minutes + 45, "MaiboNoData", max(1, len(apart))),
        ],
    )


def _unseen_minutes(objectives: Sequence[_Objective]) -> int:
    """How long the guards of a pair keep it silent, at most."""
    return max((unseen_seconds(pair.shape) for one in objectives for pair in one.pairs), default=0) // 60


def _test(name: str, phases: Sequence[Phase], series: Sequence[Fed], checks: Sequence[Json]) -> Json:
    return test(name, {one.series: _values(one, phases) for one in series}, checks)


def _values(one: Fed, phases: Sequence[Phase]) -> str:
    """A sample each minute from minute 0 on."""
    value, parts = _BEFORE, [f"{_BEFORE:.15g}"]
    for phase in phases:
        step = one.good * (phase.events - phase.bad) + one.bad * phase.bad
        parts.append(f"{value + step:.15g}+{step:.15g}x{phase.minutes - 1}")
        value += phase.minutes * step
    return " ".join(parts)
