"""Counts that other sources than cells offer, until the next tick takes them in.

Whoever asks a Prometheus does so in a thread of its own and must not wait for a tick. What is offered is kept until it is in the ledger: a tick that
fails leaves it here.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.engine.counts import GoodBad

MOST_EVENTS: Final = 2**40
"""Good or bad, of a minute: a year's windows of such add up within 64 bits."""
NO_LATER: Final = 2**32
"""Minutes of the ledger, unix s."""


class Offer(NamedTuple):
    """Raw counts of an SLO, by begin of minute (unix s)."""

    slo: str
    counts: Mapping[int, GoodBad]
    source: str


class Inbox:
    """Thread-safe."""

    def __init__(self) -> None:
        self._offers: list[Offer] = []
        self._lock = threading.Lock()

    def put(self, offer: Offer) -> None:
        """Behind what waits: of several counts of one minute, the last is right."""
        for t, (good, bad) in offer.counts.items():
            # What the ledger cannot hold would make every tick fail: that keeps what it could not write.
            if t % 60 or not 0 <= t < NO_LATER or not (_is_count(good) and _is_count(bad)):
                raise ValueError(
                    f"{offer.slo}: counts are whole and not negative, at most {MOST_EVENTS}, of a minute that begins at a multiple of 60 s: "
                    f"{t}: {good}, {bad}"
                )
        with self._lock:
            self._offers.append(offer)

    def waiting(self) -> tuple[Offer, ...]:
        """What has not been taken in."""
        with self._lock:
            return tuple(self._offers)

    def taken(self, count: int) -> None:
        """The first so many are in the ledger."""
        with self._lock:
            del self._offers[:count]


def _is_count(number: float) -> bool:
    """A source may be careless about types."""
    return 0 <= number <= MOST_EVENTS and number % 1 == 0
