"""A log outlives the version that wrote it: tallies of before are read as well."""

import msgspec
import pytest

from maibo_collectors.otlp.body import Encoding
from maibo_collectors.otlp.decoding.tally import (
    CELL,
    EXEMPLAR,
    FAILED,
    SLOWEST,
    Reason,
    Series,
    Tally,
    decode,
    encode,
    series_bytes,
)
from maibo_collectors.otlp.draining.content import Contents
from maibo_collectors.otlp.segment import Kind, Record

T = 1_800_000_000
SERIES = series_bytes(Series("checkout", *[""] * 8, "failure"))
CELLS = CELL.pack(T, 0, 400, 3)
COUNTED = [3, 3, 0, 0, {}, {}]


def earlier(*exemplars: list[object]) -> list[object]:
    """As the version before packed exemplars wrote it: each is a row that begins with the 10 s of its end."""
    return [[SERIES], CELLS, b"", b"", b"", [[T, 0, "card", 3]], list(exemplars), *COUNTED]


def test_a_tally_is_read_as_it_was_written():
    tally = Tally(
        series=[SERIES],
        cells=CELLS,
        reasons=[Reason(T, 0, "card", 3)],
        exemplars=EXEMPLAR.pack(T * 10**9 + 7, 0, 400, FAILED, 5, b"t" * 16, b"s" * 8),
        total=3,
        counted=3,
    )
    assert decode(encode(tally)) == tally


@pytest.mark.parametrize(
    ("told", "packed"),
    [
        ([], b""),
        (
            [[T, 0, 400, FAILED, 5, b"t" * 16, b"s" * 8], [T + 10, 0, 7, SLOWEST, 2**63 - 1, b"u" * 16, b"v" * 8]],
            EXEMPLAR.pack(T * 10**9, 0, 400, FAILED, 5, b"t" * 16, b"s" * 8)
            + EXEMPLAR.pack((T + 10) * 10**9, 0, 7, SLOWEST, 2**63 - 1, b"u" * 16, b"v" * 8),
        ),
        ([[T, 0, 400, FAILED, 5, b"t" * 15, b"s" * 8], [T, 0, 400, FAILED, 5, b"t" * 16, b""]], b""),
    ],
)
def test_exemplars_of_an_earlier_version_are_packed_and_those_without_whole_ids_left_out(told, packed):
    found = decode(msgspec.msgpack.encode(earlier(*told)))
    assert found.exemplars == packed
    assert (found.series, found.cells, found.reasons) == ([SERIES], CELLS, [Reason(T, 0, "card", 3)])
    assert (found.total, found.counted) == (3, 3)


@pytest.mark.parametrize(
    "exemplar",
    [
        [T, 0, 400, 0, 5, "t" * 16, b"s" * 8],
        [T, 0, 400, 0, 5, b"t" * 16],
        [T, -1, 400, 0, 5, b"t" * 16, b"s" * 8],
        [T, 0, 2**16, 0, 5, b"t" * 16, b"s" * 8],
        [-T, 0, 400, 0, 5, b"t" * 16, b"s" * 8],
        [2**62, 0, 400, 0, 5, b"t" * 16, b"s" * 8],
        "none",
    ],
)
def test_what_is_a_tally_of_no_version_is_a_value_error(exemplar):
    with pytest.raises(ValueError):
        decode(msgspec.msgpack.encode(earlier(exemplar)))


@pytest.mark.parametrize("other", [None, 7, {}, [["no bytes"]], [[SERIES], "no bytes", b"", b"", b"", [], []]])
def test_a_message_that_is_no_tally_is_a_value_error(other):
    with pytest.raises(ValueError):
        decode(msgspec.msgpack.encode(other))


def test_records_of_both_versions_are_drained_together():
    now = encode(Tally([SERIES], CELLS, exemplars=EXEMPLAR.pack((T + 61) * 10**9, 0, 400, 0, 5, b"n" * 16, b"s" * 8)))
    before = msgspec.msgpack.encode(earlier([T, 0, 400, FAILED, 5, b"b" * 16, b"s" * 8]))
    records = [
        Record(bytes([place]) * 16, T * 10**9, 3, Encoding.IDENTITY, body, Kind.TALLY)
        for place, body in enumerate((before, now))
    ]
    content = Contents().read(records, {each.body_hash for each in records}, settle=lambda _: [])
    assert not content.unreadable
    assert content.counts.cells["n"].tolist() == [6]
    assert content.counts.exemplars["trace_id"].tolist() == [b"b" * 16, b"n" * 16]
    assert content.counts.exemplars["end_ns"].tolist() == [T * 10**9, (T + 61) * 10**9]
