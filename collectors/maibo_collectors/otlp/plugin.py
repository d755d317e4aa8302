"""How the OTLP collector joins a service. Imports nothing heavy: every command of the command line loads this."""

from __future__ import annotations

import os

from maibo_slo.errors import MaiboError
from maibo_slo.plugins import Context, Option, Plugin


def plugin() -> Plugin:
    """The entry point ``otlp`` of the group ``maibo.plugins``."""
    return Plugin(
        name="otlp",
        summary="takes OpenTelemetry spans over HTTP and counts the journeys in them",
        options=(
            Option(
                "otlp-http",
                "127.0.0.1:4318",
                "address for OTLP over HTTP, HOST:PORT; loopback only, port 0 takes a free one",
            ),
            Option("acceptors", str(_acceptors()), "processes that take OTLP"),
            Option(
                "otlp-log-mib", "4096", "MiB of accepted spans that may wait to be counted; beyond it, senders get 503"
            ),
        ),
        task=_collect,
    )


async def _collect(context: Context) -> None:
    from maibo_collectors.errors import CollectorError
    from maibo_collectors.otlp.collector import run

    try:
        await run(context)
    except CollectorError as error:  # acceptors, which share that class, must not load the hub
        raise MaiboError(str(error)) from error


def _acceptors() -> int:
    """One takes some 50 000 spans a second; half the cores stay with the engine and the store."""
    return max(1, min(4, (os.cpu_count() or 1) // 2))
