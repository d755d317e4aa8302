"""Who is turned away: told in the log, for whoever looks for a sender that is not heard (a token revoked too early, a certificate of the
wrong authority).

Strangers cause it, so it is bounded: of one address for one reason an acceptor writes a line a minute, and `LINES` a minute in all; how many
there were is on /metrics. A line names the address and, where it is known, the token; nothing that was sent is repeated.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

LINES: Final = 20
WINDOW_SECONDS: Final = 60.0

logger = logging.getLogger(__name__)


class Refusals:
    """The log's lines about them."""

    def __init__(self, *, now: float) -> None:
        """`now` in monotonic seconds, here and below."""
        self._begin = now
        self._told: set[tuple[str, str]] = set()
        self._untold = 0

    def tell(self, peer: str, why: str, *, now: float) -> None:
        """Somebody at this address was refused."""
        if now - self._begin >= WINDOW_SECONDS:
            if self._untold:
                logger.warning("%d more refusals like those before were not logged", self._untold)
            self._begin, self._untold = now, 0
            self._told.clear()
        if (peer, why) in self._told or len(self._told) == LINES:
            self._untold += 1
            return
        self._told.add((peer, why))
        logger.warning("refused %s: %s", peer or "somebody", why)


class Seldom(logging.Filter):
    """Of a server's own warnings, which strangers cause too (what they send is no HTTP), one of each kind a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._told_at: dict[str, float] = {}
        """Unix seconds, by text without what is filled in: there are as many as the server has statements."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is logged."""
        if record.levelno != logging.WARNING:
            return True
        told_at = self._told_at.get(str(record.msg))
        if told_at is not None and 0 <= record.created - told_at < WINDOW_SECONDS:
            return False
        self._told_at[str(record.msg)] = record.created
        return True


class HandshakeRefused(Exception):  # noqa: N818 -- the name says what is so
    """No `OSError`, as OpenSSL's own are: of those a loop tells nobody."""


class _Handshake(ssl.SSLObject):
    """One connection's TLS."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise  # it goes on
        except ssl.SSLError as error:
            raise HandshakeRefused((error.reason or "unknown").replace("_", " ").lower()) from error


def watch_handshakes(
    context: ssl.SSLContext, loop: asyncio.AbstractEventLoop, tell: Callable[[str, str], object]
) -> None:
    """From now on `tell` is told the address and the reason of each handshake that fails; not of those whose sender just left."""

    def failed(of: asyncio.AbstractEventLoop, what: dict[str, Any]) -> None:
        error = what.get("exception")
        if not isinstance(error, HandshakeRefused):
            of.default_exception_handler(what)
            return
        transport = what.get("transport")
        peer = None if transport is None else transport.get_extra_info("peername")
        tell(peer[0] if peer else "", f"the TLS handshake failed ({error})")

    context.sslobject_class = _Handshake
    loop.set_exception_handler(failed)
