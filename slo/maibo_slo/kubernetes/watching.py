"""A watch that runs."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Self

from maibo_slo.kubernetes.calls import MOST_BYTES, unreachable
from maibo_slo.kubernetes.errors import KubernetesUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from urllib3 import HTTPResponse

    from maibo_slo.kubernetes.calls import Call


class Watching:
    """A running watch: an iterator over its lines of JSON, each a change, a bookmark or an error, without its line's end."""

    def __init__(self, response: HTTPResponse, address: str, call: Call) -> None:
        self._response = response
        self._address = address
        self._call = call
        self._cancelled = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        """Ends when the server ends it or it is cancelled. KubernetesUnreachable when the connection breaks off, or is silent too long."""
        waiting = bytearray()
        for chunk in self._chunks():
            waiting += chunk
            *lines, rest = waiting.split(b"\n") if b"\n" in chunk else [waiting]
            waiting = bytearray(rest)
            for line in lines:
                if line.strip():
                    yield bytes(line)
            if len(waiting) > MOST_BYTES:
                raise KubernetesUnreachable(
                    f"{self._call} at {self._address} sent a line of more than {MOST_BYTES >> 20} MiB"
                )

    def cancel(self) -> None:
        """Ends the iteration, in whatever thread that waits; may be called at any time, from any thread."""
        self._cancelled = True
        with suppress(OSError, ValueError, RuntimeError):  # it has ended already
            self._response.shutdown()

    def close(self) -> None:
        """Gives the connection up."""
        self._response.close()

    def _chunks(self) -> Iterator[bytes]:
        """As they come: the API server sends a chunk for each line."""
        try:
            with unreachable(self._address, self._call):
                yield from self._response.stream(None, decode_content=True)
        except KubernetesUnreachable:
            if not self._cancelled:
                raise
