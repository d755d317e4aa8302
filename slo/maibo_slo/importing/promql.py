"""As much PromQL as importing needs: a selector, taken apart and put together with a range.

The range stands between a selector's matchers and its modifiers (``http_requests_total{job="api"}[5m] offset 1h``), so a range cannot
simply be appended to whatever was written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

WINDOW: Final = "{{.window}}"
"""Stands for the window in every query that comes out, as sloth writes it."""
HAS_WINDOW: Final = re.compile(r"\{\{\s*\.window\s*\}\}")

# Each alternative begins with a character that no other one begins with: matching takes linear time.
_MATCHERS: Final = r"""\{(?:[^{}"'`]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)*\}"""
_MODIFIERS: Final = r"(?:(?:offset\s+-?[0-9a-z]+|@\s*[^\s@]+)\s*){0,2}"
_SELECTOR: Final = re.compile(
    rf"(?P<metric>[a-zA-Z_:][a-zA-Z0-9_:]*)?(?:\s*(?P<matchers>{_MATCHERS}))?\s*(?P<modifiers>{_MODIFIERS})", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Selector:
    """``metric{matchers} modifiers``."""

    metric: str
    matchers: str
    """With its braces; empty where there are none."""
    modifiers: str

    def range(self) -> str:
        """Its samples over the window."""
        return f"{self.metric}{self.matchers}[{WINDOW}] {self.modifiers}".rstrip()

    def total(self, function: str = "increase") -> str:
        """The function over the window, summed over all series: ``increase`` gives the number of events."""
        return f"sum({function}({self.range()}))"

    def where(self, label: str, value: str) -> Selector:
        """The selector with one matcher more.

        >>> selector("up").where("le", "0.25").range()
        'up{le="0.25"}[{{.window}}]'
        """
        inner = self.matchers[1:-1].strip().rstrip(",")
        quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return replace(self, matchers="{" + (f"{inner}, " if inner else "") + f'{label}="{quoted}"' + "}")


def selector(text: str) -> Selector:
    """ValueError when the text is not a selector alone.

    >>> selector('http_requests_total{code=~"5..|}"} offset 1h').total()
    'sum(increase(http_requests_total{code=~"5..|}"}[{{.window}}] offset 1h))'
    """
    found = _SELECTOR.fullmatch(text.strip())
    if found is None or not (found["metric"] or found["matchers"]):
        raise ValueError(text)
    return Selector(found["metric"] or "", found["matchers"] or "", found["modifiers"].strip())
