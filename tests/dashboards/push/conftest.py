"""A Grafana for each test, and who pushes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.dashboards.push.contract import TOKEN, Contract, Served, serve

from maibo_dashboards.outputs import grafana as client

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def there() -> Iterator[Served]:
    contract = Contract()
    server, url = serve(contract)
    yield Served(contract, url)
    contract.hang.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def pauses() -> list[float]:
    """How long was waited, instead of waiting."""
    return []


@pytest.fixture
def grafana(there: Served, pauses: list[float]) -> client.Grafana:
    return client.Grafana(there.url, TOKEN, pause=pauses.append)
