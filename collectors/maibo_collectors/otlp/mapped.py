"""What data points and log records are by the rules of documents: the same judgement, and the same cap, as for spans."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from maibo import semconv
from maibo_collectors.otlp.classify import ORIGIN_KEYS, Judged, first_of_each
from maibo_collectors.otlp.rules import CompiledRule, Rule
from maibo_collectors.otlp.tally import Series

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_collectors.otlp.classify import Classifier


@lru_cache(maxsize=8)
def compiled(rules: tuple[Rule, ...]) -> tuple[CompiledRule, ...]:
    """Rules, ready to be asked; kept for as long as they are in force."""
    return tuple(map(CompiledRule, rules))


def matching(
    rules: tuple[Rule, ...],
    resource: Mapping[str, str | None],
    values: Mapping[str, str | None],
    *,
    name: str = "",
) -> tuple[CompiledRule, ...]:
    """Of each journey and step the first rule that matches."""
    return first_of_each(compiled(rules), resource, values, name=name)


def judged(
    classifier: Classifier,
    matched: Sequence[CompiledRule],
    resource: Mapping[str, str | None],
    values: Mapping[str, str | None],
    *,
    failed: bool,
) -> tuple[Judged, ...]:
    """A fate for each rule that matched. `failed` is what rules without ``failure`` go by."""
    environment, service, version, cluster, region = (resource.get(key) or "" for key in ORIGIN_KEYS)
    fates = []
    for each in matched:
        rule = each.rule
        outcome = semconv.FAILURE if each.failed(values, otherwise=failed) else semconv.SUCCESS
        tier, variant = values.get(rule.tier) or "", values.get(rule.variant) or ""
        origin = environment, service, version, cluster, region
        series = Series(rule.journey, rule.step, *origin, tier, variant, outcome)
        fates.append(classifier.judge(series, reason=values.get(rule.reason) or ""))
    return tuple(fates)
