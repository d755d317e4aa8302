"""How the OTLP collector joins a service. Imports nothing heavy: every command of the command line loads this."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from maibo_slo.errors import MaiboError
from maibo_slo.plugins import Context, Option, Plugin

if TYPE_CHECKING:
    import click


def plugin() -> Plugin:
    """The entry point ``otlp`` of the group ``maibo.plugins``."""
    return Plugin(
        name="otlp",
        summary="takes OpenTelemetry over HTTP and gRPC, and counts the journeys in it",
        options=(
            Option(
                "otlp-http",
                "127.0.0.1:4318",
                "address for OTLP over HTTP, HOST:PORT; beyond loopback it needs tokens or client certificates; port 0 takes a free one",
            ),
            Option("otlp-grpc", "127.0.0.1:4317", "address for OTLP over gRPC, alike; 'off' does without"),
            Option("otlp-tokens", "", "file of tokens that senders must show (maibo token add)"),
            Option("otlp-tls-cert", "", "certificate chain for TLS, PEM"),
            Option("otlp-tls-key", "", "its private key, PEM"),
            Option("otlp-tls-client-ca", "", "senders must have a certificate of this authority, PEM"),
            Option(
                "otlp-token-mib-per-second",
                "0",
                "MiB a second, unpacked, that a token may send to an acceptor; 0: no limit",
                least=0,
            ),
            Option(
                "otlp-series-limit",
                "1000",
                "series that one journey may have in an acceptor in a day; more become one",
                least=1,
            ),
            Option("acceptors", str(_acceptors()), "processes that take OTLP", least=1),
            Option(
                "otlp-log-mib",
                "4096",
                "MiB of accepted telemetry that may wait to be counted; beyond it, senders get 503",
                least=1,
            ),
        ),
        task=_collect,
        commands=_commands,
        about=_about,
    )


async def _collect(context: Context) -> None:
    from maibo_collectors.errors import CollectorError
    from maibo_collectors.otlp.collector import run

    try:
        await run(context)
    except CollectorError as error:  # acceptors, which share that class, must not load the hub
        raise MaiboError(str(error)) from error


def _commands() -> list[click.Command]:
    import click

    from maibo_collectors.otlp.collect import collect
    from maibo_collectors.otlp.explaining.command import explain

    return [collect, click.Group("journey", commands=[explain])]


def _about() -> dict[str, str]:
    from maibo_collectors.otlp.decoding.decoders import decoder_in_use

    return {"otlp decoder": decoder_in_use()}


def _acceptors() -> int:
    """One takes some 50 000 spans a second; half the cores stay with the engine and the store."""
    return max(1, min(4, (os.cpu_count() or 1) // 2))
