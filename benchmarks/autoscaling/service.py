"""A replica as a queue: a few workers, first come first served, and customers who wait only so long.

Requests are spread at random over the ready replicas, so each is a queue of its own, and all have the same law: how likely a replica has i requests
in it. That law is carried from second to second by the exact transition matrix of an M/M/k queue of bounded length, so backlog, its draining after
pods came, and fresh pods that begin empty are all in it, and nothing is assumed to be stationary. A request's own service time is lognormal: what it
takes in all is its wait (a sum of exponential services ahead of it) plus that. With service times as variable as exponential ones (`cv` 1) an M/G/k
queue waits as an M/M/k does (Kimura 1994); ``tests/benchmarks`` holds this to a simulation of single requests, and the M/M/k to Erlang's formula.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

FINE: Final = 100
"""Loads are rounded to so many parts of a replica's capacity, up to `FINE_UP_TO` of it, ..."""
FINE_UP_TO: Final = 1.5
COARSE: Final = 0.02
"""... beyond to steps of two percent."""
GRID_SECONDS: Final = 0.001
"""Of durations."""
SIZES: Final = (48, 80)
"""A queue that is never fuller is reckoned with so few requests: most seconds are, and the matrices are a seventh."""
NEGLIGIBLE: Final = 1e-9
"""How likely more may be: of late requests that is a part in a million."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a replica is."""

    workers: int = 4
    """Requests that it serves at once."""
    service_seconds: float = 0.1
    """Mean."""
    cv: float = 1.0
    """Standard deviation over mean."""
    slo_seconds: float = 1.0
    timeout_seconds: float = 3.0
    """Who has no answer by then has gone: a lost order."""

    @property
    def per_second(self) -> float:
        """Calls a second that a replica serves when never idle."""
        return self.workers / self.service_seconds


class Second(NamedTuple):
    """What one second brought, of a replica."""

    busy: float
    """Workers at work, on average."""
    missed: float
    """Requests that came and will take longer than the SLO's threshold, lost ones among them."""
    lost: float
    """Requests that came and will have no answer in time."""


class Law:
    """The laws of one kind of replica: transition matrices by load, made when first asked for."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.states = service.workers + math.ceil(service.per_second * service.timeout_seconds) + 1
        sizes = [each for each in SIZES if each < self.states]
        self._smaller = dict(zip([*sizes[1:], self.states], sizes, strict=True)) if sizes else {}
        self._larger = {smaller: size for size, smaller in self._smaller.items()}
        self._steps: dict[tuple[int, int], Vector] = {}

    def empty(self) -> Vector:
        law = np.zeros(self.states)
        law[0] = 1.0
        return law

    def second(self, law: Vector, rate: float) -> tuple[Vector, Second]:
        """The law a second later, at so many calls a second for each replica, and what happened meanwhile.

        A law is as long as it has to be: what is beyond its end is empty, but for `NEGLIGIBLE`.
        """
        size = len(law)
        done = law @ self._step(rate, size)
        after = done[:size]
        larger, smaller = self._larger.get(size), self._smaller.get(size)
        if larger is not None and after[-1] > NEGLIGIBLE:
            return self.second(np.concatenate((law, np.zeros(larger - size))), rate)
        if smaller is not None and after[smaller] < NEGLIGIBLE and float(after[smaller:].sum()) < NEGLIGIBLE / 100:
            after = after[:smaller]
        return after, Second(*done[size:].tolist())

    def stationary(self, rate: float) -> Vector:
        """By Erlang: what the law comes to when the rate stays."""
        number = np.arange(1, self.states)
        log = np.cumsum(np.log(rate / self._deaths[number])) if rate > 0 else np.full(self.states - 1, -np.inf)
        law = np.exp(np.concatenate(([0.0], log)) - max(0.0, float(log.max())))
        return np.asarray(law / law.sum())

    def missed_share(self, rate: float) -> float:
        """Of requests, over the SLO's threshold, when the rate stays."""
        return float(self.stationary(rate) @ self.over(self.service.slo_seconds))

    def highest_load(self, missed_share: float) -> float:
        """Of the capacity, at which no more miss the threshold than this."""
        low, high = 0.0, 1.0
        for _ in range(40):
            middle = (low + high) / 2
            if self.missed_share(middle * self.service.per_second) <= missed_share:
                low = middle
            else:
                high = middle
        return low

    def over(self, seconds: float) -> Vector:
        """By requests in the replica when one comes: how likely it takes longer than `seconds`."""
        rate = self.service.per_second
        grid: Vector = (np.arange(round(seconds / GRID_SECONDS), dtype=np.float64) + 0.5) * GRID_SECONDS
        left = self._served_later(seconds - grid)
        over = np.empty(self.states)
        over[: self.service.workers] = self._served_later(np.array([seconds]))[0]
        log_density = (
            math.log(rate) - rate * grid
        )  # of the wait until one of the workers is free: Erlang, of one service
        later = np.exp(-rate * seconds)  # P(wait > seconds), of the Poisson number of ends
        term = later
        for ahead in range(self.states - self.service.workers):
            if ahead:
                log_density = log_density + np.log(rate * grid / ahead)
                term = term * rate * seconds / ahead
                later += term
            over[self.service.workers + ahead] = later + float(np.exp(log_density) @ left) * GRID_SECONDS
        over[-1] = 1.0
        return np.minimum(over, 1.0)

    def _served_later(self, seconds: Vector) -> Vector:
        """P(a service takes longer)."""
        spread = math.sqrt(math.log(1 + self.service.cv**2))
        middle = math.log(self.service.service_seconds) - spread**2 / 2
        with np.errstate(divide="ignore"):
            z = (np.log(np.maximum(seconds, 0)) - middle) / (spread * math.sqrt(2))
        return np.array([0.5 * math.erfc(each) for each in z])

    @cached_property
    def _deaths(self) -> Vector:
        number = np.arange(self.states)
        return np.minimum(number, self.service.workers) / self.service.service_seconds

    @cached_property
    def _worth(self) -> Vector:
        """By state: workers at work, and what a request that comes then is in for (missed, lost)."""
        busy = np.minimum(np.arange(self.states), self.service.workers).astype(float)
        over_slo, over_timeout = self.over(self.service.slo_seconds), self.over(self.service.timeout_seconds)
        return np.stack([busy, over_slo, over_timeout], axis=1)

    def _step(self, rate: float, size: int) -> Vector:
        load = rate / self.service.per_second
        if load < FINE_UP_TO:
            index = round(load * FINE)
            rounded = index / FINE
        else:
            beyond = min(round(math.log(load / FINE_UP_TO) / COARSE), 200)
            index, rounded = round(FINE_UP_TO * FINE) + beyond, FINE_UP_TO * math.exp(beyond * COARSE)
        step = self._steps.get((index, size))
        if step is None:
            step = self._steps[index, size] = self._made(rounded * self.service.per_second, size)
        return step

    def _made(self, rate: float, size: int) -> Vector:
        """exp of the generator over one second, beside it the integral of what each state is worth: one exponential gives both."""
        births = np.full(size, rate)
        births[-1] = 0.0
        generator = np.zeros((size + 3, size + 3))
        inner = generator[:size, :size]
        deaths = self._deaths[:size]
        inner += np.diag(births[:-1], 1) + np.diag(deaths[1:], -1) - np.diag(births + deaths)
        worth = self._worth[:size] * np.array([1.0, rate, rate])
        generator[:size, size:] = worth
        halvings = max(0, math.ceil(math.log2(2 * (rate + self.service.per_second))))
        small = generator / 2.0**halvings
        power = np.eye(size + 3) + small
        term = small
        for order in range(2, 12):
            term = term @ small / order
            power += term
        for _ in range(halvings):
            power = power @ power
        return np.ascontiguousarray(power[:size])
