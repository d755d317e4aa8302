"""How long scale-ups took, as the service's `Learner` finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_slo.engine import lifetimes
from maibo_slo.engine.scaling.inputs import Lead
from maibo_slo.engine.scaling.learning import ASSUMED_LEAD_SECONDS, FEWEST_SCALEUPS, MOST_SCALEUPS

if TYPE_CHECKING:
    from collections.abc import Sequence

ASSUMED: Final = Lead(ASSUMED_LEAD_SECONDS, "assumed")


def measured(lasted: Sequence[tuple[float, bool]], what: str = "scale-ups") -> Lead | None:
    """The P90 of the newest of them: (seconds, whether it was done then). None: too few were seen."""
    lasted = lasted[-MOST_SCALEUPS:]
    if len(lasted) < FEWEST_SCALEUPS:
        return None
    seconds, done = zip(*lasted, strict=True)
    [found] = lifetimes.quantiles(seconds, done, [0.9])
    if found is None:
        return Lead(min(max(ASSUMED_LEAD_SECONDS, *seconds), lifetimes.LONGEST_LEAD_SECONDS), "at least")
    return Lead(min(found, lifetimes.LONGEST_LEAD_SECONDS), f"P90 of {len(lasted)} {what}")
