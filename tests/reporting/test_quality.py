"""When a burn began, which pages were worth it, and what no alert was about: against cases that can be worked out by hand."""

import numpy as np
import pytest

from maibo_slo.reporting.quality import Fired, Sums, quality
from maibo_slo.store.past import Series

BEGIN = 1_767_225_600
DAY = 86_400
WINDOW_BUDGET = 43_200.0  # 30 days of 1,000 a minute at 99.9 %


def minutes(count: int, bad: dict[range, int], *, per_minute: int = 1000, noise: int = 0) -> Series:
    spoilt = np.full(count, 0, dtype=np.int64)
    spoilt[::2] = noise
    for stretch, n in bad.items():
        spoilt[list(stretch)] = n
    return Series(BEGIN + 60 * np.arange(count, dtype=np.int64), per_minute - spoilt, spoilt)


def began(series: Series, minute: int) -> int | None:
    found = Sums(series, target=0.999).began(BEGIN + minute * 60, not_before=0)
    return None if found is None else (found - BEGIN) // 60


@pytest.mark.parametrize(
    ("stretch", "share", "fired"),
    [(range(600, 610), 1000, 601), (range(600, 640), 150, 606), (range(600, 1200), 5, 900), (range(600, 800), 20, 644)],
    ids=["outage", "bad release", "slow burn", "degraded"],
)
@pytest.mark.parametrize("noise", [0, 1], ids=["quiet", "with noise below the budget"])
def test_a_burn_began_in_its_first_bad_minute(stretch: range, share: int, fired: int, noise: int) -> None:
    assert began(minutes(1440, {stretch: share}, noise=noise), fired) == 600


def test_of_slices_a_burn_began_with_the_first_bad_one() -> None:
    t = BEGIN + 300 * np.arange(288, dtype=np.int64) + 240  # a slice stands in its last minute
    bad = np.where(np.arange(288) == 100, 1, 0).astype(np.int64)
    sums = Sums(Series(t, 1 - bad, bad), target=0.999, slice_seconds=300)
    assert sums.began(BEGIN + 101 * 300 + 5, not_before=0) == BEGIN + 100 * 300


def test_noise_near_the_budget_is_not_the_begin() -> None:
    random = np.random.default_rng(7)
    bad = random.binomial(1000, 0.0008, 1440)
    bad[600:640] = 150
    series = Series(BEGIN + 60 * np.arange(1440, dtype=np.int64), 1000 - bad, bad)
    assert began(series, 606) == 600


def test_a_burn_that_paused_for_an_hour_is_another_one() -> None:
    series = minutes(1440, {range(300, 302): 1000, range(600, 610): 1000})
    assert began(series, 601) == 600


def test_flapping_is_one_burn() -> None:
    series = minutes(1440, {range(start, start + 5): 300 for start in range(600, 720, 15)})
    assert began(series, 690) == 600


def test_without_anything_bad_nothing_began() -> None:
    assert began(minutes(1440, {}), 700) is None


def judged(series: Series, *fired: tuple[str, int, int]):
    alerts = [Fired(severity, BEGIN + first * 60, BEGIN + last * 60) for severity, first, last in fired]
    return quality(series, alerts, target=0.999, window_budget=WINDOW_BUDGET, begin=BEGIN, end=BEGIN + DAY)


def test_pages_are_judged_by_what_really_burnt() -> None:
    series = minutes(1440, {range(600, 610): 1000, range(900, 902): 2})
    told = judged(series, ("page", 601, 615), ("page", 905, 910), ("ticket", 610, 800))
    # The second page was about four bad events among ten thousand: 0.4 times the budget.
    assert (told.pages, told.precise_pages, told.tickets, told.precision) == (2, 1, 1, 0.5)
    assert told.detect_seconds[0] == 60
    assert told.spent_outside == 0


def test_what_no_alert_was_about_is_told() -> None:
    series = minutes(1440, {range(600, 610): 900, range(100, 110): 100})
    assert judged(series, ("page", 601, 615)).spent_outside == pytest.approx(0.1)
    assert judged(minutes(1440, {}), ("page", 601, 615)).spent_outside is None


def test_overlapping_alerts_count_once() -> None:
    series = minutes(1440, {range(600, 610): 500, range(1000, 1010): 500})
    told = judged(series, ("page", 601, 620), ("ticket", 605, 700))
    assert told.spent_outside == pytest.approx(0.5)


def test_alerts_before_the_period_are_not_its_own() -> None:
    series = minutes(1440, {range(600, 610): 500})
    told = quality(
        series,
        [Fired("page", BEGIN + 601 * 60, BEGIN + 620 * 60)],
        target=0.999,
        window_budget=WINDOW_BUDGET,
        begin=BEGIN + 605 * 60,
        end=BEGIN + DAY,
    )
    assert (told.pages, told.spent_outside) == (0, 0)
