"""Documents, a shop measured by the real pipeline, and the table of queries that were executed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.dashboards.asking import Executed
from tests.dashboards.shop import Shop, journey, measure, slo

from maibo_dashboards.expansion import Grafana
from maibo_slo.documents import Catalogue
from maibo_slo.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TABLE = "MAIBO_QUERIES_TABLE"
"""Names a file, in the environment: the table of executed queries is written to it, as Markdown. With one process of tests (``-n 0``)."""


@pytest.fixture
def grafana() -> Callable[..., Grafana]:
    return Grafana


@pytest.fixture(scope="session")
def executed() -> Iterator[Executed]:
    made = Executed()
    yield made
    if TABLE in os.environ:
        Path(os.environ[TABLE]).write_text(made.markdown())


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    """Two journeys, one with a threshold and an SLO of two objectives; names as awkward as documents allow."""
    return Catalogue(
        journeys={
            "checkout": journey("checkout", "Checkout", threshold_us=500_000),
            "search": journey("search", "Search, or: 'find' $5 \\ things", threshold_us=None),
        },
        slos={"checkout-fast": slo("checkout-fast", "checkout")},
    )


@pytest.fixture(scope="session")
def shop_made(tmp_path_factory: pytest.TempPathFactory, make_scaleup: Any) -> Shop:
    """Once a process: it takes some seconds."""
    return measure(tmp_path_factory.mktemp("shop"), make_scaleup)


@pytest.fixture(scope="module")
def measured(shop_made: Shop) -> Iterator[Store]:
    """The shop's store, opened once a module: the engine serves one folder a process at a time."""
    with open_store(shop_made.dsn) as opened:
        yield opened
