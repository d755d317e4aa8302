"""One expression that counts an SLO's events: total, and good or bad, at one evaluation time.

Two requests are two times, and give negative counts. So both parts are one expression, side by side under a label; a part that counts
nothing has no sample in it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from maibo_slo.documents import PromQuery, PromSlo

PART: Final = "maibo_part"
"""The label that tells the samples apart, with one of the values below."""
TOTAL: Final = "total"
GOOD: Final = "good"
BAD: Final = "bad"

_BUCKET: Final = re.compile(r"""(?<![\w\\"'`])le\s*=\s*(["'`])(\d+)(?:\.0)?\1""")


def counting(slo: PromSlo, seconds: int) -> str:
    """Its events in the `seconds` before the evaluation: at most one sample of each part."""
    parts = {TOTAL: slo.total, GOOD: slo.good, BAD: slo.bad}
    labelled = [
        f'label_replace({events(query, seconds)}, "{PART}", "{part}", "", "")'
        for part, query in parts.items()
        if query is not None
    ]
    return "\nor\n".join(labelled)


def events(query: PromQuery, seconds: int) -> str:
    """One sample without labels, whatever a person's PromQL gives: the sum. A ``rate`` is made a count."""
    expression = _both_spellings(query.over(_range(seconds)))
    times = f" * {seconds}" if query.is_per_second else ""
    # On lines of its own, so that a comment at its end does not reach our parenthesis.
    return f"(sum(\n{expression}\n){times})"


def _both_spellings(expression: str) -> str:
    r"""A bucket of a whole number is spelled ``1`` by Prometheus 2 and ``1.0`` by Prometheus 3 and some clients.

    >>> _both_spellings('sum(increase(h_bucket{le="1"}[1m]))')
    'sum(increase(h_bucket{le=~"1(\\\\.0)?"}[1m]))'
    """
    return _BUCKET.sub(r'le=~"\2(\\\\.0)?"', expression)


def _range(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{seconds}s" if rest else f"{minutes}m"
