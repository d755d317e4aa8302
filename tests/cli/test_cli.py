"""The command line: what it prints, and how it ends."""

import json
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from maibo_slo.cli import BUILT_IN, cli

EXAMPLES = Path(__file__).parents[2] / "examples" / "shop"


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, arguments, input=stdin, catch_exceptions=False)


def test_help_lists_every_command() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for name in BUILT_IN:
        assert f"  {name} " in result.output


def commands() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []

    def walk(group: click.Group, path: tuple[str, ...]) -> None:
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            if isinstance(command, click.Group):
                walk(command, (*path, name))
            else:
                found.append((*path, name))

    walk(cli, ())
    return found


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_command_has_help_with_examples(path: tuple[str, ...]) -> None:
    result = run(*path, "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.output
    if path[0] in BUILT_IN:
        assert f"maibo {' '.join(path)}" in result.output.split("Examples:")[1]


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom maibo_slo.cli import cli\n"
        "try: cli(['--help'], prog_name='maibo')\n"
        "except SystemExit: pass\n"
        "print({'pandas', 'numpy', 'chdb', 'fastapi', 'clickhouse_connect', 'pyarrow', 'yaml'} & set(sys.modules), file=sys.stderr)"
    )
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == "set()"
    assert time.monotonic() - begun < 5  # 0.3 s; a loaded machine is slower


def test_an_unknown_command_is_used_wrongly() -> None:
    assert run("nothing").exit_code == 2


def test_validate_accepts_the_examples() -> None:
    result = run("validate", str(EXAMPLES))
    assert result.exit_code == 0
    assert result.output.startswith("valid: ")


def test_validate_tells_every_problem_and_fails(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("apiVersion: openslo/v1\nkind: Slow\nmetadata: {name: x}\nspec: {}\n")
    second.write_text("apiVersion: openslo/v1\nkind: Service\nmetadata: {name: 'Not A Label'}\nspec: {}\n")
    result = run("validate", str(tmp_path))
    assert result.exit_code == 1
    assert f"{first}:" in result.stderr
    assert f"{second}:" in result.stderr
    said = json.loads(run("validate", str(tmp_path), "--output", "json").stdout)
    assert said["valid"] is False
    assert {problem["file"] for problem in said["problems"]} == {str(first), str(second)}
    assert all(problem["line"] > 0 for problem in said["problems"])


def test_validate_reads_standard_input() -> None:
    text = "apiVersion: openslo/v1\nkind: Service\nmetadata: {name: shop}\nspec: {description: a shop}\n"
    result = run("validate", "-", "--output", "json", stdin=text)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["services"] == 1


def test_validate_without_documents_is_used_wrongly() -> None:
    assert run("validate").exit_code == 2


def test_generate_writes_files_and_lists_them(tmp_path: Path) -> None:
    result = run("generate", "dashboards", str(EXAMPLES), "--out", str(tmp_path / "out"))
    assert result.exit_code == 0
    written = [Path(line) for line in result.stdout.splitlines()]
    assert written
    assert all(path.is_file() and path.stat().st_size for path in written)


def test_generate_refuses_what_it_does_not_know_and_says_what_there_is(tmp_path: Path) -> None:
    result = run("generate", "nothing", str(EXAMPLES), "--out", str(tmp_path))
    assert result.exit_code == 2
    assert "dashboards" in result.stderr


def test_generate_never_writes_outside_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from maibo_slo import plugins

    bad = plugins.Generator("bad", "escapes", lambda _: [plugins.Artefact("../stolen", "x")])
    monkeypatch.setattr(plugins, "plugins", lambda: (plugins.Plugin("bad", generators=(bad,)),))
    result = run("generate", "bad", str(EXAMPLES), "--out", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert not (tmp_path / "stolen").exists()


def test_asking_without_a_service_says_how_to_get_one() -> None:
    result = run("slo", "list", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "maibo serve" in result.stderr
    assert "Traceback" not in result.stderr


def test_serve_refuses_an_address_that_others_can_reach(tmp_path: Path) -> None:
    result = run("serve", "--listen", "0.0.0.0:8080", "--data-dir", str(tmp_path))
    assert result.exit_code == 1
    assert "can be reached by others" in result.stderr


def test_serve_refuses_documents_with_errors(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: nothing\n")
    result = run("serve", str(tmp_path), "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"))
    assert result.exit_code == 1
    assert "a.yaml:1" in result.stderr


def test_the_store_is_made_migrated_and_described(store_dsn: str) -> None:
    missing = run("store", "info", "--store", store_dsn)
    assert missing.exit_code == 1
    assert "maibo store migrate" in missing.stderr
    assert "applied 1" in run("store", "migrate", "--store", store_dsn).stdout
    assert "nothing to do" in run("store", "migrate", "--store", store_dsn).stdout
    said = json.loads(run("store", "info", "--store", store_dsn, "--output", "json").stdout)
    assert {"cells_10s", "cells_1m", "cells_1h", "sli", "segments"} <= {table["table"] for table in said["tables"]}
    assert "cells_10s" in run("store", "info", "--store", store_dsn).stdout


def test_a_wrong_store_is_one_clear_line() -> None:
    result = run("store", "info", "--store", "mysql://x")
    assert result.exit_code == 1
    assert "chdb:///" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_plugins_lists_what_is_installed() -> None:
    said = json.loads(run("plugins", "--output", "json").stdout)
    otlp = next(entry for entry in said if entry["plugin"] == "otlp")
    assert (otlp["distribution"], otlp["error"]) == ("maibo-collectors", None)
    assert "task" in otlp["brings"]
    assert "maibo-collectors" in run("plugins").stdout


def test_version_tells_every_distribution() -> None:
    said = json.loads(run("version", "--output", "json").stdout)
    assert {"maibo", "maibo-slo", "python"} <= said.keys()
    assert "maibo-slo" in run("version").stdout
