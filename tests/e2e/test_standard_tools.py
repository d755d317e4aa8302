"""The whole way of an SLO document, with the tools that people have: lint, import, generated rules, and Prometheus' own promtool on every file.

``-s`` prints how long each step took. What sloth's dialect does is tried in ``tests/alerting/prometheus``; here its files are checked.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from maibo_slo.cli import cli

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
EXAMPLES = ("shop", "mapped", "standard")
OTHERS = {
    "sloth": ("sloth.yml", "sloth-resource.yaml"),
    "pyrra": ("pyrra.yaml",),
    "slo-generator": ("slo-generator.yaml", "slo-generator-config.yaml"),
}
promtool = shutil.which("promtool")


@pytest.fixture
def timed() -> Callable[..., None]:
    """Runs a step, and prints what it took."""

    def run(step: str, work: Callable[[], str]) -> None:
        began = time.perf_counter()
        told = work()
        print(f"{step:<24}{time.perf_counter() - began:>7.2f} s   {told}")

    return run


def maibo(*arguments: str) -> str:
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def promtool_runs(*arguments: str) -> None:
    if promtool is None:
        pytest.fail("promtool is missing: install Debian's prometheus")
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_examples_and_imported_slos_pass_lint_and_their_rules_pass_promtool(
    tmp_path: Path, timed: Callable[..., None]
) -> None:
    made = tmp_path / "made"

    def linted() -> str:
        for example in EXAMPLES:
            maibo("lint", str(ROOT / "examples" / example))
        return ", ".join(EXAMPLES)

    def imported() -> str:
        for tool, names in OTHERS.items():
            files = (str(ROOT / "tests" / "importing" / "files" / name) for name in names)
            maibo("import", tool, *files, "--out", str(tmp_path / tool))
        return ", ".join(OTHERS)

    def generated() -> str:
        folders = [ROOT / "examples" / one for one in EXAMPLES] + [tmp_path / tool for tool in OTHERS]
        for dialect in ("maibo", "sloth"):
            for folder in folders:
                out = made / dialect / folder.name
                maibo("generate", "rules", str(folder), "--dialect", dialect, "--out", str(out))
        return f"{len(rules())} files of rules, {len(tests())} of tests"

    def rules() -> list[str]:
        return sorted(map(str, made.rglob("*.rules.yaml")))

    def tests() -> list[str]:
        return sorted(map(str, (made / "maibo").rglob("*_test.yaml")))

    def checked() -> str:
        promtool_runs("check", "rules", "--lint=all", "--lint-fatal", *rules())
        return "promtool check rules"

    def tried() -> str:
        halves = (tests()[::2], tests()[1::2])
        with ThreadPoolExecutor() as both:  # promtool uses one core
            list(both.map(lambda half: promtool_runs("test", "rules", *half), halves))
        return "promtool test rules"

    print()
    timed("lint", linted)
    timed("import", imported)
    timed("generate rules", generated)
    timed("check", checked)
    timed("test", tried)
    assert {Path(path).relative_to(made).parts[1] for path in tests()} == {*EXAMPLES, *OTHERS}
