"""The queue of a replica: Erlang's formulas where there are any, else a simulation of single requests."""

from __future__ import annotations

import heapq
import math

import numpy as np
import pytest
from benchmarks.autoscaling import service
from benchmarks.autoscaling.service import SIZES, Law, Service


def erlang_c(workers: int, offered: float) -> float:
    """P(a request waits), M/M/k, closed form."""
    last = offered**workers / math.factorial(workers) * workers / (workers - offered)
    return last / (sum(offered**n / math.factorial(n) for n in range(workers)) + last)


def whole(law: Law, state: np.ndarray) -> np.ndarray:
    """What is cut off is empty."""
    return np.concatenate((state, np.zeros(law.states - len(state))))


@pytest.fixture(scope="module")
def law() -> Law:
    return Law(Service())


@pytest.mark.parametrize("load", [0.2, 0.5, 0.65, 0.8, 0.9])
@pytest.mark.parametrize("workers", [1, 4, 9])
def test_the_stationary_law_is_that_of_erlang(workers: int, load: float) -> None:
    law = Law(Service(workers=workers, timeout_seconds=20 / workers))
    stationary = law.stationary(load * law.service.per_second)
    assert stationary[workers:].sum() == pytest.approx(erlang_c(workers, load * workers), rel=1e-6)
    queued = (stationary * np.maximum(np.arange(law.states) - workers, 0)).sum()
    assert queued == pytest.approx(erlang_c(workers, load * workers) * load / (1 - load), rel=1e-4)


@pytest.mark.parametrize("load", [0.5, 0.8, 0.9])
def test_second_by_second_it_comes_to_the_stationary_law(law: Law, load: float) -> None:
    rate = load * law.service.per_second
    state, felt = law.second(law.empty(), rate)
    for _ in range(300):
        state, felt = law.second(state, rate)
    assert state.sum() == pytest.approx(1, abs=1e-9)
    assert np.abs(whole(law, state) - law.stationary(rate)).max() < 1e-6
    assert felt.busy == pytest.approx(load * law.service.workers, rel=1e-6)
    assert felt.missed == pytest.approx(rate * law.missed_share(rate), rel=1e-6)


def test_an_overloaded_replica_loses_what_it_cannot_serve_and_drains_afterwards(law: Law) -> None:
    per_second = law.service.per_second
    state, felt = law.second(law.empty(), 2 * per_second)
    for _ in range(60):
        state, felt = law.second(state, 2 * per_second)
    assert felt.busy == pytest.approx(law.service.workers, abs=1e-6)
    assert felt.missed == pytest.approx(2 * per_second, rel=0.02), "nearly everybody is late"
    assert felt.lost > 0.5 * per_second
    for _ in range(60):
        state, _ = law.second(state, 0.1 * per_second)
    assert np.abs(whole(law, state) - law.stationary(0.1 * per_second)).max() < 1e-6


def test_a_law_that_is_as_long_as_it_has_to_be_says_what_the_whole_one_says(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = Law(Service())
    monkeypatch.setattr(service, "SIZES", ())
    uncut = Law(Service())
    short, long = cut.empty(), uncut.empty()
    lengths, missed = set(), [0.0, 0.0]
    for load in (*[0.4] * 20, *[0.7] * 20, *[1.6] * 5, *[0.3] * 40, *[0.9] * 40):
        rate = load * cut.service.per_second
        short, felt = cut.second(short, rate)
        long, other = uncut.second(long, rate)
        lengths.add(len(short))
        missed = [missed[0] + felt.missed, missed[1] + other.missed]
        assert np.abs(whole(cut, short) - long).max() < 1e-8
    assert lengths == {*SIZES, cut.states}
    assert missed[0] == pytest.approx(missed[1], rel=1e-6)


def by_request(random: np.random.Generator, service: Service, rates: np.ndarray) -> np.ndarray:
    """Share over the SLO by second, of one replica, request for request: first come, first served, nobody leaves."""
    arrivals = np.concatenate(
        [second + np.sort(random.random(random.poisson(rate))) for second, rate in enumerate(rates)]
    )
    spread = math.sqrt(math.log(1 + service.cv**2))
    times = random.lognormal(math.log(service.service_seconds) - spread**2 / 2, spread, len(arrivals))
    free = [0.0] * service.workers
    missed = np.zeros(len(rates))
    for at, takes in zip(arrivals.tolist(), times.tolist(), strict=True):
        begin = max(at, heapq.heappop(free))
        heapq.heappush(free, begin + takes)
        if begin + takes - at > service.slo_seconds:
            missed[int(at)] += 1
    return missed


@pytest.mark.parametrize("load", [0.65, 0.85])
def test_lognormal_services_wait_about_as_the_law_says(law: Law, load: float) -> None:
    rate = load * law.service.per_second
    seconds = 6_000
    missed = by_request(np.random.default_rng(7), law.service, np.full(seconds, rate)).sum() / (rate * seconds)
    assert missed == pytest.approx(law.missed_share(rate), rel=0.2, abs=2e-4)


def test_a_short_overload_is_late_about_as_often_as_request_for_request(law: Law) -> None:
    """Two minutes at 60 %, eight seconds at 130 %, then back: the backlog and its draining."""
    rates = law.service.per_second * np.concatenate((np.full(20, 0.6), np.full(8, 1.3), np.full(32, 0.6)))
    random = np.random.default_rng(3)
    simulated = np.mean([by_request(random, law.service, rates) for _ in range(150)], axis=0)
    state, modelled = law.stationary(rates[0]), []
    for rate in rates.tolist():
        state, felt = law.second(state, rate)
        modelled.append(felt.missed)
    assert sum(modelled) == pytest.approx(simulated.sum(), rel=0.12)
    assert max(modelled) == pytest.approx(simulated.max(), rel=0.2)


def test_the_highest_load_is_where_the_budget_of_late_requests_is_used_up(law: Law) -> None:
    load = law.highest_load(0.005)
    assert law.missed_share(load * law.service.per_second) == pytest.approx(0.005, rel=1e-3)
    assert 0.7 < load < 0.95
