"""The entry point: `maibo generate dashboards`.

grafanalib is loaded when dashboards are made, never when plugins are listed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_slo.plugins import Artefact, Generator, Plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_slo.documents import Catalogue


def plugin() -> Plugin:
    return Plugin(
        name="dashboards",
        summary="Grafana dashboards for journeys and their SLOs, reading ClickHouse",
        generators=(
            Generator("dashboards", "Grafana dashboards (JSON, schema 42) for journeys and their SLOs", generate),
        ),
    )


def generate(catalogue: Catalogue) -> Iterator[Artefact]:
    """One dashboard of all journeys, and one for each declared journey. The same documents give the same bytes."""
    from maibo_dashboards import fleet, journey
    from maibo_dashboards.render import render

    yield Artefact("grafana/journeys.json", render(fleet.dashboard(catalogue)))
    for name in sorted(catalogue.journeys):
        text = render(journey.dashboard(catalogue, catalogue.journeys[name]))
        yield Artefact(f"grafana/journey-{name}.json", text)
