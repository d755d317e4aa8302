"""What a batch's records come to: each body of its own once, as counts for the store and as numbers for the record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from maibo_collectors.otlp.body import BodyMalformed, BodyTooLarge, unpack
from maibo_collectors.otlp.decoding import tally as tallies
from maibo_collectors.otlp.decoding.decoders import Decoders
from maibo_collectors.otlp.decoding.points import Points, decode_points
from maibo_collectors.otlp.decoding.points import decode as points_of
from maibo_collectors.otlp.decoding.rules import Rules
from maibo_collectors.otlp.draining.merge import Merge, SeriesMemo, minutes
from maibo_collectors.otlp.segment import Kind, Record
from maibo_slo.store.counts import Counts
from maibo_slo.store.segments import SegmentRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from maibo_collectors.otlp.decoding.tally import Tally


@dataclass(slots=True)
class Content:
    """What a batch holds: `total` = counted + ignored + rejected + skewed."""

    counts: Counts = field(default_factory=Counts)
    received_ns: list[int] = field(default_factory=list)
    """When the bodies came that are the batch's own."""
    bodies: int = 0
    duplicate_bodies: int = 0
    total: int = 0
    """Spans, log records and data points of bodies that are no duplicates."""
    counted: int = 0
    ignored: int = 0
    rejected: int = 0
    skewed: int = 0
    overflowed: int = 0
    unreadable: list[Record] = field(default_factory=list)
    """Whole records that this version cannot read."""

    def record(self, batch: str, *, drained_at_ms: int) -> SegmentRecord:
        """As the store keeps it."""
        return SegmentRecord(
            segment=batch,
            drained_at_ms=drained_at_ms,
            bodies=self.bodies,
            duplicate_bodies=self.duplicate_bodies,
            spans=self.total,
            counted=self.counted,
            ignored=self.ignored,
            rejected=self.rejected,
            skewed=self.skewed,
            overflowed=self.overflowed,
            minutes=minutes(self.counts),
        )

    def became(self) -> dict[str, int]:
        """For metrics."""
        return {
            "counted": self.counted,
            "ignored": self.ignored,
            "rejected": self.rejected,
            "skewed": self.skewed,
            "overflowed": self.overflowed,
        }

    def add(self, record: Record, tally: Tally, merge: Merge) -> None:
        """One body more; unreadable if what it says cannot be."""
        try:
            merge.add(tally)
        except ValueError:
            self.unreadable.append(record)
            return
        self.total += tally.total
        self.counted += tally.counted
        self.ignored += tally.ignored
        self.rejected += sum(tally.rejected.values())
        self.skewed += tally.skewed
        self.overflowed += sum(tally.overflowed.values())


class Contents:
    """Reads batches, and remembers series between them."""

    def __init__(self) -> None:
        self._known = SeriesMemo()
        self._decoders: Decoders | None = None

    def read(
        self,
        records: Iterable[Record],
        own: AbstractSet[bytes],
        *,
        settle: Callable[[Sequence[Points]], Sequence[Tally]],
    ) -> Content:
        """Counts each body of `own` once, the first in order; the others were counted by another batch.

        `settle` tells what points come to; it is asked once, if there are any.
        """
        content = Content()
        merge = Merge(self._known)
        seen: set[bytes] = set()
        points: list[tuple[Record, Points]] = []
        for record in records:
            content.bodies += 1
            if record.body_hash in seen or record.body_hash not in own:
                content.duplicate_bodies += 1
                continue
            seen.add(record.body_hash)
            content.received_ns.append(record.received_ns)
            try:
                read = self._read(record)
            except (ValueError, BodyMalformed, BodyTooLarge):
                content.unreadable.append(record)
                continue
            if isinstance(read, Points):
                points.append((record, read))
            else:
                content.add(record, read, merge)
        if points:
            for (record, _), tally in zip(points, settle([each for _, each in points]), strict=True):
                content.add(record, tally, merge)
        content.counts = merge.counts()
        return content

    def _read(self, record: Record) -> Tally | Points:
        if record.kind == Kind.TALLY:
            return tallies.decode(record.body)
        if record.kind == Kind.POINTS:
            return decode_points(record.body)
        if (
            self._decoders is None
        ):  # bodies as received: of an older version's log, or of a collector that forwarded them
            self._decoders = Decoders(Rules())
        body, kind, received_ns = unpack(record.body, record.encoding), Kind(record.kind), record.received_ns
        if kind.signal == "metrics":
            return points_of(kind, body, self._decoders.classifier, received_ns=received_ns)
        return self._decoders.tally(kind, body, received_ns=received_ns)
