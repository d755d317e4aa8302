"""Prometheus rules on what maibo's own ``/metrics`` tells of each objective.

* ``MaiboBudgetBurn`` (``severity`` page or ticket): a pair of `pairs` is reached, as the engine has it (``maibo_slo_burn_reached``). Burn rates
  alone are not enough to wake somebody, and what is enough (`maibo_slo.engine.burning`) cannot be said in PromQL; so Prometheus, the page and
  maibo's own alerts go by one judgement. The rates stand beside it to give the alert its value.
* ``MaiboNoData`` (ticket): an objective without a new event for 30 minutes (and, where slices are counted, for the length of a slice),
  or one that maibo does not report at all. No data is neither good nor bad, so it is told instead of being taken for either.
* ``MaiboNotEvaluating`` (page): maibo itself stopped, or is not scraped. Nothing above can fire then.

Every selector is aggregated by slo, objective and group, so that several maibo instances or a target's own labels never keep two sides of
an ``and`` from meeting; each group of an SLO has alerts of its own. A composite by Occurrences has none: its components do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from maibo_alerting.pairs import Pair, Severity, fitted_notes, pairs
from maibo_alerting.prometheus.durations import spoken
from maibo_alerting.prometheus.rulefile import Alert, Group, own_labels, plain, selector
from maibo_slo.documents import COMPOSITE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from maibo_slo.documents import Catalogue, Objective, Slo

NO_DATA_AFTER_SECONDS: Final = 1800
STALE_AFTER_SECONDS: Final = 60


def groups(catalogue: Catalogue, *, url: str) -> list[Group]:
    """Of all journey SLOs, linking to the pages under `url`, and of maibo itself; comments say what was fitted or left out."""
    return [*(_slo_group(catalogue.slos[name], url) for name in sorted(catalogue.slos)), _own_group()]


def alerted(slo: Slo) -> tuple[Objective, ...]:
    """Objectives that have alerts."""
    is_sum = slo.is_composite and slo.method == "Occurrences"
    return tuple(one for one in slo.objectives if not (is_sum and one.name == COMPOSITE))


def labels_of(slo: Slo, objective: Objective) -> dict[str, str]:
    """What tells the alerts of one objective from those of another; groups have the label ``group`` besides."""
    return {"slo": slo.name, "objective": objective.name}


def silent_seconds(objective: Objective) -> int:
    """How old the newest minute with data may be: a slice is counted when it is over."""
    return NO_DATA_AFTER_SECONDS + objective.slice_seconds


def _slo_group(slo: Slo, url: str) -> Group:
    objectives = alerted(slo)
    rules = [rule for objective in objectives for rule in _rules(slo, objective, _links(slo, url))]
    return Group(f"maibo-{slo.name}", rules, comments=list(fitted_notes(slo.name, slo.window_seconds, objectives)))


def _own_group() -> Group:
    stale = Alert(
        alert="MaiboNotEvaluating",
        expr=f"max(maibo_slo_evaluation_age_seconds) > {STALE_AFTER_SECONDS}\nor\nabsent(maibo_slo_evaluation_age_seconds)",
        wait="2m",
        severity="page",
        summary="maibo does not evaluate SLOs: none of their alerts can fire",
        description="The engine's last evaluation is over a minute old, has never been, or /metrics is not scraped. See /readyz for the "
        "part that fails.",
    )
    return Group("maibo", [stale])


def _rules(slo: Slo, objective: Objective, links: Mapping[str, str]) -> Iterator[Alert]:
    fitted = pairs(slo.window_seconds, target=objective.target)
    for severity in ("page", "ticket"):
        chosen = [pair for pair in fitted if pair.shape.severity == severity]
        if chosen:
            yield replace(_burn_rule(slo, objective, severity, chosen), annotations=links)
    yield replace(_no_data_rule(slo, objective), annotations=links)


def _burn_rule(slo: Slo, objective: Objective, severity: Severity, chosen: Sequence[Pair]) -> Alert:
    name = _title(slo, objective)
    windows = " or ".join(f"{pair.shape.long} and still {pair.shape.short}" for pair in chosen)
    return Alert(
        alert="MaiboBudgetBurn",
        expr="\nor\n".join(_pair_expr(slo, objective, pair) for pair in chosen),
        severity=severity,
        summary=f"{name}: the error budget burns {{{{ $value | humanize }}}} times as fast as it lasts",
        description=f"Burn rate over {windows}. 1 would spend exactly the budget of {objective.target:.10g} over {spoken(slo.window_seconds)}.",
        labels=_labels(slo, objective),
    )


def _pair_expr(slo: Slo, objective: Objective, pair: Pair) -> str:
    long, short = pair.shape.long, pair.shape.short
    return (
        "(\n"
        f"  {_of('maibo_slo_burn_rate', slo, objective, window=long)} > {pair.factor:.10g}\n"
        f"  and {_of('maibo_slo_burn_rate', slo, objective, window=short)} > {pair.factor:.10g}\n"
        f"  and {_of('maibo_slo_burn_reached', slo, objective, window=long)} == 1\n"
        ")"
    )


def _no_data_rule(slo: Slo, objective: Objective) -> Alert:
    return Alert(
        alert="MaiboNoData",
        expr=f"{_of('maibo_slo_age_seconds', slo, objective)} > {silent_seconds(objective)}\n"
        f"or\nabsent({_selector('maibo_slo_age_seconds', slo, objective)})",
        wait="5m",
        severity="ticket",
        summary=f"{_title(slo, objective)}: no data",
        description=f"No event has been counted for {spoken(silent_seconds(objective))}, or ever. That is neither good nor bad: see whether customers stayed away or "
        "the telemetry did.",
        labels=_labels(slo, objective),
    )


def _of(metric: str, slo: Slo, objective: Objective, **more: str) -> str:
    return f"max by (slo, objective, group) ({_selector(metric, slo, objective, **more)})"


def _selector(metric: str, slo: Slo, objective: Objective, **more: str) -> str:
    return selector(metric, labels_of(slo, objective) | more)


def _labels(slo: Slo, objective: Objective) -> dict[str, str]:
    """What alerts are routed and told apart by: the SLO's own labels too."""
    own = labels_of(slo, objective) | {"service": slo.service, "journey": slo.journey}
    theirs = {key: value for key, value in own_labels(slo.labels).items() if key != "group"}  # which the metrics have
    return {key: plain(value) for key, value in (own | theirs).items()}


def _links(slo: Slo, url: str) -> dict[str, str]:
    return {"page": f"{url.rstrip('/')}/slos/{slo.name}"}


def _title(slo: Slo, objective: Objective) -> str:
    return plain(f"{slo.display_name or slo.name} {objective.name}")
