"""Whether a difference between two strategies is real: both met the same arrivals, so it is known for each block of time, and blocks are drawn anew.

A paired block bootstrap (Kunsch 1989): what happens in one block (a flash crowd and its backlog) is kept together; blocks are drawn with replacement,
the same ones for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

BLOCK_SECONDS: Final = 3_600
FEWEST_BLOCKS: Final = 12
"""A short trace has shorter blocks instead of fewer."""
DRAWS: Final = 4_000


@dataclass(frozen=True, slots=True)
class Difference:
    """Of a sum: this strategy's less the other's."""

    total: float
    lower: float
    upper: float
    """95 % of draws are between."""

    @property
    def is_less(self) -> bool:
        return self.upper < 0

    @property
    def is_more(self) -> bool:
        return self.lower > 0


def difference(ours: Sequence[Vector], theirs: Sequence[Vector], *, seed: int, draws: int = DRAWS) -> Difference:
    """Of two series by second, of the same windows in the same order."""
    seconds = sum(len(each) for each in ours)
    length = min(BLOCK_SECONDS, max(1, seconds // FEWEST_BLOCKS))
    blocks = np.concatenate([_blocks(mine - other, length) for mine, other in zip(ours, theirs, strict=True)])
    random = np.random.default_rng([seed, 4])
    drawn = random.integers(len(blocks), size=(draws, len(blocks)))
    totals = blocks[drawn].sum(axis=1)
    lower, upper = np.quantile(totals, [0.025, 0.975])
    return Difference(float(blocks.sum()), float(lower), float(upper))


def _blocks(values: Vector, length: int) -> Vector:
    begins = np.arange(0, len(values), length)
    return np.asarray(np.add.reduceat(values, begins))
