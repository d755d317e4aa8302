"""Rules in sloth's dialect: its groups, metric names and labels, so that its dashboards and those who read its metrics stay as they are.

What is better than there: ratios are divided from counts, also over the SLO's own window (sloth averages ratios, so that a quiet night
weighs as much as a busy day, and one NaN lasts for the window); without series of bad events there is 0, without traffic no sample; alerts
want three bad events and a tenth of their window observed; factors follow the window; missing data is told.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from maibo_alerting.pairs import Pair, Severity, fitted_notes, pairs
from maibo_alerting.prometheus.counted import no_data
from maibo_alerting.prometheus.counts import BAD, EVENTS, STEP_SECONDS, counts, observed, windows
from maibo_alerting.prometheus.durations import duration
from maibo_alerting.prometheus.rulefile import Alert, Group, Record, own_labels, plain, selector
from maibo_slo.engine.budget import error_budget
from maibo_slo.engine.burn import MIN_BAD_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from maibo_alerting.pairs import Shape
    from maibo_slo.documents import Objective, PromSlo

_RATIO = "slo:sli_error:ratio_rate"


def groups(slo: PromSlo, shapes: Sequence[Shape]) -> list[Group]:
    """Four groups for each objective; sloth knows one an SLO, so that of several each is called ``NAME-0``, ``NAME-1``, …"""
    made: list[Group] = []
    for objective in slo.objectives:
        made += _of_objective(slo, objective, shapes)
    return made


def told(slo: PromSlo, objective: Objective) -> dict[str, str]:
    """Labels that tell the alerts of one objective from those of another."""
    number = slo.objectives.index(objective)
    return {"sloth_slo": slo.name if len(slo.objectives) == 1 else f"{slo.name}-{number}"}


def _of_objective(slo: PromSlo, objective: Objective, shapes: Sequence[Shape]) -> Iterator[Group]:
    name = told(slo, objective)["sloth_slo"]
    ids = {"sloth_id": f"{slo.service}-{name}", "sloth_service": slo.service, "sloth_slo": name}
    theirs = own_labels(slo.labels)
    over = windows(slo, shapes)
    fitted = pairs(slo.window_seconds, target=objective.target, shapes=shapes)
    base = min((pair.shape.short_seconds for pair in fitted), default=over[0])
    sli: list[Record | Alert] = [*counts(slo, over, ids)]
    sli += [_ratio(seconds, ids, theirs) for seconds in over]
    if slo.window_seconds not in over:
        sli.append(_period(slo.window_seconds, ids, theirs))
    alerts = [
        _alert(slo, objective, severity, chosen, ids=ids)
        for severity in ("page", "ticket")
        if (chosen := [pair for pair in fitted if pair.shape.severity == severity])
    ]
    notes = list(fitted_notes(slo.name, slo.window_seconds, [objective], shapes))
    yield Group(f"sloth-slo-sli-recordings-{ids['sloth_id']}", sli, comments=notes)
    yield Group(f"sloth-slo-meta-recordings-{ids['sloth_id']}", [*_about(slo, objective, ids, theirs, base=base)])
    yield Group(f"sloth-slo-alerts-{ids['sloth_id']}", alerts)
    yield Group(f"sloth-slo-extra-rules-{ids['sloth_id']}", [no_data(slo, ids)])


def _ratio(seconds: int, ids: Mapping[str, str], theirs: Mapping[str, str]) -> Record:
    window = duration(seconds)
    expr = f"{selector(BAD + window, ids)}\n/\n({selector(EVENTS + window, ids)} > 0)"
    return Record(_RATIO + window, expr, {**theirs, **ids, "sloth_window": window})


def _period(seconds: int, ids: Mapping[str, str], theirs: Mapping[str, str]) -> Record:
    """Each event is in as many of the summed 5-minute counts as the next one, good or bad, so their ratio is that of the events."""
    window, step = duration(seconds), duration(STEP_SECONDS)
    bad, events = (f"sum_over_time({selector(name + step, ids)}[{window}])" for name in (BAD, EVENTS))
    return Record(_RATIO + window, f"{bad}\n/\n({events} > 0)", {**theirs, **ids, "sloth_window": window})


def _about(
    slo: PromSlo, objective: Objective, ids: Mapping[str, str], theirs: Mapping[str, str], *, base: int
) -> Iterator[Record]:
    labels = {**theirs, **ids}
    budget = f"on(sloth_id, sloth_slo, sloth_service) group_left\n{selector('slo:error_budget:ratio', ids)}"
    yield Record("slo:objective:ratio", f"vector({objective.target:.15g})", labels)
    yield Record("slo:error_budget:ratio", f"vector({error_budget(objective.target):.15g})", labels)
    yield Record("slo:time_period:days", f"vector({slo.window_seconds / 86_400:.10g})", labels)
    for name, seconds in (("current", base), ("period", slo.window_seconds)):
        ratio = selector(_RATIO + duration(seconds), ids)
        yield Record(f"slo:{name}_burn_rate:ratio", f"{ratio}\n/ {budget}", labels)
    remaining = f"1 - {selector('slo:period_burn_rate:ratio', ids)}"
    yield Record("slo:period_error_budget_remaining:ratio", remaining, labels)
    info = {
        "sloth_mode": "cli-gen-openslo",
        "sloth_objective": f"{100 - 100 * error_budget(objective.target):.10g}",
        "sloth_spec": "openslo/v1",
        "sloth_version": f"maibo-{version('maibo-alerting')}",
    }
    yield Record("sloth_slo_info", "vector(1)", labels | info)


def _alert(
    slo: PromSlo, objective: Objective, severity: Severity, chosen: Sequence[Pair], *, ids: Mapping[str, str]
) -> Alert:
    """The same name for both severities, and ``sloth_severity`` to route by, as sloth has it."""
    said = (
        f"({severity}) {{{{$labels.sloth_service}}}} {{{{$labels.sloth_slo}}}} SLO error budget burn rate is too fast."
    )
    labels = {**own_labels(slo.labels), **ids, "sloth_severity": severity}
    return Alert(
        alert="MaiboBudgetBurn",
        expr="\nor\n".join(_pair(pair, objective, ids) for pair in chosen),
        severity=severity,
        summary=f"{plain(f'{slo.display_name or slo.name} {objective.name}')}: the error budget burns too fast",
        description=plain(slo.description) or said,
        labels={key: plain(value) for key, value in labels.items()},
        annotations={"title": said},
    )


def _pair(pair: Pair, objective: Objective, ids: Mapping[str, str]) -> str:
    long = duration(pair.shape.long_seconds)
    threshold = f"({pair.factor:.10g} * {error_budget(objective.target):.15g})"
    conditions = (
        f"{selector(_RATIO + duration(pair.shape.short_seconds), ids)} > {threshold}",
        f"{selector(_RATIO + long, ids)} > {threshold}",
        f"{selector(BAD + long, ids)} >= {MIN_BAD_EVENTS}",
        observed(pair.shape, ids),
    )
    # a window's name and the SLO's own labels are on ratios, not on counts: only what tells the SLO apart may be compared
    by = "max by (sloth_id, sloth_service, sloth_slo)"
    return "(\n    " + "\n    and\n    ".join(f"{by} ({condition})" for condition in conditions) + "\n)"
