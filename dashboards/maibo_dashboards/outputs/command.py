"""``maibo dashboards push``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from maibo_dashboards.errors import GrafanaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_dashboards.outputs.pushing import Folder, Pushed

_MARKS: Final = {"new": "+", "changed": "~", "unchanged": "=", "failed": "!"}
TOKEN: Final = "MAIBO_GRAFANA_TOKEN"  # noqa: S105 -- the variable's name
_EXAMPLES: Final = (
    "maibo dashboards push slos/ --url https://grafana.example --token-file token --dry-run",
    "maibo dashboards push slos/ --url http://127.0.0.1:3000 --folder 'Team Shop'",
    "maibo dashboards push slos/ --url https://grafana.example --datasource prometheus",
)


def _epilog(lines: Sequence[str]) -> str:
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


@click.group(epilog=_epilog(_EXAMPLES[:2]))
def dashboards() -> None:
    """Dashboards in a Grafana."""


@dashboards.command(epilog=_epilog(_EXAMPLES))
@click.argument("documents", nargs=-1, required=True)
@click.option("--url", envvar="MAIBO_GRAFANA_URL", show_envvar=True, required=True, help="Grafana's address.")
@click.option(
    "--token",
    envvar=TOKEN,
    show_envvar=True,
    help="A service account's token. On the command line others on this machine can read it.",
)
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar=f"{TOKEN}_FILE",
    show_envvar=True,
    help="File with the token.",
)
@click.option(
    "--folder", default="maibo", show_default=True, help="Title of the folder; made if there is none. '' for none."
)
@click.option(
    "--datasource",
    type=click.Choice(["clickhouse", "prometheus"]),
    default="clickhouse",
    show_default=True,
    help="What the dashboards ask.",
)
@click.option("--dry-run", is_flag=True, help="Tell what would be written, and write nothing.")
@click.option(
    "--ca",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Authority of its certificate; the system's if not given.",
)
@click.option("--plain-http", is_flag=True, help="Send the token unencrypted, beyond this machine too.")
@click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people or programs.",
)
def push(
    *,
    documents: tuple[str, ...],
    url: str,
    token: str | None,
    token_file: Path | None,
    folder: str,
    datasource: str,
    dry_run: bool,
    ca: Path | None,
    plain_http: bool,
    output: str,
) -> None:
    """Write the dashboards of DOCUMENTS into a Grafana: those alone that differ from what is there.

    DOCUMENTS are files, folders, or - for standard input. Exits with 1 when a dashboard could not be written.
    """
    from maibo_dashboards.outputs import files, pushing
    from maibo_dashboards.outputs.grafana import Grafana, checked_url, tls_of
    from maibo_slo.documents import load

    address = checked_url(url, plain_http=plain_http)
    grafana = Grafana(address, _token(token, token_file), tls=None if ca is None else tls_of(ca))
    source: Any = datasource
    made = [document for _, document in files.documents(load(documents), source)]
    place = pushing.folder(grafana, folder, dry_run=dry_run)
    if output == "table":
        _tell_folder(place, dry_run=dry_run)
    done = []
    for one in pushing.push(grafana, made, place, dry_run=dry_run):
        done.append(one)
        if output == "table":
            _tell(one, details=dry_run)
    if output == "json":
        said = {"folder": asdict(place), "dry_run": dry_run, "dashboards": [asdict(one) for one in done]}
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
    else:
        click.echo(_sum(done, dry_run=dry_run))
    if any(one.result == "failed" for one in done):
        raise SystemExit(1)


def _token(token: str | None, file: Path | None) -> str:
    """The option before the file, a file before the environment."""
    told = click.get_current_context().get_parameter_source("token") is click.core.ParameterSource.COMMANDLINE
    if file is not None and not (token and told):
        try:
            token = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise GrafanaError(f"--token-file {file} cannot be read: {why}") from None
    if not token:
        raise click.UsageError(f"a token is needed: --token-file FILE, --token, or {TOKEN} in the environment")
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise GrafanaError("the token has characters that no token has; it should be one line, such as glsa_…")
    return token


def _tell_folder(place: Folder, *, dry_run: bool) -> None:
    if place.is_new:
        click.echo(f"+ folder {place.title} ({place.uid}): {'would be made' if dry_run else 'made'}")


def _tell(one: Pushed, *, details: bool) -> None:
    """A line of each; what is different below it, where nothing was written yet."""
    about = one.why if one.result == "failed" else one.result
    click.echo(f"{_MARKS[one.result]} {one.title} ({one.uid}): {about}", err=one.result == "failed")
    if details:
        for line in one.differences:
            click.echo(f"    {line}")


def _sum(done: Sequence[Pushed], *, dry_run: bool) -> str:
    counts = {result: sum(one.result == result for one in done) for result in _MARKS}
    told = ", ".join(f"{count} {result}" for result, count in counts.items() if count)
    what = "dashboard" if len(done) == 1 else "dashboards"
    return f"{len(done)} {what}: {told}" + (" (nothing was written)" if dry_run else "")
