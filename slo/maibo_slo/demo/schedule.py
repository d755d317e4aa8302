"""Who comes to the shop, when, and what for: decided by the seed alone, before anything runs.

Arrivals are open-loop (a slow shop does not slow its customers down) and Poisson: within a phase the gaps are exponential, which
has no memory, so that phases can be drawn one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

REGIONS = ("eu-central", "ap-southeast")
TIERS = ("vip", "standard")
BROWSE, CHECKOUT = "browse", "checkout"

DURATION_SECONDS = 60
"""How long the story takes where nobody says otherwise: the shortest in which the bad release burns SLOs for sure."""
SHARE_OF_CHECKOUTS = 0.4
SHARE_OF_VIPS = 0.25
SHARE_OF_DECLINED_CARDS = 0.001
SHARE_OF_CANCELLED = 0.04
PAUSE_SECONDS = (0.010, 0.060)
"""Between two requests of one customer: short, so that most of a checkout's time is the shop's."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the demo, in seconds since its start, with its rate as a multiple of the ordinary one."""

    name: str
    begin: float
    end: float
    factor: float
    bad_release: bool = False


class Intent(StrEnum):
    """What a customer is going to do, whatever the shop answers."""

    BROWSES = "browses"
    BUYS = "buys"
    CARD_IS_DECLINED = "card is declined"
    CANCELS = "cancels"


@dataclass(frozen=True, slots=True)
class Visit:
    """One customer trying to get one thing done."""

    at: float
    """Seconds since the start."""
    intent: Intent
    tier: str
    region: str
    pauses: tuple[float, float]
    """Seconds before the second and the third request."""

    @property
    def journey(self) -> str:
        """The journey that this visit is, by its name in the documents."""
        return BROWSE if self.intent is Intent.BROWSES else CHECKOUT


def phases(duration: float) -> tuple[Phase, ...]:
    """The demo's story, told in `duration` seconds."""
    told = (
        ("ordinary traffic", 0.25, 1.0, False),
        ("flash sale", 0.15, 10.0, False),
        ("bad release", 0.35, 1.0, True),
        ("rolled back", 0.25, 1.0, False),
    )
    begin = 0.0
    found = []
    for name, share, factor, bad in told:
        end = begin + share * duration
        found.append(Phase(name, begin, end, factor, bad))
        begin = end
    return tuple(found)


def ordinary() -> tuple[Phase, ...]:
    """Ordinary traffic without an end, for ``--keep``."""
    return (Phase("ordinary traffic", 0.0, math.inf, 1.0),)


def visits(during: Sequence[Phase], *, rate: float, seed: int) -> Iterator[Visit]:
    """Visits in the order of their arrival, `rate` a second in ordinary times; the same for the same arguments."""
    random = Random(seed)  # noqa: S311 -- a schedule, not a secret
    for phase in during:
        at = phase.begin
        while (at := at + random.expovariate(rate * phase.factor)) < phase.end:
            yield Visit(
                at=at,
                intent=_intent(random),
                tier=TIERS[0] if random.random() < SHARE_OF_VIPS else TIERS[1],
                region=random.choice(REGIONS),
                pauses=(random.uniform(*PAUSE_SECONDS), random.uniform(*PAUSE_SECONDS)),
            )


def _intent(random: Random) -> Intent:
    if random.random() >= SHARE_OF_CHECKOUTS:
        return Intent.BROWSES
    drawn = random.random()
    if drawn < SHARE_OF_DECLINED_CARDS:
        return Intent.CARD_IS_DECLINED
    return Intent.CANCELS if drawn < SHARE_OF_DECLINED_CARDS + SHARE_OF_CANCELLED else Intent.BUYS
