"""How series are named and summed: always those of the chosen job, so that two maibos in one Prometheus stay apart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from maibo_dashboards.targets import Promql

if TYPE_CHECKING:
    from collections.abc import Iterable

RANGE: Final = "$__range"
RATE: Final = "$__rate_interval"
JOBS: Final = Promql("label_values(maibo_part_up, job)")
"""Every maibo that is scraped."""
_SPECIAL: Final = re.compile(r"([.+*?()|\[\]{}^$\\])")


def of(metric: str, *conditions: str) -> str:
    """Its series.

    >>> of("maibo_part_up", equal("part", "engine"))
    'maibo_part_up{job="$job", part="engine"}'
    """
    return f"{metric}{{{', '.join(('job=' + chr(34) + '$job' + chr(34), *conditions))}}}"


def equal(label: str, value: str) -> str:
    return f'{label}="{_quoted(value)}"'


def among(label: str, values: Iterable[str]) -> str:
    """One of these.

    >>> among("slo", ["a", "b"])
    'slo=~"a|b"'
    """
    return f'{label}=~"{_alternatives(values)}"'


def chosen(label: str, variable: str = "") -> str:
    """One of those that the variable holds."""
    return f'{label}=~"${variable or label}"'


def pattern(value: str) -> str:
    """That matches this text alone."""
    return _SPECIAL.sub(r"\\\1", value)


def newest(metric: str, by: str, *conditions: str) -> str:
    """A gauge now, one for each of these labels."""
    return f"max by ({by}) ({of(metric, *conditions)})"


def increase(counter: str, by: str, *conditions: str, over: str = RANGE) -> str:
    """What was added within the time range, or `over` another one."""
    return _summed(by, f"increase({of(counter, *conditions)}[{over}])")


def rate(counter: str, by: str, *conditions: str) -> str:
    """A second."""
    return _summed(by, f"rate({of(counter, *conditions)}[{RATE}])")


def share(part: str, whole: str) -> str:
    """Of what has events."""
    return f"{part} / ({whole} > 0)"


def quantile(level: float, histogram: str, by: str, *conditions: str, over: str = RATE) -> str:
    """Of all events together, never an average of quantiles; interpolated within a bucket. Nothing where there are no events."""
    function = "rate" if over == RATE else "increase"
    buckets = _summed(
        ", ".join(("le", *filter(None, [by]))), f"{function}({of(f'{histogram}_bucket', *conditions)}[{over}])"
    )
    return f"histogram_quantile({level:g}, {buckets}) >= 0"


def named(expr: str, label: str, names: Iterable[tuple[str, str]], *, new: str) -> str:
    """The same with a label `new`, by what `label` says: (its value, what is new).

    >>> named("up", "slo", [("a", "x"), ("b", "x")], new="details")
    'label_replace(up, "details", "x", "slo", "a|b")'
    """
    values: dict[str, list[str]] = {}
    for value, text in names:
        values.setdefault(text, []).append(value)
    for text, alike in values.items():
        expr = f'label_replace({expr}, "{new}", "{_quoted(text)}", "{label}", "{_alternatives(alike)}")'
    return expr


def _summed(by: str, expr: str) -> str:
    return f"sum by ({by}) ({expr})" if by else f"sum({expr})"


def _alternatives(values: Iterable[str]) -> str:
    return _quoted("|".join(map(pattern, values)))


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
