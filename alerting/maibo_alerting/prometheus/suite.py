"""A ``promtool test rules`` file: series that are fed, and what is asked of the alerts then.

Alerts are asked for by the series ``ALERTS``, not by their texts, which say a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_alerting.prometheus.rulefile import MADE, quoted, yaml_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_alerting.pairs import Severity
    from maibo_alerting.prometheus.rulefile import Group

Json = dict[str, object]


def suite(tests: Sequence[Json], *, name: str, groups: Sequence[Group]) -> str:
    """The file ``NAME_test.yaml``, of the rules in ``NAME.rules.yaml`` beside it."""
    body = {
        "rule_files": [f"{name}.rules.yaml"],
        "evaluation_interval": "1m",
        "group_eval_order": [group.name for group in groups],
        "tests": list(tests),
    }
    return MADE + f"# promtool test rules {name}_test.yaml\n" + yaml_text(body)


def test(name: str, series: Mapping[str, str], checks: Sequence[Json]) -> Json:
    """`series`: values as promtool writes them, one each minute from minute 0 on."""
    feeding = [{"series": one, "values": values} for one, values in series.items()]
    return {"name": name, "interval": "1m", "input_series": feeding, "promql_expr_test": list(checks)}


def burning(minute: int, severity: Severity, alerts: Sequence[Mapping[str, str]], by: Sequence[str]) -> Json:
    """These burn alerts of a severity, told apart by the labels `by`, and no others."""
    expr = f'sum by (severity, {", ".join(by)}) (ALERTS{{alertname="MaiboBudgetBurn",alertstate="firing",severity="{severity}"}})'
    return _asked(minute, expr, [({"severity": severity, **labels}, 1) for labels in alerts])


def fires(minute: int, alert: str, number: int) -> Json:
    """So many alerts of a name."""
    answers: Sequence[tuple[Mapping[str, str], int]] = [({}, number)] if number else []
    return _asked(minute, f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})', answers)


def _asked(minute: int, expr: str, answers: Sequence[tuple[Mapping[str, str], int]]) -> Json:
    samples = [
        {"labels": "{" + ", ".join(f"{name}={quoted(value)}" for name, value in labels.items()) + "}", "value": number}
        for labels, number in answers
    ]
    return {"expr": expr, "eval_time": f"{minute}m", "exp_samples": samples}
