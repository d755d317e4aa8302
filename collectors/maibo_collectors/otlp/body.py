"""Bodies as they come over the wire: plain or gzip, never larger than the limit once unpacked."""

from __future__ import annotations

import zlib
from enum import IntEnum

BODY_LIMIT = 64 * 2**20
"""Bytes after decompression; OTLP's recommended default."""

_GZIP = 16 + zlib.MAX_WBITS
_PIECE = 2**20


class Encoding(IntEnum):
    """How a body is encoded; the value is what the log writes."""

    IDENTITY = 0
    GZIP = 1


class BodyTooLarge(ValueError):  # noqa: N818 -- the name says what is so
    """More bytes than the limit, counted after decompression."""


class BodyMalformed(ValueError):  # noqa: N818 -- the name says what is so
    """Not what its headers say it is."""


def unpack(data: bytes, encoding: Encoding, *, limit: int = BODY_LIMIT) -> bytes:
    """The body without its encoding. Raises BodyTooLarge as soon as the limit is passed, so that a bomb never unfolds; BodyMalformed."""
    if encoding is Encoding.IDENTITY:
        if len(data) > limit:
            raise BodyTooLarge(_too_large(limit))
        return data
    return _gunzip(data, limit)


def _gunzip(data: bytes, limit: int) -> bytes:
    """RFC 1952: one member or several, nothing after them."""
    pieces: list[bytes] = []
    size = 0
    rest = data
    while True:
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            try:
                piece = member.decompress(rest, min(_PIECE, limit - size + 1))
            except zlib.error as error:
                raise BodyMalformed(f"not valid gzip: {error}") from error
            size += len(piece)
            if size > limit:
                raise BodyTooLarge(_too_large(limit))
            pieces.append(piece)
            rest = member.unconsumed_tail
            if not piece and not rest and not member.eof:
                raise BodyMalformed("gzip data ends too early")
        rest = member.unused_data
        if not rest:
            return b"".join(pieces)


def _too_large(limit: int) -> str:
    return f"the body is larger than {limit} bytes after decompression; send smaller batches"
