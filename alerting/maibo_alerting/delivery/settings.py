"""Settings of one destination, read by its adapter: DeliveryError names the field and the mend."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from maibo_alerting.delivery.destination import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


def only(settings: Mapping[str, object], known: Collection[str]) -> None:
    """Refuse fields that this destination does not have: a misspelled one would be ignored in silence."""
    for name in settings:
        if name not in known:
            raise DeliveryError(f"{name}: no such field; {near(name, known)}", retry=False)


def near(name: str, known: Collection[str]) -> str:
    """``did you mean url?``, or all that there are."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(known))}"


def number(settings: Mapping[str, object], name: str, default: float, *, least: float, most: float) -> float:
    value = settings.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise DeliveryError(f"{name} must be a number from {least:g} to {most:g}, not {value!r}", retry=False)
    return value
