"""The sender, step by step on a clock of its own; and its threads."""

from __future__ import annotations

import random
import threading
from itertools import pairwise

import pytest

from maibo_alerting.delivery.destination import DeliveryError
from maibo_alerting.delivery.outbox import Outbox
from maibo_alerting.delivery.route import Route
from maibo_alerting.delivery.send import GIVEN_UP_SECONDS, LEAST_ATTEMPTS, LONGEST_WAIT_SECONDS, Sender

AGAIN = DeliveryError("503", retry=True)
NEVER = DeliveryError("400", retry=False)


class Longest(random.Random):
    """Jitter that always waits for as long as it may."""

    def uniform(self, a: float, b: float) -> float:
        return b


@pytest.fixture
def made(outbox):
    def make(*routes: Route, **named) -> Sender:
        return Sender(outbox, routes, jitter=Longest(), **named)

    return make


def drained(sender, name: str = "on-call", *, now: float) -> None:
    while sender.step(name, now=now):
        pass


def test_alerts_go_where_their_severity_goes(made, remembering, fired) -> None:
    pager, chat = remembering("pager"), remembering("chat")
    sender = made(Route(pager, frozenset({"page"})), Route(chat))
    sender.put([fired("a"), fired("b", severity="ticket")], now=1000)
    for name in ("pager", "chat"):
        drained(sender, name, now=1000)
    assert pager.told == [("a", "firing")]
    assert chat.told == [("a", "firing"), ("b", "firing")]


def test_the_wait_doubles_up_to_a_bound(made, remembering, fired) -> None:
    down = remembering()
    down.errors.extend([AGAIN] * 1000)
    sender = made(Route(down))
    sender.put([fired()], now=1000)
    for now in range(1000, 1300):
        drained(sender, now=now)
    times = [now for now, _ in down.calls]
    assert [after - before for before, after in pairwise(times)][:7] == [2, 4, 8, 16, 32, 60, 60]


def test_jitter_is_full(outbox, remembering, fired) -> None:
    sender = Sender(outbox, [Route(remembering())], jitter=random.Random(1))
    waits = [sender._wait(6) for _ in range(2000)]
    assert min(waits) < 1
    assert max(waits) > LONGEST_WAIT_SECONDS - 1
    assert abs(sum(waits) / len(waits) - LONGEST_WAIT_SECONDS / 2) < 2


def test_a_destination_that_says_when_is_not_asked_before(made, remembering, fired) -> None:
    limited = remembering()
    limited.errors.append(DeliveryError("429", retry=True, retry_after_seconds=300))
    sender = made(Route(limited))
    sender.put([fired("a")], now=1000)
    drained(sender, now=1000)
    sender.put([fired("b")], now=1001)
    drained(sender, now=1299)
    assert len(limited.calls) == 1
    drained(sender, now=1300)
    assert sorted(limited.told[1:]) == [("a", "firing"), ("b", "firing")]


def test_what_always_fails_holds_up_no_other(made, remembering, fired) -> None:
    class Picky(remembering):
        def send(self, alerts, *, now) -> None:
            if alerts[0].slo == "poison":
                raise AGAIN
            super().send(alerts, now=now)

    picky = Picky()
    sender = made(Route(picky))
    sender.put([fired("poison")], now=1000)
    sender.put([fired(str(number)) for number in range(5)], now=1001)
    for now in range(1001, 1200):
        drained(sender, now=now)
    assert len(picky.told) == 5


def test_what_is_refused_for_good_is_dead_at_once_and_the_next_is_sent(made, outbox, remembering, fired) -> None:
    refusing = remembering()
    refusing.errors.append(NEVER)
    sender = made(Route(refusing))
    sender.put([fired("a"), fired("b")], now=1000)
    drained(sender, now=1000)
    assert [(dead.alert.slo, dead.reason) for dead in outbox.dead()] == [("a", "400")]
    assert refusing.told == [("a", "firing"), ("b", "firing")]


def test_one_bad_alert_of_a_batch_is_found_and_the_others_are_sent(made, outbox, remembering, fired) -> None:
    class Picky(remembering):
        def send(self, alerts, *, now) -> None:
            if any(alert.slo == "bad" for alert in alerts):
                raise NEVER
            super().send(alerts, now=now)

    picky = Picky()
    sender = made(Route(picky, batch=10))
    sender.put([fired("a"), fired("bad"), fired("b")], now=1000)
    drained(sender, now=1000)
    assert sorted(picky.told) == [("a", "firing"), ("b", "firing")]
    assert [dead.alert.slo for dead in outbox.dead()] == ["bad"]


def test_a_refused_batch_is_taken_apart_within_what_a_minute_allows(made, outbox, remembering, fired) -> None:
    refusing = remembering()
    refusing.errors.extend([NEVER] * 100)
    sender = made(Route(refusing, batch=20, per_minute=5))
    sender.put([fired(str(number)) for number in range(10)], now=1000)
    drained(sender, now=1000)
    assert [len(alerts) for _, alerts in refusing.calls] == [10, 1, 1, 1, 1]
    for now in range(1001, 1200):
        drained(sender, now=now)
    assert len(outbox.dead()) == 10


def test_a_day_without_success_is_given_up(made, outbox, remembering, fired) -> None:
    down = remembering()
    down.errors.extend([AGAIN] * 10_000)
    sender = made(Route(down))
    sender.put([fired()], now=1000)
    now = 1000.0
    while not outbox.dead():
        drained(sender, now=now)
        now += 1200
    assert GIVEN_UP_SECONDS <= now - 1000 <= GIVEN_UP_SECONDS + 2400


def test_a_clock_that_jumps_ahead_by_a_year_buries_nothing(made, outbox, remembering, fired) -> None:
    down = remembering()
    down.errors.extend([AGAIN] * (LEAST_ATTEMPTS - 1))
    sender = made(Route(down))
    sender.put([fired()], now=1000)
    drained(sender, now=1000)
    later = 1000 + 365 * 86_400
    for now in range(later, later + 3000):
        drained(sender, now=now)
    assert outbox.dead() == ()
    assert outbox.pending() == {}


def test_a_clock_that_steps_back_does_not_prolong_a_pause(made, remembering, fired) -> None:
    down = remembering()
    down.errors.append(AGAIN)
    sender = made(Route(down))
    sender.put([fired()], now=1_000_000)
    drained(sender, now=1_000_000)
    drained(sender, now=1000)
    assert len(down.calls) == 2


def test_what_forgets_is_told_again_while_it_fires_and_no_longer(made, remembering, fired) -> None:
    forgets = remembering()
    sender = made(Route(forgets, batch=10, resend_seconds=60))
    sender.put([fired()], now=1000)
    for now in range(1000, 1200):
        drained(sender, now=now)
    sender.put([fired(ends_at=1200)], now=1200)
    for now in range(1200, 1400):
        drained(sender, now=now)
    assert [(now, alerts[0].status) for now, alerts in forgets.calls] == [
        (1000, "firing"),
        (1060, "firing"),
        (1120, "firing"),
        (1180, "firing"),
        (1200, "resolved"),
    ]


def test_what_forgets_is_never_given_up_for_its_silence(made, outbox, remembering, fired) -> None:
    forgets = remembering()
    forgets.errors.extend([AGAIN] * 3000)
    sender = made(Route(forgets, resend_seconds=60))
    sender.put([fired()], now=1000)
    for now in range(1000, 1000 + int(2 * GIVEN_UP_SECONDS), 1200):
        drained(sender, now=now)
    assert outbox.dead() == ()
    forgets.errors.clear()
    drained(sender, now=1060 + 2 * GIVEN_UP_SECONDS)
    assert sender.conditions()[0].trouble is None


def test_a_repetition_that_fails_is_tried_again_before_the_next_is_due(made, remembering, fired) -> None:
    forgets = remembering()
    sender = made(Route(forgets, resend_seconds=60))
    sender.put([fired()], now=1000)
    drained(sender, now=1000)
    forgets.errors.extend([AGAIN, AGAIN])
    for now in range(1001, 1080):
        drained(sender, now=now)
    assert [now for now, _ in forgets.calls] == [1000, 1060, 1062, 1066]


def test_a_strangers_adapter_that_breaks_tells_no_secret_and_is_tried_again(
    made, outbox, remembering, fired, caplog
) -> None:
    class Broken(remembering):
        def send(self, alerts, *, now) -> None:
            raise ValueError("https://hooks/secret")

    sender = made(Route(Broken()))
    sender.put([fired()], now=1000)
    drained(sender, now=1000)
    (condition,) = sender.conditions()
    assert condition.trouble == "the adapter failed with ValueError"
    assert condition.waiting == 1
    assert "secret" not in caplog.text


def test_a_condition_tells_how_a_destination_fares(made, remembering, fired) -> None:
    way = remembering()
    way.errors.append(AGAIN)
    sender = made(Route(way))
    sender.put([fired()], now=1000)
    drained(sender, now=1000)
    (down,) = sender.conditions()
    assert (down.waiting, down.oldest_queued_at, down.last_taken_at, down.trouble) == (1, 1000, None, "503")
    drained(sender, now=1010)
    (well,) = sender.conditions()
    assert (well.waiting, well.oldest_queued_at, well.last_taken_at, well.trouble) == (0, None, 1010, None)


def test_threads_send_what_is_put_and_one_that_hangs_holds_up_neither_the_others_nor_the_end(
    made, remembering, fired
) -> None:
    arrived, hanging, released = threading.Event(), threading.Event(), threading.Event()

    class Hanging(remembering):
        def send(self, alerts, *, now) -> None:
            hanging.set()
            released.wait(30)

    class Quick(remembering):
        def send(self, alerts, *, now) -> None:
            super().send(alerts, now=now)
            arrived.set()

    quick = Quick("quick")
    sender = made(Route(Hanging("hanging")), Route(quick), clock=lambda: 1000.0)
    sender.start()
    sender.put([fired()], now=1000)
    assert arrived.wait(30)
    assert hanging.wait(30)
    sender.stop(within_seconds=0.2)
    assert quick.told == [("checkout", "firing")]
    assert [thread.name for thread in sender._threads if thread.is_alive()] == ["alerts to hanging"]
    released.set()
    sender.stop(within_seconds=10)
    assert not any(thread.is_alive() for thread in sender._threads)


def test_a_restart_sends_what_waited_and_not_what_was_taken(tmp_path, remembering, fired) -> None:
    way = remembering()
    way.errors.extend([None, AGAIN])
    for now in (1000, 1100):
        with Outbox(tmp_path / "outbox") as outbox:
            sender = Sender(outbox, [Route(way)], jitter=Longest())
            sender.put([fired("a"), fired("b")], now=now)
            drained(sender, now=now)
    assert way.told == [("a", "firing"), ("b", "firing"), ("b", "firing")]
