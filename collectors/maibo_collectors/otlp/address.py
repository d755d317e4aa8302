"""Where to listen: ``HOST:PORT``, on this machine alone."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket

from maibo_collectors.errors import AddressError

_BACKLOG = 2048
_ATTEMPTS = 40
_PAUSE_SECONDS = 0.25


async def listen(address: str) -> socket.socket:
    """A listening socket on a loopback address; port 0 takes a free one. Raises AddressError.

    An address in use is tried for 10 s: after a core was killed, its acceptors need a moment to notice and to let go of it.
    """
    host, port = _parse(address)
    for _ in range(_ATTEMPTS):
        try:
            return _bind(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise AddressError(f"cannot listen on {address} for OTLP: {error.strerror}") from error
        await asyncio.sleep(_PAUSE_SECONDS)
    raise AddressError(
        f"cannot listen on {address} for OTLP: another process does; stop it, or choose another address with --otlp-http"
    )


def shown(listening: socket.socket) -> str:
    """``http://127.0.0.1:4318``"""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _parse(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise AddressError(f"{address!r} is no address to listen on: it must be HOST:PORT, such as 127.0.0.1:4318")
    host = host.removeprefix("[").removesuffix("]")
    if host == "localhost":
        return "127.0.0.1", int(port)
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise AddressError(
            f"refusing to take OTLP on {address}: anybody who reaches it could write counts, and there are no tokens yet; "
            "use a loopback address (127.0.0.1, [::1], localhost) and let senders come through something that knows them"
        )
    return host, int(port)


def _bind(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)
    return listening
