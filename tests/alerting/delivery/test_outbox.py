"""What waits, what was taken, what was given up."""

from __future__ import annotations

import stat
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_alerting.alerts import Alert
from maibo_alerting.delivery.outbox import Outbox, OutboxError

CHAT = ("chat",)


def claimed(outbox, now: float = 2000.0, *, most: int = 10, per_minute: int = 1000):
    return outbox.claim("chat", now=now, most=most, per_minute=per_minute)


def told(outbox, now: float = 2000.0) -> list[tuple[str, str]]:
    letters = claimed(outbox, now)
    outbox.taken(letters, now=now)
    return [(letter.alert.slo, letter.alert.status) for letter in letters]


def test_what_was_put_is_given_out_until_it_is_taken(outbox, fired) -> None:
    outbox.put([fired()], CHAT, now=1000)
    (first,), (second,) = claimed(outbox), claimed(outbox)
    assert (first.attempts, second.attempts) == (1, 2)
    assert first.alert == fired()
    outbox.taken([second], now=2000)
    assert claimed(outbox) == ()
    assert outbox.pending() == {}


def test_an_alert_comes_back_as_it_went_in(outbox, fired) -> None:
    alert = fired(group="gold", labels={"a": "路"}, annotations={"b": "\ud83d"}, link="http://x", test=True)
    outbox.put([alert], CHAT, now=1000)
    assert claimed(outbox)[0].alert == alert


def test_pages_go_before_tickets_and_then_the_oldest(outbox, fired) -> None:
    outbox.put([fired("a", severity="ticket")], CHAT, now=1000)
    outbox.put([fired("b")], CHAT, now=1002)
    outbox.put([fired("c")], CHAT, now=1001)
    assert [slo for slo, _ in told(outbox)] == ["c", "b", "a"]


def test_what_fires_already_is_not_told_again(outbox, fired) -> None:
    for now in (1000, 1001):
        outbox.put([fired()], CHAT, now=now)
    assert told(outbox) == [("checkout", "firing")]
    outbox.put([fired(annotations={"summary": "newer words"})], CHAT, now=1100)
    assert told(outbox) == []


def test_a_resolve_is_told_once(outbox, fired) -> None:
    outbox.put([fired()], CHAT, now=1000)
    told(outbox)
    for now in (1100, 1101):
        outbox.put([fired(ends_at=1100)], CHAT, now=now)
    assert told(outbox) == [("checkout", "resolved")]
    outbox.put([fired(ends_at=1100)], CHAT, now=1200)
    assert told(outbox) == []


def test_a_fire_that_was_never_attempted_is_dropped_with_its_resolve(outbox, fired) -> None:
    outbox.put([fired()], CHAT, now=1000)
    for _ in range(2):
        outbox.put([fired(ends_at=1100)], CHAT, now=1100)
    assert told(outbox) == []
    outbox.put([fired(starts_at=1200)], CHAT, now=1200)
    assert told(outbox) == [("checkout", "firing")]


def test_a_fire_whose_answer_was_lost_is_resolved(outbox, fired) -> None:
    outbox.put([fired()], CHAT, now=1000)
    claimed(outbox)
    outbox.put([fired(ends_at=1100)], CHAT, now=1100)
    assert told(outbox) == [("checkout", "resolved")]


def test_a_resolve_that_was_never_attempted_is_dropped_when_it_burns_on(outbox, fired) -> None:
    outbox.put([fired()], CHAT, now=1000)
    told(outbox)
    outbox.put([fired(ends_at=1100)], CHAT, now=1100)
    outbox.put([fired()], CHAT, now=1110)
    assert told(outbox) == []


def test_a_later_transition_takes_the_place_of_one_that_waits(outbox, fired) -> None:
    outbox.put([fired()], CHAT, now=1000)
    told(outbox)
    outbox.put([fired(ends_at=1100)], CHAT, now=1100)
    outbox.put([fired(starts_at=1200)], CHAT, now=1200)
    (letter,) = claimed(outbox)
    assert (letter.alert.status, letter.alert.starts_at) == ("firing", 1200)


def test_a_resolve_that_comes_while_the_fire_is_under_way_is_told_after_it(outbox, fired) -> None:
    outbox.put([fired()], CHAT, now=1000)
    under_way = claimed(outbox)
    outbox.put([fired(ends_at=1100)], CHAT, now=1100)
    outbox.taken(under_way, now=1101)
    assert told(outbox) == [("checkout", "resolved")]
    assert told(outbox) == []


def test_a_resolve_survives_its_fire_being_refused_meanwhile(outbox, fired) -> None:
    outbox.put([fired()], CHAT, now=1000)
    under_way = claimed(outbox)
    outbox.put([fired(ends_at=1100)], CHAT, now=1100)
    outbox.bury(under_way, "no", now=1101)
    assert [letter.alert.status for letter in outbox.dead()] == ["firing"]
    assert told(outbox) == [("checkout", "resolved")]


def test_a_resolve_of_what_this_outbox_never_knew_is_told(outbox, fired) -> None:
    outbox.put([fired(ends_at=1100)], CHAT, now=1100)
    assert told(outbox) == [("checkout", "resolved")]


def test_what_is_to_wait_waits(outbox, fired) -> None:
    outbox.put([fired()], CHAT, now=1000)
    outbox.later(claimed(outbox, 1000), due_at=1030)
    assert claimed(outbox, 1029) == ()
    assert len(claimed(outbox, 1030)) == 1


def test_a_clock_that_steps_back_by_a_day_holds_nothing_up(outbox, fired) -> None:
    outbox.put([fired()], CHAT, now=1000 + 86_400)
    assert len(claimed(outbox, 1000)) == 1
    outbox.put([fired("search")], CHAT, now=1000)
    assert len(claimed(outbox, 1001, per_minute=2)) == 2


def test_no_more_requests_a_minute_than_allowed_not_even_after_a_restart(tmp_path, fired) -> None:
    path = tmp_path / "outbox"
    with Outbox(path) as outbox:
        outbox.put([fired(str(number)) for number in range(10)], CHAT, now=1000)
        assert [len(claimed(outbox, 1000 + at, most=1, per_minute=3)) for at in range(5)] == [1, 1, 1, 0, 0]
    with Outbox(path) as outbox:
        assert claimed(outbox, 1059.9, most=1, per_minute=3) == ()
        assert [len(claimed(outbox, at, most=1, per_minute=3)) for at in (1060, 1060.5, 1061, 1062)] == [1, 0, 1, 1]


def test_everything_survives_a_restart(tmp_path, fired) -> None:
    path = tmp_path / "outbox"
    with Outbox(path) as outbox:
        outbox.put([fired("a"), fired("b"), fired("c")], CHAT, now=1000)
        a, b, _ = claimed(outbox)
        outbox.taken([a], now=1001)
        outbox.bury([b], "refused", now=1002)
    with Outbox(path) as outbox:
        assert told(outbox) == [("c", "firing")]
        assert [(dead.alert.slo, dead.reason, dead.attempts) for dead in outbox.dead()] == [("b", "refused", 1)]
        outbox.put([fired("a"), fired("c")], CHAT, now=1003)
        assert told(outbox) == []


def test_what_was_given_up_is_tried_again_after_a_restart_if_it_still_fires(tmp_path, fired) -> None:
    path = tmp_path / "outbox"
    with Outbox(path) as outbox:
        outbox.put([fired("a"), fired("b")], CHAT, now=1000)
        outbox.bury(claimed(outbox), "403", now=1001)
        outbox.put([fired("a"), fired("b")], CHAT, now=1002)
        assert told(outbox) == []
    with Outbox(path) as outbox:
        outbox.put([fired("a")], CHAT, now=1003)
        assert [dead.alert.slo for dead in outbox.dead()] == ["b"]
        outbox.bury(claimed(outbox), "403", now=1004)
        outbox.put([fired("a")], CHAT, now=1005)
        assert told(outbox) == []
        assert [dead.alert.slo for dead in outbox.dead()] == ["a", "b"]


def test_a_dead_letter_can_be_sent_after_all(outbox, fired) -> None:
    outbox.put([fired()], CHAT, now=1000)
    outbox.bury(claimed(outbox), "404", now=1001)
    (dead,) = outbox.dead()
    assert outbox.replay(dead.id, now=1002)
    assert outbox.dead() == ()
    assert told(outbox) == [("checkout", "firing")]
    assert not outbox.replay(dead.id, now=1003)


def test_a_dead_fire_is_not_sent_after_its_resolve(outbox, fired) -> None:
    outbox.put([fired()], CHAT, now=1000)
    outbox.bury(claimed(outbox), "404", now=1001)
    outbox.put([fired(ends_at=1100)], CHAT, now=1100)
    told(outbox)
    (dead,) = outbox.dead()
    assert not outbox.replay(dead.id, now=1200)
    assert told(outbox) == []


def test_a_dead_letter_can_be_forgotten(outbox, fired) -> None:
    outbox.put([fired()], CHAT, now=1000)
    outbox.bury(claimed(outbox), "404", now=1001)
    (dead,) = outbox.dead()
    assert outbox.discard(dead.id)
    assert not outbox.discard(dead.id)


def test_what_waits_for_a_destination_that_is_no_more_is_dead(outbox, fired) -> None:
    outbox.put([fired()], ("chat", "gone"), now=1000)
    outbox.retain(("chat",), now=1001)
    assert [(dead.destination, dead.reason) for dead in outbox.dead()] == [
        ("gone", "no destination is called gone any more")
    ]
    assert list(outbox.pending()) == ["chat"]


def test_what_was_taken_is_repeated_after_a_while_unless_a_resolve_waits(outbox, fired) -> None:
    def repeated(now: float) -> int:
        return len(outbox.repeat("chat", now=now, every=60, most=10, per_minute=1000))

    outbox.put([fired("a"), fired("b")], CHAT, now=1000)
    told(outbox, 1000)
    assert [repeated(now) for now in (1059, 1060, 900)] == [0, 2, 2]  # 900: the clock stepped back
    letters = outbox.repeat("chat", now=1060, every=60, most=10, per_minute=1000)
    outbox.taken(letters, now=1060)
    assert [repeated(now) for now in (1119, 1120)] == [0, 2]
    outbox.put([fired("a", ends_at=1100)], CHAT, now=1120)
    assert repeated(1120) == 1
    told(outbox, 1120)
    assert repeated(1120) == 1


def test_a_repetition_tells_the_newest_words(outbox, fired) -> None:
    outbox.put([fired()], CHAT, now=1000)
    told(outbox, 1000)
    newer = fired(annotations={"summary": "worse"})
    outbox.put([newer], CHAT, now=1030)
    (letter,) = outbox.repeat("chat", now=1100, every=60, most=10, per_minute=1000)
    assert letter.alert == newer


def test_a_full_outbox_takes_nothing_of_a_call_and_still_takes_what_replaces(tmp_path, fired) -> None:
    with Outbox(tmp_path / "outbox", capacity=2) as outbox:
        outbox.put([fired("a"), fired("b")], CHAT, now=1000)
        claimed(outbox)
        with pytest.raises(OutboxError, match="full: more than 2"):
            outbox.put([fired("a", ends_at=1100), fired("c")], CHAT, now=1100)
        assert told(outbox) == [("a", "firing"), ("b", "firing")]
        outbox.put([fired("a", ends_at=1100), fired("b", ends_at=1100)], CHAT, now=1100)
        with pytest.raises(OutboxError, match="full"):
            outbox.put([fired("c")], CHAT, now=1100)
        assert told(outbox) == [("a", "resolved"), ("b", "resolved")]
        outbox.put([fired("c")], CHAT, now=1100)


def test_a_full_disk_is_told_and_loses_nothing(outbox, fired) -> None:
    outbox.put([fired("a")], CHAT, now=1000)
    (pages,) = outbox._connection.execute("PRAGMA page_count").fetchone()
    outbox._connection.execute(f"PRAGMA max_page_count = {pages}")
    many = [fired(str(number), annotations={"description": "x" * 4000}) for number in range(10)]
    with pytest.raises(OutboxError, match="disk is full"):
        outbox.put(many, CHAT, now=1001)
    outbox._connection.execute("PRAGMA max_page_count = 1000000")
    assert told(outbox) == [("a", "firing")]


def test_one_process_has_the_outbox_at_a_time(tmp_path, outbox, monkeypatch) -> None:
    import sqlite3

    from maibo_alerting.delivery import outbox as module

    real = sqlite3.connect
    monkeypatch.setattr(module.sqlite3, "connect", lambda *given, timeout, **named: real(*given, timeout=0.1, **named))
    with pytest.raises(OutboxError, match="does another process have it"):
        Outbox(tmp_path / "outbox.sqlite")


def test_a_damaged_outbox_is_set_aside(tmp_path, fired) -> None:
    path = tmp_path / "outbox"
    path.write_bytes(b"no database at all" * 1000)
    with Outbox(path) as outbox:
        outbox.put([fired()], CHAT, now=1000)
        assert told(outbox) == [("checkout", "firing")]
    assert (tmp_path / "outbox.damaged").read_bytes().startswith(b"no database")


def test_an_outbox_of_a_newer_version_is_left_alone(tmp_path) -> None:
    path = tmp_path / "outbox"
    with Outbox(path) as outbox:
        outbox._connection.execute("PRAGMA user_version = 99")
    with pytest.raises(OutboxError, match="format 99"):
        Outbox(path)


def test_others_may_not_read_it(tmp_path, outbox) -> None:
    assert stat.S_IMODE((tmp_path / "outbox.sqlite").stat().st_mode) == 0o600


def test_a_closed_outbox_says_so(tmp_path) -> None:
    with Outbox(tmp_path / "outbox") as outbox:
        pass
    with pytest.raises(OutboxError):
        outbox.pending()


STEPS = st.lists(st.sampled_from(["fire", "over", "again", "send", "lost", "begin", "end"]), max_size=25)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_whatever_happens_a_destination_knows_the_last_state_in_the_end(tmp_path_factory, steps) -> None:
    """`lost`: it was sent, and the process died before it was written down; `begin`, `end`: others act while one is under way."""
    path = tmp_path_factory.mktemp("outbox") / "outbox"
    outbox, now = Outbox(path), 1000.0
    now_firing: float | None = None
    known: dict[str, Alert] = {}
    under_way: tuple = ()
    pages: list[float] = []

    def send(letters) -> None:
        for letter in letters:
            before = known.get(letter.alert.key)
            if letter.alert.ends_at is None and (before is None or before.ends_at is not None):
                pages.append(letter.alert.starts_at)
            known[letter.alert.key] = letter.alert

    alert = Alert("MaiboBudgetBurn", "checkout", "99.9", "page", now)
    for step in [*steps, "end", "send", "send"]:
        now += 1
        if step == "fire" and now_firing is None:
            now_firing = now
            alert = replace(alert, starts_at=now, ends_at=None)
            outbox.put([alert], CHAT, now=now)
        elif step == "over" and now_firing is not None:
            now_firing = None
            alert = replace(alert, ends_at=now)
            outbox.put([alert], CHAT, now=now)
        elif step == "again" and (now_firing is not None or alert.ends_at is not None):
            outbox.put([alert], CHAT, now=now)
        elif step == "begin" and not under_way:
            under_way = claimed(outbox, now)
            send(under_way)
        elif step == "end":
            outbox.taken(under_way, now=now)
            under_way = ()
        elif step == "send" and not under_way:
            letters = claimed(outbox, now)
            send(letters)
            outbox.taken(letters, now=now)
        elif step == "lost" and not under_way:
            send(claimed(outbox, now))
            outbox.close()
            outbox = Outbox(path)
    outbox.close()
    (last,) = known.values() or [replace(alert, ends_at=0)]
    assert (last.ends_at is None) == (now_firing is not None)
    assert len(pages) == len(set(pages)), "no incident pages twice at a destination that knows keys"


def test_what_ended_unseen_is_resolved_once_where_it_was_told(outbox, fired) -> None:
    outbox.put([fired("a"), fired("b")], CHAT, now=1000)
    assert told(outbox) == [("a", "firing"), ("b", "firing")]
    for now in (1100, 1101):
        outbox.end_others({"chat": {fired("b").key}}, now=now)
    (letter,) = claimed(outbox)
    assert (letter.alert.slo, letter.alert.status, letter.alert.is_unhealed) == ("a", "resolved", True)
    outbox.taken([letter], now=1102)
    outbox.end_others({"chat": {fired("b").key}}, now=1200)
    assert told(outbox) == []
    outbox.end_others({"mail": set()}, now=1300)
    assert told(outbox) == [], "a destination that is not spoken of keeps what it has"


def test_a_resolve_that_was_refused_for_good_is_not_tried_again(outbox, fired) -> None:
    outbox.put([fired()], CHAT, now=1000)
    assert told(outbox) == [("checkout", "firing")]
    ended = fired(ends_at=1100.0)
    outbox.put([ended], CHAT, now=1100)
    outbox.bury(claimed(outbox), "gone", now=1101)
    outbox.put([ended], CHAT, now=1102)
    outbox.end_others({"chat": set()}, now=1103)
    assert claimed(outbox) == ()


def test_who_has_taken_an_alert_is_told_by_destination(outbox, fired) -> None:
    alert = fired()
    outbox.put([alert], ["slack", "mail"], now=2000.0)
    assert outbox.held([alert.key]) == ()
    outbox.taken(outbox.claim("slack", now=2001.0, most=10, per_minute=1000), now=2002.0)
    (taken,) = outbox.held([alert.key, "another"])
    assert (taken.destination, taken.key, taken.firing, taken.starts_at) == ("slack", alert.key, True, alert.starts_at)
    assert taken.at == 2002.0
