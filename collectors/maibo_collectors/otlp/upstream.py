"""The collector that an edge forwards to: one request with a body as it came, and what its answer means for the body."""

from __future__ import annotations

import ipaddress
import logging
import ssl
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Self

import httpx2
import msgspec
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # it publishes no types
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from maibo_collectors.errors import CollectorError
from maibo_collectors.otlp.body import Encoding
from maibo_collectors.otlp.segment import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from google.protobuf.message import Message

    from maibo_collectors.otlp.segment import Record

logger = logging.getLogger(__name__)

_TIMEOUT: Final = httpx2.Timeout(60.0, connect=10.0)
_LONGEST_RETRY_AFTER_SECONDS: Final = 300.0
_SHOWN: Final = 300
"""Characters of an upstream's message."""
_PATHS: Final = {
    Kind.TRACES_PROTOBUF: "/v1/traces",
    Kind.TRACES_JSON: "/v1/traces",
    Kind.METRICS_PROTOBUF: "/v1/metrics",
    Kind.METRICS_JSON: "/v1/metrics",
    Kind.LOGS_PROTOBUF: "/v1/logs",
    Kind.LOGS_JSON: "/v1/logs",
}
_JSON: Final = frozenset({Kind.TRACES_JSON, Kind.METRICS_JSON, Kind.LOGS_JSON})
_RESPONSES: Final[Mapping[str, tuple[Callable[[], Message], str]]] = {
    "/v1/traces": (ExportTraceServiceResponse, "rejected_spans"),
    "/v1/metrics": (ExportMetricsServiceResponse, "rejected_data_points"),
    "/v1/logs": (ExportLogsServiceResponse, "rejected_log_records"),
}


class Verdict(Enum):
    """What becomes of a body."""

    TAKEN = "taken"
    REFUSED = "refused"
    """As it is, it will never be taken."""
    LATER = "later"
    """It is to be sent again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an upstream made of a body."""

    verdict: Verdict
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
        kind = Kind(record.kind)
        path = _PATHS[kind]
        headers = {"content-type": "application/json" if kind in _JSON else "application/x-protobuf"}
        if record.encoding is Encoding.GZIP:
            headers["content-encoding"] = "gzip"
        try:
            token = self._token()
            if token:
                headers["authorization"] = f"Bearer {token}"
            response = await self._client.post(self.url + path, content=record.body, headers=headers)
        except CollectorError as error:
            return Answer(Verdict.LATER, str(error))
        except (httpx2.HTTPError, OSError) as error:
            return Answer(Verdict.LATER, f"{self.url} cannot be reached: {str(error) or type(error).__name__}")
        return _judged(response, path)

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


def _judged(response: httpx2.Response, path: str) -> Answer:
    code = response.status_code
    if response.is_success:
        rejected, message = _partial(response, path)
        return Answer(Verdict.TAKEN, message, rejected)
    told = f"{response.url} answered {code}"
    message = _message(response)
    if message:
        told += f": {message}"
    if code in {400, 413, 415}:
        return Answer(Verdict.REFUSED, told)
    return Answer(Verdict.LATER, told, retry_after_seconds=_retry_after_seconds(response))


def _partial(response: httpx2.Response, path: str) -> tuple[int, str]:
    try:
        if _is_json(response):
            said = msgspec.json.decode(response.content, type=_Response).partial_success or _Partial()
            rejected = max(int(said.rejected_spans), int(said.rejected_data_points), int(said.rejected_log_records))
            return rejected, said.error_message[:_SHOWN]
        make, name = _RESPONSES[path]
        said_in_protobuf: Any = make()
        said_in_protobuf.ParseFromString(response.content)
        partial = said_in_protobuf.partial_success
        return int(getattr(partial, name)), str(partial.error_message)[:_SHOWN]
    except (ValueError, DecodeError):  # a proxy's own words, perhaps; what counts is that it was taken
        return 0, ""


def _message(response: httpx2.Response) -> str:
    try:
        if _is_json(response):
            return msgspec.json.decode(response.content, type=_Response).message[:_SHOWN]
        if response.headers.get("content-type", "").startswith("application/x-protobuf"):
            return str(Status.FromString(response.content).message)[:_SHOWN]
    except (ValueError, DecodeError):
        pass  # then it is shown as it is
    return " ".join(response.text.split())[:_SHOWN]


def _is_json(response: httpx2.Response) -> bool:
    return bool(response.headers.get("content-type", "").startswith("application/json"))


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
    if parts.path.rstrip("/").endswith(tuple(_RESPONSES)):
        raise CollectorError(f"--forward {url!r} should end before /v1/…, which depends on what is forwarded")
    if parts.scheme == "http" and not _is_loopback(parts.host):
        if with_token:
            raise CollectorError(
                f"--forward {url!r} would send the token readable for everybody on the way; use https://, or do without --token-file"
            )
        logger.warning("%s is not encrypted: everybody on the way can read what is forwarded", url)
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
