"""Compiles ``scan.c`` into a shared library beside it, with the C compiler of the machine (``$CC``, else ``cc``; ``$CFLAGS`` are added).

The library needs no Python headers, so one wheel serves every Python of a platform. Without a compiler the build fails, and says so:
maibo works without this distribution.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags

PACKAGE: Final = "maibo_collectors_fast"
FLAGS: Final = ("-std=c11", "-O3", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra")


class Compile(BuildHookInterface[Any]):
    """The hook that hatchling finds in this file."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 -- hatchling's interface
        """Compiles, and adds the library to the wheel. Raises RuntimeError when there is no compiler or it fails."""
        if self.target_name != "wheel":
            return
        folder = Path(self.root) / PACKAGE
        compile_library(folder / "scan.c", folder / "scan.so")
        build_data["artifacts"].append(f"{PACKAGE}/scan.so")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{_platform()}"


def compile_library(source: Path, library: Path) -> None:
    """Written beside `library` and then moved there: a process that has the old one loaded keeps it."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    if shutil.which(compiler[0]) is None:
        raise RuntimeError(
            f"maibo-collectors-fast needs a C compiler, and there is no {compiler[0]!r}: install one (Debian: gcc libc6-dev) or name "
            "it in $CC. maibo works without this distribution, and then decodes OTLP in pure Python."
        )
    fresh = library.with_suffix(f".{os.getpid()}.tmp")
    command = [*compiler, *FLAGS, *shlex.split(os.environ.get("CFLAGS", "")), "-o", str(fresh), str(source)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- the compiler is named by who builds
        if done.returncode:
            raise RuntimeError(f"{shlex.join(command)} failed with {done.returncode}:\n{done.stderr}")
        fresh.replace(library)
    finally:
        fresh.unlink(missing_ok=True)


def _platform() -> str:
    """As hatchling infers it: what is built here is promised to no older C library than this machine's."""
    return next(
        tag.platform for tag in sys_tags() if "manylinux" not in tag.platform and "musllinux" not in tag.platform
    )
