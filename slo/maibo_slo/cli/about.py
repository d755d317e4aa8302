"""``maibo plugins`` and ``maibo version``: what is installed."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING, Final

import click

from maibo_slo.cli.example import examples
from maibo_slo.cli.output import console, output_option, print_json, styled, table

if TYPE_CHECKING:
    from maibo_slo.plugins import Found

DISTRIBUTIONS: Final = (
    "maibo-platform",
    "maibo",
    "maibo-slo",
    "maibo-collectors",
    "maibo-collectors-fast",
    "maibo-dashboards",
    "maibo-alerting",
)


@click.command(epilog=examples("maibo plugins", "maibo plugins --output json"))
@output_option
def plugins(*, output: str) -> None:
    """What is installed, from which distribution; what failed to load, and why. Exits with 1 when one failed."""
    from maibo_slo.plugins import discover

    found = discover()
    if output == "json":
        print_json([_entry(one) for one in found])
    else:
        shown = table("plugin", "from", "version", "brings", "summary")
        shown.columns[3].no_wrap = False  # a plugin may bring a dozen options
        for one in found:
            summary = one.plugin.summary if one.plugin else styled(f"failed: {one.error}", "red")
            shown.add_row(one.entry_point, one.distribution, one.version, ", ".join(_brings(one)), summary)
        console().print(shown if found else "no plugin is installed")
    if any(one.error for one in found):
        raise SystemExit(1)


@click.command(epilog=examples("maibo version", "maibo version --output json"))
@output_option
def version(*, output: str) -> None:
    """Versions of maibo's distributions and of Python; what plugins tell of themselves, such as the decoder in use."""
    installed = {name: found for name in DISTRIBUTIONS if (found := _version(name)) is not None}
    versions = {**installed, "python": platform.python_version()}
    told = _told()
    if output == "json":
        print_json({**told, **versions})
        return
    for name, number in versions.items():
        click.echo(f"{name} {number}")
    for name, text in told.items():
        click.echo(f"{name}: {text}")


def _told() -> dict[str, str]:
    """What plugins tell beside their version; of one that fails to, why."""
    from maibo_slo.plugins import plugins as loaded

    told: dict[str, str] = {}
    for plugin in loaded():
        try:
            told.update(plugin.about() if plugin.about is not None else {})
        except Exception as error:  # noqa: BLE001 -- a stranger's code may raise anything; it must not take ours down
            told[plugin.name] = f"cannot tell: {type(error).__name__}: {error}"
    return told


def _entry(found: Found) -> dict[str, object]:
    return {
        "plugin": found.entry_point,
        "distribution": found.distribution,
        "version": found.version,
        "value": found.value,
        "summary": found.plugin.summary if found.plugin else None,
        "brings": _brings(found),
        "error": found.error,
    }


def _brings(found: Found) -> list[str]:
    plugin = found.plugin
    if plugin is None:
        return []
    parts = {
        "task": plugin.task,
        "routes": plugin.routes,
        "commands": plugin.commands,
        "generators": plugin.generators,
        "options": plugin.options,
    }
    named = [part for part, there in parts.items() if there and part not in {"generators", "options"}]
    named += [f"generate {generator.name}" for generator in plugin.generators]
    return named + [f"--{option.name}" for option in plugin.options]


def _version(name: str) -> str | None:
    try:
        return version_of(name)
    except PackageNotFoundError:
        return None
