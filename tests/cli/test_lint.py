"""``maibo lint`` end to end: what it prints, what it asks, how it ends."""

import http.server
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from maibo_slo.cli import cli
from maibo_slo.linting import RULES, explanation

EXAMPLES = Path(__file__).parents[2] / "examples"
SERVICE = "apiVersion: openslo/v1\nkind: Service\nmetadata: {name: shop}\nspec: {}\n---\n"
SLO = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: checkout-fast}
spec:
  service: shop
  budgetingMethod: Occurrences
  timeWindow: [{duration: 28d, isRolling: true}]
  objectives: [{target: 0.9999}]
  indicator:
    metadata: {name: sli}
    spec:
      ratioMetric:
        good: {metricSource: {type: journey, spec: {journey: checkout, maxDuration: 300ms}}}
        total: {metricSource: {type: journey, spec: {journey: checkout}}}
"""


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["lint", *arguments], input=stdin, catch_exceptions=False)


@pytest.fixture
def slos(tmp_path: Path) -> Path:
    path = tmp_path / "slos.yaml"
    path.write_text(SERVICE + SLO)
    return path


def test_clean_documents_end_with_0() -> None:
    result = run(str(EXAMPLES))
    assert (result.exit_code, result.output) == (0, "clean: 15 SLOs\n")


def test_a_finding_is_one_line_that_a_problem_matcher_reads(slos: Path) -> None:
    result = run(str(slos), "--events-per-day", "250")
    assert result.exit_code == 1
    first, verdict = result.stdout.splitlines()
    pattern = r"^(.+):(\d+):(\d+): (error|warning|info) (SLO\d+): (.*)$"  # of docs/lint.md
    found = re.fullmatch(pattern, first)
    assert found is not None
    assert found.groups()[:5] == (str(slos), "13", "25", "warning", "SLO009")
    assert "allows 0.7 failures" in found[6]
    assert verdict == "1 warning in 1 SLO; `maibo lint --explain SLO009` tells why"


def test_the_pattern_of_the_manual_is_the_one_tested() -> None:
    manual = (EXAMPLES.parent / "docs" / "lint.md").read_text()
    matcher = json.loads(re.findall(r"```\n(\{\"problemMatcher.*?)```", manual, re.DOTALL)[0])
    (pattern,) = matcher["problemMatcher"][0]["pattern"]
    assert pattern["regexp"] == r"^(.+):(\d+):(\d+): (error|warning|info) (SLO\d+): (.*)$"


def test_fail_on_error_lets_warnings_pass_and_info_never_fails(slos: Path) -> None:
    assert run(str(slos), "--events-per-day", "250", "--fail-on", "error").exit_code == 0
    slos.write_text(slos.read_text().replace("28d", "30d"))
    result = run(str(slos))
    assert result.exit_code == 0
    assert "info SLO008" in result.stdout
    slos.write_text(slos.read_text().replace(", maxDuration: 300ms", ", outcome: [success, failure]"))
    assert run(str(slos), "--fail-on", "error").exit_code == 1


def test_ignored_rules_are_silent_in_any_case(slos: Path) -> None:
    assert run(str(slos), "--events-per-day", "250", "--ignore", "slo008, slo009").output == "clean: 1 SLO\n"
    result = run(str(slos), "--ignore", "SLO999")
    assert result.exit_code == 2
    assert "SLO999" in result.stderr


def test_json_has_every_field(slos: Path) -> None:
    said = json.loads(run(str(slos), "--events-per-day", "250", "--output", "json").stdout)
    assert (said["usable"], said["slos"], said["problems"]) == (True, 1, [])
    (finding,) = said["findings"]
    assert {name: finding[name] for name in ("rule", "severity", "file", "line", "column", "document")} == {
        "rule": "SLO009",
        "severity": "warning",
        "file": str(slos),
        "line": 13,
        "column": 25,
        "document": "checkout-fast",
    }
    assert finding["title"] == RULES["SLO009"].title


def test_documents_with_errors_are_told_as_validate_tells_them(slos: Path) -> None:
    slos.write_text(slos.read_text().replace("0.9999", "1").replace("service: shop", "service: shoppe"))
    result = run(str(slos))
    assert result.exit_code == 1
    assert "error: spec.service: there is no Service named 'shoppe'" in result.stdout
    assert "error SLO001: spec.objectives[0].target: " in result.stdout
    assert "not judged: 2 errors" in result.stdout
    assert run(str(slos), "--fail-on", "error", "--output", "json").exit_code == 1


def test_standard_input_is_linted_with_its_places() -> None:
    result = run("-", stdin=SERVICE + SLO.replace("28d", "1M"))
    assert result.exit_code == 0
    assert result.stdout.startswith("<stdin>:12:27: info SLO007: 1M is 30d that roll")
    refused = run("-", stdin=SERVICE + SLO.replace("28d", "3Y"))
    assert refused.stdout.startswith("<stdin>:12:27: error SLO003: ")


def test_a_wrong_annotation_is_a_clear_error(slos: Path) -> None:
    slos.write_text(slos.read_text().replace("fast}", 'fast, annotations: {maibo.dev/events-per-day: "lots"}}'))
    result = run(str(slos))
    assert result.exit_code == 1
    assert "'lots' is not a number of events above 0" in result.stderr
    assert "Traceback" not in result.output


def test_texts_from_documents_move_no_cursor(slos: Path) -> None:
    slos.write_text(
        slos.read_text().replace("maxDuration: 300ms", 'version: ["\\e[2J"]').replace("{journey: checkout}", "X")
    )
    slos.write_text(slos.read_text().replace("X", '{journey: checkout, version: ["\\e[2J"]}'))
    result = run(str(slos))
    assert "SLO024" in result.stdout
    assert "\x1b" not in result.stdout


def test_rules_are_listed_and_explained() -> None:
    listed = run("--rules")
    assert listed.exit_code == 0
    assert [line.split()[0] for line in listed.stdout.splitlines() if "SLO" in line] == list(RULES)
    said = json.loads(run("--rules", "--output", "json").stdout)
    assert {rule["id"]: rule["title"] for rule in said} == {rule.id: rule.title for rule in RULES.values()}
    explained = run("--explain", "slo016")
    assert (explained.exit_code, explained.stdout) == (0, explanation(RULES["SLO016"]))
    unknown = run("--explain", "SLO999")
    assert unknown.exit_code == 2
    assert "--rules" in unknown.stderr


def test_no_documents_and_no_traffic_at_all_are_used_wrongly(slos: Path) -> None:
    assert run().exit_code == 2
    assert run(str(slos), "--events-per-day", "0").exit_code == 2


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    class Answering(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/v1/slos"
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its parent's name
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("one_day", "three_days", "allowed"),
    [(250, 300, "0.7"), (10, 750, "0.7"), (100, None, "0.28")],  # x 28 x 0.0001, of the busier one
)
def test_a_running_service_tells_the_traffic(slos: Path, one_day: int, three_days: int | None, allowed: str) -> None:
    from maibo_slo.service import examples
    from maibo_slo.service.answers import BurnRate

    counts = {"1d": one_day, "3d": three_days}
    burns = [
        BurnRate(window=window, window_seconds=86_400 * int(window[0]), good=n, bad=0, burn_rate=0.0, coverage=1.0)
        for window, n in counts.items()
        if n is not None
    ]
    objective = examples.SLO.objectives[0].model_copy(update={"burn_rates": burns})
    slo = examples.SLO.model_copy(update={"name": "checkout-fast", "objectives": [objective]})
    answer = examples.SLOS.model_copy(update={"slos": [slo]})
    with answering(answer.model_dump_json().encode()) as url:
        result = run(str(slos), "--url", url)
    assert f"allows {allowed} failures" in result.stdout


def test_slices_that_a_running_service_counts_are_not_taken_for_events(tmp_path: Path) -> None:
    from maibo_slo.service import examples
    from maibo_slo.service.answers import BurnRate

    sliced = SLO.replace("Occurrences", "Timeslices").replace(
        "target: 0.9999", "target: 0.99, timeSliceTarget: 0.9, timeSliceWindow: 1m"
    )
    (tmp_path / "slos.yaml").write_text(SERVICE + sliced)
    burn = BurnRate(window="1d", window_seconds=86_400, good=16, bad=0, burn_rate=0.0, coverage=1.0)
    objective = examples.SLO.objectives[0].model_copy(update={"burn_rates": [burn], "unit": "slices"})
    slo = examples.SLO.model_copy(update={"name": "checkout-fast", "objectives": [objective]})
    with answering(examples.SLOS.model_copy(update={"slos": [slo]}).model_dump_json().encode()) as url:
        assert "SLO038" not in run(str(tmp_path), "--url", url).stdout
        assert "SLO038" in run(str(tmp_path), "--url", url, "--events-per-day", "16").stdout


def test_a_service_that_knows_no_traffic_leaves_the_option(slos: Path) -> None:
    from maibo_slo.service import examples

    with answering(examples.SLOS.model_copy(update={"slos": []}).model_dump_json().encode()) as url:
        assert run(str(slos), "--url", url).exit_code == 0
        assert "SLO009" in run(str(slos), "--url", url, "--events-per-day", "250").stdout


def test_a_service_that_does_not_answer_is_one_clear_message(slos: Path) -> None:
    result = run(str(slos), "--url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "cannot reach the service" in result.stderr


def test_the_installed_command_lints(slos: Path) -> None:
    command = [str(Path(sys.executable).with_name("maibo")), "lint", str(slos), "--events-per-day", "250"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "")
    assert "SLO009" in done.stdout
