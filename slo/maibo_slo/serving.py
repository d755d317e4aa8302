"""An application over HTTP on a socket that listens already, beside others in one process."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from starlette.types import ASGIApp


class Server(uvicorn.Server):
    """Leaves signals to the service, and the log to what the application says."""

    def __init__(self, app: ASGIApp, *, stop_seconds: int, **settings: Any) -> None:
        """`stop_seconds`: for requests under way at the stop. `settings`: uvicorn's others."""
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=stop_seconds,
                **settings,
            )
        )

    async def serve_until(self, stopping: asyncio.Event, listener: socket.socket) -> None:
        """Until `stopping` is set."""
        serving = asyncio.create_task(self.serve(sockets=[listener]))
        stopped = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((serving, stopped), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.should_exit = True
            stopped.cancel()
            await serving

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
