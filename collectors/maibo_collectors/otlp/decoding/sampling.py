"""How many events a sampled span stands for: OpenTelemetry's consistent probability sampling, ``ot=th:`` in tracestate.

A threshold T (56 bits, the digits right-padded with zeros) means that the span was kept with probability (2^56 - T) / 2^56, so
it stands for 2^56 / (2^56 - T) events. Counts are integers: a span counts as the whole part, and as one more when a number drawn
from its own id is below the rest's share of 2^32. So totals are unbiased, and the same bytes always count the same.

Source: https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

HEAVIEST: Final = 1_000_000
"""Events that one span may stand for; a claim of more would drown everything that was measured."""

_ALL: Final = 2**56
_SHARES: Final = 2**32
_THRESHOLD = re.compile(r"[0-9a-f]{1,14}")


class Weight(NamedTuple):
    """A span counts as ``whole``, plus 1 if the last four bytes of its span id (big endian) are below ``rest``."""

    whole: int = 1
    rest: int = 0
    """0 to 2^32."""

    def of(self, span_id: bytes) -> int:
        """How many events this span counts as; missing bytes of an id are zeros in front."""
        return self.whole + (int.from_bytes(span_id[-4:], "big") < self.rest)


ONE: Final = Weight()
"""Of what is not sampled; `weight` gives this very object, so that ``is`` tells."""


def threshold(trace_state: str) -> str:
    """The digits of ``th`` in the ``ot`` member: 1 to 14 of 0-9a-f, or '' when there are none such.

    Members are divided by commas, with blanks and tabs around; the first that begins with ``ot=`` is read. Its parts are divided by
    semicolons; the first that begins with ``th:`` is read.
    """
    for member in trace_state.split(","):
        stripped = member.strip(" \t")
        if stripped.startswith("ot="):
            for part in stripped[3:].split(";"):
                if part.startswith("th:"):
                    return part[3:] if _THRESHOLD.fullmatch(part[3:]) else ""
            return ""
    return ""


def weight(digits: str) -> Weight | None:
    """What a span with these digits of `threshold` stands for; '' is 1. None: more than `HEAVIEST`."""
    kept = _ALL - int(digits.ljust(14, "0"), 16)
    if kept == _ALL:
        return ONE
    whole, rest = divmod(_ALL, kept)
    if whole >= HEAVIEST and (whole, rest) != (HEAVIEST, 0):
        return None
    return Weight(whole, -(-rest * _SHARES // kept))
