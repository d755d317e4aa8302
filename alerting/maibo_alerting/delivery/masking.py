"""What only we and a destination know, kept out of every text that we say: keys in addresses, credentials, signing secrets.

A destination may repeat any of it in its answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

_KEY: Final = 8
"""Characters from which on a part of an address is taken for a key."""
_TOLD: Final = 4
"""Of a key's beginning, at the end of a text that was cut."""


def keys_of(url: str) -> list[str]:
    """Parts of an address that may be keys, as written and as they read."""
    parts = urlsplit(url)
    found = [url, *parts.path.split("/"), *(value for _, value in parse_qsl(parts.query)), parts.query]
    return [form for key in found if len(key) >= _KEY for form in (key, unquote(key))]


def masked(text: str, hidden: Iterable[str]) -> str:
    """Without these keys, nor the beginning of one at the end, where an answer was cut."""
    for key in sorted(filter(None, hidden), key=len, reverse=True):
        text = text.replace(key, "***")
        cut_off = next((length for length in range(len(key) - 1, _TOLD - 1, -1) if text.endswith(key[:length])), 0)
        if cut_off:
            text = text[:-cut_off] + "***"
    return text
