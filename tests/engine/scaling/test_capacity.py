"""What a replica carries, learned from minutes of a simulated one whose limit is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from maibo_slo.documents.scaling_kinds import CapacitySpec
from maibo_slo.engine.scaling.capacity import STEP, Observation, learn

OBJECTIVE = 0.99
SERVERS, SERVICE_SECONDS, THRESHOLD_SECONDS = 4, 0.1, 1.0
"""M/M/4 with a mean of 100 ms: 40 calls a second at the most."""


def late_share(load: float) -> float:
    """Of calls that wait and are served for longer than the threshold, M/M/k: Erlang's C and the tail of the sojourn time."""
    offered = load * SERVICE_SECONDS
    if offered >= SERVERS:
        return 1.0
    terms = np.cumprod(np.concatenate(([1.0], offered / np.arange(1, SERVERS + 1))))
    last = terms[-1] * SERVERS / (SERVERS - offered)
    waits = last / (terms[:-1].sum() + last)
    mu, drain = 1 / SERVICE_SECONDS, (SERVERS - offered) / SERVICE_SECONDS
    alone = np.exp(-mu * THRESHOLD_SECONDS)
    if abs(drain - mu) < 1e-9:
        return float(alone * (1 + waits * mu * THRESHOLD_SECONDS))
    both = (drain * np.exp(-mu * THRESHOLD_SECONDS) - mu * np.exp(-drain * THRESHOLD_SECONDS)) / (drain - mu)
    return float((1 - waits) * alone + waits * both)


def limit() -> float:
    loads = np.arange(1, 40, 0.1)
    return float(max(load for load in loads if late_share(load) <= 1 - OBJECTIVE))


def minutes(lowest: float, highest: float, count: int = 600, *, seed: int = 3) -> list[Observation]:
    random = np.random.default_rng(seed)
    found = []
    for minute, load in enumerate(random.uniform(lowest, highest, count)):
        pods = int(random.integers(2, 20))
        events = int(random.poisson(load * pods * 60))
        bad = int(random.binomial(events, late_share(load)))
        found.append(Observation(60 * minute, "fast", OBJECTIVE, load * pods, pods, events - bad, bad))
    return found


def learned(observations: list[Observation], spec: CapacitySpec | None = None) -> float:
    capacity = learn(observations, spec or CapacitySpec())
    assert capacity is not None
    assert capacity.learned
    assert capacity.per_replica <= capacity.estimate <= capacity.upper
    return capacity.per_replica


def test_a_fixed_one_is_as_the_document_says() -> None:
    capacity = learn(minutes(5, 38), CapacitySpec(fixed=12.5))
    assert capacity is not None
    assert (capacity.per_replica, capacity.learned, capacity.why) == (12.5, False, "fixed")


def test_the_knee_is_found() -> None:
    assert learned(minutes(5, 39)) == pytest.approx(limit(), rel=0.1)


def test_minutes_that_nobody_told_were_bad_do_not_move_it() -> None:
    random = np.random.default_rng(5)
    some = [
        replace(each, good=each.good // 2, bad=each.good - each.good // 2 + each.bad)
        if random.random() < 0.05
        else each
        for each in minutes(5, 39)
    ]
    assert learned(some) == pytest.approx(limit(), rel=0.12)


def test_what_something_else_broke_teaches_nothing() -> None:
    incident = [replace(each, good=0, bad=each.good + each.bad, excluded="correction") for each in minutes(5, 15, 300)]
    observations = [*minutes(5, 39), *incident]
    assert learned(observations) == pytest.approx(limit(), rel=0.1)
    capacity = learn(observations, CapacitySpec())
    assert capacity is not None
    assert capacity.why.endswith("(minutes left out: 300 with correction)")


def test_nothing_is_extrapolated_beyond_a_small_step() -> None:
    observations = minutes(2, 12)
    seen = max(each.load for each in observations)
    capacity = learn(observations, CapacitySpec())
    assert capacity is not None
    assert capacity.per_replica <= seen * (1 + STEP)
    assert capacity.per_replica == pytest.approx(12, rel=0.1)
    assert "all good, capacity is at least that" in capacity.why


def test_a_lone_peak_is_no_evidence() -> None:
    peak = Observation(0, "fast", OBJECTIVE, 300.0, 10.0, 20_000, 0)
    assert learned([*minutes(2, 12), peak]) < 14


def test_what_was_learned_stands_until_a_lower_load_breaks() -> None:
    before = learn(minutes(5, 39), CapacitySpec())
    assert before is not None
    calm = learn(minutes(2, 12), CapacitySpec(), before)
    assert calm is not None
    assert calm.per_replica == before.per_replica
    assert "since then 600 minutes up to" in calm.why
    again = learn(minutes(2, 12), CapacitySpec(), calm)
    assert again is not None
    assert again.why.count("since then") == 1
    slower = [replace(each, rate=each.rate / 2) for each in minutes(5, 39)]
    broken = learn(slower, CapacitySpec(), before)
    assert broken is not None
    assert broken.per_replica == pytest.approx(limit() / 2, rel=0.1)


def test_floor_and_ceiling_bound_what_is_believed() -> None:
    capacity = learn(minutes(5, 39), CapacitySpec(floor=38))
    assert capacity is not None
    assert capacity.per_replica == 38
    assert capacity.why.startswith("the floor, not")
    assert learned(minutes(5, 39), CapacitySpec(ceiling=9)) == 9


def test_until_something_is_learned_it_is_the_floor_or_not_known() -> None:
    few = minutes(5, 20, 10)
    assert learn(few, CapacitySpec()) is None
    capacity = learn(few, CapacitySpec(floor=3))
    assert capacity is not None
    assert (capacity.per_replica, capacity.learned) == (3, False)
    assert capacity.why == "the floor: nothing was learned yet, 10 minutes taught something and 30 are needed"


def test_an_slo_that_is_broken_at_low_load_teaches_nothing() -> None:
    broken = [replace(each, good=0, bad=each.good + each.bad) for each in minutes(5, 39)]
    assert learn(broken, CapacitySpec()) is None


def test_of_several_slos_the_first_to_break_decides() -> None:
    other = [replace(each, slo="steady", good=each.good + each.bad, bad=0) for each in minutes(5, 39)]
    capacity = learn([*minutes(5, 39), *other], CapacitySpec())
    assert capacity is not None
    assert capacity.per_replica == pytest.approx(limit(), rel=0.1)
    assert "fast" in capacity.why


def test_few_calls_teach_nothing() -> None:
    few = [replace(each, good=10, bad=0) for each in minutes(5, 39)]
    assert learn(few, CapacitySpec()) is None
