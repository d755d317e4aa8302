"""Connections to a fake API server (`fake_api.py`), and histories of clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from maibo_slo.kubernetes import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


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
def history(recorder_module: Callable[[str], Any]) -> Any:
    """Makes a `History` of what happened in a cluster (`cluster_history.py`)."""
    return recorder_module("cluster_history").History
