"""How a span is counted, decided once for each shape that spans have; and what rules make of data points and log records.

A shape is all that decides how a span counts but for its times and ids. Shapes repeat, spans do not: decoders find a span's
shape, ask `Classifier.classify` when they have not seen it yet, in order of first appearance, and remember the judgement. Whatever is
costly (texts, patterns, the cap) is paid for a shape, not for a span. What is left for each span is told at `Builder.count`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from maibo import semconv
from maibo_collectors.otlp.decoding import sampling
from maibo_collectors.otlp.decoding.admission import Admission
from maibo_collectors.otlp.decoding.rules import CompiledRule, Rules
from maibo_collectors.otlp.decoding.sampling import ONE, Weight
from maibo_collectors.otlp.decoding.tally import Series, series_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

UNKNOWN_OUTCOME: Final = "unknown outcome"
"""With what it says, where that is one of the first of the day."""
EMPTY_NAME: Final = "empty journey name"
TOO_THIN: Final = f"sampled more thinly than one in {sampling.HEAVIEST}"

_OUTCOME_SHOWN: Final = 60
"""Characters."""

ORIGIN_KEYS: Final = (
    semconv.ENVIRONMENT,
    semconv.SERVICE_NAME,
    semconv.SERVICE_VERSION,
    semconv.CLUSTER,
    semconv.REGION,
)
"""Resource attributes that are dimensions, in the order of `Series`."""
_SPAN_KEYS: Final = (
    semconv.JOURNEY_NAME,
    semconv.JOURNEY_STEP,
    semconv.JOURNEY_TIER,
    semconv.JOURNEY_VARIANT,
    semconv.JOURNEY_OUTCOME,
    semconv.JOURNEY_STARTED,
    semconv.JOURNEY_FAILURE_REASON,
)


class Shape(NamedTuple):
    """All that decides how a span counts, but for its times and ids."""

    resource: tuple[str | None, ...]
    """A text (`attributes.text`) or None for each of `Classifier.resource_keys`, in that order. None: the resource has no such
    attribute. Of a key given twice the last one counts. What has no text (arrays, maps, bytes, nothing) is ''."""
    attributes: tuple[str | None, ...]
    """The same for `Classifier.span_keys`, of the span's attributes."""
    error: bool
    """Its status code is 2, ERROR."""
    kind: int
    """As OTLP numbers it; 0 when it is not told. (int32: what a mutant sends may be negative.)"""
    name: str
    """`attributes.clean` of the span's name when `Classifier.with_name`, else '' (so that names do not make shapes)."""
    threshold: str
    """`sampling.threshold` of its tracestate: 1 to 14 digits 0-9a-f, or ''."""


@dataclass(frozen=True, slots=True)
class Fate:
    """One thing that a span is: a journey as a whole, a step, or a marker of a start."""

    series: bytes
    """As `Tally.series` has it; after the cap."""
    whole: bool
    """Step '': it ends in `flow`."""
    marker: bool
    """Only counts a start in `flow` (its outcome is ''); never whole, always alone, never in a cell."""
    started: bool
    """Its ``journey.started`` is true: it counts a start as well. Without ``journey.start_time`` a whole one does anyway."""
    failed: bool
    """Its outcome is failure: each is worth an exemplar (FAILED)."""
    reason: str
    """Of the failure, after the cap; '' none."""
    threshold_ns: int
    """Of a whole journey: what lasts longer is worth an exemplar (OVER_THRESHOLD). 0: none."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How spans of one shape count. Neither fates nor a rejection: ignored."""

    fates: tuple[Fate, ...] = ()
    rejected: str = ""
    """Why they cannot be counted; then there are no fates."""
    weight: Weight = ONE
    """Unless it is ONE, the spans are sampled."""
    timed: bool = False
    """A fate is whole or a marker: the time of its begin matters."""
    overflowed: tuple[str, ...] = ()
    """Journeys in whose overflow series a span of this shape is counted; each once."""


class Classifier:
    """Judges shapes by rules and within the cap; shared by all decoders of one thread.

    Before each body a decoder asks `generation`; when the number is another than the last time, every judgement it remembers is void.
    Judging the same shape again within a generation gives the same judgement, so decoders may forget judgements whenever they like.
    """

    def __init__(self, rules: Rules, *, admission: Admission | None = None) -> None:
        self.rules = rules
        self.admission = admission or Admission(rules)
        self._spans = tuple(map(CompiledRule, rules.spans))
        self.logs: Final = tuple(map(CompiledRule, rules.logs))
        self.metrics: Final = tuple(map(CompiledRule, rules.metrics))
        self.resource_keys: Final = unique(ORIGIN_KEYS, *(rule.resource_keys for rule in self._spans))
        """Resource attributes that matter to spans; the first five are `ORIGIN_KEYS`."""
        keys = unique(_SPAN_KEYS, *(rule.attribute_keys for rule in self._spans))
        self.span_keys: Final = tuple(key for key in keys if key != semconv.JOURNEY_START_TIME)
        """Span attributes that matter. Never ``journey.start_time``: that differs from span to span, and is read apart."""
        self.with_name: Final = any(rule.rule.name for rule in self._spans)

    def replace_rules(self, rules: Rules) -> Classifier:
        """One that judges by other rules, with what was admitted today."""
        self.admission.replace_limits(rules)
        return Classifier(rules, admission=self.admission)

    def generation(self, received_ns: int) -> int:
        """To be asked before each body. Begins a new day for the cap when `received_ns` (unix) says so."""
        return self.admission.generation(received_ns)

    def classify(self, shape: Shape) -> Judgement:
        """May take a place in the cap, even if no span of the shape is counted in the end."""
        resource = dict(zip(self.resource_keys, shape.resource, strict=True))
        values = dict(zip(self.span_keys, shape.attributes, strict=True))
        rejected = ""
        if values[semconv.JOURNEY_NAME] is None:
            matched = first_of_each(self._spans, resource, values, name=shape.name, kind=shape.kind)
            fates = self.judge_matched(matched, resource, values, failed=shape.error)
        else:
            fates, rejected = self._journey(shape, values)
        if not fates:
            return Judgement(rejected=rejected)
        weight = sampling.weight(shape.threshold)
        if weight is None:
            return Judgement(rejected=TOO_THIN)
        return judgement(fates, weight=weight)

    def _journey(self, shape: Shape, values: Mapping[str, str | None]) -> tuple[tuple[Judged, ...], str]:
        """A span of the SDK's: it says itself what it is."""
        name = values[semconv.JOURNEY_NAME]
        if not name:
            return (), EMPTY_NAME
        step = values[semconv.JOURNEY_STEP] or ""
        started = values[semconv.JOURNEY_STARTED] == "true"
        outcome = values[semconv.JOURNEY_OUTCOME]
        marker = started and not step and outcome is None
        if marker:
            outcome = ""
        elif outcome is None:
            outcome = semconv.FAILURE if shape.error else semconv.SUCCESS
        elif outcome not in semconv.OUTCOMES:
            return (), self._unknown_outcome(outcome)
        environment, service, version, cluster, region = (text or "" for text in shape.resource[: len(ORIGIN_KEYS)])
        tier, variant = values[semconv.JOURNEY_TIER] or "", values[semconv.JOURNEY_VARIANT] or ""
        series = Series(name, step, environment, service, version, cluster, region, tier, variant, outcome)
        reason = values[semconv.JOURNEY_FAILURE_REASON] or ""
        return (self.judge(series, reason=reason, started=started, marker=marker),), ""

    def _unknown_outcome(self, outcome: str) -> str:
        """``unknown outcome 'great'``; what cannot be printed is escaped."""
        short = outcome if len(outcome) <= _OUTCOME_SHOWN else f"{outcome[: _OUTCOME_SHOWN - 1]}…"
        return f"{UNKNOWN_OUTCOME} {short!r}" if self.admission.names_outcome(short) else UNKNOWN_OUTCOME

    def judge_matched(
        self,
        matched: Iterable[CompiledRule],
        resource: Mapping[str, str | None],
        values: Mapping[str, str | None],
        *,
        failed: bool,
    ) -> tuple[Judged, ...]:
        """A fate for each of these rules. `failed` is what rules without `Rule.failure` go by."""
        environment, service, version, cluster, region = (resource.get(key) or "" for key in ORIGIN_KEYS)
        fates = []
        for each in matched:
            rule = each.rule
            outcome = semconv.FAILURE if each.failed(values, otherwise=failed) else semconv.SUCCESS
            tier, variant = values.get(rule.tier) or "", values.get(rule.variant) or ""
            origin = environment, service, version, cluster, region
            series = Series(rule.journey, rule.step, *origin, tier, variant, outcome)
            fates.append(self.judge(series, reason=values.get(rule.reason) or ""))
        return tuple(fates)

    def judge(self, wanted: Series, *, reason: str = "", started: bool = False, marker: bool = False) -> Judged:
        """The fate of what wants to count in this series, within the cap. `reason` is left out unless it failed."""
        series, overflowed = self.admission.series(wanted)
        failed = series.outcome == semconv.FAILURE
        whole = not wanted.step and not marker
        fate = Fate(
            series=series_bytes(series),
            whole=whole,
            marker=marker,
            started=started,
            failed=failed,
            reason=self.admission.reason(series.journey, reason) if failed and reason else "",
            threshold_ns=self.rules.thresholds_us.get(wanted.journey, 0) * 1000 if whole else 0,
        )
        return Judged(fate, series.journey if overflowed else "")


class Judged(NamedTuple):
    """A fate, and the journey in whose overflow series it is, or ''."""

    fate: Fate
    overflowed: str


def judgement(judged: tuple[Judged, ...], *, weight: Weight = ONE) -> Judgement:
    """The judgement that these fates make."""
    return Judgement(
        fates=tuple(each.fate for each in judged),
        weight=weight,
        timed=any(each.fate.whole or each.fate.marker for each in judged),
        overflowed=tuple(dict.fromkeys(each.overflowed for each in judged if each.overflowed)),
    )


def first_of_each(
    rules: tuple[CompiledRule, ...],
    resource: Mapping[str, str | None],
    attributes: Mapping[str, str | None],
    *,
    name: str = "",
    kind: int = 0,
) -> tuple[CompiledRule, ...]:
    """Of each journey and step the first rule whose conditions are all met: several rules of one step are alternatives."""
    found: dict[tuple[str, str], CompiledRule] = {}
    for rule in rules:
        place = (rule.rule.journey, rule.rule.step)
        if place not in found and rule.unmet(resource, attributes, name=name, kind=kind) is None:
            found[place] = rule
    return tuple(found.values())


def unique(*keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for group in keys for key in group))
