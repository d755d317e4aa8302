"""The collector that an edge forwards to: one request with a body as it came, and what its answer means for the body."""

from __future__ import annotations

import contextlib
import logging
import ssl
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, Self

import httpx2
import msgspec
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # it publishes no types
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from maibo_collectors.errors import CollectorError
from maibo_collectors.otlp.body import Encoding
from maibo_collectors.otlp.receiving.answers import SIGNALS
from maibo_collectors.otlp.segment import Kind
from maibo_slo.loopback import is_loopback

if TYPE_CHECKING:
    from pathlib import Path

    from maibo_collectors.otlp.segment import Record

logger = logging.getLogger(__name__)

_TIMEOUT: Final = httpx2.Timeout(60.0, connect=10.0)
_LONGEST_RETRY_AFTER_SECONDS: Final = 300.0
_SHOWN: Final = 300
"""Characters of an upstream's message."""
_READ_BYTES: Final = 64 * 2**10
"""Of an upstream's answer."""
_PATHS: Final = {kind: signal.path for signal in SIGNALS for kind in (signal.protobuf, signal.json)}
_JSON: Final = frozenset(signal.json for signal in SIGNALS)
_REFUSED: Final = frozenset({400, 413, 415})
_FAILED: Final = frozenset({422, 500, 501, 505})
FORWARDED: Final = frozenset(_PATHS)
"""Kinds of records that an upstream can be asked to take."""


class Result(Enum):
    """What an upstream's answer says of a body."""

    TAKEN = "taken"
    REFUSED = "refused"
    """As it is, it will never be taken."""
    FAILED = "failed"
    """Something went wrong with it, which may be its own fault. It is to be sent again, unless that goes on for too long."""
    LATER = "later"
    """It has no part in what is wrong, and is to be sent again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an upstream made of a body."""

    result: Result
    message: str = ""
    """For people: what was wrong; of a body that was taken, what of it was not."""
    rejected: int = 0
    """Spans, points or log records that were rejected of a body that was taken."""
    retry_after_seconds: float = 0.0


class _Partial(msgspec.Struct, rename="camel"):
    rejected_spans: int | str = 0
    rejected_data_points: int | str = 0
    rejected_log_records: int | str = 0
    error_message: str = ""


class _Response(msgspec.Struct, rename="camel"):
    """An answer in JSON: a response or a Status."""

    partial_success: _Partial | None = None
    message: str = ""


class Upstream:
    """One upstream, asked over kept connections. Use as an async context manager."""

    def __init__(
        self,
        url: str,
        *,
        token_file: Path | None = None,
        ca: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> None:
        """CollectorError when the settings cannot work; its text names the mend."""
        self.url = _checked(url, with_token=token_file is not None)
        self._token_file = token_file
        self._token()
        self._client = httpx2.AsyncClient(verify=_tls(ca, certificate, key), timeout=_TIMEOUT, follow_redirects=False)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def send(self, record: Record) -> Answer:
        """Sends a body byte for byte, and never raises for what an upstream or the network does."""
        return await self._send(Kind(record.kind), record.body, record.encoding)

    async def takes(self, kind: int) -> bool:
        """Whether it takes bodies of this kind at all: it is asked with an empty one."""
        answer = await self._send(Kind(kind), b"{}" if kind in _JSON else b"", Encoding.IDENTITY)
        return answer.result is Result.TAKEN

    async def _send(self, kind: Kind, body: bytes, encoding: Encoding) -> Answer:
        headers = {
            "content-type": "application/json" if kind in _JSON else "application/x-protobuf",
            "accept-encoding": "identity",  # so that what is read of an answer is as long as it looks
        }
        if encoding is Encoding.GZIP:
            headers["content-encoding"] = "gzip"
        try:
            token = self._token()
            if token:
                headers["authorization"] = f"Bearer {token}"
            async with self._client.stream("POST", self.url + _PATHS[kind], content=body, headers=headers) as response:
                return _judged(response, await _beginning(response))
        except CollectorError as error:
            return Answer(Result.LATER, str(error))
        except (httpx2.HTTPError, OSError) as error:
            return Answer(Result.LATER, f"{self.url} cannot be reached: {_plain(str(error)) or type(error).__name__}")

    def _token(self) -> str:
        """Read anew each time: it may be exchanged while running."""
        if self._token_file is None:
            return ""
        try:
            token = self._token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            told = error.strerror if isinstance(error, OSError) else "it is no text"
            raise CollectorError(f"--token-file {self._token_file} cannot be read: {told}") from None
        if not token or any(character.isspace() for character in token):
            raise CollectorError(f"--token-file {self._token_file} does not hold one token and nothing else")
        return token


async def _beginning(response: httpx2.Response) -> bytes:
    """What is read of an answer; nothing of one that is packed although it was asked not to be."""
    content = bytearray()
    async with contextlib.aclosing(response.aiter_raw()) as pieces:
        async for piece in pieces:
            content += piece
            if len(content) >= _READ_BYTES:
                break
    packed = response.headers.get("content-encoding", "identity") != "identity"
    return b"" if packed else bytes(content[:_READ_BYTES])


def _judged(response: httpx2.Response, content: bytes) -> Answer:
    code = response.status_code
    if response.is_success:
        partial = _partial(response, content)
        if partial is None:
            return Answer(
                Result.LATER, f"{response.url} answered {code}, but not as a collector does: is it the right address?"
            )
        rejected, message = partial
        return Answer(Result.TAKEN, _plain(message), rejected)
    told = f"{response.url} answered {code}"
    message = _plain(_message(response, content))
    if message:
        told += f": {message}"
    if code in _REFUSED:
        return Answer(Result.REFUSED, told)
    return Answer(
        Result.FAILED if code in _FAILED else Result.LATER,
        told,
        retry_after_seconds=_retry_after_seconds(response),
    )


def _partial(response: httpx2.Response, content: bytes) -> tuple[int, str] | None:
    """None: these are somebody else's words (a portal's, a load balancer's), and nobody has taken anything."""
    try:
        if _is_json(response):
            said = msgspec.json.decode(content, type=_Response).partial_success or _Partial()
            rejected = max(int(said.rejected_spans), int(said.rejected_data_points), int(said.rejected_log_records))
            return rejected, said.error_message
        # Those of metrics and logs are the same on the wire.
        if not _is_protobuf(response):
            return None
        partial = ExportTraceServiceResponse.FromString(content).partial_success
    except (ValueError, DecodeError):
        return None
    return partial.rejected_spans, partial.error_message


def _message(response: httpx2.Response, content: bytes) -> str:
    try:
        if _is_json(response):
            return msgspec.json.decode(content, type=_Response).message
        if _is_protobuf(response):
            return str(Status.FromString(content).message)
    except (ValueError, DecodeError):
        pass  # then it is shown as it is
    return content.decode("utf-8", "replace")


def _plain(text: str) -> str:
    """In one line, for a terminal: without characters that would do something there."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:_SHOWN]


def _is_json(response: httpx2.Response) -> bool:
    return bool(response.headers.get("content-type", "").startswith("application/json"))


def _is_protobuf(response: httpx2.Response) -> bool:
    return bool(response.headers.get("content-type", "").startswith("application/x-protobuf"))


def _retry_after_seconds(response: httpx2.Response) -> float:
    """Seconds only: of dates, which OTLP's answers do not have, our own pause is as good."""
    told = response.headers.get("retry-after", "")
    return min(float(told), _LONGEST_RETRY_AFTER_SECONDS) if told.isdecimal() else 0.0


def _checked(url: str, *, with_token: bool) -> str:
    try:
        parts = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError) as error:
        raise CollectorError(
            f"--forward {url!r} is no URL ({error}); write it as https://collector.example:4318"
        ) from None
    if parts.userinfo:
        raise CollectorError(
            "--forward names a user, who would be ignored: a collector asks for a token (--token-file)"
        )
    wrong_port = parts.port is not None and not 0 < parts.port < 65_536
    if parts.scheme not in {"http", "https"} or not parts.host or parts.query or parts.fragment or wrong_port:
        raise CollectorError(f"--forward {url!r} should be like https://collector.example:4318")
    if parts.path.rstrip("/").endswith(tuple(signal.path for signal in SIGNALS)):
        raise CollectorError(f"--forward {url!r} should end before /v1/…, which depends on what is forwarded")
    if parts.scheme == "http" and not is_loopback(parts.host):
        if with_token:
            raise CollectorError(
                f"--forward {url!r} would send the token readable for everybody on the way; use https://, or do without --token-file"
            )
        logger.warning("%s is not encrypted: everybody on the way can read what is forwarded", url)
    return url.rstrip("/")


def _tls(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    if (certificate is None) != (key is None):
        raise CollectorError("--cert and --key go together: give both or neither")
    if ca is not None:
        try:
            context = ssl.create_default_context(cafile=str(ca))
        except (OSError, ssl.SSLError) as error:
            raise CollectorError(f"--ca {ca} cannot be used: {error.strerror or error}") from None
    else:
        context = ssl.create_default_context()
    if certificate is not None and key is not None:
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise CollectorError(
                f"--cert {certificate} with --key {key} cannot be used: {error.strerror or error}"
            ) from None
    return context
