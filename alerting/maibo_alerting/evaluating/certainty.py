"""How sure a share of bad events is, when there are few: Jeffreys' credible interval of a binomial share.

Three failures among ten requests and 3,000 among 10,000 are the same burn rate, but not the same news. After `bad` of `events`, Jeffreys'
prior gives the true share the distribution Beta(bad + 1/2, good + 1/2). That the lower bound of its credible interval is above a limit is
the same as that the distribution has less than the interval's tail below that limit, so no bound is ever searched for.

Beta's distribution function is the regularized incomplete beta function, by its continued fraction (DLMF 8.17.22), evaluated with Lentz's
method; good to nine digits for up to a million events.
"""

from __future__ import annotations

import math
from typing import Final

_TINY: Final = 1e-300
_ENOUGH: Final = 1e-12
_MOST_TERMS: Final = 10_000
"""The fraction needs some sqrt(events) terms."""


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
