"""`maibo generate rules` with its options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from maibo_slo.cli.documents import generate

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize("example", ["shop", "mapped", "standard"])
@pytest.mark.parametrize("dialect", ["maibo", "sloth"])
def test_the_examples_rules_are_accepted_and_their_tests_pass(
    promtool_says: Callable[..., str], tmp_path: Path, example: str, dialect: str
) -> None:
    command = ["rules", str(EXAMPLES / example), "--out", str(tmp_path), "--dialect", dialect]
    done = CliRunner().invoke(generate, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    written = sorted(map(str, tmp_path.rglob("*.rules.yaml")))
    assert written
    assert promtool_says("check", "rules", "--lint=all", "--lint-fatal", *written) == ""
    tests = sorted(map(str, tmp_path.rglob("*_test.yaml")))
    assert len(tests) == (
        len(written) if dialect == "maibo" else len(written) - 1
    )  # sloth's has no rules of journeys to test
    if tests:
        assert promtool_says("test", "rules", *tests) == ""


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
