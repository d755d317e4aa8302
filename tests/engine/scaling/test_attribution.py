"""Which part of a burn is of capacity, and which of a version."""

from __future__ import annotations

import numpy as np
import pytest

from maibo_slo.engine.scaling.attribution import Outcome, odd_versions, split
from maibo_slo.engine.scaling.capacity import Observation
from maibo_slo.engine.scaling.inputs import Capacity

OBJECTIVE = 0.99


def history(*loads: tuple[float, float], count: int = 20) -> list[Observation]:
    """Minutes at each load, with a share of bad events."""
    return [
        Observation(60 * place, "fast", OBJECTIVE, load * 10, 10.0, round(1000 * (1 - share)), round(1000 * share))
        for load, share in loads
        for place in range(count)
    ]


def test_a_bad_canary_at_constant_load_is_the_versions() -> None:
    """By hand: 50 of 1,000 and 9 of 9,000 bad; 0.1 % of the canary's would be bad anyhow, so 49 are the version's."""
    found = split(
        "fast", OBJECTIVE, {"v1": Outcome(8991, 9), "v2": Outcome(950, 50)}, 20.0, history((10, 0.001), (20, 0.001))
    )
    assert found is not None
    assert found.burn == pytest.approx(59 / 10_000 / 0.01)
    assert found.by_version == pytest.approx(49 / 10_000 / 0.01)
    assert found.by_capacity == pytest.approx(0.0, abs=0.01)
    assert found.by_version + found.by_capacity + found.unexplained == pytest.approx(found.burn)
    assert found.why == "version v2 fails 5.0%, the others 0.1%"


def test_overload_on_all_versions_is_of_capacity() -> None:
    lately = {"v1": Outcome(8100, 900), "v2": Outcome(900, 100)}
    found = split("fast", OBJECTIVE, lately, 40.0, history((10, 0.0), (20, 0.0)))
    assert found is not None
    assert found.by_capacity == pytest.approx(found.burn)
    assert found.by_version == 0
    assert "never seen" in found.why


def test_overload_that_was_bad_before_is_of_capacity_too() -> None:
    found = split("fast", OBJECTIVE, {"v1": Outcome(900, 100)}, 40.0, history((10, 0.0), (40, 0.1)))
    assert found is not None
    assert found.by_capacity == pytest.approx(found.burn)


def test_without_the_calls_a_pod_nothing_is_said_of_load() -> None:
    found = split("fast", OBJECTIVE, {"v1": Outcome(900, 100)}, None, history((10, 0.0)))
    assert found is not None
    assert not found.load_known
    good = split("fast", OBJECTIVE, {"v1": Outcome(900, 0)}, None, [])
    assert good is not None
    assert good.load_known, "nothing burns, so nothing comes of load"
    known = split("fast", OBJECTIVE, {"v1": Outcome(900, 100)}, 40.0, [])
    assert known is not None
    assert known.load_known


def test_what_was_good_at_this_load_before_is_something_else() -> None:
    found = split("fast", OBJECTIVE, {"v1": Outcome(900, 100)}, 40.0, history((10, 0.0), (40, 0.0)))
    assert found is not None
    assert found.by_capacity == 0
    assert found.unexplained == pytest.approx(found.burn)
    assert "something else" in found.why


def test_failures_that_are_there_at_any_load_are_not_of_capacity() -> None:
    found = split("fast", OBJECTIVE, {"v1": Outcome(900, 100)}, 40.0, history((10, 0.05), (40, 0.1)))
    assert found is not None
    assert found.by_capacity == pytest.approx(found.burn / 2)


def test_without_history_a_load_over_the_known_capacity_is_too_much() -> None:
    capacity = Capacity(30, 30, 30, learned=False)
    over = split("fast", OBJECTIVE, {"v1": Outcome(900, 100)}, 40.0, [], capacity)
    under = split("fast", OBJECTIVE, {"v1": Outcome(900, 100)}, 20.0, [], capacity)
    assert over is not None
    assert under is not None
    assert over.by_capacity == pytest.approx(over.burn)
    assert under.by_capacity == 0


def test_an_unknown_load_explains_nothing() -> None:
    found = split("fast", OBJECTIVE, {"v1": Outcome(900, 100)}, None, history((10, 0.0)))
    assert found is not None
    assert found.unexplained == pytest.approx(found.burn)


def test_without_events_there_is_nothing_to_split() -> None:
    assert split("fast", OBJECTIVE, {}, 10.0, []) is None


def test_few_events_of_a_version_tell_nothing() -> None:
    assert odd_versions({"v1": Outcome(1000, 1), "v2": Outcome(5, 5)}) == []


def test_two_bad_versions_are_both_odd() -> None:
    found = odd_versions({"v1": Outcome(9000, 9), "v2": Outcome(400, 100), "v3": Outcome(450, 50)})
    assert sorted(found) == ["v2", "v3"]


def test_equal_versions_are_hardly_ever_odd() -> None:
    random = np.random.default_rng(11)
    odd = 0
    for _ in range(300):
        bad = random.binomial(2_000, 0.02, size=3)
        odd += bool(odd_versions({f"v{place}": Outcome(2_000 - int(n), int(n)) for place, n in enumerate(bad)}))
    assert odd <= 6
