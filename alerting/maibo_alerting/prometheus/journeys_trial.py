"""A ``promtool test rules`` file for the journeys' rules: what maibo's own metrics would say, and which alerts must fire then.

Every pair of every objective is held just under its factor, just over it, and over it by the long window alone, all by a maibo that calls it reached;
and then far over it, by one that does not. So a threshold, a window or a label that is wrong is found. All SLOs are fed at once, since one that were not would be without data. One group of an SLO burns, a second
stays calm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_alerting.pairs import SHAPES, Pair, Severity, Shape, pairs
from maibo_alerting.prometheus.journeys import (
    STALE_AFTER_SECONDS,
    alerted,
    labels_of,
    silent_seconds,
)
from maibo_alerting.prometheus.rulefile import selector
from maibo_alerting.prometheus.suite import burning, fires, suite, test
from maibo_slo.engine.groups import group_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from maibo_alerting.prometheus.rulefile import Group
    from maibo_alerting.prometheus.suite import Json
    from maibo_slo.documents import Catalogue, Objective, Slo

_BY: Final = ("slo", "objective", "group")
_UNDER, _OVER = 0.99, 1.01
_MINUTES: Final = 2
"""Of each phase; it is asked in the last one."""
_EVALUATED: Final = "maibo_slo_evaluation_age_seconds"


@dataclass(frozen=True, slots=True)
class _Phase:
    """The burn over the windows of a pair, in shares of its factor; 0 over all others."""

    shape: Shape | None = None
    """None: of every pair."""
    long: float = 0.0
    short: float = 0.0
    is_held_back: bool = False
    """maibo says so, of every pair: by too few events, too soon, or by no more than chance."""
    fires: bool = False
    everywhere: float = 0.0
    """The least burn over every window."""

    def concerns(self, pair: Pair) -> bool:
        return self.shape in (None, pair.shape)


@dataclass(frozen=True, slots=True)
class _Objective:
    labels: Mapping[str, str]
    """Of its series, and of its alerts."""
    service: str
    pairs: Sequence[Pair]
    silent_seconds: int
    is_calm: bool
    """The second group: it never fires."""

    def series(self, metric: str, **more: str) -> str:
        return selector(metric, {**self.labels, "service": self.service, **more})

    def windows(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one for pair in self.pairs for one in (pair.shape.long, pair.shape.short)))

    def burn(self, window: str, phase: _Phase) -> float:
        shares = [
            share * pair.factor
            for pair in self.pairs
            if phase.concerns(pair)
            for name, share in ((pair.shape.long, phase.long), (pair.shape.short, phase.short))
            if name == window
        ]
        return 0.0 if self.is_calm else max(phase.everywhere, *shares, 0.0)

    def fires(self, severity: Severity, phase: _Phase) -> bool:
        reached = any(phase.concerns(pair) for pair in self.pairs if pair.shape.severity == severity)
        return phase.fires and not self.is_calm and reached


def journeys_trial(catalogue: Catalogue, groups: Sequence[Group]) -> str:
    """The file, for the rules in ``maibo.rules.yaml``."""
    slos = (catalogue.slos[name] for name in sorted(catalogue.slos))
    objectives = [one for slo in slos for objective in alerted(slo) for one in _objectives(slo, objective)]
    tests = [_burns(objectives), _without_data(objectives)] if objectives else []
    return suite([*tests, _gone(objectives)], name="maibo", groups=groups)


def _objectives(slo: Slo, objective: Objective) -> Iterator[_Objective]:
    fitted = pairs(slo.window_seconds, target=objective.target)
    names = [group_name(slo.group_by, [value] * len(slo.group_by)) for value in ("a", "b")] if slo.group_by else [""]
    for number, group in enumerate(names):
        yield _Objective(
            labels=labels_of(slo, objective) | ({"group": group} if group else {}),
            service=slo.service,
            pairs=fitted,
            silent_seconds=silent_seconds(objective),
            is_calm=number > 0,
        )


def _burns(objectives: Sequence[_Objective]) -> Json:
    phases = [_Phase(everywhere=0.95)]  # the budget lasts for it
    for shape in SHAPES:
        phases += [
            _Phase(shape, _UNDER, _UNDER),
            _Phase(shape, _OVER, _OVER, fires=True),
            _Phase(shape, _OVER, _UNDER),  # it is over
        ]
    phases += [_Phase(None, _OVER, _OVER, is_held_back=True), _Phase(None, _OVER, _OVER, fires=True)]
    series = {_EVALUATED: _values([5.0] * len(phases))}
    for one in objectives:
        series |= _series(one, phases)
    checks = [
        burning(_MINUTES * (number + 1) - 1, severity, [o.labels for o in objectives if o.fires(severity, phase)], _BY)
        for number, phase in enumerate(phases)
        for severity in ("page", "ticket")
    ]
    checks.append(fires(_MINUTES * len(phases) - 1, "MaiboNoData", 0))
    name = "pairs fire when they are reached and end with their short window; what maibo holds back is silent"
    return test(name, series, checks)


def _series(one: _Objective, phases: Sequence[_Phase]) -> dict[str, str]:
    made = {one.series("maibo_slo_age_seconds"): _values([30.0 for _ in phases])}
    for window in one.windows():
        made[one.series("maibo_slo_burn_rate", window=window)] = _values([one.burn(window, each) for each in phases])
    for pair in one.pairs:
        reached = [float(phase.concerns(pair) and not phase.is_held_back) for phase in phases]
        made[one.series("maibo_slo_burn_reached", window=pair.shape.long)] = _values(reached)
    return made


def _without_data(objectives: Sequence[_Objective]) -> Json:
    """Ten minutes just within what is allowed, ten beyond it, and ten with data again."""
    series = {_EVALUATED: "5x30"}
    for one in objectives:
        most = one.silent_seconds
        series[one.series("maibo_slo_age_seconds")] = "30x30" if one.is_calm else f"{most}x9 {most + 1}x9 30x10"
    missing = sum(not one.is_calm for one in objectives)
    checks = [fires(minute, "MaiboNoData", number) for minute, number in ((12, 0), (19, missing), (25, 0))]
    return test("an objective without new events is told", series, checks)


def _gone(objectives: Sequence[_Objective]) -> Json:
    """No series but maibo's own age: five minutes well, five old, five well, then none."""
    age = f"5x4 {STALE_AFTER_SECONDS + 1}x4 5x4"
    missing = sum(not one.is_calm for one in objectives)
    checks = [fires(minute, "MaiboNotEvaluating", number) for minute, number in ((6, 0), (9, 1), (14, 0), (25, 1))]
    checks += [fires(minute, "MaiboNoData", number) for minute, number in ((4, 0), (6, missing))]
    return test(
        "a maibo that stands still or is gone is told, and objectives that it does not report",
        {_EVALUATED: age},
        checks,
    )


def _values(numbers: Sequence[float]) -> str:
    return " ".join(f"{number:.15g}x{_MINUTES - 1}" for number in numbers)
