"""Rules of maibo's own dialect for an SLO whose events a Prometheus counts.

Beside the counts (`counts`): ``maibo:slo_burn_rate:ratio1h`` for each window and objective, ``maibo:slo_error_budget_remaining:ratio``
over the SLO's own, and the alerts that journeys have too: ``MaiboBudgetBurn`` (page and ticket) and ``MaiboNoData``. A burn without
traffic has no sample, neither 0 nor NaN. The SLO's own labels are on alerts alone: recorded series keep their names when a team is renamed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_alerting.pairs import Pair, Severity, fitted_notes, pairs
from maibo_alerting.prometheus.counts import BAD, EVENTS, NO_DATA_SECONDS, counts, observed, sums, windows
from maibo_alerting.prometheus.durations import duration, spoken
from maibo_alerting.prometheus.rulefile import Alert, Group, Record, own_labels, plain, selector
from maibo_slo.engine.budget import error_budget
from maibo_slo.engine.burn import MIN_BAD_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maibo_alerting.pairs import Shape
    from maibo_slo.documents import Objective, PromSlo

_PERIOD_INTERVAL: Final = "4m"
"""A month of counts is summed seldom, and within the 5 minutes for which Prometheus takes a sample as current."""


def groups(slo: PromSlo, shapes: Sequence[Shape]) -> list[Group]:
    """Counts, burn rates and alerts; and what is left of the budget."""
    labels = _labels(slo)
    over = windows(slo, shapes)
    rules: list[Record | Alert] = [*counts(slo, over, labels)]
    for objective in slo.objectives:
        rules += [_burn(slo, objective, seconds) for seconds in over]
        rules += _alerts(slo, objective, shapes)
    rules.append(no_data(slo, labels))
    period: list[Record | Alert] = [] if slo.window_seconds in over else [*sums(slo.window_seconds, labels)]
    period += [_remaining(slo, objective) for objective in slo.objectives]
    notes = list(fitted_notes(slo.name, slo.window_seconds, slo.objectives, shapes))
    return [
        Group(f"maibo-{slo.name}", rules, comments=notes),
        Group(f"maibo-{slo.name}-period", period, interval=_PERIOD_INTERVAL),
    ]


def told(_: PromSlo, objective: Objective) -> dict[str, str]:
    """Labels that tell the alerts of one objective from those of another."""
    return {"objective": plain(objective.name)}


def no_data(slo: PromSlo, labels: dict[str, str]) -> Alert:
    """Of counters that stand still for half an hour, or are not there."""
    events = selector(EVENTS + duration(NO_DATA_SECONDS), labels)
    return Alert(
        alert="MaiboNoData",
        expr=f"max({events}) == 0\nor\nabsent({events})",
        wait="5m",
        severity="ticket",
        summary=f"{plain(slo.display_name or slo.name)}: no data",
        description="No event has been counted for 30 minutes, or the counter is not there. That is neither good nor bad: see whether "
        "customers stayed away or the telemetry did.",
        labels={key: plain(value) for key, value in (labels | own_labels(slo.labels)).items()},
    )


def _labels(slo: PromSlo) -> dict[str, str]:
    return {"slo": slo.name, "service": slo.service}


def _burn(slo: PromSlo, objective: Objective, seconds: int) -> Record:
    window = duration(seconds)
    bad, events = (selector(name + window, _labels(slo)) for name in (BAD, EVENTS))
    return Record(
        f"maibo:slo_burn_rate:ratio{window}",
        f"sum({bad}) / (sum({events}) > 0) / {error_budget(objective.target):.15g}",
        _labels(slo) | {"objective": objective.name},
    )


def _remaining(slo: PromSlo, objective: Objective) -> Record:
    window = duration(slo.window_seconds)
    bad, events = (selector(name + window, _labels(slo)) for name in (BAD, EVENTS))
    return Record(
        "maibo:slo_error_budget_remaining:ratio",
        f"1 - sum({bad}) / (sum({events}) > 0) / {error_budget(objective.target):.15g}",
        _labels(slo) | {"objective": objective.name},
    )


def _alerts(slo: PromSlo, objective: Objective, shapes: Sequence[Shape]) -> Iterator[Alert]:
    fitted = pairs(slo.window_seconds, target=objective.target, shapes=shapes)
    for severity in ("page", "ticket"):
        chosen = [pair for pair in fitted if pair.shape.severity == severity]
        if chosen:
            yield _alert(slo, objective, severity, chosen)


def _alert(slo: PromSlo, objective: Objective, severity: Severity, chosen: Sequence[Pair]) -> Alert:
    over = " or ".join(f"{pair.shape.long} and still {pair.shape.short}" for pair in chosen)
    labels = _labels(slo) | {"objective": objective.name} | own_labels(slo.labels)
    return Alert(
        alert="MaiboBudgetBurn",
        expr="\nor\n".join(_pair(slo, objective, pair) for pair in chosen),
        severity=severity,
        summary=f"{plain(f'{slo.display_name or slo.name} {objective.name}')}: the error budget burns {{{{ $value | humanize }}}} times as "
        "fast as it lasts",
        description=f"Burn rate over {over}. 1 would spend exactly the budget of {objective.target:.10g} over {spoken(slo.window_seconds)}.",
        labels={key: plain(value) for key, value in labels.items()},
    )


def _pair(slo: PromSlo, objective: Objective, pair: Pair) -> str:
    long, short = duration(pair.shape.long_seconds), duration(pair.shape.short_seconds)
    labels = _labels(slo)
    rates = labels | {"objective": objective.name}
    return (
        "(\n"
        f"  max by (slo) ({selector(f'maibo:slo_burn_rate:ratio{long}', rates)}) > {pair.factor:.10g}\n"
        f"  and max by (slo) ({selector(f'maibo:slo_burn_rate:ratio{short}', rates)}) > {pair.factor:.10g}\n"
        f"  and max by (slo) ({selector(BAD + long, labels)}) >= {MIN_BAD_EVENTS}\n"
        f"  and max by (slo) ({observed(pair.shape, labels)})\n"
        ")"
    )
