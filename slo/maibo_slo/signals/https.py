"""An HTTPS listener whose certificates may change while it runs, and that tells the application who is at the other end.

Certificates are looked at every few seconds; a connection made after a change has the new ones, those that are open go on. A client certificate is
optional; one that is shown must chain to the client CA, else the handshake fails. uvicorn does not tell an application of it, so a protocol of our own
puts its common name into ``scope["extensions"]["maibo.peer"]``.

Anybody may connect, so a connection that does not get on is closed: those who hold many of them would leave none to the scaler.
"""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from maibo_slo.errors import MaiboError
from maibo_slo.serving import Server

if TYPE_CHECKING:
    import asyncio
    import socket
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

PEER: Final = "maibo.peer"
STOP_SECONDS: Final = 2
KEEP_ALIVE_SECONDS: Final = 75
"""An API server keeps connections to what it aggregates."""
HANDSHAKE_SECONDS: Final = 5.0
REQUEST_SECONDS: Final = 5.0
"""From the connection, or the first byte of a further request, until the request is whole."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection, as its certificate says; the TLS handshake has verified that the client CA signed it."""

    common_name: str


class CertificateError(MaiboError):
    """A certificate, key or CA that cannot be used."""


class Certificates:
    """A server's certificate and key in files, and the CA of clients' certificates, which may come later."""

    def __init__(self, cert: Path, key: Path) -> None:
        """CertificateError when they cannot be used."""
        self._cert = cert
        self._key = key
        self._client_ca = ""
        self._seen = self._stamp()
        self._context = self._made()

    def trust(self, client_ca_pem: str) -> None:
        """Clients' certificates are of this CA from now on. CertificateError: then the one before stays."""
        if client_ca_pem != self._client_ca:
            before, self._client_ca = self._client_ca, client_ca_pem
            try:
                self._context = self._made()
            except CertificateError:
                self._client_ca = before
                raise

    def look(self) -> None:
        """Take files that changed since. CertificateError: those before stay, and are looked at again next time."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._context = self._made()
            self._seen = stamp

    def context(self) -> ssl.SSLContext:
        """For a listener: each handshake takes the certificates of its moment."""
        outer = self._made()
        outer.sni_callback = self._take_newest
        return outer

    def _take_newest(self, connection: ssl.SSLObject, _name: str | None, _outer: ssl.SSLContext) -> None:
        connection.context = self._context

    def _stamp(self) -> tuple[tuple[int, int], ...]:
        try:
            return tuple((told.st_mtime_ns, told.st_ino) for told in (self._cert.stat(), self._key.stat()))
        except OSError as error:
            raise CertificateError(f"cannot read {error.filename}: {error.strerror}") from error

    def _made(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # A resumed session would skip the certificates that have changed since.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        try:
            context.load_cert_chain(self._cert, self._key)
        except (OSError, ssl.SSLError) as error:
            raise CertificateError(f"{self._cert} and {self._key} are no certificate and its key: {error}") from error
        # Asked for always: whether a certificate is wanted is decided by the context before the newest one is taken.
        context.verify_mode = ssl.CERT_OPTIONAL
        if self._client_ca:
            try:
                context.load_verify_locations(cadata=self._client_ca)
            except ssl.SSLError as error:
                raise CertificateError(f"the CA of clients' certificates cannot be used: {error}") from error
        return context


class HttpsServer(Server):
    """Serves an application over HTTPS."""

    def __init__(self, app: ASGIApp, certificates: Certificates) -> None:
        super().__init__(
            app,
            stop_seconds=STOP_SECONDS,
            ws="none",
            ssl_context_factory=lambda *_: certificates.context(),
            lifespan="off",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            limit_concurrency=1000,
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, which leaves a minute for a handshake."""
        import asyncio

        def connected() -> _WithPeer:
            return _WithPeer(config=self.config, server_state=self.server_state, app_state={})

        self.servers = [
            await asyncio.get_running_loop().create_server(
                connected, sock=listener, ssl=self.config.ssl, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
            for listener in sockets or ()
        ]
        self.started = True


class _WithPeer(H11Protocol):
    """Puts the client certificate's common name into each request's scope, and waits for no request for long."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connection = transport.get_extra_info("ssl_object")
        name = _common_name(connection.getpeercert() or {}) if connection is not None else None
        inner = self.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            extensions = {**scope.get("extensions", {}), PEER: None if name is None else Peer(name)}
            await inner({**scope, "extensions": extensions}, receive, send)

        self.app = app
        self._await_request()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not None and self.cycle is not before:
            self._stop_waiting()
        elif self.cycle is None or self.cycle.response_complete:
            self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_request(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _common_name(certificate: dict[str, Any]) -> str | None:
    return next((value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"), None)
