"""Shares in documents: ``25%``, or 0.25."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from maibo_slo.documents.yaml import Scalar

if TYPE_CHECKING:
    from maibo_slo.documents.fields import Fields

_PERCENT: Final = re.compile(r"(-?[0-9]{1,4}(?:\.[0-9]{1,6})?) ?%")
_LEAST_MEANT: Final = 2
"""A lesser number without a sign may be a share as well."""


def share(fields: Fields, name: str, *, of: str, least: Decimal, most: Decimal, example: str) -> Decimal | None:
    """A share in an optional field, exact; None when absent or wrong, which is told."""
    node = fields.node_of(name)
    if node is None:
        return None
    mend = f"write it as {example}"
    found = _PERCENT.fullmatch(node.value) if isinstance(node, Scalar) and isinstance(node.value, str) else None
    if found is None and isinstance(node, Scalar) and isinstance(node.value, str):
        fields.error(name, f"{node.value!r} is not a share of {of}", mend)
        return None
    number = Decimal(found[1]) / 100 if found else fields.number(name)
    if number is not None and not least <= number <= most:
        # 80 was meant as 80%; of 1.2 and of 120% nobody knows what was.
        meant = found is None and number >= _LEAST_MEANT and least <= number / 100 <= most
        near = f"write it as {number}%" if meant else mend
        fields.error(name, f"must be between {percent(least)} and {percent(most)} of {of}", near)
        return None
    return number


def percent(share: Decimal) -> str:
    """All its digits.

    >>> percent(Decimal("0.999"))
    '99.9 %'
    """
    return f"{(share * 100).normalize():f} %"
