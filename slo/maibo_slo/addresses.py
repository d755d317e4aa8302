"""Where something listens: a host and a port, as they are written and told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import socket


class Address(NamedTuple):
    """A host and a port; port 0 takes any free one.

    >>> str(Address("::1", 8080)), Address.of("[::1]:8080"), Address.of("localhost")
    ('[::1]:8080', Address(host='::1', port=8080), None)
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def of(cls, text: str) -> Address | None:
        """``127.0.0.1:8080``, ``[::1]:8080`` or ``localhost:8080``; None: it is none."""
        host, colon, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not host or not port.isdecimal() or int(port) > 65_535:
            return None
        return cls(host, int(port))

    @classmethod
    def taken_by(cls, listener: socket.socket) -> Address:
        """Where it listens."""
        host, port = listener.getsockname()[:2]
        return cls(host, port)
