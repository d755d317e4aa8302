"""What the workspace promises beyond code: few dependencies, each with a reason; pins with hashes; documentation that is complete."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib.metadata import requires
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click
import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry
from starlette.routing import Route

from maibo_alerting import api as alerts
from maibo_slo.cli import cli
from maibo_slo.plugins import discover, plugins
from maibo_slo.service.app import create_app
from maibo_slo.service.pages import routes as html
from maibo_slo.signals import plain
from maibo_slo.signals.reading import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_slo.service.questions import Questions

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = ("sdk", "slo", "collectors", "dashboards", "alerting")
OWN = {
    *("maibo", "maibo-slo", "maibo-collectors", "maibo-collectors-fast", "maibo-dashboards", "maibo-alerting"),
    "maibo-platform",
}
FOLDERS = (*DISTRIBUTIONS, "collectors/fast")
PYPROJECTS = [ROOT / "pyproject.toml", *(ROOT / name / "pyproject.toml" for name in FOLDERS)]
README, README_ZH = ROOT / "README.md", ROOT / "README.zh-CN.md"
# Spelled in halves, for this file is searched too.
REGISTRIES = [
    first + second
    for first, second in (
        ("pypi", ".org"),
        ("python", "hosted.org"),
        ("registry.", "npmjs.org"),
        ("registry.", "yarnpkg.com"),
        ("proxy.", "golang.org"),
        ("crates", ".io"),
        ("docker", ".io"),
        ("ghcr", ".io"),
        ("quay", ".io"),
        ("gcr", ".io"),
        ("conda", ".anaconda.org"),
    )
]


def files() -> list[Path]:
    """Everything that is, or is about to be, committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def pages() -> list[Path]:
    return [path for path in files() if path.suffix == ".md" and "changelog.d" not in path.parts]


def documentation() -> str:
    return "\n".join(page.read_text() for page in pages())


def prose_and_code(page: Path) -> tuple[list[str], list[str]]:
    """A page's lines outside of code blocks, and its code blocks."""
    blocks = re.findall(r"^```\w*\n.*?^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```\w*\n.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return prose.splitlines(), blocks


# --- dependencies


def test_the_sdk_needs_opentelemetry_and_nothing_that_it_does_not_bring() -> None:
    project = tomllib.loads((ROOT / "sdk" / "pyproject.toml").read_text())["project"]
    extras = [each for group in project.get("optional-dependencies", {}).values() for each in group]
    names = [re.split(r"[\s\[<>=!~;]", each)[0] for each in [*project["dependencies"], *extras]]
    brought = [re.split(r"[\s\[<>=!~;]", each)[0] for each in requires("opentelemetry-exporter-otlp-proto-http") or []]
    assert [name for name in names if not name.startswith("opentelemetry-") and name not in brought] == []


@pytest.mark.parametrize("path", PYPROJECTS, ids=lambda path: path.parent.name)
def test_every_dependency_has_its_reason_on_its_line(path: Path) -> None:
    lines = path.read_text().splitlines()
    bare = [
        line.strip()
        for above, line in pairwise(["", *lines])
        if (found := re.match(r'\s+"([a-zA-Z0-9_.-]+)(?:\[[\w,]+\])?\s*(?:[<>=!~;].*)?",?\s*(#.*)?$', line))
        and found[1].lower() not in OWN | set(DISTRIBUTIONS)
        and not found[2]
        and not above.strip().startswith("#")
        and _in_dependencies(lines, line)
    ]
    assert bare == []


def _in_dependencies(lines: list[str], line: str) -> bool:
    """Whether the list that this line stands in is one of dependencies."""
    opened = next(each for each in reversed(lines[: lines.index(line)]) if each.rstrip().endswith("["))
    return opened.split("=")[0].strip() in {"dependencies", "dev", "requires", "instrumentation"}


def test_what_the_design_forbids_is_not_required() -> None:
    needed = {
        name: tomllib.loads((ROOT / name / "pyproject.toml").read_text())["project"]["dependencies"]
        for name in DISTRIBUTIONS
    }
    names = {room: {re.split(r"[\s\[<>=!~;]", each)[0] for each in each_of} for room, each_of in needed.items()}
    assert names["slo"] & OWN == {"maibo"}
    assert names["collectors"] & OWN == {"maibo", "maibo-slo"}
    assert names["dashboards"] & OWN == {"maibo-slo"}
    assert names["alerting"] & OWN == {"maibo-slo"}


def test_every_pin_has_its_hashes() -> None:
    text = (ROOT / "constraints.txt").read_text().replace("\\\n", " ")
    pins = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert len(pins) > 50
    assert [pin.split()[0] for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []


def test_no_file_names_a_package_registry() -> None:
    naming = [
        f"{path.relative_to(ROOT)}: {host}"
        for path in files()
        if path.suffix not in {".png", ".svg", ".woff2"}
        for host in REGISTRIES
        if host in path.read_text(errors="replace")
    ]
    assert naming == []


def test_every_built_in_plugin_loads() -> None:
    assert {found.entry_point: found.error for found in discover() if found.distribution in OWN} == {
        "alerting": None,
        "clickhouse_http": None,
        "dashboards": None,
        "fast_lane": None,
        "kubernetes": None,
        "otlp": None,
        "signals": None,
        "signals_https": None,
    }


# --- documentation


def commands(group: click.Group, *before: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *before, name)
        else:
            yield " ".join([*before, name]), command


def test_every_command_is_documented() -> None:
    text = documentation()
    assert [name for name, _ in commands(cli) if f"maibo {name}" not in text] == []


def test_every_option_of_serve_and_its_variable_is_documented() -> None:
    text = (ROOT / "docs" / "platform-engineer.md").read_text()
    serve = dict(commands(cli))["serve"]
    options = [
        parameter for parameter in serve.params if isinstance(parameter, click.Option) and parameter.name != "help"
    ]
    assert len(options) >= 5
    names = [*(option.opts[0] for option in options), *(str(option.envvar) for option in options if option.envvar)]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_environment_variable_is_documented() -> None:
    text = documentation()
    sources = [path for path in files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in DISTRIBUTIONS]
    found = {name for path in sources for name in re.findall(r"\bMAIBO_[A-Z0-9_]+\b", path.read_text())}
    found |= {str(parameter.envvar) for _, command in commands(cli) for parameter in command.params if parameter.envvar}
    examples = {"MAIBO_NAME"}  # stands for a plugin's option in a docstring
    assert sorted(name for name in found - examples if name not in text) == []


def test_routes_of_plugins_refuse_parameters_that_they_do_not_know() -> None:
    reader = Reader(lambda: None, now=lambda: 0.0)
    app = create_app(
        cast("Questions", None),
        registry=CollectorRegistry(),
        now=lambda: 0.0,
        plugin_routes=[
            plain.router(reader, lambda *_: None),
            alerts.router(lambda: None, lambda: None, now=lambda: 0.0),
        ],
    )
    paths = [path for path, item in app.openapi()["paths"].items() if path.startswith("/v1/") and "get" in item]
    assert {"/v1/scaling", "/v1/scaling/{namespace}/{target}", "/v1/alerts", "/v1/alerts/dead"} <= {*paths}
    with TestClient(app, base_url="http://localhost") as client:
        for path in paths:
            answer = client.get(re.sub(r"{\w+}", "x", path), params={"windw": "1h"})
            assert (answer.status_code, answer.json()["status"]) == (422, 422), path
            assert "no such parameter" in answer.text
        assert client.get("/v1/alerts").status_code == client.get("/v1/scaling").status_code == 200
        assert client.get("/v1/alerts/dead", params={"limit": 5}).status_code == 200
        assert client.get("/v1/scaling/shop/x").status_code == 503, "what the metrics-api trigger asks is looked up"


def test_every_route_is_documented() -> None:
    text = documentation()
    nothing = cast("Questions", None)
    app = create_app(nothing, registry=CollectorRegistry(), now=lambda: 0.0)
    shown = html.router(nothing, endpoint=str, clock=lambda: 0.0).routes
    paths = {*app.openapi()["paths"], *(route.path for route in shown if isinstance(route, Route)), "/openapi.json"}
    assert {"/v1/slos", "/healthz", "/metrics", "/"} <= paths
    assert [path for path in sorted(paths) if f"`{path.replace(':path', '')}`" not in text] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    prose, _ = prose_and_code(page)
    links = re.findall(r"\]\(([^)#\s]+)(#[^)\s]+)?\)", "\n".join(prose))
    local = [(target, anchor) for target, anchor in links if "://" not in target and not target.startswith("mailto:")]
    assert [target for target, _ in local if not (page.parent / target).exists()] == []
    for target, anchor in local:
        if anchor and target.endswith(".md"):
            headings = [line.lstrip("# ") for line in prose_and_code(page.parent / target)[0] if line.startswith("#")]
            slugs = {"#" + re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs


def test_the_index_lists_every_page() -> None:
    text = (ROOT / "docs" / "README.md").read_text()
    there = [page for page in pages() if page.parent == ROOT / "docs" and page.name != "README.md"]
    assert [page.name for page in there if f"({page.name})" not in text] == []


def test_make_targets_in_the_documentation_exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {
        target for page in pages() for target in re.findall(r"(?:^\$ |`)make ([a-z-]+)", page.read_text(), re.MULTILINE)
    }
    assert {"demo", "test", "setup", "lint"} <= asked
    assert asked - targets == set()


def test_commands_in_the_documentation_exist() -> None:
    known = dict(commands(cli))
    asked = {
        line for page in pages() for line in re.findall(r"^\$ (?:\S*/)?maibo ([^#\n]+)", page.read_text(), re.MULTILINE)
    }
    assert asked
    for line in asked:
        command = next(
            (known[name] for name in sorted(known, key=len, reverse=True) if line.strip().startswith(name)), None
        )
        assert command is not None, f"maibo {line}"
        options = {option for parameter in command.params for option in parameter.opts}
        if line.startswith("generate "):  # each generator brings options of its own
            brought = {one.name: one.options for plugin in plugins() for one in plugin.generators}
            options |= {f"--{option.name}" for option in brought[line.split()[1]]}
        assert set(re.findall(r"(--[a-z-]+)", line)) <= options, f"maibo {line}"


def test_the_chinese_readme_keeps_step_with_the_english_one() -> None:
    (prose, code), (prose_zh, code_zh) = prose_and_code(README), prose_and_code(README_ZH)

    def outline(lines: list[str]) -> list[int]:
        return [len(line) - len(line.lstrip("#")) for line in lines if line.startswith("#")]

    def rows(lines: list[str]) -> int:
        return sum(line.startswith("|") for line in lines)

    def links(lines: list[str]) -> set[str]:
        return set(re.findall(r"\]\(([^)]+)\)", "\n".join(lines))) - {"README.md", "README.zh-CN.md"}

    assert outline(prose) == outline(prose_zh)
    assert code == code_zh
    assert rows(prose) == rows(prose_zh)
    assert links(prose) == links(prose_zh)


def test_every_relative_link_and_picture_of_the_docs_is_there() -> None:
    links = [
        (page, link)
        for page in pages()
        for link in re.findall(r"""(?:\]\(|src="|srcset=")([^)"\s]+)""", page.read_text())
        if not link.startswith(("http", "#"))
    ]
    assert len(links) > 30
    assert [f"{page.name}: {link}" for page, link in links if not (page.parent / link.partition("#")[0]).exists()] == []


def test_the_readme_is_what_was_asked_of_it() -> None:
    _, code = prose_and_code(README)
    text = README.read_text()
    python = next(block for block in code if block.startswith("```python"))
    compile(python.removeprefix("```python\n").removesuffix("```"), "README.md", "exec")
    assert "docs/images/page.png" in text
    assert "pip install ./sdk ./slo ./collectors ./dashboards ./alerting" in text
