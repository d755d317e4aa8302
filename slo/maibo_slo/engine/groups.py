"""Names of groups: one text for a combination of dimensions' values, as it is in the ledger, in answers and on labels.

``tier=gold,region=eu``: in the order in which the SLO names its dimensions. What would be read as punctuation is percent-escaped in values, so
that every name can be read back.

An SLO has 200 groups at most, those that came first: with a dimension that grows without bound, all others count in one group, `OVERFLOW`, and no
event is lost. A group that had no event for as long as the SLO looks back makes room.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

OVERFLOW: Final = "__overflow__"
MOST_GROUPS: Final = 200
_ESCAPES: Final = str.maketrans({"%": "%25", ",": "%2C", "=": "%3D"})


def group_name(dimensions: Sequence[str], values: Sequence[str]) -> str:
    """The name of the group with these values.

    >>> group_name(("tier", "region"), ("gold", "eu"))
    'tier=gold,region=eu'
    >>> group_name(("version",), ("1=a,b",))
    'version=1%3Da%2Cb'
    """
    pairs = zip(dimensions, values, strict=True)
    return ",".join(f"{dimension}={value.translate(_ESCAPES)}" for dimension, value in pairs)


def group_values(text: str) -> dict[str, str]:
    """Dimension -> value; nothing for the group of an SLO without groups, and for `OVERFLOW`.

    >>> group_values("version=1%3Da%2Cb")
    {'version': '1=a,b'}
    >>> group_values("")
    {}
    """
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {dimension: unquote(value) for dimension, _, value in pairs}


def admitted(known: Collection[str], found: Mapping[str, int]) -> frozenset[str]:
    """Those of the groups `found` (with their events) that have a budget of their own; the busiest come first, then by name."""
    free = MOST_GROUPS - sum(group != OVERFLOW for group in known)
    new = sorted((group for group in found if group not in known), key=lambda group: (-found[group], group))
    return frozenset(group for group in found if group in known) | frozenset(new[: max(free, 0)])
