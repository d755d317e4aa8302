"""PromQL as far as a document can be held to it: brackets and quotes that belong together.

Whether an expression is one, only a Prometheus knows. But a bracket too few is what people most often write, and it would be seen when the rules
are loaded at the latest, or by an SLO without data at the worst.
"""

from __future__ import annotations

import re
from typing import Final

_CLOSED_BY: Final = {"(": ")", "[": "]", "{": "}"}
# What brackets stand in without being any: each alternative begins with a character that no other one begins with, so matching takes linear time.
_TEXT_OR_BRACKET: Final = re.compile(
    r"""(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`|\#[^\n]*)|(?P<quote>["'`])|(?P<bracket>[][(){}])"""
)


def unbalanced(expression: str) -> tuple[str, str] | None:
    """What is wrong with its brackets or quotes, and the mend; None where nothing is.

    >>> unbalanced('sum(increase(tea_total{path=~"/a(b"}[5m]))') is None
    True
    >>> unbalanced("sum(increase(tea_total[5m])")
    ("has a '(' that is not closed, after 3 characters", "add a ')'")
    """
    opened: list[tuple[str, int]] = []
    for found in _TEXT_OR_BRACKET.finditer(expression):
        one, at = found.group(), found.start()
        if found["quote"]:
            return f"has a {one} that is not closed, after {at} characters", "close it, or escape the quotes within"
        if one in _CLOSED_BY:
            opened.append((one, at))
        elif found["bracket"] and not opened:
            return f"has a {one!r} that closes nothing, after {at} characters", "remove it, or add what it closes"
        elif found["bracket"]:
            wanted = _CLOSED_BY[opened.pop()[0]]
            if one != wanted:
                return f"has a {one!r} where a {wanted!r} is due, after {at} characters", f"add the {wanted!r}"
    if not opened:
        return None
    one, at = opened[-1]
    return f"has a {one!r} that is not closed, after {at} characters", f"add a {_CLOSED_BY[one]!r}"
