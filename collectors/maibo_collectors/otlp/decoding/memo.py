"""What was worked out already, bounded: a sender with ever new values must not fill the memory."""

from __future__ import annotations

from typing import Final, TypeVar

_K = TypeVar("_K")
_V = TypeVar("_V")

ENTRIES: Final = 20_000
HELD_BYTES: Final = 8 * 2**20
"""Of all keys together."""
KEY_BYTES: Final = 8 * 2**10
"""What has a longer key is worked out each time."""


class Memo(dict[_K, _V]):
    """Begun anew when it is full; look up with `get`, as in any dict."""

    held = 0
    """Bytes of keys, and of what values were told to have grown by."""

    def remember(self, key: _K, value: _V, *, size: int) -> _V:
        """Returns the value. `size` is that of the key, in bytes."""
        if size <= KEY_BYTES:
            if len(self) >= ENTRIES or self.held + size > HELD_BYTES:
                self.clear()
            self[key] = value
            self.held += size
        return value

    def grow(self, size: int) -> None:
        """A value takes so many bytes more."""
        self.held += size
        if self.held > HELD_BYTES:
            self.clear()

    def clear(self) -> None:
        super().clear()
        self.held = 0
