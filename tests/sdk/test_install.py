"""The SDK stands alone: it installs and imports without the platform, quickly."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = ROOT / ".tools" / "bin" / "uv"
HEAVY = ("requests", "opentelemetry.sdk", "opentelemetry.exporter", "google.protobuf")
NEVER = (
    "fastapi",
    "starlette",
    "pandas",
    "numpy",
    "clickhouse_connect",
    "chdb",
    "click",
    "yaml",
    "pydantic",
    "maibo_slo",
)


def run(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    ).stdout


def test_importing_loads_neither_the_exporter_nor_anything_of_the_platform():
    loaded = run("import sys, maibo, maibo.asgi, maibo.wsgi, maibo.testing; print(*sys.modules)").split()
    assert [name for name in HEAVY + NEVER if name in loaded] == []


def test_configuring_loads_nothing_of_the_platform():
    loaded = run("import sys, maibo; maibo.configure(endpoint='http://127.0.0.1:9'); print(*sys.modules)").split()
    assert [name for name in NEVER if name in loaded] == []


def test_importing_takes_at_most_four_tenths_of_a_second():
    program = "import time; t = time.process_time(); import maibo; print(time.process_time() - t)"
    assert min(float(run(program)) for _ in range(3)) <= 0.4


DISTRIBUTIONS = {
    "google.rpc": "googleapis-common-protos",
    "opentelemetry.exporter": "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry.instrumentation": "opentelemetry-instrumentation",
    "opentelemetry.proto": "opentelemetry-proto",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry": "opentelemetry-api",
    "requests": "requests",
}
"""Of what is imported, by the longest prefix."""


def required() -> dict[str, str]:
    project = tomllib.loads((ROOT / "sdk" / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["instrumentation"]]
    return {(name := re.split(r"[^a-z0-9-]", each)[0]): each.removeprefix(name) for each in asked}


def imported() -> set[str]:
    found = set()
    for path in (ROOT / "sdk" / "maibo").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {each.name for each in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= {f"{node.module}.{each.name}" for each in node.names}
    standard = sys.stdlib_module_names | {"maibo", "_typeshed"}
    return {name for name in found if name.partition(".")[0] not in standard}


def test_it_requires_what_it_imports_and_nothing_else():
    used = {next((DISTRIBUTIONS[each] for each in DISTRIBUTIONS if name.startswith(each)), name) for name in imported()}
    assert used == set(required())


def test_the_exporter_whose_insides_are_relied_on_is_the_one_that_is_tested():
    tested = importlib.metadata.version("opentelemetry-exporter-otlp-proto-http").split(".")
    this, following = f"{tested[0]}.{tested[1]}", f"{tested[0]}.{int(tested[1]) + 1}"
    assert required()["opentelemetry-exporter-otlp-proto-http"] == f">={this},<{following}"


def test_the_built_wheel_works_where_the_platform_is_not_installed(tmp_path):
    if not UV.exists():
        pytest.skip("uv is not set up here (make setup)")
    subprocess.run([UV, "build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", tmp_path, ROOT / "sdk"], check=True, timeout=60, capture_output=True)  # fmt: skip
    (wheel,) = tmp_path.glob("maibo-*.whl")
    site = tmp_path / "site"
    subprocess.run([UV, "pip", "install", "--quiet", "--no-deps", "--target", site, wheel], check=True, timeout=60)
    venv.create(tmp_path / "venv", symlinks=True)
    # Its dependencies are lent from here: what is tested is that nothing but them is needed, and that the wheel is whole.
    lent = tmp_path / "lent"
    lent.mkdir()
    here = Path(importlib.metadata.distribution("opentelemetry-api").locate_file(""))
    for name in (
        "opentelemetry",
        "google",
        "requests",
        "urllib3",
        "idna",
        "certifi",
        "charset_normalizer",
        "typing_extensions.py",
    ):
        (lent / name).symlink_to(here / name)
    for info in here.glob("opentelemetry_*.dist-info"):
        (lent / info.name).symlink_to(info)
    program = (
        "import maibo, maibo.asgi, maibo.wsgi, maibo.testing, maibo.auto, maibo.kubernetes, sys\n"
        "maibo.configure(service='alone', endpoint='http://127.0.0.1:9')\n"
        "with maibo.journey('checkout'): pass\n"
        "maibo.shutdown(0)\n"
        "assert maibo.__file__.startswith(sys.argv[1]), maibo.__file__\n"
        "assert maibo.stats().lost == 1 and maibo.stats().internal_errors == 0, maibo.stats()\n"
    )
    done = subprocess.run(
        [tmp_path / "venv" / "bin" / "python", "-c", program, str(site)],
        env={"PYTHONPATH": f"{site}:{lent}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
