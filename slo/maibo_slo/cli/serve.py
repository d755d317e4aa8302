"""``maibo serve``."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from maibo_slo.cli.example import examples
from maibo_slo.plugins import option_values, options, with_options


@click.command(
    epilog=examples(
        "maibo serve",
        "maibo serve slos/ journeys.yaml",
        "maibo serve slos/ --store chdb:///var/lib/maibo --listen 127.0.0.1:9000",
        "maibo serve slos/ --trace-url 'https://jaeger.example/trace/{trace_id}'",
        "MAIBO_STORE=clickhouse://user:password@host:8123/maibo maibo serve slos/",
    )
)
@click.argument("documents", nargs=-1)
@click.option(
    "--store",
    envvar="MAIBO_STORE",
    show_envvar=True,
    metavar="DSN",
    help="chdb:///folder (embedded) or clickhouse://…  [default: embedded, in the data folder]",
)
@click.option(
    "--listen",
    default="127.0.0.1:8080",
    envvar="MAIBO_LISTEN",
    show_envvar=True,
    show_default=True,
    help="Address of API and pages; loopback only.",
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="MAIBO_DATA_DIR",
    show_envvar=True,
    help="Folder for logs and the embedded store.  [default: ~/.local/share/maibo]",
)
@click.option(
    "--tick", type=click.FloatRange(min=0.1), default=10.0, show_default=True, help="Seconds between evaluations."
)
@click.option(
    "--trace-url",
    default="",
    envvar="MAIBO_TRACE_URL",
    show_envvar=True,
    metavar="URL",
    help="Where traces are looked at, with {trace_id} in it (and {span_id}): links on the page and in the API.",
)
@with_options(options())
def serve(
    documents: tuple[str, ...],
    *,
    store: str | None,
    listen: str,
    data_dir: Path | None,
    tick: float,
    trace_url: str,
    **of_plugins: str,
) -> None:
    """Run the service: collectors, engine, API and pages, in one process.

    DOCUMENTS are files or folders of journeys and SLOs; without any, journeys are shown as they come in. SIGHUP reads them again.
    """
    from maibo_slo.service import runtime
    from maibo_slo.service.places import default_data_dir, default_store

    logging.getLogger("maibo_slo").setLevel(min(logging.INFO, logging.getLogger().level))
    logging.getLogger("maibo_collectors").setLevel(min(logging.INFO, logging.getLogger().level))
    folder = data_dir or default_data_dir()
    settings = runtime.Settings(
        store=store or default_store(folder),
        data_dir=folder,
        documents=documents,
        listen=listen,
        tick_seconds=tick,
        trace_url=trace_url,
        options=option_values(options(), of_plugins),
    )
    runtime.serve(settings, announce=click.echo)
