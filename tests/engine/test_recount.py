"""What waits to be counted, and what was offered."""

import math

import pytest

from maibo_slo.engine.counts import GoodBad
from maibo_slo.engine.inbox import Inbox, Offer
from maibo_slo.engine.recount import CELL_MINUTES, Backlog, Whose

ALL, ONE = Whose(), Whose(frozenset({"checkout"}))


def test_the_newest_minutes_come_first_whoever_they_are_of():
    backlog = Backlog()
    backlog.add(ALL, {n * 60 for n in range(CELL_MINUTES + 5)})
    backlog.add(ONE, {9_999 * 60})
    order = []
    while (batch := backlog.newest()) is not None:
        order.append((batch.whose, batch.minutes))
        backlog.done(batch)
    assert order == [
        (ONE, [9_999 * 60]),
        (ALL, [n * 60 for n in range(5, CELL_MINUTES + 5)]),
        (ALL, [n * 60 for n in range(5)]),
    ]


def test_a_batch_waits_until_it_is_done_and_a_minute_waits_once():
    backlog = Backlog()
    backlog.add(ALL, [60, 120])
    backlog.add(ALL, [120])
    assert backlog.newest() == backlog.newest()
    assert backlog.size == 2


def test_what_nobody_looks_back_at_and_who_is_gone_need_not_be_counted():
    backlog = Backlog()
    backlog.add(ALL, [0, 60, 120])
    backlog.add(ONE, [0, 60])
    backlog.add(Whose(frozenset()), [0])
    backlog.keep({"search"}, since=60)
    batch = backlog.newest()
    assert batch is not None
    assert (batch.whose, batch.minutes, backlog.size) == (ALL, [60, 120], 2)
    backlog.keep({"search"}, since=3_600)
    assert backlog.newest() is None


def test_an_offer_stays_until_it_is_taken():
    inbox = Inbox()
    first, second = Offer("a", {60: GoodBad(1, 0)}, "x"), Offer("b", {}, "x")
    inbox.put(first)
    seen = inbox.waiting()
    inbox.put(second)
    inbox.taken(len(seen))
    assert (seen, inbox.waiting()) == ((first,), (second,))


@pytest.mark.parametrize(
    ("t", "counts"),
    [(61, (1, 0)), (-60, (1, 1)), (2**32 + 44, (1, 0)), (60, (-1, 0)), (60, (0, 10**20)), (60, (0.5, 0)), (60, (math.nan, 0))],
)  # fmt: skip
def test_what_cannot_be_a_count_is_refused_at_once(t, counts):
    """In the inbox it would make every tick fail."""
    with pytest.raises(ValueError, match="shop: counts are whole and not negative"):
        Inbox().put(Offer("shop", {120: GoodBad(1, 0), t: GoodBad(*counts)}, "x"))
