"""What is read from the notes while the demo runs."""

import pytest

from maibo_slo.demo.load import Seen
from maibo_slo.demo.notebook import requests_per_second


def seen(began: float, *, requests: int = 1) -> Seen:
    return Seen(
        visit="v",
        journey="browse",
        tier="vip",
        region="eu",
        outcome="success",
        requests=("GET /products",) * requests,
        began_ns=int(began * 1e9),
        ended_ns=int((began + 0.5) * 1e9),
    )


SALE = [seen(90 + n / 10) for n in range(100)]  # ten a second until 100
AFTER = [seen(100 + n) for n in range(10)]  # one a second from then on


def rate(*, begin: float, now: float) -> float | None:
    """As the notes are at that time: of those who have left."""
    return requests_per_second([each for each in SALE + AFTER if each.ended_at <= now], begin=begin, now=now)


def test_a_phase_has_its_own_rate_and_not_that_of_the_one_before():
    assert rate(begin=90.0, now=100.0) == pytest.approx(10, abs=0.3)
    assert rate(begin=100.0, now=103.0) == pytest.approx(1)
    assert rate(begin=100.0, now=110.0) == pytest.approx(1)


def test_a_phase_that_has_just_begun_has_no_rate_yet():
    assert rate(begin=100.0, now=101.9) is None
    assert rate(begin=100.0, now=102.0) == 1


def test_each_request_of_a_visit_counts():
    assert requests_per_second([seen(101.0, requests=3)], begin=100.0, now=103.0) == pytest.approx(1)
