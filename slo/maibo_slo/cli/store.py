"""``maibo store migrate``, ``maibo store info`` and ``maibo store ddl``: the store itself, with no service running on it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import click

from maibo_slo.cli.example import examples
from maibo_slo.cli.output import as_json, console, output_option, print_json, table
from maibo_slo.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable


def _store_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option(
            "--data-dir",
            type=click.Path(file_okay=False, path_type=Path),
            envvar="MAIBO_DATA_DIR",
            show_envvar=True,
            help="Where the embedded store is when no --store is given.  [default: ~/.local/share/maibo]",
        ),
        click.option(
            "--store",
            "dsn",
            envvar="MAIBO_STORE",
            show_envvar=True,
            metavar="DSN",
            help="chdb:///folder or clickhouse://…",
        ),
    ):
        command = option(command)
    return command


@click.group(epilog=examples("maibo store migrate", "maibo store info"))
def store() -> None:
    """The store: its schema and its size. An embedded store has one owner: stop the service first."""


@store.command(epilog=examples("maibo store migrate --store chdb:///var/lib/maibo"))
@_store_options
def migrate(*, dsn: str | None, data_dir: Path | None) -> None:
    """Bring the schema up to this version of maibo; doing it again changes nothing."""
    from maibo_slo.store.client import Store
    from maibo_slo.store.schema import migrate as apply
    from maibo_slo.store.schema import version_of

    with Store(_dsn(dsn, data_dir)) as opened:
        applied = apply(opened)
        done = f"applied {', '.join(map(str, applied))}" if applied else "nothing to do"
        click.echo(f"{opened}: {done}; the schema is at version {version_of(opened)}")


@store.command(
    epilog=examples("maibo store info", "maibo store info --store clickhouse://user:password@host:8123/maibo")
)
@_store_options
@output_option
def info(*, dsn: str | None, data_dir: Path | None, output: str) -> None:
    """Schema version, tables, rows and bytes."""
    from maibo_slo.store import open_store
    from maibo_slo.store.schema import info as read

    where = _dsn(dsn, data_dir)
    _require_folder(where)
    with open_store(where, migrate=False) as opened:
        said = read(opened)
    if output == "json":
        print_json(asdict(said))
        return
    numbers = ("rows", "parts", "on disk", "uncompressed")
    shown = table("table", "rows", "parts", "on disk", "uncompressed", numbers=numbers)
    for one in said.tables:
        sizes = (_mib(one.bytes_on_disk), _mib(one.bytes_uncompressed))
        shown.add_row(one.table, str(one.rows), str(one.parts), *sizes)
    out = console()
    out.print(f"{said.dsn}: schema {said.schema}, ClickHouse {said.engine_version}")
    out.print(shown)


@store.command(
    epilog=examples("maibo store ddl", "maibo store ddl --cluster main -o schema.sql", "maibo store ddl --output json")
)
@click.option("--cluster", metavar="NAME", help="For this cluster of ClickHouse servers, as system.clusters shows it.")
@click.option("--output", type=click.Choice(["sql", "json"]), default="sql", show_default=True, help="How it is told.")
@click.option("--out", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file instead.")
def ddl(*, cluster: str | None, output: str, out: Path | None) -> None:
    """Print the schema as SQL.

    For those who make it by hand, in an empty database.
    """
    from maibo_slo.store.ddl import statements

    if out is not None and out.name in {"sql", "json"}:  # -o is the format elsewhere
        raise click.UsageError(f"-o is a file here; the format is --output {out.name}")
    made = statements(cluster)
    told = as_json(made) if output == "json" else "\n\n".join(f"{statement};" for statement in made)
    if out is None:
        click.echo(told)
        return
    try:
        out.write_text(f"{told}\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {out}: {error.strerror}") from error


def _dsn(dsn: str | None, data_dir: Path | None) -> str:
    from maibo_slo.service.places import default_data_dir, default_store

    return dsn or default_store(data_dir or default_data_dir())


def _require_folder(dsn: str) -> None:
    """Opening an embedded store makes it, and a question must not."""
    from maibo_slo.store.client import LOCK_FILE

    folder = unquote(dsn.removeprefix("chdb://").partition("?")[0])
    if dsn.startswith("chdb://") and folder.strip("/") and not (Path(folder) / LOCK_FILE).exists():
        raise StoreError(f"no store at {Path(folder).resolve()}; `maibo serve` and `maibo store migrate` make one")


def _mib(size: int) -> str:
    return f"{size / 2**20:.2f} MiB"
