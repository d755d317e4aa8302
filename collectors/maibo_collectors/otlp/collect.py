"""``maibo collect``: collecting apart from the service, into a store (counts) or, at the edge, for another collector (bodies)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from maibo_collectors.errors import CollectorError
from maibo_collectors.otlp.plugin import plugin
from maibo_slo.errors import MaiboError
from maibo_slo.plugins import option_values, with_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client import CollectorRegistry

    from maibo_collectors.otlp.edge.upstream import Upstream
    from maibo_slo.plugins import Option

logger = logging.getLogger(__name__)

EDGE_LOG_MIB: Final = "16384"
"""Hours without an upstream must fit."""
_LOG_OPTION: Final = "otlp-log-mib"
_EXAMPLES: Final = """\b
Examples:
  maibo collect --store clickhouse://user:password@host:8123/maibo journeys/
  maibo collect --forward https://collector.example:4318 --token-file token
  maibo collect --forward https://collector.example:4318 --cert edge.pem --key edge-key.pem --otlp-grpc off
"""


def _options() -> tuple[Option, ...]:
    """The plugin's own, as `maibo serve` has them, but for how much may wait: that depends on where it goes."""
    return tuple(
        replace(
            option, default="", help=f"{option.help}  [default: {EDGE_LOG_MIB} with --forward, else {option.default}]"
        )
        if option.name == _LOG_OPTION
        else option
        for option in plugin().options
    )


def _file(name: str, variable: str, text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    kind = click.Path(exists=True, dir_okay=False, path_type=Path)
    return click.option(name, type=kind, envvar=variable, show_envvar=True, help=text)


@click.command(epilog=_EXAMPLES)
@click.argument("documents", nargs=-1)
@click.option(
    "--store",
    envvar="MAIBO_STORE",
    show_envvar=True,
    metavar="DSN",
    help="Where counts go: clickhouse://… or chdb:///folder.",
)
@click.option(
    "--forward",
    envvar="MAIBO_FORWARD",
    show_envvar=True,
    metavar="URL",
    help="Instead of a store: another collector's address. Bodies go there as they came.",
)
@_file("--token-file", "MAIBO_FORWARD_TOKEN_FILE", "File with the token to show there; may be exchanged while running.")
@_file("--ca", "MAIBO_FORWARD_CA", "Authority of its certificate, PEM.  [default: the system's]")
@_file("--cert", "MAIBO_FORWARD_CERT", "Certificate to show there (mTLS), PEM.")
@_file("--key", "MAIBO_FORWARD_KEY", "Its private key, PEM.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="MAIBO_DATA_DIR",
    show_envvar=True,
    help="Folder of the log.  [default: ~/.local/share/maibo]",
)
@click.option(
    "--metrics",
    envvar="MAIBO_METRICS",
    show_envvar=True,
    metavar="HOST:PORT",
    help="Show /metrics there; loopback only.",
)
@with_options(_options())
def collect(
    documents: tuple[str, ...],
    *,
    store: str | None,
    forward: str | None,
    token_file: Path | None,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    data_dir: Path | None,
    metrics: str | None,
    **of_plugin: str,
) -> None:
    """Collect OTLP, without the rest of the service.

    Into a store that others read, or for another collector.

    With --store, DOCUMENTS are files or folders whose journeys say which spans, metrics and logs count; SIGHUP reads them again. With
    --forward nothing is counted here: bodies are kept in a log on disk and sent on as soon as that collector can be reached.
    """
    from maibo_slo.service.places import default_data_dir

    if (store is None) == (forward is None):
        raise click.UsageError("say where it goes: either --store DSN or --forward URL")
    if forward is not None and documents:
        raise click.UsageError("DOCUMENTS say what counts; with --forward nothing is counted here")
    if forward is None and (token_file or ca or cert or key):
        raise click.UsageError("--token-file, --ca, --cert and --key are for --forward")
    options = option_values(_options(), of_plugin)
    options[_LOG_OPTION] = options[_LOG_OPTION] or _log_mib(edge=forward is not None)
    for name in ("maibo_slo", "maibo_collectors"):
        logging.getLogger(name).setLevel(min(logging.INFO, logging.getLogger().level))
    command = _Command(data_dir or default_data_dir(), options, metrics)
    try:
        if forward is not None:
            from maibo_collectors.otlp.edge.upstream import Upstream

            upstream = Upstream(forward, token_file=token_file, ca=ca, certificate=cert, key=key)
            asyncio.run(command.forward(upstream))
        elif store is not None:
            command.count(store, documents)
    except CollectorError as error:
        raise MaiboError(str(error)) from error


def _log_mib(*, edge: bool) -> str:
    return EDGE_LOG_MIB if edge else next(each.default for each in plugin().options if each.name == _LOG_OPTION)


@dataclass(frozen=True, slots=True)
class _Command:
    data_dir: Path
    options: Mapping[str, str]
    metrics: str | None

    async def forward(self, upstream: Upstream) -> None:
        """The edge."""
        from prometheus_client import CollectorRegistry

        from maibo_collectors.otlp.edge import collector as edge
        from maibo_slo.service.listen import listen

        told = _Told(f"forwarding to {upstream.url}")
        registry = CollectorRegistry()
        with _shown(registry, self.metrics, told):
            around = edge.Surroundings(
                data_dir=self.data_dir,
                options=self.options,
                registry=registry,
                stopping=_stopping_by_signals(lambda: None),
                listen=listen,
                announce=told.announce,
                report=told.report,
            )
            await edge.run(upstream, around)

    def count(self, dsn: str, documents: tuple[str, ...]) -> None:
        """The plugin's own task, as the service runs it, with no engine beside it."""
        from prometheus_client import CollectorRegistry

        from maibo_collectors.otlp.collector import run
        from maibo_slo.documents import Catalogue, DocumentsError, load
        from maibo_slo.plugins import Context
        from maibo_slo.service.listen import listen
        from maibo_slo.store import open_store

        in_force = load(documents) if documents else Catalogue()
        for warning in in_force.warnings:
            logger.warning("%s", warning)

        def reload() -> None:
            nonlocal in_force
            try:
                in_force = load(documents) if documents else in_force
            except (DocumentsError, OSError) as error:
                logger.error("documents not reloaded, those in force stay:\n%s", error)  # noqa: TRY400 -- the text says it all
            else:
                logger.info("documents reloaded: %d journeys", len(in_force.journeys))

        async def counting() -> None:
            told = _Told(f"counting into {store}")
            registry = CollectorRegistry()
            with _shown(registry, self.metrics, told):
                context = Context(
                    store=store,
                    data_dir=self.data_dir,
                    catalogue=lambda: in_force,
                    options=self.options,
                    registry=registry,
                    report=lambda _, problem: told.report(problem),
                    stopping=_stopping_by_signals(reload),
                    listen=listen,
                    announce=told.announce,
                )
                await run(context)

        with open_store(dsn) as store:
            store.warm_up()
            asyncio.run(counting())


@dataclass(slots=True)
class _Told:
    """What people are told: on stdout the addresses once all works; in the log, then, what does not, and that it does again."""

    what: str
    _addresses: dict[str, str] = field(default_factory=dict)
    _problem: str | None = None
    _ready: bool = False

    def announce(self, name: str, address: str) -> None:
        self._addresses[name] = address

    def report(self, problem: str | None) -> None:
        if not self._ready:
            if problem is None:
                self._ready = True
                click.echo(f"maibo collect is ready: {self.what}")
                for name, address in sorted(self._addresses.items()):
                    click.echo(f"{name}: {address}")
        elif problem != self._problem:
            logger.log(logging.INFO if problem is None else logging.WARNING, "%s", problem or "works again")
        self._problem = problem


@contextlib.contextmanager
def _shown(registry: CollectorRegistry, where: str | None, told: _Told) -> Iterator[None]:
    """Shows /metrics, if that is wanted."""
    if where is None:
        yield
        return
    from prometheus_client import start_http_server

    from maibo_slo.service.listen import address

    host, port = address(where, "--metrics")
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise CollectorError(f"cannot listen on {where}: {error.strerror}; choose another with --metrics") from None
    told.announce("metrics", f"http://{where.rpartition(':')[0]}:{server.server_port}/metrics")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _stopping_by_signals(reload: Callable[[], None]) -> asyncio.Event:
    """Set by SIGTERM and SIGINT; a second one does not wait. SIGHUP reads again what can be."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()

    def stop() -> None:
        if stopping.is_set():
            os._exit(1)  # all that was acknowledged is in the log
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, reload))
    return stopping
