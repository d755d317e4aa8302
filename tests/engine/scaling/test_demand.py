"""Demand from counts of 10 s buckets, looked at twice a second."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maibo_slo.engine.scaling import poisson
from maibo_slo.engine.scaling.arrivals import TIMING_SECONDS
from maibo_slo.engine.scaling.demand import (
    BUCKET_SECONDS,
    FEWEST_CALLS,
    SURE_Z,
    SURGE_SPANS,
    WHOLE_BUCKETS,
    DemandEstimator,
)
from maibo_slo.engine.scaling.loop import LEAST_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maibo_slo.engine.scaling.inputs import Demand

BEGIN = 1_000_000.0
LOOK = 0.5


class Arriving:
    """Calls that end at random, and come `delay` s later, in what a drain brings each `rest` s."""

    def __init__(self, *rates: tuple[float, float], delay: float = 0.3, rest: float = 0.2, seed: int = 1) -> None:
        """`rates`: (until, calls a second), seconds since `BEGIN`."""
        random = np.random.default_rng(seed)
        ends: list[np.ndarray] = []
        since = 0.0
        for until, rate in rates:
            ends.append(random.uniform(since, until, random.poisson(rate * (until - since))))
            since = until
        self.ends = np.sort(np.concatenate(ends)) + BEGIN
        self.come = np.ceil((self.ends + delay) / rest) * rest

    def paused(self, begin: float, end: float) -> Arriving:
        """The same, but nothing comes in between; then all of it at once."""
        within = (self.come >= BEGIN + begin) & (self.come < BEGIN + end)
        self.come[within] = BEGIN + end
        return self

    def counts(self, now: float) -> dict[int, int]:
        seen = self.ends[(self.come <= now) & (self.ends > now - 120)]
        buckets, calls = np.unique((seen // 10 * 10).astype(int), return_counts=True)
        return dict(zip(buckets.tolist(), calls.tolist(), strict=True))

    def looks(self, estimator: DemandEstimator, begin: float, end: float) -> Iterator[tuple[float, Demand | None]]:
        for now in np.arange(BEGIN + begin, BEGIN + end, LOOK).tolist():
            yield now - BEGIN, estimator.look(now, self.counts(now))


def rates(found: Sequence[tuple[float, Demand | None]]) -> list[float]:
    return [demand.rate for _, demand in found if demand is not None]


def test_nothing_seen_is_not_known() -> None:
    assert DemandEstimator().look(BEGIN, {}) is None


def test_a_constant_demand_is_told_from_whole_buckets() -> None:
    found = list(Arriving((200, 100)).looks(DemandEstimator(), 60, 190))
    assert rates(found) == pytest.approx([100] * len(found), rel=0.15)
    last = found[-1][1]
    assert last is not None
    assert (last.seconds, last.surge) == (30.0, False)
    assert last.calls == pytest.approx(3000, rel=0.1)


@pytest.mark.parametrize(("rate", "seconds"), [(0.2, 900), (3, 900), (50, 600), (1000, 150)])
def test_a_constant_demand_is_never_a_surge(rate: float, seconds: int) -> None:
    found = list(Arriving((seconds, rate), seed=7).looks(DemandEstimator(), 40, seconds - 10))
    assert not [at for at, demand in found if demand is not None and demand.surge]


@pytest.mark.parametrize("rate", [0.2, 0.5, 1, 2, 3, 5, 10, 50, 300])
def test_of_steady_demand_fewer_than_two_surges_a_day_begin_by_chance(rate: float) -> None:
    """At the most, as looks that lie together begin one: over all that the whole buckets may have told, how likely the rarer of the two spans is."""
    told = chances(rate * WHOLE_BUCKETS * BUCKET_SECONDS)
    rarest = np.ones(len(told))
    for seconds in SURGE_SPANS:
        reached = np.append(np.cumsum(chances(rate * seconds)[::-1])[::-1], 0.0)
        sure = np.array([poisson.lower(calls, SURE_Z) for calls in range(2 * len(reached) + 200)])
        steady = np.arange(len(told)) / (WHOLE_BUCKETS * BUCKET_SECONDS) * (seconds + TIMING_SECONDS)
        calls = np.maximum(np.searchsorted(sure, steady, side="right"), FEWEST_CALLS)
        rarest = np.minimum(rarest, reached[np.minimum(calls, len(reached) - 1)])
    looks = 86_400 / LEAST_SECONDS
    assert looks * float(told @ rarest) < 2


def chances(mean: float) -> np.ndarray:
    """Of 0, 1, 2... calls, where so many are expected."""
    calls = np.arange(int(mean + 12 * math.sqrt(mean) + 40))
    return np.exp(calls * math.log(mean) - mean - np.array([math.lgamma(each + 1) for each in calls]))


@pytest.mark.parametrize("begin", [100.0, 103.5, 107.0, 109.5])
def test_a_flash_crowd_is_seen_within_two_seconds(begin: float) -> None:
    arriving = Arriving((begin, 100), (200, 600))
    found = list(arriving.looks(DemandEstimator(), 40, 160))
    assert max(each.rate for at, each in found if each is not None and at < begin) < 130
    first = min(at for at, each in found if each is not None and each.rate > 170)
    assert first - begin <= 2.0
    later = [(at - begin, each.rate) for at, each in found if each is not None and begin + 3 <= at]
    assert min(rate for _, rate in later) > 400, "and it is told until whole buckets bear it out"
    assert [rate for at, rate in later if at > 23] == pytest.approx(
        [600] * len([at for at, _ in later if at > 23]), rel=0.1
    )


@pytest.mark.parametrize("rest", [0.2, 1.0])
def test_a_second_crowd_is_seen_as_soon_as_the_first(rest: float) -> None:
    """The first must not count as clumps, which would hide the next."""
    arriving = Arriving((100, 5), (104, 80), (150, 5), (154, 80), (200, 5), rest=rest)
    found = list(arriving.looks(DemandEstimator(), 40, 190))
    for begin in (100, 150):
        first = min(at for at, each in found if each is not None and each.rate > 15 and at >= begin)
        assert first - begin <= 2.0 + rest
        held = [each.rate for at, each in found if each is not None and begin + 2.5 + rest <= at <= begin + 4]
        assert min(held) > 40


def test_a_crowd_that_leaves_is_dropped_by_whole_buckets() -> None:
    found = list(Arriving((100, 100), (103, 800), (200, 100)).looks(DemandEstimator(), 40, 190))
    assert max(rates(found)) > 400
    assert max(each.rate for at, each in found if each is not None and at > 145) < 130


@pytest.mark.parametrize("pause", [1.0, 1.9, 3.0, 8.0, 15.0])
def test_a_drain_that_catches_up_is_no_surge(pause: float) -> None:
    arriving = Arriving((300, 100)).paused(100, 100 + pause)
    found = list(arriving.looks(DemandEstimator(), 40, 290))
    assert max(rates(found)) < 150


def test_late_counts_raise_nothing() -> None:
    estimator = DemandEstimator()
    arriving = Arriving((300, 100))
    list(arriving.looks(estimator, 40, 120))
    counts = arriving.counts(BEGIN + 120)
    older, within = int(BEGIN) + 60, int(BEGIN) + 90
    demand = estimator.look(BEGIN + 120, {**counts, older: counts[older] + 5_000})
    assert demand is not None
    assert demand.rate < 130
    counts = arriving.counts(BEGIN + 120.5)
    averaged = estimator.look(BEGIN + 120.5, {**counts, within: counts[within] + 3_000})
    assert averaged is not None
    assert not averaged.surge
    assert averaged.rate == pytest.approx(200, rel=0.1), "over all of the 30 s that they came in"


def test_exporters_that_send_in_clumps_are_no_surge() -> None:
    found = list(Arriving((600, 40), rest=5.0).looks(DemandEstimator(), 40, 590))
    settled = [each for at, each in found if each is not None and at > 100]
    assert max(each.rate for each in settled) < 70


def test_samples_make_a_surge_less_sure() -> None:
    surges = []
    for weight in (1.0, 200.0):
        estimator = DemandEstimator()
        arriving = Arriving((100, 100), (200, 300))
        times = np.arange(BEGIN + 40, BEGIN + 104, LOOK).tolist()
        looks = [estimator.look(now, arriving.counts(now), weight=weight) for now in times]
        surges.append(any(each.surge for each in looks if each is not None))
    assert surges == [True, False]


def test_its_age_is_that_of_the_newest_counts() -> None:
    estimator = DemandEstimator()
    arriving = Arriving((100, 100))
    list(arriving.looks(estimator, 40, 104))
    counts = arriving.counts(BEGIN + 104)
    for now in (110.0, 130.0, 150.0):
        demand = estimator.look(BEGIN + now, counts)
        assert demand is not None
        assert demand.observed_at == pytest.approx(BEGIN + 100, abs=1.0)
        assert demand.rate == pytest.approx(100, rel=0.2), "no counts are not no calls"
    assert estimator.look(BEGIN + 400, counts) is None


def buckets(begin: float, end: float) -> set[int]:
    return set(range(int(BEGIN + begin), int(BEGIN + end), 10))


def test_silence_is_zero_where_the_target_says_so_and_others_are_heard() -> None:
    estimator = DemandEstimator(silence_is_zero=True, max_age_seconds=30)
    counts = {int(BEGIN): 50}
    assert estimator.look(BEGIN + 10, counts, others=buckets(0, 10)) is not None
    silent = estimator.look(BEGIN + 58, counts, others=buckets(0, 60))
    assert silent is not None
    assert (silent.rate, silent.observed_at, silent.calls) == (0.0, BEGIN + 58, 0)
    nobody = estimator.look(BEGIN + 100, counts, others=buckets(0, 60))
    assert nobody is not None
    assert nobody.observed_at == BEGIN + 10, "it is as old as what was heard last"


def test_a_dead_collector_is_no_silence() -> None:
    """Its services call every 25 s, others more often; all ends at once."""
    estimator = DemandEstimator(silence_is_zero=True, max_age_seconds=60)
    counts = {int(BEGIN) + at: 50 for at in (0, 20, 50, 70)}
    for now in range(80, 190, 5):
        demand = estimator.look(BEGIN + now, counts, others=buckets(0, min(now, 100)))
        assert demand is not None
        assert (demand.rate > 0, demand.observed_at) == (True, BEGIN + 80)


def test_after_a_restart_the_first_that_are_heard_do_not_make_the_others_silent() -> None:
    estimator = DemandEstimator(silence_is_zero=True, max_age_seconds=60)
    assert estimator.look(BEGIN + 2, {}, others=buckets(-300, -130) | {int(BEGIN)}) is None
    assert estimator.look(BEGIN + 25, {}, others=buckets(-300, -130) | buckets(0, 30)) is None
    silent = estimator.look(BEGIN + 60, {}, others=buckets(0, 70))
    assert silent is not None
    assert silent.rate == 0


@pytest.mark.parametrize("lag", [5.0, 12.0, 25.0])
def test_a_drain_that_lags_is_in_the_middle_of_its_newest_bucket(lag: float) -> None:
    found = list(Arriving((300, 100), delay=lag).looks(DemandEstimator(), 60, 190))
    assert min(rates(found)) > 90


def test_a_collector_that_was_away_leaves_no_data_and_not_no_calls() -> None:
    arriving = Arriving((300, 100))
    arriving.come[(arriving.ends > BEGIN + 95) & (arriving.ends < BEGIN + 143)] = np.inf
    found = list(arriving.looks(DemandEstimator(), 60, 290))
    assert min(rates(found)) > 80
    anew = list(arriving.looks(DemandEstimator(), 145, 290))
    assert min(rates(anew)) > 80


def test_where_others_are_heard_no_calls_are_none() -> None:
    calls = {int(BEGIN): 100, int(BEGIN) + 10: 100, int(BEGIN) + 40: 3}
    demand = DemandEstimator().look(BEGIN + 55, calls, others=buckets(0, 60))
    assert demand is not None
    assert demand.rate == pytest.approx(3 / 30)


def test_a_span_of_tomorrow_is_neither_the_newest_nor_counted() -> None:
    estimator, arriving = DemandEstimator(), Arriving((300, 100))
    list(arriving.looks(estimator, 60, 100))
    for now in np.arange(BEGIN + 100, BEGIN + 190, LOOK).tolist():
        demand = estimator.look(now, {**arriving.counts(now), int(BEGIN) + 86_400: 1_000})
        assert demand is not None
        assert now - demand.observed_at < 2
        assert demand.rate < 130
    assert DemandEstimator().look(BEGIN, {int(BEGIN) + 10 * at: 1_000 for at in range(1, 9)}) is None


def test_a_clock_that_was_set_back_does_not_live_the_past_again() -> None:
    estimator, arriving = DemandEstimator(), Arriving((5_000, 100))
    list(arriving.looks(estimator, 4_000, 4_010))
    every = dict.fromkeys(sorted(buckets(0, 4_010)), 1_000)
    ages = []
    for now in range(1_000, 1_100, 2):
        every[int(BEGIN) + 4_000 + (now - 1_000) // 10 * 10] = 1_000 + now
        demand = estimator.look(BEGIN + now, {t: n for t, n in every.items() if t > BEGIN + now - 120})
        assert demand is not None
        ages.append(BEGIN + now - demand.observed_at)
    assert ages[-1] > 60


def test_calls_are_some_of_what_is_heard() -> None:
    estimator = DemandEstimator()
    heard = {int(BEGIN) + 10 * at: 100 for at in range(6)}
    demand = estimator.look(BEGIN + 60, {}, heard=heard)
    assert demand is not None
    assert (demand.rate, demand.calls) == (0.0, 0)
    assert demand.observed_at == BEGIN + 60


def test_what_has_just_begun_is_told_from_the_running_bucket() -> None:
    demand = DemandEstimator().look(BEGIN + 4, {int(BEGIN): 40})
    assert demand is not None
    assert demand.rate == pytest.approx(10)


class Clumped(Arriving):
    """Each exporter sends once a second, or as maibo's SDK does, also when far more waits than usual; a drain takes up what came each `rest` s."""

    def __init__(
        self, *rates: tuple[float, float], exporters: int, rest: float, seed: int, as_sdk: bool = False
    ) -> None:
        super().__init__(*rates, delay=0.0, rest=rest, seed=seed)
        random = np.random.default_rng(seed)
        sent = np.empty(len(self.ends))
        who = random.integers(0, exporters, len(sent))
        for one in range(exporters):
            at, usual, ends = BEGIN - random.uniform(0, 1), 0.0, self.ends[who == one]
            times = []
            while len(times) < len(ends):
                due = at + 1.0 + random.exponential(0.1)
                waiting = int(np.searchsorted(ends, due)) - len(times)
                crowd = 16 + int(2 * usual)
                if as_sdk and waiting >= crowd:
                    waiting = crowd
                    due = max(at, ends[len(times) + waiting - 1])
                times += [due] * waiting
                usual, at = usual + (waiting - usual) / 10, due
            sent[who == one] = times
        drained = BEGIN + np.cumsum(rest + random.exponential(0.05, int(rates[-1][0] / rest) + 4))
        self.come = drained[np.searchsorted(drained, sent + 0.05).clip(max=len(drained) - 1)]


@pytest.mark.parametrize(("as_sdk", "soon"), [(False, 4.5), (True, 3.5)])
@pytest.mark.parametrize("exporters", [1, 4])
@pytest.mark.parametrize("rate", [60, 120, 1000])
def test_a_crowd_that_comes_in_clumps_is_told_soon_and_not_too_high(
    rate: float, exporters: int, as_sdk: bool, soon: float
) -> None:
    for seed in range(5):
        random = np.random.default_rng(seed)
        begin = 100 + random.uniform(0, 10)
        arriving = Clumped(
            (begin, rate / 5), (150, rate), exporters=exporters, rest=random.uniform(0.5, 1.0), seed=seed, as_sdk=as_sdk
        )
        looks = [(at - begin, each) for at, each in arriving.looks(DemandEstimator(), 60, 148) if each is not None]
        assert max(each.rate for _, each in looks) < 1.2 * rate
        assert min(at for at, each in looks if at > 0 and each.rate > 1.7 * rate / 5) <= soon
        assert min(each.rate for at, each in looks if at > 5) > 0.4 * rate, "nor dropped between two clumps"
        assert not [at for at, each in looks if -30 < at < 0 and each.surge]


def test_a_surge_tells_what_is_known_beside_it() -> None:
    looks = Arriving((100, 100), (104, 600)).looks(DemandEstimator(), 60, 104)
    told = [each for _, each in looks if each is not None]
    assert {each.settled for each in told if not each.surge} == {None}
    assert [each.settled for each in told if each.surge] == pytest.approx([100] * sum(e.surge for e in told), rel=0.15)
    assert told[-1].surge


@pytest.mark.parametrize("lag", [0.0, 1.5, 2.5, 4.0])
def test_silence_goes_from_a_number_to_zero_and_is_never_too_old_between(lag: float) -> None:
    estimator = DemandEstimator(silence_is_zero=True, max_age_seconds=60)
    for now in np.arange(40.0, 190.0, LOOK).tolist():
        calls = {int(BEGIN) + at: 50 for at in (0, 10, 20, 30)}
        demand = estimator.look(BEGIN + now, calls, others=buckets(0, now - lag))
        assert demand is not None
        assert BEGIN + now - demand.observed_at <= 60
        assert (demand.rate == 0) == (now > 100) or 95 <= now <= 102
