"""``maibo validate``: how strictly documents are asked, and what is said of them."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from maibo_slo.cli import cli

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


@pytest.mark.parametrize("option", ["--standard", "--strict"])
def test_json_says_the_same(option: str) -> None:
    said = json.loads(run(option, "--output", "json", stdin=DEVIANT).stdout)
    assert said["valid"] is (option == "--standard")
    assert [problem["path"] for problem in said["problems"]] == ["spec.condition.kind"]
    assert ("slos" in said) == (option == "--strict")  # none are read where only the standard is asked about


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
