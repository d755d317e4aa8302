"""How long the shop's work takes: lognormal, as service times are, and seeded."""

from __future__ import annotations

import asyncio
from random import Random

SIGMA = 0.4
"""P99 is 2.5 times the median."""


class Work:
    """Draws service times for one process."""

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)  # noqa: S311 -- a service time, not a secret

    async def takes(self, median_ms: float) -> None:
        """Be busy for about `median_ms`."""
        await asyncio.sleep(median_ms / 1000 * self.random.lognormvariate(0.0, SIGMA))

    def fails(self, share: float) -> bool:
        """Whether it goes wrong this time."""
        return self.random.random() < share
