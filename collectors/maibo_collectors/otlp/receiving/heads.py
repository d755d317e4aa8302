"""HTTP connections whose heads are bounded in size and time: they come before anybody has shown who they are.

uvicorn takes heads of any size for ever, and puts a long header together again with each piece of it. Here, a head has to be complete
soon after the connection was made or the head begun, and within a size; so have chunked bodies' trailers and chunks' extensions, which
are no body either. Between requests a connection may rest for as long as uvicorn lets it. What is over is cut off without an answer.

And stopping does not wait for senders: uvicorn closes what is at rest, which with TLS lasts until the other end agrees, and waits for uploads
that do not come.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from maibo_collectors.otlp.receiving.http import CROWDED

HEAD_BYTES: Final = 2**16
"""What comes in a row and is no body; as much again as one read brings may be taken before it is noticed."""
HEAD_SECONDS: Final = 15.0
LEFTOVER_SECONDS: Final = 60.0
"""For what a sender still sends after it was answered (the rest of a body that was refused at its beginning) until its next head is there."""
FAREWELL_SECONDS: Final = 0.2
"""For the last bytes of a connection that we end."""
LAST_UPLOAD_SECONDS: Final = 2.0
"""For a body that is coming in when we stop; its sender comes again."""
CONNECTIONS: Final = 1024
"""From this many on requests are answered 503."""


class BoundedHeads(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._bytes = 0
        self._had_body_or_head = False
        self._stopping = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > 2 * CONNECTIONS:
            transport.abort()  # there must be file descriptors left for the log
        self._expect_head(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._expect_nothing()

    def data_received(self, data: bytes) -> None:
        self._had_body_or_head = False
        super().data_received(data)
        self._bytes = 0 if self._had_body_or_head else self._bytes + len(data)
        if self._bytes > HEAD_BYTES:
            self.transport.abort()
        elif self._deadline is None and self.cycle is not None and self.cycle.response_complete:
            self._expect_head(LEFTOVER_SECONDS)  # uvicorn's own time for connections at rest ends with whatever comes

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect_head(HEAD_SECONDS)

    def on_headers_complete(self) -> None:
        self._had_body_or_head = True
        self._expect_nothing()
        if len(self.connections) >= CONNECTIONS:
            self.scope.setdefault("state", {})[CROWDED] = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._had_body_or_head = True
        super().on_body(body)

    def shutdown(self) -> None:
        self._stopping = True
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(FAREWELL_SECONDS, self.transport.abort)
        else:
            self.loop.call_later(LAST_UPLOAD_SECONDS, self._cut_upload)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._stopping:
            self.loop.call_later(FAREWELL_SECONDS, self.transport.abort)

    def _cut_upload(self) -> None:
        if self.cycle.more_body:
            self.transport.abort()

    def _expect_head(self, seconds: float) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
