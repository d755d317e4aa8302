"""What every room's tests may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from maibo_slo.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store_dsn(tmp_path: Path) -> str:
    """Where this test's own embedded store is, or would be: nothing is opened yet."""
    return f"chdb://{tmp_path / 'store'}"


@pytest.fixture
def store(store_dsn: str) -> Iterator[Store]:
    """An embedded store of the test's own, empty and migrated (0.1 s; the engine serves one folder a process at a time,
    so a test that has this one cannot open another in its own process)."""
    with open_store(store_dsn) as opened:
        yield opened
