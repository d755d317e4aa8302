"""Starts of journeys, by the 10 s in which these began."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from maibo_slo.engine.scaling.starts import Starts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_slo.engine.scaling.inputs import Demand

NAME = ("prod", "checkout")
BEGIN = 1_800_000_000.0


def fed(
    *rates: tuple[float, float], step: float = 1.0, since: float = 0.0, late: float = 0.0
) -> Iterator[tuple[float, Demand | None]]:
    """Starts at random, until each of these seconds at so many a second, counted `step` by `step` and so `late`, each of three calls; others are heard
    all the time. Looked at twice a second.
    """
    random = np.random.default_rng(4)
    begun: list[np.ndarray] = []
    before = 0.0
    for until, rate in rates:
        begun.append(random.uniform(before, until, random.poisson(rate * (until - before))))
        before = until
    times = np.concatenate(begun)
    starts = Starts()
    for now in np.arange(since, before, 0.5).tolist():
        counted = times[times < (now - late) // step * step]
        begins, n = np.unique(BEGIN + counted[counted > now - 120] // 10 * 10, return_counts=True)
        known = dict(zip(begins.astype(int).tolist(), n.tolist(), strict=True))
        heard = {int(BEGIN + t): 1 for t in range(max(0, int(now - 110) // 10 * 10), int(now - 0.5) + 1, 10)}
        starts.look(BEGIN + now, {NAME: known} if known else {}, of={NAME}, heard=heard)
        yield now, starts.fed({NAME: 3.0})


@pytest.mark.parametrize("step", [0.5, 1.0, 5.0])
def test_steady_starts_are_told_a_little_low_so_calls_count(step: float) -> None:
    told = [each for now, each in fed((300, 20), step=step) if now > 60]
    assert all(each is not None and 40 < each.rate <= 66 for each in told)
    assert np.mean([each.rate for each in told if each is not None]) < 58
    assert sum(each is not None and each.surge for each in told) < 3


def test_what_began_before_the_service_did_is_known_at_once() -> None:
    told = dict(fed((200, 20), since=90.0))
    known = told[90.0]
    assert known is not None
    assert 50 < known.rate <= 60


@pytest.mark.parametrize("begin", [118.0, 121.0, 150.0, 178.0])
def test_a_crowd_is_fed_forward_within_seconds_and_falls_with_its_starts(begin: float) -> None:
    told = [(now - begin, each.rate) for now, each in fed((begin, 10), (begin + 60, 100), (begin + 200, 10)) if each]
    assert min(at for at, rate in told if at > 0 and rate > 60) <= 3
    assert min(rate for at, rate in told if 4 < at < 14) > 130
    assert min(rate for at, rate in told if 24 < at < 60) > 250
    assert max(rate for at, rate in told) < 1.15 * 300
    assert max(rate for at, rate in told if at > 60 + 43) < 40


def test_starts_that_are_told_late_are_no_crowd() -> None:
    """A journey that is one block tells of its begin when it ends."""
    told = [each.rate for now, each in fed((300, 20), late=14.0) if each is not None and now > 40]
    assert max(told) < 1.15 * 60


@pytest.mark.parametrize("paused", [(131, 145), (124, 139), (128, 131)])
def test_a_drain_that_catches_up_is_no_crowd(paused: tuple[int, int]) -> None:
    starts = Starts()
    told = []
    for tick in range(400):
        seconds = 0.5 * tick
        known = paused[0] if paused[0] <= seconds < paused[1] else seconds
        buckets = {int(BEGIN + t): 20 * min(10, int(known) - t) for t in range(0, int(known), 10)}
        newest = {t: n for t, n in buckets.items() if t > BEGIN + seconds - 120}
        starts.look(BEGIN + seconds, {NAME: newest}, of={NAME}, heard=newest)
        told.append(starts.fed({NAME: 1.0}))
    assert max(each.rate for each in told if each is not None) < 1.1 * 20


def test_starts_that_are_told_no_more_feed_nothing_forward() -> None:
    told = dict(fed((100, 20), (200, 0)))
    assert told[99.0] is not None
    assert {told[each] for each in (135.0, 160.0, 199.0)} == {None}


def test_a_journey_that_nobody_began_for_long_is_looked_at_all_the_same() -> None:
    told = [(now, each) for now, each in fed((60, 20), (900, 0), (930, 50)) if each is not None and now > 900]
    assert told[0][0] <= 903
    assert max(each.rate for _, each in told) < 1.15 * 150


def test_of_a_journey_that_no_workload_is_on_the_path_of_nothing_is_told() -> None:
    starts = Starts()
    for tick in range(80):
        now = BEGIN + 0.5 * tick
        begun = {int(BEGIN) + t: 100 for t in range(0, tick // 2, 10)}
        starts.look(now, {NAME: begun, ("prod", "search"): begun}, of={("prod", "search")}, heard=begun)
    assert starts.fed({NAME: 3.0}) is None
    assert starts.fed({("prod", "search"): 3.0, NAME: 1.0}) == starts.fed({("prod", "search"): 3.0})
