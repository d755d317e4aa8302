"""What is about to fire, as whoever judges alerts says: what the page at /alerts and ``/v1/alerts`` list in one order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class Soon:
    """One alert that does not fire yet. Of a burn, the pair of windows that it goes by; of a silence those fields are empty."""

    name: str
    slo: str
    objective: str
    group: str
    severity: str
    since: float | None = None
    """Unix s; None: not known."""
    long: str = ""
    short: str = ""
    threshold: float = 0.0
    burn: float | None = None
    """Over the short window."""
    slower: float | None = None
    """Over the long one."""
    held_back_by: str = ""
    """A `Guard` of the long window; ``below``: it does not burn above the threshold; '': not known."""


def in_order(soon: Iterable[Soon]) -> tuple[Soon, ...]:
    """Pages first, then the fastest burn; silences after burns."""
    return tuple(
        sorted(
            soon,
            key=lambda each: (
                each.severity != "page",
                each.burn is None,
                -(each.burn or 0.0),
                each.slo,
                each.objective,
                each.group,
                each.name,
            ),
        )
    )


class AboutToFire:
    """What whoever judges alerts told last. In memory alone: it comes and goes too often to be put on record."""

    def __init__(self) -> None:
        self._told: tuple[Soon, ...] | None = None

    def tell(self, soon: Iterable[Soon]) -> None:
        """All that is about to fire, instead of what was told before. From any thread."""
        self._told = in_order(soon)

    def __call__(self) -> tuple[Soon, ...] | None:
        """In order; None: nobody has judged."""
        return self._told
