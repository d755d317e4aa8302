"""OpenSLO v1 ``SLI``: a document of its own, or inlined in an SLO or one of its objectives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo import semconv
from maibo_slo.documents.document import description, metadata
from maibo_slo.documents.kinds import CellSelector, PromQuery, PromSli, Sli
from maibo_slo.documents.selectors import beyond
from maibo_slo.documents.sources import metric, metric_source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.documents.document import Document, Known
    from maibo_slo.documents.fields import Fields
    from maibo_slo.documents.selectors import MetricType

RATIO: Final = "ratioMetric"
THRESHOLD: Final = "thresholdMetric"
_RAW_TYPES: Final = ("success", "failure")
_OUTCOMES: Final = {"good": frozenset({semconv.SUCCESS}), "bad": frozenset({semconv.FAILURE})}
_ALL: Final = frozenset({semconv.SUCCESS, semconv.FAILURE})


@dataclass(frozen=True, slots=True)
class Indicator:
    """What an SLI is: which metric, and what it counts; None where it is not judged or wrong, which was told."""

    metric: str = ""
    """`RATIO` or `THRESHOLD`; '' where that is wrong."""
    counts: Sli | PromSli | None = None


def sli(document: Document, known: Known, types: Mapping[str, MetricType]) -> Indicator:
    """``kind: SLI``."""
    return _indicator(document.fields.mapping("spec"), document.name, known, types)


def indicator(fields: Fields, known: Known, types: Mapping[str, MetricType]) -> tuple[Indicator, bool]:
    """The indicator or indicatorRef of an SLO or an objective, and whether it is inlined there."""
    inline, reference = fields.has("indicator"), fields.has("indicatorRef")
    if inline == reference:
        fields.error("indicator", "give exactly one of indicator and indicatorRef")
        return Indicator(), False
    if reference:
        return known.slis.get(known.refer(fields, "indicatorRef", "SLI"), Indicator()), False
    inner = fields.mapping("indicator")
    head, spec = metadata(inner), inner.mapping("spec")
    inner.close()
    return _indicator(spec, head.name, known, types), True


def _indicator(spec: Fields, name: str, known: Known, types: Mapping[str, MetricType]) -> Indicator:
    description(spec)
    given = spec.given(RATIO, THRESHOLD)
    result = Indicator()
    if len(given) != 1:
        spec.error(RATIO, f"give exactly one of {RATIO} and {THRESHOLD}")
    elif given == [RATIO]:
        result = Indicator(RATIO, _ratio(spec.mapping(RATIO), name, known, types))
    else:
        mend = "count events: use a ratioMetric, with maxDuration for latencies"
        spec.unjudged(THRESHOLD, f"a {THRESHOLD}", mend)
        metric_source(spec.mapping(THRESHOLD), known)
        result = Indicator(THRESHOLD)
    spec.close()
    return result


def _ratio(ratio: Fields, name: str, known: Known, types: Mapping[str, MetricType]) -> Sli | PromSli | None:
    ratio.flag("counter")
    if ratio.given("raw", "rawType"):
        _raw(ratio, known)
        return None
    errors_before = ratio.report.errors
    total = metric(ratio.mapping("total", mend="count all events"), _ALL, known, types)
    parts = {part: metric(ratio.mapping(part), _OUTCOMES[part], known, types) for part in ratio.given(*_OUTCOMES)}
    ratio.close()
    if len(parts) != 1:
        ratio.error("good", "give exactly one of good and bad")
    if ratio.report.errors > errors_before:
        return None
    [(part, events)] = parts.items()
    return _counts(ratio, name, total, part, events)


def _counts(
    ratio: Fields,
    name: str,
    total: CellSelector | PromQuery | None,
    part: str,
    events: CellSelector | PromQuery | None,
) -> Sli | PromSli | None:
    """Both from the same source, and the part one of the whole."""
    if isinstance(total, CellSelector) and isinstance(events, CellSelector):
        if surplus := beyond(events, total):
            ratio.error(part, f"{part} counts events that total does not: {surplus}", f"make {part} a part of total")
        return Sli(name, total, **{part: events})
    if isinstance(total, PromQuery) and isinstance(events, PromQuery):
        return PromSli(name, total, **{part: events})
    if total is not None and events is not None:
        ratio.error(part, f"{part} and total are counted by different sources", "count both in one")
    return None


def _raw(ratio: Fields, known: Known) -> None:
    """A ratio that is measured and not counted."""
    ratio.unjudged("raw", "a raw ratio", "count events: give good and total")
    for part in ratio.given("total", *_OUTCOMES):
        ratio.error(part, "is not allowed beside raw", "keep raw and rawType, or total and good or bad")
    metric_source(ratio.mapping("raw", mend="say where the ratio comes from"), known)
    ratio.choice("rawType", _RAW_TYPES, mend=f"write {' or '.join(_RAW_TYPES)}")
    ratio.close()
