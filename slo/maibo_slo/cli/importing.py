"""``maibo import``: other tools' files, as OpenSLO documents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from maibo_slo.cli.example import examples
from maibo_slo.cli.output import many
from maibo_slo.errors import MaiboError

if TYPE_CHECKING:
    from maibo_slo.importing import Imported

_TOOLS: Final = ("sloth", "pyrra", "slo-generator")


def _window(ctx: click.Context, param: click.Parameter, window: str) -> str:
    from maibo_slo.documents.durations import window_seconds

    try:
        if window:
            window_seconds(window)
    except ValueError as error:
        raise click.BadParameter(f"{window!r} is not a window such as 28d or 4w", ctx=ctx, param=param) from error
    return window


@click.command(
    "import",
    epilog=examples(
        "maibo import sloth slos/*.yml --out openslo/",
        "maibo import sloth slos.yml --window 28d > openslo.yaml",
        "maibo import pyrra - --strict < slo.yaml",
        "maibo import slo-generator slo_*.yaml config.yaml --out openslo/",
    ),
)
@click.argument("tool", type=click.Choice(_TOOLS))
@click.argument("files", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to, one file a service; it is made when it is not there.  [default: standard output]",
)
@click.option(
    "--window",
    default="",
    callback=_window,
    help="The SLOs' rolling window, such as 28d.  [default: what the files say; without, 30d for sloth, 28d for slo-generator]",
)
@click.option("--strict", is_flag=True, help="Write nothing and exit with 1 when anything has no equivalent.")
def importing(tool: str, files: tuple[str, ...], *, out: Path | None, window: str, strict: bool) -> None:
    """Turn the SLOs of sloth, pyrra or slo-generator into OpenSLO documents.

    FILES are the tool's own, or - for standard input. What has no equivalent in the documents, and what was changed, is told on
    standard error with its place. Exits with 1, and writes nothing, when a file cannot be read.
    """
    from maibo_slo.documents import DocumentsError
    from maibo_slo.importing import read

    try:
        imported = read(tool, files, window=window)
    except DocumentsError as error:
        click.echo(str(error), err=True)
        raise SystemExit(1) from error
    for told in imported.told:
        click.echo(str(told), err=True)
    refused = strict and imported.lost > 0
    if not refused:
        _write(imported, files, out)
    click.echo(_summary(imported) + (": nothing was written" if refused else ""), err=True)
    if refused:
        raise SystemExit(1)


def _write(imported: Imported, files: tuple[str, ...], out: Path | None) -> None:
    if out is None:
        click.echo("---\n".join(imported.files.values()), nl=False)
        return
    inputs = {Path(file).resolve() for file in files}
    paths = {out / f"{service}.yaml": text for service, text in imported.files.items()}
    for path in paths:
        if path.resolve() in inputs:
            raise MaiboError(f"{path} is one of the files to import, and would be overwritten: give another --out")
    for path, text in paths.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise MaiboError(f"cannot write {path}: {error.strerror}") from error
        click.echo(str(path))


def _summary(imported: Imported) -> str:
    changed = len(imported.told) - imported.lost
    parts = [
        f"{many(imported.slos, 'SLO')} of {many(len(imported.files), 'service')}",
        f"{many(imported.lost, 'thing')} had no equivalent",
        *([f"{changed} {'was' if changed == 1 else 'were'} changed"] if changed else []),
    ]
    return "; ".join(parts)
