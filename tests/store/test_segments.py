from __future__ import annotations

import hashlib
import itertools
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maibo_slo.errors import StoreError
from maibo_slo.store.cells import CellKey, insert_cells
from maibo_slo.store.segments import (
    SegmentRecord,
    SegmentTotals,
    changed_minutes,
    claim,
    is_drained,
    record,
    totals,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_slo.store import Store


def _hash(body: int | str) -> bytes:
    return hashlib.blake2b(str(body).encode(), digest_size=16).digest()


def _record(segment: str, at_ms: int = 1_000, minutes: tuple[int, ...] = (), **counts: int) -> SegmentRecord:
    ordinary = {"bodies": 1, "duplicate_bodies": 0, "spans": 1, "counted": 1, "ignored": 0, "rejected": 0}
    return SegmentRecord(segment, at_ms, minutes=minutes, **(ordinary | counts))


def test_the_first_segment_owns_a_body_whoever_asks_later_and_however_often(store: Store):
    bodies = [_hash(i) for i in range(6)]
    assert claim(store, "a", bodies[:4]) == set(bodies[:4])
    assert claim(store, "b", bodies[2:]) == set(bodies[4:])
    for _ in range(2):
        assert claim(store, "a", bodies) == set(bodies[:4])
        assert claim(store, "b", bodies) == set(bodies[4:])
    assert store.rows("SELECT uniqExact(hash) FROM bodies") == [(6,)]


def test_the_same_body_twice_in_a_segment_is_one(store: Store):
    assert claim(store, "a", [_hash(1), _hash(1)]) == {_hash(1)}
    assert store.rows("SELECT count() FROM bodies") == [(1,)]


def test_any_sixteen_bytes_are_a_hash(store: Store):
    odd = [b"\0" * 16, b"'" * 16, b"\\" * 16, bytes(range(240, 256)), b"\xff" * 15 + b"\0"]
    assert claim(store, "it's \0 \\", odd) == set(odd)
    assert claim(store, "other", odd) == set()
    assert claim(store, "it's \0 \\", odd) == set(odd)
    with pytest.raises(ValueError, match="16 bytes"):
        claim(store, "a", [b"short"])
    assert claim(store, "a", []) == set()


def test_threads_that_claim_the_same_bodies_share_them_out(store: Store):
    bodies = [_hash(i) for i in range(50)]
    owned: dict[str, set[bytes]] = {}
    threads = [
        threading.Thread(target=lambda name=name: owned.update({name: claim(store, name, bodies)})) for name in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(itertools.chain(*owned.values())) == sorted(bodies)


def test_recorded_segments_are_drained_and_others_are_not(store: Store):
    record(store, _record("a"))
    assert is_drained(store, ["a", "b", "it's"]) == {"a"}
    assert is_drained(store, []) == set()


def test_the_totals_count_every_segment_once(store: Store):
    record(store, _record("a", bodies=3, duplicate_bodies=1, spans=10, counted=6, ignored=3, rejected=1))
    record(store, _record("b", bodies=1, spans=2, counted=2))
    record(store, _record("a", bodies=3, duplicate_bodies=1, spans=10, counted=6, ignored=3, rejected=1))
    assert totals(store) == SegmentTotals(
        segments=2, bodies=4, duplicate_bodies=1, spans=12, counted=8, ignored=3, rejected=1, skewed=0, overflowed=0
    )


def test_the_totals_outlive_the_segments_and_a_crash_while_recording(store: Store, monkeypatch: pytest.MonkeyPatch):
    insert = store.insert

    def dies_at_segments(table: str, *rest: Any, **more: Any) -> None:
        if table == "segments":
            raise StoreError("killed")
        insert(table, *rest, **more)

    monkeypatch.setattr(store, "insert", dies_at_segments)
    with pytest.raises(StoreError):
        record(store, _record("a"))
    monkeypatch.setattr(store, "insert", insert)
    record(store, _record("a"))
    before = totals(store)
    assert before.segments == 1
    store.execute("TRUNCATE TABLE segments")
    assert totals(store) == before


def test_totals_of_an_empty_store_are_zeros(store: Store):
    assert totals(store) == SegmentTotals(*[0] * 9)


def test_changed_minutes_are_told_once_even_when_the_clock_stands_still_or_turns_back(store: Store):
    assert changed_minutes(store, 0) == (set(), 0)
    record(store, _record("a", 5_000_000, (60, 120)))
    first, mark = changed_minutes(store, 0)
    assert first == {60, 120}
    # On a server others' records may become visible late: what is told again there is the last 10 s.
    again = set() if store.embedded else first
    assert changed_minutes(store, mark) == (again, mark)
    record(store, _record("b", 5_000_000, (180,)))
    record(store, _record("c", 4_000_000, (240,)))
    record(store, _record("empty", 4_000_000, ()))
    second, mark = changed_minutes(store, mark)
    assert second == {180, 240} | again
    assert mark == 5_000_003
    assert changed_minutes(store, mark + 10_000) == (set(), mark + 10_000)
    assert changed_minutes(store, 0)[0] == {60, 120, 180, 240}


EXAMPLES = itertools.count()
STEPS = ("claim", "cells", "record")
SEGMENTS = ("s1", "s2", "s3")
ATTEMPT = st.tuples(st.sampled_from(SEGMENTS), st.sampled_from(STEPS))


@given(
    contents=st.fixed_dictionaries({name: st.lists(st.integers(0, 6), max_size=6) for name in SEGMENTS}),
    before=st.lists(ATTEMPT, max_size=8),
    after=st.permutations(SEGMENTS),
)
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # every example has bodies and segments of its own
)
def test_wherever_a_drain_dies_a_replay_in_any_order_counts_every_body_exactly_once(
    store: Store,
    present: int,
    key: Callable[..., CellKey],
    contents: dict[str, list[int]],
    before: list[tuple[str, str]],
    after: list[str],
):
    example = f"example-{next(EXAMPLES)}"

    def drain(segment: str, last_step: str = "record") -> None:
        name = f"{example}/{segment}"
        if is_drained(store, [name]):
            return
        hashes = {_hash(f"{example}/{body}"): body for body in contents[segment]}
        own = claim(store, name, list(hashes))
        if last_step == "claim":
            return
        insert_cells(store, {key(present, journey=example, variant=str(hashes[each])): 1 for each in own}, token=name)
        if last_step == "cells":
            return
        record(store, _record(name, counted=len(own)))

    for segment, last_step in before:
        drain(segment, last_step)
    for segment in after:
        drain(segment)
    bodies = {str(body) for body in itertools.chain(*contents.values())}
    for tier in ("10s", "1m", "1h"):
        rows = store.rows(
            f"SELECT variant, sum(n) FROM cells_{tier} WHERE journey = {{journey:String}} GROUP BY variant",
            {"journey": example},
        )
        assert dict(rows) == dict.fromkeys(bodies, 1)
    (recorded,) = store.rows(
        "SELECT sum(counted) FROM segments FINAL WHERE startsWith(segment, {name:String})", {"name": f"{example}/"}
    )
    assert recorded == (len(bodies),)


def test_a_claim_stands_when_the_servers_clock_steps_back(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "embedded", False)
    store.execute(
        "INSERT INTO bodies (hash, segment, claimed_at, claimed_us) "
        f"SELECT unhex('{_hash(1).hex()}'), 'a', now() + 5, toUnixTimestamp64Micro(now64(6)) + 5000000"
    )
    assert claim(store, "a", [_hash(1)]) == {_hash(1)}
    assert claim(store, "b", [_hash(1), _hash(2)]) == {_hash(2)}
    assert claim(store, "a", [_hash(1)]) == {_hash(1)}
