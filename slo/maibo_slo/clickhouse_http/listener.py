"""The listener: where the ClickHouse interface is answered, and who may ask there."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvicorn

from maibo_slo.clickhouse_http.app import ClickHouseHttp
from maibo_slo.clickhouse_http.engine import ReadOnlyEngine
from maibo_slo.clickhouse_http.plugin import ADDRESS, OFF, TOKENS
from maibo_slo.errors import MaiboError
from maibo_slo.tokens import TokenFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_slo.plugins import Context

STOP_SECONDS: Final = 2
CONNECTIONS: Final = 200


async def run(context: Context) -> None:
    """Until `Context.stopping`. MaiboError when it cannot start."""
    address, tokens = context.options[ADDRESS], context.options[TOKENS]
    if address in OFF:
        if tokens:
            raise MaiboError(f"--{TOKENS} needs --{ADDRESS}, such as 127.0.0.1:8123")
        context.report(ADDRESS, None)
        await context.stopping.wait()
        return
    if not context.store.embedded:
        raise MaiboError(f"--{ADDRESS} is for the embedded store: ask the ClickHouse server of {context.store} itself")
    known = TokenFile(Path(tokens), now=time.monotonic()) if tokens else None
    engine = await asyncio.to_thread(ReadOnlyEngine, context.store)
    try:
        listener = await context.listen(address, f"--{ADDRESS}", guarded=known is not None)
        host, port = listener.getsockname()[:2]
        context.announce(ADDRESS, f"http://{f'[{host}]' if ':' in host else host}:{port}")
        context.report(ADDRESS, None)
        server = _Server(
            uvicorn.Config(
                ClickHouseHttp(engine, known),
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_graceful_shutdown=STOP_SECONDS,
                limit_concurrency=CONNECTIONS,
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        stopped = asyncio.create_task(context.stopping.wait())
        try:
            await asyncio.wait((serving, stopped), return_when=asyncio.FIRST_COMPLETED)
        finally:
            server.should_exit = True
            stopped.cancel()
            await serving
    finally:
        await asyncio.to_thread(engine.close)


class _Server(uvicorn.Server):
    """Leaves signals to the service."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
