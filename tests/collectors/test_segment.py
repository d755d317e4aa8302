"""Segments can be read after any damage, and only what is damaged is lost."""

import fcntl
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_collectors.otlp.body import Encoding
from maibo_collectors.otlp.segment import HEADER_BYTES, Damage, Record, body_hash, header, parse, recover

RECORDS = st.lists(
    st.builds(
        lambda body, spans, received, encoding: Record(body_hash(body), received, spans, encoding, body),
        st.binary(max_size=120),
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**63),
        st.sampled_from(Encoding),
    ),
    min_size=1,
    max_size=6,
)


def written(records) -> bytes:
    return b"".join(header(record) + record.body for record in records)


def whole(data) -> list[Record]:
    return [item for item in parse(data) if isinstance(item, Record)]


@given(RECORDS)
def test_what_was_written_is_read(records):
    assert list(parse(written(records))) == records


@given(RECORDS)
def test_torn_at_every_byte_all_records_before_are_read_and_nothing_else(records):
    data = written(records)
    ends = [len(written(records[:count])) for count in range(len(records) + 1)]
    for length in range(len(data) + 1):
        complete = sum(end <= length for end in ends) - 1
        items = list(parse(data[:length]))
        assert items[:complete] == records[:complete]
        assert items[complete:] == ([] if length in ends else [Damage(ends[complete], length, torn=True)])


@given(RECORDS, st.data())
@settings(max_examples=300)
def test_a_damaged_byte_costs_one_record_at_most(records, data):
    content = bytearray(written(records))
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    hit = next(at for at in range(len(records)) if position < len(written(records[: at + 1])))
    assert whole(bytes(content)) == records[:hit] + records[hit + 1 :]


@given(RECORDS, st.binary(min_size=1, max_size=200), st.data())
def test_garbage_between_records_is_stepped_over(records, garbage, data):
    at = data.draw(st.integers(0, len(records)))
    assert whole(written(records[:at]) + garbage + written(records[at:])) == records


def test_pages_lost_by_a_power_cut_do_not_hide_the_records_after_them():
    records = [Record(body_hash(body), 1, 1, Encoding.IDENTITY, body) for body in (b"a" * 50, b"b" * 50, b"c" * 50)]
    data = bytearray(written(records))
    length = HEADER_BYTES + 50
    data[length : 2 * length] = bytes(length)
    assert list(parse(bytes(data))) == [records[0], Damage(length, 2 * length, torn=False), records[2]]


@pytest.fixture
def left_over(tmp_path):
    path = tmp_path / "00000000000000000001-0-ab.open"

    def make(data: bytes):
        path.write_bytes(data)
        return path

    return make


RECORD = Record(body_hash(b"body"), 1, 1, Encoding.IDENTITY, b"body")


def test_a_dead_acceptors_segment_is_cut_at_its_last_whole_record_and_sealed(left_over, tmp_path):
    whole_bytes = written([RECORD, RECORD])
    path = left_over(whole_bytes + b"torn")
    assert recover(path) == 4
    assert [each.name for each in tmp_path.iterdir()] == ["00000000000000000001-0-ab.log"]
    assert path.with_suffix(".log").read_bytes() == whole_bytes


def test_a_segment_without_a_whole_record_goes(left_over, tmp_path):
    assert recover(left_over(written([RECORD])[:-1])) == HEADER_BYTES + 3
    assert list(tmp_path.iterdir()) == []


def test_a_living_acceptors_segment_is_left_alone(left_over):
    path = left_over(b"being written")
    with path.open("rb") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        assert recover(path) is None
        assert path.read_bytes() == b"being written"
    assert recover(path) is not None


def test_a_segment_sealed_meanwhile_is_left_alone(tmp_path):
    assert recover(tmp_path / "00000000000000000001-0-ab.open") is None


def test_a_segment_that_cannot_be_cut_stays_for_later(left_over, monkeypatch):
    path = left_over(written([RECORD]) + b"torn")

    def refuse(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", refuse)
        with pytest.raises(OSError, match="No space"):
            recover(path)
    assert recover(path) == 4
