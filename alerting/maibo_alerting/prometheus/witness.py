"""Series that an SLO's queries count: made up, so that generated tests can feed them.

Only plain selectors of counters are understood, written out or inside of ``sum(rate(…[{{.window}}]))``. Whatever else a person's PromQL
does, no series is made up for it: a test that feeds a query wrongly proves nothing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from maibo_alerting.prometheus.rulefile import selector

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from maibo_slo.documents import PromQuery, PromSlo

_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_MATCHER: Final = re.compile(rf"\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*({_STRING})\s*(?:,|$)")
_SELECTOR: Final = re.compile(rf"\s*([a-zA-Z_:][\w:]*)\s*(?:\{{((?:[^\"{{}}]|{_STRING})*)\}})?\s*")
_OVER_WINDOW: Final = re.compile(
    r"\s*sum\s*\(\s*(?:rate|increase)\s*\((.*)\[\s*\{\{\s*\.window\s*\}\}\s*\]\s*\)\s*\)\s*", re.DOTALL
)
_TURNED: Final = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}
_SHORTER: Final = (
    (r"^\^|\$$", ""),
    (r"\((?:\?:)?([^()|]*)(?:\|[^()]*)?\)", r"\1"),
    (r"\[([^\]^\\])[^\]]*\]", r"\1"),
    (r"\\d", "0"),
    (r"\\w", "a"),
    (r"(?<!\\)\.[*+]", "x"),
    (r"(?<!\\)\.", "0"),
    (r"\\(.)", r"\1"),
    (r"[*+?]", ""),
)
"""One text that a simple regular expression matches, step by step; whether it does is asked of the expression itself."""


@dataclass(frozen=True, slots=True)
class Fed:
    """A series, and the events that it counts."""

    series: str
    good: bool
    bad: bool


@dataclass(frozen=True, slots=True)
class _Selector:
    metric: str
    matchers: Sequence[tuple[str, str, str]]

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(_holds(operator, value, labels.get(label, "")) for label, operator, value in self.matchers)


def fed(slo: PromSlo) -> tuple[Fed, ...]:
    """The series of an SLO, each once; () when its queries are not understood."""
    part, good = (slo.bad, False) if slo.bad is not None else (slo.good, True)
    total, some = _selector(slo.total), None if part is None else _selector(part)
    if total is None or some is None:
        return ()
    if total.metric != some.metric:
        every, own = _labels(total.matchers), _labels(some.matchers)
        if every is None or own is None:
            return ()
        return Fed(selector(total.metric, every), good=True, bad=True), Fed(selector(some.metric, own), good, not good)
    rest, both = _rest(total, some), _labels([*total.matchers, *some.matchers])
    if rest is None or both is None:
        return ()
    return (
        Fed(selector(total.metric, rest), good=not good, bad=good),
        Fed(selector(some.metric, both), good=good, bad=not good),
    )


def _rest(total: _Selector, some: _Selector) -> dict[str, str] | None:
    """Labels of what is in the total alone: one matcher of the other turned around."""
    turned = [[(label, _TURNED[operator], value)] for label, operator, value in some.matchers]
    found = (_labels([*total.matchers, *one]) for one in ([], *turned))
    return next((labels for labels in found if labels is not None and not some.matches(labels)), None)


def _selector(query: PromQuery) -> _Selector | None:
    inner = _OVER_WINDOW.fullmatch(query.query) if query.has_window else None
    found = _SELECTOR.fullmatch(inner[1] if inner else query.query)
    if found is None:
        return None
    text = (found[2] or "").strip()
    matchers = []
    while text:
        one = _MATCHER.match(text)
        if one is None:
            return None
        try:
            matchers.append((one[1], one[2], str(json.loads(one[3]))))
        except ValueError:  # an escape of Go's that JSON does not have
            return None
        text = text[one.end() :].strip()
    return _Selector(found[1], matchers)


def _labels(matchers: Sequence[tuple[str, str, str]]) -> dict[str, str] | None:
    """Values that meet every matcher; '' is a label that is not there."""
    chosen = {}
    for label in dict.fromkeys(label for label, _, _ in matchers):
        conditions: list[Callable[[str], bool]] = []
        candidates = [""]
        for _, operator, value in (one for one in matchers if one[0] == label):
            conditions.append(partial(_holds, operator, value))
            candidates += [value] if operator == "=" else [_example(value)] if operator == "=~" else []
        met = next((text for text in [*candidates, "other"] if all(holds(text) for holds in conditions)), None)
        if met is None:
            return None
        if met:
            chosen[label] = met
    return chosen


def _holds(operator: str, value: str, text: str) -> bool:
    if operator in ("=", "!="):
        return (text == value) == (operator == "=")
    try:
        return (re.fullmatch(value, text) is not None) == (operator == "=~")
    except re.error:
        return False  # RE2 knows what Python does not: no series is made up for it


def _example(pattern: str) -> str:
    text = pattern
    for expression, replacement in _SHORTER[:2]:
        text = re.sub(expression, replacement, text)
    text = text.split("|", 1)[0]
    for expression, replacement in _SHORTER[2:]:
        text = re.sub(expression, replacement, text)
    return text
