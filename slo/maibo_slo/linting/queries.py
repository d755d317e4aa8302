"""Rules about PromQL: whether a query counts events. Queries are read as text, not parsed: each rule knows one thing people write."""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING, Final

from maibo_slo.documents import PromSlo
from maibo_slo.linting.findings import Rule
from maibo_slo.linting.indicators import ALWAYS_SAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maibo_slo.documents import PromQuery
    from maibo_slo.linting.findings import Finding
    from maibo_slo.linting.subject import Subject

AVERAGE: Final = Rule("SLO029", "warning", "An average or percentile is no count")
RATIO: Final = Rule("SLO030", "warning", "A ratio is no count")
GUARD: Final = Rule("SLO031", "warning", "A guard invents numbers in silence")
RECORDED: Final = Rule("SLO032", "warning", "The increase of a recorded gauge is no count")
BUCKET: Final = Rule("SLO033", "warning", "A bucket that Prometheus 3 spells otherwise")
FIXED_RANGE: Final = Rule("SLO034", "warning", "A part of the query does not follow the window")
TWO_TIMES: Final = Rule("SLO035", "warning", "Good and total are asked about different times")

_STRING: Final = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`')
_TEMPLATE: Final = re.compile(r"\{\{\s*\.window\s*\}\}")
_AVERAGE: Final = re.compile(
    r"\b(avg|avg_over_time|quantile|quantile_over_time|histogram_quantile|histogram_avg)\s*(?:\(|by\b|without\b)"
)
_GUARD: Final = re.compile(r"\bclamp(?:_min|_max)?\s*\(|\bor\s+(?:on\s*\(\s*\)\s*)?vector\s*\(")
_RECORDED: Final = re.compile(r"\b(?:increase|rate|irate)\s*\(\s*(\w*:[\w:]*)")
_BUCKET: Final = re.compile(r"""\ble\s*=\s*(["'`])(\d+)\1""")
_SUBQUERY: Final = re.compile(r"\[\s*\{\{\s*\.window\s*\}\}\s*:")
_RANGE: Final = re.compile(r"\[\s*(\d\w*)")
_OFFSET: Final = re.compile(r"\boffset\s+(-?\w+)|@\s*(\S+)")


def queries(subject: Subject) -> Iterator[Finding]:
    """Every finding about an SLI of Prometheus."""
    if not isinstance(subject.slo, PromSlo):
        return
    parts = {"total": subject.slo.total, "good": subject.slo.good, "bad": subject.slo.bad}
    given = {part: query for part, query in parts.items() if query is not None}
    for part, query in given.items():
        yield from _text(subject, part, query.query)
        yield from _range(subject, part, query)
    yield from _together(subject, given)


def _text(subject: Subject, part: str, query: str) -> Iterator[Finding]:
    bare = _bare(query)
    if found := _AVERAGE.search(bare):
        message = f"{part} takes {found[1]}, whose results cannot be added up over instances or windows"
        yield subject.of_part(
            AVERAGE, message, "count events: increase() of a counter, or of a bucket for latencies", part, "query"
        )
    elif "/" in bare:
        message = f"{part} divides, so a quiet night weighs as much as a busy day, and an hour of silence is NaN"
        yield subject.of_part(
            RATIO, message, "count events: maibo divides good by total, at the very end", part, "query"
        )
    if found := _GUARD.search(bare):
        guard = " ".join(found[0].rstrip("( ").split())
        message = (
            f"{part} is guarded with {guard}, which makes events of silence, and drops the labels that others match by"
        )
        yield subject.of_part(
            GUARD, message, "remove the guard; the rules made of it are safe without events", part, "query"
        )
    if found := _RECORDED.search(bare):
        message = f"{part} takes the increase of {found[1]}, and a recorded value goes down without a reset"
        yield subject.of_part(RECORDED, message, "take the counter that it was recorded from", part, "query")
    if found := _BUCKET.search(query):
        message = (
            f'{part} asks for le="{found[2]}", which Prometheus 3 stores as le="{found[2]}.0": it finds nothing there'
        )
        mend = f'write le=~"{found[2]}(\\\\.0)?", which finds both'
        yield subject.of_part(BUCKET, message, mend, part, "query")


def _range(subject: Subject, part: str, query: PromQuery) -> Iterator[Finding]:
    """A fixed range is right inside a subquery over the window, and nowhere else."""
    if (fixed := _RANGE.search(_bare(query.query))) and not _SUBQUERY.search(query.query):
        message = f"{part} looks back {fixed[1]} whichever window is asked: for a budget of {subject.window} too"
        yield subject.of_part(FIXED_RANGE, message, "write [{{.window}}] for each range", part, "query")


def _together(subject: Subject, given: Mapping[str, PromQuery]) -> Iterator[Finding]:
    for (one, first), (other, second) in combinations(given.items(), 2):
        if " ".join(first.query.split()) == " ".join(second.query.split()):
            share = "100 %" if other == "good" else "0 %"
            message = f"{one} and {other} are the same query, so attainment is {share} whatever happens"
            yield subject.of_part(ALWAYS_SAME, message, f"restrict {other} to what is {other}", other, "query")
        if (earlier := _times(first.query)) != (later := _times(second.query)):
            message = f"{one} is asked {_spoken(earlier)}, {other} {_spoken(later)}: their difference is no count, and may be negative"
            yield subject.of_part(TWO_TIMES, message, "give both the same offset, or none", other, "query")


def _times(query: str) -> tuple[str, ...]:
    return tuple(sorted(found[1] or f"@ {found[2]}" for found in _OFFSET.finditer(_bare(query))))


def _spoken(times: tuple[str, ...]) -> str:
    return f"with offset {', '.join(times)}" if times else "without offset"


def _bare(query: str) -> str:
    """Without what is in strings and without the template, so that neither is taken for an operator."""
    return _TEMPLATE.sub("", _STRING.sub('""', query))
