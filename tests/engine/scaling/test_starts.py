"""Starts of journeys, by what the running minute grew by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from maibo_slo.engine.scaling.starts import LONGEST_SECONDS, Starts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_slo.engine.scaling.inputs import Demand

NAME = ("prod", "checkout")
BEGIN = 1_800_000_000.0


def fed(*rates: tuple[float, float], step: float = 3.0, since: float = 0.0) -> Iterator[tuple[float, Demand | None]]:
    """Starts at random, until each of these seconds at so many a second, counted `step` by `step`, each of three calls; looked at twice a second."""
    random = np.random.default_rng(4)
    begun: list[np.ndarray] = []
    before = 0.0
    for until, rate in rates:
        begun.append(random.uniform(before, until, random.poisson(rate * (until - before))))
        before = until
    times = np.concatenate(begun)
    starts = Starts()
    for now in np.arange(since, before, 0.5).tolist():
        counted = times[times < now // step * step]
        minutes, n = np.unique(BEGIN + counted[counted > now - 240] // 60 * 60, return_counts=True)
        known = dict(zip(minutes.astype(int).tolist(), n.tolist(), strict=True))
        starts.look(BEGIN + now, {NAME: known} if known else {})
        yield now, starts.fed({NAME: 3.0})


@pytest.mark.parametrize("step", [0.5, 3.0, 5.0])
def test_steady_starts_are_told_a_little_low_so_calls_count(step: float) -> None:
    told = [each for now, each in fed((300, 20), step=step) if now > 60]
    assert all(each is not None and not each.surge and 40 < each.rate <= 62 for each in told)


def test_nobody_knows_before_looks_have_gone_on_for_long_enough() -> None:
    told = dict(fed((200, 20), since=90.0))
    assert told[90.0] is None
    assert {each is None for now, each in told.items() if now < 90 + LONGEST_SECONDS} == {True}
    assert told[90 + LONGEST_SECONDS + 3.0] is not None


@pytest.mark.parametrize("begin", [118.0, 121.0, 150.0, 178.0])
def test_a_crowd_is_fed_forward_within_seconds_and_falls_with_its_starts(begin: float) -> None:
    told = [(now - begin, each.rate) for now, each in fed((begin, 10), (begin + 60, 100), (begin + 200, 10)) if each]
    assert min(at for at, rate in told if at > 0 and rate > 60) <= 9
    assert min(rate for at, rate in told if 12 < at < 60) > 130
    assert max(rate for at, rate in told) < 1.15 * 300
    assert max(rate for at, rate in told if at > 60 + LONGEST_SECONDS + 4) < 40, "not until its minute is over"


def test_a_drain_that_catches_up_is_no_crowd() -> None:
    starts = Starts()
    minutes: dict[int, int] = {}
    told = []
    for tick in range(400):
        now = BEGIN + 0.5 * tick
        minute = int(now // 60 * 60)
        if not 130 <= 0.5 * tick < 145:
            due = 10 if tick != 290 else 310
            minutes[minute] = minutes.get(minute, 0) + due
        starts.look(now, {NAME: dict(minutes)})
        told.append(starts.fed({NAME: 1.0}))
    assert max(each.rate for each in told if each is not None) < 1.1 * 20


def test_starts_that_are_told_no_more_feed_nothing_forward() -> None:
    told = dict(fed((100, 20), (200, 0)))
    assert told[99.0] is not None
    assert {told[each] for each in (135.0, 160.0, 199.0)} == {None}


def test_a_journey_that_nobody_began_for_long_is_looked_at_all_the_same() -> None:
    told = [(now, each) for now, each in fed((60, 20), (900, 0), (930, 50)) if each is not None and now > 900]
    assert told[0][0] <= 912
    assert max(each.rate for _, each in told) < 1.15 * 150
