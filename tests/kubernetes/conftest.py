"""A fake API server (`fake_api.py`), and connections to it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from maibo_slo.kubernetes import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def fake_api() -> Any:
    """The module."""
    return _module("kubernetes_fake_api", "fake_api.py")


def _module(name: str, file: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(file))
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def api(fake_api: Any) -> Iterator[Any]:
    """A running `FakeApi`, empty."""
    with fake_api.FakeApi() as running:
        yield running


@pytest.fixture
def kubeconfig(api: Any, tmp_path: Path) -> Path:
    """Leads to `api`."""
    path: Path = api.kubeconfig(tmp_path)
    return path


@pytest.fixture
def cluster(kubeconfig: Path) -> Iterator[Cluster]:
    """A connection to `api`."""
    with Cluster(str(kubeconfig)) as connected:
        yield connected


@pytest.fixture(scope="session")
def history() -> Any:
    """Makes a `History` of what happened in a cluster (`cluster_history.py`)."""
    return _module("kubernetes_cluster_history", "cluster_history.py").History
