"""How sure a share of bad events is, when there are few: Jeffreys' credible interval of a binomial share.

Three failures among ten requests and 3,000 among 10,000 are the same burn rate, but not the same news. After `bad` of `events`, Jeffreys'
prior gives the true share the distribution Beta(bad + 1/2, good + 1/2). That the lower bound of its credible interval is above a limit is
the same as that the distribution has less than the interval's tail below that limit, so judging searches for no bound; showing does.

Beta's distribution function is the regularized incomplete beta function, by its continued fraction (DLMF 8.17.22), evaluated with Lentz's
method; good to nine digits for up to a million events. Its quantile is searched for by Newton's method between bounds. That costs some 0.1 ms,
too much for every burn rate of thousands of objectives; where there are many events, limits of the distribution take its place, good to
a thousandth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Final

_TINY: Final = 1e-300
_ENOUGH: Final = 1e-12
_ENOUGH_OF_A_QUANTILE: Final = 1e-9
_MOST_STEPS: Final = 200
_MOST_TERMS: Final = 10_000
"""The fraction needs some sqrt(events) terms."""
LEVEL: Final = 0.95
"""Of the intervals that are shown."""
MANY: Final = 10_000
"""From so many events on, few bad ones (fewer than `FEW`) follow Poisson's law."""
FEW: Final = 100
"""From so many bad events on (and as many good ones), their share is nearly normal."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The true share of bad events lies within, with a probability of `LEVEL`."""

    lower: float
    upper: float


@lru_cache(maxsize=65_536)
def credible_interval(bad: float, events: float) -> Interval | None:
    """Of the share of bad events, with equal tails; None without events. All good leaves 0 possible, all bad 1.

    >>> few = credible_interval(3, 10)
    >>> round(few.lower, 3), round(few.upper, 3)
    (0.093, 0.606)
    """
    if events <= 0:
        return None
    tail = (1 - LEVEL) / 2
    return Interval(
        lower=0.0 if bad <= 0 else share_below(tail, bad=bad, events=events),
        upper=1.0 if bad >= events else share_below(1 - tail, bad=bad, events=events),
    )


def share_below(probability: float, *, bad: float, events: float) -> float:
    """The share that the true one is below, with this probability."""
    good = events - bad
    if good < bad:
        return 1 - share_below(1 - probability, bad=good, events=events)
    if bad >= FEW:
        return _nearly_normal(probability, bad + 0.5, good + 0.5)
    if events <= MANY:
        return beta_quantile(probability, bad + 0.5, good + 0.5)
    # Beta(a, b) comes to Gamma(a) / (b + (a - 1) / 2): what it is at `MANY` events tells what it is at more.
    at_many = beta_quantile(probability, bad + 0.5, MANY - bad + 0.5)
    gamma = at_many * (MANY - bad / 2) / (1 - at_many / 2)
    return gamma / (events - bad / 2 + gamma / 2)


def _nearly_normal(probability: float, a: float, b: float) -> float:
    """Abramowitz and Stegun 26.5.22."""
    y = -NormalDist().inv_cdf(probability)
    h = 2 / (1 / (2 * a - 1) + 1 / (2 * b - 1))
    flat = (y * y - 3) / 6
    w = y * math.sqrt(h + flat) / h - (1 / (2 * b - 1) - 1 / (2 * a - 1)) * (flat + 5 / 6 - 2 / (3 * h))
    return a / (a + b * math.exp(2 * w))


@lru_cache(maxsize=4096)
def beta_quantile(probability: float, a: float, b: float) -> float:
    """Below what a Beta(a, b) variable is with this probability, in (0, 1)."""
    low, high = 0.0, 1.0
    constant = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    x = a / (a + b)
    for _ in range(_MOST_STEPS):
        off = beta_below(x, a, b) - probability
        low, high = (low, x) if off > 0 else (x, high)
        density = math.exp(constant + (a - 1) * math.log(x) + (b - 1) * math.log1p(-x))
        after = x - off / density if density > _TINY else (low + high) / 2
        if not low < after < high:
            after = (low + high) / 2
        if abs(after - x) <= _ENOUGH_OF_A_QUANTILE * after:
            return after
        x = after
    return x


def probability_above(share: float, *, bad: float, events: float) -> float:
    """The probability that the true share of bad events is above `share`, after `bad` of `events`.

    >>> round(probability_above(0.0144, bad=3, events=10), 4), round(probability_above(0.0144, bad=0, events=10), 4)
    (0.9999, 0.5855)
    """
    return 1 - beta_below(share, bad + 0.5, events - bad + 0.5)


def beta_below(x: float, a: float, b: float) -> float:
    """The probability that a Beta(a, b) variable is at most `x`.

    >>> round(beta_below(0.5, 2, 2), 12)
    0.5
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):  # there the fraction converges fast; elsewhere its mirror image does
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """1 / (1 + d1 / (1 + d2 / (1 + ...))), from the front."""
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = value
        for term in (even, odd):
            d = 1 / _not_zero(1 + term * d)
            c = _not_zero(1 + term / c)
            value *= c * d
        if abs(value - before) < _ENOUGH * abs(value):
            break
    return value


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
