"""Installing the scanner compiles it; where that cannot be, the installation says why, and maibo runs without it."""

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from maibo_collectors.otlp.decoding.decoders import COMPILED, Decoders, decoder_in_use
from maibo_collectors.otlp.decoding.rules import Rules

FAST = Path(__file__).parents[3] / "collectors" / "fast"
SOURCES = ("rows.h", "scan.c", "scanner.h", "shapes.h", "tables.h", "valid.h", "wire.h")

needs_compiler = pytest.mark.usefixtures("compiler")


@pytest.fixture
def project(tmp_path):
    """A copy of the distribution, nothing built in it."""
    folder = tmp_path / "fast"
    shutil.copytree(FAST, folder, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    return folder


def build(project, target="wheel", **environment):
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(project / "dist")]
    return subprocess.run(
        command, check=False, cwd=project, env=os.environ | environment, capture_output=True, text=True, timeout=100
    )


@needs_compiler
def test_a_wheel_is_for_a_platform_and_every_python_and_has_the_library(project):
    done = build(project, CFLAGS="-O0")  # quicker
    assert done.returncode == 0, done.stderr
    (wheel,) = (project / "dist").iterdir()
    assert "-py3-none-" in wheel.name
    assert not wheel.name.endswith("-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"maibo_collectors_fast/{name}" for name in ("__init__.py", "scan.so", *SOURCES)} <= set(names)
    assert [name for name in names if name.endswith(".tmp")] == []


def test_it_compiles_without_a_warning(tmp_path, compiler):
    warnings = ("-std=c11", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wno-sign-conversion", "-Werror")
    source = FAST / "maibo_collectors_fast" / "scan.c"
    command = [*compiler, *warnings, "-O2", "-c", str(source), "-o", str(tmp_path / "scan.o")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


def test_without_a_compiler_it_says_what_to_install_and_that_maibo_works_without(project):
    done = build(project, CC="no-such-compiler")
    assert done.returncode != 0
    assert "maibo-collectors-fast needs a C compiler, and there is no 'no-such-compiler'" in done.stderr
    assert "gcc libc6-dev" in done.stderr
    assert "maibo works without this distribution" in done.stderr


@needs_compiler
def test_what_the_compiler_says_is_told_and_nothing_is_left_behind(project):
    (project / "maibo_collectors_fast" / "scan.c").write_text("#error so it is\n")
    done = build(project)
    assert done.returncode != 0
    assert "so it is" in done.stderr
    assert sorted(each.name for each in (project / "maibo_collectors_fast").iterdir()) == sorted(
        ("__init__.py", *SOURCES)
    )


def test_a_source_distribution_needs_no_compiler_and_has_the_sources(project):
    assert build(project, "sdist", CC="no-such-compiler").returncode == 0
    (archive,) = (project / "dist").iterdir()
    shutil.unpack_archive(archive, project / "unpacked")
    names = {path.name for path in (project / "unpacked").rglob("*")}
    assert {*SOURCES, "hatch_build.py", "pyproject.toml"} <= names
    assert "scan.so" not in names


def test_without_the_scanner_python_decodes_and_says_why():
    """In a process of its own that cannot find the scanner's distribution."""
    code = (
        "import sys; sys.modules['maibo_collectors_fast'] = None\n"
        "from maibo_collectors.otlp.decoding.decoders import Decoders, decoder_in_use\n"
        "from maibo_collectors.otlp.decoding.rules import Rules\n"
        "print(decoder_in_use(), type(Decoders(Rules())._traces).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.split("\n")[0] == "python: maibo-collectors-fast is not installed PythonTraces"


@needs_compiler
def test_where_there_is_a_compiler_the_scanner_is_installed_and_used():
    assert decoder_in_use() == COMPILED
    assert type(Decoders(Rules())._traces).__name__ == "CompiledTraces"


@needs_compiler
def test_a_process_that_has_the_library_loaded_keeps_it_when_it_is_built_anew(project, monkeypatch):
    monkeypatch.setenv("CFLAGS", "-O0")
    hook = importlib.util.spec_from_file_location("hatch_build", project / "hatch_build.py")
    built = importlib.util.module_from_spec(hook)
    hook.loader.exec_module(built)
    library = project / "maibo_collectors_fast" / "scan.so"
    built.compile_library(project / "maibo_collectors_fast" / "scan.c", library)
    inode = library.stat().st_ino
    built.compile_library(project / "maibo_collectors_fast" / "scan.c", library)
    assert library.stat().st_ino != inode
