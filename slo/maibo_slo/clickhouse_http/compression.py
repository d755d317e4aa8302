"""How an answer is compressed on its way: what a client accepts, of what there is."""

from __future__ import annotations

import gzip
import sys
import zlib
from typing import Final

LEVEL: Final = 3
"""ClickHouse's own default over HTTP."""
ENCODINGS: Final = ("lz4", "zstd", "gzip", "deflate")
"""Best first: those that ask for the first two are ClickHouse's own drivers."""


def wanted(accepted: str, enabled: str) -> str | None:
    """The content coding of an answer; None: as it is. `enabled`: ClickHouse's setting; '' is not sent, as by clickhouse-go."""
    if enabled in {"0", "false"}:
        return None
    offers = [each.partition(";") for each in accepted.lower().split(",")]
    taken = {name.strip() for name, _, weight in offers if weight.replace(" ", "") not in {"q=0", "q=0.0"}}
    return next((encoding for encoding in ENCODINGS if encoding in taken), None)


def compressed(body: bytes, encoding: str) -> bytes:
    """By one of `ENCODINGS`."""
    match encoding:
        case "lz4":
            import lz4.frame

            packed: bytes = lz4.frame.compress(body)
            return packed
        case "zstd":
            if sys.version_info >= (3, 14):
                from compression import zstd
            else:
                from backports import zstd
            return zstd.compress(body, level=LEVEL)
        case "gzip":
            return gzip.compress(body, LEVEL, mtime=0)
        case _:
            return zlib.compress(body, LEVEL)
