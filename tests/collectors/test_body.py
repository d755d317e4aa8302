"""Bodies are unpacked within a bound, or refused."""

import gzip
import traceback
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from maibo_collectors.otlp import body as body_module
from maibo_collectors.otlp.body import BODY_LIMIT, BodyMalformed, BodyTooLarge, Encoding, parsed, unpack

LIBRARIES = [zlib, *([body_module.gzip_library] if body_module.gzip_library is not zlib else [])]


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.__name__, autouse=True, scope="module")
def _either_library(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(body_module, "gzip_library", request.param)
        yield


@given(st.binary(max_size=5000))
def test_what_was_zipped_comes_out_as_it_was(body):
    assert unpack(gzip.compress(body), Encoding.GZIP) == body
    assert unpack(body, Encoding.IDENTITY) == body


@given(st.lists(st.binary(max_size=300), min_size=2, max_size=5))
def test_several_gzip_members_are_one_body(parts):
    assert unpack(b"".join(map(gzip.compress, parts)), Encoding.GZIP) == b"".join(parts)


@given(st.binary(min_size=1, max_size=400), st.data())
def test_gzip_that_is_cut_short_anywhere_is_malformed(body, data):
    whole = gzip.compress(body)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(BodyMalformed):
        unpack(whole[:cut], Encoding.GZIP)


@pytest.mark.parametrize("data", [b"x", b"abc", b"{}", b"\x0a\x10abcdefgh", zlib.compress(b"spans"), b"\x1fabc"])
def test_what_is_no_gzip_data_is_told_so_and_not_that_it_ends_too_early(data):
    with pytest.raises(BodyMalformed, match="this is no gzip data"):
        unpack(data, Encoding.GZIP)


@pytest.mark.parametrize("garbage", [b"\0", b"more", b"\x1f\x8b"])
def test_bytes_after_the_gzip_data_are_malformed(garbage):
    with pytest.raises(BodyMalformed):
        unpack(gzip.compress(b"spans") + garbage, Encoding.GZIP)


def test_damaged_gzip_is_malformed():
    damaged = bytearray(gzip.compress(b"spans" * 100))
    damaged[-6] ^= 1  # its checksum
    with pytest.raises(BodyMalformed, match="gzip"):
        unpack(bytes(damaged), Encoding.GZIP)


@pytest.mark.parametrize("encoding", Encoding)
def test_the_limit_itself_is_allowed_and_one_byte_more_is_not(encoding):
    pack = gzip.compress if encoding is Encoding.GZIP else bytes
    assert len(unpack(pack(bytes(1000)), encoding, limit=1000)) == 1000
    with pytest.raises(BodyTooLarge, match="1000 bytes"):
        unpack(pack(bytes(1001)), encoding, limit=1000)


def test_a_bomb_costs_no_more_than_the_limit(bomb):
    assert len(bomb) < 2**24
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            unpack(bomb, Encoding.GZIP)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < BODY_LIMIT + 2**22


def test_members_without_anything_in_them_are_taken_up_to_a_number():
    member = gzip.compress(b"")
    assert unpack(member * 10_000, Encoding.GZIP) == b""
    with pytest.raises(BodyMalformed, match="10000 gzip members"):
        unpack(member * 10_001, Encoding.GZIP)


def test_a_bomb_of_many_members_is_too_large_as_well():
    with pytest.raises(BodyTooLarge):
        unpack(gzip.compress(bytes(100)) * 11, Encoding.GZIP, limit=1000)


def test_what_is_no_message_is_refused_by_name_and_not_held_by_the_error():
    with pytest.raises(BodyMalformed, match="not an ExportLogsServiceRequest: Wire format was corrupt") as refused:
        parsed(ExportLogsServiceRequest(), b"\x0a\xff")
    frames = [frame for frame, _ in traceback.walk_tb(refused.value.__cause__.__traceback__)]
    assert not [each for frame in frames for each in frame.f_locals.values() if type(each) is ExportLogsServiceRequest]
