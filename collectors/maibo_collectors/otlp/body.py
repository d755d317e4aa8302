"""Bodies as they come over the wire: plain or gzip, never larger than the limit once unpacked; in protobuf, parsed."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

try:
    from isal import isal_zlib as gzip_library  # extra `fast`: 2.5 x zlib's speed
except ImportError:
    import zlib as gzip_library  # type: ignore[no-redef]  # the same functions

BODY_LIMIT = 64 * 2**20
"""Bytes after decompression; OTLP's recommended default."""

UNFOLDS: Final = "the body unfolds to too many messages; send smaller batches"
"""Why a body is too large that is within the limit: in messages it is more than this process may hold."""

_MESSAGE = TypeVar("_MESSAGE", bound=Message)
_GZIP = 16 + gzip_library.MAX_WBITS
_GZIP_MAGIC = b"\x1f\x8b"
_PIECE = 2**20
_TAKEN = 2**16
_MEMBERS = 10_000
"""gzip members that a body may have: empty ones cost time and come to nothing."""


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


def parsed(message: _MESSAGE, body: bytes) -> _MESSAGE:
    """The message, made of an unpacked body. Raises BodyMalformed, BodyTooLarge."""
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        name = message.DESCRIPTOR.name
        del message  # it may be large, and whoever holds the error holds this frame
        raise refusal(error, name) from error
    return message


def refusal(error: Exception, name: str) -> BodyMalformed | BodyTooLarge:
    """What upb says after the message's type name: ``String field had bad UTF-8``, ``Error parsing message``."""
    if "alloc failed" in str(error):
        return BodyTooLarge(UNFOLDS)
    reason = str(error).rsplit("': ", 1)[-1].removesuffix(".")
    return BodyMalformed(f"not an {name}: {reason}")


def _gunzip(data: bytes, limit: int) -> bytes:
    """RFC 1952: one member or several, nothing after them."""
    if not _GZIP_MAGIC.startswith(data[:2]):  # of little data a library may ask for more, whatever it begins with
        raise BodyMalformed("not valid gzip: this is no gzip data, whatever its Content-Encoding says")
    pieces: list[bytes] = []
    size = position = members = 0
    member = gzip_library.decompressobj(_GZIP)
    while True:
        taken = memoryview(data)[
            position : position + _TAKEN
        ]  # what is not consumed is copied each time: a little at once
        try:
            piece = member.decompress(taken, min(_PIECE, limit - size + 1))
        except gzip_library.error as error:  # type: ignore[misc]  # isal's types have an instance there
            raise BodyMalformed(f"not valid gzip: {error}") from error
        size += len(piece)
        if size > limit:
            pieces.clear()  # whoever holds the error holds this frame
            raise BodyTooLarge(_too_large(limit))
        pieces.append(piece)
        consumed = len(taken) - len(member.unused_data if member.eof else member.unconsumed_tail)
        position += consumed
        if member.eof:
            if position == len(data):
                return b"".join(pieces)
            members += 1
            if members == _MEMBERS:
                raise BodyMalformed(f"more than {_MEMBERS} gzip members")
            member = gzip_library.decompressobj(_GZIP)
        elif not piece and not consumed:
            raise BodyMalformed("gzip data ends too early")


def _too_large(limit: int) -> str:
    return f"the body is larger than {limit} bytes after decompression; send smaller batches"
