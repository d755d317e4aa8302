"""``maibo import``: what goes to standard output, what to standard error, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from maibo_slo.cli import cli

FILE = """\
version: prometheus/v1
service: shop
slos:
- name: availability
  objective: 99.9
  sli: {events: {error_query: 'e[{{.window}}]', total_query: 't[{{.window}}]'}}
"""
WITH_ALERT = f"{FILE}  alerting: {{name: ShopErrors}}\n"


@pytest.fixture(autouse=True)
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("slo.yml").write_text(FILE)
    Path("alert.yml").write_text(WITH_ALERT.replace("shop", "cart"))


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["import", *arguments], input=stdin, catch_exceptions=False)


def test_documents_go_to_standard_output_and_the_summary_to_standard_error() -> None:
    result = run("sloth", "slo.yml", "alert.yml")
    assert result.exit_code == 0
    assert [one["kind"] for one in yaml.safe_load_all(result.stdout)] == ["Service", "SLO", "Service", "SLO"]
    assert result.stderr.splitlines() == [
        "alert.yml:4:9: warning: slos[0].name: 'availability' names another SLO too; it is now cart-availability",
        "alert.yml:7:14: warning: slos[0].alerting.name: has no equivalent",
        "2 SLOs of 2 services; 1 thing had no equivalent; 1 was changed",
    ]


def test_standard_input_is_a_file_too() -> None:
    result = run("sloth", "-", "--window", "28d", stdin=FILE)
    assert result.exit_code == 0
    assert "# from <stdin>, availability\n" in result.stdout
    assert "duration: 28d" in result.stdout
    assert result.stderr == "1 SLO of 1 service; 0 things had no equivalent\n"


def test_a_folder_gets_one_file_a_service() -> None:
    result = run("sloth", "slo.yml", "alert.yml", "--out", "openslo/new")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["openslo/new/shop.yaml", "openslo/new/cart.yaml"]
    assert sorted(path.name for path in Path("openslo/new").iterdir()) == ["cart.yaml", "shop.yaml"]


def test_a_file_that_is_imported_is_not_overwritten() -> None:
    Path("shop.yaml").write_text(FILE)
    result = run("sloth", "shop.yaml", "--out", ".")
    assert result.exit_code == 1
    assert "shop.yaml is one of the files to import, and would be overwritten: give another --out" in result.stderr
    assert Path("shop.yaml").read_text() == FILE


def test_a_folder_that_cannot_be_written_is_told() -> None:
    Path("taken").write_text("")
    result = run("sloth", "slo.yml", "--out", "taken/folder")
    assert result.exit_code == 1
    assert "cannot write taken/folder/shop.yaml: Not a directory" in result.stderr


def test_strict_writes_nothing_where_something_has_no_equivalent() -> None:
    result = run("sloth", "alert.yml", "--strict")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.endswith("1 SLO of 1 service; 1 thing had no equivalent: nothing was written\n")
    assert run("sloth", "slo.yml", "--strict").exit_code == 0


def test_a_file_that_cannot_be_read_ends_it_with_every_problem() -> None:
    Path("broken.yml").write_text("version: prometheus/v1\nservice: [\n")
    result = run("sloth", "slo.yml", "broken.yml", "missing.yml")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert [line.split(": error: ")[0] for line in result.stderr.splitlines()] == ["broken.yml:3:1", "missing.yml:1:1"]
    assert "missing.yml:1:1: error: cannot be read: No such file or directory" in result.stderr


def test_files_of_another_tool_are_no_success() -> None:
    result = run("pyrra", "slo.yml")
    assert result.exit_code == 1
    assert "slo.yml:1:1: error: no SLO of pyrra in what was given" in result.stderr
    assert (
        "this document is none of pyrra's and was left out (give files of kind ServiceLevelObjective" in result.stderr
    )


def test_a_wrong_window_is_told_before_anything_is_read() -> None:
    result = run("sloth", "missing.yml", "--window", "soon")
    assert result.exit_code == 2
    assert "'soon' is not a window such as 28d or 4w" in result.stderr
