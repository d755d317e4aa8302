"""Who comes to the shop is decided by the seed alone."""

from collections import Counter
from itertools import islice, pairwise

import pytest

from maibo_slo.demo.schedule import BROWSE, CHECKOUT, REGIONS, TIERS, Intent, ordinary, phases, visits


def test_the_same_seed_brings_the_same_customers():
    first, again = (list(visits(phases(60), rate=5, seed=3)) for _ in range(2))
    assert first == again
    assert first != list(visits(phases(60), rate=5, seed=4))


def test_phases_follow_each_other_and_fill_the_duration():
    told = phases(45)
    assert told[0].begin == 0
    assert told[-1].end == pytest.approx(45)
    assert all(one.end == next_one.begin for one, next_one in pairwise(told))
    assert [each.name for each in told if each.bad_release] == ["bad release"]


def test_the_flash_sale_brings_ten_times_the_customers():
    told = phases(1000)
    sale = next(each for each in told if each.name == "flash sale")
    came = [visit.at for visit in visits(told, rate=5, seed=1)]
    in_sale = sum(sale.begin <= at < sale.end for at in came)
    before = sum(at < sale.begin for at in came)
    ratio = in_sale / (sale.end - sale.begin) / (before / sale.begin)
    assert ratio == pytest.approx(10, rel=0.1)


def test_visits_come_in_order_and_in_every_kind():
    came = list(visits(phases(600), rate=5, seed=2))
    assert all(one.at <= next_one.at for one, next_one in pairwise(came))
    assert {visit.region for visit in came} == set(REGIONS)
    assert {visit.tier for visit in came} == set(TIERS)
    assert {visit.intent for visit in came} == set(Intent)
    journeys = Counter(visit.journey for visit in came)
    assert journeys[CHECKOUT] / journeys.total() == pytest.approx(0.4, abs=0.03)
    assert journeys[BROWSE] + journeys[CHECKOUT] == len(came)


def test_ordinary_traffic_never_ends():
    came = list(islice(visits(ordinary(), rate=10, seed=1), 5000))
    assert came[-1].at == pytest.approx(500, rel=0.1)
