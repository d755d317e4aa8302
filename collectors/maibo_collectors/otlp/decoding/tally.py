"""What one request comes to: the counts that an acceptor makes of it, and the log carries to the store.

Bodies are decoded once, by the acceptor, which must tell its sender exactly what is rejected anyway. What the log then holds is
a tenth of the body, a replay makes the same counts whatever documents are in force by then, and the one process that owns the store
has nothing to decode.

Every row refers to a series by its place in `Tally.series`. Rows are packed, little endian, so that C writes and numpy reads them
as they are; their formats are `CELL`, `FLOW`, `SAMPLED`, `SKEWED` and `EXEMPLAR` below, and `maibo_slo.store.counts` has the same as
dtypes.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import msgspec

BUCKET_SECONDS: Final = 10
BUCKET_NS: Final = BUCKET_SECONDS * 10**9

CELL: Final = struct.Struct("<IIHQ")
"""t (10 s bucket of the end, unix s), series, bin, n (weighted)."""
FLOW: Final = struct.Struct("<IIQQ")
"""t (10 s bucket of the journey's begin, unix s; its minute in what earlier versions wrote), series, started, ended (weighted); the series'
outcome says how it ended.
"""
SAMPLED: Final = struct.Struct("<IIQQ")
"""t (10 s bucket of the end), series, n, spans: only of spans that stand for more than themselves."""
SKEWED: Final = struct.Struct("<IIQ")
"""t (10 s bucket of the end), series, n: spans that end before they start; they are in no cell."""
EXEMPLAR: Final = struct.Struct("<QIHBQ16s8s")
"""The fields of an `Exemplar`."""

FAILED: Final = 0
OVER_THRESHOLD: Final = 1
SLOWEST: Final = 2
"""Why a span is an exemplar."""


class Series(NamedTuple):
    """What a cell is counted under, but for its time and bin; the fields of `maibo_slo.store.cells.CellKey` in the same order."""

    journey: str
    step: str
    environment: str
    service: str
    version: str
    cluster: str
    region: str
    tier: str
    variant: str
    outcome: str


class Reason(NamedTuple):
    """Why journeys or steps failed: n (weighted) of them in a series in 10 s."""

    t: int
    series: int
    reason: str
    n: int


class Exemplar(NamedTuple):
    """One span worth looking at."""

    end_ns: int
    """When it ended, unix ns."""
    series: int
    bin: int
    why: int
    """FAILED, OVER_THRESHOLD or SLOWEST (of its series in its minute, within the request)."""
    duration_ns: int
    trace_id: bytes
    span_id: bytes


class PodServed(NamedTuple):
    """When the first and the last span of a pod ended that were counted in the request, unix ns."""

    namespace: str
    pod: str
    service: str
    """'' where the resource names none."""
    first_ns: int
    last_ns: int


class Tally(msgspec.Struct, array_like=True):
    """``total = counted + ignored + rejected + skewed``; what overflowed was counted."""

    series: list[bytes] = msgspec.field(default_factory=list)
    """Each a msgpack array of the ten texts of a `Series`; no two are equal."""
    cells: bytes = b""
    flow: bytes = b""
    sampled: bytes = b""
    skewed_rows: bytes = b""
    reasons: list[Reason] = msgspec.field(default_factory=list)
    exemplars: bytes = b""
    total: int = 0
    """Spans or log records in the request."""
    counted: int = 0
    ignored: int = 0
    """No part of a journey."""
    skewed: int = 0
    rejected: dict[str, int] = msgspec.field(default_factory=dict)
    """Reason -> how many are part of a journey and cannot be counted."""
    overflowed: dict[str, int] = msgspec.field(default_factory=dict)
    """Journey -> how many were counted in its overflow series."""
    served: list[PodServed] = msgspec.field(default_factory=list)
    """Each pod and service once; of spans alone. Empty in what earlier versions wrote."""


_encoder = msgspec.msgpack.Encoder()
_tally = msgspec.msgpack.Decoder(Tally)
_fields = msgspec.msgpack.Decoder(list[msgspec.Raw])
_timed_by_bucket = msgspec.msgpack.Decoder(list[Exemplar])
_EXEMPLARS: Final = Tally.__struct_fields__.index("exemplars")
_series = msgspec.msgpack.Decoder(tuple[str, str, str, str, str, str, str, str, str, str])


def series_bytes(series: Series) -> bytes:
    """A series as a tally has it."""
    return _encoder.encode(series)


def series_of(raw: bytes) -> Series:
    """Raises ValueError (msgspec.ValidationError) when it is none."""
    return Series(*_series.decode(raw))


def encode(tally: Tally) -> bytes:
    """A tally as the log has it."""
    return _encoder.encode(tally)


def decode(raw: bytes) -> Tally:
    """Raises ValueError (msgspec.ValidationError) when it is none."""
    try:
        return _tally.decode(raw)
    except msgspec.ValidationError:
        return _tally.decode(_with_packed_exemplars(raw))


def _with_packed_exemplars(raw: bytes) -> bytes:
    """A tally that the log has from before exemplars were packed: each was a row of its own, and told the 10 s (unix s) of its end alone."""
    fields = _fields.decode(raw)
    try:
        rows = [
            EXEMPLAR.pack(*each._replace(end_ns=each.end_ns * 10**9))
            for each in _timed_by_bucket.decode(fields[_EXEMPLARS])
            if len(each.trace_id) == 16 and len(each.span_id) == 8
        ]
    except (IndexError, struct.error) as error:
        raise msgspec.ValidationError(f"not a tally of this or an earlier version: {error}") from error
    fields[_EXEMPLARS] = msgspec.Raw(_encoder.encode(b"".join(rows)))
    return _encoder.encode(fields)
