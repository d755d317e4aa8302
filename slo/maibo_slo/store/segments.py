"""STUB (owner: store helper). Which log segments are in the cells already, and which bodies were claimed by which segment.

claim(store, segment: str, hashes: Sequence[bytes]) -> set[bytes]
    Claims bodies (16-byte hashes) for a segment BEFORE its cells are inserted; returns those that are this segment's own
    (new, or claimed by it in an earlier attempt); the others were claimed by another segment: duplicates. Idempotent, so that a replay
    decides as the first attempt did. Claims live CLAIM_TTL (1 h of receipt time; TTL in the table). Claims of the last hour are kept in memory, rebuilt at start.
is_drained(store, segments: Sequence[str]) -> set[str]
record(store, SegmentRecord) -> None
changed_minutes(store, since: int (unix ms mark; 0 = everything still in the table)) -> tuple[set[int], int]  minutes touched by segments recorded after the mark, and the new mark.
totals(store) -> SegmentTotals (bodies, spans, counted, ignored, rejected, duplicate_bodies) sums over the table: for /metrics and the demo
"""
from collections.abc import Sequence
from dataclasses import dataclass

from maibo_slo.store.client import Store


@dataclass(frozen=True, slots=True)
class SegmentRecord:
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


def claim(store: Store, segment: str, hashes: Sequence[bytes]) -> set[bytes]: raise NotImplementedError
def is_drained(store: Store, segments: Sequence[str]) -> set[str]: raise NotImplementedError
def record(store: Store, done: SegmentRecord) -> None: raise NotImplementedError
def changed_minutes(store: Store, since: int) -> tuple[set[int], int]: raise NotImplementedError
