"""`maibo dashboards push`, from its options to what people and programs read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from tests.dashboards.push.contract import TOKEN, Fault, Served

from maibo_dashboards import boards
from maibo_slo.cli import cli

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Documents, of which there is one dashboard."""
    real = boards.every
    monkeypatch.setattr(boards, "every", lambda *told: [*real(*told)][:1])
    path = tmp_path / "service.yaml"
    path.write_text("apiVersion: openslo/v1\nkind: Service\nmetadata: {name: shop}\nspec: {}\n")
    return str(path)


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(cli, ["dashboards", "push", *arguments], env=environment)


def test_the_command_tells_what_it_did(there: Served, few: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    arguments = (few, "--url", there.url, "--token-file", str(tmp_path / "token"), "--folder", "Shop")
    dry = run(*arguments, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "would be made" in dry.stdout
    assert there.contract.writes == []
    first = run(*arguments)
    assert first.stdout.splitlines()[1:] == ["+ Journeys (maibo-journeys): new", "1 dashboard: 1 new"]
    assert run(*arguments).stdout.splitlines() == [
        "= Journeys (maibo-journeys): unchanged",
        "1 dashboard: 1 unchanged",
    ]
    there.contract.dashboards["maibo-journeys"]["title"] = "Mine"
    changed = run(*arguments, "--dry-run")
    assert '    title: "Mine" -> "Journeys"\n' in changed.stdout
    assert "(nothing was written)" in changed.stdout


def test_the_token_comes_from_the_environment_or_a_file_and_the_command_line_is_first(
    there: Served, few: str, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    good, bad = {"MAIBO_GRAFANA_TOKEN": TOKEN}, {"MAIBO_GRAFANA_TOKEN": "glsa_other"}
    file = {"MAIBO_GRAFANA_TOKEN_FILE": str(tmp_path / "token")}
    address = {"MAIBO_GRAFANA_URL": there.url}
    assert run(few, "--dry-run", **address, **good).exit_code == 0
    assert run(few, "--dry-run", **address, **bad, **file).exit_code == 0
    assert run(few, "--dry-run", "--token", TOKEN, **address, **bad).exit_code == 0
    refused = run(few, "--dry-run", **address, **bad)
    assert (refused.exit_code, "does not know the token" in refused.stderr) == (1, True)
    missing = run(few, **address)
    assert missing.exit_code == 2
    assert "--token-file FILE, --token, or MAIBO_GRAFANA_TOKEN" in " ".join(missing.stderr.split())


def test_one_that_fails_fails_the_command(there: Served, few: str) -> None:
    there.contract.faults = [Fault("POST", "/api/dashboards/db", 400, {"message": "uid too long, max 40 characters"})]
    done = run(few, "--url", there.url, "--token", TOKEN)
    assert done.exit_code == 1
    assert "! Journeys (maibo-journeys): " in done.stderr
    assert "uid too long" in done.stderr


def test_programs_read_json(there: Served, few: str) -> None:
    said = json.loads(run(few, "--url", there.url, "--token", TOKEN, "-o", "json").stdout)
    assert said["folder"] == {"title": "maibo", "uid": "maibo", "is_new": True}
    assert [(one["uid"], one["result"]) for one in said["dashboards"]] == [("maibo-journeys", "new")]
