"""OTLP over HTTP: a raw ASGI application, answering as the OTLP specification asks.

A framework's routing would cost a third of an acceptor's throughput for a single path. A sender may retry 503 alone (and 429, 502,
504), so whatever may pass by itself (disk, memory, a slow line, our own errors) is 503 with Retry-After, and never 500: senders drop on 500.
Every refusal carries a google.rpc.Status in the format of the request.

The address is loopback, and there are no tokens: a website must not get in through the browser of somebody on this machine. Its
own requests are no `PROTOBUF` or are preceded by the browser's question (OPTIONS), which is refused; under a name re-pointed at this
machine (DNS rebinding) it says that name as its Host, which is refused too.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.rpc.code_pb2 import Code  # type: ignore[import-untyped]  # it publishes no types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from maibo_collectors.errors import LogUnavailable
from maibo_collectors.otlp.body import BODY_LIMIT, BodyMalformed, BodyTooLarge, Encoding, unpack
from maibo_collectors.otlp.segment import Record, body_hash
from maibo_collectors.otlp.spans import Decoded, Decoder, rejections, validate

if TYPE_CHECKING:
    from maibo_collectors.otlp.log import Log
    from maibo_collectors.otlp.metrics import AcceptorMetrics

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

PROTOBUF = b"application/x-protobuf"
IN_FLIGHT_LIMIT = 4 * BODY_LIMIT
"""Bytes of bodies that one acceptor holds while they come in and are written."""
UPLOAD_SECONDS = 60
_LOCAL_HOST = re.compile(rb"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]*)?", re.IGNORECASE)
"""As the service's other port has it; what is missing is no local name either."""
_GREETING = b"maibo collects journeys here: send OTLP traces to POST /v1/traces (protobuf, gzip or plain).\n"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sender is told."""

    code: int
    body: bytes
    headers: Headers = ()
    content_type: bytes = PROTOBUF


class Refused(Exception):  # noqa: N818 -- an answer on its way out, not an error of ours
    """A request that gets no 200."""

    def __init__(self, code: int, status: int, message: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(message)
        body = Status(code=status, message=message).SerializeToString()
        self.answer = Answer(code, body, headers)


class Disconnected(Exception):  # noqa: N818 -- the sender's doing
    """The sender went away before its body was complete; it comes again."""


class App:
    """The ASGI application of one acceptor process."""

    def __init__(
        self,
        log: Log,
        metrics: AcceptorMetrics,
        *,
        on_ready: Callable[[], None],
        body_limit: int = BODY_LIMIT,
        in_flight_limit: int = IN_FLIGHT_LIMIT,
        upload_seconds: float = UPLOAD_SECONDS,
    ) -> None:
        self._log = log
        self._metrics = metrics
        self._on_ready = on_ready
        self._body_limit = body_limit
        self._in_flight_limit = in_flight_limit
        self._upload_seconds = upload_seconds
        self._decoder = Decoder()
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._on_ready()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.to_thread(self._log.close)
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        begin = time.perf_counter()
        try:
            answer = await self._answer(scope, receive)
        except Refused as refused:
            answer = refused.answer
        except Disconnected:
            self._metrics.requests.labels("disconnected").inc()
            return
        except Exception:
            logger.exception("a request failed")
            answer = _unavailable("the collector failed; see its log").answer
        # Counted before it leaves: whoever has an answer finds it on /metrics.
        self._metrics.requests.labels(str(answer.code)).inc()
        self._metrics.seconds.observe(time.perf_counter() - begin)
        await send(
            {
                "type": "http.response.start",
                "status": answer.code,
                "headers": [
                    (b"content-type", answer.content_type),
                    (b"content-length", b"%d" % len(answer.body)),
                    *answer.headers,
                ],
            }
        )
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        path, method = scope["path"], scope["method"]
        _require_local(scope["headers"])
        if path == "/v1/traces":
            if method != "POST":
                raise Refused(405, Code.UNIMPLEMENTED, f"{method} is not understood here; POST is", (b"allow", b"POST"))
            return await self._accept(scope["headers"], receive)
        if path == "/" and method in {"GET", "HEAD"}:
            return Answer(200, _GREETING, content_type=b"text/plain; charset=utf-8")
        raise Refused(404, Code.NOT_FOUND, f"there is no {path}; traces are taken at /v1/traces")

    async def _accept(self, headers: Iterable[tuple[bytes, bytes]], receive: Receive) -> Answer:
        encoding = _encoding(headers)
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            if self._in_flight + size > self._in_flight_limit:
                raise _unavailable("too many bytes in flight", retry_after=1)
            self._in_flight += size
            held += size

        try:
            data = await self._read(headers, receive, hold)
            return await self._keep(data, encoding)
        finally:
            self._in_flight -= held

    async def _read(
        self, headers: Iterable[tuple[bytes, bytes]], receive: Receive, hold: Callable[[int], None]
    ) -> bytes:
        """The body as sent."""
        if _content_length(headers) > self._body_limit:
            raise self._too_large()
        pieces: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._upload_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Disconnected
                    piece = message.get("body", b"")
                    size += len(piece)
                    if size > self._body_limit:
                        raise self._too_large()
                    hold(len(piece))
                    pieces.append(piece)
                    if not message.get("more_body", False):
                        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        except TimeoutError:
            raise _unavailable(f"the body took longer than {self._upload_seconds} s", retry_after=1) from None

    async def _keep(self, data: bytes, encoding: Encoding) -> Answer:
        """Validates a body, writes it to the log, and says what of it counts."""
        self._metrics.bytes.inc(len(data))
        received_ns = time.time_ns()
        try:
            body = unpack(data, encoding, limit=self._body_limit)
            validate(body)
            decoded = self._decoder.decode(body, received_ns=received_ns)
        except BodyTooLarge as error:
            raise Refused(413, Code.RESOURCE_EXHAUSTED, str(error)) from None
        except BodyMalformed as error:
            raise Refused(400, Code.INVALID_ARGUMENT, str(error)) from None
        if decoded.total:
            record = Record(body_hash(body), received_ns, decoded.total, encoding, data)
            del body
            try:
                await self._log.append(record)
            except LogUnavailable as error:
                raise _unavailable(str(error), retry_after=5) from None
        return self._accepted(decoded)

    def _accepted(self, decoded: Decoded) -> Answer:
        for result, count in (("counted", len(decoded.counted)), ("ignored", decoded.ignored)):
            self._metrics.spans.labels(result).inc(count)
        response = ExportTraceServiceResponse()
        rejected = decoded.rejected.total()
        if rejected:
            self._metrics.spans.labels("rejected").inc(rejected)
            response.partial_success.rejected_spans = rejected
            response.partial_success.error_message = rejections(decoded.rejected)
        return Answer(200, response.SerializeToString())

    def _too_large(self) -> Refused:
        return Refused(
            413, Code.RESOURCE_EXHAUSTED, f"the body is larger than {self._body_limit} bytes; send smaller batches"
        )


def _require_local(headers: Iterable[tuple[bytes, bytes]]) -> None:
    host = _header(headers, b"host")
    if not _LOCAL_HOST.fullmatch(host):
        told = host.decode("latin-1")
        raise Refused(
            421, Code.PERMISSION_DENIED, f"traces are taken at 127.0.0.1, [::1] and localhost only, not at {told!r}"
        )


def _encoding(headers: Iterable[tuple[bytes, bytes]]) -> Encoding:
    """Checks that the body is of a kind that is taken here."""
    content_type = _header(headers, b"content-type").split(b";")[0].strip().lower()
    if content_type != PROTOBUF:
        told = content_type.decode("latin-1") or "no Content-Type"
        raise Refused(
            415, Code.INVALID_ARGUMENT, f"{told} is not understood; {PROTOBUF.decode()} is", (b"accept", PROTOBUF)
        )
    content_encoding = _header(headers, b"content-encoding").strip().lower()
    if content_encoding in {b"", b"identity", b"none"}:
        return Encoding.IDENTITY
    if content_encoding == b"gzip":
        return Encoding.GZIP
    told = content_encoding.decode("latin-1")
    raise Refused(
        415,
        Code.INVALID_ARGUMENT,
        f"Content-Encoding {told} is not understood; gzip and identity are",
        (b"accept-encoding", b"gzip"),
    )


def _content_length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """0 when it is not told; the parser has checked that it is a number."""
    return int(_header(headers, b"content-length") or 0)


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    """ASGI servers give names in lower case. Several lines of one name are one list (RFC 9110, 5.3)."""
    return b", ".join(value for key, value in headers if key == name)


def _unavailable(message: str, *, retry_after: int = 5) -> Refused:
    return Refused(503, Code.UNAVAILABLE, message, (b"retry-after", b"%d" % retry_after))
