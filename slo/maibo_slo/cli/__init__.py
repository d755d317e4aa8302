"""The command line: ``maibo COMMAND``.

Commands are looked up by name and imported when they are asked for, so that ``maibo --help`` takes half a second, not five. A
plugin's commands come after the built-in ones, and cannot replace them; a plugin's group with the name of a built-in one (``journey``)
adds its commands to that.

Exit codes: 0 done, 1 failed (one line on standard error says why), 2 used wrongly.
"""

from __future__ import annotations

import logging
import sys
from copy import copy
from importlib import import_module
from typing import Final

import click

from maibo_slo.cli.example import examples
from maibo_slo.errors import MaiboError

__all__ = ["cli", "main"]

BUILT_IN: Final = {
    "serve": ("maibo_slo.cli.serve:serve", "Run the service: collectors, engine, API and pages."),
    "demo": ("maibo_slo.demo.cli:demo", "Run a small shop under real traffic, and check what maibo says."),
    "validate": ("maibo_slo.cli.documents:validate", "Check documents: every problem, with its place and mend."),
    "lint": ("maibo_slo.cli.lint:lint", "Check what valid documents mean; explain each rule."),
    "generate": ("maibo_slo.cli.documents:generate", "Make dashboards, rules and the like from documents."),
    "import": ("maibo_slo.cli.importing:importing", "Turn SLOs of sloth, pyrra and slo-generator into OpenSLO."),
    "slo": ("maibo_slo.cli.slo:slo", "SLOs of a running service."),
    "journey": ("maibo_slo.cli.journey:journey", "Journeys of a running service."),
    "correction": ("maibo_slo.cli.correction:correction", "Maintenance and the like: tell, list and cancel it."),
    "scaling": ("maibo_slo.cli.scaling:scaling", "How many replicas each target should have, and why."),
    "override": ("maibo_slo.cli.override:override", "Bounds of replicas that a person sets, until they expire."),
    "scaleup": ("maibo_slo.cli.scaleup:scaleup", "Scale-ups: how long they take, and where the time goes."),
    "report": ("maibo_slo.cli.report:report", "What a day, week or month came to, for people and spreadsheets."),
    "store": ("maibo_slo.cli.store:store", "The store's schema and size."),
    "token": ("maibo_slo.cli.token:token", "Tokens of those who may send telemetry."),
    "plugins": ("maibo_slo.cli.about:plugins", "What is installed, and what failed to load."),
    "version": ("maibo_slo.cli.about:version", "Versions of what is installed."),
}
"""name -> where it is, and what the list of commands says (so that the list imports none of them); in the order of the help."""


class Commands(click.Group):
    """Built-in commands by name, then those of plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        return [*BUILT_IN, *sorted(_of_plugins().keys() - BUILT_IN.keys())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- click's signature
        if cmd_name not in BUILT_IN:
            return _of_plugins().get(cmd_name)
        module, _, name = BUILT_IN[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return _extended(command) if isinstance(command, click.Group) else command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 -- click's signature
        """The list under ``--help``."""
        rows = [(name, summary) for name, (_, summary) in BUILT_IN.items()]
        of_plugins = {name: one for name, one in sorted(_of_plugins().items()) if name not in BUILT_IN}
        room = formatter.width - 6 - max(map(len, [*BUILT_IN, *of_plugins]))  # as click's own groups have it
        rows += [(name, one.get_short_help_str(room)) for name, one in of_plugins.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> object:
        """A MaiboError is a person's to mend: one clear message, no traceback unless asked for."""
        try:
            return super().invoke(ctx)
        except MaiboError as error:
            if ctx.params.get("debug"):
                raise
            raise click.ClickException(str(error)) from error


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=examples("maibo demo", "maibo serve slos/", "maibo validate slos/", "maibo slo list"),
)
@click.option("--debug", is_flag=True, help="Log everything, and show tracebacks.")
@click.version_option(package_name="maibo-slo", prog_name="maibo", message="%(prog)s %(version)s")
def cli(*, debug: bool) -> None:
    """Measure what customers feel, and decide by it: journeys, SLOs and error budgets, from counts."""
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    if not debug:  # what the driver of a store tells of a failure is in the error that follows
        # Not urllib3 as a whole: its level is set by the driver, which is loaded later.
        for noisy in ("urllib3.connectionpool", "clickhouse_connect"):
            logging.getLogger(noisy).setLevel(logging.CRITICAL)


def main() -> None:
    """The console script ``maibo``."""
    cli(prog_name="maibo")


def _extended(group: click.Group) -> click.Group:
    """A built-in group, with the commands that plugins have for it."""
    from maibo_slo.plugins import commands

    extended = copy(group)
    for other in commands():
        if isinstance(other, click.Group) and other.name == group.name:
            extended.commands = {**other.commands, **extended.commands}
    return extended


def _of_plugins() -> dict[str, click.Command]:
    from maibo_slo.plugins import commands

    return {command.name: command for command in commands() if command.name}
