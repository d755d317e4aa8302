"""Why somebody could not be reached, in a few words that hold neither address nor secret."""

from __future__ import annotations

import os
import ssl


def cause(error: BaseException) -> str:
    """``ConnectError: Connection refused``: the operating system's words, which asyncio has others for."""
    name, inner = type(error).__name__, error
    while (under := inner.__cause__ or inner.__context__) is not None:
        inner = under
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f"{name}: {inner.verify_message}"
        if isinstance(inner, OSError) and inner.strerror and not isinstance(inner, ssl.SSLError):
            number = inner.errno if isinstance(inner, ConnectionError) else None
            return f"{name}: {inner.strerror if number is None else os.strerror(number)}"
    return name
