"""OpenSLO v1 ``SLI``: a document of its own, or inlined in an SLO or one of its objectives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo import semconv
from maibo_slo.documents.document import description, metadata
from maibo_slo.documents.kinds import CellSelector, DataSource, PromQuery, PromSli, ScaleupSli, Sli
from maibo_slo.documents.scaleups import ScaleupCount
from maibo_slo.documents.selectors import beyond
from maibo_slo.documents.sources import URL, Metric, metric, metric_source

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
    counts: Sli | PromSli | ScaleupSli | None = None
    group_by: tuple[str, ...] = ()
    """Dimensions of cells whose values each have a budget of their own."""
    data_source: DataSource | None = None
    """Of a `PromSli`: the one whose address is known."""


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
        result = _ratio(spec.mapping(RATIO), name, known, types)
    else:
        metric_type = metric_source(spec.mapping(THRESHOLD), known).type
        spec.unjudged(THRESHOLD, f"a {THRESHOLD}", _counted_instead(metric_type))
        result = Indicator(THRESHOLD)
    spec.close()
    return result


def _counted_instead(metric_type: str) -> str:
    if metric_type == "journey":
        return f"write it as {RATIO}: good with maxDuration: 300ms, and total without it"
    return f"count events: use a {RATIO}, with maxDuration for latencies"


def _ratio(ratio: Fields, name: str, known: Known, types: Mapping[str, MetricType]) -> Indicator:
    nothing = Indicator(RATIO)
    ratio.flag("counter")
    if ratio.given("raw", "rawType"):
        _raw(ratio, known)
        return nothing
    errors_before = ratio.report.errors
    total = metric(ratio.mapping("total", mend="count all events"), _ALL, known, types, whole=True)
    parts = {
        part: metric(ratio.mapping(part), _OUTCOMES[part], known, types, whole=False)
        for part in ratio.given(*_OUTCOMES)
    }
    ratio.close()
    if len(parts) != 1:
        ratio.error("good", "give exactly one of good and bad")
    if ratio.report.errors > errors_before:
        return nothing
    [(part, events)] = parts.items()
    counts = _counts(ratio, name, total.counts, part, events.counts)
    return Indicator(RATIO, counts, total.group_by, _data_source(ratio, total, part, events))


def _counts(
    ratio: Fields,
    name: str,
    total: CellSelector | PromQuery | ScaleupCount | None,
    part: str,
    events: CellSelector | PromQuery | ScaleupCount | None,
) -> Sli | PromSli | ScaleupSli | None:
    """Both from the same source, and the part one of the whole."""
    if isinstance(total, CellSelector) and isinstance(events, CellSelector):
        if surplus := beyond(events, total):
            ratio.error(part, f"{part} counts events that total does not: {surplus}", f"make {part} a part of total")
        return Sli(name, total, **{part: events})
    if isinstance(total, PromQuery) and isinstance(events, PromQuery):
        return PromSli(name, total, **{part: events})
    if isinstance(total, ScaleupCount) and isinstance(events, ScaleupCount):
        return _scaleups(ratio, name, total, part, events)
    if total is not None and events is not None:
        ratio.error(part, f"{part} and total are counted by different sources", "count both in one")
    return None


def _scaleups(ratio: Fields, name: str, total: ScaleupCount, part: str, events: ScaleupCount) -> ScaleupSli | None:
    if part != "good":
        ratio.error(part, "scale-ups are counted by those that were done in time", "write good instead")
        return None
    if set(events.workloads) != set(total.workloads):
        ratio.error(part, "good and total are about different workloads", "name the same in both")
        return None
    return ScaleupSli(name, events.workloads, events.within_seconds, events.begin, events.until)


def _data_source(ratio: Fields, total: Metric, part: str, events: Metric) -> DataSource | None:
    """The Prometheus that counts both, where its address is known. A part that names none is counted where the other is."""
    sources = [each.data_source for each in (total, events) if each.data_source is not None]
    if len({source.name for source in sources}) > 1:
        told = f"{part} is counted by data source {sources[1].name!r}, total by {sources[0].name!r}"
        ratio.error(part, told, "count both in one: two servers are never asked at the same moment")
    return sources[0] if sources and sources[0].connection_details.get(URL) else None


def _raw(ratio: Fields, known: Known) -> None:
    """A ratio that is measured and not counted."""
    ratio.unjudged("raw", "a raw ratio", "count events: give good and total")
    for part in ratio.given("total", *_OUTCOMES):
        ratio.error(part, "is not allowed beside raw", "keep raw and rawType, or total and good or bad")
    metric_source(ratio.mapping("raw", mend="say where the ratio comes from"), known)
    ratio.choice("rawType", _RAW_TYPES, mend=f"write {' or '.join(_RAW_TYPES)}")
    ratio.close()
