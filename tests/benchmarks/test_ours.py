"""maibo replayed is maibo as it serves: its lane's budget, its forecasts' lead, its pool's size."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from benchmarks.autoscaling.cluster import Room
from benchmarks.autoscaling.foreseen import Foreseen
from benchmarks.autoscaling.keda import SYNC_SECONDS
from benchmarks.autoscaling.ours import Ours, Parts, with_target
from benchmarks.autoscaling.pools import FOLLOWS_SECONDS, Pool
from benchmarks.autoscaling.replay import WARM_UP_SECONDS, replay
from benchmarks.autoscaling.service import Law, Service
from benchmarks.autoscaling.settings import mean_rate, setting_of
from benchmarks.autoscaling.traces import DAY, Trace, Window
from benchmarks.autoscaling.world import Act, Rising, ScaleUp, Setting, World

from maibo_slo.documents.scaling_kinds import BurstPool, FastLaneSpec
from maibo_slo.engine.forecasting import Asked
from maibo_slo.engine.forecasting.forecaster import IN_USE_SECONDS
from maibo_slo.engine.scaling.learning import ASSUMED_LEAD_SECONDS
from maibo_slo.engine.scaling.pool import growth, pool_percentage, pool_size

SERVICE = Service()
ALL = Parts(predictive=True, fast_lane=True, pool=True, image_ahead=True)
SECONDS = 600
NOON = WARM_UP_SECONDS // 2


@dataclass
class Heard:
    """A strategy that remembers what it did."""

    of: Ours
    acts: list[tuple[int, int, Act]] = field(default_factory=list)
    """(second, replicas wanted until then, what it did)."""

    def act(self, world: World) -> Act | None:
        found = self.of.act(world)
        if found is not None:
            self.acts.append((world.now, world.wanted, found))
        return found


def setting_with(rates: np.ndarray, begin: int) -> Setting:
    trace = Trace("restless", 0.0, 60, rates, np.ones(len(rates), dtype=bool)).scaled(mean_rate(SERVICE))
    return setting_of(trace, Window(begin, begin + SECONDS, "all"), Law(SERVICE), seed=1)


@pytest.fixture(scope="module")
def foreseen() -> Foreseen:
    """Noon in the middle of the warming up; five times as much from the replay's begin on."""
    rates = np.exp(np.random.default_rng(5).normal(0, 0.1, 4 * 1440))
    begin = 3 * DAY + DAY // 2 + WARM_UP_SECONDS // 2
    rates[begin // 60 :] *= 5
    return Foreseen(setting_with(rates, begin))


def replayed(foreseen: Foreseen, parts: Parts = ALL, **changes: float) -> Heard:
    heard = Heard(with_target(foreseen, parts, changes))
    replay(foreseen.setting, heard, room=Room(), seed=1)
    return heard


@pytest.fixture(scope="module")
def heard(foreseen: Foreseen) -> Heard:
    return replayed(foreseen)


def test_the_lane_adds_what_its_budget_leaves_in_as_many_writes_as_it_takes(foreseen: Foreseen) -> None:
    most = 6
    writes = [
        (now, act.write - before)
        for now, before, act in replayed(foreseen, lane_most=most).acts
        if act.write is not None and act.write > before and (now + 1) % SYNC_SECONDS
    ]
    within = [
        [added for now, added in writes if begin <= now < begin + FastLaneSpec().every_seconds]
        for begin in range(WARM_UP_SECONDS + SECONDS)
    ]
    assert max(sum(each) for each in within) == most
    assert any(len(each) > 1 for each in within)


def test_a_forecast_sees_as_far_as_the_service_asks_and_has_the_targets_own_level(foreseen: Foreseen) -> None:
    target = with_target(foreseen, ALL, {"quantile": 0.57}).target
    made = foreseen.forecast(605, Asked(target, 40))
    assert made.made_at == foreseen.setting.begin + 600
    assert made.at - made.made_at == 40 + IN_USE_SECONDS
    assert 0.57 in made.quantiles
    assert foreseen.forecast(604, Asked(target, 40)).made_at == foreseen.setting.begin + 540, "not counted yet"


def test_the_lead_time_is_assumed_until_scale_ups_were_measured(foreseen: Foreseen, heard: Heard) -> None:
    assert with_target(foreseen, ALL, {}).lead.seconds == ASSUMED_LEAD_SECONDS
    assert heard.of.lead.why.startswith("P90 of ")
    assert heard.of.lead.seconds != ASSUMED_LEAD_SECONDS


def told_of(heard: Heard) -> dict[int, int]:
    return {now: act.pool for now, _, act in heard.acts if act.pool is not None}


def test_a_percentage_is_kept_to_as_replicas_come_and_those_that_run_are_what_it_is_of(
    foreseen: Foreseen, heard: Heard
) -> None:
    pools = told_of(heard)
    percentage = pool_percentage(growth(foreseen.history(NOON // 60), ASSUMED_LEAD_SECONDS, 0.99))
    assert heard.of.pool is not None
    assert heard.of.pool.percentage == percentage
    assert min(pools) < 10
    assert all(now % FOLLOWS_SECONDS == 0 for now in pools if now > 10 and now != NOON)
    assert max(pools.values()) > 3 * pools[min(pools)], "five times as much is asked for"
    assert max(pools.values()) == np.ceil(percentage / 100 * max(before for _, before, _ in heard.acts))


def test_a_number_of_pods_is_what_somebody_makes_of_the_size_at_noon(foreseen: Foreseen) -> None:
    alone = replayed(foreseen, replace(ALL, pods_alone=True))
    first, second = sorted(told_of(alone))
    assert (first < 10, second) == (True, NOON)
    ready = next(before for now, before, _ in alone.acts if now == NOON)
    assert told_of(alone)[NOON] == pool_size(
        ready, growth(foreseen.history(NOON // 60), ASSUMED_LEAD_SECONDS, 0.99), foreseen.setting.most - ready
    )


@pytest.mark.parametrize(
    ("changes", "percentage", "pods"), [({"pool_pods": 9}, 0, 9), ({"pool_percentage": 25}, 25, 5)]
)
def test_a_pool_may_be_given(foreseen: Foreseen, changes: dict[str, float], percentage: int, pods: int) -> None:
    pool = with_target(foreseen, ALL, changes).pool
    assert pool is not None
    assert pool.percentage == percentage
    assert pool.at(World(foreseen.setting, 20, 20, now=NOON)) == pods


def test_a_percentage_that_is_given_is_never_taken_for_pods(foreseen: Foreseen) -> None:
    pool = with_target(foreseen, replace(ALL, pods_alone=True), {"pool_percentage": 25}).pool
    assert pool is not None
    assert (pool.fixed, pool.follows) == (None, False)


def test_a_pool_is_for_the_growth_while_its_room_comes_back_whatever_warm_scale_ups_take(foreseen: Foreseen) -> None:
    world = World(foreseen.setting, 20, 20, now=900)
    pool = Pool(BurstPool(), 60, 0, foreseen.growth)
    world.scale_ups += [ScaleUp(60 * each, 20, 3.0, 3.0) for each in range(20)]
    world.scale_ups += [ScaleUp(60 * each, 20, 130.0, 130.0, cold=True) for each in range(4)]
    pool.measure(world, None)
    assert pool.refill.seconds == ASSUMED_LEAD_SECONDS, "of too few"
    world.scaling_up.append(Rising(750, 22, cold=True))
    pool.measure(world, None)
    assert (pool.refill.seconds, pool.refill.why) == (150, "at least")
    world.scaling_up.clear()
    world.scale_ups += [ScaleUp(600, 20, 30.0, 30.0, cold=True) for each in range(40)]
    pool.measure(world, None)
    assert pool.refill.seconds == ASSUMED_LEAD_SECONDS, "nodes that were on their way tell less than a node takes"
    pool.measure(world, 45)
    assert pool.refill.seconds == 45


def test_without_a_history_there_is_no_pool() -> None:
    young = Foreseen(setting_with(np.exp(np.random.default_rng(5).normal(0, 0.1, 120)), WARM_UP_SECONDS + 60))
    assert all(act.pool is None for _, _, act in replayed(young).acts)
