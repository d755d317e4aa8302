"""Counts that other sources than cells offer, until the next tick takes them in.

Whoever asks a Prometheus does so in a thread of its own and must not wait for a tick. What is offered is kept until it is in the ledger: a tick that
fails leaves it here.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.engine.counts import GoodBad


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
            if t % 60 or t < 0 or good < 0 or bad < 0:
                raise ValueError(
                    f"{offer.slo}: counts are not negative, of a minute that begins at a multiple of 60 s: {t}: {good}, {bad}"
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
