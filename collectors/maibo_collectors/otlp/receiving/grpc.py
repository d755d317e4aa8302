"""OTLP over gRPC: TraceService, MetricsService and LogsService, whose one method is Export.

Bodies pass through as bytes, and are not unpacked by gRPC either: `body.unpack` does it within the limit (it is also the quicker one), and an
edge can forward them as they came. gzip data cannot be mistaken for a plain request, since its first byte would be a field of a wire type that
protobuf does not have.

The method is registered as one that takes a stream, which on the wire is the same: so it is asked before the body is read, and a
sender without a token, or a body that would be too many, costs nothing.

Every acceptor listens on the port by itself (SO_REUSEPORT), and the kernel spreads connections over them. While the one acceptor of a
service is started again, connections to this port are refused, which senders take as UNAVAILABLE.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import unquote
from weakref import WeakValueDictionary

import grpc
import grpc.aio

from maibo_collectors.errors import CollectorError
from maibo_collectors.otlp.body import Encoding
from maibo_collectors.otlp.receiving.answers import SIGNALS, Refused, Signal, too_large, unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from maibo_collectors.otlp.receiving.access import Access
    from maibo_collectors.otlp.receiving.receive import Receiver

UPLOADS: Final = 16
"""Bodies that come in at once: until one is there nobody knows its size, so all of them may be the largest."""
UPLOADS_OF_ONE: Final = 4
"""Of them of one sender, so that one whose requests have no end does not hold up the others."""
IDLE_SECONDS: Final = 300
"""After which a connection without requests is ended; senders make a new one by themselves."""
HANDSHAKE_SECONDS: Final = 15
_UPLOAD_WAIT_SECONDS: Final = 10
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}
_DETAILS: Final = "grpc-status-details-bin"
"""Trailing metadata with the google.rpc.Status."""
_GZIP_MAGIC: Final = b"\x1f\x8b"
_IDENTITY_AND_GZIP: Final = 1 << 0 | 1 << 2

logger = logging.getLogger(__name__)


def server(receiver: Receiver, address: str, access: Access) -> grpc.aio.Server:
    """A server on this address (``HOST:PORT``), to be started. CollectorError when the address cannot be had."""
    made = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 1),
            ("grpc.max_receive_message_length", receiver.body_limit),
            ("grpc.per_message_decompression", 0),
            ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_AND_GZIP),
            ("grpc.max_metadata_size", 16 * 2**10),
            ("grpc.server_handshake_timeout_ms", round(HANDSHAKE_SECONDS * 1000)),
            ("grpc.max_connection_idle_ms", round(IDLE_SECONDS * 1000)),
            # A connection whose other end vanished is found out, and senders may ask the same of us as often as they are used to.
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ]
    )
    service = Service(receiver)
    made.add_generic_rpc_handlers(
        tuple(
            grpc.method_handlers_generic_handler(
                signal.service, {"Export": grpc.stream_unary_rpc_method_handler(partial(service.export, signal))}
            )
            for signal in SIGNALS
        )
    )
    try:
        credentials = _credentials(access)
        if credentials is None:
            made.add_insecure_port(address)
        else:
            made.add_secure_port(address, credentials)
    except (OSError, RuntimeError) as error:
        raise CollectorError(f"gRPC cannot listen on {address}: {error}") from error
    return made


def _credentials(access: Access) -> grpc.ServerCredentials | None:
    if access.certificate is None or access.key is None:
        return None
    client_ca = access.client_ca.read_bytes() if access.client_ca is not None else None
    return grpc.ssl_server_credentials(
        [(access.key.read_bytes(), access.certificate.read_bytes())],
        root_certificates=client_ca,
        require_client_auth=client_ca is not None,
    )


class Context(Protocol):
    """What `grpc.aio.ServicerContext` lends to a request; it publishes no types."""

    def peer(self) -> str: ...
    def peer_identities(self) -> Iterable[bytes] | None: ...
    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]] | None: ...
    async def read(self) -> object: ...
    def set_code(self, code: grpc.StatusCode, /) -> None: ...
    def set_details(self, details: str, /) -> None: ...
    def set_trailing_metadata(self, metadata: tuple[tuple[str, bytes], ...], /) -> None: ...


class Service:
    """What is behind the three methods."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._uploads = _Uploads()

    async def export(self, signal: Signal, _requests: object, context: Context) -> bytes:
        """One request: its answer, or the status it is refused with."""
        begin = time.perf_counter()
        code, answer = 200, b""
        try:
            answer = await self._accept(signal, context)
        except Refused as refused:
            code = _refuse(context, refused)
        except asyncio.CancelledError:
            self._receiver.metrics.requests.labels("disconnected").inc()
            raise
        except Exception:
            logger.exception("a request failed")
            code = _refuse(context, unavailable("the collector failed; see its log"))
        self._receiver.metrics.answered(code, time.perf_counter() - begin)
        return answer

    async def _accept(self, signal: Signal, context: Context) -> bytes:
        sender = self._receiver.door.enter(_authorization(context), peer=_address(context), now=time.monotonic())
        with self._receiver.holding() as hold:
            data = await self._read(context, sender or _peer(context))
            hold(len(data))
            encoding = Encoding.GZIP if data.startswith(_GZIP_MAGIC) else Encoding.IDENTITY
            reading = await self._receiver.keep(signal, signal.protobuf, data, encoding, sender=sender)
        self._receiver.metrics.bodies.labels(signal.name, "grpc").inc()
        return signal.response(reading.rejected, reading.message)

    async def _read(self, context: Context, sender: str) -> bytes:
        seconds = self._receiver.upload_seconds
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(_UPLOAD_WAIT_SECONDS):
                    await stack.enter_async_context(self._uploads.of(sender))
            except TimeoutError:
                raise unavailable("too many bodies are coming in at once", retry_after=1) from None
            try:
                data = await asyncio.wait_for(context.read(), seconds)
            except TimeoutError:
                raise unavailable(f"the body took longer than {seconds} s", retry_after=1) from None
        if not isinstance(
            data, bytes
        ):  # gRPC ends the stream of a message that is too large, or of a sender that went away
            raise too_large(f"the body is larger than {self._receiver.body_limit} bytes, or there is none")
        return data


class _Uploads:
    """Who may send a body now."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(UPLOADS)
        self._by_sender = WeakValueDictionary[str, asyncio.Semaphore]()
        """As long as somebody holds it, or waits for it."""

    @contextlib.asynccontextmanager
    async def of(self, sender: str) -> AsyncIterator[None]:
        """When it is that sender's turn."""
        async with self._by_sender.setdefault(sender, asyncio.Semaphore(UPLOADS_OF_ONE)), self._all:
            yield


def _peer(context: Context) -> str:
    """Who sends where no token tells: the name in the certificate; without one (on this machine), the connection."""
    names = tuple(context.peer_identities() or ())
    return names[0].decode(errors="replace") if names else context.peer()


def _address(context: Context) -> str:
    """Of ``ipv4:127.0.0.1:53460`` and ``ipv6:%5B::1%5D:53460`` what is between."""
    return unquote(context.peer()).partition(":")[2].rpartition(":")[0].strip("[]")


def _refuse(context: Context, refused: Refused) -> int:
    """Tells the sender. Returns the HTTP status that it stands for."""
    context.set_code(_CODES[refused.code])
    context.set_details(refused.message)
    context.set_trailing_metadata(((_DETAILS, refused.status()),))
    return refused.http


def _authorization(context: Context) -> str:
    """The header, as HTTP has it."""
    told = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    return ", ".join(value.decode("latin-1") if isinstance(value, bytes) else value for value in told)
