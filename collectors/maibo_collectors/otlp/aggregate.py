"""From a segment's records to cells: how many spans ended in which 10 s, in which series, in which latency bin."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from maibo_collectors.otlp.body import BodyMalformed, BodyTooLarge, unpack
from maibo_collectors.otlp.segment import TRACES_PROTOBUF, Record
from maibo_slo.store.cells import CellKey
from maibo_slo.store.histogram import bin_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from maibo_collectors.otlp.spans import Decoded, Decoder, JourneySpan

_LONGEST_NS = 2**63 - 1


@dataclass(slots=True)
class Aggregate:
    """What a segment comes to."""

    cells: dict[CellKey, int] = field(default_factory=dict)
    bodies: int = 0
    duplicate_bodies: int = 0
    spans: int = 0
    """Of bodies that are no duplicates; = counted + ignored + rejected."""
    counted: int = 0
    ignored: int = 0
    rejected: int = 0
    unreadable: list[Record] = field(default_factory=list)
    """Whole records that this version cannot decode."""

    @property
    def minutes(self) -> tuple[int, ...]:
        """Minutes (unix seconds) whose cells change."""
        return tuple(sorted({key.t // 60 * 60 for key in self.cells}))


def aggregate(records: Iterable[Record], own: AbstractSet[bytes], decoder: Decoder) -> Aggregate:
    """Counts each body of `own` once; the others were counted by another segment."""
    result = Aggregate()
    seen: set[bytes] = set()
    spans: list[JourneySpan] = []
    for record in records:
        result.bodies += 1
        if record.body_hash in seen or record.body_hash not in own:
            result.duplicate_bodies += 1
            continue
        seen.add(record.body_hash)
        decoded = _decode(record, decoder)
        if decoded is None:
            result.unreadable.append(record)
            continue
        result.spans += decoded.total
        result.ignored += decoded.ignored
        result.rejected += decoded.rejected.total()
        spans.extend(decoded.counted)
    result.counted = len(spans)
    result.cells = _cells(spans)
    return result


def _decode(record: Record, decoder: Decoder) -> Decoded | None:
    if record.kind != TRACES_PROTOBUF:
        return None
    try:
        return decoder.decode(unpack(record.body, record.encoding), received_ns=record.received_ns)
    except (BodyMalformed, BodyTooLarge):
        return None


def _cells(spans: list[JourneySpan]) -> dict[CellKey, int]:
    durations = np.fromiter((min(span.duration_ns, _LONGEST_NS) for span in spans), dtype=np.int64, count=len(spans))
    bins = bin_of(durations).tolist()
    counts = Counter((span.t, span.series, which) for span, which in zip(spans, bins, strict=True))
    return {CellKey(t, *series, which): n for (t, series, which), n in counts.items()}
