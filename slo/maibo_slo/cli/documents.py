"""``maibo validate`` and ``maibo generate``: what needs documents and no running service."""

from __future__ import annotations

from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

import click

from maibo_slo.cli.example import examples
from maibo_slo.cli.output import many, output_option, print_json
from maibo_slo.errors import MaiboError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.documents import Catalogue, Problem
    from maibo_slo.plugins import Artefact, Generator, Option

_ALWAYS: Final = {"services": "service", "journeys": "journey", "slos": "SLO"}
_COUNTED: Final = {
    **_ALWAYS,
    "prom_slos": "Prometheus SLO",
    "scaleup_slos": "scale-up SLO",
    "corrections": "correction",
    "policies": "error-budget policy",
    "scaling_targets": "scaling target",
    "pulse": "pulse",
}
"""What a catalogue has, and what one of them is called; those beyond `_ALWAYS` are told where there are any."""


@click.command(
    epilog=examples(
        "maibo validate slos/",
        "maibo validate --strict journeys.yaml slos.yaml",
        "cat slo.yaml | maibo validate --standard -",
    )
)
@click.argument("documents", nargs=-1, required=True)
@click.option("--strict", is_flag=True, help="What OpenSLO's own validator refuses is an error, not a warning.")
@click.option(
    "--standard",
    is_flag=True,
    help="Ask only whether it is OpenSLO: what this version cannot judge, and references to other files, are no errors.",
)
@output_option
def validate(documents: tuple[str, ...], *, strict: bool, standard: bool, output: str) -> None:
    """Check documents: every problem of every file at once, with its place and its mend.

    DOCUMENTS are files, folders, or - for standard input. Problems go to standard error, the verdict on valid documents to standard
    output. Exits with 1 when there are errors; warnings alone are no failure.
    """
    from maibo_slo.documents import Catalogue, DocumentsError, load

    catalogue = Catalogue()
    try:
        catalogue = load(documents, strict=strict, standard=standard)
        problems: Sequence[Problem] = catalogue.warnings
    except DocumentsError as error:
        problems = error.problems
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    counts = {} if standard else _counts(catalogue)
    if output == "json":
        print_json({"valid": errors == 0, **counts, "problems": [asdict(problem) for problem in problems]})
    else:
        for problem in problems:
            click.echo(str(problem), err=True)
        told = [many(errors, "error")] * bool(errors) + [many(warnings, "warning")] * bool(warnings)
        if errors:
            click.echo(", ".join(told), err=True)
        else:
            found = ", ".join(filter(None, (_counted(counts), *told)))
            click.echo(": ".join(filter(None, ("valid OpenSLO" if standard else "valid", found))))
    if errors:
        raise SystemExit(1)


def _counts(catalogue: Catalogue) -> dict[str, int]:
    """By the name of `_COUNTED`. Of pulses there is one at the most."""
    found = {name: getattr(catalogue, name) for name in _COUNTED}
    return {name: int(each is not None) if name == "pulse" else len(each) for name, each in found.items()}


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(many(count, _COUNTED[name]) for name, count in counts.items() if count or name in _ALWAYS)


_FIRST_WORD: Final = f"{__name__}.first_word"


class _Generate(click.Command):
    """Its help lists what the installed plugins know to make, with the options of each; it takes the options of all.

    ``generate NAME --help`` is about that generator alone.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the first word: ``--help`` is answered before any argument is read."""
        ctx.meta[_FIRST_WORD] = args[0] if args else ""
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its own, and those of the generators. Several may have one of the same name: `_settings` reads it as WHAT has it."""
        names = {option.name: option.parameter for one in _generators().values() for option in one.options}
        return [*super().get_params(ctx), *(click.Option([f"--{name}", of]) for name, of in names.items())]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Its own options, the generators, and then what each of them takes: one of another is refused."""
        own = [param.get_help_record(ctx) for param in super().get_params(ctx) if isinstance(param, click.Option)]
        with formatter.section("Options"):
            formatter.write_dl([record for record in own if record is not None])
        generators = _generators()
        asked = generators.get(ctx.meta.get(_FIRST_WORD, ""))
        known = list(generators.values()) if asked is None else [asked]
        if known:
            with formatter.section("Generators" if asked is None else "Generator"):
                formatter.write_dl([(one.name, one.help) for one in known])
        for one in known:
            records = [_parameter(option).get_help_record(ctx) for option in one.options]
            if records:
                with formatter.section(f"Options of {one.name}"):
                    formatter.write_dl([record for record in records if record is not None])


@click.command(
    cls=_Generate,
    epilog=examples(
        "maibo generate dashboards slos/ --out dashboards/",
        "maibo generate dashboards slos/ --out manifests/ --datasource prometheus --format configmap",
        "maibo generate grafana-provisioning slos/ --out grafana/ --clickhouse http://maibo.internal:8123",
        "maibo generate rules slos/ --out rules/",
        "maibo generate rules slos/ --out rules/ --dialect sloth --windows windows.yaml",
        "maibo generate rules slos/ --out manifests/ --format operator",
    ),
)
@click.argument("what")
@click.argument("documents", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder to write to; it is made when it is not there.",
)
@output_option
@click.pass_context
def generate(
    ctx: click.Context, /, what: str, documents: tuple[str, ...], *, out: Path, output: str, **of_plugins: str | None
) -> None:
    """Make files from documents: dashboards, rules, whatever the installed plugins know to make.

    WHAT is the name of a generator; DOCUMENTS are files, folders, or - for standard input. The files' paths go to standard output, what is
    to be known of them to standard error.
    """
    from maibo_slo.documents import load

    generator = _generator(what)
    settings = _settings(ctx, generator, of_plugins)
    catalogue = load(documents)
    written = []
    for artefact in generator.generate(catalogue, **settings):
        path = _write(artefact, out)
        written.append(path)
        for note in artefact.notes:
            click.echo(f"{path}: {note}", err=True)
    if not written:
        there = _counted(_counts(catalogue))
        click.echo(f"nothing was made: {generator.name} makes {generator.help}; the documents have {there}", err=True)
    if output == "json":
        print_json({"generator": generator.name, "written": [str(path) for path in written]})
        return
    for path in written:
        click.echo(str(path))


def _generators() -> dict[str, Generator]:
    from maibo_slo.plugins import plugins

    return {generator.name: generator for plugin in plugins() for generator in plugin.generators}


def _generator(name: str) -> Generator:
    known = _generators()
    if name not in known:
        near = get_close_matches(name, known, n=1)
        meant = f", did you mean {near[0]}?" if near else ""
        there = ", ".join(known) or "none; see `maibo plugins`"
        raise click.UsageError(f"there is no generator {name!r}{meant or ';'} installed: {there}")
    return known[name]


def _settings(ctx: click.Context, generator: Generator, values: Mapping[str, str | None]) -> dict[str, str]:
    """The generator's options by keyword; one of another generator is refused, since it would say nothing here.

    click.BadParameter where the generator has no such choice.
    """
    known = {option.parameter: option for option in generator.options}
    for name in values:
        if name not in known and ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = name.removeprefix("plugin_").replace("_", "-")
            raise click.UsageError(f"the generator {generator.name!r} has no option --{option}")
    return {option.name.replace("-", "_"): _value(ctx, option, values[name]) for name, option in known.items()}


def _value(ctx: click.Context, option: Option, said: str | None) -> str:
    return option.default if said is None else str(_parameter(option).type_cast_value(ctx, said))


def _parameter(option: Option) -> click.Option:
    return click.Option(
        [f"--{option.name}", option.parameter],
        default=option.default,
        type=click.Choice(option.choices) if option.choices else None,
        show_default=bool(option.default),
        help=option.help,
    )


def _write(artefact: Artefact, out: Path) -> Path:
    relative = PurePosixPath(artefact.path)
    if relative.is_absolute() or ".." in relative.parts:
        raise MaiboError(f"a generator wants to write {artefact.path!r}, outside of {out}")
    path = out / relative
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(artefact.text, encoding="utf-8")
    except OSError as error:
        raise MaiboError(f"cannot write {path}: {error.strerror}") from error
    return path
