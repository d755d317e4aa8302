"""Batches of spans to a collector, over OpenTelemetry's own OTLP/HTTP exporter.

The exporter encodes, authenticates and speaks TLS as the ``OTEL_EXPORTER_OTLP_*`` variables say. Three things about it are
unfit for counts, and are mended in the HTTP session that it is given:

* its gzip header carries the time of day, so that a batch sent again differs from itself; a collector recognises a retry by the
  hash of its body. Here the same batch is the same bytes for ever;
* it retries by itself, sleeping where no shutdown deadline can reach it. Here one `send` is one attempt, and says what came of it;
* it takes a redirect for success, and does not read how many spans a collector rejected. Here the answer decides.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from http.client import BadStatusLine, RemoteDisconnected
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Final

import requests
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # has no types
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http import trace_exporter as stock
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from maibo.names import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

ATTEMPT_SECONDS: Final = 10.0
_NO_RETRIES: Final = 0.1
"""The exporter's own timeout: shorter than its first back-off, so that it never sleeps."""
_RETRYABLE: Final = frozenset({429, 502, 503, 504})
_LONGEST_WAIT: Final = 30.0
_UNAUTHORIZED: Final = frozenset({401, 403})
_NO_HTTP: Final = (
    "what answers there does not speak HTTP/1.1: maibo sends OTLP over HTTP, to port 4318 of a collector, not to gRPC's 4317; a port "
    "with TLS needs https://"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt."""

    delivered: bool
    retry: bool = False
    wait_seconds: float | None = None
    """How long the collector asked to be left alone."""
    rejected: int = 0
    """Spans that the collector took in, looked at and refused."""
    why: str = ""


class Otlp:
    """One collector. Used by one thread at a time; make another one after a fork."""

    def __init__(self, endpoint: str, headers: Mapping[str, str], *, inherit_headers: bool) -> None:
        self.endpoint = endpoint
        self.thread = 0
        self._session = _Session(headers, inherit_headers=inherit_headers)
        self._exporter = stock.OTLPSpanExporter(
            endpoint=endpoint,
            headers=dict(headers),
            timeout=_NO_RETRIES,
            compression=Compression.Gzip,
            session=self._session,
        )
        _quieten(self)

    def send(self, spans: Sequence[ReadableSpan], *, timeout: float) -> Answer:
        """One attempt; the same spans are the same bytes."""
        self._session.attempt_seconds = timeout
        self._session.answer = Answer(delivered=False, why="the batch cannot be encoded")
        self.thread = threading.get_ident()
        self._exporter.export(spans)
        return self._session.answer

    def close(self) -> None:
        """Close its connections."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


class _Session(requests.Session):
    """The exporter's HTTP session: fixes the gzip header, keeps real timeouts, and remembers the answer."""

    def __init__(self, headers: Mapping[str, str], *, inherit_headers: bool) -> None:
        super().__init__()
        self.attempt_seconds = ATTEMPT_SECONDS
        self.answer = Answer(delivered=False)
        self._allowed = (
            None if inherit_headers else {"content-type", "content-encoding", "user-agent", *map(str.lower, headers)}
        )

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]  # the exporter passes these alone
        body: bytes = options.pop("data")
        headers = {key: value for key, value in options.pop("headers").items() if self._allows(key)}
        options["timeout"] = self.attempt_seconds
        try:
            response = super().request(method, url, data=body[:4] + bytes(4) + body[8:], headers=headers, **options)
        except requests.RequestException as error:
            self.answer = Answer(delivered=False, retry=True, why=_short(error))
            raise
        self.answer = _read(response)
        return response

    def _allows(self, header: str) -> bool:
        """A vendor's API keys, in OTEL_EXPORTER_OTLP_HEADERS, go to the vendor's endpoint only."""
        return self._allowed is None or header.lower() in self._allowed


def _read(response: requests.Response) -> Answer:
    status = response.status_code
    if status == requests.codes.ok:
        return Answer(delivered=True, rejected=_rejected(response.content))
    if 200 <= status < 300:
        return Answer(delivered=True)
    if status in _RETRYABLE:
        wait = _seconds(response.headers.get("Retry-After"))
        return Answer(delivered=False, retry=True, wait_seconds=wait, why=_told(response))
    why = f"the collector at {response.url} answered {_told(response)}"
    if status in _UNAUTHORIZED:
        why += "; a token goes into MAIBO_HEADERS=authorization=Bearer TOKEN, or configure(headers=…)"
    return Answer(delivered=False, why=why)


def _told(response: requests.Response) -> str:
    """The status, and the collector's own sentence, a `Status` by the OTLP specification."""
    status = f"HTTP {response.status_code} {response.reason}"
    if not response.headers.get("Content-Type", "").startswith("application/x-protobuf"):
        return status  # a proxy's page
    try:
        sentence = clean(Status.FromString(response.content).message, 200)
    except Exception:  # noqa: BLE001 -- whoever it was, the status tells enough
        return status
    return f"{status}: {sentence}" if sentence else status


def _rejected(body: bytes) -> int:
    try:
        return max(0, int(ExportTraceServiceResponse.FromString(body).partial_success.rejected_spans))
    except Exception:  # noqa: BLE001 -- some proxies answer 200 with a page of their own
        return 0


def _seconds(retry_after: str | None) -> float | None:
    try:
        return None if retry_after is None else min(max(float(retry_after), 0.0), _LONGEST_WAIT)
    except ValueError:  # a date; rare, and our own back-off will do
        return None


def _short(error: Exception) -> str:
    """The kind of error, and what the operating system said, which is at the end of the chain."""
    cause: BaseException = error
    following: BaseException | None = error
    while following is not None:
        if isinstance(following, BadStatusLine) and not isinstance(following, RemoteDisconnected):
            return _NO_HTTP
        cause = following if isinstance(following, OSError) else cause
        following = following.__cause__ or following.__context__
    return shorten(f"{type(error).__name__}: {cause}", 200, placeholder=" …")


def _quieten(owner: Otlp) -> None:
    """The exporter logs every failed attempt; maibo tells once. Other people's use of the same exporter still logs."""

    class Quiet(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            return record.thread != owner.thread

    logging.getLogger(stock.__name__).addFilter(Quiet())
