"""How fresh maibo's answers were, and which SLOs were seen to burn."""

import httpx2
import pytest

from maibo_slo.demo.watch import Sighting, Watch, burn_of, freshness_seconds, quantile

EU, AP = ("browse", "eu"), ("browse", "ap")


def test_each_journey_is_visible_in_the_first_answer_that_counts_it():
    ends = {EU: [10.0, 10.5, 12.0]}
    sightings = [Sighting(10.4, {EU: 0}), Sighting(11.0, {EU: 1}), Sighting(11.5, {EU: 2}), Sighting(13.0, {EU: 3})]
    assert freshness_seconds(ends, sightings) == [1.0, 1.0, 1.0]


def test_storefronts_do_not_stand_in_for_each_other():
    ends = {EU: [10.0], AP: [10.0]}
    sightings = [Sighting(11.0, {EU: 1}), Sighting(14.0, {EU: 1, AP: 1})]
    assert sorted(freshness_seconds(ends, sightings)) == [1.0, 4.0]


def test_a_journey_that_was_never_visible_has_no_delay_and_a_surplus_adds_none():
    assert freshness_seconds({EU: [10.0, 11.0]}, [Sighting(12.0, {EU: 1})]) == [2.0]
    assert freshness_seconds({EU: [10.0]}, [Sighting(12.0, {EU: 5})]) == [2.0]
    assert freshness_seconds({}, [Sighting(12.0, {EU: 5})]) == []


def test_a_quantile_of_nothing_is_nothing():
    assert quantile([], 0.5) is None
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([3.0, 1.0, 2.0], 0.99) == 3.0


@pytest.fixture
def watch() -> Watch:
    return Watch(httpx2.AsyncClient(), begin=0, regions=("eu",))


def test_a_burn_keeps_its_first_sight_and_its_worst_state(watch: Watch):
    for at, state in ((1.0, "ok"), (2.0, "burning_fast"), (3.0, "burning"), (4.0, "exhausted"), (5.0, "ok")):
        watch.note("checkout-fast", "0.99", state, now=at)
    (burnt,) = watch.burnt.values()
    assert (burnt.slo, burnt.first_seen_at, burnt.state) == ("checkout-fast", 2.0, "exhausted")
    assert watch.states == {("checkout-fast", "0.99"): "ok"}


def test_whether_a_burn_was_held_back_is_that_of_its_worst_state(watch: Watch):
    watch.note("checkout-fast", "0.99", "burning_fast", now=1.0, held_back=True)
    assert watch.burnt["checkout-fast", "0.99"].held_back
    watch.note("checkout-fast", "0.99", "burning", now=2.0)
    assert watch.burnt["checkout-fast", "0.99"].held_back
    watch.note("checkout-fast", "0.99", "exhausted", now=3.0)
    assert not watch.burnt["checkout-fast", "0.99"].held_back


def test_an_slo_without_data_did_not_burn(watch: Watch):
    watch.note("checkout-fast", "0.99", "no_data", now=1.0)
    assert watch.burnt == {}


def test_a_burn_that_is_held_back_for_being_too_soon_is_shown_in_the_demo():
    rules = [{"state": "burning_fast", "held_back": True}, {"state": "burning", "held_back": True}]
    assert burn_of({"state": "ok", "bad": 9, "rules": rules}) == "burning_fast"
    assert burn_of({"state": "ok", "bad": 1, "rules": rules}) == "ok"
    assert burn_of({"state": "exhausted", "bad": 9, "rules": rules}) == "exhausted"
    assert burn_of({"state": "ok", "bad": 9, "rules": [{"state": "burning", "held_back": False}]}) == "ok"
