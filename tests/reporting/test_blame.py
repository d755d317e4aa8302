"""Who burnt a budget: shares that are bounded by what was counted, and add up; and counts that are what the engine counts."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_slo.documents import CellSelector, Correction, Objective, Origin, Sli, Slo
from maibo_slo.engine.counts import MinuteCells
from maibo_slo.engine.slices import judged, sliced, slicing_of
from maibo_slo.reporting.blame import blame, shared, thresholds
from maibo_slo.reporting.whatif import Changed, WhatIfError, counts
from maibo_slo.store import Store, cells
from maibo_slo.store.cells import CellKey, Window
from maibo_slo.store.histogram import bin_of

ORIGIN = Origin("shop.yaml", 1)
NOW = int(time.time()) // 3600 * 3600
WINDOW = Window(NOW - 7200, NOW)
GOOD = CellSelector("buy", outcomes=frozenset({"success"}), max_duration_us=500_000)
BUY = Slo(
    "buy",
    "",
    "",
    "shop",
    Sli("buy", CellSelector("buy"), good=GOOD),
    (Objective("0.99", 0.99),),
    28 * 86_400,
    {},
    ORIGIN,
)
PAY = CellSelector("buy", step="pay")
PAY_FAST = replace(
    BUY,
    name="pay-fast",
    indicator=Sli("pay", PAY, good=replace(PAY, outcomes=frozenset({"success"}), max_duration_us=100_000)),
)


def cell(ago: int, outcome: str, ms: int, step: str = "", tier: str = "gold", version: str = "1") -> CellKey:
    return CellKey(NOW - ago, "buy", step, "", step or "web", version, "", "eu", tier, "", outcome, bin_of(ms * 10**6))


TRAFFIC = {
    cell(600, "success", 200): 900,
    cell(660, "success", 900): 50,
    cell(660, "success", 900, tier="tin"): 10,
    cell(1200, "failure", 100): 30,
    cell(1200, "failure", 100, tier="tin"): 10,
    cell(3000, "abandoned", 100): 7,
    cell(660, "success", 300, step="pay", version="8"): 40,
    cell(1200, "failure", 10, step="pay", version="8"): 60,
    cell(1200, "failure", 10, step="pay", version="9"): 20,
    cell(1200, "failure", 10, step="cart", tier="tin"): 20,
}


@pytest.fixture
def shop(store: Store) -> Store:
    cells.insert_cells(store, TRAFFIC, token="traffic")
    return store


@given(st.integers(0, 1000), st.dictionaries(st.integers(0, 9), st.integers(0, 400)))
def test_shares_add_up_and_nobody_has_more_than_was_counted(n: int, weights: dict[int, int]) -> None:
    parts = shared(n, weights)
    assert sum(parts.values()) == min(n, sum(weights.values()))
    assert all(0 <= parts[key] <= weight for key, weight in weights.items())


def test_failures_are_scaled_down_to_those_of_the_journey(shop: Store) -> None:
    told = blame(shop, [BUY], BUY, BUY.objectives[0], WINDOW, now=NOW)
    # 100 steps failed, 40 journeys did: 24 and 8 for the versions of pay, 8 for cart. Nobody knows why 60 were slow.
    assert (told.bad, told.failed, told.slow) == (100, 40, 60)
    assert [(step.value, step.bad) for step in told.steps] == [("(slow)", 60), ("pay", 32), ("cart", 8)]
    assert [(each.version, each.bad) for each in told.steps[1].versions] == [("8", 24), ("9", 8)]
    assert {part.value: part.bad for part in told.by["tier"]} == {"gold": 80, "tin": 20}


def test_a_steps_own_objective_says_when_it_is_slow(shop: Store) -> None:
    told = blame(shop, [BUY, PAY_FAST], BUY, BUY.objectives[0], WINDOW, now=NOW)
    assert [(step.value, step.failed, step.slow) for step in told.steps] == [
        ("pay", 32, 40),
        ("(slow)", 0, 20),
        ("cart", 8, 0),
    ]
    assert sum(step.bad for step in told.steps) == told.bad


def test_the_strictest_threshold_of_a_step_holds() -> None:
    good = replace(PAY, outcomes=frozenset({"success"}), max_duration_us=50_000)
    strict = replace(PAY_FAST, indicator=Sli("pay", PAY, good=good))
    assert thresholds([PAY_FAST, strict, BUY], "buy") == thresholds([strict], "buy")


def test_a_group_is_blamed_for_its_own(shop: Store) -> None:
    told = blame(shop, [BUY], BUY, BUY.objectives[0], WINDOW, group={"tier": "tin"}, now=NOW)
    assert (told.events, told.bad) == (20, 20)
    assert [(step.value, step.bad) for step in told.steps] == [("(slow)", 10), ("cart", 10)]


def test_an_objective_about_a_step_blames_that_step(shop: Store) -> None:
    told = blame(shop, [], PAY_FAST, PAY_FAST.objectives[0], WINDOW, now=NOW)
    assert [(step.value, step.bad, step.failed, step.slow) for step in told.steps] == [("pay", 120, 80, 40)]


def test_without_bad_events_nobody_is_blamed(shop: Store) -> None:
    told = blame(shop, [], BUY, BUY.objectives[0], Window(NOW - 610, NOW - 590), now=NOW)
    assert (told.bad, told.steps, told.budget_spent) == (0, (), 0.0)
    assert blame(shop, [], BUY, BUY.objectives[0], Window(NOW - 90, NOW - 60), now=NOW).budget_spent is None


def counted(store: Store, slo: Slo, changed: Changed, *corrections: Correction):
    told = counts(store, slo, slo.objectives[0], WINDOW, step=60, changed=changed, corrections=corrections, now=NOW)
    assert told.source == "cells"
    return {int(t): (int(g), int(b)) for t, g, b in zip(told.series.t, told.series.good, told.series.bad, strict=True)}


@pytest.mark.parametrize("threshold_us", [100_000, 200_000, 1_000_000])
def test_what_is_counted_again_is_what_the_engine_would_count(shop: Store, threshold_us: int) -> None:
    meant = replace(BUY.indicator, good=replace(GOOD, max_duration_us=threshold_us))
    minutes = range(WINDOW.begin, WINDOW.end, 60)
    expected = MinuteCells(cells.cells_of_minutes(shop, minutes, ["buy"])).count(meant)
    assert counted(shop, BUY, Changed(threshold_us)) == {t: tuple(each) for t, each in expected.items()}


def test_a_filter_leaves_of_a_group_what_is_in_both(shop: Store) -> None:
    by_tier, slow = replace(BUY, group_by=("tier",)), 1_000_000

    def events(tier: str, *among: str) -> int:
        told = counts(
            shop,
            by_tier,
            BUY.objectives[0],
            WINDOW,
            step=60,
            group={"tier": tier},
            changed=Changed(slow, {"tier": among} if among else None),
            now=NOW,
        )
        return int(told.series.good.sum() + told.series.bad.sum())

    assert (events("tin"), events("tin", "gold", "tin"), events("tin", "gold")) == (20, 20, 0)


def test_slices_are_judged_again_as_the_engine_judges_them(shop: Store) -> None:
    objective = Objective("0.99", 0.99, slice_seconds=300, slice_target=0.95)
    slo = replace(BUY, method="Timeslices", objectives=(objective,))
    raw = counted(shop, BUY, Changed(1_000_000))
    t = np.array(sorted(raw))
    good, bad = (np.array([raw[at][i] for at in sorted(raw)]) for i in (0, 1))
    rows = judged("Timeslices", objective, sliced(slicing_of(slo, objective), t, good, bad))
    assert counted(shop, slo, Changed(1_000_000)) == {
        int(end) - 60: (int(g), int(b)) for end, g, b in zip(rows.ends, rows.good, rows.bad, strict=True)
    }


def test_maintenance_does_not_count_in_a_what_if_either(shop: Store) -> None:
    from datetime import UTC, datetime

    start = datetime.fromtimestamp(NOW - 1260, UTC).replace(tzinfo=None)
    deploy = Correction("deploy", "maintenance", "exclude", start, 120, "UTC")
    assert sum(bad for _, bad in counted(shop, BUY, Changed(500_000)).values()) == 100
    assert sum(bad for _, bad in counted(shop, BUY, Changed(500_000), deploy).values()) == 60
    forgiven = counted(shop, BUY, Changed(500_000), replace(deploy, effect="count_as_good"))
    assert sum(good for good, _ in forgiven.values()) == 940


def test_what_cannot_be_counted_again_is_refused(shop: Store) -> None:
    names_bad = replace(
        BUY, indicator=Sli("buy", CellSelector("buy"), bad=CellSelector("buy", outcomes=frozenset({"failure"})))
    )
    with pytest.raises(WhatIfError, match="names bad events"):
        counted(shop, names_bad, Changed(500_000))
    with pytest.raises(WhatIfError, match="exactly"):
        counted(shop, BUY, Changed(123_456))
