"""OTLP over HTTP, in protobuf and JSON: a raw ASGI application, answering as the OTLP specification asks.

A framework's routing would cost a third of an acceptor's throughput for three paths. `answers` has what is answered when, `access` who is
let in, `receive` what becomes of a body.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from maibo_collectors.otlp.body import Encoding
from maibo_collectors.otlp.receiving.answers import (
    JSON,
    PROTOBUF,
    SIGNALS,
    Code,
    Refused,
    Signal,
    too_large,
    unavailable,
)
from maibo_collectors.otlp.receiving.receive import Disconnected

if TYPE_CHECKING:
    from maibo_collectors.otlp.receiving.receive import Receiver

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

CROWDED: Final = "crowded"
"""In the state of a request: it came on a connection too many."""
_SIGNALS: Final = {signal.path: signal for signal in SIGNALS}
_PATHS: Final = ", ".join(_SIGNALS)
_GREETING: Final = (
    f"maibo collects journeys here: send OTLP to POST {_PATHS} (protobuf or JSON, gzip or plain).\n".encode()
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sender is told."""

    code: int
    body: bytes
    content_type: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class App:
    """The ASGI application of one acceptor process."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._metrics = receiver.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        begin = time.perf_counter()
        content_type = _content_type(scope["headers"])
        try:
            answer = await self._answer(scope, receive, content_type)
        except Refused as refused:
            answer = _refusal(refused, content_type)
        except Disconnected:
            self._metrics.requests.labels("disconnected").inc()
            return
        except asyncio.CancelledError:  # the collector stops, and this took too long; uvicorn would answer 500
            answer = _refusal(unavailable("the collector is stopping", retry_after=1), content_type)
        except Exception:
            logger.exception("a request failed")
            answer = _refusal(unavailable("the collector failed; see its log"), content_type)
        # Counted before it leaves: whoever has an answer finds it on /metrics.
        self._metrics.answered(answer.code, time.perf_counter() - begin)
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

    async def _answer(self, scope: Scope, receive: Receive, content_type: bytes) -> Answer:
        path, method, headers = scope["path"], scope["method"], scope["headers"]
        if CROWDED in scope.get("state", ()):
            raise Refused(503, Code.UNAVAILABLE, "too many connections", (b"connection", b"close"), retry_after=1)
        self._receiver.door.require_local(_header(headers, b"host"))
        signal = _SIGNALS.get(path)
        if signal is not None:
            if method != "POST":
                raise Refused(405, Code.UNIMPLEMENTED, f"{method} is not understood here; POST is", (b"allow", b"POST"))
            return await self._accept(signal, scope, receive, content_type)
        if path == "/" and method in {"GET", "HEAD"}:
            return Answer(200, _GREETING, b"text/plain; charset=utf-8")
        raise Refused(404, Code.NOT_FOUND, f"there is no {path}; telemetry is taken at {_PATHS}")

    async def _accept(self, signal: Signal, scope: Scope, receive: Receive, content_type: bytes) -> Answer:
        headers = scope["headers"]
        authorization = _header(headers, b"authorization").decode("latin-1")
        sender = self._receiver.door.enter(authorization, peer=_peer(scope), now=time.monotonic())
        _require_understood(content_type)
        encoding = _encoding(headers)
        with self._receiver.holding() as hold:
            data = await self._read(headers, receive, hold)
            kind, gone = signal.kind(content_type), partial(_gone, receive)
            reading = await self._receiver.keep(signal, kind, data, encoding, sender=sender, gone=gone)
        self._metrics.bodies.labels(signal.name, "http/json" if content_type == JSON else "http/protobuf").inc()
        return Answer(200, signal.response(reading.rejected, reading.message, content_type=content_type), content_type)

    async def _read(self, headers: Headers, receive: Receive, hold: Callable[[int], None]) -> bytes:
        """The body as sent."""
        limit, seconds = self._receiver.body_limit, self._receiver.upload_seconds
        if _content_length(headers) > limit:
            raise too_large(_TOO_LARGE.format(limit))
        pieces: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Disconnected
                    piece = message.get("body", b"")
                    size += len(piece)
                    if size > limit:
                        raise too_large(_TOO_LARGE.format(limit))
                    hold(len(piece))
                    pieces.append(piece)
                    if not message.get("more_body", False):
                        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        except TimeoutError:
            raise unavailable(f"the body took longer than {seconds} s", retry_after=1) from None


def _peer(scope: Scope) -> str:
    """The sender's address."""
    client = scope.get("client")
    return client[0] if client else ""


async def _gone(receive: Receive) -> bool:
    """Whether the sender of a body that is complete has gone meanwhile."""
    try:
        async with asyncio.timeout(0):
            return bool((await receive())["type"] == "http.disconnect")
    except TimeoutError:
        return False


_TOO_LARGE: Final = "the body is larger than {} bytes; send smaller batches"


def _refusal(refused: Refused, content_type: bytes) -> Answer:
    """In the request's format; in protobuf when that is none of ours."""
    told = JSON if content_type == JSON else PROTOBUF
    retry = () if refused.retry_after is None else ((b"retry-after", b"%d" % refused.retry_after),)
    return Answer(refused.http, refused.body(told), told, (*refused.headers, *retry))


def _content_type(headers: Headers) -> bytes:
    """Without its parameters."""
    return _header(headers, b"content-type").split(b";")[0].strip().lower()


def _require_understood(content_type: bytes) -> None:
    if content_type not in {PROTOBUF, JSON}:
        told = content_type.decode("latin-1") or "no Content-Type"
        understood = b"%b, %b" % (PROTOBUF, JSON)
        raise Refused(
            415,
            Code.INVALID_ARGUMENT,
            f"{told} is not understood; {PROTOBUF.decode()} and {JSON.decode()} are",
            (b"accept", understood),
        )


def _encoding(headers: Headers) -> Encoding:
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


def _content_length(headers: Headers) -> int:
    """0 when it is not told; the parser has checked that it is a number."""
    return int(_header(headers, b"content-length") or 0)


def _header(headers: Headers, name: bytes) -> bytes:
    """ASGI servers give names in lower case. Several lines of one name are one list (RFC 9110, 5.3)."""
    return b", ".join(value for key, value in headers if key == name)
