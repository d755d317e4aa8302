"""Where the service and its plugins listen, and who may ask: loopback only, under a loopback name, unless whoever listens asks who it is.

Without tokens the address is the only lock, so an address that others can reach is refused unless it is `guarded`. Checking the ``Host`` header closes
the way round it: a web page whose name was re-pointed at 127.0.0.1 (DNS rebinding) still says its own name there.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING, Final

from starlette.requests import Request

from maibo_slo.addresses import Address
from maibo_slo.errors import ServiceError
from maibo_slo.loopback import is_loopback
from maibo_slo.problems import problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
BACKLOG: Final = 2048
PATIENCE_SECONDS: Final = 10.0
PAUSE_SECONDS: Final = 0.25


def address(text: str, option: str = "--listen", *, guarded: bool = False) -> Address:
    """``127.0.0.1:8080``, ``[::1]:8080`` or ``localhost:8080``. ServiceError for what is none, or, unless guarded, not loopback."""
    where = Address.of(text)
    if where is None:
        raise ServiceError(f"{option} {text!r} is no address; write it as 127.0.0.1:8080")
    if not guarded and not is_loopback(where.host):
        raise ServiceError(
            f"{option} {text!r} can be reached by others, and nothing there asks for tokens: listen on "
            "127.0.0.1 and put a proxy that authenticates in front"
        )
    return where


def bind(where: Address, option: str = "--listen") -> socket.socket:
    """A listening socket. ServiceError when the port is taken."""
    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((where.host, where.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ServiceError(f"cannot listen on {where}: {error.strerror}; choose another with {option}") from error
    return listener


async def listen(text: str, option: str, *, guarded: bool = False, patience: float = PATIENCE_SECONDS) -> socket.socket:
    """What `maibo_slo.plugins.Context.listen` promises: a socket that does not block, on an address that may take a moment to be free."""
    where = address(text, option, guarded=guarded)
    deadline = asyncio.get_running_loop().time() + patience
    while True:
        try:
            listener = bind(where, option)
        except ServiceError as error:
            taken = isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE
            if not taken or asyncio.get_running_loop().time() >= deadline:
                raise
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            listener.setblocking(False)
            return listener


class LocalNames:
    """Middleware: only requests that name this machine's loopback as their host."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _named(scope) in LOCAL_NAMES:
            await self.app(scope, receive, send)
            return
        refused = problem(
            Request(scope),
            421,
            f"this service answers to {', '.join(sorted(LOCAL_NAMES))} only, not to {_named(scope)!r}",
            name="misdirected",
        )
        await refused(scope, receive, send)


def _named(scope: Scope) -> str:
    """The request's Host without its port."""
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "").lower()
    bracket = host.rfind("]")
    colon = host.rfind(":")
    return host[:colon] if colon > bracket else host
