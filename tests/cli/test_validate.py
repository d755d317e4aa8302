"""``maibo validate``: how strictly documents are asked, and what is said of them."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from maibo_slo.cli import cli
from maibo_slo.documents.document import OTHER_TOOLS
from maibo_slo.importing import TOOLS, pyrra, slo_generator, sloth

DEVIANT = """\
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: fast}
spec: {severity: page, condition: {op: gt, threshold: 2, lookbackWindow: 1h}}
"""
NOT_JUDGED = """\
apiVersion: openslo/v1
kind: SLI
metadata: {name: wait}
spec: {thresholdMetric: {metricSource: {type: Datadog, spec: {query: x}}}}
"""


def run(*arguments: str, stdin: str) -> Result:
    return CliRunner().invoke(cli, ["validate", *arguments, "-"], input=stdin)


def test_what_openslos_validator_refuses_is_a_warning_and_with_strict_an_error() -> None:
    lenient, strict = run(stdin=DEVIANT), run("--strict", stdin=DEVIANT)
    assert (lenient.exit_code, strict.exit_code) == (0, 1)
    assert lenient.stdout == "valid: 0 services, 0 journeys, 0 SLOs, 1 warning\n"
    assert lenient.stderr.startswith("<stdin>:4:35: warning: spec.condition.kind: ")
    assert strict.stderr.startswith("<stdin>:4:35: error: spec.condition.kind: ")


def test_what_is_not_judged_is_an_error_unless_the_standard_alone_is_asked_for() -> None:
    judged, standard = run(stdin=NOT_JUDGED), run("--standard", stdin=NOT_JUDGED)
    assert judged.exit_code == 1
    assert "is valid OpenSLO, but this version does not judge it" in judged.stderr
    assert (standard.exit_code, standard.stdout, standard.stderr) == (0, "valid OpenSLO\n", "")


def test_both_can_be_asked_for_at_once_and_broken_rules_stay_errors() -> None:
    assert run("--strict", "--standard", stdin=NOT_JUDGED).exit_code == 0
    assert run("--standard", stdin=DEVIANT).stdout == "valid OpenSLO: 1 warning\n"
    result = run("--standard", stdin=NOT_JUDGED.replace("{query: x}", "{}"))
    assert result.exit_code == 1
    assert "must have at least one field" in result.stderr


def test_what_scaling_and_the_pulse_are_made_of_is_counted() -> None:
    folder = Path(__file__).parents[2] / "examples" / "scaling"
    said = CliRunner().invoke(cli, ["validate", str(folder)]).stdout
    assert said == "valid: 1 service, 1 journey, 1 SLO, 1 scale-up SLO, 1 scaling target, 1 pulse\n"
    told = json.loads(CliRunner().invoke(cli, ["validate", "-o", "json", str(folder)]).stdout)
    assert (told["scaling_targets"], told["pulse"]) == (1, 1)


@pytest.mark.parametrize("option", ["--standard", "--strict"])
def test_json_says_the_same(option: str) -> None:
    said = json.loads(run(option, "--output", "json", stdin=DEVIANT).stdout)
    assert said["valid"] is (option == "--standard")
    assert [problem["path"] for problem in said["problems"]] == ["spec.condition.kind"]
    assert ("slos" in said) == (option == "--strict")  # none are read where only the standard is asked about


@pytest.mark.parametrize(
    ("head", "place", "tool"),
    [
        ("version: prometheus/v1", "1:10: error: version", "sloth"),
        ("apiVersion: sloth.slok.dev/v1\nkind: PrometheusServiceLevel", "1:13: error: apiVersion", "sloth"),
        ("apiVersion: pyrra.dev/v1alpha1\nkind: ServiceLevelObjective", "1:13: error: apiVersion", "pyrra"),
        ("apiVersion: sre.google.com/v2\nkind: ServiceLevelObjective", "1:13: error: apiVersion", "slo-generator"),
    ],
)
def test_a_file_of_another_tool_is_one_error_that_names_the_import(
    tmp_path: Path, head: str, place: str, tool: str
) -> None:
    file = tmp_path / "slo.yml"
    file.write_text(f"{head}\nservice: tea\nslos: [{{name: requests}}]\n")
    told = f"{file}:{place}: this is a document of {tool} (turn it into OpenSLO: maibo import {tool} FILE)"
    for command in (["validate"], ["generate", "rules", "--out", str(tmp_path)]):
        result = CliRunner().invoke(cli, [*command, str(file)])
        assert result.exit_code == 1
        assert [line for line in result.stderr.splitlines() if "error:" in line] in ([told], [f"Error: {told}"])


def test_every_version_that_can_be_imported_is_known_as_another_tools() -> None:
    versions = {
        sloth.VERSION: "sloth",
        sloth.API_VERSION: "sloth",
        pyrra.API_VERSION: "pyrra",
        slo_generator.API_VERSION: "slo-generator",
    }
    assert versions == OTHER_TOOLS
    assert set(versions.values()) == set(TOOLS)


def test_what_is_not_in_a_generated_file_is_told_beside_it(tmp_path: Path) -> None:
    examples = str(Path(__file__).parents[2] / "examples" / "shop")
    result = CliRunner().invoke(cli, ["generate", "rules", examples, "--dialect", "sloth", "--out", str(tmp_path)])
    assert result.exit_code == 0
    path = tmp_path / "prometheus" / "maibo.rules.yaml"
    assert result.stdout == f"{path}\n"
    assert (
        f"{path}: checkout-available: maibo counts its events itself, and sloth's dialect needs a Prometheus"
        in result.stderr
    )


def test_slos_of_prometheus_are_counted_apart() -> None:
    source = "{metricSource: {type: prometheus, spec: {query: x_total}}}"
    slo = f"""\
[{{apiVersion: openslo/v1, kind: Service, metadata: {{name: shop}}}},
 {{apiVersion: openslo/v1, kind: SLO, metadata: {{name: a}}, spec: {{service: shop, budgetingMethod: Occurrences,
   timeWindow: [{{duration: 28d, isRolling: true}}], objectives: [{{target: 0.99}}],
   indicator: {{metadata: {{name: b}}, spec: {{ratioMetric: {{good: {source}, total: {source}}}}}}}}}}}]
"""
    assert run(stdin=slo).stdout == "valid: 1 service, 0 journeys, 0 SLOs, 1 Prometheus SLO, 1 warning\n"


def test_the_page_about_documents_names_both_options() -> None:
    page = Path(__file__).parents[2] / "docs" / "documents.md"
    options = set(re.findall(r"--\w+", page.read_text()))
    assert {"--strict", "--standard"} <= options
