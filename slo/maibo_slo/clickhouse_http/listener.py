"""The listener: where the ClickHouse interface is answered, and who may ask there."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from maibo_slo.addresses import Address
from maibo_slo.clickhouse_http.app import ClickHouseHttp
from maibo_slo.clickhouse_http.engine import ReadOnlyEngine
from maibo_slo.clickhouse_http.plugin import ADDRESS, TOKENS
from maibo_slo.errors import MaiboError
from maibo_slo.loopback import is_loopback
from maibo_slo.plugins import OFF
from maibo_slo.serving import Server
from maibo_slo.tokens import Scope, TokenFile

if TYPE_CHECKING:
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
    known = TokenFile(Path(tokens), now=time.monotonic(), scope=Scope.READ) if tokens else None
    where = Address.of(address)
    if known is None and where is not None and not is_loopback(where.host):
        raise MaiboError(
            f"--{ADDRESS} {address!r} can be reached by others, who must show who they are: make a token with `maibo token add NAME "
            f"--scope read` and give its file as --{TOKENS}; or listen on 127.0.0.1"
        )
    engine = await asyncio.to_thread(ReadOnlyEngine, context.store)
    try:
        listener = await context.listen(address, f"--{ADDRESS}", guarded=known is not None)
        context.announce(ADDRESS, f"http://{Address.taken_by(listener)}")
        context.report(ADDRESS, None)
        app = ClickHouseHttp(engine, known)
        server = Server(app, stop_seconds=STOP_SECONDS, ws="none", lifespan="off", limit_concurrency=CONNECTIONS)
        await server.serve_until(context.stopping, listener)
    finally:
        await asyncio.to_thread(engine.close)
