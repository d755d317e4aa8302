"""Files of other tools, imported; and what comes out, read by maibo itself and by Prometheus' own tool."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from maibo_slo.documents import check as check_documents
from maibo_slo.importing import Imported, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from maibo_slo.documents import PromSlo

FILES = Path(__file__).parent / "files"


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the example files, which is the working directory: problems tell names without it."""
    monkeypatch.chdir(FILES)
    return FILES


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Imported]:
    """The import of one file ``slo.yaml`` with the given text."""
    monkeypatch.chdir(tmp_path)

    def run(tool: str, text: str, *, window: str = "") -> Imported:
        Path("slo.yaml").write_text(text, encoding="utf-8")
        return read(tool, ["slo.yaml"], window=window)

    return run


@pytest.fixture
def told() -> Callable[[Imported], list[str]]:
    """What was told, without severity and mend: ``slo.yaml:3:1 spec.alerting.name: has no equivalent``."""

    def texts(result: Imported) -> list[str]:
        return [f"{one.file}:{one.line}:{one.column} {one.path}: {one.message}" for one in result.told]

    return texts


@pytest.fixture
def slos() -> Callable[[Imported], dict[str, Any]]:
    """The SLO documents that came out, by name, as any YAML reader has them."""

    def documents(result: Imported) -> dict[str, Any]:
        found = [one for text in result.files.values() for one in yaml.safe_load_all(text) if one]
        return {one["metadata"]["name"]: one for one in found if one["kind"] == "SLO"}

    return documents


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[[Imported], Mapping[str, PromSlo]]:
    """What maibo reads of it; no error is allowed."""

    def load(result: Imported) -> Mapping[str, PromSlo]:
        folder = tmp_path / "openslo"
        folder.mkdir()
        for service, text in result.files.items():
            (folder / f"{service}.yaml").write_text(text, encoding="utf-8")
        catalogue, problems = check_documents([folder])
        assert catalogue is not None, "\n".join(map(str, problems))
        return catalogue.prom_slos

    return load


@pytest.fixture
def prometheus(tmp_path: Path) -> Callable[..., str]:
    """``promtool`` with these words and a file of this content; what it printed, for it must succeed."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.fail("promtool is missing: install Debian's prometheus")

    def run(*words: str, content: object) -> str:
        path = tmp_path / "promtool.yaml"
        path.write_text(yaml.safe_dump(content))
        done = subprocess.run([promtool, *words, path], capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
