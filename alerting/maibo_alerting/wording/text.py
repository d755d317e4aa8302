"""Texts of strangers (documents, telemetry, an answer) made harmless and short enough to be shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_URL: Final = 2_000

_SPACES: Final = re.compile(r"\s+")
# Control and text-direction characters, and halves of surrogate pairs, which no UTF-8 can carry.
_UNFIT: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def plain(text: str, limit: int = 500) -> str:
    """One line without control characters, of at most `limit` characters; cut with ``…``."""
    return cut(_UNFIT.sub("\ufffd", _SPACES.sub(" ", text).strip()), limit)


def cut(text: str, limit: int, size: Callable[[str], int] = len) -> str:
    """The longest beginning whose `size` is within `limit`, with ``…`` where something is gone; at a character, never inside one."""
    if size(text) <= limit:
        return text
    low, high = 0, min(len(text), limit)
    while low < high:
        middle = (low + high + 1) // 2
        if size(text[:middle] + "…") <= limit:
            low = middle
        else:
            high = middle - 1
    return text[:low] + "…" if size("…") <= limit else ""


def in_bytes(text: str) -> int:
    return len(text.encode())


def link(url: str) -> str:
    """The address, such that no markup ends in it; '' where it is none of the web's, or too long to be sent everywhere."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return ""
    safe = quote(url, safe=":/?#@!$&+,;=%-._~", encoding="utf-8", errors="replace")
    return safe if len(safe) <= LONGEST_URL else ""
