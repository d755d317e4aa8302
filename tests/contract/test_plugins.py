"""A stranger's plugin, in a package of its own, installed as anybody would: it is listed, its route is served, its command runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "stranger"
version = "3.2.1"

[project.entry-points."maibo.plugins"]
stranger = "stranger:plugin"
broken = "stranger:broken"
missing = "stranger.nowhere:plugin"
"""

MODULE = '''
import click
from fastapi import APIRouter
from maibo_slo.plugins import Artefact, Generator, Option, Plugin


def routes(context):
    router = APIRouter()
    router.add_api_route("/stranger", lambda: {"greeting": context.options["greeting"]})
    return router


async def task(context):
    context.report("stranger", None)
    await context.stopping.wait()


@click.command("greet")
def greet():
    """Say hello."""
    click.echo("hello from a stranger")


def plugin():
    return Plugin(
        name="stranger",
        summary="says hello",
        options=(Option("greeting", "hello", "what to say"),),
        task=task,
        routes=routes,
        commands=lambda: [greet],
        generators=(Generator("greetings", "a greeting a journey", lambda catalogue: [Artefact("hello.txt", "hello")]),),
    )


def broken():
    raise RuntimeError("I never work")
'''

SERVE = """
import asyncio, socket, sys, json, threading, urllib.request
from pathlib import Path
from maibo_slo.documents import Catalogue
from maibo_slo.plugins import plugins
from maibo_slo.service.runtime import Runtime, Settings
from maibo_slo.store import open_store

async def main(store, folder):
    settings = Settings(store=str(store), data_dir=folder, options={"greeting": "good day"})
    mine = [plugin for plugin in plugins() if plugin.name == "stranger"]
    runtime = Runtime(store, settings, catalogue=Catalogue(), installed=mine)
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    def announce(line):
        if line.startswith("maibo is ready"):
            threading.Thread(target=ask).start()
    def ask():
        said = [json.load(urllib.request.urlopen(url + path, timeout=20)) for path in ("/stranger", "/readyz")]
        print(json.dumps(said))
        loop.call_soon_threadsafe(runtime.stopping.set)
    loop = asyncio.get_running_loop()
    await asyncio.wait_for(runtime.run(listener, announce=announce), 60)

folder = Path(sys.argv[1])
with open_store(f"chdb://{folder / 'store'}") as store:
    asyncio.run(main(store, folder))
"""


def run(*command: str | Path, cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


def installer(folders: pytest.TempPathFactory) -> list[str | Path]:
    """uv where there is one, else a pip: this environment need not have any."""
    uv = shutil.which("uv") or next(iter((ROOT / ".tools").rglob("bin/uv")), None)
    if uv:
        return [uv, "pip", "install", "--python", sys.executable]
    environment = folders.mktemp("pip")
    run(sys.executable, "-m", "venv", environment)
    return [environment / "bin" / "python", "-m", "pip", "install", "--disable-pip-version-check"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that has the stranger's package installed."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "stranger.py").write_text(MODULE)
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", source / "dist", cwd=source)
    (wheel,) = (source / "dist").glob("*.whl")
    run(*installer(tmp_path_factory), "--no-deps", "--no-index", "--target", target, wheel)
    return {**os.environ, "PYTHONPATH": str(target)}


def maibo(installed: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "maibo_slo.cli", *arguments]
    return subprocess.run(command, env=installed, check=False, capture_output=True, text=True, timeout=60)


def test_it_is_listed_with_its_distribution_and_what_it_brings(installed) -> None:
    done = maibo(installed, "plugins", "--output", "json")
    found = {entry["plugin"]: entry for entry in json.loads(done.stdout)}
    stranger = found["stranger"]
    assert (stranger["distribution"], stranger["version"], stranger["summary"]) == ("stranger", "3.2.1", "says hello")
    assert stranger["brings"] == ["task", "routes", "commands", "generate greetings", "--greeting"]
    assert found["otlp"]["error"] is None


def test_one_that_fails_is_listed_with_the_reason_and_takes_nothing_down(installed) -> None:
    done = maibo(installed, "plugins", "--output", "json")
    assert done.returncode == 1
    found = {entry["plugin"]: entry for entry in json.loads(done.stdout)}
    assert found["broken"]["error"] == "RuntimeError: I never work"
    assert "ModuleNotFoundError" in found["missing"]["error"]
    assert maibo(installed, "version").returncode == 0


def test_its_command_runs(installed) -> None:
    assert "greet" in maibo(installed, "--help").stdout
    assert maibo(installed, "greet").stdout == "hello from a stranger\n"


def test_its_option_is_an_option_of_serve(installed) -> None:
    shown = maibo(installed, "serve", "--help").stdout
    assert "--greeting" in shown
    assert "MAIBO_GREETING" in shown


def test_its_generator_generates(installed, tmp_path: Path) -> None:
    documents = tmp_path / "shop.yaml"
    documents.write_text("apiVersion: openslo/v1\nkind: Service\nmetadata: {name: shop}\nspec: {description: a shop}\n")
    done = maibo(installed, "generate", "greetings", str(documents), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "hello.txt").read_text() == "hello"


def test_its_route_is_served_and_its_task_runs(installed, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVE, str(tmp_path)],
        env=installed,
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    greeting, ready = json.loads(done.stdout)
    assert greeting == {"greeting": "good day"}
    assert {"part": "stranger", "ok": True, "detail": ""} in ready["parts"]
