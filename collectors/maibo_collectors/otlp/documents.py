"""From `Journey` documents to the rules that acceptors know. Only the core loads this: acceptors never load documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from maibo_collectors.otlp.decoding.rules import SPAN_KINDS, Condition, Rule, Rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from maibo_slo.documents import Catalogue, Origin, SignalRule
    from maibo_slo.documents import Condition as WrittenCondition


class Placed(NamedTuple):
    """A rule, and where it is written."""

    signal: str
    """``span``, ``log`` or ``metric``."""
    rule: Rule
    origin: Origin


def rules_of(catalogue: Catalogue, *, series_limit: int = Rules().series_limit) -> Rules:
    """What acceptors need of the documents in force. Equal catalogues make equal rules."""
    placed = list(placed_rules(catalogue))
    thresholds = {name: one.threshold_us for name, one in sorted(catalogue.journeys.items())}
    return Rules(
        spans=_of("span", placed),
        logs=_of("log", placed),
        metrics=_of("metric", placed),
        thresholds_us={name: threshold for name, threshold in thresholds.items() if threshold is not None},
        journeys=tuple(thresholds),
        series_limit=series_limit,
    )


def placed_rules(catalogue: Catalogue) -> Iterator[Placed]:
    """Every rule, journeys by name, the journey as a whole before its steps, rules as they are written."""
    for name, journey in sorted(catalogue.journeys.items()):
        for step, signals in (("", journey.signals), *((step.name, step.signals) for step in journey.steps)):
            for signal in signals:
                yield Placed(signal.signal, _rule(name, step, signal), signal.origin)


def _of(signal: str, placed: Iterable[Placed]) -> tuple[Rule, ...]:
    return tuple(one.rule for one in placed if one.signal == signal)


def _rule(journey: str, step: str, signal: SignalRule) -> Rule:
    return Rule(
        journey=journey,
        step=step,
        resource=_conditions(signal.resource),
        attributes=_conditions(signal.attributes),
        name=signal.names,
        kind=SPAN_KINDS[signal.kind] if signal.kind else 0,
        failure=_conditions(signal.failure),
        reason=signal.reason or Rule(journey="").reason,
        tier=signal.tier,
        variant=signal.variant,
        duration=signal.duration,
        duration_unit_ns=signal.duration_unit_ns,
    )


def _conditions(written: tuple[WrittenCondition, ...]) -> tuple[Condition, ...]:
    return tuple(Condition(one.key, one.values) for one in written)
