"""How the ClickHouse interface joins a service. Imports nothing heavy: every command of the command line loads this."""

from __future__ import annotations

from typing import Final

from maibo_slo.plugins import Context, Option, Plugin

ADDRESS: Final = "clickhouse-http"
TOKENS: Final = "clickhouse-http-tokens"


def plugin() -> Plugin:
    """The entry point ``clickhouse_http`` of the group ``maibo.plugins``."""
    return Plugin(
        name="clickhouse-http",
        summary="the embedded store as a ClickHouse over HTTP, to be read: for Grafana and ClickHouse's drivers",
        options=(
            Option(
                ADDRESS,
                "off",
                "address where the embedded store answers as a ClickHouse over HTTP, reading alone, HOST:PORT such as 127.0.0.1:8123; "
                "beyond loopback it needs tokens; port 0 takes a free one; 'off' does without",
            ),
            Option(
                TOKENS, "", "file of tokens, of which one of the scope read is the password there (maibo token add)"
            ),
        ),
        task=_serve,
    )


async def _serve(context: Context) -> None:
    from maibo_slo.clickhouse_http.listener import run

    await run(context)
