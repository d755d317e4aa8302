"""Which log segments are in the counts already, and which bodies each claimed: what makes counting exactly-once.

A segment is what a collector drains at once: one segment of its log, or a batch of several, written down before, under a name of
its own. It is drained in three steps, each of which may be repeated after a crash and then does what it did before::

    own = claim(store, segment, hashes)          # which bodies are this segment's: the others are retries of a counted one
    counts.insert(store, counts_of(own), token=segment)
    record(store, SegmentRecord(segment, ...))   # after this the segment is not replayed

Between any two of them the process may die. Replayed, in any order, a segment claims the same bodies (claims made before the
crash stand), so its counts are the same, and the token keeps counts that are in already from being counted again.

Claims last a day at least: a client's retry later than that counts as new. They are looked up in the table, not in memory, so
that a replay decides as the first attempt did however long the process was down.

Threads of one process take turns at claiming, and an embedded store has one process. On a server that several collectors share, each
inserts its claims of bodies that nobody has claimed, reads back who else did, and the claim that became visible first owns the body: rows have
a number (``_block_number``) that is given in that very moment. So who reads back sees its own claim and all with lesser numbers, and two that claim the
same body in one moment agree. Where several replicas of a server take claims, each numbers its own before it hears of the others', and two may both own a
body that they got in one moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from maibo_slo.store.columns import fixed, lists
from maibo_slo.store.tables import INGEST_COUNTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.store.client import Store

SHARED_OVERLAP_MS: Final = 10_000
"""Several collectors' records may become visible out of order; `changed_minutes` looks this far back behind its mark."""


@dataclass(frozen=True, slots=True)
class SegmentRecord:
    """A drained segment, and what was in it."""

    segment: str
    drained_at_ms: int
    bodies: int
    duplicate_bodies: int
    spans: int
    counted: int
    ignored: int
    rejected: int
    minutes: tuple[int, ...]
    """Minutes (unix s) whose cells this segment changed."""
    skewed: int = 0
    """Ended before they started: seen, and in no cell."""
    overflowed: int = 0
    """Counted, but in a journey's overflow series."""


@dataclass(frozen=True, slots=True)
class SegmentTotals:
    """Sums over all segments since the store was made."""

    segments: int
    bodies: int
    duplicate_bodies: int
    spans: int
    counted: int
    ignored: int
    rejected: int
    skewed: int
    overflowed: int


def claim(store: Store, segment: str, hashes: Sequence[bytes]) -> set[bytes]:
    """Claim bodies (16-byte hashes) for a segment BEFORE its cells are inserted.

    Returns those that are this segment's own: new, or claimed by it in an earlier attempt. The others were claimed by another
    segment: duplicates.
    """
    wanted = set(hashes)
    for each in wanted:
        if len(each) != 16:
            raise ValueError(f"a body's hash has 16 bytes, not {len(each)}")
    if not wanted:
        return set()
    with store.lock:
        # Looked up first: a claim that is in already stands, whatever the server's clock did since.
        owners = _owners(store, wanted)
        new = {each for each in wanted if each not in owners}
        if new:
            _insert_claims(store, segment, list(new))
            if not store.embedded:
                owners |= _owners(store, new)
    return {each for each in wanted if owners.get(each, segment) == segment}


def _owners(store: Store, hashes: set[bytes]) -> dict[bytes, str]:
    table = store.arrow(
        "SELECT hash, argMin(segment, (_block_number, claimed_at, claimed_us, segment)) AS owner FROM bodies "
        "WHERE hash IN (SELECT CAST(unhex(arrayJoin({hashes:Array(String)})) AS FixedString(16))) GROUP BY hash",
        {"hashes": [each.hex() for each in hashes]},
    )
    return dict(zip(table["hash"].to_pylist(), table["owner"].to_pylist(), strict=True))


def _insert_claims(store: Store, segment: str, hashes: Sequence[bytes]) -> None:
    store.insert(
        "bodies",
        {"hash": fixed(hashes, 16), "segment": [segment] * len(hashes)},
        settings={"insert_deduplicate": 0},
    )


def is_drained(store: Store, segments: Sequence[str]) -> set[str]:
    """Those of these segments that are recorded; the others are to be (re)played."""
    rows = store.rows(
        "SELECT DISTINCT segment FROM segments WHERE segment IN {names:Array(String)}", {"names": list(segments)}
    )
    return {name for (name,) in rows}


def recorded_since(store: Store, at_ms: int) -> int:
    """How many segments were recorded since (unix ms)."""
    return int(store.rows("SELECT count() FROM segments WHERE drained_at_ms >= {at:UInt64}", {"at": at_ms})[0][0])


def record(store: Store, done: SegmentRecord) -> None:
    """Note that a segment's counts are in. Recording it again changes nothing but the time."""
    record_all(store, [done], token=done.segment)


def record_all(store: Store, done: Sequence[SegmentRecord], *, token: str) -> None:
    """Note that these segments' counts are in, all at once. Recording the same again under the same token changes nothing but the time."""
    sums = {name: np.array([sum(getattr(each, name) for each in done)], dtype=np.uint64) for name in INGEST_COUNTS}
    counts = {name: np.array([getattr(each, name) for each in done], dtype=np.uint64) for name in INGEST_COUNTS}
    begun_ms = max(each.drained_at_ms for each in done)
    with store.lock:
        # First, and under a token: recorded again after a crash in between, it is not added again.
        store.insert(
            "ingest",
            {"segments": np.array([len(done)], dtype=np.uint64), **sums},
            settings={"insert_deduplication_token": token},
        )
        # Strictly rising, so that `changed_minutes` misses none whatever the clock does. No row: max is 0.
        newest = store.rows(
            "SELECT max(drained_at_ms) FROM segments WHERE drained_at_ms >= {at:UInt64}", {"at": begun_ms}
        )
        store.insert(
            "segments",
            {
                "segment": [each.segment for each in done],
                "drained_at_ms": np.full(len(done), max(begun_ms, int(newest[0][0]) + 1), dtype=np.uint64),
                **counts,
                "minutes": lists([each.minutes for each in done]),
            },
            settings={"insert_deduplicate": 0},
        )


def newest_mark(store: Store) -> int:
    """For `changed_minutes`: of what is recorded by now; 0 where nothing is."""
    return int(store.rows("SELECT max(drained_at_ms) FROM segments")[0][0])


def changed_minutes(store: Store, since: int) -> tuple[set[int], int]:
    """Minutes (unix s) touched by segments recorded after the mark `since`, and the new mark; 0 is before everything.

    Every minute is told once at least after it changed; with a server, that several collectors write, some are told again.
    """
    behind = since if store.embedded else max(since - SHARED_OVERLAP_MS, 0)
    ((minutes, newest),) = store.rows(
        "SELECT groupUniqArrayArray(minutes), max(drained_at_ms) FROM segments WHERE drained_at_ms > {behind:UInt64}",
        {"behind": behind},
    )
    return {int(minute) for minute in minutes}, max(int(newest), since)


def totals(store: Store) -> SegmentTotals:
    """Sums over every segment ever recorded, each once: for ``/metrics`` and the demo."""
    ((*sums,),) = store.rows(f"SELECT {', '.join(f'sum({name})' for name in ('segments', *INGEST_COUNTS))} FROM ingest")  # noqa: S608 -- fixed names
    return SegmentTotals(*map(int, sums))
