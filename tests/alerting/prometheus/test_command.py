"""`maibo generate rules` with its options."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from maibo_slo.cli.documents import generate

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_the_operators_format_has_its_own_folder(tmp_path: Path) -> None:
    command = ["rules", str(EXAMPLES / "shop"), "--out", str(tmp_path), "--format", "operator"]
    assert CliRunner().invoke(generate, command, catch_exceptions=False).exit_code == 0
    assert [path.name for path in (tmp_path / "operator").iterdir()] == ["maibo.prometheusrule.yaml"]


@pytest.mark.parametrize(
    ("what", "option", "said"),
    [
        ("dashboards", ("--dialect", "sloth"), "the generator 'dashboards' has no option --dialect"),
        ("rules", ("--dialect", "pyrra"), "'pyrra' is not one of 'maibo', 'sloth'"),
    ],
)
def test_an_option_that_says_nothing_is_refused(tmp_path: Path, what: str, option: tuple[str, str], said: str) -> None:
    done = CliRunner().invoke(generate, [what, str(EXAMPLES / "shop"), "--out", str(tmp_path), *option])
    assert done.exit_code == 2
    assert said in done.output


def test_the_help_tells_the_options_of_generators() -> None:
    told = CliRunner().invoke(generate, ["--help"]).output
    assert "--dialect [maibo|sloth]" in told
    assert "--windows" in told


def test_slos_of_scale_ups_are_left_out_which_is_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(generate, ["rules", str(EXAMPLES / "scaling"), "--out", str(tmp_path)])
    path = tmp_path / "prometheus" / "maibo.rules.yaml"
    told = "checkout-scales-in-time: its events are scale-ups, which maibo's own alerts judge; no rules are made for it"
    assert done.exit_code == 0
    assert done.stderr == f"{path}: {told}\n"
    rules = path.read_text()
    assert f"# {told}" in rules
    assert rules.count("checkout-scales-in-time") == 1
    assert "buying-is-fast" in rules
