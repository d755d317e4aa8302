"""A plugin's commands in a built-in group."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from maibo_slo import plugins
from maibo_slo.cli import cli


def said(name: str) -> click.Command:
    return click.Command(name, callback=lambda: click.echo(f"the plugin's {name}"), help=f"Says {name}.")


@pytest.fixture
def journey_of_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two plugins, each with a group named ``journey``."""
    groups = [
        click.Group("journey", {"replay": said("replay"), "list": said("list")}),
        click.Group("journey", {"draw": said("draw")}),
    ]
    monkeypatch.setattr(plugins, "commands", lambda: tuple(groups))


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.usefixtures("journey_of_plugins")
def test_plugins_add_to_a_built_in_group() -> None:
    assert run("journey", "replay") == "the plugin's replay\n"
    assert run("journey", "draw") == "the plugin's draw\n"
    listed = run("journey", "--help")
    assert all(f"  {name} " in listed for name in ("draw", "replay", "list", "show"))


@pytest.mark.usefixtures("journey_of_plugins")
def test_a_plugin_replaces_no_built_in_command() -> None:
    assert "Journeys, every declared one" in run("journey", "list", "--help")


@pytest.mark.usefixtures("journey_of_plugins")
def test_the_group_itself_stays_the_built_in_one() -> None:
    assert run("--help").count("  journey ") == 1
    assert "asks a running service" in run("journey", "--help")


def test_without_plugins_a_built_in_group_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "commands", tuple)
    assert "replay" not in run("journey", "--help")
