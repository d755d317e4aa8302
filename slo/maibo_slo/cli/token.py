"""``maibo token add``, ``list`` and ``revoke``: the file of bearer tokens."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from maibo_slo import tokens
from maibo_slo.cli.example import examples
from maibo_slo.cli.output import console, output_option, print_json, table

if TYPE_CHECKING:
    from collections.abc import Callable


def _file_option(command: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--file",
        type=click.Path(dir_okay=False, path_type=Path),
        default="tokens.json",
        envvar="MAIBO_OTLP_TOKENS",
        show_default=True,
        show_envvar=True,
        help="The token file, as `maibo serve --otlp-tokens` has it.",
    )(command)


_SCOPES: Final = (tokens.Scope.INGEST, tokens.Scope.READ)


def _scope(_: click.Context, __: click.Parameter, value: str) -> tokens.Scope:
    if value not in _SCOPES:
        raise click.BadParameter(
            f"nothing asks for tokens of scope {value!r} yet; there are 'ingest', to send, and 'read', to ask for signals"
        )
    return tokens.Scope(value)


@click.group(epilog=examples("maibo token add shop", "maibo token list", "maibo token revoke shop"))
def token() -> None:
    """Tokens of those who may send telemetry, or ask for signals. Changes count within a second, while the service runs."""


@token.command(
    epilog=examples(
        "maibo token add shop",
        "maibo token add shop-2 --scope ingest --file /etc/maibo/tokens.json",
        "maibo token add keda --scope read --file /etc/maibo/readers.json",
    )
)
@click.argument("name")
@click.option(
    "--scope",
    callback=_scope,
    metavar="[ingest|read]",
    default=tokens.Scope.INGEST.value,
    show_default=True,
    help="What it allows: sending telemetry, or asking: for signals (--signals-https-tokens), in SQL (--clickhouse-http-tokens).",
)
@_file_option
def add(*, name: str, scope: tokens.Scope, file: Path) -> None:
    """Make a token, and print its secret: this once, it is kept nowhere.

    To replace a token, add one under a new name, let the sender use it, and revoke the old one.
    """
    click.echo(tokens.add(file, name, scope, now=datetime.now(UTC)))
    click.echo(f"token {name!r} ({scope}) is in {file}; its secret is shown this once", err=True)


@token.command("list", epilog=examples("maibo token list --file /etc/maibo/tokens.json"))
@_file_option
@output_option
def list_(*, file: Path, output: str) -> None:
    """Names, scopes and when they were made; never secrets."""
    found = sorted(tokens.read(file), key=lambda one: one.name)
    if output == "json":
        print_json([{"name": one.name, "scope": one.scope, "created": one.created} for one in found])
        return
    shown = table("name", "scope", "created")
    for one in found:
        shown.add_row(one.name, one.scope, one.created)
    console().print(shown)


@token.command(epilog=examples("maibo token revoke shop --file /etc/maibo/tokens.json"))
@click.argument("name")
@_file_option
def revoke(*, name: str, file: Path) -> None:
    """Take a token away: it is refused within a second."""
    gone = tokens.revoke(file, name)
    click.echo(f"token {gone.name!r} ({gone.scope}) is revoked")
