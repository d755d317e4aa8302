"""Prometheus rules on what maibo's own ``/metrics`` tells of each objective.

* ``MaiboBudgetBurn`` (``severity`` page or ticket): a pair of `pairs` is reached. Guarded by counts: at least `MIN_BAD_EVENTS` bad
  events in the long window (one failure among a quiet night's three requests is no news) and a tenth of the long window's minutes
  observed (a service's first minutes say little about a day).
* ``MaiboNoData`` (ticket): an objective without a new event for 30 minutes, or one that maibo does not report at all. No data is
  neither good nor bad, so it is told instead of being taken for either.
* ``MaiboNotEvaluating`` (page): maibo itself stopped, or is not scraped. Nothing above can fire then.

Every selector is aggregated by slo and objective, so that several maibo instances or a target's own labels never keep two sides of an
``and`` from meeting.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import yaml

from maibo_alerting.pairs import Pair, Severity, left_out, pairs
from maibo_slo.engine.burn import MIN_BAD_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from maibo_slo.documents import Catalogue, Objective, Slo

MIN_OBSERVED: Final = 0.1
"""Share of the long window's minutes that must have had data."""
NO_DATA_AFTER_SECONDS: Final = 1800
STALE_AFTER_SECONDS: Final = 60

_OWN_LABELS: Final = frozenset(
    {"alertname", "slo", "objective", "service", "journey", "severity", "window", "job", "instance"}
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert rule, as Prometheus spells it."""

    alert: str
    expr: str
    severity: Severity
    summary: str
    description: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    wait: str = ""

    def document(self) -> dict[str, object]:
        rule: dict[str, object] = {"alert": self.alert, "expr": _Block(self.expr)}
        if self.wait:
            rule["for"] = self.wait
        return rule | {
            "labels": {"severity": self.severity, **self.labels},
            "annotations": {"summary": self.summary, "description": self.description, **self.annotations},
        }


def rule_file(catalogue: Catalogue, *, url: str) -> str:
    """The whole file, linking to the pages under `url`; what was fitted or left out is a comment above the group it is about."""
    slos = [catalogue.slos[name] for name in sorted(catalogue.slos)]
    parts = [
        "# Made from documents by `maibo generate rules`; edit those instead.\ngroups:\n",
        *(_slo_group(slo, url) for slo in slos),
        _own_group(),
    ]
    return "".join(parts)


def _slo_group(slo: Slo, url: str) -> str:
    rules = [rule for objective in slo.objectives for rule in _rules(slo, objective, _links(slo, url))]
    return _group(f"maibo-{slo.name}", rules, comments=list(_notes(slo)))


def _own_group() -> str:
    stale = Rule(
        alert="MaiboNotEvaluating",
        expr=f"max(maibo_slo_evaluation_age_seconds) > {STALE_AFTER_SECONDS}\nor\nabsent(maibo_slo_evaluation_age_seconds)",
        wait="2m",
        severity="page",
        summary="maibo does not evaluate SLOs: none of their alerts can fire",
        description="The engine's last evaluation is over a minute old, has never been, or /metrics is not scraped. See /readyz for the "
        "part that fails.",
    )
    return _group("maibo", [stale], comments=[])


def _rules(slo: Slo, objective: Objective, links: Mapping[str, str]) -> Iterator[Rule]:
    fitted = pairs(slo.window_seconds, target=objective.target)
    for severity in ("page", "ticket"):
        chosen = [pair for pair in fitted if pair.shape.severity == severity]
        if chosen:
            yield replace(_burn_rule(slo, objective, severity, chosen), annotations=links)
    yield replace(_no_data_rule(slo, objective), annotations=links)


def _burn_rule(slo: Slo, objective: Objective, severity: Severity, chosen: Sequence[Pair]) -> Rule:
    name = _title(slo, objective)
    windows = " or ".join(f"{pair.shape.long} and still {pair.shape.short}" for pair in chosen)
    return Rule(
        alert="MaiboBudgetBurn",
        expr="\nor\n".join(_pair_expr(slo, objective, pair) for pair in chosen),
        severity=severity,
        summary=f"{name}: the error budget burns {{{{ $value | humanize }}}} times as fast as it lasts",
        description=f"Burn rate over {windows}. 1 would spend exactly the budget of {objective.target:.10g} over {_days(slo)}.",
        labels=_labels(slo, objective),
    )


def _pair_expr(slo: Slo, objective: Objective, pair: Pair) -> str:
    long, short = pair.shape.long, pair.shape.short
    observed = MIN_OBSERVED * pair.long_seconds / slo.window_seconds
    return (
        "(\n"
        f"  {_of('maibo_slo_burn_rate', slo, objective, window=long)} > {pair.factor:.10g}\n"
        f"  and {_of('maibo_slo_burn_rate', slo, objective, window=short)} > {pair.factor:.10g}\n"
        f"  and {_of('maibo_slo_burn_bad_events', slo, objective, window=long)} >= {MIN_BAD_EVENTS}\n"
        f"  and {_of('maibo_slo_coverage_ratio', slo, objective)} >= {observed:.6g}\n"
        ")"
    )


def _no_data_rule(slo: Slo, objective: Objective) -> Rule:
    return Rule(
        alert="MaiboNoData",
        expr=f"{_of('maibo_slo_age_seconds', slo, objective)} > {NO_DATA_AFTER_SECONDS}\n"
        f"or\nabsent({_selector('maibo_slo_age_seconds', slo, objective)})",
        wait="5m",
        severity="ticket",
        summary=f"{_title(slo, objective)}: no data",
        description="No event has been counted for 30 minutes, or ever. That is neither good nor bad: see whether customers stayed away or "
        "the telemetry did.",
        labels=_labels(slo, objective),
    )


def _of(metric: str, slo: Slo, objective: Objective, **more: str) -> str:
    return f"max by (slo, objective) ({_selector(metric, slo, objective, **more)})"


def _selector(metric: str, slo: Slo, objective: Objective, **more: str) -> str:
    labels = {"slo": slo.name, "objective": objective.name, **more}
    return (
        metric
        + "{"
        + ",".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items())
        + "}"
    )


def _labels(slo: Slo, objective: Objective) -> dict[str, str]:
    """What alerts are routed and told apart by: the SLO's own labels too, where Prometheus allows their names."""
    own = {"slo": slo.name, "objective": objective.name, "service": slo.service, "journey": slo.indicator.total.journey}
    theirs = {re.sub(r"[^a-zA-Z0-9_]", "_", key): ",".join(values) for key, values in sorted(slo.labels.items())}
    kept = {key: _plain(value) for key, value in theirs.items() if key not in _OWN_LABELS and not key[0].isdigit()}
    return {key: _plain(value) for key, value in own.items()} | kept


def _links(slo: Slo, url: str) -> dict[str, str]:
    return {"page": f"{url.rstrip('/')}/slos/{slo.name}"}


def _title(slo: Slo, objective: Objective) -> str:
    return _plain(f"{slo.display_name or slo.name} {objective.name}")


def _plain(text: str) -> str:
    """Prometheus expands templates in labels and annotations: braces of a document are said as text."""
    return text.replace("{{", '{{"{{"}}')


def _days(slo: Slo) -> str:
    for unit, seconds in (("days", 86_400), ("hours", 3_600)):
        if slo.window_seconds % seconds == 0:
            return f"{slo.window_seconds // seconds} {unit}"
    return f"{slo.window_seconds // 60} minutes"


def _notes(slo: Slo) -> Iterator[str]:
    for shape in left_out(slo.window_seconds):
        yield f"{slo.name}: no {shape.severity} over {shape.long}, which is longer than the SLO's {_days(slo)}"
    for objective in slo.objectives:
        for pair in pairs(slo.window_seconds, target=objective.target):
            if pair.note:
                yield f"{slo.name} {objective.name}: {pair.shape.severity} over {pair.shape.long}: {pair.note}"


def _group(name: str, rules: Sequence[Rule], *, comments: Sequence[str]) -> str:
    group = {"name": name, "rules": [rule.document() for rule in rules]}
    text = yaml.dump([group], Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000)
    return "".join(f"# {' '.join(comment.split())}\n" for comment in comments) + text


class _Block(str):
    """A string that is written over several lines, as it reads."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """PyYAML's, without aliases, and with `_Block`."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 -- asked about everything: nothing is an alias
        return True


_Dumper.add_representer(
    _Block, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|")
)
