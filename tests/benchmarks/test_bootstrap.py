"""A difference is told with how sure it is."""

from __future__ import annotations

import numpy as np
from benchmarks.autoscaling.bootstrap import difference


def test_a_steady_difference_is_sure_and_summed_right() -> None:
    random = np.random.default_rng(1)
    other = random.random(48 * 3600)
    found = difference([other - 0.1], [other], seed=1)
    assert found.is_less
    assert found.total == np.float64(found.total)
    assert abs(found.total + 0.1 * len(other)) < 1e-6


def test_noise_of_a_single_bad_hour_is_not_sure() -> None:
    ours, theirs = np.zeros(48 * 3600), np.zeros(48 * 3600)
    theirs[7_200:7_300] = 5.0
    found = difference([ours], [theirs], seed=1)
    assert found.total < 0
    assert not found.is_less, "without that hour nothing is left"


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(2)
    covered = 0
    for draw in range(100):
        hours = random.normal(1.0, 3.0, 60)
        found = difference([np.repeat(hours / 3600, 3600)], [np.zeros(60 * 3600)], seed=draw, draws=400)
        covered += found.lower <= 60 <= found.upper
    assert 0.88 <= covered / 100 <= 0.99


def test_an_hour_is_cut_into_shorter_blocks_and_the_seed_decides() -> None:
    values = np.random.default_rng(3).random(3600)
    one, same, other = (difference([values], [values[::-1]], seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one.lower != other.lower
    assert one.lower < one.total < one.upper or one.total == 0
