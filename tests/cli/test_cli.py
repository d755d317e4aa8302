"""The command line: what it prints, and how it ends."""

import http.server
import json
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

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


def test_no_line_of_the_help_is_cut_at_80_columns() -> None:
    lines = run("--help").output.splitlines()
    assert [line for line in lines if "..." in line and not line.startswith("Usage:")] == []
    assert max(map(len, lines)) <= 80


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


def groups() -> list[tuple[str, ...]]:
    return sorted({path[:depth] for path in commands() for depth in range(1, len(path))})


@pytest.mark.parametrize("path", groups(), ids=" ".join)
def test_every_group_has_help_with_examples_of_its_commands(path: tuple[str, ...]) -> None:
    shown = run(*path, "--help").output.split("Examples:")[1].splitlines()
    assert len([line for line in shown if f"maibo {' '.join(path)} " in line]) >= 2


def test_the_help_of_generate_shows_the_options_of_rules() -> None:
    examples = run("generate", "--help").output.split("Examples:")[1]
    assert all(option in examples for option in ("--dialect", "--format", "--windows"))


def test_the_help_of_generate_says_whose_each_option_is() -> None:
    sections = re.split(r"\n(?=\S)", run("generate", "--help").output)
    [own] = [each for each in sections if each.startswith("Options:")]
    assert "--out" in own
    assert "--help" in own
    assert "--dialect" not in own
    of = {each.split(":")[0]: each for each in sections if each.startswith("Options of ")}
    assert "--dialect" in of["Options of rules"]
    assert "--cpu" not in of["Options of rules"]
    assert "--replicas" in of["Options of burst-pool"]
    assert "--dialect" not in of["Options of burst-pool"]


def test_the_help_of_one_generator_is_about_that_one_alone() -> None:
    shown = run("generate", "keda", "--help").output
    [headings] = [re.findall(r"^(Generators?|Options of \S+):$", shown, re.MULTILINE)]
    assert headings == ["Generator", "Options of keda"]
    assert "burst-pool  " not in shown
    assert "Options of rules" in run("generate", "nothing", "--help").output


def test_a_misspelt_generator_is_told_the_nearest(tmp_path: Path) -> None:
    result = run("generate", "dashboard", str(EXAMPLES), "--out", str(tmp_path))
    assert result.exit_code == 2
    assert "there is no generator 'dashboard', did you mean dashboards? installed: " in result.stderr
    assert len(result.stderr.splitlines()[-1]) < 200
    assert "did you mean" not in run("generate", "xyz", str(EXAMPLES), "--out", str(tmp_path)).stderr


def test_generate_that_makes_nothing_says_why(tmp_path: Path) -> None:
    result = run("generate", "keda", str(EXAMPLES), "--out", str(tmp_path / "out"))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("nothing was made: keda makes a ScaledObject for each ScalingTarget")
    assert result.stderr.endswith("; the documents have 3 services, 2 journeys, 5 SLOs\n")
    assert not (tmp_path / "out").exists()


ADDING = ("correction", "add", "drill", "--from", "2026-11-23 02:00", "--for", "2h", "--kind", "chaos", "--why", "w")


@pytest.mark.parametrize("targets", [(), ("--slo", "checkout-fast", "--all")])
def test_a_correction_without_what_it_concerns_is_refused_by_the_options_names(targets: tuple[str, ...]) -> None:
    result = run(*ADDING, *targets)
    assert result.exit_code == 2
    told = "say what it concerns: --slo, --service or --journey, each as often as needed, or --all"
    assert told in " ".join(result.stderr.split())


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_command_has_help_with_examples(path: tuple[str, ...]) -> None:
    result = run(*path, "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.output
    if path[0] in BUILT_IN:
        assert f"maibo {' '.join(path)}" in result.output.split("Examples:")[1]


def examples_of(path: tuple[str, ...]) -> list[str]:
    help_text = run(*path, "--help").output
    return [line.strip() for line in help_text.split("Examples:")[1].splitlines() if line.strip()]


@pytest.mark.parametrize("path", [(), *(path for path in commands() if path[0] in BUILT_IN)], ids=" ".join)
def test_every_example_in_the_help_names_a_command_its_options_and_a_generator(path: tuple[str, ...]) -> None:
    for line in examples_of(path):
        words = shlex.split(line)
        arguments = words[words.index("maibo") + 1 :]  # after an environment, or at the end of a pipe
        context = click.Context(cli, info_name="maibo")
        command: click.Command = cli
        while isinstance(command, click.Group):
            _, found, arguments = command.resolve_command(context, arguments)
            assert found is not None, line
            # Making a context reads every option; nothing is invoked.
            context, command = found.make_context(found.name, list(arguments), parent=context), found
            arguments = context._protected_args + context.args if isinstance(command, click.Group) else []
        if command.name == "generate":
            assert (
                context.params["what"] in run("generate", "--help").output.split("Generators:")[1].split("Examples:")[0]
            )


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
    assert time.monotonic() - begun < 20  # 0.3 s; a loaded machine is slower


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


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """What is asked of a service, which answers with the API's own examples."""
    from maibo_slo.cli import journey
    from maibo_slo.service import examples

    found: list[tuple[str, dict[str, str]]] = []

    def ask(_: str, path: str, __: type, parameters: dict[str, str]) -> object:
        found.append((path, parameters))
        if path.endswith("/exemplars"):
            return examples.EXEMPLARS
        return examples.JOURNEYS.model_copy(update={"omitted": 7}) if path == "/v1/journeys" else examples.JOURNEY

    monkeypatch.setattr(journey, "ask", ask)
    return found


def test_a_journey_is_shown_with_every_version_of_its_steps(asked: list[tuple[str, dict[str, str]]]) -> None:
    lines = run("journey", "show", "checkout", "--step", "payment").stdout.splitlines()
    assert asked == [
        ("/v1/journeys/checkout", {"window": "5m", "step": "payment"}),
        ("/v1/journeys/checkout/exemplars", {"window": "5m", "limit": "3", "step": "payment"}),
    ]
    at = next(number for number, line in enumerate(lines) if line.split()[:1] == ["payment"])
    assert [line.split()[0] for line in lines[at : at + 3]] == ["payment", "1.4.2", "1.5.0"]
    assert "98" in lines[at + 2]  # % of 1.5.0 succeed


def test_a_journey_is_shown_with_what_became_of_it_why_and_in_which_traces(
    asked: list[tuple[str, dict[str, str]]],
) -> None:
    said = run("journey", "show", "checkout").stdout
    began = (
        r"4311 started \d\d:\d\d to \d\d:\d\d: 3790 succeeded, 9 failed, 95 abandoned \(57 silently\), 417 under way"
    )
    assert re.search(began, said)
    assert re.search(r"card_declined +the whole journey +5", said)
    assert re.search(r"TimeoutError +payment +1", said)
    assert "https://jaeger.example/trace/5b8efff798038103d269b633813fc60c" in said
    for doubt in ("4 events ended before they started", "12 events are counted as (over the limit)", "from a sample"):
        assert doubt in said
    assert asked[1] == ("/v1/journeys/checkout/exemplars", {"window": "5m", "limit": "3"})


def test_exemplars_are_asked_for_by_what_is_given_alone(asked: list[tuple[str, dict[str, str]]]) -> None:
    said = run("journey", "exemplars", "a/b", "--outcome", "failure", "--step", "", "--version", "1.5.0").stdout
    expected = {"step": "", "version": "1.5.0", "outcome": "failure", "window": "5m", "limit": "20"}
    assert asked == [("/v1/journeys/a%2Fb/exemplars", expected)]
    row = said.strip().splitlines()[-1].split()
    assert row[1:5] == ["payment", "1.5.0", "payment", "failed"]
    assert json.loads(run("journey", "exemplars", "a", "--output", "json").stdout)["exemplars"][0]["span_id"]
    assert run("journey", "exemplars", "a", "--outcome", "lost").exit_code == 2


def test_where_starts_are_not_told_the_command_line_says_so() -> None:
    from maibo_slo.service import examples

    assert examples.JOURNEY.flow is not None
    unknown = examples.JOURNEY.flow.model_copy(update={"abandoned": None, "silent": None, "in_progress": None})
    untold = examples.JOURNEY.model_copy(update={"flow": unknown})
    with answering(untold.model_dump_json().encode()) as (url, _):
        said = run("journey", "show", "checkout", "--url", url).stdout
    assert "3790 succeeded, 9 failed; starts are not told, so how many were abandoned is not known" in said


def test_journeys_left_out_of_the_list_are_told(asked: list[tuple[str, dict[str, str]]]) -> None:
    assert "and 7 more with less traffic" in run("journey", "list", "--limit", "1").stdout
    assert asked[0][1]["limit"] == "1"


class _Answering(http.server.BaseHTTPRequestHandler):
    """Answers every question alike, and keeps what it was asked."""

    asked: ClassVar[list[str]] = []
    status, kind, body, traces, openapi = 200, "application/json", b"{}", b"{}", b"{}"

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(self.status)
        self.send_header("Content-Type", self.kind)
        self.end_headers()
        body = self.openapi if self.path == "/openapi.json" else self.body
        self.wfile.write(self.traces if "/exemplars?" in self.path else body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its parent's name
        """Says nothing."""


@contextmanager
def answering(
    body: bytes, *, status: int = 200, kind: str = "application/json", openapi: bytes = b"{}"
) -> Iterator[tuple[str, list[str]]]:
    """Where it answers, without a scheme; what it was asked."""
    asked: list[str] = []
    from maibo_slo.service import examples

    traces = examples.EXEMPLARS.model_dump_json().encode()
    answers = {"asked": asked, "status": status, "kind": kind, "body": body, "traces": traces, "openapi": openapi}
    said = type("Said", (_Answering,), answers)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), said) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("openapi", "said"),
    [
        (b'{"info": {"title": "maibo", "version": "0.0.9"}}', "runs maibo 0.0.9, this command line is OURS"),
        (b'{"info": {"title": "maibo", "version": "OURS"}}', "another build of maibo OURS"),
        (b'{"info": {"title": "shop", "version": "1"}}', "is it another service?"),
        (b"<html>", "is it another service?"),
    ],
)
def test_an_answer_without_a_field_tells_both_versions(openapi: bytes, said: str) -> None:
    ours = version("maibo-slo")
    with answering(b'{"report": {}}', openapi=openapi.replace(b"OURS", ours.encode())) as (url, _):
        result = run("report", "--url", url)
    assert result.exit_code == 1
    assert said.replace("OURS", ours) in result.stderr
    assert ("report.begin: Field required" in result.stderr) == ("another service" not in said)


def test_a_name_is_asked_for_whole_whatever_is_in_it() -> None:
    from maibo_slo.service import examples

    with answering(examples.JOURNEY.model_dump_json().encode()) as (url, asked):
        for name in ("checkout/pay", "../../etc", "..", "a?b#c", "100%"):
            assert run("journey", "show", name, "--url", url).exit_code == 0
    paths = [path.partition("?")[0].removeprefix("/v1/journeys/") for path in asked]
    assert paths[1::2] == [f"{path}/exemplars" for path in paths[::2]]
    assert paths[::2] == [
        "checkout%2Fpay",
        "..%2F..%2Fetc",
        "%2E%2E",
        "a%3Fb%23c",
        "100%25",
    ]
    nameless = run("journey", "show", "", "--url", url)
    assert (nameless.exit_code, "a name is needed" in nameless.stderr) == (1, True)


def test_a_wrong_window_is_used_wrongly_and_told_in_the_services_words() -> None:
    problem = b'{"detail": "query window: a window is between 10s and 400d long; query limit: too many"}'
    with answering(problem, status=422, kind="application/problem+json") as (url, _):
        result = run("journey", "list", "--window", "500d", "--url", url)
    assert result.exit_code == 2
    assert "--window: a window is between 10s and 400d long; --limit: too many" in " ".join(result.stderr.split())
    assert "query" not in result.stderr


def test_what_the_service_does_not_take_of_a_correction_is_told_by_the_options_names() -> None:
    detail = "body zone: there is no time zone 'Berlni'; body start: is longer ago; body duration_seconds: too short"
    problem = json.dumps({"status": 422, "detail": detail}).encode()
    with answering(problem, status=422, kind="application/problem+json") as (url, _):
        result = run(*ADDING, "--slo", "checkout-fast", "--url", url)
    assert result.exit_code == 2
    told = "--zone: there is no time zone 'Berlni'; --from: is longer ago; --for: too short"
    assert told in " ".join(result.stderr.split())


def test_names_from_outside_are_text_and_neither_markup_nor_a_terminals_commands() -> None:
    from maibo_slo.service import examples

    evil = "[/x] [red]:smile:\x1b[2J"
    named = [one.model_copy(update={"name": evil, "display_name": evil}) for one in examples.JOURNEYS.journeys]
    listed = examples.JOURNEYS.model_copy(update={"journeys": named})
    with answering(listed.model_dump_json().encode()) as (url, _):
        said = run("journey", "list", "--url", url).stdout
    assert "[/x] [red]:smile:\ufffd[2J" in said
    with answering(named[0].model_dump_json().encode()) as (url, _):
        assert "[/x] [red]:smile:\ufffd[2J" in run("journey", "show", "x", "--url", url).stdout


def test_rates_are_written_as_on_the_page_and_no_event_is_not_ago() -> None:
    from maibo_slo.service import examples

    rare = examples.JOURNEY.model_copy(update={"rate_per_second": 1.95 / 60, "age_seconds": None})
    with answering(rare.model_dump_json().encode()) as (url, _):
        lines = run("journey", "show", "checkout", "--url", url).stdout.splitlines()
    assert lines[0] == "Checkout  in the last 5m"
    summary, began = lines[1:3]
    assert summary.startswith("  ended   1.95/min (")
    assert began.startswith("  began   4311 started ")
    assert summary.endswith("last event \u2013")


def test_every_objective_of_an_slo_is_told_apart() -> None:
    from maibo_slo.service import examples

    one = examples.SLO
    several = [one.objectives[0].model_copy(update={"name": name}) for name in ("within-1s", "within-2s")]
    listed = examples.SLOS.model_copy(update={"slos": [one.model_copy(update={"objectives": several})]})
    with answering(listed.model_dump_json().encode()) as (url, _):
        said = run("slo", "list", "--url", url).stdout
    assert "within-1s" in said
    assert "within-2s" in said


def test_what_is_left_of_a_budget_is_told_by_the_pages_names() -> None:
    from maibo_slo.service import examples

    young = examples.SLO.objectives[0].model_copy(
        update={"budget_remaining": -5.67, "budget_remaining_projected": 0.982, "coverage": 0.004}
    )
    one = examples.SLO.model_copy(update={"objectives": [young]})
    with answering(examples.SLOS.model_copy(update={"slos": [one]}).model_dump_json().encode()) as (url, _):
        header, _, row = (line for line in run("slo", "list", "--url", url).stdout.splitlines() if line.strip())
    at, end = header.index("attained") + len("attained"), header.index("burn 1h")
    assert header[at:end].split() == ["budget", "left", "observed"]
    assert row[at:end].split() == ["98.2", "%", "-567", "%"]
    with answering(one.model_dump_json().encode()) as (url, _):
        said = run("slo", "show", "checkout-fast", "--url", url).stdout
    assert "98.2 % budget left, projected; observed -567 % over 0.4 % of 28d" in said
    assert "last minute with events ended 0 s ago" in said


def test_rates_of_one_column_are_in_one_unit() -> None:
    from maibo_slo.service import examples

    rates = {"busy": 12.3, "rare": 0.05}
    journeys = [
        examples.JOURNEYS.journeys[0].model_copy(update={"name": name, "rate_per_second": rate})
        for name, rate in rates.items()
    ]
    listed = examples.JOURNEYS.model_copy(update={"journeys": journeys})
    with answering(listed.model_dump_json().encode()) as (url, _):
        said = run("journey", "list", "--url", url).stdout
    assert re.search(r"busy +12\.3/s ", said)
    assert re.search(r"rare +0\.050/s ", said)


def test_validate_counts_warnings_and_tells_them_where_it_tells_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    from maibo_slo import documents

    warning = documents.Problem("a.yaml", 1, 1, "", "is old", severity="warning")
    monkeypatch.setattr(documents, "load", lambda _, **__: documents.Catalogue(warnings=(warning,)))
    result = run("validate", "a.yaml")
    assert result.exit_code == 0
    assert result.stdout == "valid: 0 services, 0 journeys, 0 SLOs, 1 warning\n"
    assert result.stderr == "a.yaml:1:1: warning: is old\n"


def test_serve_ends_with_one_line_when_a_plugins_setting_is_wrong(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "maibo_slo.cli", "serve", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path)]
    command += ["--otlp-http", "0.0.0.0:0"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1
    assert re.fullmatch(r"Error: --otlp-http '0.0.0.0:0' can be reached by others, .*\n", done.stderr)


@pytest.mark.parametrize("command", ["serve", "collect"])
@pytest.mark.parametrize(
    ("option", "value", "least"),
    [
        ("acceptors", "0", 1),
        ("otlp-log-mib", "many", 1),
        ("otlp-series-limit", "-3", 1),
        ("otlp-token-mib-per-second", "1.5", 0),
    ],
)
def test_whole_numbers_of_plugins_are_told_and_refused_before_anything_starts(
    command: str, option: str, value: str, least: int
) -> None:
    refused = run(command, "--store", "chdb:///nowhere/at-all", f"--{option}", value)
    assert refused.exit_code == 2
    assert refused.stderr.rstrip().endswith(f"{value!r} must be a whole number from {least} on")
    assert f"--{option} INTEGER>={least}" in run(command, "--help").stdout


def test_without_a_word_an_edge_has_its_own_size_of_the_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from maibo_collectors.otlp import collect

    found: list[str] = []

    async def forward(command: collect._Command, _: object) -> None:
        found.append(command.options["otlp-log-mib"])

    monkeypatch.setattr(collect._Command, "forward", forward)
    for more in ([], ["--otlp-log-mib", "7"]):
        asked = ["--forward", "http://127.0.0.1:9", "--data-dir", str(tmp_path), *more]
        assert run("collect", *asked).exit_code == 0
    assert found == [collect.EDGE_LOG_MIB, "7"]


def test_serve_refuses_an_address_that_others_can_reach(tmp_path: Path) -> None:
    result = run("serve", "--listen", "0.0.0.0:8080", "--data-dir", str(tmp_path))
    assert result.exit_code == 1
    assert "can be reached by others" in result.stderr


def test_serve_refuses_a_template_of_traces_that_is_none(tmp_path: Path) -> None:
    result = run(
        "serve", "--trace-url", "javascript:{trace_id}", "--data-dir", str(tmp_path), "--listen", "127.0.0.1:0"
    )
    assert result.exit_code == 1
    assert "--trace-url is 'javascript:{trace_id}'" in result.stderr
    assert "https://jaeger.example/trace/{trace_id}" in result.stderr


def test_serve_refuses_documents_with_errors(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: nothing\n")
    result = run("serve", str(tmp_path), "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"))
    assert result.exit_code == 1
    assert "a.yaml:1" in result.stderr


def test_the_store_is_made_migrated_and_described(store_dsn: str) -> None:
    missing = run("store", "info", "--store", store_dsn)
    assert missing.exit_code == 1
    assert "no store at" in missing.stderr
    assert not Path(store_dsn.removeprefix("chdb://")).exists()
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


def test_without_an_slo_the_list_says_whether_there_are_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    from maibo_slo.cli import slo
    from maibo_slo.service import examples

    scorecard = examples.SCORECARD
    answers = {"/v1/slos": examples.SLOS.model_copy(update={"slos": []})}
    monkeypatch.setattr(slo, "ask", lambda _, path, *__: answers.get(path, scorecard))
    assert "the documents in force hold none" in run("slo", "list").stdout
    scorecard = examples.SCORECARD.model_copy(update={"rows": []})
    assert "start the service with documents" in run("slo", "list").stdout


def test_a_token_without_a_scope_is_one_to_send_and_a_broken_file_is_told_with_its_mend(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    assert run("token", "add", "shop", "--file", str(file)).stdout.startswith("maibo_ingest_")
    file.write_text("{")
    broken = run("token", "list", "--file", str(file))
    assert (broken.exit_code, "put back a copy of it" in broken.stderr) == (1, True)


def test_an_slo_of_groups_slices_and_a_calendar_is_told_in_full() -> None:
    from maibo_slo.service import examples
    from maibo_slo.service.answers import PeriodAnswer

    one = examples.SLO.objectives[0]
    gold = one.model_copy(update={"group": "tier=gold", "unit": "slices", "good": 4_000.5, "bad": 7.25})
    period = PeriodAnswer(begin=datetime(2026, 11, 1, tzinfo=UTC), end=datetime(2026, 12, 1, tzinfo=UTC))
    grouped = examples.SLO.model_copy(
        update={
            "objectives": [gold],
            "group_by": ["tier"],
            "method": "RatioTimeslices",
            "window": "1M",
            "window_kind": "calendar",
            "zone": "Europe/Berlin",
            "period": period,
        }
    )
    with answering(grouped.model_dump_json().encode()) as (url, _):
        said = " ".join(run("slo", "show", "checkout-fast", "--url", url).stdout.split())
    assert "calendar window of Europe/Berlin: 2026-11-01 01:00 CET to 2026-12-01 01:00 CET" in said
    assert "RatioTimeslices: good and bad are slices of time" in said
    assert "one budget for each tier" in said
    assert "objective 0.99 tier=gold:" in said
    assert "4000.5 good, 7.25 bad" in said
    assert "policy default: healthy since" in said
    assert "2.34\u00d7 and 2.66\u00d7" in said
    assert "no data in 1 h 21 min, 2 h excluded by corrections" in said
    assert "maintenance exclude ann@shop.example The database gets new disks." in said
    listed = examples.SLOS.model_copy(update={"slos": [grouped]})
    with answering(listed.model_dump_json().encode()) as (url, _):
        table = run("slo", "list", "--url", url).stdout
    assert "tier=gold" in table
    assert "healthy" in table
    nobody = grouped.model_copy(update={"objectives": [one]})
    with answering(nobody.model_dump_json().encode()) as (url, _):
        said = " ".join(run("slo", "show", "checkout-fast", "--url", url).stdout.split())
    assert "one budget for each tier: none of them has been counted yet" in said


def test_the_command_line_says_what_the_page_says() -> None:
    from maibo_slo.service import examples
    from maibo_slo.service.answers import BurnRule

    rule = BurnRule(
        state="burning_fast",
        long_window="1h",
        short_window="5m",
        factor=3.36,
        reached=False,
        held_back=True,
        held_back_by="not_whole",
    )
    told = {
        "budget_remaining": -2.951,
        "budget_remaining_projected": 0.99470,
        "coverage": 0.00027,
        "no_data_minutes": 40_309,
        "rules": [rule],
    }
    young = examples.SLO.objectives[0].model_copy(update=told)
    one = examples.SLO.model_copy(update={"objectives": [young], "corrections_omitted": 5})
    with answering(one.model_dump_json().encode()) as (url, _):
        said = " ".join(run("slo", "show", "checkout-fast", "--url", url).stdout.split())
    assert "99.4 % budget left, projected; observed -296 % over 0.027 % of 28d" in said
    assert "no data in 27 d 23 h, 2 h excluded" in said
    assert (
        "not burning_fast, though 1h and 5m burn above 3.36\u00d7: too little of the longer window has been observed yet"
        in said
    )
    assert "and 5 older ones in the window" in said
    with answering(examples.SLOS.model_copy(update={"slos": [one]}).model_dump_json().encode()) as (url, _):
        said = run("slo", "list", "--url", url).stdout
    assert " 99.4 %" in said
    assert " -296 %" in said


def test_a_composite_is_told_by_its_components_and_a_prometheus_by_its_name() -> None:
    from maibo_slo.service import examples
    from maibo_slo.service.answers import CompositePart

    parts = [
        CompositePart(name="cart", weight=2, spent=0.25, share=1.0),
        CompositePart(name="pay", weight=0.5, spent=None, share=None),
    ]
    whole = examples.SLO.objectives[0].model_copy(update={"name": "composite", "good": 0, "bad": 0, "parts": parts})
    joint = examples.SLO.model_copy(
        update={"objectives": [whole], "composite": True, "source": "prometheus", "journey": ""}
    )
    with answering(joint.model_dump_json().encode()) as (url, _):
        said = " ".join(run("slo", "show", "checkout-fast", "--url", url).stdout.split())
    assert "source: prometheus, over 28d" in said
    assert "composite: made of components" in said
    assert "cart 2 75.0 % 100 %" in said
    assert "pay 0.5 \u2013 \u2013" in said
    assert "0 good" not in said
